/* See the header. */
#include "node_pods.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "model/names.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CALL_LIMIT_MS 4000 /* of one question to the engine: whoever waits here is a person */
#define CONTAINER "app"    /* the name of a Pod's only container */

static const char *label(const struct docker_container *container, const char *name)
{
	for (size_t index = 0; index < container->label_count; index++)
		if (strcmp(container->labels[index].name, name) == 0)
			return container->labels[index].value;
	return "";
}

/* shop-r7 */
static char *deployment_of(const struct docker_container *container)
{
	return hc_xprintf("%s-r%s", label(container, LABEL_SERVICE), label(container, LABEL_REVISION));
}

/* shop-r7-0: the container's name without the namespace's hash. Caller frees. */
static char *pod_name(const struct docker_container *container)
{
	return hc_xprintf("%s-r%s-%s", label(container, LABEL_SERVICE), label(container, LABEL_REVISION),
					  label(container, LABEL_ORDINAL));
}

/* --- a Pod --- */

static json_t *time_json(int64_t wall_ms)
{
	char text[HC_TIME_TEXT_SIZE];

	hc_clock_format(wall_ms, text);
	return json_string(text);
}

static void add_time(json_t *object, const char *key, int64_t wall_ms)
{
	if (wall_ms > 0)
		json_object_set_new(object, key, time_json(wall_ms));
}

/* The first 32 digits of the engine's id in the form of a UUID. */
static json_t *uid_json(const char *id)
{
	HC_AUTO_TEXT text = {0};

	for (size_t index = 0; index < 32 && id[index]; index++) {
		if (index == 8 || index == 12 || index == 16 || index == 20)
			hc_text_append(&text, "-");
		hc_text_append_bytes(&text, id + index, 1);
	}
	return json_string(hc_text_string(&text));
}

static json_t *metadata_json(const struct docker_container *container)
{
	HC_AUTO_FREE name = pod_name(container);
	HC_AUTO_FREE deployment = deployment_of(container);
	json_t *metadata = json_pack(
		"{s:s, s:s, s:o, s:o, s:{s:s, s:s, s:s}, s:[{s:s, s:s, s:s, s:s, s:b}]}", "name", name, "namespace",
		label(container, LABEL_NAMESPACE), "uid", uid_json(container->id), "creationTimestamp",
		time_json(container->created_wall_ms), "labels", "helvetia.cloud/service",
		label(container, LABEL_SERVICE), "helvetia.cloud/deployment", deployment, "helvetia.cloud/revision",
		label(container, LABEL_REVISION), "ownerReferences", "apiVersion", "helvetia.cloud/v1", "kind",
		"Deployment", "name", deployment, "uid", label(container, LABEL_DEPLOYMENT), "controller", 1);

	return metadata;
}

/* running, waiting or terminated, and the phase that goes with it. */
static json_t *state_json(const struct docker_container *container, const char **ret_phase)
{
	const char *state = container->state ? container->state : "";
	json_t *inner = json_object();
	const char *name = "terminated";

	*ret_phase = container->exit_code == 0 ? "Succeeded" : "Failed";
	if (strcmp(state, "running") == 0 || strcmp(state, "paused") == 0) {
		*ret_phase = "Running";
		name = "running";
		add_time(inner, "startedAt", container->started_wall_ms);
	} else if (strcmp(state, "created") == 0 || strcmp(state, "restarting") == 0) {
		bool again = strcmp(state, "restarting") == 0;
		*ret_phase = again ? "Running" : "Pending";
		name = "waiting";
		json_object_set_new(inner, "reason", json_string(again ? "CrashLoopBackOff" : "ContainerCreating"));
	} else {
		json_object_set_new(inner, "exitCode", json_integer(container->exit_code));
		json_object_set_new(inner, "reason",
							json_string(container->out_of_memory    ? "OOMKilled"
										: container->exit_code == 0 ? "Completed"
																	: "Error"));
		add_time(inner, "startedAt", container->started_wall_ms);
		add_time(inner, "finishedAt", container->finished_wall_ms);
	}
	return json_pack("{s:o}", name, inner);
}

static json_t *status_json(const struct docker_container *container)
{
	const char *phase = NULL;
	json_t *state = state_json(container, &phase);
	bool runs = container->state && strcmp(container->state, "running") == 0;
	bool ready = runs && container->health && strcmp(container->health, "healthy") == 0;
	HC_AUTO_FREE id = hc_xprintf("docker://%s", container->id);
	json_t *status = json_pack(
		"{s:s, s:[{s:s, s:s}], s:[{s:s, s:b, s:b, s:i, s:s, s:s, s:s, s:o}]}", "phase", phase, "conditions",
		"type", "Ready", "status", ready ? "True" : "False", "containerStatuses", "name", CONTAINER, "ready",
		ready, "started", runs, "restartCount", container->restart_count, "image",
		container->image_name ? container->image_name : "", "imageID",
		container->image_id ? container->image_id : "", "containerID", id, "state", state);

	if (container->network_count && container->networks[0].address && *container->networks[0].address)
		json_object_set_new(status, "podIP", json_string(container->networks[0].address));
	add_time(status, "startTime", container->created_wall_ms);
	return status;
}

json_t *node_pod_of(const struct docker_container *container)
{
	return json_pack("{s:s, s:s, s:o, s:{s:[{s:s, s:s}], s:s, s:s}, s:o}", "apiVersion", "v1", "kind", "Pod",
					 "metadata", metadata_json(container), "spec", "containers", "name", CONTAINER, "image",
					 container->image_name ? container->image_name : "", "nodeName", "helvetia",
					 "restartPolicy", "Always", "status", status_json(container));
}

/* --- the question --- */

struct question {
	uv_work_t work;
	struct http_request *request;
	const char *docker_host;
	char *installation; /* texts are owned */
	char *namespace_name;
	char *name;
	json_t *items;
	struct hc_error err;
};

static bool wanted(const struct question *question, const struct docker_container *container)
{
	if (!question->name)
		return true;
	HC_AUTO_FREE name = pod_name(container);
	return strcmp(name, question->name) == 0;
}

static int collect(struct question *question)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	HC_AUTO(docker) docker = NULL;
	const struct docker_pair filters[] = {{LABEL_INSTALLATION, question->installation},
										  {LABEL_NAMESPACE, question->namespace_name}};
	struct docker_container *list = NULL;
	size_t count = 0;

	if (docker_open(question->docker_host, &docker, &question->err))
		return -1;
	docker_limit_calls(docker, CALL_LIMIT_MS);
	if (docker_container_list(docker, arena, filters, question->namespace_name ? 2 : 1, &list, &count,
							  &question->err))
		return -1;
	for (size_t index = 0; index < count; index++) {
		struct docker_container container;
		/* Not one of a Deployment: a job of a build, for instance. */
		if (!*label(&list[index], LABEL_DEPLOYMENT) || !wanted(question, &list[index]))
			continue;
		if (docker_container_inspect(docker, arena, list[index].id, &container, &question->err) == 0)
			json_array_append_new(question->items, node_pod_of(&container));
		else if (question->err.class != HC_NOT_FOUND) /* gone meanwhile */
			return -1;
	}
	question->err = (struct hc_error){0};
	return 0;
}

static void run(uv_work_t *work)
{
	struct question *question = work->data;

	(void)collect(question);
}

static void done(uv_work_t *work, int status)
{
	struct question *question = work->data;
	json_t *answer = json_pack("{s:o}", "items", question->items);
	char *text = json_dumps(answer, JSON_COMPACT);

	if (status || question->err.class != HC_OK)
		http_reply(question->request, &(struct http_reply){.status = 503,
														   .content_type = "text/plain; charset=utf-8",
														   .body = question->err.text,
														   .length = strlen(question->err.text)});
	else
		http_reply(question->request,
				   &(struct http_reply){.status = 200, .body = text, .length = strlen(text)});
	free(text);
	json_decref(answer);
	free(question->installation);
	free(question->namespace_name);
	free(question->name);
	free(question);
}

void node_pods_serve(uv_loop_t *loop, struct http_request *request, const struct node_pods_options *options)
{
	struct question *question = hc_xalloc(sizeof(*question));

	question->request = request;
	question->docker_host = options->docker_host;
	question->installation = hc_xstrdup(options->installation);
	question->namespace_name = hc_xstrdup(options->namespace_name);
	question->name = hc_xstrdup(options->name);
	question->items = json_array();
	question->work.data = question;
	if (uv_queue_work(loop, &question->work, run, done))
		done(&question->work, UV_ENOMEM);
}
