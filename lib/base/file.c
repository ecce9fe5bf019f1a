/* See file.h. */
#include "file.h"
#include "alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum hc_class class_of_errno(int number)
{
	return number == ENOENT || number == ENOTDIR ? HC_NOT_FOUND
		   : number == EACCES || number == EPERM ? HC_DENIED
												 : HC_TRANSIENT;
}

int hc_file_read(const char *path, size_t bytes_max, char **ret_text, size_t *ret_length,
				 struct hc_error *err)
{
	HC_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	HC_AUTO_FREE text = NULL;
	size_t length = 0;
	size_t size = 4096;

	if (fd < 0)
		return hc_fail(err, class_of_errno(errno), "open %s: %s", path, strerror(errno));
	text = hc_xalloc(size);
	for (;;) {
		ssize_t got;

		if (length + 1 == size) {
			size *= 2;
			text = hc_xrealloc(text, size);
		}
		got = read(fd, text + length, size - length - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return hc_fail(err, class_of_errno(errno), "read %s: %s", path, strerror(errno));
		if (got == 0)
			break;
		length += (size_t)got;
		if (length > bytes_max)
			return hc_fail(err, HC_INVALID, "%s is larger than %zu bytes", path, bytes_max);
	}
	text[length] = '\0';
	*ret_text = hc_take(&text);
	if (ret_length)
		*ret_length = length;
	return 0;
}

static int write_all(int fd, const char *data, size_t length)
{
	while (length) {
		ssize_t written = write(fd, data, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		data += written;
		length -= (size_t)written;
	}
	return 0;
}

int hc_file_write(const char *path, const void *data, size_t length, mode_t mode, struct hc_error *err)
{
	HC_AUTO_FREE temporary = hc_xprintf("%s.tmp.XXXXXX", path);
	HC_AUTO_FD fd = mkostemp(temporary, O_CLOEXEC);

	if (fd < 0)
		return hc_fail(err, class_of_errno(errno), "create %s: %s", temporary, strerror(errno));
	if (fchmod(fd, mode) || write_all(fd, data, length) || fsync(fd) || rename(temporary, path)) {
		int number = errno;

		(void)unlink(temporary);
		return hc_fail(err, class_of_errno(number), "write %s: %s", path, strerror(number));
	}
	return 0;
}

int hc_folder_make(const char *path, mode_t mode, struct hc_error *err)
{
	HC_AUTO_FREE partial = hc_xstrdup(path);

	for (char *slash = partial + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		if (mkdir(partial, mode) && errno != EEXIST)
			return hc_fail(err, class_of_errno(errno), "make folder %s: %s", partial, strerror(errno));
		*slash = '/';
	}
	if (mkdir(partial, mode) && errno != EEXIST)
		return hc_fail(err, class_of_errno(errno), "make folder %s: %s", path, strerror(errno));
	return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path) && errno != ENOENT ? -1 : 0;
}

int hc_folder_remove(const char *path, struct hc_error *err)
{
	if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) && errno != ENOENT)
		return hc_fail(err, class_of_errno(errno), "remove %s: %s", path, strerror(errno));
	return 0;
}

bool hc_file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}
