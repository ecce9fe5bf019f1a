/* lib/git against a real `git http-backend`: argv[1] is git_fixture.py, argv[2] the folder of git_server.py.
 */
#include "../cmocka_all.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/map.h"
#include "base/text.h"
#include "git/git.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TENANT "11111111-2222-3333-4444-555555555555"

static struct {
	const char *script, *folder;
	char root[64];
	pid_t pid;
	FILE *to, *from;
	struct hc_map *facts;
	struct hc_arena *arena;
	const char *prefixes[2];
} fixture;

static const char *fact(const char *name)
{
	const char *value = hc_map_get(fixture.facts, name);

	assert_non_null(value);
	return value;
}

static char *read_line(void)
{
	char line[4096];

	assert_non_null(fgets(line, sizeof line, fixture.from));
	line[strcspn(line, "\n")] = '\0';
	return hc_arena_strdup(fixture.arena, line);
}

static char *tell(const char *command)
{
	fprintf(fixture.to, "%s\n", command);
	fflush(fixture.to);
	return read_line();
}

static void set(const char *command)
{
	assert_string_equal(tell(command), "ok");
}

static int start(void **state)
{
	int in[2];
	int out[2];
	char *line;

	(void)state;
	(void)snprintf(fixture.root, sizeof fixture.root, "/tmp/git-server-test-XXXXXX");
	if (!mkdtemp(fixture.root) || pipe(in) || pipe(out))
		return -1;
	fixture.pid = fork();
	if (fixture.pid == 0) {
		char *repositories = hc_xprintf("%s/repositories", fixture.root);

		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		close(out[0]);
		execlp("python3", "python3", fixture.script, fixture.folder, repositories, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	fixture.to = fdopen(in[1], "w");
	fixture.from = fdopen(out[0], "r");
	fixture.arena = hc_arena_new();
	fixture.facts = hc_map_new();
	for (line = read_line(); !hc_streq(line, "ready"); line = read_line()) {
		char *value = strchr(line, ' ');

		*value = '\0';
		hc_map_set(fixture.facts, line, value + 1);
	}
	fixture.prefixes[0] = fact("url");
	return 0;
}

static int stop(void **state)
{
	struct hc_error err;
	int status;

	(void)state;
	fclose(fixture.to); /* the fixture ends with its input */
	fclose(fixture.from);
	waitpid(fixture.pid, &status, 0);
	hc_map_free(fixture.facts);
	hc_arena_free(fixture.arena);
	return hc_folder_remove(fixture.root, &err);
}

static struct git_cache *open_cache(const char *name, const struct git_limits *limits)
{
	struct git_options options = {.allowed_prefixes = fixture.prefixes};
	struct git_cache *cache;
	struct hc_error err;

	options.folder = hc_arena_printf(fixture.arena, "%s/%s", fixture.root, name);
	if (limits)
		options.limits = *limits;
	assert_int_equal(git_cache_open(&options, &cache, &err), 0);
	return cache;
}

static struct git_source source_of(const char *repository)
{
	return (struct git_source){.tenant = TENANT,
							   .url = hc_arena_printf(fixture.arena, "%s/%s.git", fact("url"), repository)};
}

#define assert_fails(call, wanted_class, wanted_text)                                                        \
	do {                                                                                                     \
		struct hc_error err = {.class = HC_OK};                                                              \
		assert_int_equal(call, -1);                                                                          \
		if (err.class != (wanted_class) || !strstr(err.text, wanted_text))                                   \
			fail_msg("%s: %s, wanted %s: …%s…", hc_class_name(err.class), err.text,                          \
					 hc_class_name(wanted_class), wanted_text);                                              \
	} while (0)

#define assert_works(call)                                                                                   \
	do {                                                                                                     \
		struct hc_error err = {.class = HC_OK};                                                              \
		if (call)                                                                                            \
			fail_msg("%s: %s", hc_class_name(err.class), err.text);                                          \
	} while (0)

static int take_tar(const void *data, size_t length, void *payload)
{
	hc_text_append_bytes(payload, data, length);
	return 0;
}

/* One line an entry: type, mode, name, link target or size and a sum of the content. Sorted. */
static int by_text(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static char *describe(struct archive_entry *entry, struct archive *archive)
{
	const char *name = archive_entry_pathname(entry);
	const char *link = archive_entry_symlink(entry);
	unsigned long sum = 5381;
	long long bytes = 0;
	unsigned char buffer[8192];
	la_ssize_t got;

	while ((got = archive_read_data(archive, buffer, sizeof buffer)) > 0)
		for (bytes += got; got > 0; got--)
			sum = sum * 33 + buffer[got - 1];
	return hc_arena_printf(fixture.arena, "%s %o x%d %s %lld %lx", name, archive_entry_filetype(entry),
						   (archive_entry_perm(entry) & 0100) != 0, link ? link : "-", bytes, sum);
}

static char *listing_here(const void *data, size_t length)
{
	struct archive *archive = archive_read_new();
	struct archive_entry *entry;
	char *lines[64];
	size_t count = 0;
	struct hc_text text = {0};
	char *copy;

	archive_read_support_format_tar(archive);
	assert_int_equal(archive_read_open_memory(archive, data, length), ARCHIVE_OK);
	while (archive_read_next_header(archive, &entry) == ARCHIVE_OK) {
		assert_true(count < HC_COUNT(lines));
		lines[count++] = describe(entry, archive);
	}
	archive_read_free(archive);
	qsort(lines, count, sizeof *lines, by_text);
	for (size_t i = 0; i < count; i++)
		hc_text_printf(&text, "%s\n", lines[i]);
	copy = hc_arena_strdup(fixture.arena, hc_text_string(&text));
	hc_text_done(&text);
	return copy;
}

/* Reading needs UTF-8 of the thread; the process stays in "C", where the writer has to see to it itself. */
static char *listing(const void *data, size_t length)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t before = uselocale(utf8);
	char *text = listing_here(data, length);

	uselocale(before);
	freelocale(utf8);
	return text;
}

static char *names(const void *data, size_t length)
{
	char *text = listing(data, length);
	struct hc_text found = {0};
	char *copy;

	for (char *line = strsep(&text, "\n"); line && *line; line = strsep(&text, "\n"))
		hc_text_printf(&found, "%.*s\n", (int)strcspn(line, " "), line);
	copy = hc_arena_strdup(fixture.arena, hc_text_string(&found));
	hc_text_done(&found);
	return copy;
}

static void heads_are_found(void **state)
{
	HC_AUTO(git_cache) cache = open_cache("heads", NULL);
	struct git_source shop = source_of("shop");
	struct git_source empty = source_of("empty");
	struct git_source absent = source_of("absent");
	struct git_source other = source_of("sha256");
	const char *commit;
	const char *branch;

	(void)state;
	assert_works(git_head(cache, fixture.arena, &shop, NULL, &commit, &branch, &err));
	assert_string_equal(commit, fact("second"));
	assert_string_equal(branch, "main");
	assert_works(git_head(cache, fixture.arena, &shop, "next", &commit, &branch, &err));
	assert_string_equal(commit, fact("next"));
	assert_string_equal(branch, "next");
	assert_fails(git_head(cache, fixture.arena, &shop, "nex", &commit, &branch, &err), HC_NOT_FOUND,
				 "no branch nex");
	assert_fails(git_head(cache, fixture.arena, &shop, "-x", &commit, &branch, &err), HC_INVALID,
				 "not a name");
	assert_fails(git_head(cache, fixture.arena, &shop, "a..b", &commit, &branch, &err), HC_INVALID,
				 "not a name");
	assert_fails(git_head(cache, fixture.arena, &empty, "", &commit, &branch, &err), HC_NOT_FOUND, "empty");
	assert_fails(git_head(cache, fixture.arena, &absent, "", &commit, &branch, &err), HC_NOT_FOUND,
				 "absent.git");
	assert_fails(git_head(cache, fixture.arena, &other, "", &commit, &branch, &err), HC_INVALID,
				 "otherwise than by SHA-1");
}

static void commits_are_fetched_once(void **state)
{
	HC_AUTO(git_cache) cache = open_cache("commits", NULL);
	struct git_source shop = source_of("shop");
	const char *absent = "0123456789012345678901234567890123456789";
	const char *before;

	(void)state;
	assert_works(git_fetch(cache, fixture.arena, &shop, fact("first"), &err));
	before = tell("count");
	assert_works(git_fetch(cache, fixture.arena, &shop, fact("first"), &err));
	assert_string_equal(tell("count"), before);
	assert_works(git_fetch(cache, fixture.arena, &shop, fact("second"), &err));
	assert_works(git_fetch(cache, fixture.arena, &shop, fact("next"), &err));
	assert_fails(git_fetch(cache, fixture.arena, &shop, absent, &err), HC_NOT_FOUND, "has no commit");
	assert_fails(git_fetch(cache, fixture.arena, &shop, "abc", &err), HC_INVALID, "full commit id");
	assert_works(git_fetch(cache, fixture.arena, &shop, fact("second"), &err));
}

static void a_change_is_a_small_fetch(void **state)
{
	const struct git_limits small = {.fetch_bytes = 4096};
	struct git_source shop = source_of("shop");
	HC_AUTO(git_cache) cache = open_cache("delta", NULL);
	HC_AUTO(git_cache) capped = NULL;

	(void)state;
	assert_works(git_fetch(cache, fixture.arena, &shop, fact("first"), &err));
	capped = open_cache("delta", &small);
	assert_works(git_fetch(capped, fixture.arena, &shop, fact("second"), &err));
	assert_works(git_fetch(capped, fixture.arena, &shop, fact("next"), &err));
}

static void trees_are_read(void **state)
{
	HC_AUTO(git_cache) cache = open_cache("trees", NULL);
	struct git_source shop = source_of("shop");
	const char *commit = fact("second");
	struct git_entry *entries;
	size_t count;
	const char *text;
	const char *other;
	size_t length;

	(void)state;
	assert_works(git_fetch(cache, fixture.arena, &shop, commit, &err));
	assert_works(git_tree(cache, fixture.arena, &shop, commit, "", &text, &err));
	assert_int_equal(strlen(text), 40);
	assert_works(git_tree(cache, fixture.arena, &shop, commit, "./app/deep/", &text, &err));
	assert_works(git_tree(cache, fixture.arena, &shop, commit, "app-link", &other, &err));
	assert_string_equal(text, other);
	assert_works(git_list(cache, fixture.arena, &shop, commit, "app", &entries, &count, &err));
	assert_int_equal(count, 2);
	assert_string_equal(entries[0].name, "deep");
	assert_true(entries[0].folder);
	assert_string_equal(entries[1].name, "server.js");
	assert_int_equal(entries[1].size, 13);
	assert_works(git_file(cache, fixture.arena, &shop, commit, "link", 100, &text, &length, &err));
	assert_string_equal(text, "listen(8080)\n");
	assert_works(git_file(cache, fixture.arena, &shop, commit, "empty", 0, &text, &length, &err));
	assert_int_equal(length, 0);
	assert_string_equal(text, "");
	assert_fails(git_file(cache, fixture.arena, &shop, commit, "noise.bin", 100, &text, &length, &err),
				 HC_INVALID, "300000 bytes");
	assert_fails(git_file(cache, fixture.arena, &shop, commit, "bad-link", 9, &text, &length, &err),
				 HC_INVALID, "leaves the repository");
	assert_fails(git_file(cache, fixture.arena, &shop, commit, "loop", 9, &text, &length, &err), HC_INVALID,
				 "too many symbolic links");
	assert_fails(git_file(cache, fixture.arena, &shop, commit, "../x", 9, &text, &length, &err), HC_INVALID,
				 "leaves the repository");
	assert_fails(git_file(cache, fixture.arena, &shop, commit, "app", 9, &text, &length, &err), HC_NOT_FOUND,
				 "a folder");
	assert_fails(git_file(cache, fixture.arena, &shop, commit, "empty/x", 9, &text, &length, &err),
				 HC_NOT_FOUND, "no folder");
	assert_fails(git_tree(cache, fixture.arena, &shop, commit, "nowhere", &text, &err), HC_NOT_FOUND,
				 "no nowhere");
	assert_fails(git_tree(cache, fixture.arena, &shop, commit, "empty", &text, &err), HC_NOT_FOUND, "a file");
}

static void the_tar_is_what_git_archive_makes(void **state)
{
	HC_AUTO(git_cache) cache = open_cache("tar", NULL);
	HC_AUTO_TEXT tar = {0};
	HC_AUTO_TEXT again = {0};
	HC_AUTO_FREE reference = NULL;
	struct git_source shop = source_of("shop");
	struct git_tar request = {.commit = fact("second"), .write = take_tar, .payload = &tar};
	size_t length;

	(void)state;
	assert_works(git_fetch(cache, fixture.arena, &shop, request.commit, &err));
	assert_works(git_tar(cache, fixture.arena, &shop, &request, &err));
	request.payload = &again;
	assert_works(git_tar(cache, fixture.arena, &shop, &request, &err));
	assert_int_equal(tar.length, again.length);
	assert_memory_equal(tar.data, again.data, tar.length);
	assert_works(hc_file_read(fact("archive"), 10000000, &reference, &length, &err));
	assert_string_equal(listing(tar.data, tar.length), listing(reference, length));
	assert_null(memmem(tar.data, tar.length, "hdrcharset", 10));
}

static void extra_files_win(void **state)
{
	static const struct git_extra_file extra[] = {{"empty", "FROM x\n", 7}, {"new", "n", 1}};
	HC_AUTO(git_cache) cache = open_cache("extra", NULL);
	HC_AUTO_TEXT tar = {0};
	struct git_source shop = source_of("shop");
	struct git_tar request = {.commit = fact("second"), .extra = extra, .extra_count = 2, .write = take_tar};
	char *found;

	(void)state;
	request.payload = &tar;
	assert_works(git_fetch(cache, fixture.arena, &shop, request.commit, &err));
	assert_works(git_tar(cache, fixture.arena, &shop, &request, &err));
	found = listing(tar.data, tar.length);
	assert_non_null(strstr(found, "\nempty 100000 x0 - 7 "));
	assert_null(strstr(found, "\nempty 100000 x0 - 0 "));
	assert_non_null(strstr(found, "\nnew 100000 x0 - 1 "));
}

static void a_folder_can_be_the_root(void **state)
{
	HC_AUTO(git_cache) cache = open_cache("folder", NULL);
	HC_AUTO_TEXT tar = {0};
	struct git_source shop = source_of("shop");
	struct git_tar request = {.commit = fact("second"), .path = "app", .write = take_tar, .payload = &tar};

	(void)state;
	assert_works(git_fetch(cache, fixture.arena, &shop, request.commit, &err));
	assert_works(git_tar(cache, fixture.arena, &shop, &request, &err));
	assert_string_equal(names(tar.data, tar.length), "deep/\ndeep/er/\ndeep/er/x.txt\nserver.js\n");
	request.path = "nowhere";
	assert_fails(git_tar(cache, fixture.arena, &shop, &request, &err), HC_NOT_FOUND, "nowhere");
}

static void dockerignore_is_obeyed(void **state)
{
	HC_AUTO(git_cache) cache = open_cache("ignored", NULL);
	HC_AUTO_TEXT tar = {0};
	HC_AUTO_TEXT other = {0};
	struct git_source ignored = source_of("ignored");
	struct git_tar request = {.commit = fact("ignored"), .write = take_tar, .payload = &tar};

	(void)state;
	assert_works(git_fetch(cache, fixture.arena, &ignored, request.commit, &err));
	assert_works(git_tar(cache, fixture.arena, &ignored, &request, &err));
	assert_string_equal(names(tar.data, tar.length),
						".dockerignore\nDockerfile\ndocs/\ndocs/one/\ndocs/one/keep.md\nsrc/\nsrc/a.c\n");
	request.payload = &other;
	request.dockerfile = "ship/Dockerfile";
	assert_works(git_tar(cache, fixture.arena, &ignored, &request, &err));
	assert_string_equal(
		names(other.data, other.length),
		".dockerignore\nDockerfile\ndocs/\ndocs/one/\ndocs/one/drop.md\ndocs/one/keep.md\nother.txt\n"
		"ship/\nship/Dockerfile\nship/Dockerfile.dockerignore\n");
}

static void what_is_not_fetched_is_named(void **state)
{
	HC_AUTO(git_cache) cache = open_cache("named", NULL);
	HC_AUTO_TEXT tar = {0};
	struct git_source lfs = source_of("lfs");
	struct git_source submodule = source_of("submodule");
	struct git_tar request = {.commit = fact("lfs"), .write = take_tar, .payload = &tar};

	(void)state;
	assert_works(git_fetch(cache, fixture.arena, &lfs, fact("lfs"), &err));
	assert_fails(git_tar(cache, fixture.arena, &lfs, &request, &err), HC_INVALID, "model/weights.bin");
	request.commit = fact("lfs-ignored");
	assert_works(git_fetch(cache, fixture.arena, &lfs, request.commit, &err));
	assert_works(git_tar(cache, fixture.arena, &lfs, &request, &err));
	request.commit = fact("submodule");
	assert_works(git_fetch(cache, fixture.arena, &submodule, request.commit, &err));
	assert_fails(git_tar(cache, fixture.arena, &submodule, &request, &err), HC_INVALID, "vendor/lib");
}

static int take_little(const void *data, size_t length, void *payload)
{
	(void)data;
	*(size_t *)payload += length;
	return *(size_t *)payload > 100000;
}

static void caps_hold(void **state)
{
	const struct git_limits small = {.fetch_bytes = 1024 * 1024};
	const struct git_limits few = {.tree_entries = 15};
	const struct git_limits fewer = {.tree_entries = 5};
	const struct git_limits short_tar = {.tar_bytes = 200000};
	const struct git_limits small_file = {.blob_bytes = 200000};
	struct git_source huge = source_of("huge");
	struct git_source shop = source_of("shop");
	HC_AUTO(git_cache) first = open_cache("caps-1", &small);
	HC_AUTO(git_cache) second = open_cache("caps-2", &few);
	HC_AUTO(git_cache) strict = open_cache("caps-4", &fewer);
	HC_AUTO(git_cache) third = open_cache("caps-3", &short_tar);
	HC_AUTO(git_cache) fourth = open_cache("caps-3", &small_file);
	HC_AUTO(git_cache) fifth = open_cache("caps-3", NULL);
	HC_AUTO_TEXT tar = {0};
	size_t taken = 0;
	struct git_tar request = {.commit = fact("second"), .write = take_tar, .payload = &tar};

	(void)state;
	assert_fails(git_fetch(first, fixture.arena, &huge, fact("huge"), &err), HC_INVALID, "more than 1 MiB");
	assert_fails(git_fetch(second, fixture.arena, &shop, fact("second"), &err), HC_INVALID,
				 "more than 15 files");
	assert_fails(git_fetch(second, fixture.arena, &shop, fact("second"), &err), HC_INVALID,
				 "more than 15 files");
	assert_fails(git_fetch(strict, fixture.arena, &shop, fact("second"), &err), HC_INVALID,
				 "at most 10 are read");
	assert_works(git_fetch(third, fixture.arena, &shop, fact("second"), &err));
	assert_fails(git_tar(third, fixture.arena, &shop, &request, &err), HC_INVALID, "larger than 0 MiB");
	assert_fails(git_tar(fourth, fixture.arena, &shop, &request, &err), HC_INVALID, "noise.bin is larger");
	request.write = take_little;
	request.payload = &taken;
	assert_fails(git_tar(fifth, fixture.arena, &shop, &request, &err), HC_CANCELED, "canceled");
}

static void credentials_go_to_their_host(void **state)
{
	static const struct git_credentials right = {"ann", "right-secret"};
	static const struct git_credentials wrong = {"ann", "wrong-secret"};
	HC_AUTO(git_cache) cache = open_cache("credentials", NULL);
	struct git_source shop = source_of("shop");
	const char *commit;
	const char *branch;
	struct hc_error failure = {0};

	(void)state;
	set("credentials ann:right-secret");
	assert_fails(git_head(cache, fixture.arena, &shop, "", &commit, &branch, &err), HC_DENIED,
				 "wants credentials");
	shop.credentials = &wrong;
	assert_fails(git_head(cache, fixture.arena, &shop, "", &commit, &branch, &err), HC_DENIED, "refuses");
	assert_int_equal(git_fetch(cache, fixture.arena, &shop, fact("first"), &failure), -1);
	assert_int_equal(failure.class, HC_DENIED);
	assert_null(strstr(failure.text, "wrong-secret"));
	shop.credentials = &right;
	assert_works(git_head(cache, fixture.arena, &shop, "", &commit, &branch, &err));
	assert_works(git_fetch(cache, fixture.arena, &shop, commit, &err));
	shop.credentials = NULL; /* nothing of them is kept in the connection */
	assert_fails(git_head(cache, fixture.arena, &shop, "", &commit, &branch, &err), HC_DENIED,
				 "wants credentials");
	set("credentials none");
}

static void redirects_stay_on_their_host(void **state)
{
	HC_AUTO(git_cache) cache = open_cache("redirects", NULL);
	struct git_source moved = source_of("moved");
	const char *commit;
	const char *branch;

	(void)state;
	set(hc_arena_printf(fixture.arena, "redirect /moved.git %s/shop.git", fact("url")));
	assert_works(git_head(cache, fixture.arena, &moved, "", &commit, &branch, &err));
	assert_string_equal(commit, fact("second"));
	assert_works(git_fetch(cache, fixture.arena, &moved, commit, &err));
	set("redirect /moved.git http://localhost:1/shop.git");
	assert_fails(git_head(cache, fixture.arena, &moved, "", &commit, &branch, &err), HC_INVALID,
				 "another host");
	set("redirect /moved.git https://example.com/shop.git");
	assert_fails(git_head(cache, fixture.arena, &moved, "", &commit, &branch, &err), HC_INVALID,
				 "another host");
	set(hc_arena_printf(fixture.arena, "redirect /moved.git %s/moved.git", fact("url")));
	assert_fails(git_head(cache, fixture.arena, &moved, "", &commit, &branch, &err), HC_INVALID, "circles");
	set("redirect");
}

static void private_addresses_need_a_prefix(void **state)
{
	static const char *const none[] = {NULL};
	struct git_options options = {.folder = fixture.root, .allowed_prefixes = none};
	struct git_source local = {.tenant = TENANT, .url = "https://localhost:1/shop.git"};
	HC_AUTO(git_cache) cache = NULL;
	const char *commit;
	const char *branch;

	(void)state;
	assert_works(git_cache_open(&options, &cache, &err));
	assert_fails(git_head(cache, fixture.arena, &local, "", &commit, &branch, &err), HC_INVALID,
				 "not public");
}

static int cancel(const char *phrase, void *payload)
{
	assert_non_null(phrase);
	++*(int *)payload;
	return *(int *)payload >= 2;
}

static void trouble_is_told_apart(void **state)
{
	const struct git_limits hasty = {.stalled_ms = 500, .total_ms = 20000};
	HC_AUTO(git_cache) cache = open_cache("trouble", &hasty);
	HC_AUTO(git_cache) patient = open_cache("trouble", NULL);
	struct git_source shop = source_of("shop");
	struct git_source away = {.tenant = TENANT, .url = "http://127.0.0.1:1/shop.git"};
	const char *commit;
	const char *branch;
	int calls = 0;
	int64_t began = hc_clock_boot_ms();

	(void)state;
	set("outage on");
	assert_fails(git_head(cache, fixture.arena, &shop, "", &commit, &branch, &err), HC_TRANSIENT, "503");
	assert_fails(git_fetch(cache, fixture.arena, &shop, fact("first"), &err), HC_TRANSIENT, "503");
	set("outage off");
	set("version2 off");
	assert_fails(git_head(cache, fixture.arena, &shop, "", &commit, &branch, &err), HC_INVALID, "version 2");
	assert_fails(git_fetch(cache, fixture.arena, &shop, fact("first"), &err), HC_INVALID, "version 2");
	set("version2 on");
	assert_fails(git_head(cache, fixture.arena, &away, "", &commit, &branch, &err), HC_INVALID, "https://");
	set("delay 4");
	assert_fails(git_head(cache, fixture.arena, &shop, "", &commit, &branch, &err), HC_TRANSIENT, "no byte");
	shop.progress = cancel;
	shop.payload = &calls;
	assert_fails(git_fetch(patient, fixture.arena, &shop, fact("first"), &err), HC_CANCELED, "canceled");
	assert_int_equal(calls, 2);
	set("delay 0");
	assert_true(hc_clock_boot_ms() - began < 15000);
	shop.progress = NULL;
	assert_works(git_fetch(patient, fixture.arena, &shop, fact("first"), &err));
}

static void a_broken_cache_is_fetched_again(void **state)
{
	HC_AUTO(git_cache) cache = open_cache("broken", NULL);
	HC_AUTO_TEXT tar = {0};
	struct git_source shop = source_of("shop");
	struct git_tar request = {.commit = fact("second"), .write = take_tar, .payload = &tar};
	HC_AUTO_FREE command = NULL;

	(void)state;
	assert_works(git_fetch(cache, fixture.arena, &shop, fact("first"), &err));
	git_cache_close(hc_take(&cache));
	command = hc_xprintf("%s/broken/" TENANT, fixture.root);
	if (fork() == 0) { /* all packs away, refs stay */
		execlp("find", "find", command, "-name", "pack-*", "-delete", NULL);
		_exit(127);
	}
	wait(NULL);
	cache = open_cache("broken", NULL);
	assert_works(git_fetch(cache, fixture.arena, &shop, fact("second"), &err));
	assert_works(git_tar(cache, fixture.arena, &shop, &request, &err));
}

static void caches_are_trimmed_and_renewed(void **state)
{
	const struct git_limits tight = {.cache_bytes = 400000};
	HC_AUTO(git_cache) cache = open_cache("trimmed", &tight);
	HC_AUTO_TEXT tar = {0};
	struct git_source shop = source_of("shop");
	struct git_source huge = source_of("huge");
	struct git_tar request = {.write = take_tar, .payload = &tar};
	const char *before;

	(void)state;
	assert_works(git_fetch(cache, fixture.arena, &shop, fact("first"), &err));
	assert_works(git_fetch(cache, fixture.arena, &huge, fact("huge"), &err)); /* shop's goes */
	before = tell("count");
	assert_works(git_fetch(cache, fixture.arena, &huge, fact("huge"), &err)); /* in use: stays */
	assert_string_equal(tell("count"), before);
	assert_works(git_fetch(cache, fixture.arena, &shop, fact("first"), &err));
	assert_string_not_equal(tell("count"), before);
	for (int i = 0; i < 55; i++) {
		request.commit = tell(hc_arena_printf(fixture.arena, "commit lfs ok.txt %d", i));
		shop = source_of("lfs");
		assert_works(git_fetch(cache, fixture.arena, &shop, request.commit, &err));
	}
	assert_works(git_tar(cache, fixture.arena, &shop, &request, &err));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_are_found),
		cmocka_unit_test(commits_are_fetched_once),
		cmocka_unit_test(a_change_is_a_small_fetch),
		cmocka_unit_test(trees_are_read),
		cmocka_unit_test(the_tar_is_what_git_archive_makes),
		cmocka_unit_test(extra_files_win),
		cmocka_unit_test(a_folder_can_be_the_root),
		cmocka_unit_test(dockerignore_is_obeyed),
		cmocka_unit_test(what_is_not_fetched_is_named),
		cmocka_unit_test(caps_hold),
		cmocka_unit_test(credentials_go_to_their_host),
		cmocka_unit_test(redirects_stay_on_their_host),
		cmocka_unit_test(private_addresses_need_a_prefix),
		cmocka_unit_test(trouble_is_told_apart),
		cmocka_unit_test(a_broken_cache_is_fetched_again),
		cmocka_unit_test(caches_are_trimmed_and_renewed),
	};

	if (argc != 3) {
		fprintf(stderr, "usage: git_server_test FIXTURE FOLDER-OF-git_server.py\n");
		return 2;
	}
	fixture.script = argv[1];
	fixture.folder = argv[2];
	return cmocka_run_group_tests(tests, start, stop);
}
