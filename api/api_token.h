/* Writing Tokens: what their writers may grant, and the text that is shown once. Pool threads only. */
#ifndef API_TOKEN_H
#define API_TOKEN_H

#include "api_object.h"

/* Whether the call may write this Token: live to object; NULL: made, deleted. false: answered. Every other
 * kind passes. */
bool api_token_may_write(struct api_call *call, const struct api_draft *draft, const json_t *object);

/* Draws the text of a new Token: *ret_text is the caller's to give to api_token_answer, and lives in the
 * call's arena; the draft gets its hash. */
void api_token_draw(struct api_call *call, struct api_draft *draft, char **ret_text);
/* 201 with the object and its text in status.token; wipes the text. */
void api_token_answer(struct api_call *call, const struct api_draft *draft, char *text_wiped);

#endif
