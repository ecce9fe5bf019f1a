/* Sets of objects that are applied together: `POST /apply?set=NAME` writes two labels on what it applies, and
 * with `&prune=true` takes away what bears them and is no longer among the documents. A set has its home in
 * the namespace that the request names, so that two teams' sets of one name have nothing to do with each
 * other. Namespaces belong to no set: with one goes everything in it. Pool threads only. */
#ifndef API_PRUNE_H
#define API_PRUNE_H

#include "api_object.h"

#define API_PRUNE_SET "helvetia.cloud/set"
#define API_PRUNE_HOME "helvetia.cloud/set-namespace"

struct api_prune {
	const char *set;  /* NULL: none is named */
	const char *home; /* namespace of it */
	bool prune;
};

/* set, prune and namespace of the query. INVALID. */
int api_prune_parse(const struct http_query *query, struct hc_arena *arena, struct api_prune *ret_prune,
					struct hc_error *err) HC_MUST_CHECK;
/* Writes the labels of the set into what is applied, unless its labels are no mapping: then its schema tells.
 */
void api_prune_label(const struct api_prune *prune, const struct api_kind *kind, json_t *applied);

struct api_victim {
	const struct api_kind *kind;
	struct store_object row; /* before; after api_prune_delete its last state */
	const char *consequence;
};
struct api_victims {
	struct api_victim *items; /* in the writer's arena */
	size_t count;
};

/* What would go: objects of the set within the identity's reach that are none of the count drafts. */
int api_prune_find(const struct api_writer *writer, const struct api_identity *identity,
				   const struct api_prune *prune, const struct api_draft *const *drafts, size_t count,
				   struct api_victims *ret_victims, struct hc_error *err) HC_MUST_CHECK;
/* Inside store_begin. DENIED when the identity may not delete one of them: then none should go. */
int api_prune_delete(const struct api_writer *writer, const struct api_identity *identity,
					 struct api_victims *victims, struct hc_error *err) HC_MUST_CHECK;
/* As an item of the answer; new reference. */
json_t *api_prune_json(const struct api_victim *victim);

#endif
