/* One action of a plan on the simulated world: what the act steps do with the real one. */
#include "model/names.h"
#include "sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- rows
 * ------------------------------------------------------------------------------------------------------ */

/* Texts of a view may be those of the row itself, so they are copied before anything is overwritten. */
static void row_write(struct sim *sim, struct sim_deployment *deployment, const struct deployment_view *view)
{
	struct deployment_view row = *view;

	row.uid = deployment->uid;
	row.hash = deployment->hash;
	row.name = hc_arena_strdup(sim->arena, view->name);
	row.reason = hc_arena_strdup(sim->arena, view->reason);
	row.message = hc_arena_strdup(sim->arena, view->message);
	row.image_id = hc_arena_strdup(sim->arena, view->image_id);
	row.image_written = hc_arena_strdup(sim->arena, view->image_written);
	row.build = hc_arena_strdup(sim->arena, view->build);
	row.tree = hc_arena_strdup(sim->arena, view->tree);
	row.stage_since.boot_id = hc_arena_strdup(sim->arena, view->stage_since.boot_id);
	row.started.boot_id = hc_arena_strdup(sim->arena, view->started.boot_id);
	row.restart_not_before.boot_id = hc_arena_strdup(sim->arena, view->restart_not_before.boot_id);
	deployment->row = row;
}

static struct sim_deployment *row_find(struct sim *sim, const char *uid)
{
	for (size_t index = 0; index < sim->deployment_count; index++) {
		if (sim->deployments[index].exists && strcmp(sim->deployments[index].uid, uid) == 0)
			return &sim->deployments[index];
	}
	return NULL;
}

/* Rows that are gone make room; the order stays. */
static void rows_compact(struct sim *sim)
{
	size_t kept = 0;

	for (size_t index = 0; index < sim->deployment_count; index++) {
		struct sim_deployment *to = &sim->deployments[kept];

		if (!sim->deployments[index].exists)
			continue;
		if (kept++ == index)
			continue;
		*to = sim->deployments[index];
		to->row.uid = to->uid;
		to->row.hash = to->hash;
		sim->deployments[index].exists = false;
	}
	sim->deployment_count = kept;
	if (kept == SIM_DEPLOYMENTS_MAX)
		abort();
}

static int row_create(struct sim *sim, const struct deployment_view *view)
{
	struct sim_deployment *deployment;

	if (view->revision <= sim->revision_max)
		return -1; /* the revision exists */
	if (sim->deployment_count == SIM_DEPLOYMENTS_MAX)
		rows_compact(sim);
	deployment = &sim->deployments[sim->deployment_count++];
	*deployment = (struct sim_deployment){.exists = true, .spec = sim->spec};
	/* A rollback repeats the old snapshot, with the volumes of now. */
	for (size_t index = 0; view->rollback_of && index + 1 < sim->deployment_count; index++) {
		if (sim->deployments[index].exists && sim->deployments[index].row.revision == view->rollback_of)
			deployment->spec = sim->deployments[index].spec;
	}
	deployment->spec.volume = sim->spec.volume;
	(void)snprintf(deployment->uid, sizeof deployment->uid, "d%" PRId64, view->revision);
	(void)snprintf(deployment->hash, sizeof deployment->hash, "%s", view->hash);
	row_write(sim, deployment, view);
	sim->revision_max = view->revision;
	return 0;
}

static int row_status(struct sim *sim, const struct action *action)
{
	struct sim_deployment *deployment = row_find(sim, action->id);

	if (!deployment)
		return -1;
	row_write(sim, deployment, action->deployment);
	if (action->becomes_current)
		(void)snprintf(sim->current, sizeof sim->current, "%s", deployment->row.name);
	return 0;
}

static int pull(struct sim *sim, const char *image)
{
	sim->changed = true;
	sim->pull_image = hc_arena_strdup(sim->arena, image);
	sim->pull_attempts++;
	sim->pull_retry_at = sim->boot_ms + 5000;
	if (strcmp(image, "absent:1") == 0 || sim->registry_away)
		return 0;
	sim->image_present[APP_BETTER] = true;
	sim->pull_attempts = 0;
	return 0;
}

/* --- containers
 * ------------------------------------------------------------------------------------------------ */

static void labels_copy(struct sim *sim, const struct container_spec *spec, struct container_view *view)
{
	view->labels = hc_arena_alloc_array(sim->arena, spec->label_count, sizeof(struct label));
	view->label_count = spec->label_count;
	for (size_t index = 0; index < spec->label_count; index++) {
		view->labels[index].name = hc_arena_strdup(sim->arena, spec->labels[index].name);
		view->labels[index].value = hc_arena_strdup(sim->arena, spec->labels[index].value);
		if (strcmp(spec->labels[index].name, LABEL_HASH) == 0)
			view->spec_hash = view->labels[index].value;
		if (strcmp(spec->labels[index].name, LABEL_ORDINAL) == 0)
			view->ordinal = name_ordinal(spec->labels[index].value);
		if (strcmp(spec->labels[index].name, LABEL_FOLDER) == 0)
			view->folder = view->labels[index].value;
	}
}

static int create(struct sim *sim, const struct action *action)
{
	const struct container_spec *spec = action->spec;
	struct sim_container *container = sim->containers;
	struct sim_container *same = sim_container_find(sim, spec->name);

	if (same && same->foreign) {
		sim->refused = action->deployment->revision;
		return -1;
	}
	if (same) /* adopt ours when it is the same */
		return strcmp(same->view.deployment_uid, action->deployment->uid) == 0 ? 0 : -1;
	if (!sim->network_present)
		return -1;
	while (container->exists)
		container++;
	if ((size_t)(container - sim->containers) >= sim->container_high)
		sim->container_high = (size_t)(container - sim->containers) + 1;
	*container = (struct sim_container){.exists = true, .volume = spec->mount_count > 1};
	container->app = (enum sim_app)(int)strtol(spec->image_id + strlen("sha256:"), NULL, 10);
	if (container->app == APP_REFUSED) {
		container->exists = false;
		sim->refused = action->deployment->revision;
		return -1;
	}
	container->view = (struct container_view){
		.id = hc_arena_printf(sim->arena, "id%d", ++sim->next_id),
		.name = hc_arena_strdup(sim->arena, spec->name),
		.deployment_uid = hc_arena_strdup(sim->arena, action->deployment->uid),
		.image_id = hc_arena_strdup(sim->arena, spec->image_id),
		.address = "",
		.fixed_address = hc_arena_strdup(sim->arena, spec->address),
		.error = "",
		.probe_message = "",
		.revision = action->deployment->revision,
		.memory_bytes = spec->memory_bytes,
		.cpu_millis = spec->cpu_millis,
		.pids = spec->pids,
		.gate_folder = true,
		.network_attached = true,
	};
	labels_copy(sim, spec, &container->view);
	container->release = container->view.ordinal == RELEASE_ORDINAL
							 ? row_find(sim, action->deployment->uid)->spec.release
							 : RELEASE_NONE;
	container->has_port = action->deployment->template.expose != EXPOSE_NONE && !container->release;
	container->public = action->deployment->template.expose == EXPOSE_PUBLIC && !container->release;
	return 0;
}

static int start(struct sim_container *container)
{
	if (container->view.state == CONTAINER_RUNNING)
		return 0;
	if (container->app == APP_NOSTART) {
		container->view.error = "exec: \"/nothing\": no such file or directory";
		return -1;
	}
	if (container->view.state == CONTAINER_PAUSED || container->view.state == CONTAINER_RESTARTING)
		return container->view.state == CONTAINER_PAUSED ? -1 : 0;
	container->view.error = "";
	container->view.state = CONTAINER_RESTARTING; /* runs at the next tick */
	container->restart_at_ms = 0;
	return 0;
}

bool sim_folder(const struct sim *sim, const char *name)
{
	for (size_t index = 0; index < SIM_FOLDERS_MAX; index++) {
		if (hc_streq(sim->folders[index], name))
			return true;
	}
	return false;
}

static void folder(struct sim *sim, const char *name, bool there)
{
	size_t unused = SIM_FOLDERS_MAX;

	for (size_t index = SIM_FOLDERS_MAX; index-- > 0;) {
		if (!sim->folders[index])
			unused = index;
		else if (strcmp(sim->folders[index], name) == 0 && there)
			return;
		else if (strcmp(sim->folders[index], name) == 0)
			sim->folders[index] = NULL;
	}
	if (!there)
		return;
	if (unused == SIM_FOLDERS_MAX)
		abort(); /* gc takes folders of lost containers away; a run doesn't lose so many */
	sim->folders[unused] = hc_arena_strdup(sim->arena, name);
}

static int gate(struct sim *sim, const struct action *action, bool open)
{
	for (size_t index = 0; index < sim->container_high; index++) {
		struct sim_container *container = &sim->containers[index];

		if (!container->exists || strcmp(container->view.folder, action->folder) != 0)
			continue;
		container->view.gate_open = open;
		container->view.gate_used = container->view.gate_used || open;
		container->view.gate_changed_boot_ms = sim->boot_ms;
	}
	return 0;
}

static int signal_send(struct sim *sim, struct sim_container *container, bool kill)
{
	container->mark_started_ms = container->view.started_wall_ms;
	if (kill)
		container->view.kill_sent_boot_ms = sim->boot_ms;
	else
		container->view.term_sent_boot_ms = sim->boot_ms;
	container->stopped_by_hand = true;
	if (container->view.state == CONTAINER_RESTARTING)
		sim_kill(sim, container, 0, true);
	else if (kill)
		sim_kill(sim, container, 137, true);
	else if (container->app != APP_RUDE && !container->dying_at_ms)
		container->dying_at_ms = sim->boot_ms + 50;
	return 0;
}

static int remove_container(struct sim *sim, struct sim_container *container)
{
	if (container->view.state == CONTAINER_RUNNING || container->view.state == CONTAINER_PAUSED)
		return -1;
	sim->address_freed[(int)strtol(strrchr(container->view.fixed_address, '.') + 1, NULL, 10)] = sim->boot_ms;
	container->exists = container->listed = false;
	return 0;
}

static int rename_container(struct sim *sim, struct sim_container *container, const char *name)
{
	struct sim_container *other = sim_container_find(sim, name);

	if (other && other != container)
		return -1;
	container->view.name = hc_arena_strdup(sim->arena, name);
	return 0;
}

/* Cures that the engine makes at once. */
static int change(struct sim *sim, struct sim_container *container, const struct action *action)
{
	switch (action->kind) {
	case ACTION_CONTAINER_UNPAUSE:
	case ACTION_CONTAINER_REVIVE:
		if (container->view.state == CONTAINER_PAUSED)
			container->view.state = CONTAINER_RUNNING;
		container->frozen = false;
		container->view.gate_changed_boot_ms = action->kind == ACTION_CONTAINER_REVIVE
												   ? sim->boot_ms
												   : container->view.gate_changed_boot_ms;
		return 0;
	case ACTION_CONTAINER_UPDATE:
		container->view.memory_bytes = action->spec->memory_bytes;
		container->view.cpu_millis = action->spec->cpu_millis;
		container->view.pids = action->spec->pids;
		return 0;
	case ACTION_RESTART_ON:
	case ACTION_RESTART_OFF:
		container->view.restarts_alone = action->kind == ACTION_RESTART_ON;
		return 0;
	case ACTION_NETWORK_CONNECT:
	case ACTION_NETWORK_DISCONNECT:
		container->view.network_attached = action->kind == ACTION_NETWORK_CONNECT;
		container->view.address = action->kind == ACTION_NETWORK_CONNECT ? container->view.fixed_address : "";
		sim->traefik_refresh_at = sim->boot_ms;
		return 0;
	default:
		return -1;
	}
}

static int container_apply(struct sim *sim, const struct action *action)
{
	struct sim_container *container = sim_container_find(sim, action->id ? action->id : action->target);

	if (!container)
		return action->kind == ACTION_CONTAINER_REMOVE ? 0 : -1;
	if (container->foreign)
		sim_break(sim, "INV-6", "%s %s, which is not ours", action_kind_text(action->kind),
				  container->view.name);
	switch (action->kind) {
	case ACTION_CONTAINER_START:
		return start(container);
	case ACTION_CONTAINER_TERMINATE:
	case ACTION_CONTAINER_KILL:
		return signal_send(sim, container, action->kind == ACTION_CONTAINER_KILL);
	case ACTION_CONTAINER_REMOVE:
		return remove_container(sim, container);
	case ACTION_CONTAINER_RENAME:
		return rename_container(sim, container, action->new_name);
	default:
		return change(sim, container, action);
	}
}

int sim_apply(struct sim *sim, const struct service_world *world, const struct action *action)
{
	sim_check_action(sim, world, action);
	switch (action->kind) {
	case ACTION_DEPLOYMENT_CREATE:
		return row_create(sim, action->deployment);
	case ACTION_DEPLOYMENT_STATUS:
		return row_status(sim, action);
	case ACTION_DEPLOYMENT_DELETE:
		if (row_find(sim, action->id))
			row_find(sim, action->id)->exists = false;
		return 0;
	case ACTION_SERVICE_FINALIZE:
		sim->gone = true;
		sim_work_service_gone(sim);
		return 0;
	case ACTION_JOB_CREATE:
	case ACTION_JOB_ENQUEUE:
	case ACTION_JOB_REOPEN:
	case ACTION_JOB_CANCEL:
	case ACTION_JOB_GIVE_UP:
	case ACTION_COMMIT_SET:
	case ACTION_FOLLOW_CHECKED:
		return sim_work_apply(sim, action);
	case ACTION_IMAGE_PULL:
		return pull(sim, action->target);
	case ACTION_CONTAINER_CREATE:
		return create(sim, action);
	case ACTION_FOLDER_PREPARE:
	case ACTION_FOLDER_REMOVE:
		folder(sim, action->folder, action->kind == ACTION_FOLDER_PREPARE);
		return 0;
	case ACTION_GATE_OPEN:
	case ACTION_GATE_CLOSE:
		return gate(sim, action, action->kind == ACTION_GATE_OPEN);
	case ACTION_EVENT:
	case ACTION_LOG_KEEP:
	case ACTION_VOLUME_CREATE:
	case ACTION_VOLUME_REMOVE:
	case ACTION_NETWORK_CREATE:
	case ACTION_NETWORK_REMOVE:
		return 0;
	default:
		return container_apply(sim, action);
	}
}
