/* One build. The context goes up as it is pulled, the log comes down on the same connection, and BuildKit's
 * session is served between; one thread does all three. The engine reads the context only after it has
 * accepted the request: "Expect: 100-continue" lets us see a refusal while the context is still whole, so
 * that the classic builder can take over. Closing the connection cancels a build in either builder. */
#include "base/clock.h"
#include "base/random.h"
#include "docker_build_internal.h"

#include <stdlib.h>
#include <string.h>

#define CONNECT_TIMEOUT_MS 5000
#define HUB_KEY "https://index.docker.io/v1/" /* what the engine calls Docker Hub */

enum ending { RUNNING, CANCELED, TIMED_OUT, BROKEN_LOG };

struct building {
	struct docker *docker;
	const struct docker_build *build;
	struct docker_session *session; /* NULL: classic */
	struct docker_build_log log;
	struct hc_text refusal; /* body of a status that is not 2xx */
	struct hc_error log_error;
	CURL *easy;
	char curl_text[CURL_ERROR_SIZE];
	int64_t deadline_ms;
	int64_t polled_ms;
	enum ending ending;
	bool context_begun;
};

static long status_of(const struct building *building)
{
	long status = 0;

	(void)curl_easy_getinfo(building->easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

static size_t take_answer(char *data, size_t size, size_t count, void *payload)
{
	struct building *building = payload;
	size_t length = size * count;

	if (status_of(building) / 100 != 2) {
		if (building->refusal.length + length <= HC_LIMIT_DOCKER_ERROR_BYTES)
			hc_text_append_bytes(&building->refusal, data, length);
		return length;
	}
	if (!docker_build_log_feed(&building->log, data, length, &building->log_error))
		return length;
	building->ending = BROKEN_LOG;
	return length + 1; /* anything but length ends the transfer */
}

static size_t give_context(char *data, size_t size, size_t count, void *payload)
{
	struct building *building = payload;
	size_t length = 0;

	building->context_begun = true;
	if (!building->build->read(data, size * count, &length, building->build->payload))
		return length;
	building->ending = CANCELED;
	return CURL_READFUNC_ABORT;
}

/* --- the request */

static int put_pairs(struct hc_text *path, const char *name, const struct docker_pair *pairs, size_t count,
					 const struct docker_pair *more, struct hc_error *err)
{
	DOCKER_AUTO_JSON *json = docker_json_from_pairs(pairs, count);
	HC_AUTO_FREE text = NULL;

	if (json && more && more->value && json_object_set_new(json, more->name, json_string(more->value)))
		return docker_body_invalid(name, err);
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	if (!text)
		return docker_body_invalid(name, err);
	docker_path_query(path, name, text);
	return 0;
}

static int put_path(struct hc_text *path, const struct building *building, struct hc_error *err)
{
	const struct docker_build *build = building->build;
	struct docker_pair cache = {"BUILDKIT_CACHE_MOUNT_NS", building->session ? build->cache_namespace : NULL};

	hc_text_printf(path, "/build?version=%d&rm=1&forcerm=1", building->session ? 2 : 1);
	docker_path_query(path, "t", build->tag);
	docker_path_query(path, "dockerfile", build->dockerfile);
	docker_path_query(path, "target", build->target);
	docker_path_query(path, "networkmode", build->network);
	if (building->session) {
		docker_path_query(path, "session", docker_session_id(building->session));
		docker_path_query(path, "buildid", docker_session_id(building->session));
	} else if (build->memory_bytes > 0) {
		hc_text_printf(path, "&memory=%lld&memswap=%lld", (long long)build->memory_bytes,
					   (long long)build->memory_bytes);
	}
	if (build->no_cache)
		docker_path_query(path, "nocache", "1");
	if (build->pull)
		docker_path_query(path, "pull", "1");
	if (put_pairs(path, "buildargs", build->arguments, build->argument_count, &cache, err))
		return -1;
	return put_pairs(path, "labels", build->labels, build->label_count, NULL, err);
}

/* The classic builder gets credentials in a header, BuildKit asks for them. */
static int put_registries(struct curl_slist **headers, const struct docker_build *build, struct hc_error *err)
{
	DOCKER_AUTO_JSON *json = json_object();
	HC_AUTO_FREE text = NULL;
	HC_AUTO_TEXT header = {0};

	for (size_t index = 0; index < build->auth_count; index++) {
		const struct docker_registry_auth *auth = &build->auths[index];
		const char *key = hc_streq(auth->host, "docker.io") ? HUB_KEY : auth->host;

		if (json_object_set_new(
				json, key, json_pack("{s:s, s:s}", "username", auth->username, "password", auth->password)))
			return docker_body_invalid("registry credentials", err);
	}
	text = json_dumps(json, JSON_COMPACT);
	hc_text_append(&header, "X-Registry-Config: ");
	docker_base64(&header, text, strlen(text), true);
	*headers = curl_slist_append(*headers, hc_text_string(&header));
	return 0;
}

static int prepare(struct building *building, struct curl_slist **headers, struct hc_error *err)
{
	HC_AUTO_TEXT path = {0};
	HC_AUTO_TEXT url = {0};
	CURL *easy = building->easy;

	if (put_path(&path, building, err))
		return -1;
	hc_text_printf(&url, "http://docker/v%s%s", building->docker->api_version, hc_text_string(&path));
	*headers = curl_slist_append(*headers, "Content-Type: application/x-tar");
	*headers = curl_slist_append(*headers, "Transfer-Encoding: chunked");
	*headers = curl_slist_append(*headers, "Expect: 100-continue");
	if (!building->session && building->build->auth_count && put_registries(headers, building->build, err))
		return -1;
	(void)curl_easy_setopt(easy, CURLOPT_URL, hc_text_string(&url));
	(void)curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, building->docker->socket);
	(void)curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
	(void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	(void)curl_easy_setopt(easy, CURLOPT_EXPECT_100_TIMEOUT_MS, (long)DOCKER_BUILD_CONTINUE_MS);
	(void)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
	(void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_context);
	(void)curl_easy_setopt(easy, CURLOPT_READDATA, building);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, building);
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, building->curl_text);
	(void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *headers);
	return 0;
}

/* --- waiting */

static void look(struct building *building)
{
	int64_t now_ms = hc_clock_boot_ms();

	if (building->ending != RUNNING)
		return;
	if (building->deadline_ms && now_ms >= building->deadline_ms)
		building->ending = TIMED_OUT;
	if (now_ms < building->polled_ms + DOCKER_BUILD_LOOK_MS)
		return;
	building->polled_ms = now_ms;
	if (building->build->poll && building->build->poll(building->build->payload))
		building->ending = CANCELED;
}

static void wait_for_more(struct building *building, CURLM *multi)
{
	struct curl_waitfd waits = {.fd = -1};
	bool session = building->session && docker_session_fd(building->session) >= 0;

	if (session) {
		waits.fd = docker_session_fd(building->session);
		waits.events = CURL_WAIT_POLLIN;
		if (docker_session_wants_write(building->session))
			waits.events |= CURL_WAIT_POLLOUT;
	}
	(void)curl_multi_poll(multi, &waits, session ? 1 : 0, DOCKER_BUILD_LOOK_MS, NULL);
}

/* CURLE_ABORTED_BY_CALLBACK: ended by us, see building->ending. */
static CURLcode transfer(struct building *building)
{
	CURLM *multi = curl_multi_init();
	CURLcode code = CURLE_ABORTED_BY_CALLBACK;
	int running = 1;

	if (!multi)
		return CURLE_OUT_OF_MEMORY;
	if (curl_multi_add_handle(multi, building->easy)) {
		(void)curl_multi_cleanup(multi);
		return CURLE_FAILED_INIT;
	}
	for (;;) {
		if (building->session)
			docker_session_step(building->session);
		if (curl_multi_perform(multi, &running)) {
			code = CURLE_RECV_ERROR;
			break;
		}
		look(building);
		if (!running || building->ending != RUNNING)
			break;
		wait_for_more(building, multi);
	}
	if (!running) {
		int left;
		const CURLMsg *message = curl_multi_info_read(multi, &left);

		code = message && message->msg == CURLMSG_DONE ? message->data.result : CURLE_RECV_ERROR;
	}
	(void)curl_multi_remove_handle(multi, building->easy);
	(void)curl_multi_cleanup(multi);
	return code;
}

/* --- the end */

static int explain_refusal(struct building *building, long status, struct hc_error *err)
{
	const char *body = hc_text_string(&building->refusal);
	DOCKER_AUTO_JSON *json = json_loads(body, 0, NULL);
	const char *message = json_string_value(json_object_get(json, "message"));
	enum hc_class class;
	HC_AUTO_TEXT text = {0};

	if (!message)
		message = *body ? body : "no message";
	class = docker_build_class(message);
	docker_build_message(&text, message, NULL);
	return hc_fail(err, class != HC_OK ? class : docker_error_class(status, message), "%s",
				   hc_text_string(&text));
}

static int explain_failure(struct building *building, struct hc_error *err)
{
	const char *message = hc_text_string(&building->log.error);
	const struct hc_text *step = building->session ? &building->log.trace.failed : &building->log.step;
	enum hc_class class = docker_build_class(message);
	HC_AUTO_TEXT text = {0};

	docker_build_message(&text, message, hc_text_string(step));
	return hc_fail(err, class == HC_OK ? HC_INVALID : class, "%s", hc_text_string(&text));
}

static int judge(struct building *building, CURLcode code, struct hc_error *err)
{
	const struct docker_build *build = building->build;
	const char *text = *building->curl_text ? building->curl_text : curl_easy_strerror(code);
	long status = status_of(building);

	if (building->ending == CANCELED)
		return hc_fail(err, HC_CANCELED, "stopped by the caller");
	if (building->ending == TIMED_OUT)
		return hc_fail(err, HC_INVALID, "the build took longer than its limit of %lld s",
					   (long long)(build->timeout_ms / 1000));
	if (building->ending == BROKEN_LOG) {
		if (err)
			*err = building->log_error;
		return -1;
	}
	/* The reason came before the connection broke, if it did: the engine stops reading a context it won't
	 * use. */
	if (building->log.error.length)
		return explain_failure(building, err);
	if (status / 100 != 2 && status >= 200)
		return explain_refusal(building, status, err);
	if (code) {
		building->docker->api_version[0] = '\0'; /* who answers next may be another engine */
		return hc_fail(err, HC_TRANSIENT, "the connection to the engine at %s broke: %s",
					   building->docker->host, text);
	}
	if (!*building->log.image_id)
		return hc_fail(err, HC_TRANSIENT, "the engine ended the build without an image and without a reason");
	return 0;
}

static int run(struct building *building, struct hc_error *err)
{
	struct curl_slist *headers = NULL;
	int result;

	building->log.sink = (struct docker_build_sink){building->build->line, building->build->payload};
	building->easy = curl_easy_init();
	if (!building->easy)
		return hc_fail(err, HC_TRANSIENT, "libcurl gives no handle");
	result = prepare(building, &headers, err);
	if (!result) {
		CURLcode code = transfer(building);

		if (docker_build_log_end(&building->log, &building->log_error) && building->ending == RUNNING)
			building->ending = BROKEN_LOG;
		result = judge(building, code, err);
	}
	curl_easy_cleanup(building->easy);
	curl_slist_free_all(headers);
	return result;
}

/* What the caller asks for and no builder may get. */
static int check(const struct docker_build *build, struct hc_error *err)
{
	for (size_t index = 0; index < build->argument_count; index++) {
		const char *name = build->arguments[index].name;

		if (hc_streq(name, "BUILDKIT_CACHE_MOUNT_NS") || hc_streq(name, "BUILDKIT_SYNTAX"))
			return hc_fail(err, HC_INVALID, "build argument %s: the platform sets it, choose another name",
						   name);
	}
	return 0;
}

/* The tag may have been moved by another build at the same time: then this one must not count. */
static int verify(struct docker *docker, struct hc_arena *arena, const struct docker_build *build,
				  const char *id, const char **ret_image_id, struct hc_error *err)
{
	struct docker_image image;

	if (docker_image_inspect(docker, arena, build->tag, &image, err))
		return hc_wrap(err, "the image that was built");
	if (!hc_streq(image.id, id))
		return hc_fail(err, HC_TRANSIENT, "%s names the image %s, but the build made %s", build->tag,
					   image.id, id);
	*ret_image_id = image.id;
	return 0;
}

/* *ret_again: the engine refused before it took anything of the context. */
static int attempt(struct docker *docker, struct hc_arena *arena, const struct docker_build *build,
				   bool buildkit, int64_t deadline_ms, bool *ret_again, const char **ret_image_id,
				   struct hc_error *err)
{
	HC_AUTO(docker_session) session = NULL;
	struct building building = {.docker = docker, .build = build, .deadline_ms = deadline_ms};
	struct hc_error own = {0};
	int result;

	if (build->ret_builder)
		*build->ret_builder = buildkit ? DOCKER_BUILDER_BUILDKIT : DOCKER_BUILDER_CLASSIC;
	if (buildkit && docker_session_open(docker, build, &session, &own)) {
		*ret_again = own.class == HC_INVALID;
		if (err)
			*err = own;
		return -1;
	}
	building.session = session;
	result = run(&building, err);
	*ret_again = result && building.ending == RUNNING && !building.context_begun && !building.log.begun;
	if (!result)
		result = verify(docker, arena, build, building.log.image_id, ret_image_id, err);
	docker_build_log_done(&building.log);
	hc_text_done(&building.refusal);
	return result;
}

int docker_image_build(struct docker *docker, struct hc_arena *arena, const struct docker_build *build,
					   const char **ret_image_id, struct hc_error *err)
{
	int64_t deadline_ms = build->timeout_ms > 0 ? hc_clock_boot_ms() + build->timeout_ms : 0;
	bool again = false;

	if (check(build, err) || (!docker->api_version[0] && docker_ping(docker, err)))
		return -1;
	if (build->builder != DOCKER_BUILDER_CLASSIC) {
		if (!attempt(docker, arena, build, true, deadline_ms, &again, ret_image_id, err))
			return 0;
		if (!again || build->builder == DOCKER_BUILDER_BUILDKIT)
			return -1;
		if (!docker->api_version[0] && docker_ping(docker, err))
			return -1;
	}
	return attempt(docker, arena, build, false, deadline_ms, &again, ret_image_id, err);
}
