/* BuildKit's session: a connection that the engine turns around, so that we are the HTTP/2 server and the
 * engine asks us by gRPC (moby/buildkit, session/grpchijack; grpc.io, "gRPC over HTTP/2"). It asks for a
 * registry's credentials, for secrets, and whether we still live. All of it happens in docker_session_step(),
 * which never waits; the thread that runs the build calls it. What the answers say is at the end of the file.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/random.h"
#include "docker_build_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HEADERS_MAX 16384
#define MESSAGE_MAX 65536 /* of the engine's question */
#define FRAME_PREFIX 5    /* compressed flag, length as 4 bytes big endian */

enum { GRPC_OK = 0, GRPC_INVALID = 3, GRPC_NOT_FOUND = 5, GRPC_TOO_LARGE = 8, GRPC_UNKNOWN_METHOD = 12 };

static const char health_method[] = "/grpc.health.v1.Health/Check";
static const char credentials_method[] = "/moby.filesync.v1.Auth/Credentials";
static const char secret_method[] = "/moby.buildkit.secrets.v1.Secrets/GetSecret";

struct call {
	int32_t stream;
	char path[128];
	struct hc_text question;
	struct hc_text answer;
	size_t given; /* of answer */
	int status;
	struct call *next;
};

struct docker_session {
	const struct docker_build *build; /* borrowed */
	nghttp2_session *http;
	struct call *calls; /* owned */
	struct hc_text output;
	size_t written; /* of output */
	char id[HC_UUID_SIZE];
	int fd;
};

/* --- HTTP/2 */

static struct call *call_of(nghttp2_session *http, int32_t stream)
{
	return nghttp2_session_get_stream_user_data(http, stream);
}

static int on_begin_headers(nghttp2_session *http, const nghttp2_frame *frame, void *payload)
{
	struct docker_session *session = payload;
	struct call *call;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	call = hc_xalloc(sizeof *call);
	call->stream = frame->hd.stream_id;
	call->next = session->calls;
	session->calls = call;
	return nghttp2_session_set_stream_user_data(http, call->stream, call);
}

static int on_header(nghttp2_session *http, const nghttp2_frame *frame, const uint8_t *name,
					 size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
					 void *payload)
{
	struct call *call = call_of(http, frame->hd.stream_id);

	(void)flags, (void)payload;
	if (call && name_length == 5 && memcmp(name, ":path", 5) == 0 && value_length < sizeof call->path) {
		(void)memcpy(call->path, value, value_length);
		call->path[value_length] = '\0';
	}
	return 0;
}

static int on_data(nghttp2_session *http, uint8_t flags, int32_t stream, const uint8_t *data, size_t length,
				   void *payload)
{
	struct call *call = call_of(http, stream);

	(void)flags, (void)payload;
	if (!call)
		return 0;
	if (call->question.length + length > MESSAGE_MAX)
		call->status = GRPC_TOO_LARGE;
	else
		hc_text_append_bytes(&call->question, data, length);
	return 0;
}

static nghttp2_nv header(const char *name, const char *value)
{
	return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
						.value = (uint8_t *)(uintptr_t)value,
						.namelen = strlen(name),
						.valuelen = strlen(value),
						.flags = NGHTTP2_NV_FLAG_NONE};
}

static ssize_t give_answer(nghttp2_session *http, int32_t stream, uint8_t *data, size_t length,
						   uint32_t *flags, nghttp2_data_source *source, void *payload)
{
	struct call *call = source->ptr;
	size_t part = call->answer.length - call->given;

	(void)payload;
	if (part > length)
		part = length;
	(void)memcpy(data, hc_text_string(&call->answer) + call->given, part);
	call->given += part;
	if (call->given == call->answer.length) {
		nghttp2_nv trailer = header("grpc-status", "0");

		*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
		if (nghttp2_submit_trailer(http, stream, &trailer, 1))
			return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	return (ssize_t)part;
}

static void put_frame(struct hc_text *answer, const struct hc_text *message)
{
	unsigned char prefix[FRAME_PREFIX] = {
		0, (unsigned char)(message->length >> 24), (unsigned char)(message->length >> 16),
		(unsigned char)(message->length >> 8), (unsigned char)message->length};

	hc_text_append_bytes(answer, prefix, sizeof prefix);
	hc_text_append_bytes(answer, hc_text_string(message), message->length);
}

static void work_out(const struct docker_session *session, struct call *call)
{
	const unsigned char *frame = (const unsigned char *)hc_text_string(&call->question);
	size_t length;
	HC_AUTO_TEXT message = {0};

	if (call->status)
		return;
	if (call->question.length < FRAME_PREFIX) {
		call->status = GRPC_INVALID;
		return;
	}
	length = (size_t)frame[1] << 24 | (size_t)frame[2] << 16 | (size_t)frame[3] << 8 | frame[4];
	if (frame[0] || length != call->question.length - FRAME_PREFIX) {
		call->status = GRPC_INVALID;
		return;
	}
	call->status = docker_session_answer(session->build, call->path, frame + FRAME_PREFIX, length, &message);
	if (!call->status)
		put_frame(&call->answer, &message);
}

static int on_frame(nghttp2_session *http, const nghttp2_frame *frame, void *payload)
{
	struct docker_session *session = payload;
	struct call *call;
	char status[16] = "0";
	nghttp2_nv headers[] = {header(":status", "200"), header("content-type", "application/grpc"),
							header("grpc-status", status)};

	if ((frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
		!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	call = call_of(http, frame->hd.stream_id);
	if (!call)
		return 0;
	work_out(session, call);
	(void)snprintf(status, sizeof status, "%d", call->status);
	headers[2] = header("grpc-status", status);
	if (call->status)
		return nghttp2_submit_response(http, call->stream, headers, 3, NULL);
	return nghttp2_submit_response(
		http, call->stream, headers, 2,
		&(nghttp2_data_provider){.source.ptr = call, .read_callback = give_answer});
}

static void free_call(struct call *call)
{
	hc_text_done(&call->question);
	hc_text_done(&call->answer);
	free(call);
}

static int on_close(nghttp2_session *http, int32_t stream, uint32_t error, void *payload)
{
	struct docker_session *session = payload;

	(void)http, (void)error;
	for (struct call **at = &session->calls; *at; at = &(*at)->next)
		if ((*at)->stream == stream) {
			struct call *call = *at;

			*at = call->next;
			free_call(call);
			break;
		}
	return 0;
}

static int begin_http(struct docker_session *session, struct hc_error *err)
{
	nghttp2_session_callbacks *callbacks = NULL;
	int code = nghttp2_session_callbacks_new(&callbacks);

	if (!code) {
		nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
		nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
		nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
		nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
		nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
		code = nghttp2_session_server_new(&session->http, callbacks, session);
		nghttp2_session_callbacks_del(callbacks);
	}
	if (!code)
		code = nghttp2_submit_settings(session->http, NGHTTP2_FLAG_NONE, NULL, 0);
	return code ? hc_fail(err, HC_BUG, "HTTP/2 session: %s", nghttp2_strerror(code)) : 0;
}

/* --- the connection */

static int wait_for(int fd, short events, int64_t until_ms)
{
	for (;;) {
		struct pollfd poll_fd = {.fd = fd, .events = events};
		int64_t left = until_ms - hc_clock_boot_ms();
		int ready = left > 0 ? poll(&poll_fd, 1, (int)left) : 0;

		if (ready > 0)
			return 0;
		if (ready == 0 || errno != EINTR)
			return -1;
	}
}

static int connect_to(const struct docker *docker, int *ret_fd, struct hc_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	HC_AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(docker->socket) >= sizeof address.sun_path)
		return hc_fail(err, HC_BUG, "the socket's path %s is too long", docker->socket);
	(void)memcpy(address.sun_path, docker->socket, strlen(docker->socket) + 1);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address))
		return hc_fail(err, errno == EACCES ? HC_DENIED : HC_TRANSIENT, "no Docker Engine answers at %s: %s",
					   docker->host, strerror(errno));
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int upgrade(const struct docker *docker, struct docker_session *session, struct hc_error *err)
{
	int64_t until_ms = hc_clock_boot_ms() + DOCKER_BUILD_HEADER_MS;
	HC_AUTO_TEXT request = {0};
	char headers[HEADERS_MAX];
	size_t length = 0;

	hc_text_printf(&request,
				   "POST /v%s/session HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
				   "Content-Length: 0\r\nX-Docker-Expose-Session-Uuid: %s\r\n"
				   "X-Docker-Expose-Session-Name: helvetia\r\nX-Docker-Expose-Session-Sharedkey: \r\n",
				   docker->api_version, session->id);
	hc_text_printf(&request, "X-Docker-Expose-Session-Grpc-Method: %s\r\n", health_method);
	hc_text_printf(&request, "X-Docker-Expose-Session-Grpc-Method: %s\r\n", credentials_method);
	hc_text_printf(&request, "X-Docker-Expose-Session-Grpc-Method: %s\r\n\r\n", secret_method);
	if (send(session->fd, request.data, request.length, MSG_NOSIGNAL) != (ssize_t)request.length)
		return hc_fail(err, HC_TRANSIENT, "POST /session: %s", strerror(errno));
	/* One byte at a time: what follows the empty line is HTTP/2. */
	while (length + 1 < sizeof headers) {
		if (wait_for(session->fd, POLLIN, until_ms) || recv(session->fd, headers + length, 1, 0) != 1)
			return hc_fail(err, HC_TRANSIENT, "POST /session: the engine at %s does not answer",
						   docker->host);
		headers[++length] = '\0';
		if (hc_ends_with(headers, "\r\n\r\n"))
			break;
	}
	if (!hc_starts_with(headers, "HTTP/1.1 101"))
		return hc_fail(err, HC_INVALID, "POST /session: the engine has no sessions (it says \"%.*s\")",
					   (int)strcspn(headers, "\r\n"), headers);
	return 0;
}

int docker_session_open(const struct docker *docker, const struct docker_build *build,
						struct docker_session **ret_session, struct hc_error *err)
{
	HC_AUTO(docker_session) session = hc_xalloc(sizeof *session);

	session->build = build;
	session->fd = -1;
	hc_random_uuid(session->id);
	if (connect_to(docker, &session->fd, err) || upgrade(docker, session, err) || begin_http(session, err))
		return -1;
	if (fcntl(session->fd, F_SETFL, O_NONBLOCK))
		return hc_fail(err, HC_BUG, "fcntl: %s", strerror(errno));
	*ret_session = hc_take(&session);
	return 0;
}

const char *docker_session_id(const struct docker_session *session)
{
	return session->id;
}

int docker_session_fd(const struct docker_session *session)
{
	return session->fd;
}

bool docker_session_wants_write(const struct docker_session *session)
{
	return session->written < session->output.length || nghttp2_session_want_write(session->http);
}

static void end(struct docker_session *session)
{
	if (session->fd >= 0)
		(void)close(session->fd);
	session->fd = -1;
}

/* false when the connection is over. */
static bool take_input(struct docker_session *session)
{
	unsigned char data[16384];

	for (;;) {
		ssize_t got = recv(session->fd, data, sizeof data, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN;
		if (got == 0 || nghttp2_session_mem_recv(session->http, data, (size_t)got) < 0)
			return false;
	}
}

static bool give_output(struct docker_session *session)
{
	for (;;) {
		const uint8_t *data = NULL;
		ssize_t sent;
		ssize_t more;

		if (session->written == session->output.length) {
			session->output.length = session->written = 0;
			more = nghttp2_session_mem_send(session->http, &data);
			if (more < 0)
				return false;
			if (more == 0)
				return true;
			hc_text_append_bytes(&session->output, data, (size_t)more);
		}
		sent = send(session->fd, session->output.data + session->written,
					session->output.length - session->written, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN;
		session->written += (size_t)sent;
	}
}

void docker_session_step(struct docker_session *session)
{
	if (session->fd < 0)
		return;
	if (!take_input(session) || !give_output(session))
		end(session);
}

void docker_session_close(struct docker_session *session)
{
	if (!session)
		return;
	end(session);
	nghttp2_session_del(session->http);
	while (session->calls) {
		struct call *call = session->calls;

		session->calls = call->next;
		free_call(call);
	}
	hc_text_done(&session->output);
	free(session);
}

/* --- what is asked */

static bool is_docker_hub(const char *host)
{
	return hc_streq(host, "docker.io") || hc_streq(host, "index.docker.io") ||
		   hc_streq(host, "registry-1.docker.io") || hc_starts_with(host, "https://index.docker.io/");
}

/* CredentialsRequest{1 host} → CredentialsResponse{1 user, 2 password}; an empty one: ask as nobody. */
static void give_credentials(const struct docker_build *build, const char *host, struct hc_text *answer)
{
	for (size_t index = 0; index < build->auth_count; index++) {
		const struct docker_registry_auth *auth = &build->auths[index];

		if (!hc_streq(auth->host, host) && !(is_docker_hub(auth->host) && is_docker_hub(host)))
			continue;
		docker_proto_put(answer, 1, auth->username, strlen(auth->username));
		docker_proto_put(answer, 2, auth->password, strlen(auth->password));
		return;
	}
}

/* GetSecretRequest{1 id} → GetSecretResponse{1 data} */
static int give_secret(const struct docker_build *build, const char *id, struct hc_text *answer)
{
	for (size_t index = 0; index < build->secret_count; index++)
		if (hc_streq(build->secrets[index].id, id)) {
			docker_proto_put(answer, 1, build->secrets[index].data, build->secrets[index].length);
			return GRPC_OK;
		}
	return GRPC_NOT_FOUND;
}

int docker_session_answer(const struct docker_build *build, const char *path, const void *message,
						  size_t length, struct hc_text *answer)
{
	struct docker_proto proto = docker_proto_of(message, length);
	struct docker_proto_field field;
	HC_AUTO_TEXT first = {0};

	while (docker_proto_next(&proto, &field))
		if (field.number == 1 && field.data && !first.length)
			hc_text_append_bytes(&first, field.data, field.length);
	if (proto.broken)
		return GRPC_INVALID;
	if (hc_streq(path, health_method)) {
		docker_proto_put_number(answer, 1, 1); /* SERVING */
		return GRPC_OK;
	}
	if (hc_streq(path, credentials_method)) {
		give_credentials(build, hc_text_string(&first), answer);
		return GRPC_OK;
	}
	if (hc_streq(path, secret_method))
		return give_secret(build, hc_text_string(&first), answer);
	return GRPC_UNKNOWN_METHOD;
}
