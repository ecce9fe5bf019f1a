/* Files beside a container: its folder (probe and gate, mounted read-only into it) and its marks (ours only).
 * A mark names the boot it was made in, so that times never outlive a reboot.
 *
 *   STATE/containers/FOLDER/probe, gate/open
 *   STATE/marks/FOLDER/gate        when the gate was changed last; there at all: it was open at some time
 *   STATE/marks/FOLDER/terminated  when SIGTERM was sent, and to which start of the container
 *   STATE/marks/FOLDER/killed      the same of SIGKILL
 *   STATE/marks/FOLDER/removed     when the container went: its address cools down */
#ifndef DEPLOYMENT_MARKS_H
#define DEPLOYMENT_MARKS_H

#include "base/error.h"
#include "model/container.h"

/* containers_folder is STATE/containers everywhere. */

/* Folder with the probe and a shut gate; marks of an earlier container of the same name go. */
int marks_prepare(const char *containers_folder, const char *folder, const char *probe_path,
				  struct hc_error *err) HC_MUST_CHECK;
int marks_gate(const char *containers_folder, const char *folder, bool open, struct hc_error *err)
	HC_MUST_CHECK;
/* The gate is as before, but counts as changed now. */
int marks_touch_gate(const char *containers_folder, const char *folder, struct hc_error *err) HC_MUST_CHECK;
int marks_signal(const char *containers_folder, const char *folder, bool kill, int64_t started_wall_ms,
				 struct hc_error *err) HC_MUST_CHECK;
/* The container is gone: its folder goes, and the mark `removed` is left for gc. */
int marks_remove(const char *containers_folder, const char *folder, struct hc_error *err) HC_MUST_CHECK;
/* Folder and marks, for good. */
int marks_forget(const char *containers_folder, const char *folder, struct hc_error *err) HC_MUST_CHECK;

/* Made, and not removed by us since. */
bool marks_folder_exists(const char *containers_folder, const char *folder);
/* Fills what the files say: gate, and signals that were sent to the container's present start. */
void marks_read(const char *containers_folder, struct container_view *view);

struct mark_folder {
	const char *name;
	int64_t removed_boot_ms; /* 0: before this boot, or longer ago than a minute by the folder's own time */
};
/* All folders of containers and marks, sorted by name, each once. Texts in the arena. */
int marks_list(const char *containers_folder, struct hc_arena *arena, struct mark_folder **ret_folders,
			   size_t *ret_count, struct hc_error *err) HC_MUST_CHECK;

#endif
