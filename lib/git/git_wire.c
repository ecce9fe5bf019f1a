/* Protocol version 2: ls-refs for one ref, fetch of one commit at depth 1 into the object database. libgit2
 * 1.5 can't fetch shallow, and whole histories cost 5 to 30 times as much. */
#include "base/alloc.h"
#include "base/clock.h"
#include "git_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define REQUEST "/git-upload-pack"
#define RESULT_TYPE "application/x-git-upload-pack-result"
#define NO_VERSION_2                                                                                         \
	"%s does not speak version 2 of Git's protocol, which is needed (every server since Git 2.18 does)"

static void begin_command(struct hc_text *body, const char *command)
{
	git_packet_append(body, "command=%s\n", command);
	git_packet_append(body, "agent=helvetia-cloud\n");
	hc_text_append(body, "0001");
}

/* "ERR …" of the server, in place of an answer. */
static int fail_remote(struct hc_error *err, const char *text, size_t length)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	const char *clean = git_clean(arena, text, length);
	enum hc_class class = HC_TRANSIENT;

	if (strstr(clean, "not our ref") || strcasestr(clean, "not found") ||
		strstr(clean, "unadvertised object"))
		class = HC_NOT_FOUND;
	if (strcasestr(clean, "object format") || strcasestr(clean, "object-format"))
		class = HC_INVALID;
	return hc_fail(err, class, "the Git server says: %s", clean);
}

/* ls-refs. */
struct refs {
	struct hc_arena *arena;
	const char *wanted;
	const char *id, *target;
	bool ended, started;
};

static void take_ref(struct refs *refs, const char *line, size_t length)
{
	char *text = hc_arena_strndup(refs->arena, line, length);
	char *rest = text;
	const char *id;
	const char *name;

	text[strcspn(text, "\n")] = '\0';
	id = strsep(&rest, " ");
	name = strsep(&rest, " ");
	if (!name || strcmp(name, refs->wanted) != 0)
		return;
	if (git_id_valid(id))
		refs->id = id;
	for (char *word = strsep(&rest, " "); word; word = strsep(&rest, " "))
		if (hc_starts_with(word, "symref-target:"))
			refs->target = word + strlen("symref-target:");
}

static int take_refs_packet(enum git_packet_kind kind, const char *data, size_t length, void *payload,
							struct hc_error *err)
{
	struct refs *refs = payload;

	refs->started = true;
	if (kind == GIT_PACKET_FLUSH || kind == GIT_PACKET_END)
		refs->ended = true;
	if (kind != GIT_PACKET_DATA)
		return 0;
	if (length >= 4 && memcmp(data, "ERR ", 4) == 0)
		return fail_remote(err, data + 4, length - 4);
	take_ref(refs, data, length);
	return 0;
}

static int take_piece(const void *data, size_t length, void *payload, struct hc_error *err)
{
	return git_packets_take(payload, data, length, err);
}

/* An answer that is no version 2 gets a question of its own, so that the text can say what the matter is. */
struct greeting {
	bool version2, smart;
};

static int take_greeting(enum git_packet_kind kind, const char *data, size_t length, void *payload,
						 struct hc_error *err)
{
	struct greeting *greeting = payload;

	if (kind != GIT_PACKET_DATA)
		return 0;
	greeting->smart = true;
	if (length >= 4 && memcmp(data, "ERR ", 4) == 0)
		return fail_remote(err, data + 4, length - 4);
	if (length >= 9 && memcmp(data, "version 2", 9) == 0)
		greeting->version2 = true;
	if (strncmp(data, "object-format=", 14) == 0 && strncmp(data + 14, "sha1", 4) != 0)
		return hc_fail(err, HC_INVALID,
					   "the repository names its objects otherwise than by SHA-1, which can't be read");
	return 0;
}

static int ask_greeting(struct git_cache *cache, const struct git_source *source, struct hc_error *err)
{
	struct greeting greeting = {0};
	struct git_packets *packets = hc_xalloc(sizeof *packets);
	const struct git_exchange exchange = {
		.suffix = "/info/refs?service=git-upload-pack",
		.content_type = "application/x-git-upload-pack-advertisement",
		.max_bytes = HC_LIMIT_GIT_FETCH_BYTES,
		.phrase = "Asking for the repository",
		.piece = take_piece,
		.payload = packets,
	};
	int result;

	packets->packet = take_greeting;
	packets->payload = &greeting;
	result = git_http(cache, source, &exchange, err);
	free(packets);
	if (result == 0 && !greeting.version2)
		result = hc_fail(err, HC_INVALID, NO_VERSION_2, source->url);
	return result;
}

int git_wire_refs(struct git_cache *cache, struct hc_arena *arena, const struct git_source *source,
				  const char *ref, const char **ret_id, const char **ret_target, struct hc_error *err)
{
	HC_AUTO_TEXT body = {0};
	struct refs refs = {.arena = arena, .wanted = ref};
	struct git_packets *packets;
	struct git_exchange exchange = {.suffix = REQUEST,
									.content_type = RESULT_TYPE,
									.max_bytes = HC_LIMIT_GIT_REFS_BYTES,
									.phrase = "Reading the branch",
									.piece = take_piece};
	int result;

	/* Asked first: it finds redirects, and some servers refuse a question that has no greeting before it. */
	if (ask_greeting(cache, source, err))
		return -1;
	begin_command(&body, "ls-refs");
	git_packet_append(&body, "symrefs\n");
	git_packet_append(&body, "ref-prefix %s\n", ref);
	hc_text_append(&body, "0000");
	packets = hc_xalloc(sizeof *packets);
	packets->packet = take_refs_packet;
	packets->payload = &refs;
	exchange.body = hc_text_string(&body);
	exchange.body_length = body.length;
	exchange.payload = packets;
	result = git_http(cache, source, &exchange, err);
	free(packets);
	if (result == 0 && !refs.ended)
		result = hc_fail(err, HC_TRANSIENT, "the Git server's answer ended too early");
	*ret_id = refs.id;
	*ret_target = refs.target;
	return result;
}

/* fetch. */
struct fetch {
	struct git_cache *cache;
	const struct git_source *source;
	const char *have; /* NULL: nothing */
	git_odb_writepack *pack;
	git_indexer_progress stats;
	enum { SECTION_NONE, SECTION_SHALLOW, SECTION_PACK, SECTION_OTHER } section;
	bool ended;
	int64_t began_ms, progress_ms;
	unsigned char head[12]; /* of the pack */
	size_t head_length;
	bool canceled, late;
};

static int watch_indexer(const git_indexer_progress *stats, void *payload)
{
	struct fetch *fetch = payload;
	int64_t now = hc_clock_boot_ms();
	char phrase[128];

	if (now - fetch->began_ms > fetch->cache->limits.total_ms) {
		fetch->late = true;
		return -1;
	}
	if (!fetch->source->progress || now - fetch->progress_ms < 1000)
		return 0;
	fetch->progress_ms = now;
	(void)snprintf(phrase, sizeof phrase, "Fetching: %u of %u objects", stats->indexed_objects,
				   stats->total_objects);
	if (fetch->source->progress(phrase, fetch->source->payload) == 0)
		return 0;
	fetch->canceled = true;
	return -1;
}

/* What builds on the cache may fail because of the cache. */
static int fail_pack(const struct fetch *fetch, struct hc_error *err)
{
	if (fetch->canceled)
		return hc_fail(err, HC_CANCELED, "canceled while fetching");
	if (fetch->late)
		return hc_fail(err, HC_TRANSIENT, "the time limit of %d s is over",
					   fetch->cache->limits.total_ms / 1000);
	return git_fail_library(err, HC_TRANSIENT, -1,
							fetch->have ? GIT_CACHE_BROKEN : "reading what the Git server sent");
}

/* A pack says at once how many objects it has; each costs memory while it is indexed. */
static int check_head(struct fetch *fetch, const char *data, size_t length, struct hc_error *err)
{
	int64_t most = fetch->cache->limits.tree_entries * 2; /* each entry one object, and folders */
	int64_t count;

	for (size_t i = 0; i < length && fetch->head_length < sizeof fetch->head; i++)
		fetch->head[fetch->head_length++] = (unsigned char)data[i];
	if (fetch->head_length < sizeof fetch->head)
		return 0;
	count = (int64_t)fetch->head[8] << 24 | fetch->head[9] << 16 | fetch->head[10] << 8 | fetch->head[11];
	return count <= most
			   ? 0
			   : hc_fail(err, HC_INVALID,
						 "the repository is too large: %lld objects in one commit, at most %lld are read",
						 (long long)count, (long long)most);
}

static int take_band(struct fetch *fetch, const char *data, size_t length, struct hc_error *err)
{
	int code;

	if (length == 0)
		return 0;
	if (data[0] == 2)
		return 0; /* progress in words */
	if (data[0] == 3)
		return fail_remote(err, data + 1, length - 1);
	if (data[0] != 1)
		return hc_fail(err, HC_TRANSIENT, "the Git server's answer is malformed: unknown side-band");
	if (check_head(fetch, data + 1, length - 1, err))
		return -1;
	code = fetch->pack->append(fetch->pack, data + 1, length - 1, &fetch->stats);
	return code < 0 ? fail_pack(fetch, err) : 0;
}

static int take_fetch_packet(enum git_packet_kind kind, const char *data, size_t length, void *payload,
							 struct hc_error *err)
{
	struct fetch *fetch = payload;

	if (kind == GIT_PACKET_DELIMITER) {
		fetch->section = SECTION_NONE;
		return 0;
	}
	if (kind != GIT_PACKET_DATA) {
		fetch->ended = fetch->ended || fetch->section == SECTION_PACK;
		return 0;
	}
	if (fetch->section == SECTION_PACK)
		return take_band(fetch, data, length, err);
	if (length >= 4 && memcmp(data, "ERR ", 4) == 0)
		return fail_remote(err, data + 4, length - 4);
	if (fetch->section == SECTION_NONE) {
		if (strncmp(data, "packfile", 8) == 0)
			fetch->section = SECTION_PACK;
		else
			fetch->section = strncmp(data, "shallow-info", 12) == 0 ? SECTION_SHALLOW : SECTION_OTHER;
	}
	return 0; /* the ids under shallow-info are the one commit that was asked for */
}

static void build_fetch(struct hc_text *body, const char *commit, const char *have)
{
	begin_command(body, "fetch");
	git_packet_append(body, "thin-pack\n");
	git_packet_append(body, "ofs-delta\n");
	git_packet_append(body, "no-progress\n");
	if (have)
		git_packet_append(body, "shallow %s\n", have);
	git_packet_append(body, "deepen 1\n");
	git_packet_append(body, "want %s\n", commit);
	if (have)
		git_packet_append(body, "have %s\n", have);
	git_packet_append(body, "done\n");
	hc_text_append(body, "0000");
}

static int receive_pack(struct fetch *fetch, const struct hc_text *body, struct hc_error *err)
{
	struct git_packets *packets = hc_xalloc(sizeof *packets);
	const struct git_exchange exchange = {.suffix = REQUEST,
										  .content_type = RESULT_TYPE,
										  .body = hc_text_string(body),
										  .body_length = body->length,
										  .max_bytes = fetch->cache->limits.fetch_bytes,
										  .phrase = "Fetching",
										  .piece = take_piece,
										  .payload = packets};
	int result;
	int code;

	packets->packet = take_fetch_packet;
	packets->payload = fetch;
	result = git_http(fetch->cache, fetch->source, &exchange, err);
	free(packets);
	if (result)
		return -1;
	if (!fetch->ended)
		return hc_fail(err, HC_TRANSIENT, "the Git server's answer ended too early");
	code = fetch->pack->commit(fetch->pack, &fetch->stats);
	return code < 0 ? fail_pack(fetch, err) : 0;
}

int git_wire_fetch(struct git_cache *cache, struct hc_arena *arena, const struct git_source *source,
				   git_repository *repository, const char *commit, const char *have, struct hc_error *err)
{
	HC_AUTO_TEXT body = {0};
	GIT_AUTO(odb) odb = NULL;
	struct fetch fetch = {.cache = cache, .source = source, .have = have, .began_ms = hc_clock_boot_ms()};
	struct hc_error again;
	int code = git_repository_odb(&odb, repository);
	int result;

	(void)arena;
	if (code < 0)
		return git_fail_library(err, HC_TRANSIENT, code, "opening the cache");
	code = git_odb_write_pack(&fetch.pack, odb, watch_indexer, &fetch);
	if (code < 0)
		return git_fail_library(err, HC_TRANSIENT, code, "writing into the cache");
	fetch.progress_ms = fetch.began_ms;
	build_fetch(&body, commit, have);
	result = receive_pack(&fetch, &body, err);
	fetch.pack->free(fetch.pack);
	if (result == 0) {
		code = git_odb_refresh(odb);
		return code < 0 ? git_fail_library(err, HC_TRANSIENT, code, "reading the cache") : 0;
	}
	/* Servers without version 2 answer a question of version 2 in many ways; the greeting tells. */
	if (err && (err->class == HC_INVALID || err->class == HC_NOT_FOUND || err->class == HC_TRANSIENT) &&
		!fetch.ended && fetch.section == SECTION_NONE && fetch.stats.received_objects == 0 &&
		err->class != HC_NOT_FOUND) {
		if (ask_greeting(cache, source, &again) && again.class == HC_INVALID)
			*err = again;
	}
	return -1;
}
