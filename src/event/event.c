#include "event/event.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>

enum { EVENT_SCRATCH_MAX = 256 << 20 };

int event_init(struct event *ev, const struct fields *fields)
{
	uint32_t n = fields_count(fields);
	*ev = (struct event){ .fields = fields, .n_values = 1 };
	ev->scratch.max = EVENT_SCRATCH_MAX;
	ev->first = calloc(n, sizeof(*ev->first));
	ev->last = calloc(n, sizeof(*ev->last));
	ev->touched = calloc(n, sizeof(*ev->touched));
	if (ev->first && ev->last && ev->touched)
		return 0;
	event_done(ev);
	return -ENOMEM;
}

void event_done(struct event *ev)
{
	free(ev->first);
	free(ev->last);
	free(ev->touched);
	free(ev->values);
	free(ev->pairs);
	arena_free(&ev->scratch);
	*ev = (struct event){ 0 };
}

void event_reset(struct event *ev)
{
	for (uint32_t i = 0; i < ev->n_touched; i++)
		ev->first[ev->touched[i]] = 0;
	ev->n_touched = 0;
	ev->n_values = 1;
	ev->n_pairs = 0;
	ev->has_pairs = false;
	ev->expand = NULL;
	ev->raw = (struct str){ 0 };
	ev->time = 0;
	ev->keyword_raw = false;
	ev->duplicates = 0;
	ev->shed = 0;
	arena_reset(&ev->scratch);
}

/* Room for element n of an array that doubles up to max elements. */
static int grow(void **p, uint32_t n, uint32_t *cap, uint32_t max, size_t size)
{
	if (n < *cap)
		return 0;
	if (n >= max)
		return -E2BIG;
	uint32_t more = *cap ? *cap * 2 : 64;
	if (more > max)
		more = max;
	void *q = realloc(*p, more * size);
	if (!q)
		return -ENOMEM;
	*p = q;
	*cap = more;
	return 0;
}

int event_put(struct event *ev, uint32_t field, struct str text, enum value_type type)
{
	int r = grow((void **)&ev->values, ev->n_values, &ev->cap_values, EVENT_MAX_VALUES, sizeof(*ev->values));
	if (r) {
		ev->shed++;
		return r;
	}
	uint32_t i = ev->n_values++;
	ev->values[i] = (struct value){ .text = text, .type = (uint8_t)type };
	if (ev->first[field]) {
		ev->values[ev->last[field]].next = i;
	} else {
		ev->first[field] = i;
		ev->touched[ev->n_touched++] = field;
	}
	ev->last[field] = i;
	return 0;
}

void event_drop(struct event *ev, uint32_t field)
{
	uint32_t n = 0;
	if (!ev->first[field])
		return;
	ev->first[field] = 0;
	for (uint32_t i = 0; i < ev->n_touched; i++)
		if (ev->touched[i] != field)
			ev->touched[n++] = ev->touched[i];
	ev->n_touched = n;
}

int event_put_pair(struct event *ev, struct str name, struct str text, enum value_type type)
{
	int r = grow((void **)&ev->pairs, ev->n_pairs, &ev->cap_pairs, EVENT_MAX_PAIRS, sizeof(*ev->pairs));
	if (r) {
		ev->shed++;
		return r;
	}
	ev->pairs[ev->n_pairs++] = (struct pair){ name, text, (uint8_t)type };
	return 0;
}

int event_put_named(struct event *ev, struct str name, struct str text, enum value_type type)
{
	uint32_t node = fields_child(ev->fields, 0, name);
	int r = 0;
	if (node != FIELDS_NONE) {
		uint32_t n;
		const uint32_t *ids = fields_at(ev->fields, node, &n);
		for (uint32_t i = 0; i < n && !r; i++)
			r = event_put(ev, ids[i], text, type);
	}
	int rp = event_put_pair(ev, name, text, type);
	return r ? r : rp;
}

struct str event_fold(struct event *ev, struct str text)
{
	static const char nothing[EVENT_PAD];
	char *to = arena_alloc(&ev->scratch, UTF8_FOLD_MAX(text.n) + EVENT_PAD);
	if (!to) {
		ev->shed++;
		return (struct str){ nothing, 0 };
	}
	size_t n = utf8_fold(to, text);
	memset(to + n, 0, EVENT_PAD);
	return (struct str){ to, n };
}

struct str event_folded(struct event *ev, const struct value *v)
{
	if (!v->folded.p)
		ev->values[v - ev->values].folded = event_fold(ev, v->text);
	return v->folded;
}

const struct pair *event_pairs(struct event *ev, uint32_t *n)
{
	if (!ev->has_pairs && ev->expand && ev->expand(ev))
		ev->shed++;
	ev->has_pairs = true;
	*n = ev->n_pairs;
	return ev->pairs;
}

int64_t event_time(struct event *ev)
{
	for (const struct value *v = ev->time ? NULL : event_value(ev, FIELD_TIME); v; v = event_next(ev, v))
		if (event_parse_time(v->text, &ev->time))
			break;
	return ev->time;
}
