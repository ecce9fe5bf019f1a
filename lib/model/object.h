/* What every object has, and the words of the state tables of the design: phases, stages, conditions.
 * Plain data; texts are borrowed from the arena of the pass or request that made the struct. */
#ifndef MODEL_OBJECT_H
#define MODEL_OBJECT_H

#include "base/base.h"
#include <stdbool.h>
#include <stdint.h>

/* Each list is written once: NAME, "text as stored and shown". */
#define SERVICE_PHASES(X)                                                                                    \
	X(SERVICE_IDLE, "IDLE")                                                                                  \
	X(SERVICE_DEPLOYING, "DEPLOYING")                                                                        \
	X(SERVICE_ACTIVE, "ACTIVE")                                                                              \
	X(SERVICE_FAILED, "FAILED")

#define DEPLOYMENT_PHASES(X)                                                                                 \
	X(DEPLOYMENT_BUILDING, "BUILDING")                                                                       \
	X(DEPLOYMENT_SUCCESS, "SUCCESS")                                                                         \
	X(DEPLOYMENT_FAILED, "FAILED")

/* Stages of a Deployment that isn't terminal; a terminal one has STAGE_DONE. */
#define DEPLOYMENT_STAGES(X)                                                                                 \
	X(STAGE_RESOLVING, "Resolving")                                                                          \
	X(STAGE_QUEUED, "Queued")                                                                                \
	X(STAGE_STARTING, "Starting")                                                                            \
	X(STAGE_PUBLISHING, "Publishing")                                                                        \
	X(STAGE_STABILIZING, "Stabilizing")                                                                      \
	X(STAGE_DONE, "Done")

#define EXPOSURES(X)                                                                                         \
	X(EXPOSE_PUBLIC, "public")                                                                               \
	X(EXPOSE_INTERNAL, "internal")                                                                           \
	X(EXPOSE_NONE, "none")

#define STRATEGIES(X)                                                                                        \
	X(STRATEGY_ROLLING_UPDATE, "RollingUpdate")                                                              \
	X(STRATEGY_RECREATE, "Recreate")

#define CONDITION_STATUSES(X)                                                                                \
	X(CONDITION_UNKNOWN, "Unknown")                                                                          \
	X(CONDITION_TRUE, "True")                                                                                \
	X(CONDITION_FALSE, "False")

#define ENV_SCOPES(X)                                                                                        \
	X(ENV_SCOPE_RUN, "run")                                                                                  \
	X(ENV_SCOPE_BUILD, "build")                                                                              \
	X(ENV_SCOPE_BOTH, "both")

#define MODEL_ENUM_NAME(name, text) name,
enum service_phase { SERVICE_PHASES(MODEL_ENUM_NAME) };
enum deployment_phase { DEPLOYMENT_PHASES(MODEL_ENUM_NAME) };
enum deployment_stage { DEPLOYMENT_STAGES(MODEL_ENUM_NAME) };
enum exposure { EXPOSURES(MODEL_ENUM_NAME) };
enum strategy { STRATEGIES(MODEL_ENUM_NAME) };
enum condition_status { CONDITION_STATUSES(MODEL_ENUM_NAME) };
enum env_scope { ENV_SCOPES(MODEL_ENUM_NAME) };

/* enum → text, and text → enum (-1 when the text is none of them). */
const char *service_phase_text(enum service_phase value);
const char *deployment_phase_text(enum deployment_phase value);
const char *deployment_stage_text(enum deployment_stage value);
const char *exposure_text(enum exposure value);
const char *strategy_text(enum strategy value);
const char *condition_status_text(enum condition_status value);
const char *env_scope_text(enum env_scope value);
int service_phase_parse(const char *text, enum service_phase *ret_value);
int deployment_phase_parse(const char *text, enum deployment_phase *ret_value);
int deployment_stage_parse(const char *text, enum deployment_stage *ret_value);
int exposure_parse(const char *text, enum exposure *ret_value);
int strategy_parse(const char *text, enum strategy *ret_value);
int condition_status_parse(const char *text, enum condition_status *ret_value);
int env_scope_parse(const char *text, enum env_scope *ret_value);

/* A condition as decide wants it. lastTransitionTime is added by the status writer, which knows the old one.
 */
struct condition {
	const char *type; /* "Built", "Available", "Routed", "Ready" */
	enum condition_status status;
	const char *reason;  /* constant CamelCase word */
	const char *message; /* one sentence, or "" */
};
#define CONDITIONS_MAX 4

/* A moment that survives a crash but not a reboot: CLOCK_BOOTTIME under one boot id (design 5). A moment of
 * another boot counts as "now": the timer restarts. at_ms == 0 means not set. */
struct moment {
	const char *boot_id;
	int64_t at_ms;
};

#endif
