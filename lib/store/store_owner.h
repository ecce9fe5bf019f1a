/* Owners and what they take along: metadata.ownerReferences (migrations/0006_owners.sql). That dependents go
 * with their last owner needs no call; these are the other two ways of Kubernetes' propagationPolicy. Inside
 * store_begin … store_commit, before store_delete of the owner. */
#ifndef STORE_OWNER_H
#define STORE_OWNER_H

#include "store.h"

enum store_propagation { STORE_BACKGROUND, STORE_FOREGROUND, STORE_ORPHAN };

/* FOREGROUND deletes the dependents, and lets the owner wait for those that do not go at once; ORPHAN takes
 * the references to it out of them; BACKGROUND does nothing here. */
int store_owner_prepare(struct store *store, enum store_kind kind, const char *uid,
						const char *namespace_name, enum store_propagation propagation, struct hc_error *err)
	HC_MUST_CHECK;

#endif
