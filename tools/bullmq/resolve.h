/* Resolves `--- @include "path"` in the Lua scripts of the npm package bullmq as the package's own build
 * does, byte for byte: depth first, each file once a script, blank lines dropped. Used at build time only
 * (embed.c). */
#ifndef RESOLVE_H
#define RESOLVE_H

#include "base/error.h"
#include "base/text.h"

/* Appends the resolved text of folder/name (with its ".lua") to *text, which the caller owns. NOT_FOUND names
 * the file that is missing and who includes it; INVALID: includes nested too deep or leading out of the
 * folder. */
int resolve_script(const char *folder, const char *name, struct hc_text *text, struct hc_error *err)
	HC_MUST_CHECK;

#endif
