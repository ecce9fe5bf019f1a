/* JSON patch, RFC 6902, with pointers as in RFC 6901. No library of Debian has it for jansson.
 *
 * Each operation works on one document that this file owns; values are copied in, so that no two places share
 * one. What the body's own limits don't bound (a copy of a copy, a move deeper and deeper) is measured at
 * each insertion. */
#include "schema.h"

#include "base/alloc.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>

enum operation { ADD, REMOVE, REPLACE, MOVE, COPY, TEST };

static const struct {
	const char *name;
	enum operation operation;
	bool value; /* needs one */
	bool from;
} operations[] = {
	{"add", ADD, true, false},   {"remove", REMOVE, false, false}, {"replace", REPLACE, true, false},
	{"move", MOVE, false, true}, {"copy", COPY, false, true},      {"test", TEST, true, false},
};

/* The last step of a pointer: the member or index in its parent. The whole document has no parent. */
struct place {
	json_t *parent; /* borrowed */
	char *name;     /* owned; member of an object, or as written for a list */
	size_t index;   /* of a list; its size means: behind the last */
	size_t depth;
};

struct patch {
	json_t *document; /* owned */
	size_t copied;    /* nodes that copy has made */
	const char *step; /* "operation 2 (move)", for messages */
};

static void place_done(struct place *place)
{
	free(place->name);
	place->name = NULL;
}

/* --- pointers --- */

/* The next token of a pointer, decoded; *at goes behind it. NULL: a "~" that is no escape. Caller frees. */
static char *token_of(const char **at)
{
	struct hc_text token = {0};

	for (; **at && **at != '/'; ++*at) {
		char character = **at;
		if (character == '~') {
			++*at;
			if (**at != '0' && **at != '1') {
				hc_text_done(&token);
				return NULL;
			}
			character = **at == '0' ? '~' : '/';
		}
		hc_text_append_bytes(&token, &character, 1);
	}
	hc_text_append(&token, "");
	return token.data ? hc_text_take(&token) : hc_xstrdup("");
}

/* Index of an item, or of the place behind the last one. */
static bool index_of(const json_t *list, const char *token, size_t *ret_index)
{
	size_t length = strlen(token);

	*ret_index = json_array_size(list);
	if (strcmp(token, "-") == 0)
		return true;
	if (length == 0 || length > 9 || strspn(token, "0123456789") != length || (token[0] == '0' && length > 1))
		return false;
	*ret_index = (size_t)strtoul(token, NULL, 10);
	return *ret_index <= json_array_size(list);
}

static json_t *child(const struct place *place)
{
	return json_is_array(place->parent) ? json_array_get(place->parent, place->index)
										: json_object_get(place->parent, place->name);
}

/* Steps into the place that was found so far. */
static bool step_into(struct patch *patch, struct place *place, char *token_take)
{
	json_t *next = place->name ? child(place) : patch->document;

	place_done(place);
	place->name = token_take;
	place->parent = next;
	place->depth++;
	return json_is_object(next) || (json_is_array(next) && index_of(next, token_take, &place->index));
}

static int find(struct patch *patch, const char *pointer, struct place *ret_place, struct hc_error *err)
{
	const char *at = pointer;

	*ret_place = (struct place){0};
	if (*pointer && *pointer != '/')
		return hc_fail(err, HC_INVALID, "%s: \"%s\" is no JSON pointer: it must begin with \"/\"",
					   patch->step, pointer);
	while (*at == '/') {
		at++;
		char *token = token_of(&at);
		if (!token) {
			place_done(ret_place);
			return hc_fail(err, HC_INVALID, "%s: \"%s\" is no JSON pointer: \"~\" must be ~0 or ~1",
						   patch->step, pointer);
		}
		if (!step_into(patch, ret_place, token) || ret_place->depth > HC_LIMIT_DOCUMENT_DEPTH) {
			place_done(ret_place);
			return hc_fail(err, HC_CONFLICT, "%s: there is no place \"%s\"", patch->step, pointer);
		}
	}
	return 0;
}

/* The value there; NULL with err when there is none. Borrowed. */
static json_t *existing(struct patch *patch, const char *pointer, const struct place *place,
						struct hc_error *err)
{
	json_t *value = place->name ? child(place) : patch->document;

	if (!value)
		(void)hc_fail(err, HC_CONFLICT, "%s: there is nothing at \"%s\"", patch->step, pointer);
	return value;
}

/* --- limits --- */

/* Adds the nodes of a value; false: deeper than left. */
static bool measure(const json_t *value, size_t left, size_t *nodes)
{
	const char *name;
	json_t *item;
	size_t index;

	++*nodes;
	if (left == 0)
		return false;
	json_array_foreach(value, index, item)
	{
		if (!measure(item, left - 1, nodes))
			return false;
	}
	json_object_foreach((json_t *)value, name, item)
	{
		if (!measure(item, left - 1, nodes))
			return false;
	}
	return true;
}

static int check_insert(const struct patch *patch, const struct place *place, const json_t *value,
						struct hc_error *err)
{
	size_t nodes = 0;

	return measure(value, HC_LIMIT_DOCUMENT_DEPTH - place->depth + 1, &nodes)
			   ? 0
			   : hc_fail(err, HC_INVALID, "%s: nested deeper than %d", patch->step, HC_LIMIT_DOCUMENT_DEPTH);
}

static int check_copy(struct patch *patch, const json_t *value, struct hc_error *err)
{
	bool fits = measure(value, HC_LIMIT_DOCUMENT_DEPTH + 1, &patch->copied) &&
				patch->copied <= HC_LIMIT_DOCUMENT_NODES;

	return fits ? 0
				: hc_fail(err, HC_INVALID, "%s: more than %d values are copied", patch->step,
						  HC_LIMIT_DOCUMENT_NODES);
}

/* --- equality: numbers by value --- */

static bool equal(const json_t *left, const json_t *right);

static bool equal_objects(const json_t *left, const json_t *right)
{
	const char *name;
	json_t *value;

	if (json_object_size(left) != json_object_size(right))
		return false;
	json_object_foreach((json_t *)left, name, value)
	{
		if (!equal(value, json_object_get(right, name)))
			return false;
	}
	return true;
}

static bool equal(const json_t *left, const json_t *right)
{
	if (!left || !right)
		return left == right;
	if (json_is_integer(left) && json_is_integer(right))
		return json_integer_value(left) == json_integer_value(right);
	if (json_is_number(left) && json_is_number(right))
		return json_number_value(left) <= json_number_value(right) &&
			   json_number_value(left) >= json_number_value(right);
	if (json_is_object(left) && json_is_object(right))
		return equal_objects(left, right);
	if (!json_is_array(left) || !json_is_array(right))
		return json_equal(left, right);
	if (json_array_size(left) != json_array_size(right))
		return false;
	for (size_t index = 0; index < json_array_size(left); index++)
		if (!equal(json_array_get(left, index), json_array_get(right, index)))
			return false;
	return true;
}

/* --- operations --- */

/* Puts a value at a place; lists make room. Takes the reference. */
static int insert(struct patch *patch, const struct place *place, json_t *value_take, struct hc_error *err)
{
	int result = check_insert(patch, place, value_take, err);

	if (result) {
		json_decref(value_take);
	} else if (!place->name) {
		json_decref(patch->document);
		patch->document = value_take;
	} else if (json_is_array(place->parent)) {
		json_array_insert_new(place->parent, place->index, value_take);
	} else {
		json_object_set_new(place->parent, place->name, value_take);
	}
	return result;
}

static void take_out(const struct place *place)
{
	if (json_is_array(place->parent))
		json_array_remove(place->parent, place->index);
	else
		json_object_del(place->parent, place->name);
}

static int replace(struct patch *patch, const struct place *place, const json_t *value, struct hc_error *err)
{
	if (check_insert(patch, place, value, err))
		return -1;
	if (json_is_array(place->parent))
		json_array_set_new(place->parent, place->index, json_deep_copy(value));
	else
		return insert(patch, place, json_deep_copy(value), err);
	return 0;
}

static int bring(struct patch *patch, enum operation operation, const char *from, const char *path,
				 struct hc_error *err)
{
	size_t length = strlen(from);
	struct place place;

	if (operation == MOVE && strncmp(path, from, length) == 0 && path[length] == '/')
		return hc_fail(err, HC_INVALID, "%s: \"%s\" can't be moved into itself", patch->step, from);
	if (find(patch, from, &place, err))
		return -1;
	json_t *value = existing(patch, from, &place, err);
	if (value && operation == COPY && check_copy(patch, value, err))
		value = NULL;
	if (!value) {
		place_done(&place);
		return -1;
	}
	bool moved_onto_itself = operation == MOVE && strcmp(from, path) == 0;
	value = operation == COPY ? json_deep_copy(value) : json_incref(value);
	if (operation == MOVE && !moved_onto_itself && place.name)
		take_out(&place);
	place_done(&place);
	if (moved_onto_itself) {
		json_decref(value);
		return 0;
	}
	if (find(patch, path, &place, err)) {
		json_decref(value);
		return -1;
	}
	int result = insert(patch, &place, value, err);
	place_done(&place);
	return result;
}

static int change(struct patch *patch, enum operation operation, const char *path, const json_t *value,
				  struct hc_error *err)
{
	struct place place;

	if (find(patch, path, &place, err))
		return -1;
	json_t *there = operation == ADD ? NULL : existing(patch, path, &place, err);
	int result = operation == ADD || there ? 0 : -1;
	if (result)
		;
	else if (operation == ADD)
		result = insert(patch, &place, json_deep_copy(value), err);
	else if (operation == REPLACE)
		result = replace(patch, &place, value, err);
	else if (operation == TEST && !equal(there, value))
		result = hc_fail(err, HC_CONFLICT, "%s: the value at \"%s\" is another one", patch->step, path);
	else if (operation == REMOVE && !place.name)
		result = hc_fail(err, HC_CONFLICT, "%s: the whole document can't be removed", patch->step);
	else if (operation == REMOVE)
		take_out(&place);
	place_done(&place);
	return result;
}

static int run(struct patch *patch, const json_t *step, size_t number, struct hc_error *err)
{
	const char *name = json_string_value(json_object_get(step, "op"));
	const char *path = json_string_value(json_object_get(step, "path"));
	const char *from = json_string_value(json_object_get(step, "from"));
	const json_t *value = json_object_get(step, "value");
	size_t row = 0;

	while (row < HC_COUNT(operations) && !hc_streq(operations[row].name, name))
		row++;
	if (row == HC_COUNT(operations))
		return hc_fail(err, HC_INVALID,
					   "operation %zu: op must be one of add, remove, replace, move, copy, test", number);
	HC_AUTO_FREE told = hc_xprintf("operation %zu (%s)", number, name);
	patch->step = told;
	if (!path)
		return hc_fail(err, HC_INVALID, "%s: path is missing or not text", told);
	if (operations[row].from && !from)
		return hc_fail(err, HC_INVALID, "%s: from is missing or not text", told);
	if (operations[row].value && !value)
		return hc_fail(err, HC_INVALID, "%s: value is missing", told);
	return operations[row].from ? bring(patch, operations[row].operation, from, path, err)
								: change(patch, operations[row].operation, path, value, err);
}

json_t *schema_json_patch(const json_t *target, const json_t *steps, struct hc_error *err)
{
	struct patch patch = {0};
	const json_t *step;
	size_t index;

	if (!json_is_array(steps)) {
		(void)hc_fail(err, HC_INVALID, "a JSON patch must be a list of operations");
		return NULL;
	}
	patch.document = json_deep_copy(target);
	json_array_foreach(steps, index, step)
	{
		if (run(&patch, step, index + 1, err)) {
			json_decref(patch.document);
			return NULL;
		}
	}
	return patch.document;
}
