/* helvetia-controller: its command line; ready means that it answers and leads. */
#include "up.h"

#include "base/alloc.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static int ready(struct up *up, struct hc_error *err)
{
	struct up_request request = {.url = "http://controller/leader",
								 .unix_socket = up_path(up, "run/controller.sock")};
	struct up_answer answer;
	json_t *root = NULL;
	const char *trouble = "";
	int leader = 0;

	if (up_http(&request, &answer, err))
		return -1;
	if (answer.status == 200)
		root = json_loads(hc_text_string(&answer.body), 0, NULL);
	if (!root || json_unpack(root, "{s:b,s?s}", "leader", &leader, "trouble", &trouble))
		hc_fail(err, HC_TRANSIENT, "GET /leader: HTTP %ld: %.200s", answer.status,
				hc_text_string(&answer.body));
	else if (!leader)
		hc_fail(err, HC_TRANSIENT, "it does not lead yet: %s", *trouble ? trouble : "it has just started");
	json_decref(root);
	hc_text_done(&answer.body);
	return leader ? 0 : -1;
}

int up_controller_prepare(struct up *up, struct hc_error *err)
{
	struct up_process *process = &up->process[UP_CONTROLLER];
	const char *argv[] = {hc_arena_printf(up->arena, "%s/helvetia-controller", up->programs),
						  "--database",
						  up->database_url,
						  "--state",
						  up->state,
						  "--domain",
						  up->domain,
						  "--docker",
						  up->docker_host,
						  "--traefik-api",
						  hc_arena_printf(up->arena, "http://127.0.0.1:%d", up->traefik_port),
						  "--public-http",
						  hc_arena_printf(up->arena, "127.0.0.1:%d", up->http_port),
						  "--public-https",
						  hc_arena_printf(up->arena, "127.0.0.1:%d", up->https_port),
						  "--probe",
						  hc_arena_printf(up->arena, "%s/helvetia-probe", up->programs),
						  "--socket",
						  up_path(up, "run/controller.sock"),
						  "--network-pool",
						  up->network_pool,
						  "--redis",
						  up->redis_url,
						  "--queue",
						  QUEUE_NAME,
						  up->embedded_engine ? "--embedded-engine" : NULL,
						  NULL};

	(void)err;
	process->argv = up_arguments(up, argv);
	process->ready_within_ms = 60000;
	process->ready = ready;
	return 0;
}
