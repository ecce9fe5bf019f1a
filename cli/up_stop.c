/* Taking a platform down, in an order in which nobody is served an error that can be avoided: Traefik last of
 * what answers, containers by SIGTERM with time to end, and the engine only when its containers are gone
 * (with live-restore they would outlive it). Only Docker objects with our installation's label are touched.
 */
#include "up.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "docker/docker.h"
#include "model/names.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONTAINER_GRACE_MS 10000
#define CALL_MS 20000 /* removing a container of many files takes seconds; a stuck one never answers */

/* Keeps the first error, tells the others. */
static void note(struct hc_error *first, const struct hc_error *err)
{
	up_say("%s", err->text);
	if (first->class == HC_OK)
		*first = *err;
}

static size_t count_running(const struct docker_container *list, size_t count)
{
	size_t running = 0;

	for (size_t i = 0; i < count; i++)
		if (!hc_streq(list[i].state, "exited") && !hc_streq(list[i].state, "created") &&
			!hc_streq(list[i].state, "dead"))
			running++;
	return running;
}

static int remove_containers(struct up *up, struct docker *docker, const struct docker_pair *ours,
							 struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	int64_t until = hc_clock_boot_ms() + CONTAINER_GRACE_MS;
	struct docker_container *list;
	size_t count;
	int status = 0;

	if (docker_container_list(docker, arena, ours, 1, &list, &count, err))
		return -1;
	if (count)
		up_say("containers: %zu", count);
	for (size_t i = 0; i < count; i++) /* one that ended meanwhile is what we want */
		if (docker_container_kill(docker, list[i].id, "SIGTERM", NULL))
			continue;
	while (count_running(list, count) && hc_clock_boot_ms() < until) {
		up_wait_pidfd(-1, 50);
		if (docker_container_list(docker, arena, ours, 1, &list, &count, err))
			return -1;
	}
	for (size_t i = 0; i < count; i++) {
		struct hc_error problem = {0};

		if (docker_container_remove(docker, list[i].id, true, &problem) && problem.class != HC_NOT_FOUND) {
			*err = problem;
			status = -1;
		}
	}
	(void)up;
	return status;
}

static int remove_networks(struct docker *docker, const struct docker_pair *ours, struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct docker_network *list;
	size_t count;
	int status = 0;

	if (docker_network_list(docker, arena, &list, &count, err))
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct hc_error problem = {0};
		bool is_ours = false;

		for (size_t label = 0; label < list[i].label_count; label++)
			is_ours = is_ours || (hc_streq(list[i].labels[label].name, ours->name) &&
								  hc_streq(list[i].labels[label].value, ours->value));
		if (is_ours && docker_network_remove(docker, list[i].id, &problem) && problem.class != HC_NOT_FOUND) {
			*err = problem;
			status = -1;
		}
	}
	return status;
}

static int remove_firewall(struct up *up, struct hc_error *err)
{
	const char *argv[] = {up_find_program(up, "nft"), "-f", "/dev/stdin", NULL};
	/* `add` first: `delete` of an absent table is an error. */
	char *script = hc_arena_printf(up->arena, "add table inet helvetia_%s\ndelete table inet helvetia_%s\n",
								   up->installation, up->installation);

	if (!argv[0])
		return hc_fail(err, HC_NOT_FOUND, "nft is not installed: apt-get install nftables");
	return up_run(up, "nft", NULL, argv, script, err);
}

static void remove_docker_objects(struct up *up, struct hc_error *first)
{
	struct docker_pair ours = {LABEL_INSTALLATION, up->installation};
	HC_AUTO(docker) docker = NULL;
	struct hc_error err = {0};

	if (docker_open(up->docker_host, &docker, &err)) {
		note(first, &err);
		return;
	}
	docker_limit_calls(docker, CALL_MS);
	if (remove_containers(up, docker, &ours, &err))
		note(first, &err);
	err = (struct hc_error){0};
	if (remove_networks(docker, &ours, &err))
		note(first, &err);
}

/* An open gate or a mark of a container that is gone must not speak for one that gets its name later. */
static void remove_container_folders(struct up *up, struct hc_error *first)
{
	static const char *const FOLDERS[] = {"containers", "marks"};

	for (size_t i = 0; i < HC_COUNT(FOLDERS); i++) {
		struct hc_error err = {0};

		if (hc_folder_remove(up_path(up, "%s", FOLDERS[i]), &err))
			note(first, &err);
	}
}

/* An engine that is stuck on a container gives it up only with its own end; then the container is ended by
 * force. */
static void remove_with_fresh_engine(struct up *up, struct hc_error *first)
{
	struct hc_error err = {0};

	up_say("once more with a fresh engine");
	up_process_stop(up, &up->process[UP_ENGINE]);
	up_engine_clear(up);
	up->stop_requested = false; /* else nothing is waited for; a second Ctrl-C ends this attempt */
	if (up_process_ensure(up, UP_ENGINE, NULL, &err)) {
		note(first, &err);
		return;
	}
	*first = (struct hc_error){0};
	remove_docker_objects(up, first);
}

int up_stop(struct up *up, struct hc_error *err)
{
	struct hc_error first = {0}, problem = {0};

	up_process_stop(up, &up->process[UP_GIT]);
	up_process_stop(up, &up->process[UP_WORKER]);
	up_process_stop(up, &up->process[UP_CONTROLLER]);
	up_process_stop(up, &up->process[UP_TRAEFIK]);
	up_process_stop(up, &up->process[UP_API]);
	if (up->installation) {
		remove_docker_objects(up, &first);
		if (first.class != HC_OK && up->embedded_engine)
			remove_with_fresh_engine(up, &first);
		if (remove_firewall(up, &problem))
			note(&first, &problem);
	}
	if (first.class == HC_OK)
		remove_container_folders(up, &first);
	if (up->embedded_engine) {
		up_process_stop(up, &up->process[UP_ENGINE]);
		up_engine_clear(up);
	}
	up_process_stop(up, &up->process[UP_REDIS]);
	up_process_stop(up, &up->process[UP_POSTGRES]);
	unlink(up_path(up, "endpoints.json"));
	if (first.class != HC_OK) {
		*err = first;
		return -1;
	}
	unlink(up_path(up, "run/active"));
	return 0;
}

void up_abandon(struct up *up)
{
	for (size_t i = UP_PART_COUNT; i-- > 0;)
		if (up->process[i].pid && !up->process[i].adopted)
			up_process_stop(up, &up->process[i]);
	if (up->embedded_engine && !up->process[UP_ENGINE].pid)
		up_engine_clear_if_idle(up);
}

/* --- purge --- */

/* Volumes of ours on an engine that is not ours; an embedded engine's are in the state folder. */
static int remove_volumes(struct up *up, struct hc_error *err)
{
	HC_AUTO_FREE url = hc_xprintf(
		"http://docker/volumes?filters=%%7B%%22label%%22%%3A%%5B%%22%s%%3D%s%%22%%5D%%7D", LABEL_INSTALLATION,
		up->installation);
	struct up_request request = {
		.url = url, .unix_socket = up->docker_host + strlen("unix://"), .timeout_ms = 30000};
	struct up_answer answer;
	json_t *root, *volume;
	size_t index;
	int status = 0;

	if (up_http(&request, &answer, err))
		return -1;
	root = json_loads(hc_text_string(&answer.body), 0, NULL);
	if (!root)
		status = hc_fail(err, HC_TRANSIENT, "GET /volumes: HTTP %ld: %.200s", answer.status,
						 hc_text_string(&answer.body));
	hc_text_done(&answer.body);
	json_array_foreach(json_object_get(root, "Volumes"), index, volume)
	{
		const char *name = json_string_value(json_object_get(volume, "Name"));
		HC_AUTO_FREE path = hc_xprintf("http://docker/volumes/%s", name ? name : "");
		struct up_request removal = {.method = "DELETE", .url = path, .unix_socket = request.unix_socket};

		if (up_http(&removal, &answer, err)) {
			status = -1;
			continue;
		}
		if (answer.status != 204 && answer.status != 404)
			status = hc_fail(err, HC_CONFLICT, "remove volume %s: HTTP %ld: %.200s", name, answer.status,
							 hc_text_string(&answer.body));
		hc_text_done(&answer.body);
	}
	json_decref(root);
	return status;
}

int up_purge(struct up *up, struct hc_error *err)
{
	if (!up->embedded_engine && up->installation && remove_volumes(up, err))
		return hc_wrap(err, "the volumes (nothing else was removed)");
	if (up->embedded_engine)
		up_engine_clear(up);
	/* settings.json was read, so this is a state folder and no other. */
	return hc_folder_remove(up->state, err);
}
