/* GET and LIST of Pods: containers as the controller sees them at this moment. Nothing of them is stored. */
#ifndef API_POD_H
#define API_POD_H

#include "api.h"

void api_pods(struct api_call *call);

/* web-r7-0 → web-r7 and 0, in the arena; false: no name of a Pod. Pure. */
bool api_pod_name_split(const char *name, struct hc_arena *arena, const char **ret_deployment,
						const char **ret_ordinal);

#endif
