/* What the files of lib/bullmq share; nobody else includes it. */
#ifndef BULLMQ_INTERNAL_H
#define BULLMQ_INTERNAL_H

#include "bullmq.h"
#include "bullmq_script.h"

#include "base/text.h"
#include <hiredis.h>
#include <jansson.h>
#include <msgpack.h>

/* --- bullmq_url.c: pure ------------------------------------------------------------------------------------
 */

struct bullmq_address {
	char *host; /* NULL: path is set */
	char *path; /* of a unix socket */
	char *user; /* NULL: none */
	char *password;
	int port;
	int database;
};
int bullmq_address_parse(const char *url, struct bullmq_address *ret_address, struct hc_error *err)
	HC_MUST_CHECK;
void bullmq_address_done(struct bullmq_address *address);

/* --- bullmq_rule.c: pure -----------------------------------------------------------------------------------
 */

int bullmq_check_id(const char *id, struct hc_error *err) HC_MUST_CHECK;
int bullmq_check_queue(const char *queue, const char *prefix, struct hc_error *err) HC_MUST_CHECK;
/* JSON as every reader of the queue takes it; name is for the error. */
int bullmq_check_json(const char *name, const char *json, struct hc_error *err) HC_MUST_CHECK;
int bullmq_check_add(const struct bullmq_add *job, struct hc_error *err) HC_MUST_CHECK;

/* --- bullmq_pack.c: pure -----------------------------------------------------------------------------------
 */

/* Thin names over msgpack-c; a buffer is opened by the caller and ended by msgpack_sbuffer_destroy(). */
void bullmq_pack_text(msgpack_packer *packer, const char *text); /* NULL: nil */
void bullmq_pack_json(msgpack_packer *packer, const json_t *value);
/* First ARGV of the add scripts, and the third: options under the names that Job.opts has. */
void bullmq_pack_add(msgpack_sbuffer *buffer, const char *keys_prefix, const struct bullmq_add *job,
					 int64_t now_ms);
void bullmq_pack_add_options(msgpack_sbuffer *buffer, const struct bullmq_add *job);
void bullmq_pack_worker(msgpack_sbuffer *buffer, const struct bullmq_worker *worker);
/* Options of moveToFinished; `options` are the job's own as JSON, may be NULL. */
void bullmq_pack_finish(msgpack_sbuffer *buffer, const struct bullmq_worker *worker, const json_t *options,
						bool failed, int64_t attempts);
void bullmq_pack_texts(msgpack_sbuffer *buffer, const char *const *texts, size_t count);

/* Wait before the next attempt; attempts_made is that before this failure, random in [0, 1). */
int64_t bullmq_backoff(const json_t *options, int64_t attempts_made, double random);

/* --- bullmq_connection.c -----------------------------------------------------------------------------------
 */

struct bullmq {
	struct bullmq_address address;
	char *prefix; /* "bull:NAME:", before every key */
	char *client; /* NULL: none */
	int timeout_ms;
	redisContext *context;  /* NULL: not connected */
	char *unanswered_token; /* of a call that may have locked a job for it; NULL: none */
};

#define BULLMQ_ARGUMENTS_MAX 32

/* One command: its words may hold NULs; they are borrowed until the answer. */
struct bullmq_command {
	const char *words[BULLMQ_ARGUMENTS_MAX];
	size_t lengths[BULLMQ_ARGUMENTS_MAX];
	int count;
	const struct bullmq_script *script;
};
void bullmq_word(struct bullmq_command *command, const char *text);
void bullmq_word_bytes(struct bullmq_command *command, const void *data, size_t length);
void bullmq_word_number(struct bullmq_command *command, struct hc_arena *arena, int64_t number);
/* Key of the queue: "wait" → "bull:NAME:wait". A list of them, separated by spaces. */
char *bullmq_key(struct bullmq *queue, struct hc_arena *arena, const char *name);
void bullmq_word_keys(struct bullmq *queue, struct hc_arena *arena, struct bullmq_command *command,
					  const char *names);
/* Begins EVALSHA of a script; its keys and arguments follow. */
void bullmq_begin(struct bullmq_command *command, const char *script);

enum bullmq_again {
	BULLMQ_ONCE,  /* never sent twice: a lost answer is TRANSIENT */
	BULLMQ_TWICE, /* repeating is harmless: sent once more on a new connection */
};
/* One round trip; loads the script where Redis hasn't it. *ret_reply: freeReplyObject() by the caller.
 * *ret_repeated (may be NULL): an earlier send of it was not answered, and may have worked. */
int bullmq_call(struct bullmq *queue, const struct bullmq_command *command, enum bullmq_again again,
				redisReply **ret_reply, bool *ret_repeated, struct hc_error *err) HC_MUST_CHECK;
int bullmq_connect(struct bullmq *queue, struct hc_error *err) HC_MUST_CHECK;
void bullmq_disconnect(struct bullmq *queue);
/* The class of an error answer, and its text. */
int bullmq_fail_reply(const redisReply *reply, const char *what, struct hc_error *err);
int bullmq_fail_context(struct bullmq *queue, const char *what, struct hc_error *err);
int bullmq_eval(const struct bullmq *queue, const struct bullmq_command *command); /* appends it as EVAL */
int bullmq_append(const struct bullmq *queue, const struct bullmq_command *command);
bool bullmq_lacks_script(const redisReply *reply);

static inline void bullmq_reply_cleanup(redisReply **reply)
{
	if (*reply)
		freeReplyObject(*reply);
	*reply = NULL;
}
#define BULLMQ_AUTO_REPLY __attribute__((cleanup(bullmq_reply_cleanup))) redisReply *

static inline void bullmq_buffer_cleanup(msgpack_sbuffer *buffer)
{
	msgpack_sbuffer_destroy(buffer);
}
#define BULLMQ_AUTO_BUFFER __attribute__((cleanup(bullmq_buffer_cleanup))) msgpack_sbuffer

/* --- bullmq_take.c -----------------------------------------------------------------------------------------
 */

/* The array of four that moveToActive and moveToFinished answer with. */
int bullmq_job_read(const redisReply *reply, struct hc_arena *arena, struct bullmq_job *ret_job,
					struct hc_error *err) HC_MUST_CHECK;
void bullmq_note_unanswered(struct bullmq *queue, const char *token);

/* --- bullmq_code.c: pure -----------------------------------------------------------------------------------
 */

/* -1 … -11 of the scripts as an error. */
int bullmq_fail_code(int64_t code, const char *what, const char *id, struct hc_error *err);

#endif
