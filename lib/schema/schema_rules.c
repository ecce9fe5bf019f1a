/* The rules of a Service that a schema can't say: they compare fields, or know hosts, Git and paths. They run
 * after the structural check and the defaults, so types are right; texts are still hostile. A text that may
 * hold a password is never shown. */
#include "schema_internal.h"

#include "base/alloc.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

#define MEMORY_BYTES_MIN (INT64_C(6) << 20) /* what the engine takes at least */
#define CPU_MILLIS_MAX (1024 * 1000)

struct rules {
	const json_t *spec;
	const char *name; /* of the Service, "" when it has none */
	const char *domain;
	const char *const *allowed_prefixes;
	struct schema_causes *causes;
};

static const json_t *member_of(const struct rules *rules, const char *key)
{
	return json_object_get(rules->spec, key);
}

static const char *text_of(const struct rules *rules, const char *key)
{
	return json_string_value(member_of(rules, key));
}

static bool has_blank(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return true;
	return false;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

/* A component of a path that is exactly this, as "..". */
static bool has_component(const char *path, const char *wanted)
{
	size_t length = strlen(wanted);
	for (;;) {
		size_t next = strcspn(path, "/");
		if (next == length && memcmp(path, wanted, length) == 0)
			return true;
		if (!path[next])
			return false;
		path += next + 1;
	}
}

/* --- source
 * --------------------------------------------------------------------------------------------------- */

static void check_source(const struct rules *rules)
{
	bool image = text_of(rules, "image");
	bool repository = text_of(rules, "repoUrl");
	if (image && repository)
		schema_causes_add(rules->causes, "spec.image", "FieldValueForbidden",
						  "Forbidden: image and repoUrl exclude each other; remove one of them");
	if (!image && !repository)
		schema_causes_add(rules->causes, "spec", "FieldValueRequired",
						  "Required value: give image (a prebuilt image) or repoUrl (a Git repository)");
}

static bool prefix_allowed(const struct rules *rules, const char *url)
{
	if (hc_starts_with(url, "https://") || hc_starts_with(url, "ssh://"))
		return true;
	for (size_t i = 0; rules->allowed_prefixes && rules->allowed_prefixes[i]; i++)
		if (hc_starts_with(url, rules->allowed_prefixes[i]))
			return true;
	return false;
}

/* The rule that a repository's address breaks, or NULL. */
static const char *url_rule(const struct rules *rules, const char *url, bool *ret_secret)
{
	const char *scheme = strstr(url, "://");
	const char *authority = scheme ? scheme + 3 : url;
	size_t length = strcspn(authority, "/?#");
	const char *at = memrchr(authority, '@', length);
	bool ssh = hc_starts_with(url, "ssh://");
	/* A name alone is usual with ssh:// and git@host:path; elsewhere it is a token. */
	*ret_secret = at && ((scheme && !ssh) || memchr(authority, ':', (size_t)(at - authority)));
	if (url[0] == '-')
		return "must not begin with \"-\"";
	if (url[strcspn(url, ":")] && hc_starts_with(url + strcspn(url, ":"), "::"))
		return "must not name a Git remote helper such as ext::";
	if (has_blank(url))
		return "must not contain blanks or control characters";
	if (!prefix_allowed(rules, url))
		return "must begin with https:// or ssh:// (git@host:path is written ssh://git@host/path)";
	if (*ret_secret)
		return "must not contain credentials; keep them in a Secret";
	if (scheme && !hc_starts_with(url, "file://") &&
		(length == 0 || (at && at + 1 == authority + length) || authority[0] == ':' || authority[0] == '-' ||
		 (at && at[1] == '-')))
		return "must name a host";
	if (strpbrk(url, "?#"))
		return "must not have a query or a fragment";
	return NULL;
}

static void check_url(const struct rules *rules)
{
	const char *url = text_of(rules, "repoUrl");
	if (!url)
		return;
	bool secret = false;
	const char *rule = url_rule(rules, url, &secret);
	if (rule && (secret || strpbrk(url, "?#")))
		schema_causes_add(rules->causes, "spec.repoUrl", "FieldValueInvalid",
						  "Invalid value: (not shown): %s", rule);
	else if (rule)
		schema_causes_invalid(rules->causes, "spec.repoUrl", member_of(rules, "repoUrl"), "%s", rule);
}

/* git check-ref-format --branch */
static bool branch_valid(const char *branch)
{
	if (branch[0] == '-' || branch[0] == '/' || strcmp(branch, "@") == 0 || strcmp(branch, "HEAD") == 0)
		return false;
	if (has_blank(branch) || strpbrk(branch, "~^:?*[\\") || strstr(branch, "..") || strstr(branch, "@{"))
		return false;
	if (has_component(branch, "") || hc_ends_with(branch, "."))
		return false;
	for (const char *part = branch; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL) {
		size_t length = strcspn(part, "/");
		if (part[0] == '.' || (length >= 5 && memcmp(part + length - 5, ".lock", 5) == 0))
			return false;
	}
	return true;
}

static void check_branch(const struct rules *rules)
{
	const char *branch = text_of(rules, "branch");
	if (!branch || branch_valid(branch))
		return;
	if (branch[0] == '-')
		schema_causes_invalid(rules->causes, "spec.branch", member_of(rules, "branch"),
							  "must not begin with \"-\"");
	else
		schema_causes_invalid(rules->causes, "spec.branch", member_of(rules, "branch"),
							  "must be a branch name as Git allows it (git check-ref-format --branch)");
}

static void check_relative(const struct rules *rules, const char *key)
{
	const char *path = text_of(rules, key);
	if (!path || (path[0] != '/' && path[0] != '-' && !has_component(path, "..") && !has_control(path)))
		return;
	HC_AUTO_FREE field = hc_xprintf("spec.%s", key);
	schema_causes_invalid(
		rules->causes, field, member_of(rules, key),
		"must be a path relative to the repository, without \"..\", a leading \"-\" or control "
		"characters");
}

/* --- hosts
 * ---------------------------------------------------------------------------------------------------- */

static bool is_public(const json_t *spec)
{
	const char *expose = json_string_value(json_object_get(spec, "expose"));
	return !expose || strcmp(expose, "public") == 0;
}

static void check_reserved(const struct rules *rules)
{
	static const char *const reserved[] = {"api", "www", "hooks", "admin", "helvetia"};
	if (!is_public(rules->spec))
		return;
	for (size_t i = 0; i < HC_COUNT(reserved); i++)
		if (strcmp(rules->name, reserved[i]) == 0)
			schema_causes_add(
				rules->causes, "metadata.name", "FieldValueInvalid",
				"Invalid value: \"%s\": the host %s.%s is reserved for the platform, as are those of api, "
				"www, hooks, admin and helvetia; choose another name",
				rules->name, rules->name, rules->domain);
}

/* host is domain, or ends with "." and domain */
static bool host_under(const char *host, const char *domain)
{
	size_t host_length = strlen(host);
	size_t length = strlen(domain);
	if (host_length < length || strcasecmp(host + host_length - length, domain) != 0)
		return false;
	return host_length == length || host[host_length - length - 1] == '.';
}

static const char *domain_rule(const struct rules *rules, const char *host)
{
	const char *last = strrchr(host, '.');
	if (last && last[1 + strspn(last + 1, "0123456789")] == '\0')
		return "must be a host name, not an address";
	HC_AUTO_FREE own = hc_xprintf("%s.%s", rules->name, rules->domain);
	if (host_under(host, rules->domain) && !host_under(host, own))
		return "must not be under the platform's own domain; every Service has its own host there";
	return NULL;
}

static void check_domains(const struct rules *rules)
{
	const json_t *domains = member_of(rules, "domains");
	for (size_t i = 0; i < json_array_size(domains); i++) {
		const json_t *value = json_array_get(domains, i);
		const char *host = json_string_value(value);
		HC_AUTO_FREE field = hc_xprintf("spec.domains[%zu]", i);
		const char *rule = domain_rule(rules, host);
		if (rule)
			schema_causes_invalid(rules->causes, field, value, "%s", rule);
		/* The set is checked byte by byte before; hosts differ by more than case. */
		for (size_t other = 0; other < i; other++) {
			const char *earlier = json_string_value(json_array_get(domains, other));
			if (strcasecmp(host, earlier) == 0)
				schema_causes_add(rules->causes, field, "FieldValueDuplicate", "Duplicate value: \"%s\"",
								  host);
		}
	}
}

static int host_compare(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static char *lower_case(struct hc_arena *arena, const char *text)
{
	char *lower = hc_arena_strdup(arena, text);
	for (char *at = lower; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	return lower;
}

void schema_service_hosts(const json_t *service, const char *domain, struct hc_arena *arena,
						  const char ***ret_hosts, size_t *ret_count)
{
	const json_t *spec = json_object_get(service, "spec");
	const json_t *domains = json_object_get(spec, "domains");
	const char *name = json_string_value(json_object_get(json_object_get(service, "metadata"), "name"));
	const char **hosts = hc_arena_alloc_array(arena, json_array_size(domains) + 1, sizeof(*hosts));
	size_t count = 0;
	*ret_hosts = hosts;
	*ret_count = 0;
	if (!name || !is_public(spec))
		return;
	hosts[count++] = lower_case(arena, hc_arena_printf(arena, "%s.%s", name, domain));
	for (size_t i = 0; i < json_array_size(domains); i++) {
		const char *host = json_string_value(json_array_get(domains, i));
		if (host)
			hosts[count++] = lower_case(arena, host);
	}
	qsort(hosts, count, sizeof(*hosts), host_compare);
	size_t kept = 0;
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || strcmp(hosts[kept - 1], hosts[i]) != 0)
			hosts[kept++] = hosts[i];
	*ret_count = kept;
}

/* --- runtime
 * -------------------------------------------------------------------------------------------------- */

static void check_env(const struct rules *rules)
{
	const json_t *env = member_of(rules, "env");
	for (size_t i = 0; i < json_array_size(env); i++) {
		const json_t *entry = json_array_get(env, i);
		const json_t *value = json_object_get(entry, "value");
		const json_t *reference = json_object_get(entry, "secretRef");
		const char *name = json_string_value(json_object_get(entry, "name"));
		HC_AUTO_FREE field = hc_xprintf("spec.env[%zu]", i);
		HC_AUTO_FREE name_field = hc_xprintf("%s.name", field);
		HC_AUTO_FREE value_field = hc_xprintf("%s.value", field);
		if (strcmp(name, "PORT") == 0)
			schema_causes_add(rules->causes, name_field, "FieldValueForbidden",
							  "Forbidden: PORT is set by the platform; set spec.internalPort");
		if (hc_starts_with(name, "HELVETIA_"))
			schema_causes_add(rules->causes, name_field, "FieldValueForbidden",
							  "Forbidden: names that begin with HELVETIA_ belong to the platform");
		if (value && reference)
			schema_causes_add(rules->causes, value_field, "FieldValueForbidden",
							  "Forbidden: value and secretRef exclude each other; remove one of them");
		if (!value && !reference)
			schema_causes_add(
				rules->causes, field, "FieldValueRequired",
				"Required value: give value or secretRef; an empty value is written value: \"\"");
		if (json_string_length(value) > HC_LIMIT_ENV_VALUE_BYTES)
			schema_causes_add(rules->causes, value_field, "FieldValueTooLong",
							  "Too long: must have at most %u bytes, has %zu", HC_LIMIT_ENV_VALUE_BYTES,
							  json_string_length(value));
	}
}

static const char *mount_rule(const char *path, size_t length)
{
	static const char *const taken[] = {"/proc", "/sys", "/dev", "/.helvetia"};
	HC_AUTO_FREE plain = hc_xprintf("%.*s", (int)length, path);
	if (length == 0)
		return "must not be the root folder";
	if (has_component(plain + 1, "") || has_component(plain, ".") || has_component(plain, "..") ||
		has_control(plain))
		return "must be a plain absolute path, without \"//\", \".\", \"..\" or control characters";
	for (size_t i = 0; i < HC_COUNT(taken); i++) {
		size_t taken_length = strlen(taken[i]);
		if (hc_starts_with(plain, taken[i]) && (plain[taken_length] == '\0' || plain[taken_length] == '/'))
			return "must not be in /proc, /sys, /dev or /.helvetia, which belong to the system";
	}
	return NULL;
}

/* Without slashes at the end. */
static size_t mount_length(const char *path)
{
	size_t length = strlen(path);
	while (length > 0 && path[length - 1] == '/')
		length--;
	return length;
}

static void check_volumes(const struct rules *rules)
{
	const json_t *volumes = member_of(rules, "volumes");
	const char *writable = NULL;
	for (size_t i = 0; i < json_array_size(volumes); i++) {
		const json_t *volume = json_array_get(volumes, i);
		const json_t *value = json_object_get(volume, "path");
		const char *path = json_string_value(value);
		size_t length = mount_length(path);
		HC_AUTO_FREE field = hc_xprintf("spec.volumes[%zu].path", i);
		const char *rule = mount_rule(path, length);
		if (rule)
			schema_causes_invalid(rules->causes, field, value, "%s", rule);
		for (size_t other = 0; other < i; other++) {
			const char *earlier = json_string_value(json_object_get(json_array_get(volumes, other), "path"));
			if (mount_length(earlier) == length && memcmp(earlier, path, length) == 0)
				schema_causes_add(rules->causes, field, "FieldValueDuplicate", "Duplicate value: \"%s\"",
								  path);
		}
		if (!json_is_true(json_object_get(volume, "readOnly")) && !writable)
			writable = json_string_value(json_object_get(volume, "name"));
	}
	const json_t *replicas = member_of(rules, "replicas");
	if (writable && json_integer_value(replicas) > 1)
		schema_causes_invalid(
			rules->causes, "spec.replicas", replicas,
			"must be 0 or 1, because volume \"%s\" is writable and two writers would destroy its "
			"data; set readOnly: true or use one replica",
			writable);
}

static void check_resources(const struct rules *rules)
{
	const json_t *resources = member_of(rules, "resources");
	const json_t *memory = json_object_get(resources, "memory");
	const json_t *cpu = json_object_get(resources, "cpu");
	int64_t bytes = 0;
	int64_t millis = 0;
	if (memory && (schema_quantity_parse(memory, 1, &bytes) < 0 || bytes < MEMORY_BYTES_MIN))
		schema_causes_invalid(rules->causes, "spec.resources.memory", memory,
							  "must be at least 6Mi (a number without unit is bytes)");
	if (cpu && (schema_quantity_parse(cpu, 1000, &millis) < 0 || millis < 10 || millis > CPU_MILLIS_MAX))
		schema_causes_invalid(rules->causes, "spec.resources.cpu", cpu, "must be between 10m and 1024");
}

void schema_service_rules(const json_t *service, const char *domain, const char *const *allowed_prefixes,
						  struct schema_causes *causes)
{
	const char *name = json_string_value(json_object_get(json_object_get(service, "metadata"), "name"));
	struct rules rules = {
		.spec = json_object_get(service, "spec"),
		.name = name ? name : "",
		.domain = domain,
		.allowed_prefixes = allowed_prefixes,
		.causes = causes,
	};
	check_reserved(&rules);
	check_source(&rules);
	check_url(&rules);
	check_branch(&rules);
	check_relative(&rules, "path");
	check_relative(&rules, "dockerfile");
	check_relative(&rules, "outputDir");
	check_domains(&rules);
	check_env(&rules);
	check_volumes(&rules);
	check_resources(&rules);
}
