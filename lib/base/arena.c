/* See arena.h. Blocks double from 4 KiB to 256 KiB; a larger request gets a block of its own. */
#include "arena.h"
#include "alloc.h"

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES_FIRST 4096U
#define BLOCK_BYTES_MAX (256U * 1024U)

struct block {
	struct block *next;
	size_t used;
	size_t size;
	alignas(max_align_t) unsigned char data[];
};

struct hc_arena {
	struct block *newest; /* the list ends with the first block, which reset keeps */
};

static struct block *block_new(size_t size, struct block *next)
{
	struct block *block = hc_xalloc(sizeof *block + size);

	block->size = size;
	block->next = next;
	return block;
}

struct hc_arena *hc_arena_new(void)
{
	struct hc_arena *arena = hc_xalloc(sizeof *arena);

	arena->newest = block_new(BLOCK_BYTES_FIRST, NULL);
	return arena;
}

void *hc_arena_alloc(struct hc_arena *arena, size_t size)
{
	const size_t alignment = alignof(max_align_t);
	struct block *block = arena->newest;
	size_t rounded = (size + alignment - 1) & ~(alignment - 1);
	void *memory;

	assert(rounded >= size);
	if (block->size - block->used < rounded) {
		size_t wanted = block->size < BLOCK_BYTES_MAX ? block->size * 2 : BLOCK_BYTES_MAX;

		block = block_new(wanted > rounded ? wanted : rounded, block);
		arena->newest = block;
	}
	memory = block->data + block->used;
	block->used += rounded;
	memset(memory, 0, rounded);
	return memory;
}

void *hc_arena_alloc_array(struct hc_arena *arena, size_t count, size_t size)
{
	if (size && count > SIZE_MAX / 2 / size)
		abort();
	return hc_arena_alloc(arena, count * size);
}

char *hc_arena_strndup(struct hc_arena *arena, const char *text, size_t length)
{
	char *copy = hc_arena_alloc(arena, length + 1);

	if (length)
		memcpy(copy, text, length);
	return copy;
}

char *hc_arena_strdup(struct hc_arena *arena, const char *text)
{
	return text ? hc_arena_strndup(arena, text, strlen(text)) : NULL;
}

char *hc_arena_vprintf(struct hc_arena *arena, const char *format, va_list arguments)
{
	va_list measure;
	int length;
	char *text;

	va_copy(measure, arguments);
	length = vsnprintf(NULL, 0, format, measure);
	va_end(measure);
	assert(length >= 0);
	text = hc_arena_alloc(arena, (size_t)length + 1);
	(void)vsnprintf(text, (size_t)length + 1, format, arguments);
	return text;
}

char *hc_arena_printf(struct hc_arena *arena, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = hc_arena_vprintf(arena, format, arguments);
	va_end(arguments);
	return text;
}

void hc_arena_reset(struct hc_arena *arena)
{
	while (arena->newest->next) {
		struct block *next = arena->newest->next;

		free(arena->newest);
		arena->newest = next;
	}
	arena->newest->used = 0;
}

void hc_arena_free(struct hc_arena *arena)
{
	if (!arena)
		return;
	hc_arena_reset(arena);
	free(arena->newest);
	free(arena);
}
