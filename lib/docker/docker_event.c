/* The event stream. Events are hints (design 7.7): the caller lists after `subscribed` and reads levels.
 *
 * The engine answers the headers before it subscribes, so an event between the two would be lost. It keeps
 * the last 256 events, therefore the stream always begins a little in the past; an event seen twice is
 * harmless. */
#include "base/clock.h"
#include "docker_internal.h"

#include <inttypes.h>

#define OVERLAP_MS 1000

struct subscription {
	docker_event_seen *seen;
	void (*subscribed)(void *payload);
	void *payload;
	struct hc_arena *arena; /* of one event */
	struct docker_line lines;
};

static int event_line(const char *text, size_t length, void *payload, struct hc_error *err)
{
	struct subscription *subscription = payload;
	struct hc_arena *arena = subscription->arena;
	DOCKER_AUTO_JSON *json = json_loadb(text, length, 0, NULL);
	struct docker_event event = {0};
	const char *name;

	if (!json)
		return hc_fail(err, HC_BUG, "the engine sent an event that is no JSON");
	event.type = docker_json_text(arena, json, "Type");
	event.action = docker_json_text(arena, json, "Action");
	event.id = docker_json_text(arena, json, "Actor/ID");
	name = json_string_value(docker_json_at(json, "Actor/Attributes/name"));
	event.name = hc_arena_strdup(arena, name ? name : "");
	docker_json_pairs(arena, docker_json_at(json, "Actor/Attributes"), &event.labels, &event.label_count);
	event.time_nano = docker_json_number(json, "timeNano");
	if (subscription->seen(&event, subscription->payload))
		return hc_fail(err, HC_CANCELED, "stopped by the reader");
	hc_arena_reset(arena);
	return 0;
}

static int event_piece(const char *data, size_t length, void *payload, struct hc_error *err)
{
	struct subscription *subscription = payload;

	return docker_line_feed(&subscription->lines, data, length, err);
}

static void event_accepted(void *payload)
{
	struct subscription *subscription = payload;

	if (subscription->subscribed)
		subscription->subscribed(subscription->payload);
}

int docker_events(struct docker *docker, const struct docker_pair *label_filters, size_t filter_count,
				  int64_t since_nano, void (*subscribed)(void *payload), docker_event_seen *seen,
				  void *payload, const volatile int *stop, struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	HC_AUTO_TEXT path = {0};
	struct subscription subscription = {
		.seen = seen, .subscribed = subscribed, .payload = payload, .arena = arena};
	struct docker_request request = {.method = "GET",
									 .timeout_ms = -1,
									 .stream = true,
									 .piece = event_piece,
									 .accepted = event_accepted,
									 .payload = &subscription,
									 .stop = stop};
	int result;

	if (!since_nano)
		since_nano = (hc_clock_wall_ms() - OVERLAP_MS) * 1000000;
	hc_text_printf(&path, "/events?since=%" PRId64 ".%09" PRId64, since_nano / 1000000000,
				   since_nano % 1000000000);
	if (docker_path_label_filter(&path, label_filters, filter_count, err))
		return -1;
	request.path = hc_text_string(&path);
	subscription.lines = (struct docker_line){.line = event_line, .payload = &subscription};
	result = docker_perform(docker, &request, NULL, err);
	docker_line_done(&subscription.lines);
	return result ? -1 : hc_fail(err, HC_TRANSIENT, "GET /events: the engine ended the stream");
}
