/* lib/git, pure parts: URLs, addresses, .dockerignore, pkt-lines, paths. Tables of literals. */
#include "../cmocka_all.h"

#include "git/git_internal.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

static void urls_follow_the_rule(void **state)
{
	static const char *const listed[] = {"http://10.1.2.3:3000/", "https://git.example.com/team",
										 "http://[::1]:80/only/this.git", NULL};
	static const char *const none[] = {NULL};
	static const struct {
		const char *url;
		const char *refused; /* part of the text; NULL: allowed */
		bool listed;
	} table[] = {
		{"https://github.com/acme/shop", NULL, false},
		{"https://github.com/acme/shop.git", NULL, false},
		{"HTTPS://GitHub.com/acme/shop.git", NULL, false},
		{"https://example.com:8443/a/b/c.git/", NULL, false},
		{"https://1.1.1.1/a.git", NULL, false},
		{"https://[2606:4700:4700::1111]/a.git", NULL, false},
		{"", "empty", false},
		{"-https://example.com/a", "dash", false},
		{"--upload-pack=touch", "dash", false},
		{"https://example.com/a b", "character", false},
		{"https://example.com/a\nb", "character", false},
		{"https://example.com/a\\b", "character", false},
		{"https://exämple.com/a", "character", false},
		{"ext::sh -c id", "character", false},
		{"ext::id", "remote helpers", false},
		{"file:///etc", "only https://", false},
		{"git://example.com/a", "only https://", false},
		{"ftp://example.com/a", "only https://", false},
		{"gopher://example.com/a", "only https://", false},
		{"/srv/git/a.git", "only https://", false},
		{"ssh://git@example.com/a.git", "SSH", false},
		{"git@example.com:a/b.git", "SSH", false},
		{"http://example.com/a.git", "only https://", false},
		{"https://ann@example.com/a", "credentials", false},
		{"https://ann:secret@example.com/a", "credentials", false},
		{"https://example.com@evil.org/a", "credentials", false},
		{"https://example.com/a?x=1", "query", false},
		{"https://example.com/a#b", "query", false},
		{"https://example.com/a/../b", ". or ..", false},
		{"https://example.com/a/./b", ". or ..", false},
		{"https://example.com/a/%2e%2E/b", ". or ..", false},
		{"https://example.com/a/.%2e", ". or ..", false},
		{"https://example.com/a/...", NULL, false},
		{"https://example.com/a/.git", NULL, false},
		{"https:///a", "malformed", false},
		{"https://", "malformed", false},
		{"https://example.com:99999/a", "malformed", false},
		{"https://127.0.0.1/a", "not a public address", false},
		{"https://127.1/a", "not a public address", false},
		{"https://0x7f000001/a", "not a public address", false},
		{"https://2130706433/a", "not a public address", false},
		{"https://017700000001/a", "not a public address", false},
		{"https://[::1]/a", "not a public address", false},
		{"https://[::ffff:169.254.169.254]/a", "not a public address", false},
		{"https://169.254.169.254/latest", "not a public address", false},
		{"http://10.1.2.3:3000/a.git", NULL, true},
		{"http://10.1.2.3:3000", "only https://", true},
		{"http://10.1.2.3:3001/a.git", "only https://", true},
		{"http://10.1.2.30/a.git", "only https://", true},
		{"http://10.1.2.3:3000@evil.org/", "credentials", true},
		{"https://10.1.2.3:3000/a.git", "not a public address", true},
		{"https://git.example.com/team", NULL, true},
		{"https://GIT.example.com:443/team/a", NULL, true},
		{"http://git.example.com/team/a", "only https://", true},
		{"http://[::1]/only/this.git", NULL, true},
		{"http://[::1]/only/this.gitx", "only https://", true},
	};

	(void)state;
	for (size_t i = 0; i < HC_COUNT(table); i++) {
		const struct git_options options = {.allowed_prefixes = table[i].listed ? listed : none};
		struct hc_error err = {.class = HC_OK};
		int result = git_url_check(&options, table[i].url, &err);

		if ((result == 0) != (table[i].refused == NULL) ||
			(result && (err.class != HC_INVALID || !strstr(err.text, table[i].refused))))
			fail_msg("%s: %s", table[i].url, result ? err.text : "allowed");
	}
}

static void prefixes_end_at_a_boundary(void **state)
{
	static const char *const prefixes[] = {"https://git.example.com/team", "http://host", NULL};
	const struct git_options options = {.allowed_prefixes = prefixes};

	(void)state;
	assert_true(git_url_listed(&options, "https://git.example.com/team/shop"));
	assert_true(git_url_listed(&options, "http://host/x"));
	assert_true(git_url_listed(&options, "http://HOST:80/x"));
	assert_false(git_url_listed(&options, "https://git.example.com/teammate/shop"));
	assert_false(git_url_listed(&options, "https://git.example.com/Team/shop"));
	assert_false(git_url_listed(&options, "https://git.example.com.evil.org/team/shop"));
	assert_false(git_url_listed(&options, "http://host.evil.org/x"));
	assert_false(git_url_listed(&options, "http://host:81/x"));
}

static void addresses_are_told_apart(void **state)
{
	static const struct {
		const char *address;
		bool public;
	} table[] = {
		{"0.0.0.0", false},
		{"0.1.2.3", false},
		{"1.1.1.1", true},
		{"9.255.255.255", true},
		{"10.0.0.0", false},
		{"10.255.255.255", false},
		{"11.0.0.0", true},
		{"100.63.255.255", true},
		{"100.64.0.0", false},
		{"100.127.255.255", false},
		{"100.128.0.0", true},
		{"126.255.255.255", true},
		{"127.0.0.1", false},
		{"127.255.255.255", false},
		{"128.0.0.0", true},
		{"169.253.255.255", true},
		{"169.254.0.0", false},
		{"169.254.169.254", false},
		{"169.255.0.0", true},
		{"172.15.255.255", true},
		{"172.16.0.0", false},
		{"172.31.255.255", false},
		{"172.32.0.0", true},
		{"192.0.0.1", false},
		{"192.0.1.0", true},
		{"192.0.2.1", false},
		{"192.88.99.1", false},
		{"192.167.255.255", true},
		{"192.168.0.0", false},
		{"192.168.255.255", false},
		{"192.169.0.0", true},
		{"198.17.255.255", true},
		{"198.18.0.0", false},
		{"198.19.255.255", false},
		{"198.20.0.0", true},
		{"198.51.100.7", false},
		{"203.0.113.7", false},
		{"223.255.255.255", true},
		{"224.0.0.1", false},
		{"239.255.255.255", false},
		{"240.0.0.1", false},
		{"255.255.255.255", false},
		{"::", false},
		{"::1", false},
		{"::7f00:1", false},
		{"::ffff:8.8.8.8", true},
		{"::ffff:127.0.0.1", false},
		{"::ffff:10.0.0.1", false},
		{"::ffff:100.64.0.1", false},
		{"::ffff:169.254.169.254", false},
		{"64:ff9b::8.8.8.8", true},
		{"64:ff9b::10.0.0.1", false},
		{"64:ff9b:1::1", false},
		{"100::1", false},
		{"2001::1", false},
		{"2001:1ff::1", false},
		{"2001:200::1", true},
		{"2001:db8::1", false},
		{"2001:4860:4860::8888", true},
		{"2002:808:808::1", true},
		{"2002:7f00:1::1", false},
		{"2002:a00:1::1", false},
		{"2606:4700:4700::1111", true},
		{"3fff::1", false},
		{"5f00::1", false},
		{"fbff::1", true},
		{"fc00::1", false},
		{"fd12:3456::1", false},
		{"fdff:ffff::1", false},
		{"fe80::1", false},
		{"febf::1", false},
		{"fec0::1", false},
		{"ff02::1", false},
	};

	(void)state;
	for (size_t i = 0; i < HC_COUNT(table); i++) {
		const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
		struct addrinfo *found = NULL;

		assert_int_equal(getaddrinfo(table[i].address, NULL, &hints, &found), 0);
		if (git_address_public(found->ai_addr) != table[i].public)
			fail_msg("%s is %s", table[i].address, table[i].public ? "public" : "not public");
		freeaddrinfo(found);
	}
	{
		const struct sockaddr other = {.sa_family = AF_UNIX};

		assert_false(git_address_public(&other));
	}
}

/* Each row: the file, then paths with "+" when they stay and "-" when they are left out. What real `docker
 * build` says about each is in the names of the patterns' kinds in git_ignore.c; see moby/patternmatcher. */
struct ignore_row {
	const char *file;
	const char *paths[9];
};

static const struct ignore_row ignore_table[] = {
	{"", {"+a", "+a/b"}},
	{"# a\n\n  \n", {"+a", "+# a"}},
	{" # a\n", {"-# a", "+a"}},
	{"a", {"-a", "-a/b", "-a/b/c", "+b/a", "+ab", "+A"}},
	{"a\r\n", {"-a", "+b"}},
	{"\xef\xbb\xbf"
	 "a",
	 {"-a"}},
	{"/a", {"-a", "-a/b", "+b/a"}},
	{"//a", {"-a"}},
	{"a/", {"-a", "-a/b"}},
	{"./a", {"-a"}},
	{"  a  ", {"-a"}},
	{"a b", {"-a b", "+a"}},
	{"a/b", {"-a/b", "-a/b/c", "+a", "+a/c", "+x/a/b"}},
	{"a/./b/../c", {"-a/c", "+a/b"}},
	{"../a", {"+a", "+b/a"}},
	{"a/../..", {"+a"}},
	{"/", {"+a"}},
	{".", {"+a"}},
	{"*", {"-a", "-a/b", "-.x"}},
	{"*.log", {"-a.log", "-.log", "+a.logs", "+b/a.log", "-a.log/x"}},
	{"*/*.log", {"-b/a.log", "+a.log", "+c/b/a.log"}},
	{"a*c", {"-ac", "-abc", "+a/c", "+abcd", "-abc/d"}},
	{"a?c", {"-abc", "+ac", "+a/c", "+abbc"}},
	{"a?c", {"-aüc", "-a日c", "+aüüc"}},
	{"**", {"-a", "-a/b/c"}},
	{"**/", {"-a", "-a/b"}},
	{"**/a", {"-a", "-b/a", "-c/b/a", "-b/a/x", "+ba", "+b/ab"}},
	{"**a", {"-a", "-ba", "-b/a", "-b/ca", "+ab"}},
	{"**/*.go", {"-a.go", "-b/a.go", "-c/b/a.go", "+a.god", "-a.go/x"}},
	{"**/.git", {"-.git", "-a/.git", "-a/.git/config", "+a.git", "+.gitignore"}},
	{"a/**", {"+a", "-a/b", "-a/b/c", "+ab", "+b/a/c"}},
	{"a**", {"-a", "-ab", "-ab/c", "-a/b", "+ba"}},
	{"a/**/b", {"-a/b", "-a/x/b", "-a/x/y/b", "+a/xb", "+b", "-a/b/c", "+x/a/b"}},
	{"a/**/*.md", {"-a/x.md", "-a/b/x.md", "+x.md"}},
	{"**/a/**", {"-a/b", "-x/a/b", "+a", "+x/a", "+xa/b"}},
	{"**/x/**/y", {"-x/y", "-a/x/y", "-a/x/b/y", "+x", "+x/z"}},
	{"*/**/c", {"-a/c", "-a/b/c", "+c"}},
	{"[ab]", {"-a", "-b", "+c", "-a/x"}},
	{"[a-c]x", {"-ax", "-cx", "+dx", "+x"}},
	{"[^a-c]x", {"+ax", "-dx"}},
	{"[ü-ÿ]", {"-ü", "+a"}},
	{"[\\]]", {"-]", "+\\"}},
	{"[\\-a]", {"--", "-a", "+b"}},
	{"\\*", {"-*", "+a"}},
	{"\\!a", {"-!a", "+a"}},
	{"\\#a", {"-#a", "+a"}},
	{"a.c", {"-a.c", "+abc"}},
	{"a+(b)$", {"-a+(b)$", "+aab"}},
	{"{a,b}", {"-{a,b}", "+a"}},
	{"*\n!a", {"+a", "+a/b", "-b", "-b/a"}},
	{"!a\n*", {"-a", "-b"}},
	{"*\n!a\na/b", {"+a", "-a/b", "+a/c", "-a/b/c"}},
	{"*\n! a ", {"+a"}},
	{"*\n!/a", {"+a"}},
	{"*\n!a/", {"+a/b"}},
	{"a\n!a/b", {"-a", "+a/b", "-a/c", "+a/b/c"}},
	{"a\n!a/*.md", {"-a/x", "+a/x.md", "-a/b/x.md"}},
	{"a\n!**/*.md", {"-a/x", "+a/x.md", "+a/b/x.md"}},
	{"*.md\n!README*.md\nREADME-secret.md", {"-a.md", "+README.md", "+README-x.md", "-README-secret.md"}},
	{"*.md\nREADME-secret.md\n!README*.md", {"-a.md", "+README.md", "+README-secret.md"}},
	{"node_modules\n**/node_modules\n",
	 {"-node_modules/a/b.js", "-packages/x/node_modules/y", "+node_module"}},
	{"**/*.log\n!keep/**\n", {"-a.log", "-b/a.log", "+keep/a.log", "+keep/b/a.log"}},
	{"/!a\n", {"+a", "+!a"}},
	{"*\n/!a\n", {"+a", "-b"}},
	{"/  /\n", {"+a"}},
	{"**  /\n", {"-a", "-a/b"}},
	{"**]\n", {"-]", "-a/]", "+a]"}},
	{"temp?\n*/temp*\n*/*/temp*", {"-tempa", "+temp", "-a/temporary", "-a/b/temp.txt", "+a/b/c/temp"}},
};

static void dockerignore_is_read_as_docker_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < HC_COUNT(ignore_table); i++) {
		const struct ignore_row *row = &ignore_table[i];
		HC_AUTO(git_ignore) ignore = NULL;
		struct hc_error err;

		if (git_ignore_new(row->file, strlen(row->file), ".dockerignore", &ignore, &err))
			fail_msg("row %zu: %s", i, err.text);
		for (size_t j = 0; j < HC_COUNT(row->paths) && row->paths[j]; j++)
			if (git_ignore_match(ignore, row->paths[j] + 1) != (row->paths[j][0] == '-'))
				fail_msg("\"%s\": %s", row->file, row->paths[j]);
	}
}

static void malformed_dockerignore_is_refused(void **state)
{
	static const struct {
		const char *file;
		const char *text;
	} table[] = {
		{"a\n!\n", "line 2: a \"!\""}, {"!  ", "line 1"},     {"[", "line 1: malformed"},
		{"[]", "malformed"},           {"[a", "malformed"},   {"[a-", "malformed"},
		{"[a-]", "malformed"},         {"[-a]", "malformed"}, {"[^]", "malformed"},
		{"\n\na\\", "line 3"},         {"[\\", "malformed"},  {"ok\n[]a]", "line 2"},
	};
	struct git_ignore *ignore;
	struct hc_error err;
	char *large = calloc(1, HC_LIMIT_GIT_IGNORE_BYTES + 1);

	(void)state;
	for (size_t i = 0; i < HC_COUNT(table); i++) {
		if (git_ignore_new(table[i].file, strlen(table[i].file), ".dockerignore", &ignore, &err) == 0)
			fail_msg("%s is taken", table[i].file);
		assert_int_equal(err.class, HC_INVALID);
		if (!strstr(err.text, table[i].text))
			fail_msg("%s: %s", table[i].file, err.text);
	}
	assert_int_equal(git_ignore_new("a\0b", 3, "x", &ignore, &err), -1);
	memset(large, 'a', HC_LIMIT_GIT_IGNORE_BYTES + 1);
	assert_int_equal(git_ignore_new(large, HC_LIMIT_GIT_IGNORE_BYTES + 1, "x", &ignore, &err), -1);
	assert_int_equal(git_ignore_new(large, HC_LIMIT_GIT_PATH_BYTES + 1, "x", &ignore, &err), -1);
	memset(large, '\n', HC_LIMIT_GIT_IGNORE_LINES + 1);
	assert_int_equal(git_ignore_new(large, HC_LIMIT_GIT_IGNORE_LINES + 1, "x", &ignore, &err), -1);
	free(large);
}

/* Backtracking would take longer than the universe lasts. */
static void hostile_patterns_are_fast(void **state)
{
	HC_AUTO(git_ignore) ignore = NULL;
	HC_AUTO_TEXT pattern = {0};
	HC_AUTO_TEXT path = {0};
	struct hc_error err;

	(void)state;
	for (int i = 0; i < 200; i++) {
		hc_text_append(&pattern, "*a/**/");
		hc_text_append(&path, "aaaaaaaaaa/");
	}
	hc_text_append(&pattern, "b");
	hc_text_append(&path, "c");
	assert_int_equal(git_ignore_new(hc_text_string(&pattern), pattern.length, "x", &ignore, &err), 0);
	assert_false(git_ignore_match(ignore, hc_text_string(&path)));
}

static int note_packet(enum git_packet_kind kind, const char *data, size_t length, void *payload,
					   struct hc_error *err)
{
	static const char *const marks[] = {"", "<flush>", "<delimiter>", "<end>"};

	(void)err;
	if (kind == GIT_PACKET_DATA)
		hc_text_printf(payload, "[%zu:%s]", length, data);
	else
		hc_text_append(payload, marks[kind]);
	return 0;
}

static void packets_are_read_in_pieces(void **state)
{
	static const struct {
		const char *wire;
		const char *read; /* NULL: malformed */
		bool whole;
	} table[] = {
		{"", "", true},
		{"0000", "<flush>", true},
		{"00010002", "<delimiter><end>", true},
		{"0004", "[0:]", true},
		{"0005a0000", "[1:a]<flush>", true},
		{"000ahello\n0006hi", "[6:hello\n][2:hi]", true},
		{"000Ahello\n", "[6:hello\n]", true},
		{"0009hell", "", false},
		{"00", "", false},
		{"0003", NULL, false},
		{"fff1", NULL, false},
		{"ffff", NULL, false},
		{"00g0", NULL, false},
		{"<htm", NULL, false},
		{"-001", NULL, false},
	};
	struct git_packets *packets = calloc(1, sizeof *packets);

	(void)state;
	for (size_t i = 0; i < HC_COUNT(table); i++)
		for (size_t piece = 1; piece < 6; piece++) {
			HC_AUTO_TEXT read = {0};
			size_t length = strlen(table[i].wire);
			struct hc_error err;
			int result = 0;

			memset(packets, 0, sizeof *packets);
			packets->packet = note_packet;
			packets->payload = &read;
			for (size_t at = 0; at < length && result == 0; at += piece)
				result = git_packets_take(packets, table[i].wire + at,
										  length - at < piece ? length - at : piece, &err);
			assert_int_equal(result, table[i].read ? 0 : -1);
			if (!table[i].read)
				continue;
			assert_string_equal(hc_text_string(&read), table[i].read);
			assert_int_equal(git_packets_whole(packets), table[i].whole);
		}
	free(packets);
}

static void packets_are_written(void **state)
{
	HC_AUTO_TEXT text = {0};

	(void)state;
	git_packet_append(&text, "want %s\n", "x");
	git_packet_append(&text, "%s", "");
	assert_string_equal(hc_text_string(&text), "000bwant x\n0004");
}

static void the_largest_packet_fits(void **state)
{
	struct git_packets *packets = calloc(1, sizeof *packets);
	char *wire = calloc(1, GIT_PACKET_BYTES);
	HC_AUTO_TEXT read = {0};
	struct hc_error err;

	(void)state;
	memset(wire, 'x', GIT_PACKET_BYTES);
	memcpy(wire, "fff0", 4);
	packets->packet = note_packet;
	packets->payload = &read;
	assert_int_equal(git_packets_take(packets, wire, GIT_PACKET_BYTES, &err), 0);
	assert_memory_equal(hc_text_string(&read), "[65516:xxx", 10);
	free(wire);
	free(packets);
}

static void paths_are_cleaned(void **state)
{
	static const struct {
		const char *path;
		const char *clean; /* NULL: refused */
	} table[] = {
		{NULL, ""},       {"", ""},          {"/", ""},       {".", ""},          {"a", "a"},
		{"/a/b/", "a/b"}, {"./a//b", "a/b"}, {"a/../b", "b"}, {"a/b/..", "a"},    {"a/b/../../c", "c"},
		{"..", NULL},     {"a/../..", NULL}, {"../a", NULL},  {"a/...", "a/..."}, {"..a", "..a"},
	};
	HC_AUTO(hc_arena) arena = hc_arena_new();

	(void)state;
	for (size_t i = 0; i < HC_COUNT(table); i++) {
		const char *clean;
		struct hc_error err;
		int result = git_path_clean(arena, table[i].path, &clean, &err);

		assert_int_equal(result, table[i].clean ? 0 : -1);
		if (table[i].clean)
			assert_string_equal(clean, table[i].clean);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_follow_the_rule),
		cmocka_unit_test(prefixes_end_at_a_boundary),
		cmocka_unit_test(addresses_are_told_apart),
		cmocka_unit_test(dockerignore_is_read_as_docker_does),
		cmocka_unit_test(malformed_dockerignore_is_refused),
		cmocka_unit_test(hostile_patterns_are_fast),
		cmocka_unit_test(packets_are_read_in_pieces),
		cmocka_unit_test(packets_are_written),
		cmocka_unit_test(the_largest_packet_fits),
		cmocka_unit_test(paths_are_cleaned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
