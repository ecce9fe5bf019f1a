/* Runs an entry on mutated inputs for some seconds, guided by coverage: what reaches a new edge of the code,
 * or an old one another number of times, is kept and mutated further.
 *
 *   fuzz_NAME SECONDS KEEP FOLDER…     KEEP: folder of what is found (made); FOLDERs: inputs to begin with
 *   fuzz_NAME FILE                     runs one input, to look at a crash
 *
 * The entry and what it tests are compiled with -fsanitize-coverage=trace-pc, this file is not. An input that
 * crashes, aborts or takes more than HANG_SECONDS of processor time lies in KEEP as crash-PID. */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define INPUT_MAX 8192
#define INPUTS_MAX 20000
#define EDGES (1U << 16)
#define HANG_SECONDS 10
#define MUTATIONS_MAX 6

void __sanitizer_cov_trace_pc(void);
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

struct input {
	uint8_t *data;
	size_t size;
};

static struct input inputs[INPUTS_MAX];
static size_t input_count;
static uint8_t counts[EDGES];   /* of this run */
static uint32_t touched[EDGES]; /* edges of this run */
static size_t touched_count;
static uint8_t seen[EDGES]; /* a bit a power of two of the count */
static size_t edges;
static uintptr_t previous;
static const uint8_t *current;
static size_t current_size;
static char crash_path[4096];
static uint64_t state;

/* Both end by SIGABRT, so that killed() keeps the input. */
const char *__asan_default_options(void)
{
	return "abort_on_error=1";
}

const char *__ubsan_default_options(void)
{
	return "abort_on_error=1:print_stacktrace=1";
}

/* Called at each basic block of what is tested. */
void __sanitizer_cov_trace_pc(void)
{
	uintptr_t place = (uintptr_t)__builtin_return_address(0);
	uint32_t edge = (uint32_t)((place ^ (place >> 16) ^ previous) & (EDGES - 1));

	previous = place >> 1;
	if (counts[edge] == 0)
		touched[touched_count++] = edge;
	if (counts[edge] < 255)
		counts[edge]++;
}

static uint32_t random_below(size_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return limit ? (uint32_t)((state >> 16) % limit) : 0;
}

/* --- what went wrong --- */

static void keep_crash(void)
{
	int fd = open(crash_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || !current)
		return;
	(void)!write(fd, current, current_size);
	(void)close(fd);
	(void)!write(STDERR_FILENO, crash_path, strlen(crash_path));
	(void)!write(STDERR_FILENO, "\n", 1);
}

static void killed(int number)
{
	static const char hang[] = "this input takes too long: ", crash[] = "this input crashes: ";

	(void)!write(STDERR_FILENO, number == SIGPROF ? hang : crash,
				 number == SIGPROF ? sizeof(hang) - 1 : sizeof(crash) - 1);
	keep_crash();
	_exit(1);
}

static void watch(void)
{
	struct itimerval limit = {.it_value = {.tv_sec = HANG_SECONDS}};

	(void)setitimer(ITIMER_PROF, &limit, NULL);
}

/* --- one run --- */

/* One bit for 1, 2, 3, 4…, 8…, 16…, 32…, 128 and more times. */
static uint8_t bucket(uint8_t count)
{
	static const uint8_t least[] = {1, 2, 3, 4, 8, 16, 32, 128};
	unsigned place = 7;

	while (place > 0 && count < least[place])
		place--;
	return (uint8_t)(1U << place);
}

/* Whether it did something new. */
static bool run(const uint8_t *data, size_t size)
{
	bool fresh = false;

	/* A copy of the exact size lets the sanitizer see a read beyond it. */
	uint8_t *copy = malloc(size ? size : 1);
	if (!copy)
		abort();
	memcpy(copy, data, size);
	current = copy;
	current_size = size;
	previous = 0;
	watch();
	(void)LLVMFuzzerTestOneInput(copy, size);
	current = NULL;
	free(copy);
	for (size_t index = 0; index < touched_count; index++) {
		uint32_t edge = touched[index];
		uint8_t bit = bucket(counts[edge]);
		if (!(seen[edge] & bit)) {
			edges += seen[edge] == 0;
			seen[edge] |= bit;
			fresh = true;
		}
		counts[edge] = 0;
	}
	touched_count = 0;
	return fresh;
}

static void keep(const uint8_t *data, size_t size)
{
	if (input_count == INPUTS_MAX)
		return;
	struct input *input = &inputs[input_count];
	input->data = malloc(size ? size : 1);
	if (!input->data)
		abort();
	memcpy(input->data, data, size);
	input->size = size;
	input_count++;
}

/* --- mutation --- */

static size_t insert(uint8_t *data, size_t size, size_t at, const void *piece, size_t length)
{
	if (length > INPUT_MAX - size)
		length = INPUT_MAX - size;
	memmove(data + at + length, data + at, size - at);
	memmove(data + at, piece, length);
	return size + length;
}

static size_t insert_word(uint8_t *data, size_t size, size_t words)
{
	const char *word = words ? fuzz_words[random_below(words)] : "\"";

	return insert(data, size, random_below(size + 1), word, strlen(word));
}

static size_t insert_piece(uint8_t *data, size_t size)
{
	const struct input *other = &inputs[random_below(input_count)];
	size_t from = random_below(other->size + 1), length = random_below(other->size - from + 1);

	return insert(data, size, random_below(size + 1), other->data + from, length);
}

static size_t insert_repeated(uint8_t *data, size_t size)
{
	uint8_t piece[64];
	size_t length = 1 + random_below(sizeof(piece));

	memset(piece, size ? data[random_below(size)] : 'a', length);
	return insert(data, size, random_below(size + 1), piece, length);
}

static size_t erase(uint8_t *data, size_t size)
{
	size_t from = random_below(size + 1), length = random_below(size - from + 1);

	memmove(data + from, data + from + length, size - from - length);
	return size - length;
}

static size_t mutate_once(uint8_t *data, size_t size, size_t words)
{
	static const uint8_t special[] = {0,   1,   0x7f, 0x80, 0xff, '"', '\\', '/', '~',
									  '%', '{', '}',  '[',  ']',  ':', ',',  '\n'};

	switch (random_below(8)) {
	case 0:
		if (size)
			data[random_below(size)] ^= (uint8_t)(1U << random_below(8));
		return size;
	case 1:
		if (size)
			data[random_below(size)] = special[random_below(sizeof(special))];
		return size;
	case 2:
		return insert(data, size, random_below(size + 1), &special[random_below(sizeof(special))], 1);
	case 3:
		return erase(data, size);
	case 4:
		return insert_repeated(data, size);
	case 5:
		return insert_piece(data, size);
	case 6:
		if (size)
			data[random_below(size)] = (uint8_t)random_below(256);
		return size;
	default:
		return insert_word(data, size, words);
	}
}

/* --- files --- */

static size_t read_file(const char *path, uint8_t *data)
{
	FILE *file = fopen(path, "rb");

	if (!file) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	size_t size = fread(data, 1, INPUT_MAX, file);
	(void)fclose(file);
	return size;
}

static void load(const char *folder)
{
	static uint8_t data[INPUT_MAX];
	DIR *directory = opendir(folder);
	char path[8192];

	if (!directory) {
		(void)fprintf(stderr, "%s: %s\n", folder, strerror(errno));
		exit(1);
	}
	for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
		if (entry->d_name[0] == '.' || strncmp(entry->d_name, "crash-", 6) == 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		size_t size = read_file(path, data);
		(void)run(data, size);
		keep(data, size);
	}
	(void)closedir(directory);
}

static void save(const char *folder, const uint8_t *data, size_t size)
{
	char path[8192];

	(void)snprintf(path, sizeof(path), "%s/%zu-%d", folder, input_count, (int)getpid());
	FILE *file = fopen(path, "wb");
	if (!file)
		return;
	(void)fwrite(data, 1, size, file);
	(void)fclose(file);
}

static double now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int fuzz(double seconds, const char *folder)
{
	static uint8_t data[INPUT_MAX];
	double end = now() + seconds;
	size_t words = 0;
	unsigned long long runs = 0;

	while (fuzz_words[words])
		words++;
	if (!input_count)
		keep((const uint8_t *)"", 0);
	while (now() < end) {
		/* What was found last is looked at as often as all the rest. */
		size_t from = random_below(2) && input_count > 16 ? input_count - 16 : 0;
		const struct input *input = &inputs[from + random_below(input_count - from)];
		size_t size = input->size;
		memcpy(data, input->data, size);
		for (uint32_t left = 1 + random_below(MUTATIONS_MAX); left > 0; left--)
			size = mutate_once(data, size, words);
		runs++;
		if (!run(data, size))
			continue;
		save(folder, data, size);
		keep(data, size);
	}
	(void)printf("%llu runs, %zu edges, %zu inputs\n", runs, edges, input_count);
	return runs && edges ? 0 : 1;
}

int main(int argc, char **argv)
{
	static uint8_t data[INPUT_MAX];

	if (argc == 2) {
		(void)run(data, read_file(argv[1], data));
		return 0;
	}
	if (argc < 3) {
		(void)fprintf(stderr, "usage: %s SECONDS KEEP FOLDER… | %s FILE\n", argv[0], argv[0]);
		return 2;
	}
	const char *seed = getenv("HELVETIA_FUZZ_SEED");
	state = seed ? strtoull(seed, NULL, 10) : (uint64_t)(now() * 1e9) ^ ((uint64_t)getpid() << 32);
	state |= 1;
	(void)printf("seed %llu\n", (unsigned long long)state);
	(void)mkdir(argv[2], 0755);
	(void)snprintf(crash_path, sizeof(crash_path), "%s/crash-%d", argv[2], (int)getpid());
	(void)signal(SIGABRT, killed);
	(void)signal(SIGPROF, killed);
	for (int index = 2; index < argc; index++)
		load(argv[index]);
	int result = fuzz(strtod(argv[1], NULL), argv[2]);
	for (size_t index = 0; index < input_count; index++)
		free(inputs[index].data);
	return result;
}
