/* Image builds against a real engine, by both builders, from FROM scratch images only. DOCKER_HOST names the
 * engine; without it the test fails, it never skips. The shell is Debian's static busybox. Steps run without
 * a network. */
#include "docker_build_engine.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MIB (1024U * 1024U)

static const enum docker_builder builders[] = {DOCKER_BUILDER_BUILDKIT, DOCKER_BUILDER_CLASSIC};

static const char *from_base(const char *rest)
{
	return hc_arena_printf(rig.arena, "FROM %s\n%s", rig.base, rest);
}

static void test_success(void **state)
{
	static const struct docker_pair arguments[] = {{"GREETING", "it's \"me\"\n&=%"}};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(builders); index++) {
		struct docker_pair labels[] = {{TEST_LABEL, rig.run}, {"builder", index ? "classic" : "buildkit"}};
		struct attempt attempt = {
			.build = {.builder = builders[index],
					  .arguments = arguments,
					  .argument_count = 1,
					  .labels = labels,
					  .label_count = HC_COUNT(labels),
					  .no_cache = true,
					  .memory_bytes = 128 * MIB,
					  .cache_namespace = "uid-of-a-namespace"},
			.dockerfile = from_base(
				"ARG GREETING\nRUN echo \"$GREETING\"; echo bad >&2; printf 'a\\rb\\nno newline'\n"),
		};
		struct docker_image image;
		struct docker_image_row *rows;
		size_t count;

		attempt_run(rig.docker, "success", &attempt);
		attempt_succeeded(&attempt);
		attempt_told(&attempt, "it's \"me\"\n");
		attempt_told(&attempt, "&=%\n");
		attempt_told(&attempt, "no newline\n");
		attempt_told(&attempt, index ? "2|bad\n" : "2|#2 bad\n");
		attempt_told(&attempt, index ? "1|b\n" : "1|#2 b\n");
		attempt_told(&attempt, index ? "Step 3/" : "RUN echo");
		assert_int_equal(docker_image_inspect(rig.docker, rig.arena, attempt.build.tag, &image, &attempt.err),
						 0);
		assert_string_equal(image.id, attempt.image_id);
		assert_int_equal(docker_image_list(rig.docker, rig.arena, labels, 2, &rows, &count, &attempt.err), 0);
		assert_int_equal(count, 1);
		assert_string_equal(rows[0].id, attempt.image_id);
		assert_string_equal(rows[0].tags[0], attempt.build.tag);
		assert_null(rows[0].tags[1]);
		assert_true(rows[0].size_bytes > 100000);
		assert_true(llabs(rows[0].created_wall_ms - hc_clock_wall_ms()) < 60000);
		assert_int_equal(rows[0].label_count, 2);
		assert_string_equal(rows[0].labels[1].value, rig.run);
		(void)printf("%s: %lld ms\n", index ? "classic" : "BuildKit", (long long)attempt.took_ms);
		assert_int_equal(docker_image_remove(rig.docker, attempt.image_id, &attempt.err), 0);
		assert_int_equal(docker_image_list(rig.docker, rig.arena, labels, 2, &rows, &count, &attempt.err), 0);
		assert_int_equal(count, 0);
		attempt_done(&attempt);
	}
}

/* The user's own mistakes: class, and what the error says. */
static void test_mistakes(void **state)
{
	const struct {
		const char *dockerfile; /* NULL: none */
		const char *says[2];    /* BuildKit, classic */
	} rows[] = {
		{from_base("\nFRM x\n"),
		 {"Dockerfile parse error line 3: unknown instruction: FRM",
		  "Dockerfile parse error line 3: unknown instruction: FRM"}},
		{from_base("RUN echo before; exit 2\n"),
		 {"RUN echo before; exit 2: exit code 2", "RUN echo before; exit 2: exit code 2"}},
		{from_base("RUN [\"/bin/sh\",\"-euc\",\"false\\ntrue\"]\n"), {"exit code 1", "exit code 1"}},
		{from_base("RUN [\"/no-such-program\"]\n"), {"exit code 1", "no such file or directory"}},
		{from_base("COPY no-such-file /\n"),
		 {"\"/no-such-file\" not found", "file not found in build context"}},
		{"", {"the Dockerfile cannot be empty", "cannot be empty"}},
		{NULL,
		 {"failed to read dockerfile: open Dockerfile: no such file", "Cannot locate specified Dockerfile"}},
	};

	(void)state;
	for (size_t row = 0; row < HC_COUNT(rows); row++)
		for (size_t index = 0; index < HC_COUNT(builders); index++) {
			struct attempt attempt = {.build = {.builder = builders[index]},
									  .dockerfile = rows[row].dockerfile};

			attempt_run(rig.docker, "mistake", &attempt);
			attempt_failed(&attempt, HC_INVALID, rows[row].says[index]);
			attempt_done(&attempt);
		}
	{
		static const struct docker_pair argument = {"BUILDKIT_CACHE_MOUNT_NS", "another's"};
		struct attempt attempt = {.build = {.arguments = &argument, .argument_count = 1},
								  .dockerfile = from_base("")};

		attempt_run(rig.docker, "mistake", &attempt);
		attempt_failed(&attempt, HC_INVALID, "BUILDKIT_CACHE_MOUNT_NS");
		attempt_done(&attempt);
	}
	{
		struct attempt attempt = {.build = {.target = "nowhere"}, .dockerfile = from_base("")};

		attempt_run(rig.docker, "mistake", &attempt);
		attempt_failed(&attempt, HC_INVALID, "nowhere");
		attempt_done(&attempt);
	}
}

/* A base image that isn't there, with and without credentials. */
static void test_registry(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(builders); index++)
		for (int with = 0; with < 2; with++) {
			struct registry registry;
			struct docker_registry_auth auth = {.username = "user", .password = with ? "secret" : "wrong"};
			struct attempt attempt = {.build = {.builder = builders[index], .auths = &auth, .auth_count = 1}};
			const char *name;

			registry_open(&registry, "Authorization: Basic dXNlcjpzZWNyZXQ="); /* user:secret */
			auth.host = hc_arena_printf(rig.arena, "127.0.0.1:%d", registry.port);
			name = hc_arena_printf(rig.arena, "%s/shop/base:7", auth.host);
			attempt.dockerfile = hc_arena_printf(rig.arena, "FROM %s\nCOPY Dockerfile /\n", name);
			attempt_run(rig.docker, "registry", &attempt);
			attempt_failed(&attempt, HC_INVALID, name);
			registry_close(&registry);
			if (registry.authorized != (with == 1))
				fail_msg("%s credentials: %s", with ? "right" : "wrong", attempt.err.text);
			(void)printf("base image: %s\n", attempt.err.text);
			attempt_done(&attempt);
		}
}

static void test_secret(void **state)
{
	static const struct docker_build_secret secret = {"token", "s3cr3t-value", 12};
	struct attempt attempt = {
		.build = {.builder = DOCKER_BUILDER_BUILDKIT, .secrets = &secret, .secret_count = 1},
		.dockerfile = from_base(
			"RUN --mount=type=secret,id=token,required=true busybox wc -c /run/secrets/token\n"
			"RUN --mount=type=cache,target=/cache echo >/cache/a\n"),
	};
	struct attempt without = attempt;
	enum docker_builder builder = DOCKER_BUILDER_AUTO;

	(void)state;
	attempt.build.builder = DOCKER_BUILDER_AUTO;
	attempt.build.ret_builder = &builder;
	attempt.build.no_cache = true;
	attempt_run(rig.docker, "secret", &attempt);
	attempt_succeeded(&attempt);
	attempt_told(&attempt, "12 /run/secrets/token");
	assert_int_equal(builder, DOCKER_BUILDER_BUILDKIT);
	attempt_done(&attempt);
	without.build.secret_count = 0;
	without.build.no_cache = true;
	attempt_run(rig.docker, "secret", &without);
	attempt_failed(&without, HC_INVALID, "token");
	attempt_done(&without);
}

/* Processes with this argument, anywhere on the machine. */
static int count_processes(const char *argument)
{
	DIR *folder = opendir("/proc");
	const struct dirent *entry;
	int count = 0;

	while (folder && (entry = readdir(folder))) {
		HC_AUTO_FREE path = hc_xprintf("/proc/%.20s/cmdline", entry->d_name);
		HC_AUTO_FREE text = NULL;
		size_t length = 0;
		struct hc_error err;

		if (entry->d_name[0] < '0' || entry->d_name[0] > '9' ||
			hc_file_read(path, 65536, &text, &length, &err))
			continue;
		if (length && hc_starts_with(text, "busybox") && memmem(text, length, argument, strlen(argument)))
			count++;
	}
	if (folder)
		(void)closedir(folder);
	return count;
}

static void wait_processes(const char *argument, int wanted)
{
	int64_t end_ms = hc_clock_boot_ms() + 10000;

	while (count_processes(argument) != wanted) {
		if (hc_clock_boot_ms() > end_ms)
			fail_msg("%d processes of busybox %s", count_processes(argument), argument);
		(void)usleep(20000);
	}
}

static void test_cancel(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(builders); index++) {
		const char *seconds = hc_arena_printf(rig.arena, "9%s%zu", rig.run, index);
		const char *dockerfile = from_base(
			hc_arena_printf(rig.arena, "RUN echo begun; busybox sleep %s\n", seconds));
		struct attempt attempt = {
			.build = {.builder = builders[index]}, .dockerfile = dockerfile, .cancel_at = "begun"};
		struct attempt late = {.build = {.builder = builders[index], .timeout_ms = 3000},
							   .dockerfile = dockerfile};
		int64_t gone_ms;

		attempt_run(rig.docker, "cancel", &attempt);
		attempt_failed(&attempt, HC_CANCELED, "");
		assert_true(hc_clock_boot_ms() - attempt.canceled_ms < 2000);
		wait_processes(seconds, 0);
		gone_ms = hc_clock_boot_ms() - attempt.canceled_ms;
		(void)printf("canceled: its process is gone after %lld ms\n", (long long)gone_ms);
		attempt_done(&attempt);

		attempt_run(rig.docker, "cancel", &late);
		attempt_failed(&late, HC_INVALID, "longer than its limit of 3 s");
		assert_true(late.took_ms < 6000);
		wait_processes(seconds, 0);
		attempt_done(&late);
	}
}

static void test_big_context(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(builders); index++) {
		struct attempt attempt = {
			.build = {.builder = builders[index], .no_cache = true},
			.dockerfile = from_base("COPY padding /tmp/\nRUN busybox wc -c /tmp/padding\n"),
			.padding = 256 * MIB};
		struct attempt broken = {.build = {.builder = builders[index]},
								 .dockerfile = from_base("COPY padding /tmp/\n"),
								 .padding = 256 * MIB,
								 .cancel_after = 64 * MIB};
		struct rusage usage;

		attempt_run(rig.docker, "big", &attempt);
		attempt_succeeded(&attempt);
		attempt_told(&attempt, "268435456 /tmp/padding");
		assert_int_equal(docker_image_remove(rig.docker, attempt.build.tag, &attempt.err), 0);
		(void)getrusage(RUSAGE_SELF, &usage);
		(void)printf("256 MiB of context: %lld ms, %ld MiB of memory at most\n", (long long)attempt.took_ms,
					 usage.ru_maxrss / 1024);
		attempt_done(&attempt);

		attempt_run(rig.docker, "big", &broken);
		attempt_failed(&broken, HC_CANCELED, "");
		assert_true(broken.given < 65 * MIB);
		attempt_done(&broken);
	}
}

/* Whatever refuses BuildKit before the context is read, the classic builder takes over; never after. */
static void test_fallback(void **state)
{
	static const char refusal[] =
		"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: "
		"30\r\nConnection: close\r\n\r\n{\"message\":\"no such thing here\"}";
	static const char *const refused[] = {"/session", "/build?version=2"};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(refused); index++) {
		struct door door = {0};
		struct docker *docker = NULL;
		enum docker_builder builder = DOCKER_BUILDER_AUTO;
		struct attempt attempt = {.build = {.ret_builder = &builder}, .dockerfile = from_base("RUN true\n")};
		struct attempt strict = {.build = {.builder = DOCKER_BUILDER_BUILDKIT},
								 .dockerfile = from_base("RUN true\n")};

		door_open(&door, refused[index], refusal);
		assert_int_equal(docker_open(door.host, &docker, &attempt.err), 0);
		attempt_run(docker, "fallback", &attempt);
		attempt_succeeded(&attempt);
		attempt_told(&attempt, "Step 2/2 : RUN true");
		assert_int_equal(builder, DOCKER_BUILDER_CLASSIC);
		attempt_run(docker, "fallback", &strict);
		attempt_failed(&strict, index ? HC_NOT_FOUND : HC_INVALID, index ? "no such thing" : "no sessions");
		assert_int_equal(door.refused, 2);
		docker_close(docker);
		door_close(&door);
		attempt_done(&attempt);
		attempt_done(&strict);
	}
	{
		struct docker *docker = NULL;
		struct attempt attempt = {.dockerfile = from_base("RUN true\n")};

		assert_int_equal(docker_open("unix:///nonexistent/docker.sock", &docker, &attempt.err), 0);
		attempt_run(docker, "away", &attempt);
		attempt_failed(&attempt, HC_TRANSIENT, "no Docker Engine answers");
		docker_close(docker);
		attempt_done(&attempt);
	}
}

static int begin(void **state)
{
	struct attempt attempt = {
		.dockerfile = "FROM scratch\nCOPY busybox /bin/busybox\nCOPY busybox /bin/sh\nCOPY empty /tmp/\n"};
	HC_AUTO_FREE program = NULL;
	size_t length;
	struct hc_error err;

	(void)state;
	rig.arena = hc_arena_new();
	(void)snprintf(rig.run, sizeof rig.run, "%d", (int)getpid());
	if (docker_open(rig.host, &rig.docker, &err) ||
		hc_file_read(rig.shell_program, 16 * MIB, &program, &length, &err)) {
		(void)fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	tar_file(&attempt.context, "busybox", program, length, 0755);
	tar_file(&attempt.context, "empty", "", 0, 0644);
	attempt_run(rig.docker, "base", &attempt);
	if (attempt.result)
		(void)fprintf(stderr, "%s\n", attempt.err.text);
	rig.base = attempt.build.tag;
	attempt_done(&attempt);
	return attempt.result;
}

static int end(void **state)
{
	static const char *const made[] = {"success", "secret", "big", "fallback", "cancel", "base"};
	struct hc_error err;

	(void)state;
	for (size_t index = 0; index < HC_COUNT(made); index++)
		(void)!docker_image_remove(rig.docker, rig_name(made[index]), &err);
	docker_close(rig.docker);
	hc_arena_free(rig.arena);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_success),  cmocka_unit_test(test_mistakes), cmocka_unit_test(test_registry),
		cmocka_unit_test(test_secret),   cmocka_unit_test(test_cancel),   cmocka_unit_test(test_big_context),
		cmocka_unit_test(test_fallback),
	};

	rig.host = getenv("DOCKER_HOST");
	if (argc != 2 || !rig.host) {
		(void)fprintf(stderr, "usage: DOCKER_HOST=unix:///… %s BUSYBOX\n", argv[0]);
		return 2;
	}
	rig.shell_program = argv[1];
	return cmocka_run_group_tests(tests, begin, end);
}
