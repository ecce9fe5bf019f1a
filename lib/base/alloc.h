/* Allocation that cannot fail: out of memory aborts, since a restart is safe (the loop is level-triggered)
 * and a half-handled allocation failure is not. Sizes from outside are bounded by limits.h before they come
 * here. */
#ifndef HC_ALLOC_H
#define HC_ALLOC_H

#include "base.h"

void *hc_xalloc(size_t size);                                     /* zeroed; caller frees with free() */
void *hc_xrealloc(void *memory, size_t size);                     /* as realloc; new bytes are not zeroed */
void *hc_xrealloc_array(void *memory, size_t count, size_t size); /* aborts on overflow */
char *hc_xstrdup(const char *text);                               /* NULL stays NULL */
char *hc_xprintf(const char *format, ...) HC_PRINTF(1, 2);

#endif
