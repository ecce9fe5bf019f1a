/* What the scripts' negative answers mean. */
#include "bullmq_internal.h"

int bullmq_fail_code(int64_t code, const char *what, const char *id, struct hc_error *err)
{
	static const struct {
		enum hc_class class;
		const char *meaning;
	} meanings[] = {
		[1] = {HC_NOT_FOUND, "there is no such job"},
		[2] = {HC_CONFLICT, "its lock is gone"},
		[3] = {HC_CONFLICT, "it is not in the state for that"},
		[4] = {HC_CONFLICT, "it has pending children"},
		[5] = {HC_NOT_FOUND, "its parent is missing"},
		[6] = {HC_CONFLICT, "another worker holds its lock"},
		[7] = {HC_CONFLICT, "it belongs to another parent"},
		[8] = {HC_CONFLICT, "it belongs to a job scheduler"},
		[9] = {HC_CONFLICT, "it has failed children"},
		[10] = {HC_CONFLICT, "its scheduler's slot is taken"},
		[11] = {HC_CONFLICT, "its scheduler's slot is busy"},
	};

	if (code >= 0 || code < -(int64_t)(HC_COUNT(meanings) - 1))
		return hc_fail(err, HC_BUG, "%s job %s: the script answered %lld", what, id, (long long)code);
	return hc_fail(err, meanings[-code].class, "%s job %s: %s (%lld)", what, id, meanings[-code].meaning,
				   (long long)code);
}
