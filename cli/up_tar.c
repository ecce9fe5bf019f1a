/* See up_tar.h. Format: POSIX.1-2017, pax, "ustar Interchange Format". Times are 0, so that equal programs
 * make equal archives. */
#include "up_tar.h"

#include "base/alloc.h"
#include "base/file.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 512
#define PROGRAM_BYTES_MAX (64U * 1024 * 1024)

struct ustar_header {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char type;
	char link_name[100];
	char magic[6];
	char version[2];
	char user_name[32];
	char group_name[32];
	char device_major[8];
	char device_minor[8];
	char prefix[155];
	char padding[12];
};
_Static_assert(sizeof(struct ustar_header) == BLOCK, "a header is one block");

static void fill_header(struct ustar_header *header, const char *name, size_t size)
{
	unsigned sum = 0;

	memset(header, 0, sizeof(*header));
	snprintf(header->name, sizeof(header->name), "%s", name);
	snprintf(header->mode, sizeof(header->mode), "%07o", 0755U);
	snprintf(header->uid, sizeof(header->uid), "%07o", 0U);
	snprintf(header->gid, sizeof(header->gid), "%07o", 0U);
	snprintf(header->size, sizeof(header->size), "%011zo", size);
	snprintf(header->mtime, sizeof(header->mtime), "%011o", 0U);
	header->type = '0';
	memcpy(header->magic, "ustar", 6);
	memcpy(header->version, "00", 2);
	memset(header->checksum, ' ', sizeof(header->checksum)); /* counted as blanks */
	for (size_t i = 0; i < sizeof(*header); i++)
		sum += ((const unsigned char *)header)[i];
	snprintf(header->checksum, sizeof(header->checksum), "%06o", sum & 0777777);
}

int up_tar_write(const char *tar_path, const char *name, const char *program_path, struct hc_error *err)
{
	HC_AUTO_FREE program = NULL;
	HC_AUTO_FREE tar = NULL;
	size_t size, padded;

	if (strlen(name) >= sizeof(((struct ustar_header *)0)->name))
		return hc_fail(err, HC_INVALID, "tar: the name \"%s\" is longer than 99 bytes", name);
	if (hc_file_read(program_path, PROGRAM_BYTES_MAX, &program, &size, err))
		return -1;
	padded = (size + BLOCK - 1) / BLOCK * BLOCK;
	tar = hc_xalloc(BLOCK + padded + 2 * BLOCK); /* two empty blocks end it */
	fill_header((struct ustar_header *)tar, name, size);
	memcpy(tar + BLOCK, program, size);
	return hc_file_write(tar_path, tar, BLOCK + padded + 2 * BLOCK, 0600, err);
}
