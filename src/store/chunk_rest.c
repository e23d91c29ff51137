/* Paths that have no column of their own: their values are found by reading the events that have such. */
#include "store/chunk_reader.h"

#include "base/json_walk.h"

/* A tag is how much of the wanted path is behind, and 1 where that is more than the document itself. */
struct search {
	struct str path;
	struct take room;
	uint32_t *rows, *ends;
	char *bytes;
	uint32_t n, size, row;
};

static uint32_t wanted_member(void *ctx, uint32_t tag, uint32_t object, struct str key)
{
	struct search *s = ctx;
	size_t at = tag >> 1;
	if ((tag & 1) && (at >= s->path.n || s->path.p[at++] != '.'))
		return JSON_SKIP;
	if (!str_starts(str_sub(s->path, at, SIZE_MAX), key) || s->path.n - at < key.n)
		return JSON_SKIP;
	return (uint32_t)(at + key.n) << 1 | 1;
}

static void wanted_scalar(void *ctx, uint32_t tag, struct str text, enum json_type type)
{
	struct search *s = ctx;
	if (!(tag & 1) || tag >> 1 != s->path.n)
		return;
	memcpy(s->bytes + s->size, text.p, text.n);
	s->rows[s->n] = s->row;
	s->ends[s->n++] = s->size += (uint32_t)text.n;
}

int chunk_load_wanted(struct chunk *b, struct wanted *w, struct err *err)
{
	static const struct json_visitor visitor = { wanted_member, wanted_scalar };
	const struct column *rest = &b->columns[b->n_columns - 1];
	int r = chunk_load_column(b, &b->columns[b->n_columns - 1], err);
	if (r)
		return r;
	const struct chunk_values *v = &rest->values;
	uint64_t size = 0;
	for (uint32_t i = 0; i < v->n; i++)
		size += chunk_text(v, v->codes ? v->codes[i] : i).n;
	struct search s = { .path = w->path, .room = { .arena = &b->arena } };
	s.rows = take_room(&s.room, v->n, sizeof(*s.rows));
	s.ends = take_room(&s.room, v->n, sizeof(*s.ends));
	s.bytes = take_room(&s.room, size, 1);
	if (s.room.bad)
		return chunk_no_memory(err);
	for (uint32_t i = 0; i < v->n; i++) {
		if (i && v->rows[i] == v->rows[i - 1])
			continue;
		struct json_error error;
		b->json.n = 0;
		s.row = v->rows[i];
		r = chunk_json(b, s.row, &b->json, err);
		if (r)
			return r;
		if (!json_walk(json_kernel(), buf_str(&b->json), 0, &visitor, &s, &error))
			return chunk_damaged("an event is not JSON", err);
	}
	w->values = (struct chunk_values){ .n = s.n, .rows = s.rows, .n_texts = s.n, .bytes = s.bytes, .ends = s.ends };
	w->loaded = true;
	return 0;
}
