/* The attempt: the one Deployment that isn't terminal, from Resolving to the moment all its replicas answer
 * (cases C-1 … C-12). Publishing and Stabilizing are in deployment_publish.c.
 *
 * Any failure here is free: no gate was opened, so visitors never saw the revision. Every failure explains
 * itself in one sentence with its fix (design 11). */
#include "base/text.h"
#include "model/names.h"
#include "rollout.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

void attempt_fail(const struct rollout *rollout, struct plan *plan, const char *reason, const char *message,
				  ...)
{
	const struct deployment_view *attempt = rollout->attempt;
	struct deployment_view *next;
	va_list arguments;
	bool warns = strcmp(reason, "Superseded") != 0 && strcmp(reason, "Cancelled") != 0;
	char *text;

	va_start(arguments, message);
	text = hc_arena_vprintf(rollout->arena, message, arguments);
	va_end(arguments);
	/* INV-1: the Service names the old one before this one is given up. */
	if (rollout->current == attempt && rollout->serving)
		rollout_status(rollout, rollout->serving, plan, true, "revision %" PRId64 " is given up",
					   attempt->revision);
	next = rollout_status(rollout, attempt, plan, false, "FAILED/%s: %s", reason, text);
	next->phase = DEPLOYMENT_FAILED;
	next->stage = STAGE_DONE;
	next->stage_since = rollout_now(rollout->world);
	next->reason = reason;
	next->message = text;
	plan_event(plan, warns, reason, "Revision %" PRId64 ": %s", attempt->revision, text);
}

/* --- C-1, C-2: stopped from outside
 * ---------------------------------------------------------------------------- */

static bool superseded_while_building(const struct deployment_view *deployment)
{
	return deployment->phase == DEPLOYMENT_FAILED && hc_streq(deployment->reason, "Superseded") &&
		   !deployment->started.at_ms;
}

/* An attempt is not superseded for ever: after two in a row that never got beyond their build it may finish.
 * One that only waits for something outside has nothing to finish. */
static bool may_supersede(const struct rollout *rollout)
{
	const struct service_world *world = rollout->world;
	size_t count = world->deployment_count;

	if (rollout->attempt->stage <= STAGE_QUEUED && rollout->attempt->reason[0])
		return true;
	return count < 3 || !superseded_while_building(&world->deployments[count - 2]) ||
		   !superseded_while_building(&world->deployments[count - 3]);
}

static bool stopped_from_outside(const struct rollout *rollout, struct plan *plan)
{
	const struct service_view *service = &rollout->world->service;
	const struct deployment_view *attempt = rollout->attempt;

	if (!rollout->on) {
		source_cancel(rollout, plan);
		attempt_fail(rollout, plan, "Cancelled", "cancelled because %s",
					 service->deleting       ? "the Service is being deleted"
					 : service->spec.suspend ? "the Service was suspended"
											 : "the Service was scaled to 0");
		return true;
	}
	if (attempt->stage <= STAGE_STARTING && !hc_streq(attempt->hash, rollout->desired_hash) &&
		!release_runs(rollout) && may_supersede(rollout)) {
		/* The work first: a crash in between finds an attempt that is still to be given up. */
		source_cancel(rollout, plan);
		attempt_fail(rollout, plan, "Superseded", "the Service changed before this revision was ready");
		return true;
	}
	return false;
}

/* --- C-3 … C-6: Queued
 * ----------------------------------------------------------------------------------------- */

static bool unsupported(const struct rollout *rollout, struct plan *plan)
{
	const struct service_template *template = &rollout->attempt->template;

	for (size_t index = 0; index < template->env_count; index++) {
		const struct env_entry *entry = &template->env[index];

		if (!entry->secret_name || (entry->scope == ENV_SCOPE_BUILD && template->image))
			continue;
		if (!entry->secret_version) {
			attempt_fail(
				rollout, plan, "SecretMissing",
				"env %s wants key %s of Secret %s, and there is no such key or Secret: give it a value "
				"with `helvetia secret set %s %s`",
				entry->name, entry->secret_key ? entry->secret_key : "?", entry->secret_name,
				entry->secret_name, entry->secret_key ? entry->secret_key : "?");
			return true;
		}
	}
	return false;
}

static void wait_for_image(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;
	const struct image_view *image = &world->image;
	const struct deployment_view *attempt = rollout->attempt;

	if (image->error && image->error[0] && image->error_final) {
		attempt_fail(rollout, plan, "ImageMissing",
					 "image %s can't be had: %s; push it, or correct spec.image", attempt->image_written,
					 image->error);
		return;
	}
	if (image->error && image->error[0]) {
		if (!hc_streq(attempt->reason, "ImagePullBackOff") || !hc_streq(attempt->message, image->error)) {
			struct deployment_view *next = rollout_status(rollout, attempt, plan, false,
														  "the registry is away: %s", image->error);

			next->reason = "ImagePullBackOff";
			next->message = image->error;
		}
		if (rollout_this_boot(world, &image->retry_at) && world->boot_ms < image->retry_at.at_ms) {
			plan_wake_at(plan, image->retry_at.at_ms);
			return;
		}
	}
	plan_add(plan, ACTION_IMAGE_PULL, attempt->image_written,
			 "revision %" PRId64 " needs it, and it is not here", attempt->revision)
		->id = attempt->uid;
}

void attempt_wait(const struct rollout *rollout, const struct work_wait *wait, struct plan *plan)
{
	const struct deployment_view *attempt = rollout->attempt;
	struct deployment_view *next;

	if (hc_streq(attempt->reason, wait->reason) && hc_streq(attempt->message, wait->message))
		return;
	next = rollout_status(rollout, attempt, plan, false, "%s",
						  wait->message[0] ? wait->message : "it is waited for no more");
	next->reason = wait->reason;
	next->message = wait->message;
}

/* Where an image comes from and how it is built is of no matter once it is there. */
static void forget_source(struct service_template *template, struct hc_arena *arena)
{
	struct env_entry *env = hc_arena_alloc_array(arena, template->env_count + 1, sizeof *env);
	size_t count = 0;

	for (size_t index = 0; index < template->env_count; index++) {
		if (template->env[index].scope == ENV_SCOPE_BUILD)
			continue;
		env[count] = template->env[index];
		env[count++].scope = ENV_SCOPE_RUN;
	}
	template->env = env;
	template->env_count = count;
	template->image = template->commit = template->repo_url = template->branch = template->path = NULL;
	template->build_command = template->dockerfile = template->target = template->output_dir = NULL;
	template->build_args = NULL;
	template->build_arg_count = 0;
}

/* C-6: what runs is the same image with the same settings; only the way it is written differs. */
static bool nothing_changed(const struct rollout *rollout, const char *image_id)
{
	struct service_template old, new;
	HC_AUTO_TEXT old_text = {0};
	HC_AUTO_TEXT new_text = {0};

	if (!rollout->serving || rollout->serving != rollout->current ||
		!hc_streq(rollout->serving->image_id, image_id))
		return false;
	old = rollout->serving->template;
	new = rollout->attempt->template;
	forget_source(&old, rollout->arena);
	forget_source(&new, rollout->arena);
	if (service_template_text(&old, TEMPLATE_HASH_VERSION, &old_text) < 0 ||
		service_template_text(&new, TEMPLATE_HASH_VERSION, &new_text) < 0)
		return false;
	return strcmp(hc_text_string(&old_text), hc_text_string(&new_text)) == 0;
}

static bool image_refused(const struct rollout *rollout, struct plan *plan)
{
	const struct image_view *image = &rollout->world->image;
	const char *written = rollout_image_text(rollout, rollout->attempt);

	if (image->reserved_label) {
		attempt_fail(
			rollout, plan, "ReservedLabel",
			"image %s carries the label %s, which is the platform's own: build it without traefik.* and "
			"cloud.helvetia.* labels",
			written, image->reserved_label);
		return true;
	}
	if (image->uncovered_volume) {
		attempt_fail(
			rollout, plan, "UncoveredVolume",
			"image %s declares VOLUME %s and no volume of the Service covers it, so its data would be lost "
			"with the container: add a volume with path %s",
			written, image->uncovered_volume, image->uncovered_volume);
		return true;
	}
	return false;
}

void attempt_image(const struct rollout *rollout, struct plan *plan)
{
	const struct image_view *image = &rollout->world->image;
	struct deployment_view *next;

	if (image_refused(rollout, plan))
		return;
	if (nothing_changed(rollout, image->id)) {
		next = rollout_status(
			rollout, rollout->attempt, plan, false,
			"SUCCESS/Unchanged: the same image with the same settings runs as revision %" PRId64,
			rollout->serving->revision);
		next->phase = DEPLOYMENT_SUCCESS;
		next->stage = STAGE_DONE;
		next->stage_since = rollout_now(rollout->world);
		next->reason = "Unchanged";
		next->message = "the image and everything else equal what runs, so nothing was restarted";
		next->image_id = image->id;
		return;
	}
	next = rollout_status(rollout, rollout->attempt, plan, false, "the image is here: Starting");
	next->stage = STAGE_STARTING;
	next->stage_since = next->started = rollout_now(rollout->world);
	next->image_id = image->id;
	next->reason = next->message = "";
	if (image->health_check)
		plan_event(plan, true, "HealthCheckReplaced",
				   "Image %s has a HEALTHCHECK, which is not run: readiness is asked on the port, see "
				   "spec.healthCheck",
				   rollout_image_text(rollout, rollout->attempt));
}

static void queued(const struct rollout *rollout, struct plan *plan)
{
	const struct image_view *image = &rollout->world->image;
	const struct deployment_view *attempt = rollout->attempt;

	if (!image->known)
		return;
	if (!image->present)
		wait_for_image(rollout, plan);
	else if (attempt->image_id && !hc_streq(attempt->image_id, image->id))
		attempt_fail(rollout, plan, "ImageMissing",
					 "the image that revision %" PRId64
					 " ran is gone from the engine, and %s names another one "
					 "now: set spec.image",
					 attempt->rollback_of, attempt->image_written);
	else
		attempt_image(rollout, plan);
}

/* --- C-7 … C-12: Starting
 * -------------------------------------------------------------------------------------- */

static void not_ready_in_time(const struct rollout *rollout, const struct attempt_replicas *replicas,
							  struct plan *plan)
{
	const struct container_view *container = replicas->unanswered;
	const struct deployment_view *attempt = rollout->attempt;
	const char *seen = container ? explain_mute(attempt, container, rollout->arena) : "";

	if (!container) {
		attempt_fail(rollout, plan, "NotReady",
					 "not all replicas were made within %d s: the controller's log says why",
					 rollout->world->service.spec.deadline_seconds);
		return;
	}
	attempt_fail(rollout, plan, "NotReady", "%s did not answer on port %d within %d s%s%s", container->name,
				 attempt->template.internal_port, rollout->world->service.spec.deadline_seconds,
				 seen[0] ? ": " : "", seen);
}

/* C-7: Recreate: the old one has stopped, and its name is free. */
static bool place_is_free(const struct rollout *rollout)
{
	const struct service_world *world = rollout->world;

	if (!rollout->recreate)
		return true;
	for (size_t index = 0; index < world->container_count; index++) {
		const struct container_view *container = &world->containers[index];

		if (hc_streq(container->deployment_uid, rollout->attempt->uid))
			continue;
		if (rollout_alive(container) || strcmp(container->name, container->folder) != 0)
			return false;
	}
	return true;
}

static void starting(const struct rollout *rollout, struct plan *plan)
{
	const struct deployment_view *attempt = rollout->attempt;
	int64_t deadline_ms = rollout->world->service.spec.deadline_seconds * INT64_C(1000);
	struct attempt_replicas replicas;
	struct deployment_view *next;

	if (place_is_free(rollout)) {
		if (!release_decide(rollout, plan))
			return;
		attempt_replicas(rollout, attempt, plan, &replicas);
		if (attempt_fail_replicas(rollout, &replicas, plan))
			return;
		if (replicas.answering == rollout->replicas) {
			next = rollout_status(rollout, attempt, plan, false, "all %d replicas answer: Publishing",
								  rollout->replicas);
			next->stage = STAGE_PUBLISHING;
			next->stage_since = rollout_now(rollout->world);
			next->reason = next->message = "";
			return;
		}
	} else {
		/* The old one isn't stopped before Traefik has forgotten it. */
		if (attempt_traefik_away(rollout, plan))
			return;
		replicas = (struct attempt_replicas){0};
	}
	if (rollout_elapsed(rollout->world, &attempt->started) >= deadline_ms)
		not_ready_in_time(rollout, &replicas, plan);
	else
		plan_wake_at(plan, attempt->started.at_ms + deadline_ms);
}

/* C-12: the machine was restarted: timers begin again, and what went down with it is started. The starts come
 * first, so that a crash in between finds the old boot's time and starts them again instead of calling them
 * dead. */
static bool after_reboot(const struct rollout *rollout, struct plan *plan)
{
	const struct deployment_view *attempt = rollout->attempt;
	const struct container_view *release = rollout_find(rollout, attempt, RELEASE_ORDINAL);
	struct deployment_view *next;

	if (rollout_this_boot(rollout->world, &attempt->stage_since) ||
		(attempt->stage < STAGE_STARTING && attempt->template.image))
		return false;
	for (int ordinal = 0; attempt->stage >= STAGE_STARTING && ordinal < rollout->replicas; ordinal++) {
		const struct container_view *container = rollout_find(rollout, attempt, ordinal);

		if (container && container->state == CONTAINER_EXITED)
			replica_start(container, "the machine was restarted", plan);
	}
	if (release && release_wanted(attempt) && release->state == CONTAINER_EXITED && release->exit_code)
		replica_start(release, "the machine was restarted", plan);
	next = rollout_status(rollout, attempt, plan, false, "the machine was restarted: the timers begin again");
	next->stage_since = rollout_now(rollout->world);
	if (attempt->stage >= STAGE_STARTING)
		next->started = next->stage_since;
	return true;
}

void attempt_decide(const struct rollout *rollout, struct plan *plan)
{
	if (stopped_from_outside(rollout, plan) || after_reboot(rollout, plan))
		return;
	switch (rollout->attempt->stage) {
	case STAGE_RESOLVING:
	case STAGE_QUEUED:
		if (unsupported(rollout, plan))
			break;
		if (rollout->attempt->template.image)
			queued(rollout, plan);
		else
			source_decide(rollout, plan);
		break;
	case STAGE_STARTING:
		starting(rollout, plan);
		break;
	case STAGE_PUBLISHING:
	case STAGE_STABILIZING:
		publish_decide(rollout, plan);
		break;
	case STAGE_DONE:
		break;
	}
}
