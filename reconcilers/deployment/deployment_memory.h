/* What this process remembers between passes because no row and no container shows it: refused containers,
 * failed pulls, since when a replica is missing in Traefik's list, and
 * since when an image is named by nothing. Losing it is harmless: the thing is
 * tried once more. Thread-safe; bounded. */
#ifndef DEPLOYMENT_MEMORY_H
#define DEPLOYMENT_MEMORY_H

#include "base/arena.h"
#include "model/world.h"

void memory_refuse(const char *folder, const char *message);
/* The engine's words, in the arena, or NULL. */
const char *memory_refusal(const char *folder, struct hc_arena *arena);

/* Of one Deployment: a new Deployment asks the registry anew. */
void memory_pull_failed(const char *deployment_uid, const char *message, bool final, int64_t now_boot_ms);
void memory_pull_done(const char *deployment_uid);
/* Fills error, error_final, retry_at and pull_attempts. */
void memory_pull(const char *deployment_uid, const char *boot_id, struct hc_arena *arena,
				 struct image_view *image);

/* Notes whether a replica is listed now; since when it is not, or 0. */
int64_t memory_unlisted(const char *folder, bool unlisted, int64_t now_boot_ms);

/* The same of an image that nothing names: since when. */
int64_t memory_unused(const char *image_id, bool unused, int64_t now_boot_ms);

#endif
