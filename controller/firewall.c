/* See firewall.h.
 *
 * Same network or another one? nft can't compare two names of interfaces, so the /24s of the pool are listed
 * as pairs (subnet, the same subnet); what leaves a tenant bridge for a tenant bridge and is in no pair is
 * dropped. The list needs no refresh when networks come and go. Containers can't forge source addresses: they
 * have no NET_RAW. Frames inside one bridge come here at all only where br_netfilter is loaded. */
#include "firewall.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PREFIX_MIN 8
#define PREFIX_MAX 24
#define PAIRS_MAX 4096 /* of a /12; a larger pool is listed as far as this */
#define OUTPUT_BYTES_MAX 1024

extern char **environ;

static bool pool_parse(const char *pool, uint32_t *ret_base, int *ret_prefix)
{
	char address[INET_ADDRSTRLEN];
	const char *slash = strchr(pool, '/');
	struct in_addr parsed;
	char *end;
	long prefix;

	if (!slash || (size_t)(slash - pool) >= sizeof address)
		return false;
	(void)snprintf(address, sizeof address, "%.*s", (int)(slash - pool), pool);
	prefix = strtol(slash + 1, &end, 10);
	if (end == slash + 1 || *end || prefix < PREFIX_MIN || prefix > PREFIX_MAX ||
		inet_pton(AF_INET, address, &parsed) != 1)
		return false;
	*ret_prefix = (int)prefix;
	*ret_base = ntohl(parsed.s_addr) & (uint32_t)(0xffffffffU << (32 - prefix));
	return true;
}

static void pairs_append(uint32_t base, int prefix, struct hc_text *text)
{
	uint32_t count = 1U << (24 - prefix);

	if (count > PAIRS_MAX)
		count = PAIRS_MAX;
	hc_text_append(
		text, "\tset same_network {\n\t\ttype ipv4_addr . ipv4_addr\n\t\tflags interval\n\t\telements = {");
	for (uint32_t n = 0; n < count; n++) {
		uint32_t subnet = base + (n << 8);
		char name[32];

		(void)snprintf(name, sizeof name, "%u.%u.%u.0/24", subnet >> 24, (subnet >> 16) & 0xff,
					   (subnet >> 8) & 0xff);
		hc_text_printf(text, "%s%s . %s", n ? ", " : " ", name, name);
	}
	hc_text_append(text, " }\n\t}\n");
}

/* Bridges of another installation have the same prefix and another pool: in forward only ours is judged. */
static void chains_append(const char *pool, struct hc_text *text)
{
	hc_text_printf(
		text,
		"\tchain input {\n"
		"\t\ttype filter hook input priority -10; policy accept;\n"
		"\t\tiifname != \"hv-*\" accept\n"
		"\t\tct state established,related accept\n"
		"\t\tmeta l4proto { icmp, ipv6-icmp } accept\n"
		"\t\tdrop\n"
		"\t}\n"
		"\tchain forward {\n"
		"\t\ttype filter hook forward priority -10; policy accept;\n"
		"\t\tiifname != \"hv-*\" oifname != \"hv-*\" accept\n"
		"\t\tct state established,related accept\n"
		"\t\tiifname \"hv-build-*\" oifname \"hv-build-*\" drop comment \"one build from another\"\n"
		"\t\tiifname \"hv-*\" oifname \"hv-*\" ip saddr . ip daddr @same_network accept\n"
		"\t\toifname \"hv-*\" ip daddr %s drop comment \"from other tenants, and past the proxy\"\n"
		"\t\toifname \"hv-*\" ip saddr %s drop\n"
		"\t\tip saddr %s ip daddr 169.254.0.0/16 drop\n"
		"\t}\n",
		pool, pool, pool);
}

int firewall_script(const struct firewall_options *options, struct hc_text *text, struct hc_error *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	const char *installation = options->installation;
	uint32_t base;
	int prefix;

	if (!*installation || strspn(installation, allowed) != strlen(installation))
		return hc_fail(err, HC_INVALID, "firewall: installation \"%s\" must consist of a-z and 0-9",
					   installation);
	if (!pool_parse(options->pool, &base, &prefix))
		return hc_fail(err, HC_INVALID,
					   "firewall: network pool \"%s\" must be an IPv4 network from /8 to /24", options->pool);
	/* add makes the delete succeed; all is one transaction, so there is no moment without rules. */
	hc_text_printf(text,
				   "add table inet helvetia_%s\ndelete table inet helvetia_%s\ntable inet helvetia_%s {\n",
				   installation, installation, installation);
	pairs_append(base, prefix, text);
	chains_append(options->pool, text);
	if (options->masquerade)
		hc_text_printf(text,
					   "\tchain postrouting {\n"
					   "\t\ttype nat hook postrouting priority 100; policy accept;\n"
					   "\t\tip saddr %s oifname != \"hv-*\" masquerade\n"
					   "\t}\n",
					   options->pool);
	hc_text_append(text, "}\n");
	return 0;
}

static int spawn_nft(int input, int output, pid_t *ret_pid, struct hc_error *err)
{
	char *arguments[] = {(char[]){"nft"}, (char[]){"-f"}, (char[]){"-"}, NULL};
	posix_spawn_file_actions_t actions;
	int error;

	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	(void)posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	(void)posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
	error = posix_spawnp(ret_pid, "nft", &actions, NULL, arguments, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	if (error)
		return hc_fail(err, error == ENOENT ? HC_NOT_FOUND : HC_TRANSIENT, "start nft: %s", strerror(error));
	return 0;
}

static void close_now(int *fd)
{
	hc_fd_cleanup(fd);
	*fd = -1;
}

static void write_all(int fd, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, data, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return; /* nft has ended early; its exit code and words tell why */
		data += written;
		length -= (size_t)written;
	}
}

/* What nft said, as one line: the first error is what matters. */
static void read_output(int fd, char output[OUTPUT_BYTES_MAX])
{
	size_t length = 0;
	char rest[512];
	ssize_t got;

	while (length + 1 < OUTPUT_BYTES_MAX &&
		   (got = read(fd, output + length, OUTPUT_BYTES_MAX - 1 - length)) > 0)
		length += (size_t)got;
	output[length] = '\0';
	output[strcspn(output, "\n")] = '\0';
	while (read(fd, rest, sizeof rest) > 0)
		continue; /* so that nft never blocks on a full pipe */
}

int firewall_apply(const struct firewall_options *options, struct hc_error *err)
{
	HC_AUTO_TEXT script = {0};
	HC_AUTO_FD input_read = -1;
	HC_AUTO_FD input_write = -1;
	HC_AUTO_FD output_read = -1;
	HC_AUTO_FD output_write = -1;
	char output[OUTPUT_BYTES_MAX];
	int pipes[4];
	pid_t pid;
	int status = 0;

	if (firewall_script(options, &script, err))
		return -1;
	if (pipe2(pipes, O_CLOEXEC))
		return hc_fail(err, HC_TRANSIENT, "pipe to nft: %s", strerror(errno));
	input_read = pipes[0];
	input_write = pipes[1];
	if (pipe2(pipes + 2, O_CLOEXEC))
		return hc_fail(err, HC_TRANSIENT, "pipe from nft: %s", strerror(errno));
	output_read = pipes[2];
	output_write = pipes[3];
	if (spawn_nft(input_read, output_write, &pid, err))
		return -1;
	close_now(&input_read);
	close_now(&output_write);
	write_all(input_write, script.data, script.length);
	close_now(&input_write);
	read_output(output_read, output);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return hc_fail(err, HC_TRANSIENT, "nft refused our table: %s", output);
	return 0;
}
