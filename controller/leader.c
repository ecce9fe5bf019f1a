/* See leader.h.
 *
 * Owned by the thread: the two locks, its own database session and Docker handle. What others read is atomic,
 * or (installation) written once under the mutex and kept for ever.
 *
 * renewed_ms is the moment at which a ping that has succeeded was *sent*: the session lived at least then.
 * Whoever needs a younger proof sets asked_ms and wakes the thread; each proof clears it. */
#include "leader.h"
#include "leader_state.h"
#include "stop.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "docker/docker.h"
#include "store/store_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define RENEW_MS 500  /* a proof of this age is renewed when somebody asks */
#define REST_MS 10000 /* between two proofs that nobody asked for */
#define FRESH_WAIT_MS 1000
#define LEASE_MS 2000
#define STANDBY_MS 500  /* how often a standby tries; take-over is within 2 s */
#define TROUBLE_MS 1000 /* Docker or PostgreSQL are away */
#define STATE_WRITE_MS 2000
#define VERSION_WAIT_MS 5000
#define WAKE 1U
#define LOCK_FOLDER "/run/lock"

struct leader {
	struct leader_options options;
	pthread_t thread;
	bool started;
	/* the thread's own */
	struct store *store;
	struct docker *docker;
	struct hc_arena *arena; /* installation ids, for ever */
	char *holder;
	char *engine_id;
	char *state_path;
	int lock_fd; /* -1: not held */
	int64_t written_ms;
	struct leader_state written; /* what leader.json says */
	struct waker *waker;
	pthread_mutex_t fresh_lock; /* of who waits for a proof */
	pthread_cond_t fresh;
	pthread_mutex_t trouble_lock;    /* only the thread writes; others read under it */
	char trouble[HC_ERROR_TEXT_MAX]; /* why it does not lead; each is logged once */
	/* everybody's */
	_Atomic(const char *) installation;
	atomic_int_fast64_t renewed_ms; /* 0: does not lead */
	atomic_int_fast64_t asked_ms;   /* since when a proof is wanted; 0: it is not */
	atomic_bool refused;            /* somebody was told no while it led */
	atomic_int_fast64_t epoch;
	atomic_int_fast64_t resource_version;
	atomic_bool unwritten; /* leader.json is behind it */
	atomic_bool trusted;
};

/* --- what others ask
 * --------------------------------------------------------------------------------------------- */

/* Wakes the thread, once a proof. */
static void ask(struct leader *leader, int64_t now_ms)
{
	int64_t nobody = 0;

	if (atomic_compare_exchange_strong(&leader->asked_ms, &nobody, now_ms))
		waker_wake(leader->waker, WAKE);
}

static bool proof_is_good(struct leader *leader, int64_t now_ms)
{
	int64_t renewed_ms = atomic_load(&leader->renewed_ms);

	return renewed_ms && now_ms - renewed_ms < LEASE_MS;
}

/* Waits until the proof is a new one, or it is sure that it won't come in time. */
static bool wait_for_proof(struct leader *leader)
{
	int64_t asked_ms = atomic_load(&leader->asked_ms);
	struct timespec until = hc_clock_monotonic_in(FRESH_WAIT_MS);
	bool good;

	if (asked_ms && hc_clock_boot_ms() - asked_ms >= FRESH_WAIT_MS)
		return false; /* others waited already */
	pthread_mutex_lock(&leader->fresh_lock);
	while (!(good = proof_is_good(leader, hc_clock_boot_ms())) && atomic_load(&leader->renewed_ms) &&
		   !stop_is_set(leader->options.stop)) {
		if (pthread_cond_timedwait(&leader->fresh, &leader->fresh_lock, &until))
			break;
	}
	pthread_mutex_unlock(&leader->fresh_lock);
	return good;
}

bool leader_may_act(struct leader *leader)
{
	int64_t renewed_ms = atomic_load(&leader->renewed_ms);
	int64_t now_ms = hc_clock_boot_ms();

	if (!renewed_ms || stop_is_set(leader->options.stop))
		return false;
	if (now_ms - renewed_ms < RENEW_MS)
		return true;
	ask(leader, now_ms);
	if (now_ms - renewed_ms < LEASE_MS || wait_for_proof(leader))
		return true;
	atomic_store(&leader->refused, true);
	ask(leader, now_ms); /* the proof may have come in this moment: who was refused needs another one */
	return false;
}

bool leader_leads(struct leader *leader)
{
	int64_t asked_ms;
	int64_t now_ms = hc_clock_boot_ms();

	if (!atomic_load(&leader->renewed_ms))
		return false;
	if (proof_is_good(leader, now_ms))
		return true;
	ask(leader, now_ms);
	asked_ms = atomic_load(&leader->asked_ms);
	return !asked_ms || now_ms - asked_ms < LEASE_MS;
}

int64_t leader_epoch(const struct leader *leader)
{
	return atomic_load(&leader->epoch);
}

const char *leader_installation(const struct leader *leader)
{
	return atomic_load(&leader->installation);
}

bool leader_database_trusted(const struct leader *leader)
{
	return atomic_load(&leader->trusted);
}

void leader_trouble(struct leader *leader, struct hc_text *text)
{
	pthread_mutex_lock(&leader->trouble_lock);
	hc_text_append(text, leader->trouble);
	pthread_mutex_unlock(&leader->trouble_lock);
}

void leader_saw_version(struct leader *leader, int64_t resource_version)
{
	int64_t before = atomic_load(&leader->resource_version);

	while (before < resource_version &&
		   !atomic_compare_exchange_weak(&leader->resource_version, &before, resource_version))
		continue;
	if (before < resource_version && !atomic_exchange(&leader->unwritten, true))
		waker_wake(leader->waker, WAKE);
}

/* --- getting there
 * ----------------------------------------------------------------------------------------------- */

static int learn_engine(struct leader *leader, struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct docker_info info;

	if (leader->engine_id)
		return 0;
	if (!leader->docker && docker_open(leader->options.docker_host, &leader->docker, err))
		return -1;
	if (docker_info(leader->docker, arena, &info, err))
		return -1;
	leader->engine_id = hc_xstrdup(info.engine_id);
	docker_close(hc_take(&leader->docker));
	return 0;
}

static int learn_installation(struct leader *leader, struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	const char *known = atomic_load(&leader->installation);
	const char *id;

	if (!leader->store && store_open(leader->options.database, "helvetia-controller", &leader->store, err))
		return -1;
	if (store_installation(leader->store, arena, &id, err))
		return -1;
	if (!hc_streq(known, id)) {
		if (known)
			hc_log(HC_LOG_WARN, "the database is another installation's now", "installation", id, "before",
				   known, NULL);
		atomic_store(&leader->installation, hc_arena_strdup(leader->arena, id));
	}
	return 0;
}

/* The engine's id has colons, other characters could come: everything unusual becomes a dash. */
static char *lock_path(const struct leader *leader)
{
	char *path = hc_xprintf(LOCK_FOLDER "/helvetia-%s-%s.lock", leader->engine_id,
							leader_installation(leader));

	for (char *at = path + strlen(LOCK_FOLDER "/"); *at; at++) {
		bool usual = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') ||
					 *at == '.';

		if (!usual)
			*at = '-';
	}
	return path;
}

/* *ret_held false: another process of this host has it. */
static int take_host_lock(struct leader *leader, bool *ret_held, struct hc_error *err)
{
	HC_AUTO_FREE path = NULL;
	HC_AUTO_FD fd = -1;

	*ret_held = leader->lock_fd >= 0;
	if (*ret_held)
		return 0;
	/* Small systems without systemd don't have the folder after a boot. */
	if (mkdir(LOCK_FOLDER, 0755) && errno != EEXIST)
		return hc_fail(err, HC_TRANSIENT, "make %s: %s", LOCK_FOLDER, strerror(errno));
	path = lock_path(leader);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return hc_fail(err, HC_TRANSIENT, "open %s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno == EWOULDBLOCK)
			return 0;
		return hc_fail(err, HC_TRANSIENT, "lock %s: %s", path, strerror(errno));
	}
	leader->lock_fd = fd;
	fd = -1;
	*ret_held = true;
	return 0;
}

struct version_question {
	int64_t resource_version;
	bool answered;
	struct hc_error err;
};

static void version_answered(const struct store_answer *answer, void *payload)
{
	struct version_question *question = payload;

	question->answered = true;
	question->resource_version = answer->resource_version;
	if (answer->error)
		question->err = *answer->error;
}

/* The database's newest resourceVersion, by a stream that lives for this one question. */
static int ask_version(struct leader *leader, int64_t *ret_version, struct hc_error *err)
{
	struct version_question question = {0};
	struct store_stream *stream;
	int64_t until_ms = hc_clock_boot_ms() + VERSION_WAIT_MS;

	if (store_stream_open(leader->options.database, "helvetia-controller version", &stream, err))
		return -1;
	store_stream_version(stream, version_answered, &question);
	while (!question.answered && hc_clock_boot_ms() < until_ms && !stop_is_set(leader->options.stop)) {
		struct pollfd wait = {.fd = store_stream_fd(stream), .events = POLLIN};

		if (store_stream_wants_write(stream))
			wait.events |= POLLOUT;
		(void)poll(&wait, 1, 100);
		store_stream_process(stream);
	}
	if (!question.answered)
		question.err.class = HC_TRANSIENT;
	store_stream_close(stream); /* answers what is open, so question must still be there */
	if (question.err.class)
		return hc_fail(err, HC_TRANSIENT, "ask for the newest resourceVersion: %s",
					   question.err.text[0] ? question.err.text : "no answer in time");
	*ret_version = question.resource_version;
	return 0;
}

static void record_distrust(struct leader *leader, const char *text)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct store_reference *namespaces;
	struct hc_error err;
	size_t count = 0;

	if (store_namespaces_all(leader->store, arena, &namespaces, &count, &err) == 0 && count > 0) {
		const struct store_event event = {.namespace_name = namespaces[0].name,
										  .kind = "Namespace",
										  .name = namespaces[0].name,
										  .uid = namespaces[0].uid,
										  .reason = "DatabaseBehind",
										  .message = text,
										  .warning = true};

		if (store_event_record(leader->store, leader_epoch(leader), &event, &err) == 0)
			return;
	} else if (count == 0) {
		return; /* an empty database has nowhere to show it */
	}
	hc_log(HC_LOG_WARN, "event not recorded", "error", err.text, NULL);
}

/* Takes the epoch. Compares the database with leader.json, and says so loudly when it is behind. */
static int judge_database(struct leader *leader, struct hc_error *err)
{
	struct leader_state now = {0};
	struct leader_state seen;
	char text[1024];
	bool trusted;

	/* The epoch comes last: what can fail is tried first, so that trouble doesn't use up epochs. */
	if (ask_version(leader, &now.resource_version, err) ||
		leader_state_read(leader->state_path, &seen, err) ||
		store_epoch_take(leader->store, leader->holder, &now.epoch, err))
		return -1;
	(void)snprintf(now.installation, sizeof now.installation, "%s", leader_installation(leader));
	trusted = leader_state_continues(&seen, &now);
	atomic_store(&leader->epoch, now.epoch);
	atomic_store(&leader->trusted, trusted);
	leader->written = seen;
	if (trusted) {
		atomic_store(&leader->resource_version, now.resource_version);
		return 0;
	}
	(void)snprintf(text, sizeof text,
				   "The database is older than what this controller has seen (epoch %" PRId64
				   " after %" PRId64 ", resourceVersion %" PRId64 " after %" PRId64
				   "): nothing is destroyed until a person accepts it by removing %s.",
				   now.epoch, seen.epoch, now.resource_version, seen.resource_version, leader->state_path);
	hc_log(HC_LOG_ERROR, text, NULL);
	record_distrust(leader, text);
	return 0;
}

/* Keeps leader.json up to date; a distrusted database must not overwrite the evidence. */
static void keep_state(struct leader *leader, int64_t now_ms)
{
	struct leader_state state = {.epoch = leader_epoch(leader)};
	struct hc_error err;

	(void)snprintf(state.installation, sizeof state.installation, "%s", leader_installation(leader));
	if (!atomic_load(&leader->trusted) || now_ms - leader->written_ms < STATE_WRITE_MS)
		return;
	atomic_store(&leader->unwritten, false); /* before the version is read */
	state.resource_version = atomic_load(&leader->resource_version);
	if (state.epoch == leader->written.epoch && state.resource_version == leader->written.resource_version &&
		strcmp(state.installation, leader->written.installation) == 0)
		return;
	leader->written_ms = now_ms;
	if (leader_state_write(leader->state_path, &state, &err)) {
		hc_log(HC_LOG_WARN, "leader.json not written", "error", err.text, NULL);
		atomic_store(&leader->unwritten, true);
		return;
	}
	leader->written = state;
}

static void give_up_locks(struct leader *leader)
{
	store_close(hc_take(&leader->store));
	if (leader->lock_fd >= 0)
		(void)close(leader->lock_fd);
	leader->lock_fd = -1;
}

/* 0: it does not lead any more. */
static void set_proof(struct leader *leader, int64_t renewed_ms)
{
	pthread_mutex_lock(&leader->fresh_lock);
	atomic_store(&leader->renewed_ms, renewed_ms);
	atomic_store(&leader->asked_ms, 0);
	pthread_cond_broadcast(&leader->fresh);
	pthread_mutex_unlock(&leader->fresh_lock);
}

/* *ret_leads false without an error: somebody else leads. */
static int try_to_lead(struct leader *leader, bool *ret_leads, struct hc_error *err)
{
	int64_t sent_ms;
	bool held = false;

	*ret_leads = false;
	if (learn_engine(leader, err) || learn_installation(leader, err) || take_host_lock(leader, &held, err))
		return -1;
	if (!held)
		return 0;
	if (store_leader_lock(leader->store, &held, err))
		return -1;
	if (!held)
		return 0;
	if (judge_database(leader, err))
		return -1;
	sent_ms = hc_clock_boot_ms();
	if (store_ping(leader->store, err))
		return -1;
	atomic_store(&leader->refused, false); /* everything begins anew anyway */
	set_proof(leader, sent_ms);
	*ret_leads = true;
	return 0;
}

static void set_trouble(struct leader *leader, const char *text)
{
	pthread_mutex_lock(&leader->trouble_lock);
	(void)snprintf(leader->trouble, sizeof leader->trouble, "%s", text);
	pthread_mutex_unlock(&leader->trouble_lock);
}

static void log_trouble(struct leader *leader, const char *message, const char *text)
{
	if (strcmp(leader->trouble, text) == 0)
		return;
	set_trouble(leader, text);
	hc_log(HC_LOG_WARN, message, "error", text, NULL);
}

/* Returns how long to wait before the next step. */
static int step_standby(struct leader *leader)
{
	char epoch[24];
	struct hc_error err;
	bool leads;

	if (try_to_lead(leader, &leads, &err)) {
		log_trouble(leader, "can't lead yet", err.text);
		give_up_locks(leader);
		return TROUBLE_MS;
	}
	if (!leads) {
		/* The host's lock is given back: waiting with one of two locks could block somebody who has the
		 * other. */
		if (leader->lock_fd >= 0)
			(void)close(leader->lock_fd);
		leader->lock_fd = -1;
		log_trouble(leader, "standby", "another controller leads this installation");
		return STANDBY_MS;
	}
	set_trouble(leader, "");
	(void)snprintf(epoch, sizeof epoch, "%" PRId64, leader_epoch(leader));
	hc_log(HC_LOG_INFO, "leading", "epoch", epoch, "installation", leader_installation(leader), NULL);
	leader->options.changed(true, leader->options.payload);
	return 0;
}

/* Until the next proof that nobody asks for. */
static int rest_ms(const struct leader *leader, int64_t now_ms)
{
	int64_t write_ms = leader->written_ms + STATE_WRITE_MS - now_ms;

	if (!atomic_load(&leader->unwritten) || !atomic_load(&leader->trusted))
		return REST_MS;
	return write_ms > 0 ? (int)write_ms : 0;
}

static int step_leading(struct leader *leader)
{
	int64_t sent_ms = hc_clock_boot_ms();
	struct hc_error err;

	if (store_ping(leader->store, &err) == 0) {
		set_proof(leader, sent_ms);
		/* Who was refused dropped its work: it begins anew. */
		if (atomic_exchange(&leader->refused, false))
			leader->options.changed(true, leader->options.payload);
		keep_state(leader, sent_ms);
		return rest_ms(leader, sent_ms);
	}
	set_proof(leader, 0);
	log_trouble(leader, "stepping down", err.text);
	leader->options.changed(false, leader->options.payload);
	give_up_locks(leader);
	return 0;
}

static void *leader_run(void *payload)
{
	struct leader *leader = payload;
	int wait_ms = 0;
	int fd = -1;

	for (;;) {
		(void)waker_wait_fd(leader->waker, leader->options.stop, fd, wait_ms);
		if (stop_is_set(leader->options.stop))
			break;
		wait_ms = atomic_load(&leader->renewed_ms) ? step_leading(leader) : step_standby(leader);
		fd = atomic_load(&leader->renewed_ms) ? store_fd(leader->store) : -1;
	}
	set_proof(leader, atomic_load(&leader->renewed_ms)); /* nobody waits any longer */
	if (atomic_load(&leader->renewed_ms)) {
		leader->written_ms = 0;
		keep_state(leader, hc_clock_boot_ms());
	}
	return NULL;
}

struct leader *leader_new(const struct leader_options *options)
{
	struct leader *leader = hc_xalloc(sizeof *leader);
	pthread_condattr_t clock;
	char host[65] = "";

	leader->options = *options;
	leader->lock_fd = -1;
	leader->arena = hc_arena_new();
	(void)gethostname(host, sizeof host - 1);
	leader->holder = hc_xprintf("%s/%d", host, (int)getpid());
	leader->state_path = hc_xprintf("%s/leader.json", options->state_folder);
	pthread_mutex_init(&leader->trouble_lock, NULL);
	pthread_mutex_init(&leader->fresh_lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&leader->fresh, &clock);
	pthread_condattr_destroy(&clock);
	leader->waker = waker_new();
	atomic_store(&leader->trusted, true);
	return leader;
}

int leader_start(struct leader *leader, struct hc_error *err)
{
	int error = pthread_create(&leader->thread, NULL, leader_run, leader);

	if (error)
		return hc_fail(err, HC_TRANSIENT, "start the leader's thread: %s", strerror(error));
	leader->started = true;
	return 0;
}

void leader_free(struct leader *leader)
{
	if (!leader)
		return;
	if (leader->started)
		(void)pthread_join(leader->thread, NULL);
	give_up_locks(leader);
	pthread_mutex_destroy(&leader->trouble_lock);
	pthread_mutex_destroy(&leader->fresh_lock);
	pthread_cond_destroy(&leader->fresh);
	waker_free(leader->waker);
	docker_close(leader->docker);
	hc_arena_free(leader->arena);
	free(leader->holder);
	free(leader->engine_id);
	free(leader->state_path);
	free(leader);
}
