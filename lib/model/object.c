/* Texts of the enums of object.h, from the same lists. */
#include "object.h"

#include <string.h>

static int find(const char *const *texts, size_t count, const char *text)
{
	for (size_t index = 0; text && index < count; index++) {
		if (strcmp(texts[index], text) == 0)
			return (int)index;
	}
	return -1;
}

#define MODEL_ENUM_TEXT(name, text) [name] = text,

/* Defines NAME_text() and NAME_parse() of one list. */
#define DEFINE_ENUM(name, list)                                                                              \
	static const char *const name##_texts[] = {list(MODEL_ENUM_TEXT)};                                       \
	const char *name##_text(enum name value)                                                                 \
	{                                                                                                        \
		return (size_t)value < HC_COUNT(name##_texts) ? name##_texts[value] : "unknown";                     \
	}                                                                                                        \
	int name##_parse(const char *text, enum name *ret_value)                                                 \
	{                                                                                                        \
		int index = find(name##_texts, HC_COUNT(name##_texts), text);                                        \
                                                                                                             \
		if (index < 0)                                                                                       \
			return -1;                                                                                       \
		*ret_value = (enum name)index;                                                                       \
		return 0;                                                                                            \
	}

DEFINE_ENUM(service_phase, SERVICE_PHASES)
DEFINE_ENUM(deployment_phase, DEPLOYMENT_PHASES)
DEFINE_ENUM(deployment_stage, DEPLOYMENT_STAGES)
DEFINE_ENUM(exposure, EXPOSURES)
DEFINE_ENUM(strategy, STRATEGIES)
DEFINE_ENUM(condition_status, CONDITION_STATUSES)
DEFINE_ENUM(env_scope, ENV_SCOPES)
