/* Some fields of one JSON object. */
#include "hunt/flow.h"

#include "base/json_walk.h"

#include <errno.h>
#include <stdlib.h>

struct pluck {
	const struct str *paths;
	size_t n;
	struct event_field *fields;
	struct str *values;
	uint32_t *of; /* the path that each value is of */
	size_t n_values, cap;
	/* Tag 0 is the object itself, i + 1 is what stands behind keys[i]. */
	struct pluck_key {
		struct str key;
		uint32_t parent;
	} * keys;
	size_t n_keys, cap_keys;
	struct arena arena;
	bool failed;
};

static bool grow(void **at, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return true;
	const size_t more = *cap ? *cap * 2 : 64;
	void *p = realloc(*at, more * size);
	if (!p)
		return false;
	*at = p;
	*cap = more;
	return true;
}

static uint32_t member(void *ctx, uint32_t tag, uint32_t object, struct str key)
{
	struct pluck *p = ctx;
	if (!grow((void **)&p->keys, p->n_keys, &p->cap_keys, sizeof(*p->keys))) {
		p->failed = true;
		return 0;
	}
	p->keys[p->n_keys++] = (struct pluck_key){ key, tag };
	return (uint32_t)p->n_keys;
}

static bool is_field(const struct pluck *p, uint32_t tag, struct str field)
{
	for (; tag; tag = p->keys[tag - 1].parent) {
		struct str key = p->keys[tag - 1].key;
		if (!str_ends(field, key))
			return false;
		field.n -= key.n;
		if (!p->keys[tag - 1].parent)
			return !field.n;
		if (!str_ends(field, STR(".")))
			return false;
		field.n--;
	}
	return false;
}

static void add(struct pluck *p, size_t path, struct str text)
{
	size_t cap = p->cap;
	if (!grow((void **)&p->values, p->n_values, &cap, sizeof(*p->values)) ||
	    !grow((void **)&p->of, p->n_values, &p->cap, sizeof(*p->of))) {
		p->failed = true;
		return;
	}
	p->values[p->n_values] = text;
	p->of[p->n_values++] = (uint32_t)path;
}

static void scalar(void *ctx, uint32_t tag, struct str text, enum json_type type)
{
	struct pluck *p = ctx;
	for (size_t i = 0; i < p->n && !p->failed; i++) {
		if (!is_field(p, tag, p->paths[i]))
			continue;
		struct str plain = json_unescape(&p->arena, text);
		p->failed = !plain.p;
		if (plain.p)
			add(p, i, plain);
	}
}

int pluck_fields(struct pluck *p, struct str json, const struct event_field **fields, struct err *err)
{
	static const struct json_visitor visitor = { member, scalar };
	struct json_error error;
	p->n_keys = p->n_values = 0;
	arena_reset(&p->arena);
	if (p->n)
		json_walk(json_kernel(), json, 0, &visitor, p, &error);
	struct str *sorted = arena_alloc(&p->arena, (p->n_values + 1) * sizeof(*sorted));
	if (p->failed || !sorted)
		return err_set(err, -ENOMEM, "hunt: %m");
	size_t at = 0;
	for (size_t i = 0; i < p->n; i++) {
		p->fields[i].values = sorted + at;
		for (size_t k = 0; k < p->n_values; k++)
			if (p->of[k] == i)
				sorted[at++] = p->values[k];
		p->fields[i].n = (size_t)(sorted + at - p->fields[i].values);
	}
	*fields = p->fields;
	return 0;
}

int pluck_new(struct pluck **ret, const struct str *paths, size_t n, struct err *err)
{
	struct pluck *p = calloc(1, sizeof(*p));
	if (p)
		p->fields = calloc(n + 1, sizeof(*p->fields));
	if (!p || !p->fields) {
		free(p);
		return err_set(err, -ENOMEM, "hunt: %m");
	}
	p->paths = paths;
	p->n = n;
	*ret = p;
	return 0;
}

void pluck_free(struct pluck *p)
{
	if (!p)
		return;
	free(p->fields);
	free(p->values);
	free(p->of);
	free(p->keys);
	arena_free(&p->arena);
	free(p);
}
