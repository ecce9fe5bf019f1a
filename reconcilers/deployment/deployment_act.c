/* See deployment_act.h. No choice is made here: an action says what, and this file says with which call.
 * Every call is idempotent by a deterministic name, an id, or because "already so" is success.
 *
 * The security settings of every container are the constants below, the same for all (design 9). */
#include "deployment_act.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "deployment_marks.h"
#include "deployment_memory.h"
#include "deployment_secret.h"
#include "docker/docker.h"
#include "model/names.h"
#include "store/store.h"

#include <string.h>

#define HEALTH_INTERVAL_MS 100
#define HEALTH_TIMEOUT_MS (60 * 60 * 1000) /* the probe ends by itself after 50 minutes */
#define PULL_TIMEOUT_MS (30 * 60 * 1000)
#define LOG_KEEP_LINES 5000

/* Docker's default capabilities without those that no web application needs and an intruder likes. */
static const char *const capabilities_dropped[] = {"NET_RAW", "MKNOD", "AUDIT_WRITE", NULL};
static const char *const security_options[] = {"no-new-privileges", NULL};
static const struct docker_pair log_options[] = {{"max-size", "10m"}, {"max-file", "3"}};

/* --- create
 * ---------------------------------------------------------------------------------------------------- */

static struct docker_container_config config_of(const struct container_spec *spec, struct hc_arena *arena)
{
	struct docker_pair *labels = hc_arena_alloc_array(arena, spec->label_count + 1, sizeof *labels);
	struct docker_mount *mounts = hc_arena_alloc_array(arena, spec->mount_count + 1, sizeof *mounts);

	for (size_t index = 0; index < spec->label_count; index++)
		labels[index] = (struct docker_pair){spec->labels[index].name, spec->labels[index].value};
	for (size_t index = 0; index < spec->mount_count; index++)
		mounts[index] = (struct docker_mount){.source = spec->mounts[index].source,
											  .target = spec->mounts[index].target,
											  .volume = spec->mounts[index].volume,
											  .read_only = spec->mounts[index].read_only};
	return (struct docker_container_config){
		.name = spec->name,
		.image = spec->image_id,
		.command = spec->command,
		.entrypoint = spec->entrypoint,
		.env = spec->env,
		.labels = labels,
		.label_count = spec->label_count,
		.mounts = mounts,
		.mount_count = spec->mount_count,
		.network = spec->network,
		.alias = spec->alias,
		.address = spec->address,
		.health_command = spec->probe,
		.health_interval_ms = HEALTH_INTERVAL_MS,
		.health_timeout_ms = HEALTH_TIMEOUT_MS,
		.health_retries = 1,
		.capabilities_dropped = (const char **)capabilities_dropped,
		.security_options = (const char **)security_options,
		.memory_bytes = spec->memory_bytes,
		.nano_cpus = spec->cpu_millis * 1000000,
		.pids_limit = spec->pids,
		.log_driver = "local",
		.log_options = log_options,
		.log_option_count = HC_COUNT(log_options),
		.stop_timeout_seconds = spec->stop_seconds,
		.init = true,
		.restart_unless_stopped = false,
	};
}

static const char *pair_of(const struct docker_container *container, const char *name)
{
	for (size_t index = 0; index < container->label_count; index++) {
		if (strcmp(container->labels[index].name, name) == 0)
			return container->labels[index].value;
	}
	return "";
}

static const char *wanted_of(const struct container_spec *spec, const char *name)
{
	for (size_t index = 0; index < spec->label_count; index++) {
		if (strcmp(spec->labels[index].name, name) == 0)
			return spec->labels[index].value;
	}
	return "";
}

/* The name is taken: ours and the same is success (an answer was lost), ours and stale goes unless it runs,
 * anybody else's stays. */
static int name_taken(struct reconcile_context *context, const struct container_spec *spec,
					  struct hc_arena *arena, struct hc_error *err)
{
	struct docker_container other;

	if (docker_container_inspect(context->docker, arena, spec->name, &other, err) < 0)
		return -1;
	if (strcmp(pair_of(&other, LABEL_INSTALLATION), context->installation) != 0)
		return hc_fail(err, HC_INVALID, "a container named %s exists and is not ours: rename or remove it",
					   spec->name);
	if (strcmp(pair_of(&other, LABEL_DEPLOYMENT), wanted_of(spec, LABEL_DEPLOYMENT)) == 0 &&
		strcmp(pair_of(&other, LABEL_HASH), wanted_of(spec, LABEL_HASH)) == 0)
		return 0;
	if (docker_container_remove(context->docker, other.id, false, err) < 0)
		return -1;
	return hc_fail(err, HC_CONFLICT, "a stale container of ours had the name %s", spec->name);
}

/* A refusal that repeating can't cure is remembered, for decide to judge; the plan goes no further, since the
 * container's start finds nothing. */
static int create(struct reconcile_context *context, const struct action *action, struct hc_arena *arena,
				  struct hc_error *err)
{
	struct docker_container_config config = config_of(action->spec, arena);
	struct secret_env env;
	const char *id;
	int result = secret_env_open(context, action->spec, arena, &env, err);

	if (result < 0 && err->class == HC_DENIED) {
		secret_env_done(&env);
		return -1; /* the operator can mend it */
	}
	if (result == 0) {
		config.env = env.env;
		result = docker_container_create(context->docker, arena, &config, &id, err);
	}
	secret_env_done(&env);
	if (result == 0)
		return 0;
	if (err->class == HC_CONFLICT && name_taken(context, action->spec, arena, err) == 0)
		return 0;
	if (err->class == HC_INVALID || err->class == HC_NOT_FOUND || err->class == HC_DENIED) {
		memory_refuse(action->folder, err->text);
		err->class = HC_CONFLICT; /* look again at once */
	}
	return -1;
}

/* --- the others
 * ------------------------------------------------------------------------------------------------ */

static const char *container_of(const struct action *action)
{
	return action->id ? action->id : action->target;
}

static int start(struct reconcile_context *context, const struct action *action, struct hc_error *err)
{
	if (docker_container_start(context->docker, container_of(action), err) == 0)
		return 0;
	/* The engine writes into the container why: look at it at once instead of repeating. */
	if (err->class == HC_INVALID || err->class == HC_DENIED)
		err->class = HC_CONFLICT;
	return -1;
}

static int signal_send(struct reconcile_context *context, const struct action *action,
					   int64_t started_wall_ms, struct hc_error *err)
{
	bool kill = action->kind == ACTION_CONTAINER_KILL;

	/* The mark first: a signal that nobody knows of would count as a crash of the application. */
	if (marks_signal(context->containers_folder, action->folder, kill, started_wall_ms, err) < 0)
		return -1;
	return docker_container_kill(context->docker, container_of(action), kill ? "SIGKILL" : "SIGTERM", err);
}

static int remove_container(struct reconcile_context *context, const struct action *action,
							struct hc_error *err)
{
	if (docker_container_remove(context->docker, container_of(action), false, err) < 0 &&
		err->class != HC_NOT_FOUND)
		return -1;
	context->prober->forget(context->prober->self, action->id);
	if (action->address && action->address[0])
		context->addresses->release(context->addresses->self, action->address);
	return 0;
}

static int revive(struct reconcile_context *context, const struct action *action, struct hc_error *err)
{
	if (marks_touch_gate(context->containers_folder, action->folder, err) < 0 ||
		docker_container_pause(context->docker, container_of(action), err) < 0)
		return -1;
	return docker_container_unpause(context->docker, container_of(action), err);
}

static int pull(struct reconcile_context *context, const struct action *action, struct hc_error *err)
{
	if (docker_image_pull(context->docker, action->target, PULL_TIMEOUT_MS, NULL, NULL, err) == 0) {
		memory_pull_done(action->id);
		return 0;
	}
	/* An outcome like others: decide says what it means, and it is shown on the Deployment. */
	memory_pull_failed(action->id, err->text,
					   err->class == HC_NOT_FOUND || err->class == HC_DENIED || err->class == HC_INVALID,
					   hc_clock_boot_ms());
	return 0;
}

struct kept_log {
	struct hc_text text;
};

static int keep_piece(int stream, const char *data, size_t length, void *payload)
{
	struct kept_log *log = payload;

	(void)stream;
	hc_text_append_bytes(&log->text, data, length);
	if (log->text.length > 2 * (size_t)HC_LIMIT_LOG_TAIL_BYTES) {
		size_t surplus = log->text.length - HC_LIMIT_LOG_TAIL_BYTES;

		memmove(log->text.data, log->text.data + surplus, log->text.length - surplus + 1);
		log->text.length -= surplus;
	}
	return 0;
}

static int keep_log(struct reconcile_context *context, const struct action *action, struct hc_error *err)
{
	const struct docker_log_options options = {.tail_lines = LOG_KEEP_LINES};
	struct kept_log log = {0};
	int result = 0;

	if (!action->deployment)
		return 0;
	if (docker_container_logs(context->docker, container_of(action), &options, keep_piece, &log, err) < 0)
		result = err->class == HC_NOT_FOUND ? 0 : -1;
	else if (log.text.length && store_log_append(context->store, context->epoch, action->deployment->uid,
												 log.text.data, log.text.length, err) < 0)
		result = err->class == HC_NOT_FOUND ? 0 : -1;
	hc_text_done(&log.text);
	return result;
}

static int volume_create(struct reconcile_context *context, const struct action *action, struct hc_error *err)
{
	const struct docker_pair labels[] = {{LABEL_INSTALLATION, context->installation}};

	return docker_volume_create(context->docker, action->target, labels, HC_COUNT(labels), err);
}

static int volume_remove(struct reconcile_context *context, const struct action *action, struct hc_error *err)
{
	if (docker_volume_remove(context->docker, action->target, err) < 0 && err->class != HC_NOT_FOUND)
		return -1;
	return 0;
}

/* One that somebody uses by now stays: the engine refuses. */
static int image_remove(struct reconcile_context *context, const struct action *action, struct hc_error *err)
{
	if (docker_image_remove(context->docker, action->id, err) == 0)
		return 0;
	return err->class == HC_NOT_FOUND || err->class == HC_CONFLICT ? 0 : -1;
}

static int limits(struct reconcile_context *context, const struct action *action, struct hc_error *err)
{
	const struct container_spec *spec = action->spec;

	return docker_container_limits(context->docker, container_of(action), spec->memory_bytes,
								   spec->cpu_millis * 1000000, spec->pids, err);
}

int deployment_act(struct reconcile_context *context, const struct action *action, int64_t started_wall_ms,
				   struct hc_arena *arena, struct hc_error *err)
{
	switch (action->kind) {
	case ACTION_IMAGE_PULL:
		return pull(context, action, err);
	case ACTION_NETWORK_CONNECT:
		return docker_network_connect(context->docker, action->target, action->id, action->address,
									  action->alias, err);
	case ACTION_NETWORK_DISCONNECT:
		return docker_network_disconnect(context->docker, action->target, action->id, true, err);
	case ACTION_IMAGE_REMOVE:
		return image_remove(context, action, err);
	case ACTION_VOLUME_CREATE:
		return volume_create(context, action, err);
	case ACTION_VOLUME_REMOVE:
		return volume_remove(context, action, err);
	case ACTION_FOLDER_PREPARE:
		return marks_prepare(context->containers_folder, action->folder, context->probe_path, err);
	case ACTION_FOLDER_REMOVE:
		return marks_remove(context->containers_folder, action->folder, err);
	case ACTION_CONTAINER_CREATE:
		return create(context, action, arena, err);
	case ACTION_CONTAINER_START:
		return start(context, action, err);
	case ACTION_CONTAINER_UNPAUSE:
		return docker_container_unpause(context->docker, container_of(action), err);
	case ACTION_CONTAINER_REVIVE:
		return revive(context, action, err);
	case ACTION_CONTAINER_RENAME:
		return docker_container_rename(context->docker, container_of(action), action->new_name, err);
	case ACTION_CONTAINER_UPDATE:
		return limits(context, action, err);
	case ACTION_GATE_OPEN:
	case ACTION_GATE_CLOSE:
		return marks_gate(context->containers_folder, action->folder, action->kind == ACTION_GATE_OPEN, err);
	case ACTION_RESTART_ON:
	case ACTION_RESTART_OFF:
		return docker_container_restart_policy(context->docker, container_of(action),
											   action->kind == ACTION_RESTART_ON, err);
	case ACTION_CONTAINER_TERMINATE:
	case ACTION_CONTAINER_KILL:
		return signal_send(context, action, started_wall_ms, err);
	case ACTION_LOG_KEEP:
		return keep_log(context, action, err);
	case ACTION_CONTAINER_REMOVE:
		return remove_container(context, action, err);
	case ACTION_DEPLOYMENT_CREATE:
	case ACTION_DEPLOYMENT_STATUS:
	case ACTION_DEPLOYMENT_DELETE:
	case ACTION_SERVICE_FINALIZE:
	case ACTION_NAMESPACE_FINALIZE:
	case ACTION_JOB_CREATE:
	case ACTION_JOB_ENQUEUE:
	case ACTION_JOB_REOPEN:
	case ACTION_JOB_CANCEL:
	case ACTION_JOB_GIVE_UP:
	case ACTION_COMMIT_SET:
	case ACTION_FOLLOW_CHECKED:
	case ACTION_EVENT:
	case ACTION_NETWORK_CREATE:
	case ACTION_NETWORK_REMOVE:
		break;
	}
	return hc_fail(err, HC_BUG, "%s is no action of a container", action_kind_text(action->kind));
}
