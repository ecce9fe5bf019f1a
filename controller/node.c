/* See node.h. */
#include "node.h"
#include "node_log.h"
#include "node_pods.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "http/http_query.h"
#include "http/http_server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define GRACE_MS 1000
#define COUNT_MAX 100000000000LL

struct node {
	struct node_options options;
	struct http_server *server;
	struct node_logs *logs;
};

static void answer_text(struct http_request *request, int status, const char *text)
{
	http_reply(request, &(struct http_reply){.status = status,
											 .content_type = "text/plain; charset=utf-8",
											 .body = text,
											 .length = strlen(text)});
}

static void answer_leader(struct node *node, struct http_request *request)
{
	const char *installation = leader_installation(node->options.leader);
	HC_AUTO_TEXT trouble = {0};
	HC_AUTO_TEXT text = {0};

	leader_trouble(node->options.leader, &trouble);
	hc_text_printf(&text, "{\"leader\":%s,\"epoch\":%" PRId64 ",\"databaseTrusted\":%s,\"installation\":",
				   leader_leads(node->options.leader) ? "true" : "false",
				   leader_epoch(node->options.leader),
				   leader_database_trusted(node->options.leader) ? "true" : "false");
	if (installation)
		hc_text_append_json_string(&text, installation);
	else
		hc_text_append(&text, "null");
	hc_text_append(&text, ",\"trouble\":");
	hc_text_append_json_string(&text, hc_text_string(&trouble));
	hc_text_append(&text, "}\n");
	http_reply(request, &(struct http_reply){.status = 200, .body = text.data, .length = text.length});
}

static int parse_count(const char *parameter, const char *text, int64_t other, int64_t *ret_count,
					   struct hc_error *err)
{
	char *end;
	long long count;

	*ret_count = other;
	if (!text)
		return 0;
	errno = 0;
	count = strtoll(text, &end, 10);
	if (errno || end == text || *end || count < 0 || count > COUNT_MAX)
		return hc_fail(err, HC_INVALID, "%s: \"%s\" must be a number from 0 to %lld", parameter, text,
					   COUNT_MAX);
	*ret_count = count;
	return 0;
}

static void answer_log(struct node *node, struct http_request *request, const struct http_query *query)
{
	struct node_log_options options = {.deployment = http_query_get(query, "deployment"),
									   .installation = leader_installation(node->options.leader)};
	struct hc_error err;
	int follow;
	int timestamps;

	if (http_query_flag(query, "follow", &follow, &err) ||
		http_query_flag(query, "timestamps", &timestamps, &err) ||
		parse_count("tailLines", http_query_get(query, "tailLines"), -1, &options.tail_lines, &err) ||
		parse_count("sinceTime", http_query_get(query, "sinceTime"), 0, &options.since_wall_s, &err)) {
		answer_text(request, 400, err.text);
		return;
	}
	if (!options.deployment || !*options.deployment) {
		answer_text(request, 400, "deployment: the uid of a Deployment is required");
		return;
	}
	if (!options.installation) {
		answer_text(request, 503, "the controller has not reached its database yet");
		return;
	}
	options.ordinal = http_query_get(query, "ordinal");
	options.follow = follow != 0;
	options.timestamps = timestamps != 0;
	node_logs_serve(node->logs, request, &options);
}

static void answer_pods(struct node *node, struct http_request *request, const struct http_query *query)
{
	struct node_pods_options options = {.docker_host = node->options.docker_host,
										.installation = leader_installation(node->options.leader),
										.namespace_name = http_query_get(query, "namespace"),
										.name = http_query_get(query, "name")};

	if (options.installation)
		node_pods_serve(node->options.loop, request, &options);
	else
		answer_text(request, 503, "the controller has not reached its database yet");
}

static void handle(struct http_request *request, void *payload)
{
	struct node *node = payload;
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct http_query query;
	struct hc_error err;
	const char *word;

	if (http_query_parse(http_request_target(request), arena, &query, &err)) {
		answer_text(request, 400, err.text);
		return;
	}
	word = query.segment_count == 1 ? query.segments[0] : "";
	if (strcmp(http_request_method(request), "GET") != 0)
		answer_text(request, 405, "only GET is known here");
	else if (strcmp(word, "healthz") == 0)
		answer_text(request, 200, "ok");
	else if (strcmp(word, "leader") == 0)
		answer_leader(node, request);
	else if (strcmp(word, "log") == 0)
		answer_log(node, request, &query);
	else if (strcmp(word, "pods") == 0)
		answer_pods(node, request, &query);
	else
		answer_text(request, 404, "known are /healthz, /leader, /log and /pods");
}

int node_start(const struct node_options *options, struct node **ret_node, struct hc_error *err)
{
	HC_AUTO_FREE listen = hc_xprintf("unix:%s", options->socket_path);
	HC_AUTO_FREE folder = hc_xstrdup(options->socket_path);
	struct node *node = hc_xalloc(sizeof *node);
	/* The group is the folder's: whoever runs the API without being root shares one with it. */
	const struct http_server_options server = {
		.loop = options->loop, .listen = listen, .unix_mode = 0660, .handler = handle, .payload = node};
	char *slash = strrchr(folder, '/');

	node->options = *options;
	if (slash && slash != folder) {
		*slash = '\0';
		if (hc_folder_make(folder, 0755, err))
			goto failed;
	}
	if (http_server_start(&server, &node->server, err))
		goto failed;
	node->logs = node_logs_new(options->loop, options->docker_host);
	*ret_node = node;
	return 0;
failed:
	free(node);
	return hc_wrap(err, "node endpoint");
}

/* No request can come any more, and every open log knows that its reader is gone. */
static void server_stopped(void *payload)
{
	struct node *node = payload;

	node_logs_close(node->logs);
}

void node_close(struct node *node)
{
	if (node->server)
		http_server_stop(hc_take(&node->server), GRACE_MS, server_stopped, node);
}

void node_free(struct node *node)
{
	if (!node)
		return;
	node_logs_free(node->logs);
	free(node);
}
