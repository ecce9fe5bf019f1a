/* Command line of helvetia-probe. Exit codes: 0 yes, 1 no, 2 wrong arguments. */
#include "probe.h"

#include <string.h>
#include <unistd.h>

#define SECONDS_MOST 86400
#define TEXT_BYTES_MOST 400

static int usage(void)
{
	probe_say(STDERR_FILENO, "usage: probe watch GATE_FOLDER RESIDENT_SECONDS PORT PATH|- [HOST]\n"
							 "       probe ready PORT PATH|- DEADLINE_MS [HOST]\n"
							 "       probe listeners");
	return 2;
}

/* What goes into a request line or a header must not end it. */
static bool plain(const char *text)
{
	if (!*text || strlen(text) > TEXT_BYTES_MOST)
		return false;
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return false;
	return true;
}

static bool read_target(const char *port, const char *path, const char *host, struct probe_target *ret_target)
{
	int64_t number;

	if (!probe_number(port, 65535, &number) || !plain(path) || (host && !plain(host)))
		return false;
	*ret_target = (struct probe_target){.host = host, .port = (int)number};
	if (strcmp(path, "-") == 0)
		return true;
	ret_target->path = path;
	return path[0] == '/';
}

int main(int argc, char **argv)
{
	struct probe_target target;
	int64_t number;

	if ((argc == 6 || argc == 7) && strcmp(argv[1], "watch") == 0) {
		if (!plain(argv[2]) || !probe_number(argv[3], SECONDS_MOST, &number) ||
			!read_target(argv[4], argv[5], argv[6], &target))
			return usage();
		return probe_watch(argv[2], number * 1000, &target);
	}
	if ((argc == 5 || argc == 6) && strcmp(argv[1], "ready") == 0) {
		if (!probe_number(argv[4], SECONDS_MOST * 1000LL, &number) ||
			!read_target(argv[2], argv[3], argv[5], &target))
			return usage();
		return probe_ready(&target, number);
	}
	if (argc == 2 && strcmp(argv[1], "listeners") == 0)
		return probe_listeners();
	return usage();
}
