/* Macros that every file of the tree may use: ownership, attributes and array sizes.
 *
 * Ownership is written with three words:
 *   HC_AUTO(type)   the local is released by type_cleanup() when its scope ends
 *   hc_take(&ptr)   hands the pointer over and leaves NULL behind, so that the cleanup does nothing
 *   **ret_x         the caller owns what it gets
 * A plain returned pointer is borrowed. */
#ifndef HC_BASE_H
#define HC_BASE_H

#include <stddef.h>

#define HC_AUTO(type) __attribute__((cleanup(type##_cleanup))) struct type *
#define HC_AUTO_FREE __attribute__((cleanup(hc_free_cleanup))) char *
#define HC_AUTO_FD __attribute__((cleanup(hc_fd_cleanup))) int

/* Declares name_cleanup() for HC_AUTO; place it at the end of the header that owns the type. */
#define HC_DEFINE_CLEANUP(type, free_function)                                                               \
	static inline void type##_cleanup(struct type **value)                                                   \
	{                                                                                                        \
		free_function(*value);                                                                               \
		*value = NULL;                                                                                       \
	}

#define hc_take(pointer)                                                                                     \
	__extension__({                                                                                          \
		__typeof__(*(pointer)) hc_taken_ = *(pointer);                                                       \
		*(pointer) = NULL;                                                                                   \
		hc_taken_;                                                                                           \
	})

#define HC_MUST_CHECK __attribute__((warn_unused_result))
#define HC_PRINTF(text_index, first) __attribute__((format(printf, text_index, first)))
#define HC_COUNT(array) (sizeof(array) / sizeof((array)[0]))

void hc_free_cleanup(char **value);
void hc_fd_cleanup(int *fd); /* closes when >= 0, keeps errno */

#endif
