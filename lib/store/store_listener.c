/* LISTEN of store_stream.h. A notification that was sent while the connection was away is lost, therefore
 * every new connection counts as one. The connection is never in a transaction: a listener in one stalls the
 * server's queue. */
#include "store_internal.h"
#include "store_link.h"
#include "store_stream.h"

#include "base/alloc.h"
#include <stdlib.h>
#include <string.h>

struct store_listener {
	struct store_link link;
	store_notified *notified;
	store_job_notified *job; /* NULL: the channel of jobs is not listened to */
	void *payload;
};

#define JOB_CHANNEL "helvetia_job"

int store_listener_open(const char *url, const char *application, store_notified *notified, void *payload,
						struct store_listener **ret_listener, struct hc_error *err)
{
	struct store_listener *listener = hc_xalloc(sizeof *listener);

	if (store_link_init(&listener->link, url, application, err) < 0) {
		free(listener);
		return -1;
	}
	listener->notified = notified;
	listener->payload = payload;
	*ret_listener = listener;
	return 0;
}

void store_listener_hear_jobs(struct store_listener *listener, store_job_notified *job)
{
	listener->job = job;
}

int store_listener_fd(const struct store_listener *listener)
{
	return listener->link.epoll;
}

/* The answer to LISTEN, when it has come: true. */
static bool take_results(struct store_listener *listener, bool *ret_broken)
{
	bool listening = false;

	while (!PQisBusy(listener->link.connection)) {
		HC_AUTO(pg_result) result = PQgetResult(listener->link.connection);

		if (!result)
			break;
		if (PQresultStatus(result) == PGRES_COMMAND_OK)
			listening = true;
		else
			*ret_broken = true;
	}
	return listening;
}

/* True when the objects changed; what is said of jobs is handed on at once. */
static bool take_notifications(struct store_listener *listener)
{
	bool any = false;
	PGnotify *notification;

	while ((notification = PQnotifies(listener->link.connection))) {
		if (strcmp(notification->relname, JOB_CHANNEL) != 0)
			any = true;
		else if (listener->job)
			listener->job(notification->extra, listener->payload);
		PQfreemem(notification);
	}
	return any;
}

void store_listener_process(struct store_listener *listener)
{
	struct store_link *link = &listener->link;
	bool wake, broken = false;

	if (store_link_process(link) == STORE_LINK_OPENED &&
		PQsendQuery(link->connection, listener->job ? "LISTEN helvetia_changes; LISTEN " JOB_CHANNEL
													: "LISTEN helvetia_changes") != 1)
		broken = true;
	if (link->state != STORE_LINK_UP)
		return;
	if (!broken && (PQconsumeInput(link->connection) != 1 || !store_link_flush(link)))
		broken = true;
	wake = take_results(listener, &broken);
	if (wake)
		store_link_confirm(link);
	wake |= take_notifications(listener);
	if (broken || PQstatus(link->connection) != CONNECTION_OK)
		store_link_lose(link, PQerrorMessage(link->connection));
	if (wake)
		listener->notified(listener->payload);
}

void store_listener_close(struct store_listener *listener)
{
	if (!listener)
		return;
	store_link_done(&listener->link);
	free(listener);
}
