/* Whose commit it is: applied by the platform, pinned by people, released with its source. A Service is told
 * as a story of writes, in JSON with single quotes. */
#include "../cmocka_all.h"

#include "base/alloc.h"
#include "base/text.h"
#include "schema/schema.h"

#include <stdlib.h>
#include <string.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define NOW "2026-01-02T03:04:05Z"
#define SOURCE "'repoUrl':'https://a/b'"

enum how { END, APPLY, UPDATE, GIT };

struct step {
	enum how how;
	const char *manager;
	const char *spec; /* members; of GIT: the commit */
};

static const struct schema_kind *service_kind(void)
{
	return schema_kind_find("helvetia.cloud/v1", "Service");
}

static json_t *service(const char *spec)
{
	HC_AUTO_FREE text = hc_xprintf(
		"{'apiVersion':'helvetia.cloud/v1','kind':'Service','metadata':{'name':'shop'},"
		"'spec':{%s}}",
		spec);
	json_t *object;

	for (char *at = text; *at; at++)
		if (*at == '\'')
			*at = '"';
	object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(object);
	return object;
}

/* What is stored after a write by a person: managedFields travel with the object, as clients send them back.
 */
static json_t *write_step(json_t *live, const struct step *step)
{
	struct hc_error err = {0};
	json_t *object = NULL, *sent = NULL;

	if (step->how == GIT) {
		if (schema_commit_apply(service_kind(), live, step->spec, NOW, &object, NULL, &err))
			fail_msg("%s", err.text);
		return object;
	}
	sent = service(step->spec);
	if (step->how == APPLY) {
		if (schema_apply(service_kind(), live, sent, step->manager, true, NOW, &object, NULL, &err))
			fail_msg("%s", err.text);
		json_decref(sent);
		return object;
	}
	if (schema_update_ownership(service_kind(), live, sent, step->manager, NULL, NOW, &err))
		fail_msg("%s", err.text);
	return sent;
}

static json_t *play(const struct step *steps)
{
	json_t *live = NULL;

	for (; steps->how != END; steps++) {
		json_t *next = write_step(live, steps);

		json_decref(live);
		live = next;
	}
	return live;
}

static const char *commit_of(const json_t *object)
{
	const char *commit = json_string_value(json_object_get(json_object_get(object, "spec"), "commit"));

	return commit ? commit : "(none)";
}

static void test_apply(void **state)
{
	static const struct {
		struct step steps[4];
		const char *owner;  /* before; NULL: nobody */
		const char *pinned; /* NULL: it is taken */
	} cases[] = {
		{{{APPLY, "ann", SOURCE}}, NULL, NULL},
		{{{UPDATE, "ann", SOURCE}}, NULL, NULL},
		{{{APPLY, "ann", SOURCE}, {GIT, NULL, A}}, "helvetia-git", NULL},
		{{{APPLY, "ann", SOURCE ",'commit':'" A "'"}}, "ann", "ann"},
		{{{UPDATE, "ann", SOURCE ",'commit':'" A "'"}}, "ann", "ann"},
		/* An empty commit is unresolved: it pins nothing. */
		{{{APPLY, "ann", SOURCE ",'commit':''"}}, NULL, NULL},
		/* A person takes what the platform wrote, by another value or by the same. */
		{{{APPLY, "ann", SOURCE}, {GIT, NULL, A}, {APPLY, "bob", "'commit':'" B "'"}}, "bob", "bob"},
		{{{APPLY, "ann", SOURCE}, {GIT, NULL, B}, {APPLY, "bob", "'commit':'" B "'"}}, "bob", "bob"},
		/* A write that repeats the commit as it was is no pin. */
		{{{UPDATE, "ann", SOURCE}, {GIT, NULL, B}, {UPDATE, "ann", SOURCE ",'commit':'" B "','replicas':2"}},
		 "helvetia-git",
		 NULL},
		/* A pin that its owner gives up is none. */
		{{{APPLY, "ann", SOURCE ",'commit':'" B "'"}, {APPLY, "ann", SOURCE}}, NULL, NULL},
	};
	HC_AUTO(hc_arena) arena = hc_arena_new();

	(void)state;
	for (size_t index = 0; index < HC_COUNT(cases); index++) {
		json_t *live = play(cases[index].steps);
		json_t *object = NULL;
		json_t *before = json_deep_copy(live);
		const char *owner = schema_commit_owner(live, arena);
		char *pinned = NULL;
		struct hc_error err = {0};
		int result = schema_commit_apply(service_kind(), live,
										 cases[index].pinned && hc_streq(commit_of(live), A) ? B : A, NOW,
										 &object, &pinned, &err);

		if (!hc_streq(owner, cases[index].owner))
			fail_msg("case %zu: the owner is %s", index, owner ? owner : "(none)");
		if (!hc_streq(pinned, cases[index].pinned) || result != (pinned ? -1 : 0))
			fail_msg("case %zu: %d, pinned by %s: %s", index, result, pinned ? pinned : "(none)", err.text);
		if (pinned) {
			assert_int_equal(err.class, HC_CONFLICT);
		} else {
			assert_string_equal(commit_of(object), A);
			assert_string_equal(schema_commit_owner(object, arena), "helvetia-git");
			assert_string_equal(
				json_string_value(json_object_get(json_object_get(object, "spec"), "repoUrl")),
				"https://a/b");
		}
		assert_true(json_equal(live, before));
		free(pinned);
		json_decref(before);
		json_decref(object);
		json_decref(live);
	}
}

static void test_apply_refused(void **state)
{
	static const char *const commits[] = {"", "main", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", A "a"};
	json_t *live = play((const struct step[]){{APPLY, "ann", SOURCE}, {END, NULL, NULL}});

	(void)state;
	for (size_t index = 0; index < HC_COUNT(commits); index++) {
		json_t *object = NULL;
		char *owner = NULL;
		struct hc_error err = {0};

		assert_int_equal(
			schema_commit_apply(service_kind(), live, commits[index], NOW, &object, &owner, &err), -1);
		assert_int_equal(err.class, HC_INVALID);
		assert_non_null(strstr(err.text, "must be a full commit id"));
		assert_null(owner);
	}
	json_decref(live);
}

static void test_release(void **state)
{
	static const struct {
		struct step steps[3];
		struct step write;
		const char *commit; /* after it */
	} cases[] = {
		/* Another repository, another branch, a branch where none was: the platform's commit goes. */
		{{{APPLY, "ann", SOURCE}, {GIT, NULL, A}}, {APPLY, "ann", "'repoUrl':'https://a/c'"}, "(none)"},
		{{{APPLY, "ann", SOURCE}, {GIT, NULL, A}}, {APPLY, "ann", SOURCE ",'branch':'next'"}, "(none)"},
		{{{UPDATE, "ann", SOURCE ",'branch':'main'"}, {GIT, NULL, A}},
		 {UPDATE, "ann", SOURCE ",'branch':'next','commit':'" A "'"},
		 "(none)"},
		{{{APPLY, "ann", SOURCE}, {GIT, NULL, A}}, {APPLY, "ann", "'image':'nginx'"}, "(none)"},
		/* Anything else keeps it. */
		{{{APPLY, "ann", SOURCE}, {GIT, NULL, A}}, {APPLY, "ann", SOURCE ",'replicas':3"}, A},
		/* A branch that is empty is none, as it was. */
		{{{APPLY, "ann", SOURCE}, {GIT, NULL, A}}, {APPLY, "ann", SOURCE ",'branch':''"}, A},
		/* A pin stays, the old and the new one. */
		{{{APPLY, "ann", SOURCE ",'commit':'" A "'"}},
		 {APPLY, "ann", SOURCE ",'commit':'" A "','branch':'next'"},
		 A},
		{{{APPLY, "ann", SOURCE}, {GIT, NULL, A}},
		 {APPLY, "ann", SOURCE ",'commit':'" B "','branch':'next'"},
		 B},
		{{{UPDATE, "ann", SOURCE}, {GIT, NULL, A}},
		 {UPDATE, "ann", SOURCE ",'commit':'" B "','branch':'next'"},
		 B},
	};
	HC_AUTO(hc_arena) arena = hc_arena_new();

	(void)state;
	for (size_t index = 0; index < HC_COUNT(cases); index++) {
		json_t *live = play(cases[index].steps);
		json_t *object = write_step(live, &cases[index].write);
		bool released = schema_commit_release(live, object);

		if (!hc_streq(commit_of(object), cases[index].commit))
			fail_msg("case %zu: the commit is %s", index, commit_of(object));
		assert_int_equal(released, hc_streq(cases[index].commit, "(none)"));
		if (released) {
			HC_AUTO_FREE text = schema_dump(object);

			assert_null(schema_commit_owner(object, arena));
			assert_null(strstr(text, "helvetia-git")); /* who owns nothing is no manager */
			assert_false(schema_commit_release(live, object));
		}
		json_decref(object);
		json_decref(live);
	}
}

static void test_release_of_new(void **state)
{
	json_t *object = play(
		(const struct step[]){{APPLY, "ann", SOURCE ",'commit':'" A "'"}, {END, NULL, NULL}});

	(void)state;
	assert_false(schema_commit_release(NULL, object));
	assert_string_equal(commit_of(object), A);
	json_decref(object);
}

static int setup(void **state)
{
	struct hc_error err = {0};

	(void)state;
	if (schema_load(&err))
		fail_msg("%s", err.text);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	schema_unload();
	return 0;
}

/* A rollback holds until another commit comes; the same commit again ends nothing. */
static void test_rollback_ends(void **state)
{
	static const struct step written[] = {
		{APPLY, "ann", SOURCE},
		{GIT, NULL, A},
		{UPDATE, "bob", SOURCE ",'commit':'" A "','rollbackTo':{'revision':3}"},
		{END, NULL, NULL}};
	json_t *live = play(written), *same = NULL, *other = NULL;
	HC_AUTO_FREE owners = NULL;
	struct hc_error err;

	(void)state;
	assert_non_null(json_object_get(json_object_get(live, "spec"), "rollbackTo"));
	assert_int_equal(schema_commit_apply(service_kind(), live, A, NOW, &same, NULL, &err), 0);
	assert_non_null(json_object_get(json_object_get(same, "spec"), "rollbackTo"));
	assert_int_equal(schema_commit_apply(service_kind(), live, B, NOW, &other, NULL, &err), 0);
	assert_string_equal(commit_of(other), B);
	assert_null(json_object_get(json_object_get(other, "spec"), "rollbackTo"));
	owners = json_dumps(json_object_get(json_object_get(other, "metadata"), "managedFields"), JSON_COMPACT);
	assert_null(strstr(owners, "rollbackTo"));
	assert_non_null(strstr(owners, "helvetia-git"));
	json_decref(other);
	json_decref(same);
	json_decref(live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apply),          cmocka_unit_test(test_rollback_ends),
		cmocka_unit_test(test_apply_refused),  cmocka_unit_test(test_release),
		cmocka_unit_test(test_release_of_new),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
