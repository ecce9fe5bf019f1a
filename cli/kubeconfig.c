/* See kubeconfig.h. */
#include "kubeconfig.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/text.h"
#include "schema/schema.h"

#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (4U * 1024 * 1024)
#define TOKEN_BYTES_MAX (16U * 1024)

void kubeconfig_done(struct kubeconfig_context *context)
{
	free(context->name);
	free(context->server);
	free(context->authority);
	free(context->token);
	free(context->namespace_name);
	*context = (struct kubeconfig_context){0};
}

char *kubeconfig_default_files(void)
{
	const char *named = getenv("KUBECONFIG");
	const char *home = getenv("HOME");

	if (named && *named)
		return hc_xstrdup(named);
	return home && *home ? hc_xprintf("%s/.kube/config", home) : NULL;
}

/* --- reading --- */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && *text ? text : NULL;
}

/* New reference. */
static json_t *parse(const char *text, size_t length, const char *source, struct hc_error *err)
{
	struct schema_documents documents = {0};
	json_t *config = NULL;

	if (schema_documents_parse(text, length, &documents, err)) {
		(void)hc_wrap(err, "%s", source);
		return NULL;
	}
	if (documents.count == 1)
		config = json_incref(documents.items[0].value);
	else if (documents.count == 0)
		config = json_object();
	else
		(void)hc_fail(err, HC_INVALID, "%s: more than one document", source);
	schema_documents_done(&documents);
	return config;
}

/* NULL with err NOT_FOUND or INVALID. New reference. */
static json_t *load(const char *path, struct hc_error *err)
{
	HC_AUTO_FREE text = NULL;
	size_t length = 0;

	return hc_file_read(path, FILE_BYTES_MAX, &text, &length, err) ? NULL : parse(text, length, path, err);
}

static const json_t *entry(const json_t *config, const char *list, const char *name)
{
	const json_t *item;
	size_t index;

	json_array_foreach(json_object_get(config, list), index, item)
	{
		if (hc_streq(text_of(item, "name"), name))
			return item;
	}
	return NULL;
}

static void add_entries(json_t *whole, const json_t *config, const char *list)
{
	json_t *into = json_object_get(whole, list);
	const json_t *item;
	size_t index;

	if (!into) {
		into = json_array();
		json_object_set_new(whole, list, into);
	}
	json_array_foreach(json_object_get(config, list), index, item)
	{
		if (text_of(item, "name") && !entry(whole, list, text_of(item, "name")))
			json_array_append_new(into, json_deep_copy(item));
	}
}

/* Paths inside a file are relative to its folder. */
static void absolute(json_t *config, const char *list, const char *part, const char *key, const char *path)
{
	const char *slash = strrchr(path, '/');
	const json_t *item;
	size_t index;

	json_array_foreach(json_object_get(config, list), index, item)
	{
		json_t *object = json_object_get(item, part);
		const char *named = text_of(object, key);

		if (named && *named != '/' && slash) {
			HC_AUTO_FREE whole = hc_xprintf("%.*s/%s", (int)(slash - path), path, named);
			json_object_set_new(object, key, json_string(whole));
		}
	}
}

static int load_all(const char *files, json_t *whole, struct hc_error *err)
{
	HC_AUTO_FREE copy = hc_xstrdup(files);
	char *rest = NULL;
	bool any = false;

	for (char *path = strtok_r(copy, ":", &rest); path; path = strtok_r(NULL, ":", &rest)) {
		json_t *config = load(path, err);
		if (!config && err->class == HC_NOT_FOUND)
			continue;
		if (!config)
			return -1;
		any = true;
		absolute(config, "clusters", "cluster", "certificate-authority", path);
		absolute(config, "users", "user", "tokenFile", path);
		add_entries(whole, config, "clusters");
		add_entries(whole, config, "users");
		add_entries(whole, config, "contexts");
		if (!text_of(whole, "current-context") && text_of(config, "current-context"))
			json_object_set(whole, "current-context", json_object_get(config, "current-context"));
		json_decref(config);
	}
	return any ? 0 : hc_fail(err, HC_NOT_FOUND, "there is no kubeconfig %s", files);
}

static int read_cluster(const json_t *cluster, struct kubeconfig_context *context, struct hc_error *err)
{
	const char *data = text_of(cluster, "certificate-authority-data");
	const char *file = text_of(cluster, "certificate-authority");
	HC_AUTO_TEXT decoded = {0};

	if (!text_of(cluster, "server"))
		return hc_fail(err, HC_INVALID, "context \"%s\": its cluster has no server", context->name);
	context->server = hc_xstrdup(text_of(cluster, "server"));
	for (size_t length = strlen(context->server); length && context->server[length - 1] == '/'; length--)
		context->server[length - 1] = '\0';
	if (data) {
		if (hc_base64_decode(&decoded, data, strlen(data)))
			return hc_fail(err, HC_INVALID, "context \"%s\": certificate-authority-data is not base64",
						   context->name);
		context->authority = hc_xstrdup(hc_text_string(&decoded));
	} else if (file && hc_file_read(file, FILE_BYTES_MAX, &context->authority, NULL, err)) {
		return hc_wrap(err, "context \"%s\"", context->name);
	}
	return 0;
}

static int read_user(const json_t *user, struct kubeconfig_context *context, struct hc_error *err)
{
	const char *file = text_of(user, "tokenFile");

	if (file) {
		if (hc_file_read(file, TOKEN_BYTES_MAX, &context->token, NULL, err))
			return hc_wrap(err, "context \"%s\"", context->name);
		context->token[strcspn(context->token, "\r\n")] = '\0';
	} else if (text_of(user, "token")) {
		context->token = hc_xstrdup(text_of(user, "token"));
	} else {
		return hc_fail(err, HC_INVALID,
					   "context \"%s\": its user has no token; Helvetia knows its users by tokens only",
					   context->name);
	}
	return 0;
}

static int resolve(const json_t *whole, const char *name, struct kubeconfig_context *context,
				   struct hc_error *err)
{
	const char *wanted = name ? name : text_of(whole, "current-context");
	const json_t *found = wanted ? entry(whole, "contexts", wanted) : NULL;
	const json_t *body = json_object_get(found, "context");

	if (!wanted)
		return hc_fail(err, HC_NOT_FOUND, "the kubeconfig has no current context; name one with --context");
	if (!found)
		return hc_fail(err, HC_NOT_FOUND, "the kubeconfig has no context \"%s\"", wanted);
	context->name = hc_xstrdup(wanted);
	if (text_of(body, "namespace"))
		context->namespace_name = hc_xstrdup(text_of(body, "namespace"));
	const char *cluster = text_of(body, "cluster"), *user = text_of(body, "user");
	return read_cluster(json_object_get(cluster ? entry(whole, "clusters", cluster) : NULL, "cluster"),
						context, err) ||
				   read_user(json_object_get(user ? entry(whole, "users", user) : NULL, "user"), context, err)
			   ? -1
			   : 0;
}

int kubeconfig_read(const char *files, const char *context, struct kubeconfig_context *ret_context,
					struct hc_error *err)
{
	json_t *whole = json_object();

	*ret_context = (struct kubeconfig_context){0};
	int result = load_all(files, whole, err) || resolve(whole, context, ret_context, err) ? -1 : 0;
	json_decref(whole);
	if (result)
		kubeconfig_done(ret_context);
	return result;
}

int kubeconfig_parse(const char *text, size_t length, struct kubeconfig_context *ret_context,
					 struct hc_error *err)
{
	json_t *config = parse(text, length, "standard input", err);

	*ret_context = (struct kubeconfig_context){0};
	int result = config ? resolve(config, NULL, ret_context, err) : -1;
	json_decref(config);
	if (result)
		kubeconfig_done(ret_context);
	return result;
}

/* --- writing --- */

json_t *kubeconfig_make(const struct kubeconfig_context *context)
{
	json_t *cluster = json_pack("{s:s}", "server", context->server);
	json_t *body = json_pack("{s:s, s:s}", "cluster", context->name, "user", context->name);

	if (context->authority) {
		HC_AUTO_TEXT encoded = {0};
		hc_base64_encode(&encoded, context->authority, strlen(context->authority));
		json_object_set_new(cluster, "certificate-authority-data", json_string(hc_text_string(&encoded)));
	}
	if (context->namespace_name)
		json_object_set_new(body, "namespace", json_string(context->namespace_name));
	return json_pack("{s:s, s:s, s:[{s:s, s:o}], s:[{s:s, s:{s:s}}], s:[{s:s, s:o}], s:s}", "apiVersion",
					 "v1", "kind", "Config", "clusters", "name", context->name, "cluster", cluster, "users",
					 "name", context->name, "user", "token", context->token, "contexts", "name",
					 context->name, "context", body, "current-context", context->name);
}

char *kubeconfig_text(const json_t *config)
{
	return schema_dump_yaml(config);
}

static void replace_entries(json_t *config, const json_t *added, const char *list)
{
	json_t *into = json_object_get(config, list);
	json_t *item;
	size_t index;

	if (!json_is_array(into)) {
		into = json_array();
		json_object_set_new(config, list, into);
	}
	json_array_foreach(json_object_get(added, list), index, item)
	{
		size_t at = 0;
		while (at < json_array_size(into) &&
			   !hc_streq(text_of(json_array_get(into, at), "name"), text_of(item, "name")))
			at++;
		if (at < json_array_size(into))
			json_array_set(into, at, item);
		else
			json_array_append(into, item);
	}
}

static int make_folder_of(const char *path, struct hc_error *err)
{
	const char *slash = strrchr(path, '/');
	HC_AUTO_FREE folder = slash && slash != path ? hc_xprintf("%.*s", (int)(slash - path), path) : NULL;

	return folder ? hc_folder_make(folder, 0700, err) : 0;
}

int kubeconfig_merge(const char *path, const json_t *added, struct hc_error *err)
{
	static const char *const lists[] = {"clusters", "users", "contexts"};
	struct hc_error absent = {0};
	json_t *config = load(path, &absent);

	if (!config && absent.class != HC_NOT_FOUND) {
		*err = absent;
		return -1;
	}
	if (!config)
		config = json_pack("{s:s, s:s}", "apiVersion", "v1", "kind", "Config");
	for (size_t index = 0; index < HC_COUNT(lists); index++)
		replace_entries(config, added, lists[index]);
	json_object_set(config, "current-context", json_object_get(added, "current-context"));
	HC_AUTO_FREE text = kubeconfig_text(config);
	json_decref(config);
	if (make_folder_of(path, err))
		return -1;
	return hc_file_write(path, text, strlen(text), 0600, err);
}
