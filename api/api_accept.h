/* What form of an answer a client wants: the Accept header. Pure. */
#ifndef API_ACCEPT_H
#define API_ACCEPT_H

#include <stdbool.h>

enum api_form {
	API_FORM_OBJECT,    /* as stored; lists as kind XList */
	API_FORM_TABLE,     /* as=Table */
	API_FORM_PARTIAL,   /* as=PartialObjectMetadata and …List: nothing but metadata */
	API_FORM_DISCOVERY, /* as=APIGroupDiscoveryList */
};

struct api_accept {
	enum api_form form;
	char version[16]; /* of the form: v1, v1beta1, v2, v2beta1; "" for an object */
};

/* The first clause that we can serve; weights are not looked at. Without any it is an object: our only media
 * type is JSON, and a client that can't read it sees that by its Content-Type. accept NULL: none was sent. */
void api_accept_parse(const char *accept, struct api_accept *ret_accept);

#endif
