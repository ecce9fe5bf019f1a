/* One controller at a time acts. To lead, a controller holds two locks at once and then takes a new epoch:
 *   - flock on a path of this host named by engine and installation (two controllers with two databases);
 *   - the session advisory lock of the database (two controllers on two hosts).
 * Every guarded row write names the epoch, so a former leader's late write is refused. Effects in Docker have
 * no such fence: before each of them the executor asks leader_may_act(), which never says yes when the last
 * proof that the lock's session lives is 2 s old, whatever the renewing thread is stuck in.
 *
 * The thread tries, leads, renews, steps down and tries again; it never ends by itself. It renews for those
 * who ask: while nobody wants to act, a proof each 10 s is enough, and the end of the session wakes it. */
#ifndef LEADER_H
#define LEADER_H

#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

struct hc_text;
struct leader;
struct stop;

struct leader_options {
	const char *database;
	const char *docker_host;
	const char *state_folder;
	struct stop *stop; /* borrowed */
	/* Called by the leader's thread each time this process starts, and ends, to lead; also with true when it
	 * may act again after somebody was told that it may not. */
	void (*changed)(bool leads, void *payload);
	void *payload;
};

struct leader *leader_new(const struct leader_options *options);
int leader_start(struct leader *leader, struct hc_error *err) HC_MUST_CHECK; /* starts the thread */
/* After stop was set, and after the last effect has ended: gives up both locks. Accepts NULL. */
void leader_free(struct leader *leader);

/* May an effect begin now? From any thread but the loop: where the last proof is too old it waits for a new
 * one, up to a second. */
bool leader_may_act(struct leader *leader);
/* All below: from any thread, without waiting. */
/* Does it lead, as far as is known? False when a proof was asked for 2 s ago and did not come. */
bool leader_leads(struct leader *leader);
int64_t leader_epoch(const struct leader *leader);
/* NULL until the database told it; lives as long as the leader. */
const char *leader_installation(const struct leader *leader);
/* False: the database is behind what the state directory has seen, so it is a restored backup. Nothing is
 * destroyed until a person says so by removing STATE/leader.json. */
bool leader_database_trusted(const struct leader *leader);
/* Appends why it does not lead; nothing while it does, or before the first try. */
void leader_trouble(struct leader *leader, struct hc_text *text);
/* The newest resourceVersion that anybody here has seen. */
void leader_saw_version(struct leader *leader, int64_t resource_version);

#endif
