/* The schema files as bytes of this program: .incbin puts them into read-only data when this file is
 * assembled. CMake gives the folders (SCHEMA_CRD_FOLDER, SCHEMA_CORE_FOLDER) and makes this file depend on
 * what it embeds. */
#include "schema_internal.h"

#define EMBED(symbol, path)                                                                                  \
	__asm__(".pushsection .rodata\n"                                                                         \
			".global schema_text_" #symbol "\n"                                                              \
			".global schema_end_" #symbol "\n"                                                               \
			"schema_text_" #symbol ":\n"                                                                     \
			".incbin \"" path "\"\n"                                                                         \
			"schema_end_" #symbol ":\n"                                                                      \
			".byte 0\n"                                                                                      \
			".popsection\n");                                                                                \
	extern const char schema_text_##symbol[];                                                                \
	extern const char schema_end_##symbol[]

#define FILE_ENTRY(symbol)                                                                                   \
	{                                                                                                        \
		.name = #symbol, .text = schema_text_##symbol, .end = schema_end_##symbol                            \
	}

EMBED(service, SCHEMA_CRD_FOLDER "/service.yaml");
EMBED(deployment, SCHEMA_CRD_FOLDER "/deployment.yaml");
EMBED(build, SCHEMA_CRD_FOLDER "/build.yaml");
EMBED(user, SCHEMA_CRD_FOLDER "/user.yaml");
EMBED(token, SCHEMA_CRD_FOLDER "/token.yaml");
EMBED(namespace, SCHEMA_CORE_FOLDER "/namespace.yaml");
EMBED(secret, SCHEMA_CORE_FOLDER "/secret.yaml");
EMBED(event, SCHEMA_CORE_FOLDER "/event.yaml");
EMBED(pod, SCHEMA_CORE_FOLDER "/pod.yaml");
EMBED(objectmeta, SCHEMA_CORE_FOLDER "/objectmeta.yaml");

const struct schema_file schema_file_objectmeta = FILE_ENTRY(objectmeta);
const struct schema_file schema_file_kinds[SCHEMA_KIND_COUNT] = {
	FILE_ENTRY(service), FILE_ENTRY(deployment), FILE_ENTRY(build),  FILE_ENTRY(user),
	FILE_ENTRY(token),   FILE_ENTRY(namespace),  FILE_ENTRY(secret), FILE_ENTRY(event),
	FILE_ENTRY(pod),
};
