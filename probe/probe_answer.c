/* What an answer means. Pure. See probe.h. */
#include "probe.h"

#include <string.h>

#define STATUS_LINE_LEAST 12 /* "HTTP/1.1 200" */

static bool is_digit(char letter)
{
	return letter >= '0' && letter <= '9';
}

static enum probe_verdict not_http(bool explicit_path)
{
	return explicit_path ? PROBE_ANSWER_NO : PROBE_ANSWER_YES;
}

enum probe_verdict probe_judge(const char *data, size_t length, bool ended, bool explicit_path,
							   int *ret_status)
{
	static const char begin[] = "HTTP/";
	size_t compared = length < sizeof begin - 1 ? length : sizeof begin - 1;
	const char *end;
	int status;

	*ret_status = 0;
	if (memcmp(data, begin, compared) != 0)
		return not_http(explicit_path);
	if (length < STATUS_LINE_LEAST)
		return ended ? not_http(explicit_path) : PROBE_ANSWER_MORE;
	if (data[6] != '.' || data[8] != ' ' || !is_digit(data[9]) || !is_digit(data[10]) || !is_digit(data[11]))
		return not_http(explicit_path);
	status = (data[9] - '0') * 100 + (data[10] - '0') * 10 + (data[11] - '0');
	if (status >= 100 && status < 200) { /* informational: the answer itself follows */
		end = memmem(data, length, "\r\n\r\n", 4);
		if (end)
			return probe_judge(end + 4, length - (size_t)(end + 4 - data), ended, explicit_path, ret_status);
		return ended ? not_http(explicit_path) : PROBE_ANSWER_MORE;
	}
	*ret_status = status;
	if (explicit_path)
		return status >= 200 && status < 400 ? PROBE_ANSWER_YES : PROBE_ANSWER_NO;
	return status < 500 ? PROBE_ANSWER_YES : PROBE_ANSWER_NO;
}
