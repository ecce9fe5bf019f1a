/* Whose fault a failed build is, and how to say it. Builders answer with text only. What isn't known to be
 * the engine's or the network's is the user's: mistakes in a Dockerfile are many, and a build that is
 * repeated for ever helps nobody. Rows name the builder that says so (Engine 20.10). Pure. */
#include "docker_build_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool says(const char *message, const char *const *texts, size_t count)
{
	for (size_t index = 0; index < count; index++)
		if (strcasestr(message, texts[index]))
			return true;
	return false;
}

enum hc_class docker_build_class(const char *message)
{
	/* Stronger than the others: the command's output may say anything. */
	static const char *const commands[] = {
		"exit code: ",                /* BuildKit */
		"returned a non-zero code: ", /* classic */
		"dockerfile parse error",     /* both */
		"unknown instruction",
		"unable to start container process: exec: ", /* both: the image has no such program */
	};
	static const char *const others[] = {
		"no such host",
		"connection refused",
		"connection reset",
		"i/o timeout",
		"timeout exceeded",
		"TLS handshake timeout",
		"network is unreachable",
		"no route to host",
		"toomanyrequests",
		"too many requests",
		"unexpected EOF",
		"no space left on device",
		"cannot allocate memory",
		"context canceled",
		"context deadline exceeded",
		"no active session",
		"transport is closing",
		"500 Internal Server Error",
		"502 Bad Gateway",
		"503 Service Unavailable",
		"504 Gateway",
		"server_error",
		"runc run failed",
		"runc did not terminate",
		"OCI runtime create failed",
		"failed to mount",
		"network bridge not found",
		"input/output error",
		"read-only file system",
		"too many open files",
	};
	/* Said with a refusal of the engine before the first step, where the status alone would say the engine.
	 */
	static const char *const users[] = {
		"cannot locate specified dockerfile",
		"the dockerfile (",
		"failed to parse dockerfile",
		"target stage",
		"failed to reach build target",
		"invalid reference format",
		"pull access denied",
		"manifest unknown",
		"repository does not exist",
		"requires buildkit",
		"file with no instructions",
		"unknown flag",
		"not found",
		"no such file or directory",
		"forbidden path",
	};

	if (says(message, commands, HC_COUNT(commands)))
		return HC_INVALID;
	if (says(message, others, HC_COUNT(others)))
		return HC_TRANSIENT;
	return says(message, users, HC_COUNT(users)) ? HC_INVALID : HC_OK;
}

/* "[build 2/3] RUN make" is the step "RUN make". */
static const char *without_stage(const char *step)
{
	const char *end = *step == '[' ? strchr(step, ']') : NULL;

	return end ? end + 1 + strspn(end + 1, " ") : step;
}

static const char *without_wrapping(const char *message)
{
	static const char *const wrappings[] = {
		"rpc error: code = Unknown desc = ",
		"failed to solve with frontend dockerfile.v0: ",
		"failed to solve with frontend gateway.v0: ",
		"failed to solve: ",
		"failed to create LLB definition: ",
		"failed to load cache key: ",
		"failed to compute cache key: ",
		"failed to build LLB: ",
	};

	for (size_t index = 0; index < HC_COUNT(wrappings);) {
		if (hc_starts_with(message, wrappings[index])) {
			message += strlen(wrappings[index]);
			index = 0;
		} else {
			index++;
		}
	}
	return message;
}

/* The number after the last of these texts, when it is the message's end. */
static bool exit_code_of(const char *message, long *ret_code)
{
	static const char *const texts[] = {"exit code: ", "returned a non-zero code: "};

	for (size_t index = 0; index < HC_COUNT(texts); index++) {
		const char *found = strstr(message, texts[index]);
		char *end = NULL;

		if (!found)
			continue;
		*ret_code = strtol(found + strlen(texts[index]), &end, 10);
		return end && *end == '\0';
	}
	return false;
}

/* BuildKit names files by where it has mounted them: "/…/tmp/buildkit-mount792807791/Dockerfile" is
 * "Dockerfile".
 */
static void append_without_mounts(struct hc_text *text, const char *message)
{
	const char *mount;

	while ((mount = strstr(message, "/buildkit-mount"))) {
		const char *begin = mount;
		const char *file = mount + 1 + strcspn(mount + 1, "/ \n");

		while (begin > message && begin[-1] != ' ')
			begin--;
		hc_text_append_bytes(text, message, (size_t)(begin - message));
		message = file + (*file == '/');
	}
	hc_text_append(text, message);
}

void docker_build_message(struct hc_text *text, const char *message, const char *step)
{
	static const char metadata[] = "[internal] load metadata for ";
	const char *plain = without_wrapping(message);
	const char *name = step ? without_stage(step) : "";
	bool base = step && hc_starts_with(step, metadata);
	long code;

	if (*name && !base && exit_code_of(plain, &code)) {
		hc_text_printf(text, "%.300s%s: exit code %ld%s", name, strlen(name) > 300 ? "…" : "", code,
					   code == 137 ? " (killed; perhaps it needs more memory)" : "");
		return;
	}
	if (base) {
		const char *image = step + strlen(metadata);

		hc_text_printf(text, "base image %s", hc_starts_with(plain, image) ? "" : image);
		hc_text_append(text, hc_starts_with(plain, image) ? "" : ": ");
	} else if (hc_starts_with(name, "FROM ") && !strstr(plain, name)) {
		hc_text_printf(text, "%.300s: ", name);
	}
	if (hc_starts_with(plain, "dockerfile parse error")) {
		hc_text_append(text, "D");
		plain++;
	}
	append_without_mounts(text, plain);
	while (text->length && (text->data[text->length - 1] == '\n' || text->data[text->length - 1] == ' '))
		text->data[--text->length] = '\0';
}
