/* A restored backup: cases C-60 and C-61 of reconcilers/deployment/README.md, one a row. */
#include "../cmocka_all.h"
#include "fixture.h"

#include "base/base.h"

/* The backup knows revision 1; revision 2, which it doesn't know, serves. */
static struct container_view *newer(struct fixture *fixture)
{
	static const struct deployment_view lost = {
		.uid = "lost", .name = "shop-r2", .revision = 2, .image_id = "sha256:app:2", .hash = "h:app:2"};
	struct deployment_view unknown = lost;

	fixture_current(fixture, 1, "app:1");
	unknown.template = fixture->deployments[0].template;
	fixture->world.current_image = (struct image_view){.known = true, .present = true, .id = "sha256:app:1"};
	fixture->world.service.revision_max = 2;
	return fixture_published(fixture, &unknown, 0);
}

static void behind(struct fixture *fixture)
{
	newer(fixture);
	fixture->world.database_behind = true;
}

static void behind_and_suspended(struct fixture *fixture)
{
	behind(fixture);
	fixture->world.service.spec.suspend = true;
}

static void behind_and_deleted(struct fixture *fixture)
{
	behind(fixture);
	fixture->world.service.deleting = true;
}

static void behind_and_known(struct fixture *fixture)
{
	struct deployment_view *current = fixture_current(fixture, 1, "app:1");

	fixture_published(fixture, current, 0)->state = CONTAINER_EXITED;
	fixture->world.database_behind = true;
}

static void accepted(struct fixture *fixture)
{
	newer(fixture);
}

static void accepted_and_up(struct fixture *fixture)
{
	newer(fixture);
	fixture_published(fixture, &fixture->deployments[0], 0);
}

static void accepted_with_a_volume(struct fixture *fixture)
{
	newer(fixture);
	fixture->world.service.spec.strategy = STRATEGY_RECREATE;
}

static const struct fixture_case cases[] = {
	{"C-60", behind,
	 "  phase IDLE\n"
	 "  Built=True Prebuilt: image app:1\n"
	 "  Available=False NoReplicaReady: no replica answers\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=Unknown DatabaseBehind: the database is older than what runs: revision 2, of which it knows "
	 "nothing, serves on, and nothing is changed until a person accepts the restored database: see "
	 "docs/operations.md\n"},
	{"C-60 suspended", behind_and_suspended,
	 "  phase IDLE\n"
	 "  Built=True Prebuilt: image app:1\n"
	 "  Available=False ScaledToZero: no replica is wanted\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=Unknown DatabaseBehind: the database is older than what runs: revision 2, of which it knows "
	 "nothing, serves on, and nothing is changed until a person accepts the restored database: see "
	 "docs/operations.md\n"},
	{"C-60 deleted", behind_and_deleted,
	 "  phase IDLE\n"
	 "  Built=True Prebuilt: image app:1\n"
	 "  Available=False ScaledToZero: no replica is wanted\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=Unknown DatabaseBehind: the database is older than what runs: revision 2, of which it knows "
	 "nothing, serves on, and nothing is changed until a person accepts the restored database: see "
	 "docs/operations.md\n"},
	{"C-60 nothing that it doesn't know", behind_and_known,
	 "  1. set deployment shop-r1: 1 replicas are dead and 0 missing: start 1\n"
	 "  2. record event Healed: shop-r1-0-eb0c3431 was not running (exit code 0): started again\n"
	 "  3. start container shop-r1-0-eb0c3431: it is not running\n"
	 "  phase ACTIVE\n"
	 "  Built=True Prebuilt: image app:1\n"
	 "  Available=False NoReplicaReady: no replica answers\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=False Degraded: 0 of 1 replicas answer: shop-r1-0-eb0c3431 exited with code 0 after 0.0 s; it "
	 "wrote nothing: a service must stay in the foreground; it is started again now\n"
	 "  wake at +10000ms\n"},
	{"C-61 accepted", accepted,
	 "  1. set deployment shop-r1: 0 replicas are dead and 1 missing: start 1\n"
	 "  2. record event Healed: Replica 0 of revision 1 was missing: made\n"
	 "  3. prepare folder shop-r1-0-eb0c3431: its gate is shut before it exists\n"
	 "  4. create container shop-r1-0-eb0c3431: replica 0 of revision 1 is missing\n"
	 "  5. start container shop-r1-0-eb0c3431: it was created\n"
	 "  phase ACTIVE\n"
	 "  Built=True Prebuilt: image app:1\n"
	 "  Available=False NoReplicaReady: no replica answers\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=False Degraded: 0 of 1 replicas answer: replica 0 is missing; it is made again\n"
	 "  wake at +10000ms\n"},
	{"C-61 the old one is up", accepted_and_up,
	 "  1. close gate shop-r2-0-eb0c3431: its Deployment does not exist\n"
	 "  phase ACTIVE\n"
	 "  Built=True Prebuilt: image app:1\n"
	 "  Available=True ReplicasReady: 1 of 1 replicas answer\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=True ReplicasReady: revision 1 serves with 1 replicas\n"
	 "  wake at +50ms\n"},
	{"C-61 Recreate", accepted_with_a_volume,
	 "  1. close gate shop-r2-0-eb0c3431: its Deployment does not exist\n"
	 "  phase ACTIVE\n"
	 "  Built=True Prebuilt: image app:1\n"
	 "  Available=False NoReplicaReady: no replica answers\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=False Degraded: 0 of 1 replicas answer: replica 0 is missing; it is made again\n"
	 "  wake at +50ms\n"},
};

static void both_decide(const struct service_world *world, struct plan *plan)
{
	service_decide(world, plan);
	deployment_decide(world, plan);
}

static void test_backup(void **state)
{
	(void)state;
	fixture_run(cases, HC_COUNT(cases), both_decide);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(test_backup)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
