/* Writing one object: checks, defaults, rules, ownership, hosts, hash, and the row. Pool threads only.
 *
 * A struct api_writer is one request's way of writing; a struct api_draft one object on its way into the
 * database. */
#ifndef API_OBJECT_H
#define API_OBJECT_H

#include "api.h"
#include "base/clock.h"
#include "schema/schema.h"

enum api_validation { API_STRICT, API_WARN, API_IGNORE };

struct api_writer {
	const struct api_options *options;
	const char *installation;
	struct store *store;
	struct hc_arena *arena;
	const char *manager;
	enum api_validation validation;
	bool force;
	bool dry_run;
	const char *user_uid; /* the User who writes; NULL: a program */
	char now[HC_TIME_TEXT_SIZE];
};

struct api_draft {
	const struct api_kind *kind;
	const struct schema_kind *schema;
	const char *namespace_name; /* "" when the kind has none */
	const char *name;
	json_t *live;            /* owned; NULL: it is to be created */
	struct store_object row; /* of live */
	json_t *object;          /* owned; as it is to be */
	struct schema_causes causes;
	struct schema_causes unknown; /* unknown fields: refused, warned of, or ignored */
	struct schema_conflicts conflicts;
	bool spec_changed;
	bool changed;
	const char *token_hash;     /* of a Token that is made */
	struct store_object stored; /* after api_draft_store */
	struct api_secret *secret;  /* owned; of a Secret: its values */
};

void api_draft_done(struct api_draft *draft);

/* Reads parameters and User-Agent: fieldManager, fieldValidation, dryRun, force. INVALID. default_manager
 * NULL: from User-Agent. */
int api_writer_init(struct api_writer *writer, struct api_call *call, struct store *store,
					const char *default_manager, struct hc_error *err) HC_MUST_CHECK;

/* Fills live and row; an absent object leaves them empty. */
int api_draft_read(const struct api_writer *writer, struct api_draft *draft, struct hc_error *err)
	HC_MUST_CHECK;
/* The same, of a row that was read already; NULL: there is none. */
int api_draft_found(const struct api_writer *writer, struct api_draft *draft, const struct store_object *row,
					struct hc_error *err) HC_MUST_CHECK;
/* Sets object from a server-side apply of `applied`. Broken rules are left in causes, unknown and conflicts:
 * then -1 with INVALID or CONFLICT. */
int api_draft_apply(const struct api_writer *writer, struct api_draft *draft, const json_t *applied,
					struct hc_error *err) HC_MUST_CHECK;
/* Sets object from a whole one (create, update, patch); takes the reference. subresource NULL: the main
 * endpoint. */
int api_draft_replace(const struct api_writer *writer, struct api_draft *draft, json_t *object_take,
					  const char *subresource, struct hc_error *err) HC_MUST_CHECK;
/* Sets object from the unforced apply of a commit by the platform itself. CONFLICT with *ret_owner: that one
 * pins it. */
int api_draft_commit(const struct api_writer *writer, struct api_draft *draft, const char *commit,
					 const char **ret_owner, struct hc_error *err) HC_MUST_CHECK;
/* Inside store_begin: writes it unless nothing changed. Classes of store_insert and store_update. */
int api_draft_store(const struct api_writer *writer, struct api_draft *draft, struct hc_error *err)
	HC_MUST_CHECK;

/* Hash of a Service's template with the values that its Secrets have now, in the arena. */
int api_template_hash(const struct api_writer *writer, const struct api_draft *draft, const char **ret_hash,
					  struct hc_error *err) HC_MUST_CHECK;

/* Unknown fields make it fail with Strict. */
bool api_draft_refused(const struct api_writer *writer, const struct api_draft *draft);

#endif
