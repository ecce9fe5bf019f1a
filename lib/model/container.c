/* Texts of the enums of container.h. */
#include "container.h"

const char *container_state_text(enum container_state state)
{
	switch (state) {
	case CONTAINER_CREATED:
		return "created";
	case CONTAINER_RUNNING:
		return "running";
	case CONTAINER_PAUSED:
		return "paused";
	case CONTAINER_RESTARTING:
		return "restarting";
	case CONTAINER_REMOVING:
		return "removing";
	case CONTAINER_EXITED:
		return "exited";
	case CONTAINER_DEAD:
		return "dead";
	}
	return "unknown";
}

const char *probe_verdict_text(enum probe_verdict verdict)
{
	switch (verdict) {
	case PROBE_UNKNOWN:
		return "unknown";
	case PROBE_READY:
		return "ready";
	case PROBE_NOT_READY:
		return "not ready";
	case PROBE_UNREADY:
		return "unready";
	}
	return "unknown";
}
