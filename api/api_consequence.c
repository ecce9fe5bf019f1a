/* One row a field of the spec: what its change causes. A field that is not in the table changes nothing that
 * runs. */
#include "api_consequence.h"

#include "base/text.h"
#include <stdbool.h>
#include <string.h>

/* Bits in the order in which they are told. */
enum {
	DATA_AT_RISK = 1 << 0,
	ROUTE_CHANGE = 1 << 1,
	REBUILD = 1 << 2,
	RESTART = 1 << 3,
	STOP = 1 << 4,
	START = 1 << 5,
	SCALE = 1 << 6,
	SETTINGS = 1 << 7,
};
static const char *const names[] = {"data at risk", "route change", "rebuild", "restart",
									"stop",         "start",        "scale",   "settings"};

static const struct {
	const char *field;
	unsigned effect;
} effects[] = {
	{"repoUrl", REBUILD},
	{"branch", REBUILD},
	{"path", REBUILD},
	{"commit", REBUILD},
	{"buildCommand", REBUILD},
	{"dockerfile", REBUILD},
	{"buildArgs", REBUILD},
	{"target", REBUILD},
	{"outputDir", REBUILD},
	{"image", RESTART},
	{"startCommand", RESTART},
	{"internalPort", RESTART},
	{"resources", RESTART},
	{"healthCheck", RESTART},
	{"releaseCommand", RESTART},
	{"redeployNonce", RESTART},
	{"rollbackTo", RESTART},
	{"domains", ROUTE_CHANGE | RESTART},
	{"expose", ROUTE_CHANGE | RESTART},
	{"strategy", SETTINGS},
	{"autoDeploy", SETTINGS},
	{"historyLimit", SETTINGS},
};

static const json_t *named(const json_t *list, const char *name)
{
	const json_t *item;
	size_t index;

	json_array_foreach(list, index, item)
	{
		if (hc_streq(json_string_value(json_object_get(item, "name")), name))
			return item;
	}
	return NULL;
}

static bool for_build(const json_t *entry)
{
	const char *scope = json_string_value(json_object_get(entry, "scope"));

	return hc_streq(scope, "build") || hc_streq(scope, "both");
}

/* Entries of `left` that are not the same in `right`. */
static unsigned env_effect(const json_t *left, const json_t *right)
{
	const json_t *entry;
	unsigned effect = 0;
	size_t index;

	json_array_foreach(left, index, entry)
	{
		const json_t *other = named(right, json_string_value(json_object_get(entry, "name")));
		if (!other || !json_equal(entry, other))
			effect |= for_build(entry) || for_build(other) ? REBUILD : RESTART;
	}
	return effect;
}

/* Data is at risk when the application no longer finds it where it was, or it will be deleted with the
 * Service. */
static unsigned volumes_effect(const json_t *live, const json_t *wanted)
{
	const json_t *volume;
	size_t index;
	unsigned effect = json_equal(live, wanted) ? 0 : RESTART;

	json_array_foreach(live, index, volume)
	{
		const json_t *other = named(wanted, json_string_value(json_object_get(volume, "name")));
		const char *on_delete = json_string_value(json_object_get(other, "onDelete"));
		bool kept = other && json_equal(json_object_get(volume, "path"), json_object_get(other, "path"));
		bool doomed = hc_streq(on_delete, "Delete") &&
					  !hc_streq(json_string_value(json_object_get(volume, "onDelete")), "Delete");
		if (!kept || doomed)
			effect |= DATA_AT_RISK;
	}
	return effect;
}

static bool runs(const json_t *spec)
{
	return !json_is_true(json_object_get(spec, "suspend")) &&
		   json_integer_value(json_object_get(spec, "replicas")) > 0;
}

static bool same(const json_t *live, const json_t *wanted, const char *key)
{
	const json_t *left = json_object_get(live, key), *right = json_object_get(wanted, key);

	return left == right || (left && right && json_equal(left, right));
}

static unsigned effect_of(const json_t *live, const json_t *wanted)
{
	unsigned effect = 0;

	for (size_t index = 0; index < HC_COUNT(effects); index++)
		if (!same(live, wanted, effects[index].field))
			effect |= effects[index].effect;
	const json_t *live_env = json_object_get(live, "env"), *wanted_env = json_object_get(wanted, "env");
	effect |= env_effect(live_env, wanted_env) | env_effect(wanted_env, live_env);
	if (!same(live, wanted, "volumes"))
		effect |= volumes_effect(json_object_get(live, "volumes"), json_object_get(wanted, "volumes"));
	if (runs(live) != runs(wanted))
		effect |= runs(wanted) ? START : STOP;
	else if (!same(live, wanted, "replicas"))
		effect |= SCALE;
	/* Nothing is built for a prebuilt image. */
	if (effect & REBUILD && json_object_get(wanted, "image"))
		effect = (effect & ~(unsigned)REBUILD) | RESTART;
	/* What is built anew is started anew; what is stopped is not. */
	if (effect & (REBUILD | STOP | START))
		effect &= ~(unsigned)RESTART;
	return effect;
}

const char *api_consequence(const json_t *live, const json_t *wanted, struct hc_arena *arena)
{
	HC_AUTO_TEXT text = {0};

	if (!live)
		return "create";
	unsigned effect = effect_of(json_object_get(live, "spec"), json_object_get(wanted, "spec"));
	for (size_t index = 0; index < HC_COUNT(names); index++)
		if (effect & (1U << index))
			hc_text_printf(&text, "%s%s", text.length ? ", " : "", names[index]);
	return text.length ? hc_arena_strdup(arena, hc_text_string(&text)) : "no-op";
}
