/* Traefik: its static file, and the one dynamic file of ours (default certificate, the route to the API).
 * Routes of applications come from containers' labels; the controller may put files of its own beside. Every
 * setting that is not obvious is measured (docs/decisions). */
#include "up.h"

#include "base/alloc.h"
#include "base/file.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static int ready(struct up *up, struct hc_error *err)
{
	struct up_request request = {
		.url = hc_arena_printf(up->arena, "http://127.0.0.1:%d/api/overview", up->traefik_port)};

	return up_http_expect_ok(&request, err);
}

static int before_start(struct up *up, struct hc_error *err)
{
	if (up_port_require(up->http_port, false, "applications (HTTP)", "--http-port", err) ||
		up_port_require(up->https_port, false, "applications (HTTPS)", "--https-port", err) ||
		up_port_require(up->traefik_port, true, "Traefik's own API", NULL, err))
		return -1;
	return 0;
}

/* Throttle 50 ms and an own default certificate: 22 ms from gate to route, where stock settings take 1.7 s.
 * dialTimeout 1 s: a dead replica costs a second, not half a minute. The constraint keeps other
 * installations' containers out. */
static char *static_file(struct up *up)
{
	return hc_arena_printf(up->arena,
						   "[global]\n"
						   "checkNewVersion = false\n"
						   "sendAnonymousUsage = false\n"
						   "[log]\n"
						   "level = \"INFO\"\n"
						   "noColor = true\n"
						   "[entryPoints.web]\n"
						   "address = \":%d\"\n"
						   "[entryPoints.websecure]\n"
						   "address = \":%d\"\n"
						   "[entryPoints.websecure.http.tls]\n"
						   "[entryPoints.traefik]\n"
						   "address = \"127.0.0.1:%d\"\n"
						   "[api]\n"
						   "insecure = true\n"
						   "dashboard = false\n"
						   "[ping]\n"
						   "[providers]\n"
						   "providersThrottleDuration = \"50ms\"\n"
						   "[providers.docker]\n"
						   "endpoint = \"%s\"\n"
						   "exposedByDefault = false\n"
						   "constraints = \"Label(`cloud.helvetia.installation`,`%s`)\"\n"
						   "[providers.file]\n"
						   "directory = \"%s\"\n"
						   "watch = true\n"
						   "[serversTransport.forwardingTimeouts]\n"
						   "dialTimeout = \"1s\"\n",
						   up->http_port, up->https_port, up->traefik_port, up->docker_host, up->installation,
						   up_path(up, "traefik/dynamic"));
}

static char *dynamic_file(struct up *up)
{
	return hc_arena_printf(up->arena,
						   "[[tls.certificates]]\n"
						   "certFile = \"%s\"\n"
						   "keyFile = \"%s\"\n"
						   "[tls.stores.default.defaultCertificate]\n"
						   "certFile = \"%s\"\n"
						   "keyFile = \"%s\"\n"
						   "[http.routers.helvetia-api]\n"
						   "rule = \"Host(`api.%s`)\"\n"
						   "entryPoints = [\"websecure\"]\n"
						   "priority = 2000000000\n"
						   "service = \"helvetia-api\"\n"
						   "[[http.services.helvetia-api.loadBalancer.servers]]\n"
						   "url = \"https://127.0.0.1:%d\"\n"
						   "[http.services.helvetia-api.loadBalancer]\n"
						   "serversTransport = \"helvetia-api\"\n"
						   "[http.serversTransports.helvetia-api]\n"
						   "rootCAs = [\"%s\"]\n",
						   up_path(up, "certificates/api.crt"), up_path(up, "certificates/api.key"),
						   up_path(up, "certificates/default.crt"), up_path(up, "certificates/default.key"),
						   up->domain, up->api_port, up_path(up, "certificates/ca.crt"));
}

int up_traefik_write(struct up *up, struct hc_error *err)
{
	const char *dynamic = dynamic_file(up);

	if (hc_folder_make(up_path(up, "traefik/dynamic"), 0700, err) ||
		up_file_for(up_path(up, "traefik/traefik.toml"), NULL, static_file(up), err) ||
		hc_file_write(up_path(up, "traefik/dynamic/platform.toml"), dynamic, strlen(dynamic), 0600, err))
		return -1;
	return 0;
}

int up_traefik_prepare(struct up *up, struct hc_error *err)
{
	struct up_process *process = &up->process[UP_TRAEFIK];
	char *path = up_path(up, "traefik/traefik.toml");
	char *program = up->options.traefik ? hc_arena_strdup(up->arena, up->options.traefik)
										: up_find_program(up, "traefik");

	if (!program)
		return hc_fail(err, HC_NOT_FOUND,
					   "traefik is not on PATH: install Traefik v3, or name it with --traefik");
	process->configuration = static_file(up);
	if (up_traefik_write(up, err))
		return -1;
	process->argv = up_arguments(
		up, (const char *[]){program, hc_arena_printf(up->arena, "--configFile=%s", path), NULL});
	process->stop_wait_ms = 15000;
	process->before_start = before_start;
	process->ready = ready;
	return 0;
}
