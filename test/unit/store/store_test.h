/* What the test programs of lib/store share. Include after cmocka.h. */
#ifndef STORE_TEST_H
#define STORE_TEST_H

#include "store_postgres.h"
#include <stdlib.h>
#include <string.h>

/* In the call, &err is the error of the assertion. */
#define assert_ok(call)                                                                                      \
	do {                                                                                                     \
		struct hc_error err = {0};                                                                           \
		if ((call) < 0)                                                                                      \
			fail_msg("%s: %s: %s", #call, hc_class_name(err.class), err.text);                               \
	} while (0)

#define assert_error(call, expected_class, expected_text)                                                    \
	do {                                                                                                     \
		struct hc_error err = {0};                                                                           \
		assert_int_equal((call), -1);                                                                        \
		assert_string_equal(hc_class_name(err.class), hc_class_name(expected_class));                        \
		if (!strstr(err.text, (expected_text)))                                                              \
			fail_msg("\"%s\" is not in \"%s\"", (expected_text), err.text);                                  \
	} while (0)

#define assert_contains(text, part)                                                                          \
	do {                                                                                                     \
		if (!strstr((text), (part)))                                                                         \
			fail_msg("\"%s\" is not in %s", (part), (text));                                                 \
	} while (0)

/* What a person would see in psql. */
#define assert_sql(server, sql, expected)                                                                    \
	do {                                                                                                     \
		char *seen = postgres_text((server), (sql));                                                         \
		assert_string_equal(seen, (expected));                                                               \
		free(seen);                                                                                          \
	} while (0)

#endif
