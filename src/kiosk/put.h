/* Answers are put together of these; without memory what is put is missing. */
#ifndef KHIEN_KIOSK_PUT_H
#define KHIEN_KIOSK_PUT_H

#include "base/str.h"
#include "kiosk/db.h"

#include <jansson.h>

static inline void put_text(json_t *object, const char *name, struct str text)
{
	json_object_set_new(object, name, json_stringn(text.p ? text.p : "", text.n));
}

static inline void put_number(json_t *object, const char *name, int64_t n)
{
	json_object_set_new(object, name, json_integer(n));
}

/* {"vi", "en", "zh"} of three columns. */
static inline void put_name(json_t *object, const char *name, const struct db_row *row, int column)
{
	json_t *names = json_object();
	put_text(names, "vi", db_text(row, column));
	put_text(names, "en", db_text(row, column + 1));
	put_text(names, "zh", db_text(row, column + 2));
	json_object_set_new(object, name, names);
}

/* A new list of this name, borrowed. */
static inline json_t *put_list(json_t *object, const char *name)
{
	json_t *list = json_array();
	json_object_set_new(object, name, list);
	return list;
}

/* A new object at the list's end, borrowed. */
static inline json_t *put_item(json_t *list)
{
	json_t *item = json_object();
	json_array_append_new(list, item);
	return item;
}

#endif
