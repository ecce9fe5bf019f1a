/* BullMQ's own Lua scripts as the build embeds them (tools/bullmq). The table ends with a row without name.
 */
#ifndef BULLMQ_SCRIPT_H
#define BULLMQ_SCRIPT_H

#include <stddef.h>

struct bullmq_script {
	const char *name;
	const char *sha1; /* by which Redis knows it */
	const char *text; /* not terminated */
	size_t length;
	int keys;
};
extern const struct bullmq_script bullmq_scripts[];

#endif
