/* One request from its first line to its last byte: reading the body, calling the handler, and the answer,
 * whole or as a stream.
 *
 * A request has two holders: the connection (request->peer) and the handler (until request->finished). It is
 * freed when both have let go, so a handler may answer at any later time and a peer may leave at any time.
 *
 * libmicrohttpd drives us by callbacks. While the handler works, or while a stream has nothing to send, the
 * connection is suspended; http_request_wake() resumes it, and libmicrohttpd calls again in its next run. */
#include "http_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/text.h"
#include "http_guard.h"

/* A body is read on beyond the limit only so far, to be able to answer 413. */
#define DISCARD_FACTOR 4
#define STREAM_BLOCK_BYTES 16384

struct http_request *http_request_new(struct http_server *server, struct http_peer *peer, const char *target)
{
	struct http_request *request = hc_xalloc(sizeof(*request));

	request->server = server;
	request->peer = peer;
	request->target = hc_xstrdup(target);
	request->last = &request->first;
	return request;
}

static void unlist(struct http_request *request)
{
	if (!request->link)
		return;
	*request->link = request->next;
	if (request->next)
		request->next->link = request->link;
	request->link = NULL;
}

static void free_pieces(struct http_request *request)
{
	while (request->first) {
		struct http_piece *piece = request->first;
		request->first = piece->next;
		http_chunk_unref(piece->chunk);
		free(piece);
	}
	request->last = &request->first;
	request->offset = request->pending_bytes = request->pending_chunks = 0;
}

static void free_when_done(struct http_request *request)
{
	if (request->peer || (request->dispatched && !request->finished))
		return;
	unlist(request);
	free_pieces(request);
	if (request->response)
		MHD_destroy_response(request->response);
	for (size_t index = 0; index < request->header_count; index++) {
		free((char *)request->headers[index].name);
		free((char *)request->headers[index].value);
	}
	free(request->headers);
	if (request->server)
		request->server->large_bytes -= request->body_large;
	free(request->target);
	free(request->method);
	free(request->body);
	free(request);
}

void http_request_tell_gone(struct http_request *request)
{
	if (request->gone_told || request->finished || !request->dispatched)
		return;
	request->gone_told = true;
	if (request->on_gone)
		request->on_gone(request);
}

void http_request_detach(struct http_request *request)
{
	request->peer = NULL;
	free_pieces(request);
	if (request->dispatched && !request->finished) {
		if (request->on_gone && !request->gone_told) {
			request->gone_told = true;
			request->on_gone(request); /* may finish, and so free, the request */
		}
		return;
	}
	free_when_done(request);
}

/* --- reading --- */

static enum MHD_Result collect_header(void *payload, enum MHD_ValueKind kind, const char *name,
									  const char *value)
{
	struct http_request *request = payload;

	(void)kind;
	request->headers = hc_xrealloc_array(request->headers, request->header_count + 1,
										 sizeof(*request->headers));
	request->headers[request->header_count++] = (struct http_header){.name = hc_xstrdup(name),
																	 .value = hc_xstrdup(value ? value : "")};
	return MHD_YES;
}

static enum MHD_Result refuse(struct http_request *request, struct MHD_Connection *connection, int status,
							  const char *sentence)
{
	char *body = request->server->options.refusal ? request->server->options.refusal(status, sentence) : NULL;
	const char *type = body ? "application/json" : "text/plain; charset=utf-8";

	if (!body)
		body = hc_xprintf("%s\n", sentence);
	struct MHD_Response *response = MHD_create_response_from_buffer(strlen(body), body,
																	MHD_RESPMEM_MUST_FREE);
	MHD_add_response_header(response, "Content-Type", type);
	MHD_add_response_header(response, "Connection", "close");
	enum MHD_Result result = MHD_queue_response(connection, (unsigned)status, response);
	MHD_destroy_response(response);
	request->refused = true;
	/* What the peer still sends is not ours to wait for. */
	http_peer_deadline(request->peer, request->server->options.header_deadline_ms);
	return result;
}

/* Closing while the peer still sends resets the connection, and a reset may overtake the answer. So a body
 * that is somewhat too large is read and thrown away first; not one whose sender waits for leave (RFC
 * 9110 10.1.1). */
static bool worth_discarding(const struct http_request *request)
{
	const char *length = http_request_header(request, "Content-Length");

	return length && strlen(length) <= 18 && !http_request_header(request, "Expect") &&
		   strtoull(length, NULL, 10) <= request->body_max * DISCARD_FACTOR;
}

static size_t body_limit(const struct http_request *request)
{
	const struct http_server_options *options = &request->server->options;

	return options->body_limit ? options->body_limit(request->method, request->target, options->payload)
							   : options->body_bytes_max;
}

static enum MHD_Result read_head(struct http_request *request, struct MHD_Connection *connection,
								 const char *method, const char *version)
{
	const char *sentence = NULL;

	request->head_seen = true;
	request->method = hc_xstrdup(method);
	request->body_max = body_limit(request);
	MHD_get_connection_values(connection, MHD_HEADER_KIND, collect_header, request);
	struct http_guard_head head = {
		.method = method,
		.version = version,
		.headers = request->headers,
		.header_count = request->header_count,
		.body_bytes_max = request->body_max,
	};
	int status = http_guard_check(&head, &sentence);
	if (status == 413 && worth_discarding(request))
		request->too_large = true;
	else if (status)
		return refuse(request, connection, status, sentence);
	http_peer_deadline(request->peer, request->server->options.body_deadline_ms);
	return MHD_YES;
}

static enum MHD_Result discard(struct http_request *request, size_t length)
{
	request->discarded += length;
	return request->discarded > request->body_max * DISCARD_FACTOR ? MHD_NO : MHD_YES;
}

/* false: there is no room now. */
static bool grow_body(struct http_request *request, size_t wanted)
{
	struct http_server *server = request->server;
	size_t usual = server->options.body_bytes_max + 1;
	size_t size = request->body_size ? request->body_size : 2048;

	while (size < wanted)
		size *= 2;
	if (size > usual && wanted <= usual)
		size = usual;
	if (size > request->body_max + 1)
		size = request->body_max + 1;
	size_t large = size > usual ? size - usual : 0;
	if (server->large_bytes - request->body_large + large > HC_LIMIT_LARGE_BODIES_BYTES)
		return false;
	server->large_bytes += large - request->body_large;
	request->body_large = large;
	request->body = hc_xrealloc(request->body, size);
	request->body_size = size;
	return true;
}

static enum MHD_Result read_body(struct http_request *request, const char *data, size_t length)
{
	if (request->refused || request->too_large || request->starved)
		return discard(request, length);
	request->too_large = length > request->body_max - request->body_length;
	if (!request->too_large && request->body_length + length + 1 > request->body_size)
		request->starved = !grow_body(request, request->body_length + length + 1);
	if (request->too_large || request->starved)
		return discard(request, length);
	memcpy(request->body + request->body_length, data, length);
	request->body_length += length;
	request->body[request->body_length] = '\0';
	return MHD_YES;
}

static void dispatch(struct http_request *request)
{
	struct http_server *server = request->server;

	http_peer_deadline(request->peer, 0);
	request->dispatched = true;
	http_peer_busy(request->peer);
	request->next = server->requests;
	request->link = &server->requests;
	if (request->next)
		request->next->link = &request->next;
	server->requests = request;
	request->in_handler = true;
	server->options.handler(request, server->options.payload);
	request->in_handler = false;
}

enum MHD_Result http_request_continue(struct http_request *request, struct MHD_Connection *connection,
									  const char *method, const char *version, const char *data,
									  size_t *length)
{
	if (!request->head_seen)
		return read_head(request, connection, method, version);
	if (*length) {
		enum MHD_Result result = read_body(request, data, *length);
		*length = 0;
		return result;
	}
	if (request->closing || request->server->closing)
		return MHD_NO;
	if (!request->dispatched) {
		if (request->too_large)
			return refuse(request, connection, 413, "the body is larger than this server takes");
		if (request->starved)
			return refuse(request, connection, 503, "too many large bodies are being read: send it again");
		dispatch(request);
	}
	if (!request->response) {
		if (request->finished)
			return MHD_NO;
		request->suspended = true;
		MHD_suspend_connection(connection);
		http_peer_watch(request->peer);
		return MHD_YES;
	}
	enum MHD_Result result = MHD_queue_response(connection, request->status, request->response);
	MHD_destroy_response(request->response);
	request->response = NULL;
	return result;
}

void http_request_wake(struct http_request *request)
{
	if (!request->peer || !request->suspended || request->in_handler)
		return;
	request->suspended = false;
	http_peer_unwatch(request->peer);
	MHD_resume_connection(request->peer->connection);
	http_server_run_soon(request->server);
}

/* The peer closed, or only its sending side: libmicrohttpd takes both for the end of the connection. */
void http_request_hang_up(struct http_request *request)
{
	request->closing = true;
	request->cut = request->streaming;
	http_request_wake(request);
}

/* --- answering --- */

const char *http_request_method(const struct http_request *request)
{
	return request->method;
}

const char *http_request_target(const struct http_request *request)
{
	return request->target;
}

const char *http_request_header(const struct http_request *request, const char *name)
{
	for (size_t index = 0; index < request->header_count; index++)
		if (strcasecmp(request->headers[index].name, name) == 0)
			return request->headers[index].value;
	return NULL;
}

void http_request_peer(const struct http_request *request, char text[HTTP_PEER_SIZE])
{
	struct sockaddr_storage address = {0};
	socklen_t size = sizeof(address);

	text[0] = '\0';
	if (!request->peer || getpeername(request->peer->fd, (struct sockaddr *)&address, &size))
		return;
	if (address.ss_family == AF_UNIX)
		memcpy(text, "unix", sizeof("unix"));
	else if (getnameinfo((struct sockaddr *)&address, size, text, HTTP_PEER_SIZE, NULL, 0, NI_NUMERICHOST))
		text[0] = '\0';
}

bool http_request_peer_user(const struct http_request *request, uid_t *ret_user)
{
	struct ucred credentials = {0};
	socklen_t size = sizeof(credentials);

	if (!request->server || !request->server->unix_path || !request->peer ||
		getsockopt(request->peer->fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size))
		return false;
	*ret_user = credentials.uid;
	return true;
}

const char *http_request_body(const struct http_request *request, size_t *ret_length)
{
	*ret_length = request->body_length;
	return request->body ? request->body : "";
}

void http_request_set_payload(struct http_request *request, void *payload)
{
	request->payload = payload;
}

void *http_request_payload(const struct http_request *request)
{
	return request->payload;
}

void http_request_on_gone(struct http_request *request, http_gone *gone)
{
	request->on_gone = gone;
	/* It may have happened already; the handler hears of it after its call. */
	bool already = !request->peer || request->server->stopping;
	if (gone && already && !request->gone_told) {
		request->gone_wanted = true;
		if (request->server)
			http_server_gone_soon(request->server);
	}
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
	HC_AUTO_FREE clean = hc_xstrdup(value);

	for (char *character = clean; *character; character++)
		if ((unsigned char)*character < 0x20 || *character == 0x7f)
			*character = ' ';
	MHD_add_response_header(response, name, clean);
}

static void set_response(struct http_request *request, struct MHD_Response *response,
						 const struct http_reply *reply)
{
	add_header(response, "Content-Type", reply->content_type ? reply->content_type : "application/json");
	for (size_t index = 0; index < reply->header_count; index++)
		add_header(response, reply->headers[index].name, reply->headers[index].value);
	if (request->server->stopping)
		MHD_add_response_header(response, "Connection", "close");
	request->response = response;
	request->status = (unsigned)reply->status;
	http_request_wake(request);
}

static void finish(struct http_request *request)
{
	request->finished = true;
	unlist(request);
	free_when_done(request);
}

void http_reply(struct http_request *request, const struct http_reply *reply)
{
	if (request->peer) {
		char *body = reply->body_take;
		if (!body) {
			body = hc_xalloc(reply->length + 1);
			if (reply->length)
				memcpy(body, reply->body, reply->length);
		}
		set_response(request, MHD_create_response_from_buffer(reply->length, body, MHD_RESPMEM_MUST_FREE),
					 reply);
	} else {
		free(reply->body_take);
	}
	finish(request);
}

/* --- streams --- */

static ssize_t take(struct http_request *request, char *buffer, size_t size)
{
	size_t count = 0;

	while (request->first && count < size) {
		struct http_piece *piece = request->first;
		size_t part = piece->chunk->length - request->offset;
		if (part > size - count)
			part = size - count;
		memcpy(buffer + count, piece->chunk->data + request->offset, part);
		count += part;
		request->offset += part;
		request->pending_bytes -= part;
		if (request->offset < piece->chunk->length)
			break;
		request->offset = 0;
		request->pending_chunks--;
		request->first = piece->next;
		if (!request->first)
			request->last = &request->first;
		http_chunk_unref(piece->chunk);
		free(piece);
	}
	return (ssize_t)count;
}

static ssize_t read_stream(void *payload, uint64_t position, char *buffer, size_t size)
{
	struct http_request *request = payload;

	(void)position;
	if (!request->peer || request->cut || request->server->closing)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (!request->first && !request->ended && request->written && request->on_drained) {
		request->written = false;
		request->on_drained(request); /* may write, end or cut */
	}
	if (request->cut)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (request->first)
		return take(request, buffer, size);
	if (request->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	request->suspended = true;
	MHD_suspend_connection(request->peer->connection);
	http_peer_watch(request->peer);
	return 0;
}

void http_stream_begin(struct http_request *request, const struct http_reply *reply)
{
	request->streaming = true;
	if (!request->peer)
		return;
	struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES,
																	  read_stream, request, NULL);
	set_response(request, response, reply);
}

struct http_chunk *http_chunk_new(const void *data, size_t length)
{
	struct http_chunk *chunk = hc_xalloc(sizeof(*chunk) + length + 1);

	chunk->references = 1;
	chunk->length = length;
	memcpy(chunk->data, data, length);
	return chunk;
}

struct http_chunk *http_chunk_ref(struct http_chunk *chunk)
{
	chunk->references++;
	return chunk;
}

void http_chunk_unref(struct http_chunk *chunk)
{
	if (chunk && --chunk->references == 0)
		free(chunk);
}

void http_stream_push(struct http_request *request, struct http_chunk *chunk)
{
	if (!request->peer || request->ended || request->cut || chunk->length == 0)
		return;
	struct http_piece *piece = hc_xalloc(sizeof(*piece));
	piece->chunk = http_chunk_ref(chunk);
	*request->last = piece;
	request->last = &piece->next;
	request->pending_bytes += chunk->length;
	request->pending_chunks++;
	request->written = true;
	if (!request->response)
		http_request_wake(request);
}

void http_stream_write(struct http_request *request, const void *data, size_t length)
{
	struct http_chunk *chunk = http_chunk_new(data, length);

	http_stream_push(request, chunk);
	http_chunk_unref(chunk);
}

size_t http_stream_pending_bytes(const struct http_request *request)
{
	return request->pending_bytes;
}

size_t http_stream_pending_chunks(const struct http_request *request)
{
	return request->pending_chunks;
}

void http_stream_on_drained(struct http_request *request, http_drained *drained)
{
	request->on_drained = drained;
}

void http_stream_end(struct http_request *request)
{
	request->ended = true;
	http_request_wake(request);
	finish(request);
}

void http_stream_cut(struct http_request *request)
{
	request->cut = true;
	if (request->peer)
		shutdown(request->peer->fd, SHUT_RDWR); /* a peer that reads nothing would hold us else */
	http_request_wake(request);
	finish(request);
}
