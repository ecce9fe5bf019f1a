/* The log of a build: read from the database piece by piece, each on a pool thread, while the build writes
 * it.
 *
 * Of a Deployment its row is looked at before each reading, so that what is read then is all there is by the
 * time its stage says so. */
#include "api_log.h"

#include "base/limits.h"
#include "store/store_job.h"

#define PIECE_BYTES (128U * 1024)
#define IDLE_LEAST_MS 200
#define IDLE_MOST_MS 1000

static const char ANEW[] = "\n--- the build begins anew ---\n";

/* --- waiting --- */

static void waited(uv_timer_t *timer)
{
	struct api_log *log = timer->data;

	if (log->uid)
		api_log_look(log);
	else
		api_log_build(log);
}

void api_log_wait(struct api_log *log)
{
	/* Who follows learns at once that he is heard. */
	api_log_begin(log);
	log->idle_ms = log->idle_ms ? log->idle_ms * 2 : IDLE_LEAST_MS;
	if (log->idle_ms > IDLE_MOST_MS)
		log->idle_ms = IDLE_MOST_MS;
	uv_timer_start(&log->timer, waited, (uint64_t)log->idle_ms, 0);
}

/* --- reading --- */

static void read_piece(struct api_log *log, struct store *store)
{
	int64_t before = log->place.log;

	if (store_build_log_read(store, log->piece_arena, log->build_uid, &log->place, PIECE_BYTES, &log->piece,
							 &log->piece_length, &log->piece_ended, &log->piece_error))
		log->piece_length = 0;
	log->piece_anew = before && before != log->place.log;
}

/* Where the last lines begin. */
static void find_tail(struct api_log *log, struct store *store)
{
	const char *text = NULL;
	size_t length = 0;
	bool ended = false;

	log->place = (struct store_log_place){0};
	if (store_build_log_read(store, log->piece_arena, log->build_uid, &log->place, 2 * STORE_BUILD_LOG_BYTES,
							 &text, &length, &ended, &log->piece_error))
		return;
	log->place.position = api_log_last_lines(text, length, log->tail_lines) - text;
	log->tail_lines = -1; /* of what comes then, all */
}

/* All that there was is read. */
static void at_end(struct api_log *log)
{
	if (log->uid && !log->building)
		api_log_controller(log);
	else if (!log->follow || (log->uid ? !log->unfinished : log->piece_ended))
		api_log_end(log, true);
	else
		api_log_wait(log);
}

/* Whether a piece was written, so that another one may follow. */
static bool have_piece(struct api_log *log)
{
	if (log->piece_error.class != HC_OK) {
		if (log->piece_error.class == HC_NOT_FOUND && log->begun)
			api_log_end(log, true); /* the build was removed */
		else
			api_log_refuse(log, api_status_of_class(log->piece_error.class), log->piece_error.text);
		return false;
	}
	api_log_begin(log);
	if (log->piece_anew)
		http_stream_write(log->call->request, ANEW, sizeof ANEW - 1);
	if (log->piece_length == 0) {
		at_end(log);
		return false;
	}
	log->place.position += (int64_t)log->piece_length;
	log->idle_ms = 0;
	http_stream_write(log->call->request, log->piece, log->piece_length);
	log->paused = http_stream_pending_bytes(log->call->request) > HC_LIMIT_LOG_PENDING_BYTES;
	return true;
}

static void piece_done(struct api_log *log)
{
	if (have_piece(log) && log->link && !log->paused)
		api_log_build(log);
}

static void tail_done(struct api_log *log)
{
	if (log->piece_error.class != HC_OK)
		api_log_refuse(log, api_status_of_class(log->piece_error.class), log->piece_error.text);
	else
		api_log_build(log);
}

void api_log_build(struct api_log *log)
{
	if (log->tail_lines >= 0)
		api_log_work(log, find_tail, tail_done);
	else
		api_log_work(log, read_piece, piece_done);
}

void api_log_build_drained(struct api_log *log)
{
	if (!log->paused)
		return;
	log->paused = false;
	api_log_build(log);
}
