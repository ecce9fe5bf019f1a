/* On which ports a container listens, read from /proc/PID/net/tcp and tcp6 of its first process: no command
 * has to be run in a container that is in trouble. Where the engine's processes can't be seen (another pid
 * namespace) nothing is known. */
#ifndef DEPLOYMENT_LISTEN_H
#define DEPLOYMENT_LISTEN_H

#include "base/arena.h"
#include "model/container.h"

#define LISTEN_MOST 32

/* Fills listens, listen_count, listens_known. */
void listen_read(int64_t pid, struct hc_arena *arena, struct container_view *view);
/* Of one file's text: at most room; without the engine's own name server. */
size_t listen_parse(const char *text, struct hc_arena *arena, struct listen_view *views, size_t room);

#endif
