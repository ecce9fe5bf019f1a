/* See load.h.
 *
 *   helvetia-load HTTP-PORT HTTPS-PORT RATE HOST…
 *
 * Commands on standard input: `floor HOST REVISION` (requests that begin from now on are answered by this
 * revision or a later one) and `end` (or its end): nothing new begins, what is in flight is waited for, and a
 * JSON report goes to standard output, where the line `running` told of the first answer. Exit code 0: no
 * request failed, none was answered by an old revision.
 */
#include "load.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t load_now_ms(void)
{
	return now_ns() / 1000000;
}

int64_t load_floor(struct load *load, int host)
{
	int64_t floor;

	(void)pthread_mutex_lock(&load->mutex);
	floor = load->hosts[host].floor;
	(void)pthread_mutex_unlock(&load->mutex);
	return floor;
}

void load_note(struct load *load, struct load_count *count, const char *kind, int host, int64_t floor,
			   int64_t revision, bool late, const char *problem)
{
	bool stale = !problem && revision < floor;
	char text[96] = "";

	(void)pthread_mutex_lock(&load->mutex);
	count->requests++;
	count->late += late;
	count->failed += problem && !late;
	count->stale += stale;
	if (stale)
		(void)snprintf(text, sizeof text, "answered by revision %" PRId64 " after %" PRId64 " was routed",
					   revision, floor);
	if ((problem || stale) && load->failure_count < LOAD_FAILURES_SHOWN)
		(void)snprintf(load->failures[load->failure_count++], sizeof load->failures[0], "%s %s: %s", kind,
					   load->hosts[host].name, problem ? problem : text);
	(void)pthread_mutex_unlock(&load->mutex);
}

/* --- commands
 * --------------------------------------------------------------------------------------------------------------
 */

static void set_floor(struct load *load, const char *name, int64_t revision)
{
	(void)pthread_mutex_lock(&load->mutex);
	for (int host = 0; host < load->host_count; host++) {
		if (strcmp(load->hosts[host].name, name) == 0 && load->hosts[host].floor < revision)
			load->hosts[host].floor = revision;
	}
	(void)pthread_mutex_unlock(&load->mutex);
}

/* What has arrived; lines may come in pieces. False: the end. */
static bool take_commands(struct load *load)
{
	static char buffer[4096];
	static size_t length;
	ssize_t got = read(STDIN_FILENO, buffer + length, sizeof buffer - 1 - length);
	char *line = buffer, *end;

	if (got <= 0)
		return false;
	length += (size_t)got;
	buffer[length] = '\0';
	while ((end = strchr(line, '\n'))) {
		char name[256];
		int64_t revision;

		*end = '\0';
		if (strcmp(line, "end") == 0)
			return false;
		if (sscanf(line, "floor %255s %" SCNd64, name, &revision) == 2)
			set_floor(load, name, revision);
		line = end + 1;
	}
	length -= (size_t)(line - buffer);
	memmove(buffer, line, length + 1);
	return true;
}

/* --- the schedule
 * ----------------------------------------------------------------------------------------------------------
 */

/* Kinds by their shares in a fixed order that mixes them: Knuth's multiplicative hash of the number. */
static size_t kind_of(uint64_t number)
{
	int place = (int)((number * 2654435761U) % 4294967296U % 1000);

	for (size_t kind = 0; kind < load_kind_count; kind++) {
		place -= load_kinds[kind].share;
		if (place < 0)
			return kind;
	}
	return 0;
}

static void run(struct load *load, struct load_http *http)
{
	int64_t step_ns = 1000000000 / load->rate, due_ns = now_ns();
	uint64_t number = 0;
	bool open = true, said = false;

	while (open) {
		int64_t now = now_ns(), wait_ms;

		for (; due_ns <= now; due_ns += step_ns, number++) {
			if ((now - due_ns) / 1000000 > load->lag_ms)
				load->lag_ms = (now - due_ns) / 1000000;
			load_http_begin(http, kind_of(number), (int)(number % (uint64_t)load->host_count));
		}
		if (!said && load->counts[0].requests) {
			(void)printf("running\n");
			(void)fflush(stdout);
			said = true;
		}
		wait_ms = (due_ns - now) / 1000000;
		if (load_http_work(http, (int)wait_ms, STDIN_FILENO))
			open = take_commands(load);
	}
	(void)pthread_mutex_lock(&load->mutex);
	load->ending = true;
	(void)pthread_mutex_unlock(&load->mutex);
	while (load_http_in_flight(http))
		(void)load_http_work(http, 100, -1);
}

/* --- the report
 * ------------------------------------------------------------------------------------------------------------
 */

static int64_t percentile(const struct load *load, int64_t thousandths)
{
	int64_t all = 0, seen = 0;

	for (int ms = 0; ms < LOAD_MS_MOST; ms++)
		all += load->milliseconds[ms];
	for (int ms = 0; ms < LOAD_MS_MOST; ms++) {
		seen += load->milliseconds[ms];
		if (seen * 1000 >= all * thousandths && seen)
			return ms;
	}
	return 0;
}

static void add(struct load_count *sum, const struct load_count *count)
{
	sum->requests += count->requests;
	sum->failed += count->failed;
	sum->late += count->late;
	sum->retried += count->retried;
	sum->stale += count->stale;
}

static void print_count(const char *name, const struct load_count *count)
{
	(void)printf("\"%s\": {\"requests\": %" PRId64 ", \"failed\": %" PRId64 ", \"late\": %" PRId64
				 ", \"retried\": %" PRId64 ", \"stale\": %" PRId64 "}",
				 name, count->requests, count->failed, count->late, count->retried, count->stale);
}

static void print_text(const char *text)
{
	(void)putchar('"');
	for (; *text; text++) {
		if ((unsigned char)*text >= ' ')
			(void)printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	}
	(void)putchar('"');
}

static bool report(const struct load *load)
{
	struct load_count sum = {0};

	(void)printf("{\"kinds\": {");
	for (size_t kind = 0; kind < load_kind_count; kind++) {
		add(&sum, &load->counts[kind]);
		print_count(load_kinds[kind].name, &load->counts[kind]);
		(void)printf(", ");
	}
	add(&sum, &load->sockets);
	print_count("WebSocket", &load->sockets);
	(void)printf("}, ");
	print_count("all", &sum);
	(void)printf(", \"messages\": %" PRId64 ", \"unsent\": %" PRId64 ", \"lagMs\": %" PRId64
				 ", \"ms\": {\"50\": %" PRId64 ", \"99\": %" PRId64 ", \"99.9\": %" PRId64
				 ", \"100\": %" PRId64 "}, \"failures\": [",
				 load->messages, load->unsent, load->lag_ms, percentile(load, 500), percentile(load, 990),
				 percentile(load, 999), percentile(load, 1000));
	for (int index = 0; index < load->failure_count; index++) {
		(void)printf(index ? ", " : "");
		print_text(load->failures[index]);
	}
	(void)printf("]}\n");
	return !sum.failed && !sum.late && !sum.retried && !sum.stale && !load->unsent;
}

int main(int argc, char **argv)
{
	static struct load load = {.mutex = PTHREAD_MUTEX_INITIALIZER};
	struct load_http *http;
	pthread_t socket_thread;
	bool good;

	if (argc < 5 || argc - 4 > LOAD_HOSTS_MOST || (load.rate = (int)strtol(argv[3], NULL, 10)) <= 0) {
		(void)fprintf(stderr, "usage: helvetia-load HTTP-PORT HTTPS-PORT RATE HOST…\n");
		return 2;
	}
	load.http_port = (int)strtol(argv[1], NULL, 10);
	load.https_port = (int)strtol(argv[2], NULL, 10);
	for (int index = 4; index < argc; index++)
		load.hosts[load.host_count++].name = argv[index];
	http = load_http_open(&load);
	if (pthread_create(&socket_thread, NULL, load_socket_run, &load))
		abort();
	run(&load, http);
	(void)pthread_join(socket_thread, NULL);
	good = report(&load);
	load_http_close(http);
	return good ? 0 : 1;
}
