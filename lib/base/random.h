/* Random identifiers from the kernel (getrandom). */
#ifndef HC_RANDOM_H
#define HC_RANDOM_H

#include "base.h"
#include <stdint.h>

#define HC_UUID_SIZE 37

void hc_random_bytes(void *data, size_t length);
void hc_random_uuid(char text[HC_UUID_SIZE]);    /* version 4, RFC 9562, lower case */
void hc_random_token(char *text, size_t length); /* length characters of [a-z0-9] and a NUL */

#endif
