/* Events of core/v1 (store.h). Repeated ones are folded: count and lastTimestamp of the former go up. */
#include "store_internal.h"

#include "base/limits.h"
#include <string.h>

/* Values of both statements: $1 namespace, $2 uid of the object, $3 reason, $4 message. */
static int repeat(struct store *store, const struct store_event *event, bool *ret_done, struct hc_error *err)
{
	static const char sql[] =
		"UPDATE events SET object_spec = object_spec ||"
		" jsonb_build_object('count', count + 1, 'lastTimestamp', object_time(now())) WHERE id ="
		" (SELECT e.id FROM events e WHERE e.namespace = $1 AND e.involved_uid = $2::uuid AND e.reason = $3"
		"  AND e.message = $4 AND e.last_seen > now() - $5::bigint * interval '1 millisecond'"
		"  ORDER BY e.last_seen DESC LIMIT 1)";
	const struct store_number fold = store_number(HC_LIMIT_EVENT_FOLD_MS);
	const char *values[] = {event->namespace_name, event->uid, event->reason, event->message, fold.text};
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, sql, (int)HC_COUNT(values), values, &result, err) < 0)
		return -1;
	*ret_done = strcmp(PQcmdTuples(result), "0") != 0;
	return 0;
}

static int add(struct store *store, const struct store_event *event, struct hc_error *err)
{
	static const char sql[] =
		"INSERT INTO events (namespace, name, object_spec) SELECT n.name,"
		" $6::text || '.' || left(replace(gen_random_uuid()::text, '-', ''), 16), jsonb_build_object("
		" 'involvedObject', jsonb_build_object("
		"  'apiVersion', CASE WHEN $5::text IN ('Namespace', 'Secret', 'Pod') THEN 'v1' ELSE "
		"'helvetia.cloud/v1' END,"
		"  'kind', $5::text, 'name', $6::text, 'namespace', n.name, 'uid', $2::text),"
		" 'reason', $3::text, 'message', $4::text, 'type', $7::text, 'count', 1,"
		" 'firstTimestamp', object_time(now()), 'lastTimestamp', object_time(now()),"
		" 'source', jsonb_build_object('component', $8::text),"
		" 'reportingComponent', $8::text, 'reportingInstance', '') FROM namespaces AS n WHERE n.name = $1";
	const char *values[] = {event->namespace_name,
							event->uid,
							event->reason,
							event->message,
							event->kind,
							event->name,
							event->warning ? "Warning" : "Normal",
							store->application};
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, sql, (int)HC_COUNT(values), values, &result, err) < 0)
		return -1;
	if (strcmp(PQcmdTuples(result), "0") == 0)
		return hc_fail(err, HC_NOT_FOUND, "its namespace \"%s\" not found", event->namespace_name);
	return 0;
}

static int record(struct store *store, const struct store_event *event, struct hc_error *err)
{
	bool done;

	if (repeat(store, event, &done, err) < 0)
		return -1;
	return done ? 0 : add(store, event, err);
}

int store_event_record(struct store *store, int64_t epoch, const struct store_event *event,
					   struct hc_error *err)
{
	int outcome;

	if (store_begin_guarded(store, epoch, err) < 0)
		return hc_wrap(err, "event %s of %s %s", event->reason, event->kind, event->name);
	outcome = record(store, event, err);
	if (store_end(store, outcome, err) < 0)
		return hc_wrap(err, "event %s of %s %s", event->reason, event->kind, event->name);
	return 0;
}
