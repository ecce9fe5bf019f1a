/* An attempt from Queued to SUCCESS or FAILED: cases C-1 … C-19 of reconcilers/deployment/README.md, one a
 * row. */
#include "../cmocka_all.h"
#include "fixture.h"

#include "base/base.h"

static struct deployment_view *queued(struct fixture *fixture)
{
	fixture->world.image = (struct image_view){
		.known = true, .present = true, .id = "sha256:app:1", .error = ""};
	return fixture_deployment(fixture, 1, "app:1", DEPLOYMENT_BUILDING, STAGE_QUEUED);
}

static struct deployment_view *in_stage(struct fixture *fixture, enum deployment_stage stage)
{
	return fixture_deployment(fixture, 1, "app:1", DEPLOYMENT_BUILDING, stage);
}

/* An old revision that serves, and the attempt of another image. */
static struct deployment_view *rollout(struct fixture *fixture, enum deployment_stage stage)
{
	struct deployment_view *old = fixture_current(fixture, 1, "app:1");

	fixture_image(fixture, "app:2");
	fixture_published(fixture, old, 0);
	return fixture_deployment(fixture, 2, "app:2", DEPLOYMENT_BUILDING, stage);
}

static struct container_view *open_one(struct fixture *fixture, const struct deployment_view *deployment,
									   int ordinal)
{
	struct container_view *view = fixture_container(fixture, deployment, ordinal);

	view->probe = PROBE_READY;
	view->health = HEALTH_HEALTHY;
	view->gate_open = view->gate_used = view->listed = true;
	view->gate_changed_boot_ms = NOW - 500;
	return view;
}

/* --- arrangements
 * ---------------------------------------------------------------------------------------------- */

static void c1_suspended(struct fixture *fixture)
{
	in_stage(fixture, STAGE_STARTING);
	fixture->world.service.spec.suspend = true;
}

static void c1_deleted(struct fixture *fixture)
{
	struct deployment_view *attempt = in_stage(fixture, STAGE_STARTING);

	fixture_container(fixture, attempt, 0);
	fixture->world.service.deleting = true;
}

static void c2_superseded(struct fixture *fixture)
{
	in_stage(fixture, STAGE_STARTING);
	fixture_image(fixture, "app:9");
}

static void superseded_twice(struct fixture *fixture, enum deployment_stage stage)
{
	for (int revision = 1; revision <= 2; revision++)
		fixture_deployment(fixture, revision, "app:0", DEPLOYMENT_FAILED, STAGE_DONE)->reason = "Superseded";
	fixture_deployment(fixture, 3, "app:1", DEPLOYMENT_BUILDING, stage);
	fixture_image(fixture, "app:9");
}

static void c2_not_for_ever(struct fixture *fixture)
{
	superseded_twice(fixture, STAGE_STARTING);
	fixture_container(fixture, &fixture->deployments[2], 0)->probe = PROBE_NOT_READY;
}

static void c2_waiting_is_nothing_to_finish(struct fixture *fixture)
{
	superseded_twice(fixture, STAGE_QUEUED);
	fixture->deployments[2].reason = "ImagePullBackOff";
}

static void c2_published_goes_on(struct fixture *fixture)
{
	open_one(fixture, in_stage(fixture, STAGE_PUBLISHING), 0);
	fixture->world.public_answers = true;
	fixture_image(fixture, "app:9");
}

static void c3_secret(struct fixture *fixture)
{
	static struct env_entry env = {.name = "TOKEN", .secret_name = "keys", .secret_key = "token"};
	struct deployment_view *attempt = queued(fixture);

	attempt->template.env = &env;
	attempt->template.env_count = 1;
}

static void c3_secret_there(struct fixture *fixture)
{
	static struct env_entry env = {
		.name = "TOKEN", .secret_name = "keys", .secret_key = "token", .secret_version = "v1"};
	struct deployment_view *attempt = queued(fixture);

	attempt->template.env = &env;
	attempt->template.env_count = 1;
}

static void c4_absent(struct fixture *fixture)
{
	queued(fixture);
	fixture->world.image.present = false;
}

static void c4_registry_away(struct fixture *fixture)
{
	c4_absent(fixture);
	fixture->world.image.error = "connection refused";
	fixture->world.image.retry_at = (struct moment){.boot_id = "b", .at_ms = NOW + 5000};
}

static void c4_registry_still_away(struct fixture *fixture)
{
	c4_registry_away(fixture);
	fixture->deployments[0].reason = "ImagePullBackOff";
	fixture->deployments[0].message = "connection refused";
}

static void c4_registry_again(struct fixture *fixture)
{
	c4_registry_still_away(fixture);
	fixture->world.image.retry_at.at_ms = NOW;
}

static void c4_no_such_image(struct fixture *fixture)
{
	c4_absent(fixture);
	fixture->world.image.error = "manifest unknown";
	fixture->world.image.error_final = true;
}

static void c5_label(struct fixture *fixture)
{
	queued(fixture);
	fixture->world.image.reserved_label = "traefik.enable";
}

static void c5_volume(struct fixture *fixture)
{
	queued(fixture);
	fixture->world.image.uncovered_volume = "/var/lib/data";
}

static void c6_unchanged(struct fixture *fixture)
{
	fixture_published(fixture, fixture_current(fixture, 1, "app:1"), 0);
	fixture_image(fixture, "app:same");
	fixture_deployment(fixture, 2, "app:same", DEPLOYMENT_BUILDING, STAGE_QUEUED);
	fixture->world.image = (struct image_view){
		.known = true, .present = true, .id = "sha256:app:1", .error = ""};
}

static void c6_nonce_restarts(struct fixture *fixture)
{
	c6_unchanged(fixture);
	fixture->deployments[1].template.redeploy_nonce = "2";
}

static void image_is_here(struct fixture *fixture)
{
	queued(fixture);
	fixture->world.image.health_check = true;
}

static void c7_park(struct fixture *fixture)
{
	fixture->world.service.spec.strategy = STRATEGY_RECREATE;
	rollout(fixture, STAGE_STARTING);
}

static void c7_stopped(struct fixture *fixture)
{
	c7_park(fixture);
	fixture->containers[0].state = CONTAINER_EXITED;
	fixture->containers[0].gate_open = fixture->containers[0].listed = false;
	fixture->containers[0].restarts_alone = false;
	fixture->containers[0].term_sent_boot_ms = NOW - 100;
}

static void c7_free(struct fixture *fixture)
{
	c7_stopped(fixture);
	fixture->containers[0].name = fixture->containers[0].folder;
}

static void c7_traefik_away(struct fixture *fixture)
{
	c7_park(fixture);
	fixture->world.traefik_answers = false;
}

static void c8_missing(struct fixture *fixture)
{
	struct deployment_view *attempt = in_stage(fixture, STAGE_STARTING);

	fixture->world.service.spec.replicas = 3;
	fixture_container(fixture, attempt, 1)->state = CONTAINER_CREATED;
}

static void c8_no_network(struct fixture *fixture)
{
	in_stage(fixture, STAGE_STARTING);
	fixture->world.network_present = false;
}

static void c9_exited(struct fixture *fixture)
{
	struct container_view *view = fixture_container(fixture, in_stage(fixture, STAGE_STARTING), 0);

	view->state = CONTAINER_EXITED;
	view->exit_code = 3;
	view->finished_wall_ms = view->started_wall_ms + 250;
	view->log_tail = "no database";
}

static void c9_stopped_by_us(struct fixture *fixture)
{
	c9_exited(fixture);
	fixture->containers[0].term_sent_boot_ms = NOW - 50;
}

static void c9_memory(struct fixture *fixture)
{
	c9_exited(fixture);
	fixture->containers[0].exit_code = 137;
	fixture->containers[0].out_of_memory = true;
}

static void c9_start_failed(struct fixture *fixture)
{
	struct container_view *view = fixture_container(fixture, in_stage(fixture, STAGE_STARTING), 0);

	view->state = CONTAINER_CREATED;
	view->error = "exec: no such file";
}

static void c9_no_program(struct fixture *fixture)
{
	c9_exited(fixture);
	fixture->containers[0].exit_code = 127;
	fixture->containers[0].log_tail = "[FATAL tini (7)] exec /nothing failed: No such file or directory";
}

static void c9_refused(struct fixture *fixture)
{
	in_stage(fixture, STAGE_STARTING);
	fixture->refusals[0] = (struct refusal_view){.folder = "shop-r1-0-eb0c3431", .message = "too many CPUs"};
	fixture->world.refusal_count = 1;
}

static void c9_address_taken(struct fixture *fixture)
{
	c9_start_failed(fixture);
	fixture->containers[0].error = "Address already in use";
}

static void c10_answers(struct fixture *fixture)
{
	fixture_container(fixture, in_stage(fixture, STAGE_STARTING), 0)->probe = PROBE_READY;
}

static void c10_paused(struct fixture *fixture)
{
	c10_answers(fixture);
	fixture_pause(&fixture->containers[0]);
}

static void c10_one_of_two(struct fixture *fixture)
{
	fixture->world.service.spec.replicas = 2;
	c10_answers(fixture);
	fixture_container(fixture, &fixture->deployments[0], 1)->probe = PROBE_NOT_READY;
}

static void c10_no_port(struct fixture *fixture)
{
	struct deployment_view *attempt = in_stage(fixture, STAGE_STARTING);

	attempt->template.expose = EXPOSE_NONE;
	fixture_container(fixture, attempt, 0)->started_wall_ms = WALL - 4000;
}

static void c11_deadline(struct fixture *fixture)
{
	struct container_view *view = fixture_container(fixture, in_stage(fixture, STAGE_STARTING), 0);

	view->probe = PROBE_UNREADY;
	view->probe_message = "connection refused";
	fixture->world.service.spec.deadline_seconds = 1;
}

static void c12_reboot(struct fixture *fixture)
{
	struct deployment_view *attempt = in_stage(fixture, STAGE_STARTING);

	attempt->stage_since.boot_id = attempt->started.boot_id = "a";
	fixture_container(fixture, attempt, 0)->state = CONTAINER_EXITED;
}

static void c13_gates(struct fixture *fixture)
{
	struct deployment_view *attempt = in_stage(fixture, STAGE_PUBLISHING);

	fixture->world.service.spec.replicas = 2;
	fixture_container(fixture, attempt, 0)->probe = PROBE_READY;
	fixture_container(fixture, attempt, 1)->probe = PROBE_READY;
}

static void c14_listed(struct fixture *fixture)
{
	open_one(fixture, in_stage(fixture, STAGE_PUBLISHING), 0);
	fixture->world.public_answers = true;
}

static void c14_not_all_listed(struct fixture *fixture)
{
	fixture->world.service.spec.replicas = 2;
	c14_listed(fixture);
	open_one(fixture, &fixture->deployments[0], 1)->listed = false;
}

static void c14_internal(struct fixture *fixture)
{
	struct deployment_view *attempt = in_stage(fixture, STAGE_PUBLISHING);

	attempt->template.expose = EXPOSE_INTERNAL;
	open_one(fixture, attempt, 0)->listed = false;
	fixture->world.traefik_answers = false;
}

static void c15_away(struct fixture *fixture)
{
	open_one(fixture, in_stage(fixture, STAGE_PUBLISHING), 0)->listed = false;
	fixture->world.traefik_answers = false;
	fixture->world.service.spec.deadline_seconds = 1;
}

static void c15_back(struct fixture *fixture)
{
	open_one(fixture, in_stage(fixture, STAGE_PUBLISHING), 0)->listed = false;
	fixture->deployments[0].reason = "TraefikAway";
	fixture->world.service.spec.deadline_seconds = 1;
}

static void c16_nudge(struct fixture *fixture)
{
	struct container_view *view = open_one(fixture, in_stage(fixture, STAGE_PUBLISHING), 0);

	view->listed = false;
	view->gate_changed_boot_ms = NOW - 2000;
}

static void c16_nudged(struct fixture *fixture)
{
	c16_nudge(fixture);
	fixture->containers[0].gate_open = false;
	fixture->containers[0].gate_changed_boot_ms = NOW - 100;
}

static void c16_noticed(struct fixture *fixture)
{
	c16_nudged(fixture);
	fixture->containers[0].health = HEALTH_UNHEALTHY;
}

static void c16_frozen(struct fixture *fixture)
{
	c16_nudge(fixture);
	fixture->containers[0].health = HEALTH_STARTING;
}

static void c17_deadline(struct fixture *fixture)
{
	c16_nudge(fixture);
	fixture->world.service.spec.deadline_seconds = 1;
}

static void c17_public(struct fixture *fixture)
{
	c14_listed(fixture);
	fixture->world.public_answers = false;
	fixture->world.public_answer = "shop.example.org/ answers with status 502";
	fixture->world.service.spec.deadline_seconds = 1;
}

static struct container_view *stabilizing(struct fixture *fixture, int64_t for_ms)
{
	struct deployment_view *attempt = rollout(fixture, STAGE_STABILIZING);

	fixture->deployments[0].current = false;
	attempt->current = true;
	attempt->stage_since.at_ms = NOW - for_ms;
	fixture->world.service.current_deployment = attempt->name;
	return open_one(fixture, attempt, 0);
}

static void c18_proving(struct fixture *fixture)
{
	stabilizing(fixture, 500);
}

static void c18_proven(struct fixture *fixture)
{
	stabilizing(fixture, 2000);
}

/* Scaled down while it is proved, and the wanted replica is not published: the surplus one stays. */
static void c21_while_proving(struct fixture *fixture)
{
	struct deployment_view *attempt = in_stage(fixture, STAGE_STABILIZING);

	attempt->current = true;
	open_one(fixture, attempt, 0)->gate_open = false;
	fixture->world.containers[0].listed = false;
	fixture->world.containers[0].health = HEALTH_UNHEALTHY;
	open_one(fixture, attempt, 1);
}

static void c18_first(struct fixture *fixture)
{
	struct deployment_view *attempt = in_stage(fixture, STAGE_STABILIZING);

	attempt->current = true;
	open_one(fixture, attempt, 0);
}

static void c19_died(struct fixture *fixture)
{
	struct container_view *view = stabilizing(fixture, 500);

	view->state = CONTAINER_EXITED;
	view->exit_code = 1;
	view->finished_wall_ms = view->started_wall_ms + 1500;
}

static void c19_unready(struct fixture *fixture)
{
	struct container_view *view = stabilizing(fixture, 500);

	view->probe = PROBE_UNREADY;
	view->probe_message = "timed out";
}

/* --- what is expected
 * ------------------------------------------------------------------------------------------ */

static const struct fixture_case outside[] = {
	{"C-1 suspended", c1_suspended,
	 "  1. set deployment shop-r1: FAILED/Cancelled: cancelled because the Service was suspended\n"
	 "  2. record event Cancelled: Revision 1: cancelled because the Service was suspended\n"},
	{"C-1 deleted: its containers go in the same plan", c1_deleted,
	 "  1. set deployment shop-r1: FAILED/Cancelled: cancelled because the Service is being deleted\n"
	 "  2. record event Cancelled: Revision 1: cancelled because the Service is being deleted\n"
	 "  3. terminate container shop-r1-0-eb0c3431: the Service is being deleted\n"
	 "  wake at +30000ms\n"},
	{"C-2 superseded", c2_superseded,
	 "  1. set deployment shop-r1: FAILED/Superseded: the Service changed before this revision was ready\n"
	 "  2. record event Superseded: Revision 1: the Service changed before this revision was ready\n"},
	{"C-2 after two superseded ones it may finish", c2_not_for_ever, "  wake at +599000ms\n"},
	{"C-2 what waits for a registry has nothing to finish", c2_waiting_is_nothing_to_finish,
	 "  1. set deployment shop-r3: FAILED/Superseded: the Service changed before this revision was ready\n"
	 "  2. record event Superseded: Revision 3: the Service changed before this revision was ready\n"},
	{"C-2 from Publishing on it goes on", c2_published_goes_on,
	 "  1. set deployment shop-r1: published with 1 replicas: Stabilizing\n"},
};

static const struct fixture_case in_queue[] = {
	{"C-3 secret", c3_secret,
	 "  1. set deployment shop-r1: FAILED/SecretMissing: env TOKEN wants key token of Secret keys, and there "
	 "is no such key or Secret: give it a value with `helvetia secret set keys token`\n"
	 "  2. record event SecretMissing: Revision 1: env TOKEN wants key token of Secret keys, and there is no "
	 "such key or Secret: give it a value with `helvetia secret set keys token`\n"},
	{"C-3 secret there", c3_secret_there, "  1. set deployment shop-r1: the image is here: Starting\n"},
	{"C-4 absent", c4_absent, "  1. pull image app:1: revision 1 needs it, and it is not here\n"},
	{"C-4 registry away", c4_registry_away,
	 "  1. set deployment shop-r1: the registry is away: connection refused\n  wake at +5000ms\n"},
	{"C-4 registry still away: said once", c4_registry_still_away, "  wake at +5000ms\n"},
	{"C-4 registry: the next try", c4_registry_again,
	 "  1. pull image app:1: revision 1 needs it, and it is not here\n"},
	{"C-4 no such image", c4_no_such_image,
	 "  1. set deployment shop-r1: FAILED/ImageMissing: image app:1 can't be had: manifest unknown; push it, "
	 "or correct "
	 "spec.image\n"
	 "  2. record event ImageMissing: Revision 1: image app:1 can't be had: manifest unknown; push it, or "
	 "correct "
	 "spec.image\n"},
	{"C-5 reserved label", c5_label,
	 "  1. set deployment shop-r1: FAILED/ReservedLabel: image app:1 carries the label traefik.enable, which "
	 "is the "
	 "platform's own: build it without traefik.* and cloud.helvetia.* labels\n"
	 "  2. record event ReservedLabel: Revision 1: image app:1 carries the label traefik.enable, which is "
	 "the "
	 "platform's own: build it without traefik.* and cloud.helvetia.* labels\n"},
	{"C-5 uncovered volume", c5_volume,
	 "  1. set deployment shop-r1: FAILED/UncoveredVolume: image app:1 declares VOLUME /var/lib/data and no "
	 "volume of "
	 "the Service covers it, so its data would be lost with the container: add a volume with path "
	 "/var/lib/data\n"
	 "  2. record event UncoveredVolume: Revision 1: image app:1 declares VOLUME /var/lib/data and no volume "
	 "of the "
	 "Service covers it, so its data would be lost with the container: add a volume with path "
	 "/var/lib/data\n"},
	{"C-6 unchanged", c6_unchanged,
	 "  1. set deployment shop-r2: SUCCESS/Unchanged: the same image with the same settings runs as revision "
	 "1\n"},
	{"C-6 a nonce restarts", c6_nonce_restarts, "  1. set deployment shop-r2: the image is here: Starting\n"},
	{"image with a health check of its own", image_is_here,
	 "  1. set deployment shop-r1: the image is here: Starting\n"
	 "  2. record event HealthCheckReplaced: Image app:1 has a HEALTHCHECK, which is not run: readiness is "
	 "asked on the "
	 "port, see spec.healthCheck\n"},
};

static const struct fixture_case at_start[] = {
	{"C-7 Recreate: the old one is withdrawn first", c7_park,
	 "  1. close gate shop-0-eb0c3431: Recreate: the new revision needs its place\n"
	 "  wake at +50ms\n"},
	{"C-7 Recreate: stopped, and renamed", c7_stopped,
	 "  1. rename container shop-0-eb0c3431: Recreate: the new revision needs its place\n"
	 "  wake at +599000ms\n"},
	{"C-7 Recreate: its place is free", c7_free,
	 "  1. prepare folder shop-r2-0-eb0c3431: its gate is shut before it exists\n"
	 "  2. create container shop-0-eb0c3431: replica 0 of revision 2 is missing\n"
	 "  3. start container shop-0-eb0c3431: it was created\n"
	 "  wake at +599000ms\n"},
	{"C-7 Recreate: Traefik away", c7_traefik_away,
	 "  1. set deployment shop-r2: Traefik does not answer: waiting for it\n"
	 "  2. close gate shop-0-eb0c3431: Recreate: the new revision needs its place\n"
	 "  wake at +50ms\n"},
	{"C-8 all are created, then all started", c8_missing,
	 "  1. start container shop-r1-1-eb0c3431: it was created\n"
	 "  2. prepare folder shop-r1-0-eb0c3431: its gate is shut before it exists\n"
	 "  3. create container shop-r1-0-eb0c3431: replica 0 of revision 1 is missing\n"
	 "  4. prepare folder shop-r1-2-eb0c3431: its gate is shut before it exists\n"
	 "  5. create container shop-r1-2-eb0c3431: replica 2 of revision 1 is missing\n"
	 "  6. start container shop-r1-0-eb0c3431: it was created\n"
	 "  7. start container shop-r1-2-eb0c3431: it was created\n"
	 "  wake at +599000ms\n"},
	{"C-8 the network comes first", c8_no_network, "  wake at +200ms\n"},
	{"C-9 exited", c9_exited,
	 "  1. set deployment shop-r1: FAILED/Exited: shop-r1-0-eb0c3431 exited with code 3 after 0.2 s; last "
	 "lines: no "
	 "database\n"
	 "  2. record event Exited: Revision 1: shop-r1-0-eb0c3431 exited with code 3 after 0.2 s; last lines: "
	 "no "
	 "database\n"},
	{"C-9 stopped by us is started again", c9_stopped_by_us,
	 "  1. start container shop-r1-0-eb0c3431: we had stopped it\n  wake at +599000ms\n"},
	{"C-9 out of memory", c9_memory,
	 "  1. set deployment shop-r1: FAILED/OutOfMemory: shop-r1-0-eb0c3431 was killed because it needed more "
	 "than its 256 "
	 "MiB of memory: raise spec.resources.memory\n"
	 "  2. record event OutOfMemory: Revision 1: shop-r1-0-eb0c3431 was killed because it needed more than "
	 "its 256 MiB of "
	 "memory: raise spec.resources.memory\n"},
	{"C-9 can't be started", c9_start_failed,
	 "  1. set deployment shop-r1: FAILED/StartFailed: the engine can't start shop-r1-0-eb0c3431: exec: no "
	 "such file; there is no such program in the image: see spec.startCommand and the image's entry point\n"
	 "  2. record event StartFailed: Revision 1: the engine can't start shop-r1-0-eb0c3431: exec: no such "
	 "file; there is no such program in the image: see spec.startCommand and the image's entry point\n"},
	{"C-9 no such program", c9_no_program,
	 "  1. set deployment shop-r1: FAILED/StartFailed: shop-r1-0-eb0c3431 can't be started: [FATAL tini (7)] "
	 "exec /nothing failed: No such file or directory; there is no such program in the image: see "
	 "spec.startCommand and the image's entry point\n"
	 "  2. record event StartFailed: Revision 1: shop-r1-0-eb0c3431 can't be started: [FATAL tini (7)] exec "
	 "/nothing failed: No such file or directory; there is no such program in the image: see "
	 "spec.startCommand and the image's entry point\n"},
	{"C-9 can't be made", c9_refused,
	 "  1. set deployment shop-r1: FAILED/CreateRefused: the engine refuses to make shop-r1-0-eb0c3431: too "
	 "many CPUs\n"
	 "  2. record event CreateRefused: Revision 1: the engine refuses to make shop-r1-0-eb0c3431: too many "
	 "CPUs\n"},
	{"C-9 its address was given away: another container", c9_address_taken,
	 "  1. remove container shop-r1-0-eb0c3431: it is made anew\n"
	 "  2. remove folder shop-r1-0-eb0c3431: it is made anew\n"
	 "  wake at +599000ms\n"},
	{"C-10 answers", c10_answers, "  1. set deployment shop-r1: all 1 replicas answer: Publishing\n"},
	{"C-45 paused by hand while it starts: nothing of it is known that only an inspect shows", c10_paused,
	 "  1. unpause container shop-r1-0-eb0c3431: it is paused\n"
	 "  2. record event Healed: shop-r1-0-eb0c3431 was paused: continued\n"
	 "  wake at +599000ms\n"},
	{"C-10 one of two: none is published", c10_one_of_two, "  wake at +599000ms\n"},
	{"C-10 without a port: up for 10 s", c10_no_port, "  wake at +6000ms\n"},
	{"C-11 deadline", c11_deadline,
	 "  1. set deployment shop-r1: FAILED/NotReady: shop-r1-0-eb0c3431 did not answer on port 3000 within 1 "
	 "s: connection "
	 "refused; it must listen on 0.0.0.0 (not 127.0.0.1) and the port in PORT\n"
	 "  2. record event NotReady: Revision 1: shop-r1-0-eb0c3431 did not answer on port 3000 within 1 s: "
	 "connection "
	 "refused; it must listen on 0.0.0.0 (not 127.0.0.1) and the port in PORT\n"},
	{"C-12 after a reboot", c12_reboot,
	 "  1. start container shop-r1-0-eb0c3431: the machine was restarted\n"
	 "  2. set deployment shop-r1: the machine was restarted: the timers begin again\n"},
};

static const struct fixture_case at_publishing[] = {
	{"C-13 all gates", c13_gates,
	 "  1. open gate shop-r1-0-eb0c3431: all replicas of the revision answered\n"
	 "  2. open gate shop-r1-1-eb0c3431: all replicas of the revision answered\n"
	 "  wake at +599000ms\n"},
	{"C-14 listed, and the public way answers", c14_listed,
	 "  1. set deployment shop-r1: published with 1 replicas: Stabilizing\n"},
	{"C-14 not all listed", c14_not_all_listed, "  wake at +50ms\n"},
	{"C-14 internal needs no Traefik", c14_internal,
	 "  1. set deployment shop-r1: published with 1 replicas: Stabilizing\n"},
	{"C-15 Traefik away is no failure", c15_away,
	 "  1. set deployment shop-r1: Traefik does not answer: waiting for it\n  wake at +1000ms\n"},
	{"C-15 Traefik is back: the timer begins again", c15_back,
	 "  1. set deployment shop-r1: Traefik answers again\n"},
	{"C-16 nudge", c16_nudge,
	 "  1. close gate shop-r1-0-eb0c3431: Traefik doesn't list it: nudge it with an event\n  wake at "
	 "+50ms\n"},
	{"C-16 nobody noticed yet", c16_nudged, "  wake at +4900ms\n"},
	{"C-16 noticed: open again", c16_noticed,
	 "  1. open gate shop-r1-0-eb0c3431: all replicas of the revision answered\n  wake at +599000ms\n"},
	{"C-16 its health monitor hangs", c16_frozen,
	 "  1. revive health check of shop-r1-0-eb0c3431: Traefik doesn't list it: nudge it with an event\n"
	 "  wake at +50ms\n"},
	{"C-17 deadline", c17_deadline,
	 "  1. set deployment shop-r1: FAILED/NotRouted: Traefik lists 0 of 1 replicas after 1 s: another router "
	 "may claim "
	 "the same host, see Traefik's log\n"
	 "  2. record event NotRouted: Revision 1: Traefik lists 0 of 1 replicas after 1 s: another router may "
	 "claim the same "
	 "host, see Traefik's log\n"},
	{"C-17 the public way", c17_public,
	 "  1. set deployment shop-r1: FAILED/NotRouted: the public address does not answer after 1 s: "
	 "shop.example.org/ "
	 "answers with status 502\n"
	 "  2. record event NotRouted: Revision 1: the public address does not answer after 1 s: "
	 "shop.example.org/ answers "
	 "with status 502\n"},
	{"C-18 proving itself", c18_proving, "  wake at +1500ms\n"},
	{"C-18 proven", c18_proven,
	 "  1. set restart unless-stopped shop-r2-0-eb0c3431: the revision is published\n"
	 "  2. set deployment shop-r2: SUCCESS\n"
	 "  3. record event Deployed: Revision 2 serves with 1 replicas\n"},
	{"C-21 while it is proved, too", c21_while_proving,
	 "  1. open gate shop-r1-0-eb0c3431: all replicas of the revision answered\n  wake at +599000ms\n"},
	{"C-18 the first has nobody to prove itself against", c18_first,
	 "  1. set restart unless-stopped shop-r1-0-eb0c3431: the revision is published\n"
	 "  2. set deployment shop-r1: SUCCESS\n"
	 "  3. record event Deployed: Revision 1 serves with 1 replicas\n"},
	{"C-19 died: the old one is current again, first", c19_died,
	 "  1. set deployment shop-r1: revision 2 is given up\n"
	 "  2. set deployment shop-r2: FAILED/Unstable: shop-r2-0-eb0c3431 exited with code 1 after 1.5 s; it "
	 "wrote nothing: "
	 "a service must stay in the foreground\n"
	 "  3. record event Unstable: Revision 2: shop-r2-0-eb0c3431 exited with code 1 after 1.5 s; it wrote "
	 "nothing: a "
	 "service must stay in the foreground\n"},
	{"C-19 stopped answering", c19_unready,
	 "  1. set deployment shop-r1: revision 2 is given up\n"
	 "  2. set deployment shop-r2: FAILED/Unstable: shop-r2-0-eb0c3431 stopped answering: timed out\n"
	 "  3. record event Unstable: Revision 2: shop-r2-0-eb0c3431 stopped answering: timed out\n"},
};

static void test_outside(void **state)
{
	(void)state;
	fixture_run(outside, HC_COUNT(outside), deployment_decide);
}

static void test_queue(void **state)
{
	(void)state;
	fixture_run(in_queue, HC_COUNT(in_queue), deployment_decide);
}

static void test_start(void **state)
{
	(void)state;
	fixture_run(at_start, HC_COUNT(at_start), deployment_decide);
}

static void test_publishing(void **state)
{
	(void)state;
	fixture_run(at_publishing, HC_COUNT(at_publishing), deployment_decide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outside),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_publishing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
