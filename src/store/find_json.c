#include "store/find.h"

#include "base/json_walk.h"

#include <errno.h>
#include <stdlib.h>

/* Tag 0 is the object itself, i + 1 is what stands behind keys[i]. */

static uint32_t member(void *ctx, uint32_t tag, uint32_t object, struct str key)
{
	struct find_json *j = ctx;
	if (!j->with_keys)
		return 0;
	if (j->n_keys == j->cap_keys) {
		size_t cap = j->cap_keys ? j->cap_keys * 2 : 64;
		struct find_key *keys = realloc(j->keys, cap * sizeof(*keys));
		if (!keys) {
			j->failed = true;
			return 0;
		}
		j->keys = keys;
		j->cap_keys = cap;
	}
	j->keys[j->n_keys++] = (struct find_key){ key, tag };
	return (uint32_t)j->n_keys;
}

/* Whether the keys down to this place, with dots between them, are the field: compared from the end. */
static bool is_field(const struct find_json *j, uint32_t tag, struct str field)
{
	for (; tag; tag = j->keys[tag - 1].parent) {
		struct str key = j->keys[tag - 1].key;
		if (!str_ends(field, key))
			return false;
		field.n -= key.n;
		if (!j->keys[tag - 1].parent)
			return !field.n;
		if (!str_ends(field, STR(".")))
			return false;
		field.n--;
	}
	return false;
}

static void gather(struct find_json *j, uint32_t field, struct str text)
{
	if (j->n_values == j->cap_values) {
		size_t cap = j->cap_values ? j->cap_values * 2 : 8;
		struct find_value *values = realloc(j->values, cap * sizeof(*values));
		if (!values) {
			j->failed = true;
			return;
		}
		j->values = values;
		j->cap_values = cap;
	}
	j->values[j->n_values++] = (struct find_value){ text, field };
}

static void hold(struct find_held *h, size_t i)
{
	h->bits[i / 64] |= 1ull << i % 64;
}

/* Whether the value is one of those that the term is about. */
static bool concerns(const struct find_json *j, uint32_t tag, const struct find_term *t)
{
	for (size_t i = 0; i < t->n_fields; i++)
		if (is_field(j, tag, t->fields[i]))
			return true;
	return !t->n_fields;
}

static void scalar(void *ctx, uint32_t tag, struct str text, enum json_type type)
{
	struct find_json *j = ctx;
	text = json_unescape(&j->arena, text);
	if (!text.p || j->failed) {
		j->failed = true;
		return;
	}
	for (size_t i = 0; i < j->where->n_terms; i++) {
		const struct find_term *t = &j->where->terms[i];
		if (!find_has_term(&j->held, i) && concerns(j, tag, t) && find_text(t, text))
			hold(&j->held, i);
	}
	for (size_t i = 0; i < j->n_fields; i++)
		if (is_field(j, tag, j->fields[i]))
			gather(j, (uint32_t)i, text);
}

/* Without escapes a value stands in JSON as it is: a text that isn't there is in no value. */
static bool surely_not(const struct find_json *j, struct str json)
{
	struct find_held may = { { 0 } };
	if (str_find(json, '\\') < json.n)
		return false;
	for (size_t i = 0; i < j->where->n_terms; i++)
		if (!j->where->terms[i].negated && find_anywhere(&j->where->terms[i], json))
			hold(&may, i);
	return !find_where_holds(j->where, &may, true);
}

int find_json(struct find_json *j, struct str json, bool *ret, struct err *err)
{
	static const struct json_visitor visitor = { member, scalar };
	struct json_error error;
	j->n_keys = j->n_values = 0;
	j->held = (struct find_held){ { 0 } };
	j->failed = false;
	*ret = false;
	if (surely_not(j, json))
		return 0;
	j->with_keys = j->n_fields > 0;
	arena_reset(&j->arena);
	for (size_t i = 0; i < j->where->n_terms; i++)
		j->with_keys |= j->where->terms[i].n_fields > 0;
	bool whole = json_walk(json_kernel(), json, 0, &visitor, j, &error);
	if (j->failed)
		return err_set(err, -ENOMEM, "search: %m");
	*ret = whole && find_where_holds(j->where, &j->held, false);
	return 0;
}

void find_json_done(struct find_json *j)
{
	free(j->keys);
	free(j->values);
	arena_free(&j->arena);
	*j = (struct find_json){ 0 };
}
