/* All reconcilers. Adding one: README.md. */
#include "decide.h"
#include "gc/gc_kind.h"
#include "kind.h"
#include "network/network_kind.h"
#include "service/service_kind.h"

#include <stddef.h>

static void decide_service(const void *world, struct plan *plan)
{
	service_decide(world, plan);
	deployment_decide(world, plan);
	service_follow_decide(world, plan);
}

static void decide_network(const void *world, struct plan *plan)
{
	network_decide(world, plan);
}

static void decide_gc(const void *world, struct plan *plan)
{
	gc_decide(world, plan);
}

static const struct kind kind_service = {
	.name = "service",
	.observe = service_observe,
	.decide = decide_service,
	.act = service_act,
	.report = service_report,
	.resync_ms = 60 * 1000,
};

static const struct kind kind_network = {
	.name = "network",
	.observe = network_observe,
	.decide = decide_network,
	.act = network_act,
	.resync_ms = 60 * 1000,
};

static const struct kind kind_gc = {
	.name = "gc",
	.observe = gc_observe,
	.decide = decide_gc,
	.act = gc_act,
	.resync_ms = 5 * 60 * 1000,
	.singleton = true,
};

const struct kind *const reconciler_registry[] = {&kind_service, &kind_network, &kind_gc, NULL};
