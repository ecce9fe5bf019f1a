/* A push to the sample's repository, told in the terminal of `up` while it goes live: commit, stage, seconds.
 * The kernel says that the branch has moved; from then on the API is asked, as everybody asks it, until the
 * commit's Deployment has ended. Nothing depends on it. */
#include "up.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define LOOK_EVERY_MS 200
#define GIVE_UP_MS (15 * 60 * 1000)
#define SHORT_COMMIT 7
#define ASK_MS 1000 /* an API that hangs must not keep us from starting it again */

static bool read_branch(struct up *up, char commit[UP_COMMIT_SIZE])
{
	HC_AUTO_FREE text = NULL;

	if (hc_file_read(up_path(up, UP_SAMPLE_REPOSITORY "/refs/heads/" UP_SAMPLE_BRANCH), 256, &text, NULL,
					 NULL))
		return false;
	text[strspn(text, "0123456789abcdef")] = '\0';
	if (strlen(text) != UP_COMMIT_SIZE - 1)
		return false;
	memcpy(commit, text, UP_COMMIT_SIZE);
	return true;
}

void up_live_open(struct up *up)
{
	struct up_live *live = &up->live;

	if (!up->sample)
		return;
	if (!read_branch(up, live->commit))
		live->commit[0] = '\0';
	live->url = up_sample_url(up);
	live->authority = up_path(up, "certificates/ca.crt");
	live->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (live->fd < 0 || inotify_add_watch(live->fd, up_path(up, UP_SAMPLE_REPOSITORY "/refs/heads"),
										  IN_MOVED_TO | IN_CLOSE_WRITE) < 0)
		up_say("note: pushes to the sample are not told here: %s", strerror(errno));
}

/* --- what there is to say --- */

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

const json_t *up_live_find(const json_t *list, const char *service, const char *commit)
{
	const json_t *item, *found = NULL;
	json_int_t newest = 0;
	size_t index;

	json_array_foreach(json_object_get(list, "items"), index, item)
	{
		const json_t *spec = json_object_get(item, "spec");
		json_int_t revision = json_integer_value(json_object_get(spec, "revision"));

		if (hc_streq(text_of(spec, "service"), service) && hc_streq(text_of(spec, "commitHash"), commit) &&
			revision > newest) {
			found = item;
			newest = revision;
		}
	}
	return found;
}

enum up_live_state up_live_describe(const json_t *deployment, const char *url, struct hc_text *text)
{
	static const struct {
		const char *stage;
		const char *words;
	} STAGES[] = {{"Resolving", "resolving"},
				  {"Queued", "building"},
				  {"Starting", "starting"},
				  {"Publishing", "publishing"}};
	const json_t *status = json_object_get(deployment, "status");
	const char *phase = text_of(status, "phase"), *stage = text_of(status, "stage");
	const char *reason = text_of(status, "reason"), *message = text_of(status, "message");
	const char *words = "pushed";

	if (hc_streq(phase, "FAILED")) {
		hc_text_printf(text, "%s: %s", *reason ? reason : "failed", message);
		return UP_LIVE_FAILED;
	}
	if (hc_streq(phase, "SUCCESS") || hc_streq(stage, "Stabilizing")) {
		if (hc_streq(reason, "Unchanged"))
			hc_text_printf(text, "live: nothing has to be built anew");
		else
			hc_text_printf(text, "live at %s", url);
		return UP_LIVE_DONE;
	}
	for (size_t i = 0; i < HC_COUNT(STAGES); i++)
		if (hc_streq(stage, STAGES[i].stage))
			words = STAGES[i].words;
	hc_text_printf(text, "%s%s%s", words, *message ? ": " : "", message);
	return UP_LIVE_GOES_ON;
}

/* --- following a push --- */

static void look(struct up *up, double seconds)
{
	struct up_live *live = &up->live;
	HC_AUTO_FREE url = hc_xprintf(
		"https://127.0.0.1:%d/apis/helvetia.cloud/v1/namespaces/default/deployments", up->api_port);
	struct up_request request = {
		.url = url, .authority = live->authority, .token = up->token, .timeout_ms = ASK_MS};
	enum up_live_state state = UP_LIVE_GOES_ON;
	struct up_answer answer;
	HC_AUTO_TEXT words = {0};
	json_t *list;

	if (up_http(&request, &answer, NULL))
		return; /* it is looked at again; the main loop says what is wrong with the API */
	list = json_loads(hc_text_string(&answer.body), 0, NULL);
	hc_text_done(&answer.body);
	state = up_live_describe(up_live_find(list, UP_SAMPLE_NAME, live->commit), live->url, &words);
	json_decref(list);
	up_live_line(state != UP_LIVE_GOES_ON, !hc_streq(hc_text_string(&words), live->said), "%.*s %s (%.1f s)",
				 SHORT_COMMIT, live->commit, hc_text_string(&words), seconds);
	free(live->said);
	live->said = hc_text_take(&words);
	live->following = state == UP_LIVE_GOES_ON;
}

static void notice(struct up *up)
{
	struct up_live *live = &up->live;
	char events[4096], commit[UP_COMMIT_SIZE];

	while (read(live->fd, events, sizeof(events)) > 0)
		continue; /* what they say is read from the branch itself */
	if (!read_branch(up, commit) || !strcmp(commit, live->commit))
		return;
	memcpy(live->commit, commit, sizeof(commit));
	live->since_ms = hc_clock_boot_ms();
	live->look_at_ms = 0;
	live->following = true;
}

int64_t up_live_turn(struct up *up, int64_t wait_ms)
{
	struct up_live *live = &up->live;
	int64_t now_ms = hc_clock_boot_ms();

	if (live->fd < 0)
		return wait_ms;
	notice(up);
	if (live->following && now_ms >= live->look_at_ms) {
		look(up, (double)(now_ms - live->since_ms) / 1000);
		live->look_at_ms = hc_clock_boot_ms() + LOOK_EVERY_MS;
		if (live->following && now_ms - live->since_ms > GIVE_UP_MS) {
			up_say("%.*s is not watched any longer", SHORT_COMMIT, live->commit);
			live->following = false;
		}
	}
	return live->following && wait_ms > LOOK_EVERY_MS ? LOOK_EVERY_MS : wait_ms;
}

void up_live_close(struct up *up)
{
	if (up->live.fd >= 0)
		close(up->live.fd);
	up->live.fd = -1;
	free(up->live.said);
	up->live.said = NULL;
}
