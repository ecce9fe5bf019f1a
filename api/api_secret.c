/* See api_secret.h. */
#include "api_secret.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/crypto_seal.h"
#include "store/store_secret.h"
#include <stdlib.h>
#include <string.h>

#define MARK "version:" /* no base64: nobody can send one by accident */
#define KEY_LENGTH_MAX 253
#define KEY_RULE "must consist of letters, digits, \"-\", \"_\" and \".\", and have at most 253 characters"
#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

struct value {
	char version[HC_UUID_SIZE];
	char *data; /* owned, wiped */
	size_t length;
};

struct api_secret {
	struct store_secret_value *current; /* in the request's arena */
	size_t current_count;
	struct value *taken; /* new ones only */
	size_t taken_count;
	struct crypto_keys *keys; /* NULL until they are needed */
};

bool api_secret_is(const struct api_draft *draft)
{
	return draft->kind->store_kind == STORE_SECRET;
}

static struct api_secret *state_of(struct api_draft *draft)
{
	if (!draft->secret)
		draft->secret = hc_xalloc(sizeof(*draft->secret));
	return draft->secret;
}

static void forget_taken(struct api_secret *secret)
{
	for (size_t index = 0; index < secret->taken_count; index++)
		crypto_wipe_free(secret->taken[index].data, secret->taken[index].length);
	free(secret->taken);
	secret->taken = NULL;
	secret->taken_count = 0;
}

void api_secret_done(struct api_draft *draft)
{
	if (!draft->secret)
		return;
	forget_taken(draft->secret);
	crypto_keys_free(draft->secret->keys);
	free(draft->secret);
	draft->secret = NULL;
}

static const struct store_secret_value *current_of(const struct api_secret *secret, const char *key)
{
	for (size_t index = 0; index < secret->current_count; index++)
		if (hc_streq(secret->current[index].key, key))
			return &secret->current[index];
	return NULL;
}

static int load_keys(const struct api_writer *writer, struct api_secret *secret, struct hc_error *err)
{
	if (secret->keys || crypto_keys_load(writer->options->secret_key_file, &secret->keys, err) == 0)
		return 0;
	err->class = HC_TRANSIENT; /* the operator's to mend: the same request will work then */
	return hc_wrap(err, "Secrets can't be sealed");
}

/* --- marks --- */

static json_t *mark(const char *version)
{
	return json_sprintf(MARK "%s", version);
}

static const char *version_of(const json_t *value)
{
	const char *text = json_string_value(value);

	return hc_starts_with(text ? text : "", MARK) ? text + strlen(MARK) : NULL;
}

int api_secret_found(const struct api_writer *writer, struct api_draft *draft, struct hc_error *err)
{
	struct api_secret *secret;

	if (!api_secret_is(draft))
		return 0;
	secret = state_of(draft);
	secret->current_count = 0;
	if (!draft->live)
		return 0;
	if (store_secret_values(writer->store, writer->arena, draft->row.uid, &secret->current,
							&secret->current_count, err))
		return -1;
	json_t *data = json_object_get(draft->live, "data");
	for (size_t index = 0; index < secret->current_count; index++)
		json_object_set_new(data, secret->current[index].key, mark(secret->current[index].version));
	return 0;
}

/* --- taking --- */

static bool key_allowed(const char *key)
{
	size_t length = strlen(key);

	return length && length <= KEY_LENGTH_MAX && !hc_streq(key, ".") && !hc_streq(key, "..") &&
		   strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == length;
}

/* What can't be opened any more is not equal to anything. */
static bool equals_current(const struct api_secret *secret, const struct store_secret_value *current,
						   const void *data, size_t length)
{
	struct hc_error ignored;
	char *opened = NULL;
	size_t opened_length = 0;

	if (crypto_open(secret->keys, current->key_version, current->version, current->sealed,
					current->sealed_length, &opened, &opened_length, &ignored))
		return false;
	bool equal = opened_length == length && memcmp(opened, data, length) == 0;
	crypto_wipe_free(opened, opened_length);
	return equal;
}

/* Puts the mark of a value into marks. */
static int take_value(const struct api_writer *writer, struct api_secret *secret, const char *key,
					  const void *data, size_t length, json_t *marks, struct hc_error *err)
{
	const struct store_secret_value *current = current_of(secret, key);

	if (load_keys(writer, secret, err))
		return -1;
	if (current && equals_current(secret, current, data, length)) {
		json_object_set_new(marks, key, mark(current->version));
		return 0;
	}
	secret->taken = hc_xrealloc_array(secret->taken, secret->taken_count + 1, sizeof(*secret->taken));
	struct value *value = &secret->taken[secret->taken_count++];
	hc_random_uuid(value->version);
	value->data = hc_xalloc(length + 1);
	memcpy(value->data, data, length);
	value->length = length;
	json_object_set_new(marks, key, mark(value->version));
	return 0;
}

static int take_encoded(const struct api_writer *writer, struct api_draft *draft, const char *key,
						const json_t *value, json_t *marks, struct hc_error *err)
{
	const char *text = json_string_value(value);
	const struct store_secret_value *current = current_of(draft->secret, key);
	struct hc_text data = {0};
	int result = 0;

	if (current && (!*text || hc_streq(version_of(value), current->version))) {
		json_object_set_new(marks, key, mark(current->version));
		return 0;
	}
	if (hc_base64_decode(&data, text, strlen(text))) {
		HC_AUTO_FREE field = hc_xprintf("data.%s", key);
		schema_causes_add(&draft->causes, field, "FieldValueInvalid",
						  "Invalid value: must be base64; text as it is belongs into stringData");
	} else {
		result = take_value(writer, draft->secret, key, hc_text_string(&data), data.length, marks, err);
	}
	crypto_wipe(data.data, data.size);
	hc_text_done(&data);
	return result;
}

/* All of data or of stringData. */
static int take_map(const struct api_writer *writer, struct api_draft *draft, json_t *object,
					const char *name, bool encoded, json_t *marks, struct hc_error *err)
{
	const json_t *map = json_object_get(object, name);
	const char *key;
	json_t *value;
	int place = 0;

	if (map && !json_is_object(map) && !json_is_null(map))
		schema_causes_add(&draft->causes, name, "FieldValueTypeInvalid",
						  "Invalid value: must be a mapping of keys to text");
	json_object_foreach((json_t *)map, key, value)
	{
		HC_AUTO_FREE field = hc_xprintf("%s.%s", name, key);
		place++;
		if (json_is_null(value))
			continue;
		if (!key_allowed(key)) /* it may be "KEY=VALUE", so it is not repeated */
			schema_causes_add(&draft->causes, name, "FieldValueInvalid",
							  "Invalid value: key number %d " KEY_RULE, place);
		else if (!json_is_string(value))
			schema_causes_add(&draft->causes, field, "FieldValueTypeInvalid",
							  "Invalid value: must be text; put it in quotes");
		else if (encoded ? take_encoded(writer, draft, key, value, marks, err)
						 : take_value(writer, draft->secret, key, json_string_value(value),
									  json_string_length(value), marks, err))
			return -1;
	}
	return 0;
}

static void check_size(struct api_draft *draft)
{
	size_t total = 0;

	for (size_t index = 0; index < draft->secret->taken_count; index++)
		total += draft->secret->taken[index].length;
	if (total > HC_LIMIT_SECRET_BYTES)
		schema_causes_add(&draft->causes, "data", "FieldValueTooLong",
						  "Too long: all values together must have at most %u bytes, have %zu",
						  HC_LIMIT_SECRET_BYTES, total);
}

static void strip_last_applied(json_t *object)
{
	json_t *metadata = json_object_get(object, "metadata");
	json_t *annotations = json_object_get(metadata, "annotations");

	if (json_object_del(annotations, LAST_APPLIED) == 0 && json_object_size(annotations) == 0)
		json_object_del(metadata, "annotations");
}

int api_secret_take(const struct api_writer *writer, struct api_draft *draft, json_t *object,
					struct hc_error *err)
{
	if (!api_secret_is(draft))
		return 0;
	struct api_secret *secret = state_of(draft);
	forget_taken(secret);
	strip_last_applied(object);
	if (hc_streq(json_string_value(json_object_get(object, "type")), ""))
		json_object_del(object, "type"); /* as kubectl sends one without */
	json_t *marks = json_object();
	int result = take_map(writer, draft, object, "data", true, marks, err) ||
						 take_map(writer, draft, object, "stringData", false, marks, err)
					 ? -1
					 : 0;
	json_object_del(object, "stringData");
	json_object_del(object, "data");
	if (json_object_size(marks))
		json_object_set(object, "data", marks);
	json_decref(marks);
	check_size(draft);
	return result;
}

/* --- rules --- */

void api_secret_rules(struct api_draft *draft)
{
	static const char *const fixed[] = {"data", "immutable"};
	const json_t *live = draft->live;
	const char *type = json_string_value(json_object_get(draft->object, "type"));

	if (!live)
		return;
	if (!hc_streq(type, json_string_value(json_object_get(live, "type"))))
		schema_causes_add(&draft->causes, "type", "FieldValueInvalid",
						  "Invalid value: \"%s\": field is immutable", type ? type : "");
	if (!json_is_true(json_object_get(live, "immutable")))
		return;
	for (size_t index = 0; index < HC_COUNT(fixed); index++)
		if (!json_equal(json_object_get(draft->object, fixed[index]), json_object_get(live, fixed[index])))
			schema_causes_add(&draft->causes, fixed[index], "FieldValueForbidden",
							  "Forbidden: field is immutable when `immutable` is set");
}

/* --- the rows --- */

static int seal(const struct api_secret *secret, struct store_secret_value *value, struct hc_arena *arena,
				struct hc_error *err)
{
	for (size_t index = 0; index < secret->taken_count; index++) {
		const struct value *taken = &secret->taken[index];
		unsigned char *sealed = NULL;
		if (!hc_streq(taken->version, value->version))
			continue;
		if (crypto_seal(secret->keys, value->version, taken->data, taken->length, &sealed,
						&value->sealed_length, &value->key_version, err))
			return -1;
		char *copy = hc_arena_alloc(arena, value->sealed_length);
		memcpy(copy, sealed, value->sealed_length);
		free(sealed);
		value->sealed = copy;
		return 0;
	}
	return 0; /* there already */
}

/* spec as it is served, status with the versions, and the values' rows. */
static int rows(const struct api_writer *writer, const struct api_draft *draft, json_t *spec, json_t *status,
				struct store_secret_value **ret_values, size_t *ret_count, struct hc_error *err)
{
	json_t *data = json_object_get(draft->object, "data");
	size_t size = json_object_size(data);
	struct store_secret_value *values = hc_arena_alloc_array(writer->arena, size + 1, sizeof(*values));
	json_t *shown = json_object();
	json_t *versions = json_object();
	size_t count = 0;
	const char *key;
	json_t *value;

	json_object_set(spec, "type", json_object_get(draft->object, "type"));
	if (json_object_get(draft->object, "immutable"))
		json_object_set(spec, "immutable", json_object_get(draft->object, "immutable"));
	json_object_set_new(status, "versions", versions);
	if (size)
		json_object_set(spec, "data", shown);
	json_decref(shown);
	json_object_foreach(data, key, value)
	{
		const char *version = version_of(value);
		if (!version)
			return hc_fail(err, HC_BUG, "secret \"%s\": key %s has no mark", draft->name, key);
		values[count] = (struct store_secret_value){.key = hc_arena_strdup(writer->arena, key),
													.version = hc_arena_strdup(writer->arena, version)};
		if (seal(draft->secret, &values[count++], writer->arena, err))
			return -1;
		json_object_set_new(shown, key, json_string(""));
		json_object_set_new(versions, key, json_string(version));
	}
	*ret_values = values;
	*ret_count = count;
	return 0;
}

static int write_rows(const struct api_writer *writer, struct api_draft *draft, const char *metadata,
					  const char *spec, const char *status, struct hc_error *err)
{
	const struct store_write write = {.metadata = metadata, .spec = spec, .status = status};

	return draft->live ? store_update(writer->store, writer->arena, STORE_SECRET, draft->row.uid, &write,
									  &draft->stored, err)
					   : store_insert(writer->store, writer->arena, STORE_SECRET, draft->namespace_name,
									  draft->name, &write, &draft->stored, err);
}

int api_secret_store(const struct api_writer *writer, struct api_draft *draft, const char *metadata,
					 struct hc_error *err)
{
	json_t *spec = json_object();
	json_t *status = json_object();
	struct store_secret_value *values = NULL;
	size_t count = 0;

	int result = rows(writer, draft, spec, status, &values, &count, err);
	HC_AUTO_FREE spec_text = json_dumps(spec, JSON_COMPACT);
	HC_AUTO_FREE status_text = json_dumps(status, JSON_COMPACT);
	json_decref(spec);
	json_decref(status);
	if (result || write_rows(writer, draft, metadata, spec_text, status_text, err))
		return -1;
	/* The last finalizer of one that is being deleted: the row is gone. */
	bool gone = draft->live && draft->row.deleting &&
				!json_array_size(json_object_get(json_object_get(draft->object, "metadata"), "finalizers"));
	return gone ? 0 : store_secret_write(writer->store, draft->stored.uid, values, count, err);
}

/* --- what is told --- */

json_t *api_secret_shown(const struct api_draft *draft, const json_t *object)
{
	json_t *copy = json_deep_copy(object);
	const char *key;
	json_t *value;

	json_object_foreach(json_object_get(copy, "data"), key, value)
	{
		const struct store_secret_value *current = draft->secret ? current_of(draft->secret, key) : NULL;
		bool same = current && hc_streq(version_of(value), current->version);
		json_string_set(value, same ? "(sealed)" : "(a new value)");
	}
	return copy;
}

/* --- the key file --- */

static int make_key(const char *path, struct hc_error *err)
{
	HC_AUTO_FREE folder = hc_xstrdup(path);
	char *slash = strrchr(folder, '/');

	if (slash && slash != folder) {
		*slash = '\0';
		if (hc_folder_make(folder, 0700, err))
			return -1;
	}
	if (crypto_keys_make(path, err))
		return err->class == HC_CONFLICT ? 0 : -1; /* another API was faster */
	hc_log(HC_LOG_INFO, "made the key that seals Secrets: keep a copy of it", "file", path, NULL);
	return 0;
}

void api_secret_key_ensure(const char *path, struct store *store)
{
	HC_AUTO(crypto_keys) keys = NULL;
	struct hc_error err = {0};
	bool any = true;

	int result = crypto_keys_load(path, &keys, &err);
	if (result && err.class == HC_NOT_FOUND && store_secret_any(store, &any, &err) == 0)
		result = any ? hc_fail(&err, HC_NOT_FOUND,
							   "key file %s: it is missing, and there are values that were sealed by it: put "
							   "its copy back",
							   path)
					 : make_key(path, &err);
	if (result)
		hc_log(HC_LOG_ERROR, "Secrets can't be written", "error", err.text, NULL);
}
