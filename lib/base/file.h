/* Small files: read whole with a limit, replaced atomically (temporary name, fsync, rename), folders made. */
#ifndef HC_FILE_H
#define HC_FILE_H

#include "error.h"
#include <stdbool.h>
#include <sys/types.h>

/* Classes: NOT_FOUND, INVALID (larger than the limit), TRANSIENT. Text is terminated; caller frees. */
int hc_file_read(const char *path, size_t bytes_max, char **ret_text, size_t *ret_length,
				 struct hc_error *err) HC_MUST_CHECK;
int hc_file_write(const char *path, const void *data, size_t length, mode_t mode, struct hc_error *err)
	HC_MUST_CHECK;
int hc_folder_make(const char *path, mode_t mode, struct hc_error *err) HC_MUST_CHECK; /* with its parents */
/* Removes a folder and all that is in it; never follows a symbolic link; an absent one is no error. */
int hc_folder_remove(const char *path, struct hc_error *err) HC_MUST_CHECK;
bool hc_file_exists(const char *path);

#endif
