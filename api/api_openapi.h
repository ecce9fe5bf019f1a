/* OpenAPI v3 documents, made at start out of crd-like-schemas/: what kubectl explains, and asks before it
 * applies. Read-only after api_openapi_new(), so any thread may read them. After schema_load(). */
#ifndef API_OPENAPI_H
#define API_OPENAPI_H

struct api_openapi;

struct api_openapi *api_openapi_new(void);
void api_openapi_free(struct api_openapi *openapi);

/* path: of an API_OPENAPI route. Borrowed texts; *ret_hash is of the document, NULL for the index of all. */
const char *api_openapi_document(const struct api_openapi *openapi, const char *path, const char **ret_hash);

#endif
