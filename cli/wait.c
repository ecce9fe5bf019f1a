/* See wait.h. Asks each object four times a second over one kept connection; on a terminal the lines are
 * written over each other, elsewhere a line is written when something changed. */
#include "wait.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "command.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASK_EVERY_MS 250

enum outcome { WAITING, REACHED, REFUSED };

struct line {
	char text[512]; /* without the elapsed time, which alone is no change */
	int64_t ended_ms;
	enum outcome outcome;
};

void wait_targets_add(struct wait_targets *targets, const char *namespace_name, const char *name, bool gone)
{
	targets->items = hc_xrealloc_array(targets->items, targets->count + 1, sizeof *targets->items);
	targets->items[targets->count++] = (struct wait_target){
		.namespace_name = hc_xstrdup(namespace_name), .name = hc_xstrdup(name), .gone = gone};
}

void wait_targets_done(struct wait_targets *targets)
{
	for (size_t index = 0; index < targets->count; index++) {
		free(targets->items[index].namespace_name);
		free(targets->items[index].name);
	}
	free(targets->items);
	*targets = (struct wait_targets){0};
}

/* A Service is settled when its status speaks of this generation and Ready is no longer Unknown. "Degraded"
 * heals by itself, so that one is waited for too. */
static enum outcome judge(const json_t *service)
{
	const json_t *ready = json_condition(service, "Ready");
	const char *status = json_text_at(ready, "status", NULL);
	bool seen = json_number_at(service, "status", "observedGeneration", NULL) >=
				json_number_at(service, "metadata", "generation", NULL);

	if (!seen || !ready || strcmp(status, "Unknown") == 0)
		return WAITING;
	if (strcmp(status, "True") == 0)
		return REACHED;
	return strcmp(json_text_at(ready, "reason", NULL), "Degraded") == 0 ? WAITING : REFUSED;
}

static void describe(const struct wait_target *target, const json_t *service, struct line *line)
{
	const json_t *ready = json_condition(service, "Ready");
	const char *message = json_text_at(ready, "message", NULL);

	if (target->gone)
		line->outcome = service ? WAITING : REACHED;
	else
		line->outcome = judge(service);
	if (!service) {
		(void)snprintf(line->text, sizeof line->text, "service/%s gone", target->name);
		return;
	}
	(void)snprintf(line->text, sizeof line->text, "service/%s %s %s %lld/%lld%s%s", target->name,
				   json_text_at(service, "status", "phase", NULL), json_text_at(ready, "reason", NULL),
				   (long long)json_number_at(service, "status", "readyReplicas", NULL),
				   (long long)json_number_at(service, "spec", "replicas", NULL), *message ? ": " : "",
				   message);
	if (line->outcome == REACHED && *json_text_at(service, "status", "url", NULL))
		(void)snprintf(line->text, sizeof line->text, "service/%s %s %s", target->name,
					   json_text_at(service, "status", "phase", NULL),
					   json_text_at(service, "status", "url", NULL));
}

static int ask(struct client *client, const struct wait_target *target, struct line *line, bool *ret_changed)
{
	HC_AUTO_FREE path = client_path("services", target->namespace_name, target->name);
	struct line before = *line;
	json_t *service;
	int code = client_find(client, path, &service);

	if (code != COMMAND_DONE)
		return code;
	if (!service && !target->gone) {
		fprintf(stderr, "helvetia: service %s is gone\n", target->name);
		return COMMAND_NOT_FOUND;
	}
	describe(target, service, line);
	json_decref(service);
	*ret_changed = strcmp(before.text, line->text) != 0 || before.outcome != line->outcome;
	return COMMAND_DONE;
}

static void print_line(const struct line *line, int64_t started_ms, bool terminal)
{
	int64_t end_ms = line->ended_ms ? line->ended_ms : hc_clock_boot_ms();
	const char *sign = line->outcome == REACHED ? "✓" : line->outcome == REFUSED ? "✗" : "…";

	fprintf(stderr, "%s%s %6.1fs %s\n", terminal ? "\033[2K" : "", sign, (double)(end_ms - started_ms) / 1000,
			line->text);
}

/* One round over all targets; *ret_open counts those that are not settled. */
static int ask_all(struct client *client, const struct wait_targets *targets, struct line *lines,
				   int64_t started_ms, bool terminal, size_t *ret_open)
{
	*ret_open = 0;
	for (size_t index = 0; index < targets->count; index++) {
		bool changed = false;
		int code;

		if (lines[index].outcome != WAITING)
			continue;
		code = ask(client, &targets->items[index], &lines[index], &changed);
		if (code != COMMAND_DONE)
			return code;
		if (lines[index].outcome == WAITING)
			(*ret_open)++;
		else
			lines[index].ended_ms = hc_clock_boot_ms();
		if (changed && !terminal)
			print_line(&lines[index], started_ms, false);
	}
	return COMMAND_DONE;
}

static int settled(const struct wait_targets *targets, const struct line *lines, bool timed_out, int seconds)
{
	int code = COMMAND_DONE;

	for (size_t index = 0; index < targets->count; index++) {
		if (lines[index].outcome == REFUSED)
			code = COMMAND_ROLLOUT_FAILED;
	}
	if (code == COMMAND_DONE && timed_out) {
		fprintf(stderr,
				"helvetia: not so within %d s; it goes on without you: `helvetia status` shows how far\n",
				seconds);
		return COMMAND_TIMEOUT;
	}
	return code;
}

int wait_for(struct client *client, const struct wait_targets *targets, int timeout_seconds)
{
	bool terminal = isatty(STDERR_FILENO);
	struct line *lines = hc_xalloc((targets->count + 1) * sizeof *lines);
	int64_t started_ms = hc_clock_boot_ms();
	bool timed_out = false;
	bool first = true;
	size_t open_count = 0;
	int code;

	for (;;) {
		code = ask_all(client, targets, lines, started_ms, terminal, &open_count);
		if (code != COMMAND_DONE)
			break;
		if (terminal) {
			if (!first)
				fprintf(stderr, "\033[%zuA", targets->count);
			for (size_t index = 0; index < targets->count; index++)
				print_line(&lines[index], started_ms, true);
		}
		first = false;
		timed_out = open_count && hc_clock_boot_ms() - started_ms > (int64_t)timeout_seconds * 1000;
		if (!open_count || timed_out)
			break;
		(void)poll(NULL, 0, ASK_EVERY_MS);
	}
	if (code == COMMAND_DONE)
		code = settled(targets, lines, timed_out, timeout_seconds);
	free(lines);
	return code;
}
