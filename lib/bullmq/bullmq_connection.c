/* One connection and its round trips. A connection that once failed is dead for hiredis, so it is thrown away
 * and the next call opens another; what was on its way is then neither known to have worked nor to have
 * failed, and each caller says whether it may be repeated. */
#include "bullmq_internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_DEFAULT_MS 5000

int bullmq_open(const struct bullmq_options *options, struct bullmq **ret_queue, struct hc_error *err)
{
	const char *prefix = options->prefix ? options->prefix : "bull";
	struct bullmq *queue;
	struct bullmq_address address;

	if (bullmq_check_queue(options->queue, prefix, err) || bullmq_address_parse(options->url, &address, err))
		return -1;
	queue = hc_xalloc(sizeof *queue);
	queue->address = address;
	queue->prefix = hc_xprintf("%s:%s:", prefix, options->queue);
	queue->client = hc_xstrdup(options->client);
	queue->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_DEFAULT_MS;
	*ret_queue = queue;
	return 0;
}

void bullmq_close(struct bullmq *queue)
{
	if (!queue)
		return;
	bullmq_disconnect(queue);
	bullmq_address_done(&queue->address);
	free(queue->prefix);
	free(queue->client);
	free(queue->unanswered_token);
	free(queue);
}

void bullmq_disconnect(struct bullmq *queue)
{
	if (queue->context)
		redisFree(queue->context);
	queue->context = NULL;
}

/* --- errors ------------------------------------------------------------------------------------------------
 */

int bullmq_fail_reply(const redisReply *reply, const char *what, struct hc_error *err)
{
	static const struct {
		const char *prefix;
		enum hc_class class;
	} classes[] = {
		{"LOADING", HC_TRANSIENT},
		{"BUSY", HC_TRANSIENT},
		{"OOM", HC_TRANSIENT},
		{"MASTERDOWN", HC_TRANSIENT},
		{"CLUSTERDOWN", HC_TRANSIENT},
		{"TRYAGAIN", HC_TRANSIENT},
		{"READONLY", HC_TRANSIENT},
		{"NOREPLICAS", HC_TRANSIENT},
		{"MISCONF", HC_TRANSIENT},
		{"UNBLOCKED", HC_TRANSIENT},
		{"NOSCRIPT", HC_TRANSIENT},
		{"ERR max number of clients", HC_TRANSIENT},
		{"NOAUTH", HC_DENIED},
		{"WRONGPASS", HC_DENIED},
		{"NOPERM", HC_DENIED},
		{"ERR invalid password", HC_DENIED},
		{"ERR Client sent AUTH", HC_DENIED},
		{"ERR AUTH", HC_DENIED},
		{"DENIED", HC_DENIED},
		{"ERR DB index", HC_INVALID},
		{"WRONGTYPE", HC_INVALID},
	};

	if (reply->type != REDIS_REPLY_ERROR)
		return hc_fail(err, HC_BUG, "%s: Redis gave an answer of type %d", what, reply->type);
	for (size_t n = 0; n < HC_COUNT(classes); n++) {
		if (hc_starts_with(reply->str, classes[n].prefix))
			return hc_fail(err, classes[n].class, "%s: Redis says: %s", what, reply->str);
	}
	return hc_fail(err, HC_BUG, "%s: Redis says: %s", what, reply->str);
}

int bullmq_fail_context(struct bullmq *queue, const char *what, struct hc_error *err)
{
	int saved = errno;
	const redisContext *context = queue->context;

	if (context && context->err == REDIS_ERR_IO && saved == EAGAIN)
		(void)hc_fail(err, HC_TRANSIENT, "%s: Redis gave no answer within %d ms", what, queue->timeout_ms);
	else
		(void)hc_fail(err, HC_TRANSIENT, "%s: %s", what,
					  context && context->errstr[0] ? context->errstr : "no connection to Redis");
	bullmq_disconnect(queue);
	return -1;
}

/* --- connecting --------------------------------------------------------------------------------------------
 */

static int greet(struct bullmq *queue, struct hc_error *err, int count, const char **words)
{
	BULLMQ_AUTO_REPLY reply = redisCommandArgv(queue->context, count, words, NULL);

	if (!reply)
		return bullmq_fail_context(queue, words[0], err);
	return reply->type == REDIS_REPLY_ERROR ? bullmq_fail_reply(reply, words[0], err) : 0;
}

static int greet_all(struct bullmq *queue, struct hc_error *err)
{
	const struct bullmq_address *address = &queue->address;
	char number[16];

	if (address->password && address->user) {
		if (greet(queue, err, 3, (const char *[]){"AUTH", address->user, address->password}))
			return -1;
	} else if (address->password && greet(queue, err, 2, (const char *[]){"AUTH", address->password})) {
		return -1;
	}
	(void)snprintf(number, sizeof number, "%d", address->database);
	/* Also when it is 0: the first round trip tells a Redis that is loading or wants a password. */
	if (greet(queue, err, 2, (const char *[]){"SELECT", number}))
		return -1;
	if (queue->client && greet(queue, err, 3, (const char *[]){"CLIENT", "SETNAME", queue->client}))
		return -1;
	return 0;
}

/* Whether an idle connection was closed by the other side meanwhile: nothing is expected, so anything to read
 * is its end. */
static bool stale(const redisContext *context)
{
	struct pollfd polled = {.fd = context->fd, .events = POLLIN};

	return context->err || (poll(&polled, 1, 0) > 0 && polled.revents);
}

int bullmq_connect(struct bullmq *queue, struct hc_error *err)
{
	const struct bullmq_address *address = &queue->address;
	struct timeval timeout = {.tv_sec = queue->timeout_ms / 1000,
							  .tv_usec = (queue->timeout_ms % 1000) * 1000};

	if (queue->context && stale(queue->context))
		bullmq_disconnect(queue);
	if (queue->context)
		return 0;
	queue->context = address->path ? redisConnectUnixWithTimeout(address->path, timeout)
								   : redisConnectWithTimeout(address->host, address->port, timeout);
	if (!queue->context || queue->context->err)
		(void)bullmq_fail_context(queue, "connect", err);
	else if (redisSetTimeout(queue->context, timeout) != REDIS_OK)
		(void)bullmq_fail_context(queue, "set the time-out", err);
	else if (!greet_all(queue, err))
		return 0;
	bullmq_disconnect(queue);
	return address->path ? hc_wrap(err, "Redis at %s", address->path)
						 : hc_wrap(err, "Redis at %s:%d", address->host, address->port);
}

/* --- commands ----------------------------------------------------------------------------------------------
 */

void bullmq_word_bytes(struct bullmq_command *command, const void *data, size_t length)
{
	if (command->count >= BULLMQ_ARGUMENTS_MAX)
		abort();
	command->words[command->count] = length ? data : "";
	command->lengths[command->count++] = length;
}

void bullmq_word(struct bullmq_command *command, const char *text)
{
	bullmq_word_bytes(command, text, strlen(text));
}

void bullmq_word_number(struct bullmq_command *command, struct hc_arena *arena, int64_t number)
{
	bullmq_word(command, hc_arena_printf(arena, "%" PRId64, number));
}

char *bullmq_key(struct bullmq *queue, struct hc_arena *arena, const char *name)
{
	return hc_arena_printf(arena, "%s%s", queue->prefix, name);
}

void bullmq_word_keys(struct bullmq *queue, struct hc_arena *arena, struct bullmq_command *command,
					  const char *names)
{
	char *rest = hc_arena_strdup(arena, names), *name;

	while ((name = strsep(&rest, " ")))
		bullmq_word(command, bullmq_key(queue, arena, name));
}

void bullmq_begin(struct bullmq_command *command, const char *name)
{
	static const char *const counts[] = {"0", "1", "2",  "3",  "4",  "5",  "6",  "7",
										 "8", "9", "10", "11", "12", "13", "14", "15"};
	const struct bullmq_script *script = bullmq_scripts;

	while (script->name && !hc_streq(script->name, name))
		script++;
	if (!script->name || script->keys >= (int)HC_COUNT(counts))
		abort(); /* a name that the build did not embed */
	*command = (struct bullmq_command){.script = script};
	bullmq_word(command, "EVALSHA");
	bullmq_word(command, script->sha1);
	bullmq_word(command, counts[script->keys]);
}

int bullmq_append(const struct bullmq *queue, const struct bullmq_command *command)
{
	return redisAppendCommandArgv(queue->context, command->count, (const char **)(uintptr_t)command->words,
								  command->lengths);
}

/* EVAL also leaves the script in Redis' cache: the next EVALSHA finds it. */
int bullmq_eval(const struct bullmq *queue, const struct bullmq_command *command)
{
	struct bullmq_command whole = *command;

	whole.words[0] = "EVAL";
	whole.lengths[0] = 4;
	whole.words[1] = command->script->text;
	whole.lengths[1] = command->script->length;
	return bullmq_append(queue, &whole);
}

bool bullmq_lacks_script(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ERROR && hc_starts_with(reply->str, "NOSCRIPT");
}

static int ask(struct bullmq *queue, const struct bullmq_command *command, bool whole, redisReply **ret_reply)
{
	void *reply = NULL;
	int result = whole ? bullmq_eval(queue, command) : bullmq_append(queue, command);

	errno = 0;
	if (result != REDIS_OK || redisGetReply(queue->context, &reply) != REDIS_OK)
		return -1;
	*ret_reply = reply;
	return 0;
}

/* NOSCRIPT means that nothing ran, so the repetition is no second try. */
static int ask_script(struct bullmq *queue, const struct bullmq_command *command, redisReply **ret_reply)
{
	if (ask(queue, command, false, ret_reply))
		return -1;
	if (!command->script || !bullmq_lacks_script(*ret_reply))
		return 0;
	freeReplyObject(*ret_reply);
	*ret_reply = NULL;
	return ask(queue, command, true, ret_reply);
}

int bullmq_call(struct bullmq *queue, const struct bullmq_command *command, enum bullmq_again again,
				redisReply **ret_reply, bool *ret_repeated, struct hc_error *err)
{
	const char *what = command->script ? command->script->name : command->words[0];

	*ret_reply = NULL;
	if (ret_repeated)
		*ret_repeated = false;
	if (bullmq_connect(queue, err))
		return hc_wrap(err, "%s", what);
	if (ask_script(queue, command, ret_reply)) {
		(void)bullmq_fail_context(queue, what, err);
		if (ret_repeated)
			*ret_repeated = true;
		if (again == BULLMQ_ONCE)
			return hc_wrap(err, "not known whether it was done");
		if (bullmq_connect(queue, err))
			return hc_wrap(err, "%s", what);
		if (ask_script(queue, command, ret_reply))
			return bullmq_fail_context(queue, what, err);
	}
	if ((*ret_reply)->type != REDIS_REPLY_ERROR)
		return 0;
	(void)bullmq_fail_reply(*ret_reply, what, err);
	freeReplyObject(*ret_reply);
	*ret_reply = NULL;
	return -1;
}
