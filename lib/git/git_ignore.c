/* .dockerignore with Docker's rules, after the behaviour of moby/patternmatcher: lines are trimmed and
 * cleaned as paths; `!` takes back; the last line that matches decides; a line that matches a folder matches
 * all below.
 * A pattern that is malformed is refused, where Docker may take it for something else; + ( ) { } | ^ are
 * themselves, as documented, where Docker's matcher reads them as parts of a regular expression when the
 * pattern has a `*`. `*` and `?` stop at a slash, `**` does not, [..] is a class. A pattern becomes one of
 * four kinds, the last of them a small automaton that is run over code points in one pass, so that no pattern
 * can make it slow. Pure.
 */
#include "base/alloc.h"
#include "git_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum token_kind {
	TOKEN_RUNE,  /* this one */
	TOKEN_ONE,   /* ?: one that is no slash */
	TOKEN_STAR,  /* *: any number that are no slash */
	TOKEN_ENTER, /* before TOKEN_DEEP: skip both, or go in */
	TOKEN_DEEP,  /* any number, then a slash */
	TOKEN_ALL,   /* any number of anything */
	TOKEN_CLASS, /* [..] */
};
struct token {
	enum token_kind kind;
	uint32_t rune;
	const char *class_text; /* inside the pattern's text */
	size_t class_length;
};
enum pattern_kind { PATTERN_EXACT, PATTERN_PREFIX, PATTERN_SUFFIX, PATTERN_TOKENS };
struct pattern {
	enum pattern_kind kind;
	bool keep; /* begins with ! */
	char *text;
	struct token *tokens;
	size_t token_count;
};
struct git_ignore {
	struct pattern *patterns;
	size_t count;
	/* Room for a match: the path's code points and two sets of states. */
	uint32_t runes[HC_LIMIT_GIT_PATH_BYTES + 1];
	unsigned char *now, *next;
	size_t states;
};

/* A malformed byte is one code point of its own, beyond Unicode. */
static uint32_t read_rune(const char **text)
{
	const unsigned char *at = (const unsigned char *)*text;
	int more = at[0] >= 0xf0 && at[0] < 0xf8   ? 3
			   : at[0] >= 0xe0 && at[0] < 0xf0 ? 2
											   : at[0] >= 0xc0 && at[0] < 0xe0;
	uint32_t rune = at[0];

	for (int i = 1; i <= more; i++) {
		if ((at[i] & 0xc0) != 0x80) {
			more = 0;
			rune = 0x110000u + at[0];
			break;
		}
		rune = i == 1 ? (((uint32_t)at[0] & (0x3fu >> more)) << 6) | (at[1] & 0x3fu)
					  : (rune << 6) | (at[i] & 0x3fu);
	}
	if (more == 0 && at[0] >= 0x80)
		rune = 0x110000u + at[0];
	*text += 1 + more;
	return rune;
}

/* Go's filepath.Clean: no empty, "." and resolvable ".." parts; "" becomes ".". In place, since it never
 * grows but for that one case, for which there is room. */
static void clean_path(char *path)
{
	bool rooted = path[0] == '/';
	char *from = path;
	char *to = path + rooted;
	char *floor = to; /* .. can't go before it */

	while (*from) {
		size_t length = strcspn(from, "/");

		if (length == 2 && from[0] == '.' && from[1] == '.' && (to > floor || rooted)) {
			if (to > floor) {
				to--;
				while (to > floor && *to != '/')
					to--;
			}
		} else if (length > 0 && !(length == 1 && from[0] == '.')) {
			bool up = length == 2 && from[0] == '.' && from[1] == '.';

			if (to > path + rooted)
				*to++ = '/';
			memmove(to, from, length);
			to += length;
			if (up)
				floor = to;
		}
		from += length;
		from += *from == '/';
	}
	if (to == path)
		*to++ = '.';
	*to = '\0';
}

static void add_token(struct pattern *pattern, enum token_kind kind, uint32_t rune)
{
	pattern->tokens = hc_xrealloc_array(pattern->tokens, pattern->token_count + 1, sizeof *pattern->tokens);
	pattern->tokens[pattern->token_count++] = (struct token){.kind = kind, .rune = rune};
}

/* From after "[": past the "]", or NULL when it is malformed. As Go's filepath.Match wants it. */
static const char *end_class(const char *at)
{
	bool filled = false;

	if (*at == '^')
		at++;
	while (*at != ']' || !filled) {
		for (int side = 0; side < 2; side++) {
			if (*at == '\\')
				at++;
			else if (*at == '-' || *at == ']')
				return NULL;
			if (*at == '\0')
				return NULL;
			(void)read_rune(&at);
			filled = true;
			if (side == 0 && *at == '-')
				at++;
			else
				break;
		}
		if (*at == '\0')
			return NULL;
	}
	return at + 1;
}

static bool class_has(const struct token *token, uint32_t rune)
{
	const char *at = token->class_text;
	const char *end = at + token->class_length;
	bool negated = at < end && *at == '^';
	bool found = false;

	at += negated;
	while (at < end) {
		uint32_t low;
		uint32_t high;

		at += *at == '\\';
		low = high = read_rune(&at);
		if (at < end && *at == '-') {
			at++;
			at += *at == '\\';
			high = read_rune(&at);
		}
		found = found || (rune >= low && rune <= high);
	}
	return found != negated;
}

/* `**` at *at (after both stars). Returns the kind that the pattern has now. */
static enum pattern_kind read_double_star(struct pattern *pattern, const char **at, bool first,
										  enum pattern_kind kind)
{
	if (**at == '/')
		(*at)++;
	if (**at == '\0' && kind == PATTERN_EXACT) {
		kind = PATTERN_PREFIX;
		add_token(pattern, TOKEN_ALL, 0);
	} else if (**at == '\0') {
		kind = PATTERN_TOKENS;
		add_token(pattern, TOKEN_ALL, 0);
	} else {
		kind = PATTERN_TOKENS;
		add_token(pattern, TOKEN_ENTER, 0);
		add_token(pattern, TOKEN_DEEP, 0);
	}
	return first ? PATTERN_SUFFIX : kind;
}

/* -1 when the pattern is malformed. */
static int compile(struct pattern *pattern)
{
	enum pattern_kind kind = PATTERN_EXACT;
	const char *at = pattern->text;
	const char *end;

	for (bool first = true; *at; first = false) {
		if (at[0] == '*' && at[1] == '*') {
			at += 2;
			kind = read_double_star(pattern, &at, first, kind);
		} else if (*at == '*' || *at == '?') {
			add_token(pattern, *at++ == '*' ? TOKEN_STAR : TOKEN_ONE, 0);
			kind = PATTERN_TOKENS;
		} else if (*at == '[') {
			end = end_class(at + 1);
			if (!end)
				return -1;
			add_token(pattern, TOKEN_CLASS, 0);
			pattern->tokens[pattern->token_count - 1].class_text = at + 1;
			pattern->tokens[pattern->token_count - 1].class_length = (size_t)(end - at) - 2;
			at = end;
			kind = PATTERN_TOKENS;
		} else {
			if (*at == ']')
				kind = PATTERN_TOKENS;
			if (*at == '\\') {
				if (*++at == '\0')
					return -1;
				kind = PATTERN_TOKENS;
			}
			add_token(pattern, TOKEN_RUNE, read_rune(&at));
		}
	}
	pattern->kind = kind;
	return 0;
}

static void add_state(const struct pattern *pattern, unsigned char *set, size_t state)
{
	for (;;) {
		if (set[state])
			return;
		set[state] = 1;
		if (state == pattern->token_count)
			return;
		switch (pattern->tokens[state].kind) {
		case TOKEN_STAR:
		case TOKEN_ALL:
			state++;
			break;
		case TOKEN_ENTER:
			set[state + 1] = 1;
			state += 2;
			break;
		case TOKEN_RUNE:
		case TOKEN_ONE:
		case TOKEN_DEEP:
		case TOKEN_CLASS:
			return;
		}
	}
}

static void step(const struct pattern *pattern, unsigned char *next, size_t state, uint32_t rune)
{
	const struct token *token = &pattern->tokens[state];

	switch (token->kind) {
	case TOKEN_RUNE:
		if (rune == token->rune)
			add_state(pattern, next, state + 1);
		break;
	case TOKEN_ONE:
		if (rune != '/')
			add_state(pattern, next, state + 1);
		break;
	case TOKEN_CLASS:
		if (class_has(token, rune))
			add_state(pattern, next, state + 1);
		break;
	case TOKEN_STAR:
		if (rune != '/')
			add_state(pattern, next, state);
		break;
	case TOKEN_ALL:
		add_state(pattern, next, state);
		break;
	case TOKEN_DEEP:
		next[state] = 1;
		if (rune == '/')
			add_state(pattern, next, state + 1);
		break;
	case TOKEN_ENTER:
		break;
	}
}

static bool run(struct git_ignore *ignore, const struct pattern *pattern, size_t length)
{
	size_t states = pattern->token_count + 1;

	memset(ignore->now, 0, states);
	add_state(pattern, ignore->now, 0);
	for (size_t i = 0; i < length; i++) {
		unsigned char *swap = ignore->now;
		bool alive = false;

		memset(ignore->next, 0, states);
		for (size_t state = 0; state < pattern->token_count; state++)
			if (ignore->now[state])
				step(pattern, ignore->next, state, ignore->runes[i]);
		ignore->now = ignore->next;
		ignore->next = swap;
		for (size_t state = 0; state < states && !alive; state++)
			alive = ignore->now[state];
		if (!alive)
			return false;
	}
	return ignore->now[pattern->token_count];
}

/* path is not terminated; its code points are in ignore->runes. */
static bool matches(struct git_ignore *ignore, const struct pattern *pattern, const char *path, size_t length,
					size_t runes)
{
	const char *text = pattern->text;
	size_t size = strlen(text);

	switch (pattern->kind) {
	case PATTERN_EXACT:
		return size == length && memcmp(text, path, length) == 0;
	case PATTERN_PREFIX:
		return length >= size - 2 && memcmp(text, path, size - 2) == 0;
	case PATTERN_SUFFIX:
		text += 2;
		size -= 2;
		if (size > 1 && *text == '/' && length == size - 1 && memcmp(text + 1, path, length) == 0)
			return true;
		return length >= size && memcmp(path + length - size, text, size) == 0;
	case PATTERN_TOKENS:
		return run(ignore, pattern, runes);
	}
	return false;
}

static bool matches_or_parent(struct git_ignore *ignore, const struct pattern *pattern, const char *path)
{
	const char *at = path;
	size_t runes = 0;

	/* Parents come first, so that the code points are read once. */
	while (*at) {
		const char *from = at;

		ignore->runes[runes] = read_rune(&at);
		if (*from == '/' && matches(ignore, pattern, path, (size_t)(from - path), runes))
			return true;
		runes++;
	}
	return matches(ignore, pattern, path, (size_t)(at - path), runes);
}

bool git_ignore_match(struct git_ignore *ignore, const char *path)
{
	bool matched = false;

	if (strlen(path) > HC_LIMIT_GIT_PATH_BYTES)
		return false;
	for (size_t i = 0; i < ignore->count; i++)
		if (ignore->patterns[i].keep == matched && matches_or_parent(ignore, &ignore->patterns[i], path))
			matched = !ignore->patterns[i].keep;
	return matched;
}

bool git_ignore_exceptions(const struct git_ignore *ignore)
{
	for (size_t i = 0; i < ignore->count; i++)
		if (ignore->patterns[i].keep)
			return true;
	return false;
}

static struct pattern *add_pattern(struct git_ignore *ignore, char *text, bool keep)
{
	struct pattern *pattern;

	ignore->patterns = hc_xrealloc_array(ignore->patterns, ignore->count + 1, sizeof *ignore->patterns);
	pattern = &ignore->patterns[ignore->count++];
	*pattern = (struct pattern){.text = text, .keep = keep};
	return pattern;
}

static void make_room(struct git_ignore *ignore, const struct pattern *pattern)
{
	if (pattern->token_count + 1 <= ignore->states)
		return;
	ignore->states = pattern->token_count + 1;
	ignore->now = hc_xrealloc(ignore->now, ignore->states);
	ignore->next = hc_xrealloc(ignore->next, ignore->states);
}

void git_ignore_add(struct git_ignore *ignore, const char *path, bool keep)
{
	(void)add_pattern(ignore, hc_xstrdup(path), keep);
}

/* Trimmed copy of [line, end). */
static char *trim(const char *line, const char *end)
{
	char *copy;

	while (line < end && isspace((unsigned char)*line))
		line++;
	while (end > line && isspace((unsigned char)end[-1]))
		end--;
	copy = hc_xalloc((size_t)(end - line) + 3); /* room for a "!" in front, and clean_path makes "." of "" */
	memcpy(copy, line, (size_t)(end - line));
	return copy;
}

static void trim_here(char *text)
{
	size_t blanks = strspn(text, " \t\v\f\r");
	size_t length = strlen(text + blanks);

	memmove(text, text + blanks, length + 1);
	while (length > 0 && isspace((unsigned char)text[length - 1]))
		text[--length] = '\0';
}

/* Docker trims and cleans a line twice: when it reads the file, without the "!", and when it makes the
 * pattern, with it. So
 * "/!a" is an exception, too. Returns the
 * pattern's text. */
static char *read_pattern(const char *line, const char *end, bool *ret_keep)
{
	HC_AUTO_FREE text = trim(line, end);
	bool keep = text[0] == '!';
	char *bare = trim(text + keep, text + strlen(text));
	size_t length;

	if (bare[0] != '\0')
		clean_path(bare);
	if (bare[0] == '/' && bare[1] != '\0')
		memmove(bare, bare + 1, strlen(bare));
	if (keep) {
		memmove(bare + 1, bare, strlen(bare) + 1);
		bare[0] = '!';
	}
	trim_here(bare);
	if (bare[0] != '\0')
		clean_path(bare);
	length = strlen(bare);
	*ret_keep = bare[0] == '!';
	if (*ret_keep)
		memmove(bare, bare + 1, length);
	return bare;
}

static int take_line(struct git_ignore *ignore, const char *line, const char *end, const char *name,
					 size_t number, struct hc_error *err)
{
	struct pattern *pattern;
	const char *first = line;
	char *text;
	bool keep;

	while (first < end && isspace((unsigned char)*first))
		first++;
	if (first == end || *line == '#')
		return 0;
	text = read_pattern(line, end, &keep);
	if (text[0] == '\0') {
		free(text);
		if (!keep)
			return 0;
		return hc_fail(err, HC_INVALID, "%s line %zu: a \"!\" without a pattern", name, number);
	}
	pattern = add_pattern(ignore, text, keep);
	if (compile(pattern))
		return hc_fail(err, HC_INVALID, "%s line %zu: malformed pattern \"%.100s\"", name, number, text);
	make_room(ignore, pattern);
	return 0;
}

int git_ignore_new(const char *text, size_t length, const char *name, struct git_ignore **ret_ignore,
				   struct hc_error *err)
{
	HC_AUTO(git_ignore) ignore = hc_xalloc(sizeof *ignore);
	const char *end = text + length;
	size_t number = 0;

	*ret_ignore = NULL;
	if (length > HC_LIMIT_GIT_IGNORE_BYTES)
		return hc_fail(err, HC_INVALID, "%s is larger than %u KiB", name, HC_LIMIT_GIT_IGNORE_BYTES / 1024);
	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	if (length > 0 && memchr(text, '\0', (size_t)(end - text)))
		return hc_fail(err, HC_INVALID, "%s holds a NUL byte", name);
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *stop = newline ? newline : end;

		if (stop - text > HC_LIMIT_GIT_PATH_BYTES || ++number > HC_LIMIT_GIT_IGNORE_LINES)
			return hc_fail(err, HC_INVALID, "%s has more than %d lines, or one longer than %d bytes", name,
						   HC_LIMIT_GIT_IGNORE_LINES, HC_LIMIT_GIT_PATH_BYTES);
		if (take_line(ignore, text, stop, name, number, err))
			return -1;
		text = newline ? newline + 1 : end;
	}
	*ret_ignore = hc_take(&ignore);
	return 0;
}

void git_ignore_free(struct git_ignore *ignore)
{
	if (!ignore)
		return;
	for (size_t i = 0; i < ignore->count; i++) {
		free(ignore->patterns[i].text);
		free(ignore->patterns[i].tokens);
	}
	free(ignore->patterns);
	free(ignore->now);
	free(ignore->next);
	free(ignore);
}
