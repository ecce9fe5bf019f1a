/* See change.h. */
#include "change.h"

#include "base/text.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void key_set(struct change *change, const char *kind, const char *uid)
{
	int length;

	if (!uid)
		return;
	length = snprintf(change->key, sizeof change->key, "%s/%s", kind, uid);
	if (length < 0 || (size_t)length >= sizeof change->key)
		change->key[0] = '\0'; /* no uid of ours is that long */
}

/* The uid of the Service in ownerReferences. */
static const char *owner_uid(const json_t *object)
{
	const json_t *owners = json_object_get(json_object_get(object, "metadata"), "ownerReferences");
	size_t index;
	json_t *owner;

	json_array_foreach(owners, index, owner)
	{
		const char *kind = json_string_value(json_object_get(owner, "kind"));

		if (hc_streq(kind, "Service"))
			return json_string_value(json_object_get(owner, "uid"));
	}
	return NULL;
}

/* Has the user said something that the stored status was not derived from yet? */
static bool service_new_wish(const json_t *object)
{
	const json_t *generation = json_object_get(json_object_get(object, "metadata"), "generation");
	const json_t *observed = json_object_get(json_object_get(object, "status"), "observedGeneration");

	return json_integer_value(generation) != json_integer_value(observed);
}

static void read_service(const struct store_row *row, const json_t *object, const char *uid,
						 struct change *change)
{
	bool comes_or_goes = hc_streq(row->type, "ADDED") || hc_streq(row->type, "DELETED");

	key_set(change, "service", uid);
	change->network = comes_or_goes;
	change->hosts = comes_or_goes || service_new_wish(object);
	change->urgency = change->hosts ? WORKQUEUE_INTENT : WORKQUEUE_HINT;
}

void change_read(const struct store_row *row, struct change *ret_change)
{
	json_t *object = json_loadb(row->json, row->length, 0, NULL);
	const char *uid = json_string_value(json_object_get(json_object_get(object, "metadata"), "uid"));

	*ret_change = (struct change){.urgency = WORKQUEUE_HINT};
	switch (row->kind) {
	case STORE_SERVICE:
		read_service(row, object, uid, ret_change);
		break;
	case STORE_DEPLOYMENT:
		key_set(ret_change, "service", owner_uid(object));
		break;
	case STORE_NAMESPACE:
		key_set(ret_change, "network", uid);
		ret_change->urgency = WORKQUEUE_INTENT;
		break;
	case STORE_BUILD:
	case STORE_USER:
	case STORE_TOKEN:
	case STORE_EVENT:
	case STORE_SECRET: /* says itself which Services it wakes */
		break;
	}
	json_decref(object);
}

void change_uid(const char *json, size_t length, char uid[CHANGE_KEY_SIZE])
{
	json_t *object = json_loadb(json, length, 0, NULL);
	const char *value = json_string_value(json_object_get(json_object_get(object, "metadata"), "uid"));

	(void)snprintf(uid, CHANGE_KEY_SIZE, "%s", value ? value : "");
	json_decref(object);
}
