/* The managers of an object: metadata.managedFields in decoded form. Private to lib/schema.
 *
 * A manager is identified by (name, operation, subresource): who applies a field and who updates it are two
 * owners, even under one name. */
#ifndef SCHEMA_MANAGERS_H
#define SCHEMA_MANAGERS_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct schema_manager {
	json_t *entry; /* without fieldsV1; owned */
	json_t *set;   /* schema_fields.h; owned */
};
struct schema_managers {
	struct schema_manager *items; /* owned */
	size_t count;
};

/* list: managedFields, or NULL. INVALID names the entry. */
int schema_managers_read(const json_t *list, struct schema_managers *ret_managers, struct hc_error *err)
	HC_MUST_CHECK;
void schema_managers_done(struct schema_managers *managers);
/* Makes it when it isn't there. Borrowed until the next call. subresource: NULL for the main endpoint. */
struct schema_manager *schema_managers_get(struct schema_managers *managers, const char *name,
										   const char *operation, const char *subresource);
bool schema_managers_empty(const struct schema_managers *managers); /* nobody owns anything */
/* Sets the object's managedFields: entries in Kubernetes' order, without those that own nothing. INVALID
 * beyond HC_LIMIT_FIELD_MANAGERS. */
int schema_managers_write(const struct schema_managers *managers, json_t *object, struct hc_error *err)
	HC_MUST_CHECK;

/* "x" with subresource "scale" using helvetia.cloud/v1 at T, as Kubernetes names it in conflicts. Caller
 * frees. */
char *schema_manager_text(const struct schema_manager *manager);
const char *schema_manager_member(const struct schema_manager *manager,
								  const char *name); /* borrowed; "" if absent */

#endif
