/* Build-time tool: `bullmq-embed TABLE FOLDER OUTPUT` resolves the scripts that TABLE names, compares each
 * with the SHA-256 that TABLE holds, and writes them as C arrays together with their SHA-1, by which Redis
 * knows them. `bullmq-embed --print TABLE FOLDER` prints the table that FOLDER would need: for an upgrade,
 * after its diff was read.
 *
 * TABLE: one script a line, "name numkeys sha256"; the file is FOLDER/name-numkeys.lua. '#' begins a comment.
 */
#include "resolve.h"

#include "base/file.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_BYTES_MAX 65536
#define SHA1_TEXT_SIZE 41
#define SHA256_TEXT_SIZE 65

struct row {
	char name[64];
	int keys;
	char hash[SHA256_TEXT_SIZE];
};

static void hash_text(const EVP_MD *method, const struct hc_text *text, char *hex)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	if (EVP_Digest(hc_text_string(text), text->length, digest, &size, method, NULL) != 1)
		abort();
	for (unsigned n = 0; n < size; n++)
		(void)snprintf(hex + 2 * n, 3, "%02x", digest[n]);
}

static int row_parse(char *line, struct row *row, struct hc_error *err)
{
	char *rest = line, *name = strsep(&rest, " "), *keys = strsep(&rest, " "), *hash = strsep(&rest, " "),
		 *end;
	long count;

	if (!name || !keys || !*name || strlen(name) >= sizeof row->name || (hash && strlen(hash) != 64))
		return hc_fail(err, HC_INVALID, "\"%s\": a line is: name numkeys sha256", line);
	errno = 0;
	count = strtol(keys, &end, 10);
	if (errno || end == keys || *end || count < 1 || count > 99)
		return hc_fail(err, HC_INVALID, "%s: numkeys \"%s\" is not a number from 1 to 99", name, keys);
	*row = (struct row){.keys = (int)count};
	memcpy(row->name, name, strlen(name) + 1);
	if (hash)
		memcpy(row->hash, hash, sizeof row->hash);
	return 0;
}

static void write_array(FILE *output, const struct row *row, const struct hc_text *text)
{
	(void)fprintf(output, "static const unsigned char text_%s[] = {", row->name);
	for (size_t n = 0; n < text->length; n++)
		(void)fprintf(output, "%s%u,", n % 24 ? "" : "\n", (unsigned char)text->data[n]);
	(void)fprintf(output, "\n};\n");
}

static int row_embed(const struct row *row, const char *folder, FILE *output, struct hc_text *index,
					 struct hc_error *err)
{
	HC_AUTO_TEXT file = {0};
	HC_AUTO_TEXT text = {0};
	char sha1[SHA1_TEXT_SIZE], sha256[SHA256_TEXT_SIZE];

	hc_text_printf(&file, "%s-%d", row->name, row->keys);
	if (resolve_script(folder, hc_text_string(&file), &text, err))
		return -1;
	hash_text(EVP_sha1(), &text, sha1);
	hash_text(EVP_sha256(), &text, sha256);
	if (!index) {
		(void)printf("%s %d %s\n", row->name, row->keys, sha256);
		return 0;
	}
	if (!hc_streq(sha256, row->hash))
		return hc_fail(
			err, HC_INVALID,
			"%s: the resolved script has the SHA-256 %s, the table says %s: read what changed, run "
			"the interop test, then change the table",
			hc_text_string(&file), sha256, row->hash);
	write_array(output, row, &text);
	hc_text_printf(index, "\t{\"%s\", \"%s\", (const char *)text_%s, sizeof text_%s, %d},\n", row->name, sha1,
				   row->name, row->name, row->keys);
	return 0;
}

static int rows_embed(const char *table, const char *folder, FILE *output, struct hc_text *index,
					  struct hc_error *err)
{
	HC_AUTO_FREE text = NULL;
	size_t length;
	char *rest, *line;

	if (hc_file_read(table, TABLE_BYTES_MAX, &text, &length, err))
		return -1;
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		struct row row;

		if (!*line || *line == '#')
			continue;
		if (row_parse(line, &row, err) || row_embed(&row, folder, output, index, err))
			return -1;
	}
	return 0;
}

static int embed(char **arguments, struct hc_error *err)
{
	HC_AUTO_TEXT index = {0};
	FILE *output = fopen(arguments[2], "we");
	int result;

	if (!output)
		return hc_fail(err, HC_INVALID, "%s: %s", arguments[2], strerror(errno));
	(void)fprintf(output,
				  "/* Made by tools/bullmq at build time from the npm package bullmq; licence beside. */\n"
				  "#include \"bullmq_script.h\"\n\n");
	result = rows_embed(arguments[0], arguments[1], output, &index, err);
	(void)fprintf(output, "\nconst struct bullmq_script bullmq_scripts[] = {\n%s\t{0},\n};\n",
				  hc_text_string(&index));
	if (fclose(output) && !result)
		result = hc_fail(err, HC_TRANSIENT, "%s: %s", arguments[2], strerror(errno));
	if (result)
		(void)remove(arguments[2]);
	return result;
}

int main(int argc, char **argv)
{
	struct hc_error err = {0};
	int result;

	if (argc != 4) {
		(void)fprintf(stderr,
					  "usage: bullmq-embed TABLE FOLDER OUTPUT | bullmq-embed --print TABLE FOLDER\n");
		return 2;
	}
	if (hc_streq(argv[1], "--print"))
		result = rows_embed(argv[2], argv[3], NULL, NULL, &err);
	else
		result = embed(argv + 1, &err);
	if (result)
		(void)fprintf(stderr, "bullmq-embed: %s\n", err.text);
	return result ? 1 : 0;
}
