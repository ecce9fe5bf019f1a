/* See deployment_marks.h. */
#include "deployment_marks.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK_BYTES_MAX 256
#define PROBE_BYTES_MAX (16U * 1024 * 1024)
#define FRESH_MS 60000

/* --- paths
 * ----------------------------------------------------------------------------------------------------- */

static char *container_path(const char *containers_folder, const char *folder, const char *rest)
{
	return hc_xprintf("%s/%s%s", containers_folder, folder, rest);
}

static char *mark_path(const char *containers_folder, const char *folder, const char *rest)
{
	const char *end = strrchr(containers_folder, '/');
	int length = end ? (int)(end - containers_folder) : 0;

	return hc_xprintf("%.*s/marks/%s%s", length, containers_folder, folder, rest);
}

static int remove_file(const char *path, struct hc_error *err)
{
	if (unlink(path) < 0 && errno != ENOENT)
		return hc_fail(err, HC_TRANSIENT, "%s: %s", path, strerror(errno));
	return 0;
}

/* --- marks
 * ----------------------------------------------------------------------------------------------------- */

static int mark_write(const char *containers_folder, const char *folder, const char *mark, int64_t extra,
					  struct hc_error *err)
{
	HC_AUTO_FREE parent = mark_path(containers_folder, folder, "");
	HC_AUTO_FREE path = hc_xprintf("%s/%s", parent, mark);
	HC_AUTO_FREE text = hc_xprintf("%s %" PRId64 " %" PRId64 "\n", hc_clock_boot_id(), hc_clock_boot_ms(),
								   extra);

	if (hc_folder_make(parent, 0700, err) < 0)
		return -1;
	return hc_file_write(path, text, strlen(text), 0600, err);
}

/* False when there is none. A time of another boot is 0. */
static bool mark_read(const char *containers_folder, const char *folder, const char *mark,
					  int64_t *ret_boot_ms, int64_t *ret_extra)
{
	HC_AUTO_FREE parent = mark_path(containers_folder, folder, "");
	HC_AUTO_FREE path = hc_xprintf("%s/%s", parent, mark);
	HC_AUTO_FREE text = NULL;
	char boot_id[HC_BOOT_ID_SIZE];
	int64_t boot_ms = 0, extra = 0;
	size_t length;

	*ret_boot_ms = *ret_extra = 0;
	if (hc_file_read(path, MARK_BYTES_MAX, &text, &length, NULL) < 0)
		return false;
	if (sscanf(text, "%39s %" SCNd64 " %" SCNd64, boot_id, &boot_ms, &extra) == 3 &&
		strcmp(boot_id, hc_clock_boot_id()) == 0) {
		*ret_boot_ms = boot_ms;
		*ret_extra = extra;
	}
	return true;
}

static int marks_clear(const char *containers_folder, const char *folder, struct hc_error *err)
{
	HC_AUTO_FREE path = mark_path(containers_folder, folder, "");

	return hc_folder_remove(path, err);
}

/* --- what act does
 * --------------------------------------------------------------------------------------------- */

static int copy_probe(const char *from, const char *to, struct hc_error *err)
{
	HC_AUTO_FREE data = NULL;
	size_t length;

	if (link(from, to) == 0 || errno == EEXIST)
		return 0;
	/* Another file system, or one without hard links. */
	if (hc_file_read(from, PROBE_BYTES_MAX, &data, &length, err) < 0)
		return hc_wrap(err, "probe");
	return hc_file_write(to, data, length, 0755, err);
}

int marks_prepare(const char *containers_folder, const char *folder, const char *probe_path,
				  struct hc_error *err)
{
	HC_AUTO_FREE gate = container_path(containers_folder, folder, "/gate");
	HC_AUTO_FREE probe = container_path(containers_folder, folder, "/probe");
	HC_AUTO_FREE open = container_path(containers_folder, folder, "/gate/open");

	if (hc_folder_make(gate, 0755, err) < 0 || remove_file(open, err) < 0 ||
		marks_clear(containers_folder, folder, err) < 0)
		return -1;
	return copy_probe(probe_path, probe, err);
}

int marks_touch_gate(const char *containers_folder, const char *folder, struct hc_error *err)
{
	return mark_write(containers_folder, folder, "gate", 0, err);
}

/* Opening: the mark first, so that an open gate without "it was open" can't be. Closing: the mark last, so
 * that the drain counts from the closing on. */
int marks_gate(const char *containers_folder, const char *folder, bool open, struct hc_error *err)
{
	HC_AUTO_FREE path = container_path(containers_folder, folder, "/gate/open");
	HC_AUTO_FD fd = -1;

	if (!open)
		return remove_file(path, err) < 0 ? -1 : marks_touch_gate(containers_folder, folder, err);
	if (marks_touch_gate(containers_folder, folder, err) < 0)
		return -1;
	fd = openat(AT_FDCWD, path, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return hc_fail(err, HC_TRANSIENT, "%s: %s", path, strerror(errno));
	return 0;
}

int marks_signal(const char *containers_folder, const char *folder, bool kill, int64_t started_wall_ms,
				 struct hc_error *err)
{
	return mark_write(containers_folder, folder, kill ? "killed" : "terminated", started_wall_ms, err);
}

int marks_remove(const char *containers_folder, const char *folder, struct hc_error *err)
{
	HC_AUTO_FREE path = container_path(containers_folder, folder, "");

	if (hc_folder_remove(path, err) < 0 || marks_clear(containers_folder, folder, err) < 0)
		return -1;
	return mark_write(containers_folder, folder, "removed", 0, err);
}

int marks_forget(const char *containers_folder, const char *folder, struct hc_error *err)
{
	HC_AUTO_FREE path = container_path(containers_folder, folder, "");

	return hc_folder_remove(path, err) < 0 ? -1 : marks_clear(containers_folder, folder, err);
}

/* --- what observe reads
 * ---------------------------------------------------------------------------------------- */

bool marks_folder_exists(const char *containers_folder, const char *folder)
{
	HC_AUTO_FREE path = container_path(containers_folder, folder, "");

	return hc_file_exists(path);
}

void marks_read(const char *containers_folder, struct container_view *view)
{
	HC_AUTO_FREE open = container_path(containers_folder, view->folder, "/gate/open");
	HC_AUTO_FREE probe = container_path(containers_folder, view->folder, "/probe");
	int64_t sent, started, ignored;

	view->gate_open = hc_file_exists(open);
	view->gate_folder = hc_file_exists(probe);
	view->gate_used = mark_read(containers_folder, view->folder, "gate", &view->gate_changed_boot_ms,
								&ignored) ||
					  view->gate_open;
	if (mark_read(containers_folder, view->folder, "terminated", &sent, &started) &&
		started == view->started_wall_ms)
		view->term_sent_boot_ms = sent;
	if (mark_read(containers_folder, view->folder, "killed", &sent, &started) &&
		started == view->started_wall_ms)
		view->kill_sent_boot_ms = sent;
}

/* A folder that was made a moment ago may belong to a container that is about to be created. */
static int64_t folder_age_ms(const char *path)
{
	struct stat info;

	if (stat(path, &info) < 0)
		return INT64_MAX;
	return hc_clock_wall_ms() - (int64_t)info.st_mtim.tv_sec * 1000;
}

static int add_names(const char *path, const char *containers_folder, struct hc_arena *arena,
					 struct mark_folder **folders, size_t *count, size_t *size, struct hc_error *err)
{
	DIR *stream = opendir(path);
	struct dirent *entry;

	if (!stream)
		return errno == ENOENT ? 0 : hc_fail(err, HC_TRANSIENT, "%s: %s", path, strerror(errno));
	while ((entry = readdir(stream))) {
		HC_AUTO_FREE own = NULL;
		int64_t removed, ignored, age;

		if (entry->d_name[0] == '.')
			continue;
		own = hc_xprintf("%s/%s", path, entry->d_name);
		if (*count == *size) {
			size_t more = *size ? *size * 2 : 64;
			struct mark_folder *grown = hc_arena_alloc_array(arena, more, sizeof *grown);

			if (*count)
				memcpy(grown, *folders, *count * sizeof *grown);
			*folders = grown;
			*size = more;
		}
		age = folder_age_ms(own);
		(void)mark_read(containers_folder, entry->d_name, "removed", &removed, &ignored);
		if (!removed && age >= 0 && age < FRESH_MS)
			removed = hc_clock_boot_ms() - age;
		(*folders)[(*count)++] = (struct mark_folder){
			.name = hc_arena_strdup(arena, entry->d_name),
			.removed_boot_ms = removed > 0 ? removed : 0,
		};
	}
	(void)closedir(stream);
	return 0;
}

static int compare(const void *left, const void *right)
{
	const struct mark_folder *left_folder = left, *right_folder = right;

	return strcmp(left_folder->name, right_folder->name);
}

int marks_list(const char *containers_folder, struct hc_arena *arena, struct mark_folder **ret_folders,
			   size_t *ret_count, struct hc_error *err)
{
	HC_AUTO_FREE marks = mark_path(containers_folder, "", "");
	struct mark_folder *folders = NULL;
	size_t count = 0, size = 0, kept = 0;

	if (add_names(containers_folder, containers_folder, arena, &folders, &count, &size, err) < 0 ||
		add_names(marks, containers_folder, arena, &folders, &count, &size, err) < 0)
		return -1;
	if (count)
		qsort(folders, count, sizeof *folders, compare);
	for (size_t index = 0; index < count; index++) {
		struct mark_folder *last = kept ? &folders[kept - 1] : NULL;

		if (!last || strcmp(last->name, folders[index].name) != 0)
			folders[kept++] = folders[index];
		else if (folders[index].removed_boot_ms > last->removed_boot_ms)
			last->removed_boot_ms = folders[index].removed_boot_ms;
	}
	*ret_folders = folders;
	*ret_count = kept;
	return 0;
}
