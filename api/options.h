/* The command line of helvetia-api. */
#ifndef API_OPTIONS_H
#define API_OPTIONS_H

#include "api.h"

/* Texts are argv's, but for a secret_key_file that was not given, which stays for the process;
 * repository_prefixes is allocated, the caller frees it. 0; 1 when help was asked for and
 * printed; -1 after a message on standard error. */
int api_options_parse(int argc, char **argv, struct api_options *options);

#endif
