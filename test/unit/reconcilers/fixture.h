/* Worlds as literals: a Service `shop` in namespace `default`, and as much around it as a case needs. All
 * lives in the arena of the fixture. Times: now is 100000 ms of boot `b`. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include "base/arena.h"
#include "model/plan.h"
#include "model/world.h"
#include "reconcilers/decide.h"

#define NOW 100000
#define WALL INT64_C(1700000000000)

struct fixture {
	struct hc_arena *arena;
	struct service_world world;
	struct deployment_view deployments[8];
	struct container_view containers[8];
	struct refusal_view refusals[1];
	struct route_view routes[4];
};

void fixture_init(struct fixture *fixture);
void fixture_done(struct fixture *fixture);

/* The Service wants this image (its hash is "h:" and the image). */
void fixture_image(struct fixture *fixture, const char *image);
/* A Deployment of an image; SUCCESS has its stage Done since 1000 s ago in this boot. */
struct deployment_view *fixture_deployment(struct fixture *fixture, int64_t revision, const char *image,
										   enum deployment_phase phase, enum deployment_stage stage);
/* The same, SUCCESS and current. */
struct deployment_view *fixture_current(struct fixture *fixture, int64_t revision, const char *image);
/* A container as our constructor makes it, running since a minute, gate shut, not asked yet. */
struct container_view *fixture_container(struct fixture *fixture, const struct deployment_view *deployment,
										 int ordinal);
/* As a list shows it, since a paused one is not inspected. */
void fixture_pause(struct container_view *container);
/* Published: gate open, answering, healthy, listed, restarting alone. */
struct container_view *fixture_published(struct fixture *fixture, const struct deployment_view *deployment,
										 int ordinal);

struct fixture_case {
	const char *name;
	void (*arrange)(struct fixture *fixture);
	const char *expected;
};
typedef void fixture_decide(const struct service_world *world, struct plan *plan);
/* Runs all; each plan is compared as text. */
void fixture_run(const struct fixture_case *cases, size_t count, fixture_decide *decide);

#endif
