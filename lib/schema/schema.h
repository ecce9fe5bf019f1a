/* User input: reading YAML and JSON, checking it against crd-like-schemas/, and turning it into plain
 * structs.
 *
 * The CustomResourceDefinition files in crd-like-schemas/ are the only description of user input. They are
 * embedded at build time, compiled once (schema_load) and then read-only, so any thread may use them. Two
 * kinds of rules exist: structural ones (type, required, enum, pattern, bounds, unknown field, list-map keys)
 * come from the files; the few that compare fields or know hosts are in schema_rules.c and report in the same
 * form. json_t values are jansson's; "new reference" means that the caller owns one. */
#ifndef SCHEMA_H
#define SCHEMA_H

#include "base/arena.h"
#include "base/error.h"
#include "base/limits.h"
#include "model/plan.h"
#include "model/service.h"
#include "model/world.h"
#include "schema_commit.h" /* the commit that a Service follows */
#include <jansson.h>

/* Compiles the embedded schemas; BUG when one is malformed. Call once before threads start. */
int schema_load(struct hc_error *err) HC_MUST_CHECK;
void schema_unload(void);

/* --- documents --- */

struct schema_document {
	json_t *value; /* owned by the list */
	int line;      /* where it begins, 1 = first */
	int index;     /* 0 = first */
};
struct schema_documents {
	struct schema_document *items;
	size_t count;
};

/* Reads a stream of YAML documents, or of JSON values (recognised by the first character `{` or `[`; JSON is
 * read by jansson so that positions are right). Refused with INVALID and "line L, column C: …": bad UTF-8,
 * NUL, duplicate keys, keys that aren't text, tags other than !!str, anchors that expand beyond
 * HC_LIMIT_DOCUMENT_NODES, nesting beyond HC_LIMIT_DOCUMENT_DEPTH, more than HC_LIMIT_DOCUMENTS_PER_STREAM
 * documents, numbers that are not finite or do not fit, a document that isn't a mapping. Empty documents are
 * skipped. Plain scalars follow the YAML 1.2 core schema
 * (`yes` and dates are text). A List object (kind List or *List with items) is unfolded into its items. */
int schema_documents_parse(const char *text, size_t length, struct schema_documents *ret_documents,
						   struct hc_error *err) HC_MUST_CHECK;
void schema_documents_done(struct schema_documents *documents);

/* Sorted-key text of a value, for comparing and storing. Caller frees. */
char *schema_dump(const json_t *value);
/* One YAML document of a JSON value, keys in the given order, strings quoted where YAML needs it. Caller
 * frees. */
char *schema_dump_yaml(const json_t *value);

/* --- kinds --- */

struct schema_kind; /* one compiled CRD; lives until schema_unload */

/* NULL when the group, version or kind is not ours. Served kinds: helvetia.cloud/v1 Service, Deployment,
 * Build, User, Token; v1 Namespace, Secret, Event (open schemas of metadata only where nothing is checked).
 */
const struct schema_kind *schema_kind_find(const char *api_version, const char *kind);
const struct schema_kind *schema_kind_by_plural(const char *group, const char *plural); /* group "" is core */
const char *schema_kind_name(const struct schema_kind *kind);                           /* Service */
const char *schema_kind_plural(const struct schema_kind *kind);                         /* services */
const char *schema_kind_api_version(const struct schema_kind *kind); /* helvetia.cloud/v1 */
bool schema_kind_namespaced(const struct schema_kind *kind);
const struct schema_kind *schema_kind_at(size_t index); /* 0, 1, …; NULL after the last */
/* The CustomResourceDefinition as in its file (names, columns, subresources), and its schema completed by
 * Kubernetes' ObjectMeta. Borrowed; never change them. */
const json_t *schema_kind_definition(const struct schema_kind *kind);
const json_t *schema_kind_openapi(const struct schema_kind *kind);

/* One broken rule, as a cause of a Kubernetes Status has it. */
struct schema_cause {
	char *field;   /* spec.env[2].name */
	char *reason;  /* FieldValueInvalid, FieldValueRequired, FieldValueNotSupported, FieldValueDuplicate,
					  FieldValueForbidden, FieldValueTooLong, FieldValueTooMany, FieldValueTypeInvalid */
	char *message; /* Invalid value: "Shop": must match ^[a-z]…: a DNS label … */
};
struct schema_causes {
	struct schema_cause items[HC_LIMIT_VALIDATION_CAUSES];
	size_t count;   /* kept ones */
	size_t dropped; /* beyond the limit */
};
void schema_causes_add(struct schema_causes *causes, const char *field, const char *reason,
					   const char *message, ...) HC_PRINTF(4, 5);
void schema_causes_done(struct schema_causes *causes);

/* The kind that apiVersion and kind of an object name; NULL with causes when it is none of ours. */
const struct schema_kind *schema_kind_of(const json_t *object, struct schema_causes *causes);

enum schema_unknown {
	SCHEMA_UNKNOWN_REFUSE,
	SCHEMA_UNKNOWN_PRUNE
}; /* prune removes and reports as a cause too */

/* Structural check of a whole object (metadata too: name is an RFC 1123 label of the kind's length, labels
 * and annotations by Kubernetes' rules). Unknown fields are reported into `unknown` (field paths with reason
 * FieldValueForbidden: `unknown field "spec.imagee"`), everything else into `causes`. Either may be the same
 * struct. */
void schema_check(const struct schema_kind *kind, json_t *object, enum schema_unknown policy,
				  struct schema_causes *causes, struct schema_causes *unknown);
/* Fills defaults in place; never inside a list item. */
void schema_default(const struct schema_kind *kind, json_t *object);

/* Rules that compare fields of a Service (after schema_check and schema_default): image or repoUrl and not
 * both; repoUrl https:// or ssh:// (or another prefix of allowed_prefixes, NULL-terminated or NULL) without
 * credentials, `ext::` and leading dash; branch by git-check-ref-format and without leading dash; domains are
 * host names, not under the platform's own domain (except of their own label), none reserved (api www hooks
 * admin helvetia as {name}); a writable volume allows one replica only and forces Recreate; env names, no
 * HELVETIA_ prefix, PORT refused; volume paths absolute, not /, /proc, /sys, /dev, /.helvetia. domain: the
 * platform's. */
void schema_service_rules(const json_t *service, const char *domain, const char *const *allowed_prefixes,
						  struct schema_causes *causes);
/* Hosts that a Service claims: {name}.{domain} and its domains when public, none otherwise; lower case,
 * sorted. Arrays and texts live in the arena. */
void schema_service_hosts(const json_t *service, const char *domain, struct hc_arena *arena,
						  const char ***ret_hosts, size_t *ret_count);

/* --- JSON ⇄ model --- */

/* From a checked and defaulted spec. INVALID only for what schema_check would have refused. */
int schema_service_spec(const json_t *spec, struct hc_arena *arena, struct service_spec *ret_spec,
						struct hc_error *err) HC_MUST_CHECK;
/* spec and status objects of a Deployment as served. metadata gives uid, name, times. */
int schema_deployment_view(const json_t *object, struct hc_arena *arena, struct deployment_view *ret_view,
						   struct hc_error *err) HC_MUST_CHECK;
/* New references; they are what schema_deployment_view reads. */
json_t *schema_deployment_spec_json(const struct deployment_view *view, const char *service);
json_t *schema_deployment_status_json(const struct deployment_view *view);
/* Status of a Service from a plan. lastTransitionTime comes from old_status where a condition's status is
 * unchanged, else it is now_wall_ms. New reference. */
json_t *schema_service_status_json(const struct plan *plan, int64_t generation, const json_t *old_status,
								   int64_t now_wall_ms);
/* The status of a Service whose spec has just changed: Ready=Unknown. status NULL: a new one. New reference.
 */
json_t *schema_service_status_pending(const json_t *status, int64_t generation, const char *now);
/* SHA-256 of the template of a checked and defaulted Service, hexadecimal, in the arena. Of one whose env names
 * Secrets it is not the whole truth: which values they have now is no part of the spec. */
int schema_template_hash(const json_t *service, struct hc_arena *arena, const char **ret_hash,
						 struct hc_error *err) HC_MUST_CHECK;
/* The same of a template whose env says which values its Secrets have (store_secret_resolve). */
int schema_template_hash_of(const struct service_template *template, struct hc_arena *arena,
							const char **ret_hash, struct hc_error *err) HC_MUST_CHECK;
/* currentDeployment, phase, observedGeneration and unreadySince of a stored status into the view (borrowed
 * from the arena). */
void schema_service_status_read(const json_t *status, struct hc_arena *arena, struct service_view *view);

/* --- writing objects: patches and field ownership --- */

/* RFC 7396. New reference; target (NULL: nothing) and patch are neither changed nor consumed. */
json_t *schema_merge_patch(const json_t *target, const json_t *patch);

/* RFC 6902. New reference; target and steps are neither changed nor consumed. NULL with INVALID: steps is no patch, or
 * makes the document too large or deep; CONFLICT: it does not fit the target (a test failed, a place is not there). */
json_t *schema_json_patch(const json_t *target, const json_t *steps, struct hc_error *err) HC_MUST_CHECK;

/* Server-side apply, as facts of the Kubernetes API say it: paths f: k: v:, managers keyed by (manager,
 * operation, subresource). The schema of the kind says which lists are maps, sets or atomic. Call these after
 * schema_check and before schema_default, so that nobody owns a default. manager "helvetia-git" etc. are
 * plain text of 1 to 128 bytes. now: RFC 3339 time for changed entries. */
struct schema_conflict {
	char *field;   /* .spec.env[name="A"].value */
	char *manager; /* who owns it */
	char *message; /* conflict with "x" using helvetia.cloud/v1 at T: the message of a Status cause */
};
struct schema_conflicts {
	struct schema_conflict *items; /* sorted by message, then field */
	size_t count;
};
void schema_conflicts_done(struct schema_conflicts *conflicts);
/* The message of the whole Status, as kubectl prints it: Apply failed with 1 conflict: conflict with "x":
 * .spec.image It may be longer than an hc_error has room for. Caller frees. */
char *schema_conflicts_text(const struct schema_conflicts *conflicts);

/* Apply on the main endpoint: live may be NULL (create). *ret_object is a new reference to the merged object
 * with managedFields set; status and the server's metadata are live's, whatever was applied. CONFLICT with
 * *conflicts (NULL: not wanted) filled unless force. INVALID when applied is not mergeable (duplicate
 * list-map keys, managedFields in it …). BUG when live's managedFields can't be read. */
int schema_apply(const struct schema_kind *kind, const json_t *live, const json_t *applied,
				 const char *manager, bool force, const char *now, json_t **ret_object,
				 struct schema_conflicts *conflicts, struct hc_error *err) HC_MUST_CHECK;
/* Update (POST, PUT, merge patch, status, scale): takes what changed between live (NULL: create) and object
 * from all others; sets object's managedFields in place. subresource NULL for the main endpoint, where status
 * belongs to nobody and managedFields in object (as the client sent it) replace the stored ones: [{}] forgets
 * all owners, an absent or empty list keeps them. INVALID for managedFields that can't be read. */
int schema_update_ownership(const struct schema_kind *kind, const json_t *live, json_t *object,
							const char *manager, const char *subresource, const char *now,
							struct hc_error *err) HC_MUST_CHECK;
/* Equal but for managedFields' times, resourceVersion and generation: a write that would change nothing. */
bool schema_equal(const json_t *left, const json_t *right);

/* The difference of two objects for people, without status and what the server writes into metadata: lines
 * "spec.image: a → b", sorted; "(none)" stands for what isn't there, items with a name are told by it, long
 * values are cut. live may be NULL. Texts in the arena. */
void schema_diff(const json_t *live, const json_t *wanted, struct hc_arena *arena, const char ***ret_lines,
				 size_t *ret_count);

#endif
