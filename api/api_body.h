/* Bodies of writes: which form they have, whether they mean the object of the path, and refusals that several
 * handlers share. Functions that answer leave a refusal in the call when they return NULL or false. */
#ifndef API_BODY_H
#define API_BODY_H

#include "api.h"
#include "schema/schema.h"
#include "store/store_owner.h"

enum api_body_type {
	API_BODY_OBJECT,
	API_BODY_PROTOBUF, /* an object, too */
	API_BODY_MERGE_PATCH,
	API_BODY_JSON_PATCH,
	API_BODY_APPLY_PATCH,
};

/* By Content-Type and verb; -1: not understood. Pure. */
int api_body_type_of(const char *content_type, bool patch, enum api_body_type *ret_type);
/* The one document of the body; of a JSON patch, its list. New reference. */
json_t *api_body_read(struct api_call *call, enum api_body_type *ret_type);
/* live with a merge or JSON patch on it; new reference, without the managedFields of live unless the patch
 * speaks of them. */
json_t *api_body_patched(struct api_call *call, enum api_body_type type, const json_t *live,
						 const json_t *patch);
/* apiVersion, kind, name and namespace fit the path; fills in a missing namespace. */
bool api_body_check_identity(struct api_call *call, json_t *object);

struct api_delete_options {
	const char *uid; /* preconditions; NULL, 0: none */
	int64_t resource_version;
	bool dry_run;
	enum store_propagation propagation;
};
bool api_body_delete_options(struct api_call *call, struct api_delete_options *ret_options);

/* Adds the kept causes behind `count`; texts are borrowed. Returns the new count, at most
 * HC_LIMIT_VALIDATION_CAUSES. */
size_t api_body_causes(const struct schema_causes *causes, struct api_cause *items, size_t count);

/* 404 that names the namespace and how to make it. */
void api_body_answer_no_namespace(struct api_call *call, const char *name);

#endif
