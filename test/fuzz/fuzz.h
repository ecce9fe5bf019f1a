/* Between fuzz_main.c and the entries: LLVMFuzzerTestOneInput as libFuzzer has it, so that clang can run them
 * too, and words that a mutation puts in. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* NULL-terminated; an entry that has none gives an empty list. */
extern const char *const fuzz_words[];

#endif
