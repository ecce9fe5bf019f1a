/* A tar archive (POSIX ustar) of one executable file: all that an image from a static program needs. */
#ifndef UP_TAR_H
#define UP_TAR_H

#include "base/error.h"

/* name: in the archive, at most 99 bytes; it gets mode 0755 and belongs to root. */
int up_tar_write(const char *tar_path, const char *name, const char *program_path, struct hc_error *err)
	HC_MUST_CHECK;

#endif
