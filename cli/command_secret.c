/* `helvetia secret`: values of Secrets from a terminal, a pipe or files; never from the command line, where
 * every process of the machine could read them. What was read is wiped as soon as it is in the request. */
#include "base/alloc.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "client.h"
#include "command.h"
#include "crypto/crypto_seal.h"
#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static int fail_usage(const char *what, const char *word)
{
	fprintf(stderr, "helvetia: %s%s\n", what, word);
	return COMMAND_USAGE;
}

/* --- reading --- */

static void wipe(struct hc_text *text)
{
	crypto_wipe(text->data, text->size);
	hc_text_done(text);
}

/* Room for all at once: growing would leave copies behind. */
static void reserve(struct hc_text *text)
{
	text->size = HC_LIMIT_SECRET_BYTES + 1;
	text->data = hc_xalloc(text->size);
}

/* One line without its end, from a terminal that does not show it. 1: there is none. */
static int read_line(struct hc_text *value)
{
	char byte;
	ssize_t got = 1;
	bool any = false;

	while (value->length < HC_LIMIT_SECRET_BYTES && (got = read(STDIN_FILENO, &byte, 1)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		any = true;
		if (byte == '\n')
			break;
		value->data[value->length++] = byte;
	}
	return any ? 0 : 1;
}

static int prompt(const char *key, struct hc_text *value)
{
	struct termios shown, hidden;

	if (tcgetattr(STDIN_FILENO, &shown))
		return -1;
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	/* Before the question: what is typed after it counts. */
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden))
		return -1;
	fprintf(stderr, "%s: ", key);
	int result = read_line(value);
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &shown);
	fputs("\n", stderr);
	return result;
}

static int read_all(struct hc_text *value)
{
	for (;;) {
		ssize_t got = read(STDIN_FILENO, value->data + value->length, value->size - value->length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -1 : 0;
		value->length += (size_t)got;
		if (value->length > HC_LIMIT_SECRET_BYTES)
			return 0; /* told by who takes it */
	}
}

/* echo and editors put a line's end behind what is meant. */
static void cut_line_end(struct hc_text *value)
{
	if (value->length && value->data[value->length - 1] == '\n')
		value->length--;
	if (value->length && value->data[value->length - 1] == '\r')
		value->length--;
}

static int take(json_t *data, const char *key, const struct hc_text *value)
{
	struct hc_text encoded = {0};

	if (!value->length)
		return fail_usage("the value is empty: ", key);
	if (value->length > HC_LIMIT_SECRET_BYTES)
		return fail_usage("a value has at most 1 MiB: ", key);
	if (json_object_get(data, key))
		return fail_usage("the key is there twice: ", key);
	hc_base64_encode(&encoded, value->data, value->length);
	json_object_set_new(data, key, json_string(hc_text_string(&encoded)));
	wipe(&encoded);
	return COMMAND_DONE;
}

/* One key takes all of standard input, several take a line each. */
static int take_input(const struct arguments *arguments, const char *key, bool only, json_t *data)
{
	struct hc_text value = {0};
	int result;

	reserve(&value);
	if (isatty(STDIN_FILENO))
		result = prompt(key, &value);
	else
		result = only ? read_all(&value) : read_line(&value);
	if (result == 0 && only && !isatty(STDIN_FILENO) && !arguments->exact)
		cut_line_end(&value);
	int code = result < 0    ? fail_usage("standard input can't be read: ", strerror(errno))
			   : result == 1 ? fail_usage("standard input has no line for ", key)
							 : take(data, key, &value);
	wipe(&value);
	return code;
}

/* [KEY=]FILE, as it is; without a key the file's name is one. */
static int take_file(const char *word, json_t *data)
{
	const char *equals = strchr(word, '=');
	const char *path = equals ? equals + 1 : word;
	const char *slash = strrchr(path, '/');
	HC_AUTO_FREE key = equals ? hc_xprintf("%.*s", (int)(equals - word), word)
							  : hc_xstrdup(slash ? slash + 1 : path);
	struct hc_error err = {0};
	struct hc_text value = {0};

	if (hc_file_read(path, HC_LIMIT_SECRET_BYTES, &value.data, &value.length, &err)) {
		fprintf(stderr, "helvetia: %s: %s\n", path, err.text);
		return COMMAND_USAGE;
	}
	value.size = value.length + 1;
	int code = take(data, key, &value);
	wipe(&value);
	return code;
}

static int take_values(const struct arguments *arguments, json_t *data)
{
	int keys = arguments->position_count - 2;
	int code = COMMAND_DONE;

	if (!keys && !arguments->file_count)
		return fail_usage("which keys? name them, or give --from-file", "");
	for (size_t index = 0; code == COMMAND_DONE && index < arguments->file_count; index++)
		code = take_file(arguments->files[index], data);
	for (int index = 0; code == COMMAND_DONE && index < keys; index++) {
		const char *key = arguments->positions[index + 2];
		code = strchr(key, '=')
				   ? fail_usage("a value is read from standard input, not from the command line: name "
								"the key alone",
								"")
				   : take_input(arguments, key, keys == 1, data);
	}
	return code;
}

/* --- set, list, delete --- */

static int run_set(const struct arguments *arguments, struct client *client)
{
	const char *name = arguments->positions[1];
	HC_AUTO_FREE all = client_path("secrets", arguments->namespace_name, NULL);
	HC_AUTO_FREE one = client_path("secrets", arguments->namespace_name, name);
	HC_AUTO_FREE make = hc_xprintf("%s?fieldManager=%s", all, arguments->field_manager);
	HC_AUTO_FREE change = hc_xprintf("%s?fieldManager=%s", one, arguments->field_manager);
	json_t *data = json_object(), *found = NULL, *answer = NULL;
	int code = take_values(arguments, data);

	if (code == COMMAND_DONE)
		code = client_find(client, one, &found);
	json_t *body = found ? json_pack("{s:O}", "data", data)
						 : json_pack("{s:s, s:s, s:{s:s}, s:O}", "apiVersion", "v1", "kind", "Secret",
									 "metadata", "name", name, "data", data);
	if (code == COMMAND_DONE)
		code = client_request(client, found ? "PATCH" : "POST", found ? change : make,
							  found ? MERGE_PATCH : NULL, body, &answer);
	if (code == COMMAND_DONE)
		printf("secret/%s: %zu key%s set\n", name, json_object_size(data),
			   json_object_size(data) == 1 ? "" : "s");
	json_decref(body);
	json_decref(data);
	json_decref(found);
	json_decref(answer);
	return code;
}

static int run_list(const struct arguments *arguments, struct client *client)
{
	HC_AUTO_FREE path = client_path("secrets", arguments->all_namespaces ? NULL : arguments->namespace_name,
									arguments->position_count > 1 ? arguments->positions[1] : NULL);
	json_t *list = NULL;
	int code = client_request(client, "GET", path, NULL, NO_BODY, &list);

	if (code == COMMAND_DONE && arguments->output != OUTPUT_TABLE)
		output_value(list, arguments->output);
	else if (code == COMMAND_DONE)
		output_objects("secrets", list, arguments->all_namespaces);
	json_decref(list);
	return code;
}

static int delete_keys(const struct arguments *arguments, struct client *client, const char *path)
{
	HC_AUTO_FREE change = hc_xprintf("%s?fieldManager=%s", path, arguments->field_manager);
	json_t *data = json_object(), *object = NULL, *answer = NULL;
	int code = client_request(client, "GET", path, NULL, NO_BODY, &object);

	for (int index = 2; code == COMMAND_DONE && index < arguments->position_count; index++) {
		const char *key = arguments->positions[index];
		if (!json_object_get(json_object_get(object, "data"), key)) {
			fprintf(stderr, "helvetia: secret %s has no key %s\n", arguments->positions[1], key);
			code = COMMAND_NOT_FOUND;
		}
		json_object_set_new(data, key, json_null());
	}
	json_t *patch = json_pack("{s:O}", "data", data);
	if (code == COMMAND_DONE)
		code = client_request(client, "PATCH", change, MERGE_PATCH, patch, &answer);
	json_decref(patch);
	json_decref(data);
	json_decref(object);
	json_decref(answer);
	return code;
}

static int run_delete(const struct arguments *arguments, struct client *client)
{
	HC_AUTO_FREE path = client_path("secrets", arguments->namespace_name, arguments->positions[1]);
	json_t *answer = NULL;
	bool whole = arguments->position_count == 2;
	int code = whole ? client_request(client, "DELETE", path, NULL, NO_BODY, &answer)
					 : delete_keys(arguments, client, path);

	if (code == COMMAND_DONE)
		printf("secret/%s: %s\n", arguments->positions[1], whole ? "deleted" : "keys deleted");
	json_decref(answer);
	return code;
}

static int run_secret(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia secret set NAME KEY… [--exact] [OPTION…]\n"
				 "       helvetia secret set NAME --from-file [KEY=]FILE… [OPTION…]\n"
				 "       helvetia secret list [NAME] [OPTION…]\n"
				 "       helvetia secret delete NAME [KEY…] [OPTION…]",
		.help =
			"set reads the value from standard input (of several keys: a line each); a terminal is asked\n"
			"without showing what is typed. A value is never shown again. Services whose env has a "
			"secretRef\n"
			"to a key with a new value are deployed with it.\n",
		.letters = "nAomIX",
		.positions_min = 1,
		.positions_max = 64,
	};
	static const struct {
		const char *name;
		int (*run)(const struct arguments *arguments, struct client *client);
		int positions_min;
		int positions_max;
	} actions[] = {{"set", run_set, 2, 64}, {"list", run_list, 1, 2}, {"delete", run_delete, 2, 64}};
	struct arguments arguments;
	struct client client;
	int parsed = arguments_parse(argc, argv, &spec, &arguments);

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	for (size_t index = 0; index < HC_COUNT(actions); index++) {
		if (strcmp(arguments.positions[0], actions[index].name) != 0)
			continue;
		if (arguments.position_count < actions[index].positions_min ||
			arguments.position_count > actions[index].positions_max)
			return fail_usage(spec.usage, "");
		int code = client_open(&client, &arguments);
		if (code == COMMAND_DONE)
			code = actions[index].run(&arguments, &client);
		client_close(&client);
		return code;
	}
	return fail_usage("secret: set, list or delete; not ", arguments.positions[0]);
}

const struct command command_secret = {"secret", "set, list and delete values that are never shown",
									   run_secret};
