/* Arena: everything of one reconcile pass or one HTTP request lives here and dies together.
 * Memory is zeroed and aligned for any type. Not thread-safe: one owner at a time. */
#ifndef HC_ARENA_H
#define HC_ARENA_H

#include "base.h"
#include <stdarg.h>

struct hc_arena;

struct hc_arena *hc_arena_new(void);
void *hc_arena_alloc(struct hc_arena *arena, size_t size);
void *hc_arena_alloc_array(struct hc_arena *arena, size_t count, size_t size); /* aborts on overflow */
char *hc_arena_strdup(struct hc_arena *arena, const char *text);               /* NULL stays NULL */
char *hc_arena_strndup(struct hc_arena *arena, const char *text, size_t length);
char *hc_arena_printf(struct hc_arena *arena, const char *format, ...) HC_PRINTF(2, 3);
char *hc_arena_vprintf(struct hc_arena *arena, const char *format, va_list arguments) HC_PRINTF(2, 0);
void hc_arena_reset(
	struct hc_arena *arena);                /* frees all but the first block; every pointer from it is dead */
void hc_arena_free(struct hc_arena *arena); /* accepts NULL */
HC_DEFINE_CLEANUP(hc_arena, hc_arena_free)

#endif
