/* See hosts_file.h. */
#include "hosts_file.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (64U * 1024 * 1024)
#define RETRY_AFTER_SECONDS 5

/* Lower-case host name, as the store keeps it: letters, digits, dots and dashes. */
static bool host_plain(const char *host)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";
	size_t length = strlen(host);

	return length > 0 && length <= HC_LIMIT_HOST_BYTES && strspn(host, allowed) == length;
}

void hosts_file_text(const char *const *hosts, size_t count, struct hc_text *text)
{
	size_t routers = 0;

	hc_text_append(
		text, "# Written by helvetia-controller: claimed hosts answer 503 until something is published.\n");
	for (size_t n = 0; n < count; n++) {
		if (!host_plain(hosts[n]))
			continue;
		if (routers == 0)
			hc_text_append(text, "http:\n  routers:\n");
		hc_text_printf(text,
					   "    helvetia-claimed-%zu:\n"
					   "      rule: \"Host(`%s`)\"\n"
					   "      priority: 1\n"
					   "      entryPoints: [web, websecure]\n"
					   "      middlewares: [helvetia-claimed]\n"
					   "      service: helvetia-claimed\n",
					   routers++, hosts[n]);
	}
	if (routers == 0)
		return;
	hc_text_printf(text,
				   "  middlewares:\n"
				   "    helvetia-claimed:\n"
				   "      headers:\n"
				   "        customResponseHeaders:\n"
				   "          Retry-After: \"%d\"\n"
				   "          Cache-Control: \"no-store\"\n"
				   "  services:\n"
				   "    helvetia-claimed:\n"
				   "      loadBalancer:\n"
				   "        servers: []\n",
				   RETRY_AFTER_SECONDS);
}

int hosts_file_write(const char *state_folder, const char *const *hosts, size_t count, struct hc_error *err)
{
	HC_AUTO_TEXT text = {0};
	HC_AUTO_FREE folder = hc_xprintf("%s/traefik/dynamic", state_folder);
	HC_AUTO_FREE path = hc_xprintf("%s/hosts.yml", folder);
	HC_AUTO_FREE before = NULL;
	size_t length;

	hosts_file_text(hosts, count, &text);
	if (hc_file_read(path, FILE_BYTES_MAX, &before, &length, NULL) == 0 && length == text.length &&
		memcmp(before, text.data, length) == 0)
		return 0;
	if (hc_folder_make(folder, 0755, err) || hc_file_write(path, text.data, text.length, 0644, err))
		return hc_wrap(err, "write the routes of claimed hosts");
	return 0;
}
