/* Label and field selectors of list and watch. Pure. */
#ifndef API_SELECTOR_H
#define API_SELECTOR_H

#include "base/arena.h"
#include "base/error.h"
#include <jansson.h>
#include <stdbool.h>

enum api_selector_operator {
	API_EQUALS,
	API_NOT_EQUALS, /* also true when the label is absent */
	API_IN,
	API_NOT_IN,
	API_EXISTS,
	API_NOT_EXISTS,
};

struct api_requirement {
	const char *key;
	enum api_selector_operator operator;
	const char **values;
	size_t value_count;
};

/* All must hold. Texts live in the arena it was parsed with. */
struct api_selector {
	struct api_requirement *requirements;
	size_t count;
};

/* Kubernetes' grammar: app=web, app==web, app!=web, app in (a,b), app notin (a,b), app, !app. INVALID. */
int api_selector_parse_labels(const char *text, struct hc_arena *arena, struct api_selector *ret_selector,
							  struct hc_error *err) HC_MUST_CHECK;
/* metadata.name=x,involvedObject.kind!=y: only = == and !=. INVALID also for a field that is not in `allowed`
 * (NULL-terminated): `field label not supported: X`. */
int api_selector_parse_fields(const char *text, const char *const *allowed, struct hc_arena *arena,
							  struct api_selector *ret_selector, struct hc_error *err) HC_MUST_CHECK;

/* labels: a JSON object, or NULL for none. */
bool api_selector_match_labels(const struct api_selector *selector, const json_t *labels);
/* object: the whole object; an absent field equals "". */
bool api_selector_match_fields(const struct api_selector *selector, const json_t *object);
/* Value of an equality requirement on this key, or NULL. */
const char *api_selector_value(const struct api_selector *selector, const char *key);
/* The equality requirements as a JSON object text in the arena, as the store filters by; NULL when there is
 * none. *ret_complete: nothing else is required. */
const char *api_selector_equalities(const struct api_selector *selector, struct hc_arena *arena,
									bool *ret_complete);

#endif
