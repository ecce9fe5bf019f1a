/* Jobs, queue, workers and a repository in the simulated world. A worker takes a job 20 ms after it was
 * queued, looks 100 ms at the repository and builds for 400 ms; the lease is 4 s, renewed each second. */
#include "model/names.h"
#include "reconcilers/deployment/rollout.h"
#include "sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEASE_MS 4000
#define BEAT_MS 1000
#define RESOLVE_MS 100
#define BUILD_MS 400
#define COMPACT_MS 900000 /* the database cancels what nobody has begun or repeated for so long */

/* --- names
 * ------------------------------------------------------------------------------------------------------ */

const char *sim_commit_text(int commit, struct hc_arena *arena)
{
	return hc_arena_printf(arena, "%07d%033d", commit, 0);
}

static int commit_number(const char *text)
{
	char digits[8];

	(void)snprintf(digits, sizeof digits, "%.7s", text);
	return (int)strtol(digits, NULL, 10);
}

enum sim_app sim_wanted_app(const struct sim *sim, const struct sim_spec *spec)
{
	if (!spec->repository)
		return spec->app;
	return spec->commit && !sim->commits[spec->commit].broken ? sim->commits[spec->commit].app : APP_ABSENT;
}

const char *sim_hash(const struct sim_spec *spec, struct hc_arena *arena)
{
	if (spec->repository)
		return hc_arena_printf(arena, "hc%d-%d-%d-%d-%d", spec->commit, spec->nonce, spec->expose,
							   spec->volume, spec->release);
	return hc_arena_printf(arena, "h%d-%d-%d-%d-%d", spec->app, spec->nonce, spec->expose, spec->volume,
						   spec->release);
}

static const char *image_of(const struct sim *sim, int tree, struct hc_arena *arena)
{
	enum sim_app app = APP_GOOD;

	for (int commit = 1; commit <= sim->head; commit++) {
		if (sim->commits[commit].tree == tree)
			app = sim->commits[commit].app;
	}
	return hc_arena_printf(arena, "sha256:%d-%d", app, tree);
}

static bool tree_is_broken(const struct sim *sim, int tree)
{
	for (int commit = 1; commit <= sim->head; commit++) {
		if (sim->commits[commit].tree == tree)
			return sim->commits[commit].broken;
	}
	return true;
}

static struct sim_job *find(struct sim *sim, const char *key)
{
	for (size_t index = 0; index < sim->job_count; index++) {
		if (sim->jobs[index].exists && strcmp(sim->jobs[index].view.key, key) == 0)
			return &sim->jobs[index];
	}
	return NULL;
}

/* --- workers
 * ---------------------------------------------------------------------------------------------------- */

static void state_set(struct sim *sim, struct sim_job *job, enum job_state state)
{
	job->view.state = state;
	job->state_since_ms = sim->boot_ms;
	sim->changed = true;
}

static void fail(struct sim *sim, struct sim_job *job, bool final)
{
	job->view.final = final;
	job->view.failures = final ? 0 : job->view.failures + 1;
	job->view.message = final ? "the user's own mistake" : "the Git host does not answer";
	state_set(sim, job, JOB_FAILED);
}

static void succeed(struct sim *sim, struct sim_job *job)
{
	struct hc_arena *arena = sim->arena;

	job->view.failures = 0;
	if (job->view.kind == JOB_BUILD) {
		sim->image_built[job->subject] = true;
		job->view.image_id = image_of(sim, job->subject, arena);
	} else {
		int commit = job->subject ? job->subject : sim->head;

		job->view.commit = sim_commit_text(commit, arena);
		job->view.branch = "main";
		job->view.tree = job->subject ? hc_arena_printf(arena, "%d", sim->commits[commit].tree) : NULL;
		job->view.runtime = "dockerfile";
	}
	state_set(sim, job, JOB_SUCCEEDED);
}

static void finish(struct sim *sim, struct sim_worker *worker)
{
	struct sim_job *job = worker->job;

	worker->job = NULL;
	if (job->queued_attempt == worker->attempt)
		job->queue = JOB_QUEUE_ENDED;
	job->view.claims = 0;
	if (job->view.cancel)
		state_set(sim, job, JOB_CANCELED);
	else if (job->view.kind == JOB_RESOLVE && sim->git_away)
		fail(sim, job, false);
	else if (job->view.kind == JOB_RESOLVE && !job->subject && !sim->head)
		fail(sim, job, true);
	else if (job->view.kind == JOB_BUILD && tree_is_broken(sim, job->subject))
		fail(sim, job, true);
	else
		succeed(sim, job);
	job->view.cancel = false;
}

static void beat(struct sim *sim, struct sim_worker *worker)
{
	struct sim_job *job = worker->job;

	if (!job->exists || job->view.attempt != worker->attempt || job->view.state != JOB_RUNNING) {
		worker->job = NULL; /* the fence */
		return;
	}
	job->lease_until_ms = sim->boot_ms + LEASE_MS;
	worker->beat_ms = sim->boot_ms + BEAT_MS;
	if (job->view.cancel)
		finish(sim, worker);
}

static void claim(struct sim *sim, struct sim_worker *worker)
{
	for (size_t index = 0; index < sim->job_count; index++) {
		struct sim_job *job = &sim->jobs[index];

		if (!job->exists || job->queue != JOB_QUEUE_PENDING || sim->boot_ms < job->state_since_ms + 20)
			continue;
		if (job->view.state == JOB_RUNNING && job->queued_attempt == job->view.attempt)
			continue; /* another has it */
		if (job->view.state != JOB_QUEUED || job->queued_attempt != job->view.attempt) {
			job->queue = JOB_QUEUE_ENDED; /* not wanted any more */
			continue;
		}
		*worker = (struct sim_worker){.job = job,
									  .attempt = job->view.attempt,
									  .beat_ms = sim->boot_ms + BEAT_MS,
									  .end_ms = sim->boot_ms +
												(job->view.kind == JOB_BUILD ? BUILD_MS : RESOLVE_MS)};
		job->view.claims++;
		job->lease_until_ms = sim->boot_ms + LEASE_MS;
		state_set(sim, job, JOB_RUNNING);
		return;
	}
}

void sim_work_tick(struct sim *sim)
{
	for (size_t index = 0; index < sim->job_count; index++) {
		struct sim_job *job = &sim->jobs[index];

		bool lost = job->view.cancel && job->view.state == JOB_RUNNING && sim->boot_ms > job->lease_until_ms;
		bool idle = job->view.state != JOB_RUNNING && work_open(&job->view);

		if (job->exists && (lost || idle) && sim->boot_ms > job->state_since_ms + COMPACT_MS) {
			job->view.cancel = false;
			state_set(sim, job, JOB_CANCELED);
		}
	}
	for (size_t index = 0; index < SIM_WORKERS && !sim->workers_away; index++) {
		struct sim_worker *worker = &sim->workers[index];

		if (worker->job && sim->boot_ms >= worker->beat_ms)
			beat(sim, worker);
		if (worker->job &&
			(worker->job->view.attempt != worker->attempt || worker->job->view.state != JOB_RUNNING))
			worker->job = NULL;
		if (worker->job && sim->boot_ms >= worker->end_ms)
			finish(sim, worker);
		if (!worker->job && !sim->redis_away)
			claim(sim, worker);
	}
}

bool sim_work_calm(const struct sim *sim)
{
	if (sim->workers_away)
		return true;
	for (size_t index = 0; index < SIM_WORKERS; index++) {
		if (sim->workers[index].job)
			return false;
	}
	for (size_t index = 0; index < sim->job_count; index++) {
		if (sim->jobs[index].exists && sim->jobs[index].view.state == JOB_QUEUED &&
			sim->jobs[index].queue == JOB_QUEUE_PENDING && !sim->redis_away)
			return false;
	}
	return true;
}

void sim_work_workers(struct sim *sim, bool there)
{
	sim->workers_away = !there;
	if (!there)
		memset(sim->workers, 0, sizeof sim->workers);
}

void sim_work_flush(struct sim *sim)
{
	for (size_t index = 0; index < sim->job_count; index++) {
		sim->jobs[index].queue = JOB_QUEUE_ABSENT;
		sim->jobs[index].queued_attempt = 0;
	}
}

void sim_work_eat(struct sim *sim, bool end)
{
	for (size_t index = 0; index < sim->job_count; index++) {
		if (sim->jobs[index].queue == JOB_QUEUE_PENDING && sim->jobs[index].view.state == JOB_QUEUED)
			sim->jobs[index].queue = end ? JOB_QUEUE_ENDED : JOB_QUEUE_TAKEN;
	}
}

/* --- what is seen of it
 * ----------------------------------------------------------------------------------------- */

static struct job_view look(struct sim *sim, enum job_kind kind, const char *key)
{
	struct sim_job *job = find(sim, key);
	struct job_view view;

	if (!job)
		return (struct job_view){.kind = kind, .key = key, .name = ""};
	view = job->view;
	view.state_ago_ms = sim->boot_ms - job->state_since_ms;
	view.lease_left_ms = job->lease_until_ms - sim->boot_ms;
	view.queue = JOB_QUEUE_UNASKED;
	if (view.state != JOB_QUEUED)
		return view;
	view.queue = sim->redis_away                       ? JOB_QUEUE_AWAY
				 : job->queued_attempt != view.attempt ? JOB_QUEUE_ABSENT
													   : job->queue;
	return view;
}

static void look_at_work(struct sim *sim, struct hc_arena *arena, const struct deployment_view *deployment,
						 struct job_view *resolve, struct job_view *build)
{
	int tree;

	*resolve = look(sim, JOB_RESOLVE,
					hc_arena_printf(arena, "commit/%d", commit_number(deployment->template.commit)));
	*build = (struct job_view){.kind = JOB_BUILD, .name = ""};
	if (!resolve->id || resolve->state != JOB_SUCCEEDED)
		return;
	tree = (int)strtol(resolve->tree, NULL, 10);
	*build = look(sim, JOB_BUILD, hc_arena_printf(arena, "build/%d", tree));
	build->name = hc_arena_printf(arena, "shop-%d", tree);
	build->tree = resolve->tree;
}

static struct image_view image_look(const struct sim *sim, const char *id)
{
	const char *dash = strchr(id, '-');
	enum sim_app app = (enum sim_app)(int)strtol(id + strlen("sha256:"), NULL, 10);

	return (struct image_view){
		.known = true,
		.present = dash ? sim->image_built[strtol(dash + 1, NULL, 10)] : sim->image_present[app],
		.id = id,
		.error = "",
		.reserved_label = app == APP_LABELS ? "traefik.enable" : NULL,
		.uncovered_volume = app == APP_VOLUME ? "/var/lib/data" : NULL,
	};
}

/* As service_work.c: who else needs the attempt's jobs. */
static void look_at_others(struct sim *sim, struct hc_arena *arena, struct service_world *world,
						   const struct rollout *rollout)
{
	const char *name = NULL;
	struct sim_job *job;

	for (size_t index = 0; index < world->deployment_count; index++) {
		const struct deployment_view *other = &world->deployments[index];

		if (other->revision < rollout->attempt->revision && other->build &&
			other->phase == DEPLOYMENT_FAILED &&
			(strcmp(other->reason, "Superseded") == 0 || strcmp(other->reason, "Cancelled") == 0))
			name = other->build;
	}
	job = name ? find(sim, hc_arena_printf(arena, "build/%s", name + strlen("shop-"))) : NULL;
	world->earlier_build_runs = job && job->view.state == JOB_RUNNING && strcmp(name, world->build.name) != 0;
	if (rollout->attempt->stage == STAGE_QUEUED && rollout->serving && !rollout->serving->template.image)
		look_at_work(sim, arena, rollout->serving, &world->serving_resolve, &world->serving_build);
	if (rollout->on && !rollout->rollback && sim->spec.repository && sim->spec.commit &&
		strcmp(rollout->attempt->template.commit, sim_commit_text(sim->spec.commit, arena)) == 0)
		world->work_shared = true;
}

static void look_at_source(struct sim *sim, struct hc_arena *arena, struct service_world *world,
						   const struct rollout *rollout)
{
	const struct deployment_view *attempt = rollout->attempt;
	bool given_up, begun;

	if (!attempt || attempt->stage > STAGE_QUEUED)
		return;
	if (attempt->image_id) {
		world->image = image_look(sim, attempt->image_id);
		if (world->image.present)
			return;
	}
	if (attempt->template.image)
		return;
	given_up = !rollout->on || strcmp(attempt->hash, rollout->desired_hash) != 0;
	look_at_work(sim, arena, attempt, &world->resolve, &world->build);
	if (world->build.id && world->build.state == JOB_SUCCEEDED)
		world->image = image_look(sim, world->build.image_id);
	begun = world->build.id && (world->build.state == JOB_QUEUED || world->build.state == JOB_RUNNING ||
								(world->build.state == JOB_SUCCEEDED && world->image.present));
	if (given_up || !begun)
		look_at_others(sim, arena, world, rollout);
}

static void look_at_serving(struct sim *sim, struct hc_arena *arena, struct service_world *world,
							const struct rollout *rollout)
{
	const struct deployment_view *serving = rollout->serving;
	int missing = rollout->surge >= 0;

	for (int ordinal = 0; serving && ordinal < rollout->replicas; ordinal++)
		missing += !rollout_find(rollout, serving, ordinal);
	if (!serving || !missing || serving->template.image)
		return;
	world->current_image = image_look(sim, serving->image_id);
	if (!world->current_image.present)
		look_at_work(sim, arena, serving, &world->serving_resolve, &world->serving_build);
}

void sim_work_observe(struct sim *sim, struct hc_arena *arena, struct service_world *world)
{
	struct rollout rollout;
	struct sim_job *head;

	world->queue_configured = true;
	rollout_look(world, arena, &rollout);
	look_at_source(sim, arena, world, &rollout);
	look_at_serving(sim, arena, world, &rollout);
	if (!sim->spec.repository || sim->deleting)
		return;
	world->follow.commit_owner = !sim->spec.commit ? NULL : sim->spec.pinned ? "person" : "helvetia-git";
	if (sim->spec.commit && sim->spec.pinned)
		return;
	world->follow.wanted = sim->wanted;
	world->follow.checked = sim->checked;
	world->follow.checked_ago_ms = sim->checked_ms == -1 ? -1 : sim->boot_ms - sim->checked_ms;
	world->head = look(sim, JOB_RESOLVE, "head/service");
	head = find(sim, "head/service");
	world->head_wanted = head ? head->wanted : 0;
	world->head_matches = head;
}

/* --- what is done to it
 * ----------------------------------------------------------------------------------------- */

static int job_create(struct sim *sim, const struct action *action)
{
	struct sim_job *job;

	if (find(sim, action->job->key))
		return 0;
	if (sim->job_count == SIM_JOBS_MAX)
		abort();
	job = &sim->jobs[sim->job_count++];
	*job = (struct sim_job){
		.exists = true, .state_since_ms = sim->boot_ms, .wanted = action->wanted, .queue = JOB_QUEUE_ABSENT};
	job->view = (struct job_view){
		.kind = action->job->kind,
		.id = hc_arena_printf(sim->arena, "j%zu", sim->job_count),
		.key = hc_arena_strdup(sim->arena, action->job->key),
		.name = action->job->kind == JOB_BUILD ? hc_arena_strdup(sim->arena, action->job->name) : "",
		.attempt = 1,
		.state = JOB_QUEUED,
	};
	if (strchr(job->view.key, '/') && strcmp(job->view.key, "head/service") != 0)
		job->subject = (int)strtol(strchr(job->view.key, '/') + 1, NULL, 10);
	return 0;
}

static void reopen(struct sim *sim, struct sim_job *job, const struct action *action)
{
	if (job->view.attempt != action->job->attempt)
		return;
	job->view.attempt++;
	job->view.cancel = false;
	job->view.image_id = job->view.commit = job->view.tree = NULL;
	if (action->fresh) {
		job->view.claims = job->view.failures = 0;
		job->wanted = action->wanted;
	}
	job->view.state = JOB_QUEUED;
	job->state_since_ms = sim->boot_ms;
}

static void cancel(struct sim *sim, struct sim_job *job)
{
	if (job->view.state == JOB_RUNNING && job->lease_until_ms > sim->boot_ms)
		job->view.cancel = true;
	else if (work_open(&job->view))
		state_set(sim, job, JOB_CANCELED);
}

static int job_apply(struct sim *sim, const struct action *action)
{
	struct sim_job *job = find(sim, action->job->key);

	if (!job)
		return -1;
	switch (action->kind) {
	case ACTION_JOB_ENQUEUE:
		if (sim->redis_away)
			return -1;
		if (job->queued_attempt != action->job->attempt)
			job->queue = JOB_QUEUE_PENDING;
		job->queued_attempt = action->job->attempt;
		return 0;
	case ACTION_JOB_REOPEN:
		reopen(sim, job, action);
		return 0;
	case ACTION_JOB_CANCEL:
		cancel(sim, job);
		return 0;
	case ACTION_JOB_GIVE_UP:
		if (job->view.attempt == action->job->attempt && work_open(&job->view))
			fail(sim, job, true);
		return 0;
	default:
		return -1;
	}
}

int sim_work_apply(struct sim *sim, const struct action *action)
{
	switch (action->kind) {
	case ACTION_JOB_CREATE:
		return job_create(sim, action);
	case ACTION_COMMIT_SET:
		if (sim->spec.pinned)
			return 0;
		sim->spec.commit = commit_number(action->commit);
		sim->changed = true;
		return 0;
	case ACTION_FOLLOW_CHECKED:
		if (action->wanted > sim->checked)
			sim->checked = action->wanted;
		sim->checked_ms = sim->boot_ms;
		return 0;
	default:
		return job_apply(sim, action);
	}
}

void sim_work_service_gone(struct sim *sim)
{
	for (size_t index = 0; index < sim->job_count; index++)
		cancel(sim, &sim->jobs[index]);
}

/* --- what must hold
 * --------------------------------------------------------------------------------------------- */

/* INV-13. */
void sim_work_check(struct sim *sim)
{
	int open = 0, running = 0;

	for (size_t index = 0; index < sim->job_count; index++) {
		const struct sim_job *job = &sim->jobs[index];

		if (job->view.kind != JOB_BUILD)
			continue;
		open += (job->view.state == JOB_QUEUED || job->view.state == JOB_RUNNING) && !job->view.cancel;
		running += job->view.state == JOB_RUNNING && job->lease_until_ms > sim->boot_ms && !sim->workers_away;
	}
	if (open > 1)
		sim_break(sim, "INV-13", "%d builds of one Service are to be finished", open);
	if (running > 1)
		sim_break(sim, "INV-13", "%d builds of one Service run", running);
}

bool sim_work_rests(const struct sim *sim)
{
	bool on = !sim->deleting && !sim->spec.suspend && sim->spec.replicas > 0 && sim->spec.repository;
	bool followed = on && !(sim->spec.commit && sim->spec.pinned);

	for (size_t index = 0; index < sim->job_count; index++) {
		const struct job_view *view = &sim->jobs[index].view;

		if (work_open(view) && (followed || strcmp(view->key, "head/service") != 0) && !sim->gone)
			return false;
	}
	return !followed || (sim->spec.commit == sim->head && sim->checked >= sim->wanted);
}
