/* Why a replica isn't up, in a person's words: from what was observed to a clause that says what happened and
 * what helps (cases E-1 … E-31 of README.md). The same words are a Deployment's message, a Service's
 * condition, and what `helvetia explain` prints. */
#include "base/text.h"
#include "model/names.h"
#include "rollout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DAY_S 86400

/* --- what programs and the engine say
 * -------------------------------------------------------------------------------------- */

struct sign {
	const char *text; /* in the engine's error or the last lines */
	const char *advice;
};

/* The first that is found counts. */
static const struct sign signs[] = {
	{"xec format error",
	 "its program is built for another kind of processor: build the image for this machine's"},
	{"No space left on device", "the disk is full: free space on the machine"},
	{"address already in use", "its port is taken inside its own container: start one server only"},
	{"EADDRINUSE", "its port is taken inside its own container: start one server only"},
	{"Cannot find module",
	 "a module is missing in the image: add it to the dependencies that the build installs"},
	{"ModuleNotFoundError",
	 "a module is missing in the image: add it to the dependencies that the build installs"},
	{"no such host", "a host name that it needs is unknown: an internal Service is reached by its name"},
	{"Name or service not known",
	 "a host name that it needs is unknown: an internal Service is reached by its name"},
	{"ENOTFOUND", "a host name that it needs is unknown: an internal Service is reached by its name"},
	{"ECONNREFUSED",
	 "something that it needs refuses connections: see the address in spec.env, and whether that runs"},
	{"onnection refused",
	 "something that it needs refuses connections: see the address in spec.env, and whether that "
	 "runs"},
	{"ermission denied", "its user may not do that: see owner and mode of the file in the image"},
	{"EACCES", "its user may not do that: see owner and mode of the file in the image"},
};

static const char *sign_of(const char *text)
{
	for (size_t index = 0; index < HC_COUNT(signs); index++) {
		if (strstr(text, signs[index].text))
			return signs[index].advice;
	}
	return NULL;
}

static bool is_name(char letter)
{
	return (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') || letter == '_';
}

/* A name as variables have: capitals with an underscore in between. */
static const char *variable_in(const char *line, size_t length, struct hc_arena *arena)
{
	for (size_t from = 0; from < length; from++) {
		size_t to = from;

		if (!is_name(line[from]) || (from && is_name(line[from - 1])))
			continue;
		while (to < length && is_name(line[to]))
			to++;
		if (to - from >= 4 && memchr(line + from + 1, '_', to - from - 2) &&
			strncmp(line + from, "ERR_", 4) != 0)
			return hc_arena_strndup(arena, line + from, to - from);
		from = to;
	}
	return NULL;
}

/* E-8: a line that names a variable and says that it is missing. Lines are joined by '|'. */
static const char *missing_variable(const char *tail, struct hc_arena *arena)
{
	static const char *const words[] = {"not set",  "required", "missing",   "undefined",
										"KeyError", "must be",  "not found", "no value"};

	for (const char *line = tail; *line; line += strcspn(line, "|"), line += *line == '|') {
		size_t length = strcspn(line, "|");
		const char *text = hc_arena_strndup(arena, line, length);

		for (size_t index = 0; index < HC_COUNT(words); index++) {
			const char *name = strstr(text, words[index]) ? variable_in(line, length, arena) : NULL;

			if (name)
				return name;
		}
	}
	return NULL;
}

static const char *advice_of(const char *tail, struct hc_arena *arena)
{
	const char *name = missing_variable(tail, arena);
	const char *advice = sign_of(tail);

	if (name && !advice)
		return hc_arena_printf(arena, "it asks for the variable %s: give it in spec.env", name);
	return advice;
}

/* --- ended
 * -----------------------------------------------------------------------------------------------------------------
 */

const char *explain_error(const char *error)
{
	const char *advice = sign_of(error);

	if (!advice && (strstr(error, "o such file") || strstr(error, "not found")))
		return "there is no such program in the image: see spec.startCommand and the image's entry point";
	return advice ? advice : "see spec.startCommand and the image";
}

/* Docker's init reports so that it couldn't execute the program: not found, or not executable. */
bool explain_never_began(const struct container_view *container)
{
	return (container->exit_code == 127 || container->exit_code == 126) && container->log_tail &&
		   strstr(container->log_tail, "[FATAL tini");
}

static const char *signal_text(int exit_code)
{
	switch (exit_code) {
	case 128 + 6:
		return " (it aborted)";
	case 128 + 9:
		return " (killed by hand, or because the machine's memory ran out)";
	case 128 + 11:
		return " (it crashed: segmentation fault)";
	case 128 + 15:
		return " (somebody sent it SIGTERM)";
	default:
		return "";
	}
}

const char *explain_ended(const struct container_view *container, struct hc_arena *arena)
{
	const char *tail = container->log_tail ? container->log_tail : "";
	int64_t up_ms = container->finished_wall_ms - container->started_wall_ms;
	const char *advice = advice_of(tail, arena);

	if (container->error && container->error[0])
		return hc_arena_printf(arena, "can't be started: %s; %s", container->error,
							   explain_error(container->error));
	if (container->out_of_memory)
		return hc_arena_printf(arena,
							   "was killed because it needed more than its %" PRId64
							   " MiB of memory: raise spec.resources.memory",
							   container->memory_bytes / (1024 * 1024));
	if (explain_never_began(container))
		return hc_arena_printf(arena, "can't be started: %s; %s", tail, explain_error(tail));
	if (!advice && container->exit_code == 0 && tail[0])
		advice = "a service must stay in the foreground; what runs once is spec.releaseCommand";
	if (up_ms < 0 || !container->finished_wall_ms)
		up_ms = 0;
	return hc_arena_printf(
		arena, "exited with code %d%s after %" PRId64 ".%d s%s%s%s%s", container->exit_code,
		signal_text(container->exit_code), up_ms / 1000, (int)(up_ms % 1000 / 100),
		tail[0] ? "; last lines: " : "; it wrote nothing: a service must stay in the foreground", tail,
		advice ? "; " : "", advice ? advice : "");
}

/* --- up, and no answer
 * ----------------------------------------------------------------------------------------------------- */

static bool is_loopback(const char *address)
{
	return hc_starts_with(address, "127.") || strcmp(address, "::1") == 0;
}

/* E-20 … E-23. */
static const char *explain_refused(const struct deployment_view *deployment,
								   const struct container_view *container, struct hc_arena *arena)
{
	const struct listen_view *other = NULL, *inside = NULL;
	int wanted = deployment->template.internal_port;

	if (!container->listens_known)
		return hc_arena_printf(arena, "%s; it must listen on 0.0.0.0 (not 127.0.0.1) and the port in PORT",
							   container->probe_message);
	for (size_t index = 0; index < container->listen_count; index++) {
		const struct listen_view *listen = &container->listens[index];

		if (is_loopback(listen->address) && (!inside || listen->port == wanted))
			inside = listen;
		else if (!is_loopback(listen->address) && !other)
			other = listen;
	}
	if (inside && inside->port == wanted)
		return hc_arena_printf(arena,
							   "it listens on %s:%d only, which nobody outside its container reaches: "
							   "listen on 0.0.0.0",
							   inside->address, inside->port);
	if (other)
		return hc_arena_printf(arena,
							   "it listens on port %d: set spec.internalPort to %d, or listen on the port in "
							   "PORT",
							   other->port, other->port);
	if (inside)
		return hc_arena_printf(arena, "it listens on %s:%d: listen on 0.0.0.0 and the port in PORT (%d)",
							   inside->address, inside->port, wanted);
	return hc_arena_printf(
		arena, "it listens on no port: it must listen on 0.0.0.0 and the port in PORT (%d)", wanted);
}

/* E-24 … E-28: "GET /x on 10.0.0.1:3000 answered 404". */
static const char *explain_status(const struct deployment_view *deployment, const char *seen, int status,
								  struct hc_arena *arena)
{
	const char *path = deployment->template.health_check.path;

	if (path && status == 404)
		return hc_arena_printf(arena, "%s: there is no %s in it: correct spec.healthCheck.path", seen, path);
	if (path && (status == 401 || status == 403))
		return hc_arena_printf(arena, "%s: spec.healthCheck.path must be one that asks for no login", seen);
	if (path)
		return hc_arena_printf(arena, "%s, not 2xx or 3xx: see its log", seen);
	return hc_arena_printf(arena, "%s: the application itself fails, see its log", seen);
}

const char *explain_mute(const struct deployment_view *deployment, const struct container_view *container,
						 struct hc_arena *arena)
{
	const char *seen = container->probe_message ? container->probe_message : "";
	const char *answered = strstr(seen, " answered ");
	int status = 0;

	if (hc_starts_with(seen, "connection refused"))
		return explain_refused(deployment, container, arena);
	if (answered && sscanf(answered, " answered %d", &status) == 1)
		return explain_status(deployment, seen, status, arena);
	if (strstr(seen, "no answer within"))
		return hc_arena_printf(
			arena, "%s; it accepts connections, and is busy or waits for something: see its log", seen);
	return seen;
}

/* --- together
 * --------------------------------------------------------------------------------------------------------------
 */

const char *explain_clock(const struct service_world *world, int64_t boot_ms, struct hc_arena *arena)
{
	/* The two clocks are read one after the other: rounded, the same moment has the same text in each pass.
	 */
	int64_t offset_s = (world->wall_ms - world->boot_ms + 500) / 1000;
	int64_t second = (offset_s + boot_ms / 1000) % DAY_S;

	return hc_arena_printf(arena, "%02d:%02d:%02d UTC", (int)(second / 3600), (int)(second / 60 % 60),
						   (int)(second % 60));
}

static const char *next_try(const struct rollout *rollout)
{
	const struct service_world *world = rollout->world;
	const struct deployment_view *serving = rollout->serving;

	if (!serving || !rollout_this_boot(world, &serving->restart_not_before) ||
		serving->restart_not_before.at_ms <= world->boot_ms)
		return "it is started again now";
	return hc_arena_printf(rollout->arena, "it is started again at %s, try %d",
						   explain_clock(world, serving->restart_not_before.at_ms, rollout->arena),
						   serving->restart_attempts + 1);
}

/* E-30: of what should serve. */
const char *explain_serving(const struct rollout *rollout)
{
	const struct service_world *world = rollout->world;
	const struct container_view *mute = NULL;

	for (int ordinal = 0; ordinal < rollout->replicas; ordinal++) {
		const struct container_view *container = rollout_find(rollout, rollout->current, ordinal);

		if (!container && !world->current_image.known)
			continue;
		if (!container)
			return hc_arena_printf(rollout->arena, "replica %d is missing%s", ordinal,
								   world->current_image.present
									   ? "; it is made again"
									   : " and the image is gone from the engine: it is had again");
		if (container->term_sent_boot_ms)
			continue;
		if (container->state == CONTAINER_RESTARTING)
			return hc_arena_printf(rollout->arena,
								   "%s %s; the engine has started it %d times and does so again within "
								   "a minute",
								   container->name, explain_ended(container, rollout->arena),
								   container->restarts);
		if (container->state == CONTAINER_EXITED ||
			(container->state == CONTAINER_CREATED && container->error && container->error[0]))
			return hc_arena_printf(rollout->arena, "%s %s; %s", container->name,
								   explain_ended(container, rollout->arena), next_try(rollout));
		if (!mute && rollout_running(container) && !rollout_ready(container) && container->probe_message &&
			container->probe_message[0])
			mute = container;
	}
	if (!mute)
		return NULL;
	return hc_arena_printf(rollout->arena, "%s does not answer%s: %s", mute->name,
						   mute->gate_open ? " and stays routed, as the last one" : "",
						   explain_mute(rollout->current, mute, rollout->arena));
}

/* E-31: of an attempt that is Starting. The first seconds need no words. */
const char *explain_starting(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;
	const struct deployment_view *attempt = rollout->attempt;
	int64_t deadline_ms = attempt->started.at_ms + world->service.spec.deadline_seconds * INT64_C(1000);

	if (attempt->stage != STAGE_STARTING || attempt->template.expose == EXPOSE_NONE)
		return NULL;
	for (int ordinal = 0; ordinal < rollout->replicas; ordinal++) {
		const struct container_view *container = rollout_find(rollout, attempt, ordinal);
		int64_t up_ms = container ? world->wall_ms - container->started_wall_ms : 0;

		if (!container || !rollout_running(container) || container->probe == PROBE_READY ||
			!container->probe_message || !container->probe_message[0])
			continue;
		if (up_ms < ROLLOUT_EXPLAIN_AFTER_MS) {
			plan_wake_at(plan, world->boot_ms + ROLLOUT_EXPLAIN_AFTER_MS - (up_ms > 0 ? up_ms : 0));
			continue;
		}
		return hc_arena_printf(rollout->arena, "%s does not answer on port %d yet: %s; given up at %s",
							   container->name, attempt->template.internal_port,
							   explain_mute(attempt, container, rollout->arena),
							   explain_clock(world, deadline_ms, rollout->arena));
	}
	return NULL;
}
