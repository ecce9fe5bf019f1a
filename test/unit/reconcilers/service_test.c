/* Rows and derived status: cases S-1 … S-19 of reconcilers/service/README.md, one a row. */
#include "../cmocka_all.h"
#include "fixture.h"

#include "base/text.h"

static void none(struct fixture *fixture)
{
	(void)fixture;
}

static struct container_view *serving(struct fixture *fixture)
{
	struct container_view *view = fixture_published(fixture, fixture_current(fixture, 1, "app:1"), 0);

	fixture->routes[0] = (struct route_view){.revision = 1, .servers = 1};
	fixture->world.route_count = 1;
	return view;
}

static void changed(struct fixture *fixture)
{
	serving(fixture);
	fixture_image(fixture, "app:2");
	fixture->world.service.revision_max = 6; /* a container says so */
}

static void failed(struct fixture *fixture, const char *reason, const char *message)
{
	struct deployment_view *view = fixture_deployment(fixture, 2, "app:2", DEPLOYMENT_FAILED, STAGE_DONE);

	fixture_image(fixture, "app:2");
	view->reason = reason;
	view->message = message;
}

static void tried(struct fixture *fixture)
{
	serving(fixture);
	failed(fixture, "NotReady", "it did not answer");
}

static void cancelled(struct fixture *fixture)
{
	serving(fixture);
	failed(fixture, "Cancelled", "it was suspended");
}

static void back_again(struct fixture *fixture)
{
	tried(fixture);
	fixture_image(fixture, "app:1");
}

static void host_taken(struct fixture *fixture)
{
	fixture->world.service.lost_host = "shop.example.com";
}

static void history(struct fixture *fixture)
{
	struct deployment_view *held;

	for (int revision = 1; revision <= 5; revision++)
		fixture_deployment(fixture, revision, "app:0", DEPLOYMENT_FAILED, STAGE_DONE)->reason = "Exited";
	fixture_published(fixture, fixture_current(fixture, 6, "app:1"), 0);
	held = &fixture->deployments[1];
	fixture_container(fixture, held, 0);
}

static void history_none(struct fixture *fixture)
{
	history(fixture);
	fixture->world.service.spec.history_limit = 0;
	fixture->world.container_count = 1;
}

static void history_newest(struct fixture *fixture)
{
	tried(fixture);
	fixture->world.service.spec.history_limit = 0;
}

static void deleting(struct fixture *fixture)
{
	serving(fixture);
	fixture->world.service.deleting = true;
	fixture->world.service.phase = SERVICE_ACTIVE;
}

static void deleting_traefik_away(struct fixture *fixture)
{
	deleting(fixture);
	fixture->world.traefik_answers = false;
	fixture->containers[0].listed = false;
}

static void deleted(struct fixture *fixture)
{
	static struct volume_entry volumes[] = {
		{.name = "data", .path = "/data", .delete_with_service = true},
		{.name = "kept", .path = "/kept"},
	};

	deleting(fixture);
	fixture->world.container_count = 0;
	fixture->world.service.spec.template.volumes = volumes;
	fixture->world.service.spec.template.volume_count = HC_COUNT(volumes);
}

static void repository(struct fixture *fixture)
{
	fixture->world.service.spec.template.image = NULL;
	fixture->world.service.spec.template.repo_url = "https://example.org/shop.git";
}

static void suspended(struct fixture *fixture)
{
	serving(fixture);
	fixture->world.service.spec.suspend = true;
}

static void attempt(struct fixture *fixture)
{
	serving(fixture);
	fixture_image(fixture, "app:2");
	fixture_deployment(fixture, 2, "app:2", DEPLOYMENT_BUILDING, STAGE_STARTING);
}

static void attempt_waits(struct fixture *fixture)
{
	struct deployment_view *view = fixture_deployment(fixture, 1, "app:1", DEPLOYMENT_BUILDING, STAGE_QUEUED);

	view->reason = "ImagePullBackOff";
	view->message = "connection refused";
}

static void failed_alone(struct fixture *fixture)
{
	failed(fixture, "NotReady", "it did not answer");
}

static void some(struct fixture *fixture)
{
	serving(fixture);
	fixture->world.service.spec.replicas = 2;
	fixture_container(fixture, &fixture->deployments[0], 1)->state = CONTAINER_EXITED;
}

static void scaled_up(struct fixture *fixture)
{
	static const bool unmade[] = {false, false, false, true};
	struct container_view *starts, *shown;

	serving(fixture);
	starts = fixture_container(fixture, &fixture->deployments[0], 1);
	shown = fixture_published(fixture, &fixture->deployments[0], 2);
	fixture->world.service.spec.replicas = 4;
	fixture->world.unmade = unmade;
	starts->started_wall_ms = fixture->world.wall_ms - 20000;
	shown->started_wall_ms = fixture->world.wall_ms - 20000;
	shown->gate_used = true;
	shown->gate_changed_boot_ms = NOW - 100;
	shown->listed = false;
}

static void scaled_up_and_old(struct fixture *fixture)
{
	scaled_up(fixture);
	fixture->containers[1].started_wall_ms -= 40000;
}

static void scaled_up_and_failing(struct fixture *fixture)
{
	scaled_up(fixture);
	fixture->containers[2].gate_changed_boot_ms = NOW - 10000;
}

static void scaled_up_and_dying(struct fixture *fixture)
{
	scaled_up(fixture);
	fixture->deployments[0].restart_attempts = 1;
}

static void no_replica(struct fixture *fixture)
{
	serving(fixture)->state = CONTAINER_EXITED;
	fixture->routes[0].servers = 0;
	fixture->world.service.unready_since = (struct moment){.boot_id = "b", .at_ms = NOW - 4000};
}

static void none_for_long(struct fixture *fixture)
{
	no_replica(fixture);
	fixture->world.service.unready_since.at_ms = NOW - 10000;
}

static void none_since_boot(struct fixture *fixture)
{
	none_for_long(fixture);
	fixture->world.service.unready_since.boot_id = "a";
}

static void not_listed(struct fixture *fixture)
{
	serving(fixture)->listed = false;
	fixture->routes[0].servers = 0;
	fixture->containers[0].gate_changed_boot_ms = NOW - 100;
}

static void traefik_away(struct fixture *fixture)
{
	serving(fixture)->listed = false;
	fixture->world.route_count = 0;
	fixture->world.traefik_answers = false;
}

static void internal(struct fixture *fixture)
{
	struct container_view *view = serving(fixture);

	fixture->deployments[0].template.expose = EXPOSE_INTERNAL;
	view->listed = false;
	for (size_t index = 0; index < view->label_count; index++) {
		if (hc_streq(view->labels[index].name, "traefik.enable"))
			view->labels[index].value = "false";
	}
}

static void unchanged(struct fixture *fixture)
{
	serving(fixture);
	fixture_deployment(fixture, 2, "app:2", DEPLOYMENT_SUCCESS, STAGE_DONE)->reason = "Unchanged";
	fixture_image(fixture, "app:2");
}

#define DEAD                                                                                                 \
	"exited with code 0 after 0.0 s; it wrote nothing: a service must stay in the foreground; "              \
	"it is started again now\n"
#define BUILT "  Built=True Prebuilt: image app:1\n"
#define AVAILABLE "  Available=True ReplicasReady: 1 of 1 replicas answer\n"
#define UNAVAILABLE "  Available=False NoReplicaReady: no replica answers\n"
#define UNWANTED "  Available=False ScaledToZero: no replica is wanted\n"
#define ROUTED "  Routed=True Listed: Traefik sends requests to revision 1\n"
#define UNROUTED "  Routed=False NotListed: Traefik lists no replica\n"
#define QUEUED "  Built=Unknown Queued: image app:1 was not looked at yet\n"

static const struct fixture_case rows[] = {
	{"S-1 the first", none,
	 "  1. create deployment shop-r1: the Service has none\n  phase DEPLOYING\n" QUEUED UNAVAILABLE UNROUTED
	 "  Ready=Unknown Queued: a new revision is about to begin\n"},
	{"S-1 changed; a revision is never used again", changed,
	 "  1. create deployment shop-r7: the Service wants something else than what runs\n  phase "
	 "DEPLOYING\n" BUILT AVAILABLE ROUTED "  Ready=Unknown Queued: a new revision is about to begin\n"},
	{"S-2 S-14 it failed: no other try, the old one serves on", tried,
	 "  phase ACTIVE\n  Built=True Prebuilt: image app:2 of revision 2, which failed (NotReady); revision 1 "
	 "serves image app:1\n" AVAILABLE ROUTED
	 "  Ready=False NotReady: revision 2 failed and 1 serves on: it did not answer\n"},
	{"S-2 what was cancelled may be tried", cancelled,
	 "  1. create deployment shop-r3: the Service wants something else than what runs\n  phase DEPLOYING\n"
	 "  Built=True Prebuilt: image app:2 of revision 2, which failed (Cancelled); revision 1 serves image "
	 "app:1\n" AVAILABLE ROUTED "  Ready=Unknown Queued: a new revision is about to begin\n"},
	{"S-1 back to what serves", back_again,
	 "  phase ACTIVE\n  Built=True Prebuilt: image app:1\n" AVAILABLE ROUTED
	 "  Ready=True ReplicasReady: revision 1 serves with 1 replicas\n"},
	{"S-3 host taken", host_taken,
	 "  phase FAILED\n" QUEUED UNAVAILABLE
	 "  Routed=False HostTaken: another Service holds the host shop.example.com\n"
	 "  Ready=False HostTaken: another Service holds the host shop.example.com\n"},
	{"S-4 history: not the newest ones, not what has a container", history,
	 "  1. delete deployment shop-r3: more than 2 of history\n"
	 "  2. delete deployment shop-r1: more than 2 of history\n"
	 "  phase ACTIVE\n" BUILT AVAILABLE UNROUTED
	 "  Ready=True ReplicasReady: revision 6 serves with 1 replicas\n"},
	{"S-4 no history at all", history_none,
	 "  1. delete deployment shop-r5: more than 0 of history\n  2. delete deployment shop-r4: more than 0 of "
	 "history\n"
	 "  3. delete deployment shop-r3: more than 0 of history\n  4. delete deployment shop-r2: more than 0 of "
	 "history\n"
	 "  5. delete deployment shop-r1: more than 0 of history\n"
	 "  phase ACTIVE\n" BUILT AVAILABLE UNROUTED
	 "  Ready=True ReplicasReady: revision 6 serves with 1 replicas\n"},
	{"S-4 the newest stays: it says what was tried", history_newest,
	 "  phase ACTIVE\n  Built=True Prebuilt: image app:2 of revision 2, which failed (NotReady); revision 1 "
	 "serves image app:1\n" AVAILABLE ROUTED
	 "  Ready=False NotReady: revision 2 failed and 1 serves on: it did not answer\n"},
	{"S-5 containers are left", deleting,
	 "  phase ACTIVE\n" BUILT UNWANTED ROUTED "  Ready=False Deleting: 1 containers are left\n"},
	{"S-5 the rest", deleted,
	 "  1. remove volume shop.data.n: onDelete: Delete\n"
	 "  2. delete deployment shop-r1: the Service is being deleted\n"
	 "  3. finalize service shop: nothing of it is left\n"
	 "  phase ACTIVE\n" BUILT UNWANTED ROUTED "  Ready=False Deleting: 0 containers are left\n"},
	{"S-6 a repository without a commit", repository,
	 "  phase DEPLOYING\n"
	 "  Built=Unknown Resolving: the default branch of https://example.org/shop.git is looked at for its "
	 "commit\n" UNAVAILABLE UNROUTED
	 "  Ready=Unknown Resolving: the default branch of https://example.org/shop.git is looked at for its "
	 "commit\n"},
};

static const struct fixture_case status[] = {
	{"S-10 Traefik away holds it up", deleting_traefik_away,
	 "  phase ACTIVE\n" BUILT UNWANTED "  Routed=Unknown TraefikAway: Traefik's API does not answer\n"
	 "  Ready=False Deleting: waiting for Traefik's API: a container that it may list is not stopped\n"},
	{"S-11 suspended", suspended,
	 "  phase IDLE\n" BUILT UNWANTED ROUTED "  Ready=True ScaledToZero: suspended\n"},
	{"S-12 an attempt; Available is of what serves", attempt,
	 "  phase DEPLOYING\n  Built=True Prebuilt: image app:2\n" AVAILABLE ROUTED
	 "  Ready=Unknown Starting: revision 2 is on its way\n"},
	{"S-12 an attempt that waits says for what", attempt_waits,
	 "  phase DEPLOYING\n  Built=Unknown ImagePullBackOff: connection refused\n" UNAVAILABLE UNROUTED
	 "  Ready=Unknown ImagePullBackOff: revision 1: connection refused\n"},
	{"S-13 all well: nothing to wake for", back_again,
	 "  phase ACTIVE\n  Built=True Prebuilt: image app:1\n" AVAILABLE ROUTED
	 "  Ready=True ReplicasReady: revision 1 serves with 1 replicas\n"},
	{"S-13 unchanged", unchanged,
	 "  phase ACTIVE\n  Built=True Prebuilt: image app:2\n" AVAILABLE ROUTED
	 "  Ready=True ReplicasReady: revision 1 serves with 1 replicas\n"},
	{"S-13 internal: no word about routes", internal,
	 "  phase ACTIVE\n" BUILT AVAILABLE "  Ready=True ReplicasReady: revision 1 serves with 1 replicas\n"},
	{"S-15 nothing serves", failed_alone,
	 "  phase FAILED\n  Built=True Prebuilt: image app:2\n" UNAVAILABLE UNROUTED
	 "  Ready=False NotReady: it did not answer\n"},
	{"S-16 some", some,
	 "  phase ACTIVE\n" BUILT "  Available=True ReplicasReady: 1 of 2 replicas answer\n" ROUTED
	 "  Ready=False Degraded: 1 of 2 replicas answer: shop-r1-1-eb0c3431 " DEAD},
	{"S-16b scaled up: one is to be made, one starts, one was published a moment ago", scaled_up,
	 "  phase ACTIVE\n" BUILT "  Available=True ReplicasReady: 2 of 4 replicas answer\n" ROUTED
	 "  Ready=Unknown Progressing: visitors reach 1 of 4 replicas; the others were just asked for\n"
	 "  wake at +4900ms\n"},
	{"S-16b not for ever", scaled_up_and_old,
	 "  phase ACTIVE\n" BUILT "  Available=True ReplicasReady: 2 of 4 replicas answer\n" ROUTED
	 "  Ready=False Degraded: 2 of 4 replicas answer; healing\n"},
	{"S-16b not when it was published before", scaled_up_and_failing,
	 "  phase ACTIVE\n" BUILT "  Available=True ReplicasReady: 2 of 4 replicas answer\n" ROUTED
	 "  Ready=False Degraded: 2 of 4 replicas answer; healing\n  wake at +40000ms\n"},
	{"S-16b not while the dead have a back-off", scaled_up_and_dying,
	 "  phase ACTIVE\n" BUILT "  Available=True ReplicasReady: 2 of 4 replicas answer\n" ROUTED
	 "  Ready=False Degraded: 2 of 4 replicas answer; healing\n"},
	{"S-16 none since 4 s", no_replica,
	 "  phase ACTIVE\n" BUILT UNAVAILABLE UNROUTED
	 "  Ready=False Degraded: 0 of 1 replicas answer: shop-r1-0-eb0c3431 " DEAD "  wake at +6000ms\n"},
	{"S-17 none for 10 s", none_for_long,
	 "  phase FAILED\n" BUILT UNAVAILABLE UNROUTED
	 "  Ready=False Degraded: 0 of 1 replicas answer: shop-r1-0-eb0c3431 " DEAD},
	{"S-17 the ten seconds begin anew with a boot", none_since_boot,
	 "  phase ACTIVE\n" BUILT UNAVAILABLE UNROUTED
	 "  Ready=False Degraded: 0 of 1 replicas answer: shop-r1-0-eb0c3431 " DEAD "  wake at +10000ms\n"},
	{"S-18 answers, and visitors don't reach it", not_listed,
	 "  phase ACTIVE\n" BUILT AVAILABLE UNROUTED
	 "  Ready=False Degraded: visitors reach 0 of 1 replicas; healing\n  wake at +50ms\n"},
	{"S-19 Traefik away: nobody knows about routes", traefik_away,
	 "  phase ACTIVE\n" BUILT AVAILABLE "  Routed=Unknown TraefikAway: Traefik's API does not answer\n"
	 "  Ready=True ReplicasReady: revision 1 serves with 1 replicas\n"},
};

static void test_rows(void **state)
{
	(void)state;
	fixture_run(rows, HC_COUNT(rows), service_decide);
}

static void test_status(void **state)
{
	(void)state;
	fixture_run(status, HC_COUNT(status), service_decide);
}

static const char *url_of(const char *domain, bool https, int port, enum exposure expose,
						  struct fixture *fixture)
{
	struct plan plan;

	fixture_init(fixture);
	fixture->world.domain = domain;
	fixture->world.https_public = https;
	fixture->world.url_port = port;
	fixture->world.service.spec.template.expose = expose;
	plan_init(&plan, fixture->arena);
	service_decide(&fixture->world, &plan);
	return plan.url;
}

static void test_url(void **state)
{
	static const struct {
		bool https;
		int port;
		enum exposure expose;
		const char *url;
	} cases[] = {
		{true, 443, EXPOSE_PUBLIC, "https://shop.example.org"},
		{true, 8443, EXPOSE_PUBLIC, "https://shop.example.org:8443"},
		{true, 0, EXPOSE_PUBLIC, "https://shop.example.org"},
		{false, 80, EXPOSE_PUBLIC, "http://shop.example.org"},
		{false, 443, EXPOSE_PUBLIC, "http://shop.example.org:443"},
		{true, 8443, EXPOSE_INTERNAL, NULL},
		{true, 8443, EXPOSE_NONE, NULL},
	};
	struct fixture fixture;

	(void)state;
	for (size_t index = 0; index < HC_COUNT(cases); index++) {
		const char *url = url_of("example.org", cases[index].https, cases[index].port, cases[index].expose,
								 &fixture);

		if (cases[index].url)
			assert_string_equal(url, cases[index].url);
		else
			assert_null(url);
		fixture_done(&fixture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
