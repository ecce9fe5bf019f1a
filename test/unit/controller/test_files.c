/* The texts that the controller writes for others: Traefik's file of claimed hosts and the script for nft. */
#include "controller/firewall.h"
#include "controller/hosts_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>

static void no_hosts_give_no_routers(void **state)
{
	HC_AUTO_TEXT text = {0};

	(void)state;
	hosts_file_text(NULL, 0, &text);
	assert_null(strstr(hc_text_string(&text), "http:"));
}

static void each_host_gets_the_lowest_router(void **state)
{
	static const char *const hosts[] = {"shop.localhost", "bad`) || Host(`evil.example", "www.example.org"};
	HC_AUTO_TEXT text = {0};

	(void)state;
	hosts_file_text(hosts, HC_COUNT(hosts), &text);
	assert_string_equal(
		hc_text_string(&text),
		"# Written by helvetia-controller: claimed hosts answer 503 until something is published.\n"
		"http:\n"
		"  routers:\n"
		"    helvetia-claimed-0:\n"
		"      rule: \"Host(`shop.localhost`)\"\n"
		"      priority: 1\n"
		"      entryPoints: [web, websecure]\n"
		"      middlewares: [helvetia-claimed]\n"
		"      service: helvetia-claimed\n"
		"    helvetia-claimed-1:\n"
		"      rule: \"Host(`www.example.org`)\"\n"
		"      priority: 1\n"
		"      entryPoints: [web, websecure]\n"
		"      middlewares: [helvetia-claimed]\n"
		"      service: helvetia-claimed\n"
		"  middlewares:\n"
		"    helvetia-claimed:\n"
		"      headers:\n"
		"        customResponseHeaders:\n"
		"          Retry-After: \"5\"\n"
		"          Cache-Control: \"no-store\"\n"
		"  services:\n"
		"    helvetia-claimed:\n"
		"      loadBalancer:\n"
		"        servers: []\n");
}

static void the_table_is_replaced_in_one_script(void **state)
{
	HC_AUTO_TEXT text = {0};
	struct hc_error err;
	const struct firewall_options options = {
		.installation = "abc123", .pool = "10.213.0.0/23", .masquerade = true};

	(void)state;
	assert_int_equal(firewall_script(&options, &text, &err), 0);
	assert_string_equal(hc_text_string(&text),
						"add table inet helvetia_abc123\n"
						"delete table inet helvetia_abc123\n"
						"table inet helvetia_abc123 {\n"
						"\tset same_network {\n"
						"\t\ttype ipv4_addr . ipv4_addr\n"
						"\t\tflags interval\n"
						"\t\telements = { 10.213.0.0/24 . 10.213.0.0/24, 10.213.1.0/24 . 10.213.1.0/24 }\n"
						"\t}\n"
						"\tchain input {\n"
						"\t\ttype filter hook input priority -10; policy accept;\n"
						"\t\tiifname != \"hv-*\" accept\n"
						"\t\tct state established,related accept\n"
						"\t\tmeta l4proto { icmp, ipv6-icmp } accept\n"
						"\t\tdrop\n"
						"\t}\n"
						"\tchain forward {\n"
						"\t\ttype filter hook forward priority -10; policy accept;\n"
						"\t\tiifname != \"hv-*\" oifname != \"hv-*\" accept\n"
						"\t\tct state established,related accept\n"
						"\t\tiifname \"hv-build-*\" oifname \"hv-build-*\" drop comment \"one build from "
						"another\"\n"
						"\t\tiifname \"hv-*\" oifname \"hv-*\" ip saddr . ip daddr @same_network accept\n"
						"\t\toifname \"hv-*\" ip daddr 10.213.0.0/23 drop comment \"from other tenants, and "
						"past the proxy\"\n"
						"\t\toifname \"hv-*\" ip saddr 10.213.0.0/23 drop\n"
						"\t\tip saddr 10.213.0.0/23 ip daddr 169.254.0.0/16 drop\n"
						"\t}\n"
						"\tchain postrouting {\n"
						"\t\ttype nat hook postrouting priority 100; policy accept;\n"
						"\t\tip saddr 10.213.0.0/23 oifname != \"hv-*\" masquerade\n"
						"\t}\n"
						"}\n");
}

static void what_can_end_the_script_is_refused(void **state)
{
	static const struct firewall_options cases[] = {
		{.installation = "", .pool = "10.213.0.0/16"},
		{.installation = "a b", .pool = "10.213.0.0/16"},
		{.installation = "abc", .pool = "10.213.0.0"},
		{.installation = "abc", .pool = "10.213.0.0/25"},
		{.installation = "abc", .pool = "10.213.0.0/7"},
		{.installation = "abc", .pool = "10.213.0/16"},
		{.installation = "abc", .pool = "10.213.0.0/16; drop"},
		{.installation = "abc", .pool = "fd00::/16"},
	};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(cases); n++) {
		HC_AUTO_TEXT text = {0};
		struct hc_error err;

		assert_int_equal(firewall_script(&cases[n], &text, &err), -1);
		assert_int_equal(err.class, HC_INVALID);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_hosts_give_no_routers),
		cmocka_unit_test(each_host_gets_the_lowest_router),
		cmocka_unit_test(the_table_is_replaced_in_one_script),
		cmocka_unit_test(what_can_end_the_script_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
