/* `helvetia webhooks` lists deliveries; `helvetia webhook-send` signs and posts a push as GitHub does, for
 * the post-receive hook of a repository that isn't on GitHub. */
#include "base/alloc.h"
#include "base/file.h"
#include "base/random.h"
#include "base/text.h"
#include "client.h"
#include "command.h"
#include "crypto/crypto.h"
#include "output.h"
#include "webhook.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DELIVERIES_PATH "/webhooks/deliveries"
#define SECRET_BYTES_MAX 4096
#define SEND_TIMEOUT_MS 10000
#define OPTIONS_BYTES_MAX 8192
#define OPTION_WORDS_MAX 32

/* --- webhooks --- */

static void print_deliveries(const json_t *list)
{
	static const char *const titles[] = {"RECEIVED", "EVENT", "REPOSITORY", "OUTCOME", "CODE", "MESSAGE"};
	HC_AUTO(table) table = table_new(titles, HC_COUNT(titles));
	const json_t *item;
	size_t index;

	json_array_foreach(json_object_get(list, "items"), index, item)
	{
		char age[32];
		HC_AUTO_FREE code = hc_xprintf("%lld", (long long)json_number_at(item, "status", NULL));
		const char *cells[HC_COUNT(titles)];

		client_age(json_text_at(item, "receivedAt", NULL), age, sizeof age);
		cells[0] = age;
		cells[1] = json_text_at(item, "event", NULL);
		cells[2] = json_text_at(item, "repository", NULL);
		cells[3] = json_text_at(item, "outcome", NULL);
		cells[4] = code;
		cells[5] = json_text_at(item, "message", NULL);
		table_add(table, cells);
	}
	if (!table_rows(table))
		fputs("no delivery has come yet; docs/guide.md says how to set a webhook up\n", stderr);
	table_print(table);
}

static int run_webhooks(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia webhooks [--tail COUNT] [OPTION…]",
		.help = "The deliveries of webhooks, newest first, each with what followed from it. For "
				"administrators.\n",
		.letters = "oT",
	};
	struct arguments arguments;
	struct client client;
	json_t *list = NULL;
	int parsed = arguments_parse(argc, argv, &spec, &arguments);
	int code;

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	HC_AUTO_FREE path = arguments.tail_lines > 0
							? hc_xprintf(DELIVERIES_PATH "?limit=%lld", (long long)arguments.tail_lines)
							: hc_xstrdup(DELIVERIES_PATH);
	code = client_open(&client, &arguments);
	if (code == COMMAND_DONE)
		code = client_request(&client, "GET", path, NULL, NO_BODY, &list);
	if (code == COMMAND_DONE) {
		if (arguments.output != OUTPUT_TABLE)
			output_value(list, arguments.output);
		else
			print_deliveries(list);
	}
	json_decref(list);
	client_close(&client);
	return code;
}

const struct command command_webhooks = {"webhooks", "deliveries of webhooks, and what followed",
										 run_webhooks};

/* --- webhook-send --- */

static bool all_zeros(const char *commit)
{
	return strspn(commit, "0") == strlen(commit);
}

json_t *webhook_payload(const struct webhook_push *push)
{
	json_t *repository = json_pack("{s:s, s:s}", "full_name", push->repository, "clone_url",
								   push->repository);

	if (push->default_branch)
		json_object_set_new(repository, "default_branch", json_string(push->default_branch));
	return json_pack("{s:s, s:s, s:s, s:b, s:b, s:b, s:o}", "ref", push->ref, "before", push->before, "after",
					 push->after, "created", all_zeros(push->before), "deleted", all_zeros(push->after),
					 "forced", 0, "repository", repository);
}

int webhook_read_line(char *line, struct webhook_push *push)
{
	line[strcspn(line, "\r\n")] = '\0';
	char *after = strchr(line, ' ');
	char *ref = after ? strchr(after + 1, ' ') : NULL;

	if (!ref || !ref[1])
		return -1;
	*after++ = *ref++ = '\0';
	push->before = line;
	push->after = after;
	push->ref = ref;
	return 0;
}

const char *webhook_url_path(const char *url)
{
	bool known = hc_starts_with(url, "https://") || hc_starts_with(url, "http://");

	return known ? strchr(strstr(url, "://") + 3, '/') : NULL;
}

struct sender {
	const char *url;
	const char *secret_file;
	const char *ca_file;
	bool from_stdin;
	struct webhook_push push;
	char *secret;
	struct http_client *client;
};

static const char send_usage[] =
	"usage: helvetia webhook-send --url URL --secret-file FILE --repository URL [--ca-file FILE]\n"
	"         [--default-branch NAME] {--ref REF --before COMMIT --after COMMIT | --stdin}\n"
	"       helvetia webhook-send FILE\n"
	"Posts a push as GitHub does, signed with the secret. --stdin reads the lines of Git's post-receive "
	"hook:\n"
	"OLD NEW REF. A FILE of such options, one a line, may be given instead: a hook can then begin with\n"
	"`#!/usr/bin/helvetia webhook-send`. Exit code 0 when the platform took it, 9 when it refused the "
	"signature, 5 when it is "
	"away.\n";

enum { URL, SECRET_FILE, REPOSITORY, CA_FILE, DEFAULT_BRANCH, REF, BEFORE, AFTER, STDIN, HELP };

static const struct option send_options[] = {{"url", required_argument, NULL, URL},
											 {"secret-file", required_argument, NULL, SECRET_FILE},
											 {"repository", required_argument, NULL, REPOSITORY},
											 {"ca-file", required_argument, NULL, CA_FILE},
											 {"default-branch", required_argument, NULL, DEFAULT_BRANCH},
											 {"ref", required_argument, NULL, REF},
											 {"before", required_argument, NULL, BEFORE},
											 {"after", required_argument, NULL, AFTER},
											 {"stdin", no_argument, NULL, STDIN},
											 {"help", no_argument, NULL, HELP},
											 {NULL, 0, NULL, 0}};

static const char **field_of(struct sender *sender, int code)
{
	const char **fields[] = {&sender->url,         &sender->secret_file,         &sender->push.repository,
							 &sender->ca_file,     &sender->push.default_branch, &sender->push.ref,
							 &sender->push.before, &sender->push.after};

	return code >= URL && code <= AFTER ? fields[code] : NULL;
}

/* 0; 1: help was printed; -1: a usage error was printed. */
static int read_options(int argc, char **argv, struct sender *sender)
{
	int code;

	optind = 1;
	while ((code = getopt_long(argc, argv, "", send_options, NULL)) != -1) {
		const char **field = field_of(sender, code);
		if (field)
			*field = optarg;
		else if (code == STDIN)
			sender->from_stdin = true;
		else if (code == HELP)
			return printf("%s", send_usage) < 0 ? -1 : 1;
		else
			return -1;
	}
	for (int index = URL; index <= AFTER; index++) {
		bool needed = index <= REPOSITORY || (index >= REF && !sender->from_stdin);
		if (needed && !*field_of(sender, index)) {
			fprintf(stderr, "helvetia: --%s is missing\n%s", send_options[index].name, send_usage);
			return -1;
		}
	}
	if (optind < argc || !webhook_url_path(sender->url)) {
		fprintf(stderr,
				optind < argc ? "helvetia: unexpected argument \"%s\"\n%s"
							  : "helvetia: --url: \"%s\" is no http:// or https:// URL with a path\n%s",
				optind < argc ? argv[optind] : sender->url, send_usage);
		return -1;
	}
	return 0;
}

size_t webhook_options_split(char *text, char **ret_words, size_t words_max)
{
	size_t count = 0;
	char *position = NULL;

	for (char *line = strtok_r(text, "\r\n", &position); line && count + 2 <= words_max;
		 line = strtok_r(NULL, "\r\n", &position)) {
		char *value = strchr(line, ' ');

		if (*line != '-')
			continue;
		if (value)
			*value++ = '\0';
		ret_words[count++] = line;
		if (value)
			ret_words[count++] = value;
	}
	return count;
}

/* The kernel runs `helvetia webhook-send FILE` for a FILE whose first line names it. Words live in *ret_text.
 */
static int read_options_file(char **argv, struct sender *sender, char **ret_text)
{
	char *words[OPTION_WORDS_MAX + 2] = {argv[0]};
	struct hc_error err = {0};
	size_t count;

	if (hc_file_read(argv[1], OPTIONS_BYTES_MAX, ret_text, NULL, &err)) {
		fprintf(stderr, "helvetia: %s\n", err.text);
		return -1;
	}
	count = webhook_options_split(*ret_text, words + 1, OPTION_WORDS_MAX);
	return read_options((int)count + 1, words, sender);
}

static int send_push(struct sender *sender, const struct webhook_push *push)
{
	json_t *payload = webhook_payload(push);
	HC_AUTO_FREE body = payload ? json_dumps(payload, JSON_COMPACT) : NULL;
	char hex[CRYPTO_SHA256_HEX_SIZE];
	char id[HC_UUID_SIZE];
	struct http_response response = {0};
	struct hc_error err = {0};
	int code = COMMAND_DONE;

	json_decref(payload);
	if (!body) {
		fputs("helvetia: the push is not UTF-8 and can't be told\n", stderr);
		return COMMAND_INVALID;
	}
	crypto_hmac_sha256_hex(sender->secret, strlen(sender->secret), body, strlen(body), hex);
	hc_random_uuid(id);
	HC_AUTO_FREE signature = hc_xprintf("sha256=%s", hex);
	struct http_field fields[] = {{"Content-Type", "application/json"},
								  {"X-GitHub-Event", "push"},
								  {"X-GitHub-Delivery", id},
								  {"X-Hub-Signature-256", signature}};
	if (http_client_send(sender->client, "POST", webhook_url_path(sender->url), fields, HC_COUNT(fields),
						 body, strlen(body), &response, &err))
		return client_failed(&err);
	if (response.status >= 300) {
		code = client_refused(&response);
	} else {
		json_t *answer = json_loads(response.body, 0, NULL);
		fprintf(stderr, "helvetia: %s\n", json_text_at(answer, "message", NULL));
		json_decref(answer);
	}
	http_response_done(&response);
	return code;
}

static int send_lines(struct sender *sender)
{
	int worst = COMMAND_DONE;
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		struct webhook_push push = sender->push;
		int code = COMMAND_USAGE;

		if (webhook_read_line(line, &push))
			fprintf(stderr, "helvetia: \"%s\" is not OLD NEW REF\n", line);
		else
			code = send_push(sender, &push);
		worst = code != COMMAND_DONE ? code : worst;
	}
	free(line);
	return worst;
}

static int open_sender(struct sender *sender)
{
	HC_AUTO_FREE base = hc_xprintf("%.*s", (int)(webhook_url_path(sender->url) - sender->url), sender->url);
	struct http_client_options options = {
		.base_url = base, .ca_file = sender->ca_file, .timeout_ms = SEND_TIMEOUT_MS};
	struct hc_error err = {0};

	if (hc_file_read(sender->secret_file, SECRET_BYTES_MAX, &sender->secret, NULL, &err) == 0) {
		sender->secret[strcspn(sender->secret, "\r\n")] = '\0';
		if (http_client_open(&options, &sender->client, &err) == 0)
			return COMMAND_DONE;
	}
	return client_failed(&err);
}

static int run_send(int argc, char **argv)
{
	struct sender sender = {0};
	HC_AUTO_FREE text = NULL;
	int parsed = argc == 2 && *argv[1] != '-' ? read_options_file(argv, &sender, &text)
											  : read_options(argc, argv, &sender);
	int code;

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	code = open_sender(&sender);
	if (code == COMMAND_DONE)
		code = sender.from_stdin ? send_lines(&sender) : send_push(&sender, &sender.push);
	http_client_close(sender.client);
	if (sender.secret)
		explicit_bzero(sender.secret, strlen(sender.secret));
	free(sender.secret);
	return code;
}

const struct command command_webhook_send = {"webhook-send", NULL, run_send};
