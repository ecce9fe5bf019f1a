/* See alloc.h. */
#include "alloc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void out_of_memory(void)
{
	static const char message[] = "out of memory\n";

	if (write(STDERR_FILENO, message, sizeof message - 1) < 0)
		_exit(70);
	abort();
}

void *hc_xalloc(size_t size)
{
	void *memory = calloc(1, size ? size : 1);

	if (!memory)
		out_of_memory();
	return memory;
}

void *hc_xrealloc(void *memory, size_t size)
{
	void *grown = realloc(memory, size ? size : 1);

	if (!grown)
		out_of_memory();
	return grown;
}

void *hc_xrealloc_array(void *memory, size_t count, size_t size)
{
	if (size && count > SIZE_MAX / size)
		out_of_memory();
	return hc_xrealloc(memory, count * size);
}

char *hc_xstrdup(const char *text)
{
	size_t size;
	char *copy;

	if (!text)
		return NULL;
	size = strlen(text) + 1;
	copy = hc_xalloc(size);
	memcpy(copy, text, size);
	return copy;
}

char *hc_xprintf(const char *format, ...)
{
	char *text = NULL;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		out_of_memory();
	return text;
}

void hc_free_cleanup(char **value)
{
	free(*value);
	*value = NULL;
}

void hc_fd_cleanup(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}
