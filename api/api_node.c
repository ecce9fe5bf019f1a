/* See the header. */
#include "api_node.h"

#include "base/alloc.h"
#include "http/http_answer.h"
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MS 10000
#define ANSWER_BYTES_MAX (16U << 20)

struct question {
	uv_pipe_t pipe;
	uv_timer_t timer;
	uv_connect_t connect;
	uv_write_t write;
	struct http_answer answer;
	struct hc_text body;
	char *text;
	api_node_answered *answered; /* NULL once it was told */
	void *payload;
	int handles; /* that are not closed yet */
	char buffer[16384];
};

static void closed(uv_handle_t *handle)
{
	struct question *question = handle->data;

	if (--question->handles > 0)
		return;
	http_answer_done(&question->answer);
	hc_text_done(&question->body);
	free(question->text);
	free(question);
}

static void tell(struct question *question, const char *problem)
{
	api_node_answered *answered = hc_take(&question->answered);

	if (!answered)
		return;
	answered(problem ? 0 : question->answer.status, hc_text_string(&question->body), question->body.length,
			 problem, question->payload);
	uv_close((uv_handle_t *)&question->pipe, closed);
	uv_close((uv_handle_t *)&question->timer, closed);
}

static void deadline_passed(uv_timer_t *timer)
{
	tell(timer->data, "does not answer");
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct question *question = handle->data;

	(void)suggested;
	*buffer = uv_buf_init(question->buffer, sizeof(question->buffer));
}

/* What is beyond the limit is dropped; have_read sees it by the length. */
static void collect(const char *data, size_t length, void *payload)
{
	struct question *question = payload;

	if (question->body.length <= ANSWER_BYTES_MAX)
		hc_text_append_bytes(&question->body, data, length);
}

static void have_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	struct question *question = stream->data;
	struct hc_error err = {0};

	if (count == 0)
		return;
	if (count < 0)
		tell(question, http_answer_complete(&question->answer) ? NULL : "closed the connection");
	else if (http_answer_feed(&question->answer, buffer->base, (size_t)count, collect, question, &err))
		tell(question, "answers nonsense");
	else if (question->body.length > ANSWER_BYTES_MAX)
		tell(question, "answers too much");
	else if (question->answer.done)
		tell(question, NULL);
}

static void have_written(uv_write_t *write, int status)
{
	if (status < 0 && status != UV_ECANCELED)
		tell(write->data, "closed the connection");
}

static void connected(uv_connect_t *connect, int status)
{
	struct question *question = connect->data;

	if (status == UV_ECANCELED)
		return;
	if (status < 0) {
		tell(question, "does not run");
		return;
	}
	uv_buf_t buffer = uv_buf_init(question->text, (unsigned)strlen(question->text));
	uv_write(&question->write, (uv_stream_t *)&question->pipe, &buffer, 1, have_written);
	uv_read_start((uv_stream_t *)&question->pipe, give_buffer, have_read);
}

void api_node_ask(struct api *api, const char *target, api_node_answered *answered, void *payload)
{
	struct question *question = hc_xalloc(sizeof(*question));

	question->text = hc_xprintf("GET %s HTTP/1.1\r\nHost: controller\r\nConnection: close\r\n\r\n", target);
	question->answered = answered;
	question->payload = payload;
	question->handles = 2;
	uv_pipe_init(&api->loop, &question->pipe, 0);
	uv_timer_init(&api->loop, &question->timer);
	question->pipe.data = question->timer.data = question->connect.data = question->write.data = question;
	uv_timer_start(&question->timer, deadline_passed, DEADLINE_MS, 0);
	uv_pipe_connect(&question->connect, &question->pipe, api->options.controller_socket, connected);
}
