#include "store/chunk_shape.h"

#include <errno.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static uint32_t hash_text(struct str text, uint64_t seed)
{
	return (uint32_t)XXH3_64bits_withSeed(text.p, text.n, seed);
}

int paths_init(struct paths *p, uint64_t seed, struct err *err)
{
	*p = (struct paths){ .room = 1024, .n_slots = 2048, .seed = seed };
	p->nodes = malloc(p->room * sizeof(*p->nodes));
	p->slots = calloc(p->n_slots, sizeof(*p->slots));
	if (!p->nodes || !p->slots)
		return err_set(err, -ENOMEM, "no memory for the paths of events");
	p->nodes[PATHS_ROOT] = (struct path_node){ .parent = UINT32_MAX };
	p->n = 1;
	return 0;
}

void paths_done(struct paths *p)
{
	free(p->nodes);
	free(p->slots);
	buf_free(&p->keys);
	buf_free(&p->names);
}

static void node_insert(struct paths *p, uint32_t node)
{
	uint32_t at = p->nodes[node].hash & (p->n_slots - 1);
	while (p->slots[at])
		at = (at + 1) & (p->n_slots - 1);
	p->slots[at] = node;
}

static void nodes_rehash(struct paths *p)
{
	memset(p->slots, 0, p->n_slots * sizeof(*p->slots));
	for (uint32_t i = 1; i < p->n; i++)
		node_insert(p, i);
}

void paths_cut(struct paths *p, uint32_t n)
{
	p->last = PATHS_ROOT;
	if (n == p->n)
		return;
	p->keys.n = p->nodes[n].key;
	p->n = n;
	nodes_rehash(p);
}

void paths_clear(struct paths *p)
{
	paths_cut(p, 1);
	p->names.n = 0;
	p->n_columns = 0;
	p->rest = false;
	memset(p->column_slots, 0, sizeof(p->column_slots));
}

static bool nodes_grow(struct paths *p)
{
	if (p->n == PATHS_NODES)
		return false;
	struct path_node *nodes = realloc(p->nodes, p->room * 2 * sizeof(*nodes));
	if (!nodes)
		return false;
	p->nodes = nodes;
	uint32_t *slots = realloc(p->slots, p->n_slots * 2 * sizeof(*slots));
	if (!slots)
		return false;
	p->slots = slots;
	p->room *= 2;
	p->n_slots *= 2;
	nodes_rehash(p);
	return true;
}

uint32_t paths_find(struct paths *p, uint32_t parent, struct str key)
{
	uint32_t hash = hash_text(key, p->seed + parent);
	for (uint32_t at = hash & (p->n_slots - 1), i; (i = p->slots[at]) != 0; at = (at + 1) & (p->n_slots - 1)) {
		const struct path_node *node = &p->nodes[i];
		if (node->hash == hash && node->parent == parent && node->key_n == key.n &&
		    !memcmp(p->keys.p + node->key, key.p, key.n))
			return i;
	}
	if ((p->n == p->room && !nodes_grow(p)) || !buf_room(&p->keys, key.n + 1)) {
		p->keys.failed = false;
		return UINT32_MAX;
	}
	p->nodes[p->n] = (struct path_node){ parent, hash, (uint32_t)p->keys.n, (uint32_t)key.n, 0 };
	buf_add(&p->keys, key);
	node_insert(p, p->n);
	return p->n++;
}

/* The dotted path of a node, written backwards into the end of `room`; n is SIZE_MAX where it is too long. */
static struct str dotted(const struct paths *p, uint32_t node, char room[CHUNK_PATH_MAX])
{
	size_t at = CHUNK_PATH_MAX;
	for (;;) {
		const struct path_node *x = &p->nodes[node];
		if (x->key_n > at)
			return (struct str){ room, SIZE_MAX };
		at -= x->key_n;
		memcpy(room + at, p->keys.p + x->key, x->key_n);
		node = x->parent;
		if (node == PATHS_ROOT)
			return (struct str){ room + at, CHUNK_PATH_MAX - at };
		if (!at)
			return (struct str){ room, SIZE_MAX };
		room[--at] = '.';
	}
}

uint32_t paths_column(struct paths *p, uint32_t node)
{
	const uint32_t mask = ARRAY_LEN(p->column_slots) - 1;
	char room[CHUNK_PATH_MAX];
	struct str path = dotted(p, node, room);
	if (path.n != SIZE_MAX) {
		uint32_t hash = hash_text(path, p->seed), at = hash & mask;
		for (; p->column_slots[at]; at = (at + 1) & mask) {
			const struct path_column *c = &p->columns[p->column_slots[at] - 1];
			if (c->hash == hash && str_eq((struct str){ p->names.p + c->at, c->n }, path))
				return p->column_slots[at] - 1u;
		}
		if (p->n_columns < PATHS_REST && buf_room(&p->names, path.n + 1)) {
			p->columns[p->n_columns] = (struct path_column){ hash, (uint32_t)p->names.n, (uint32_t)path.n };
			buf_add(&p->names, path);
			p->column_slots[at] = (uint16_t)++p->n_columns;
			return p->n_columns - 1;
		}
	}
	p->rest = true;
	return PATHS_REST;
}

/* --- shapes --- */

int shapes_init(struct shapes *s, struct err *err)
{
	*s = (struct shapes){ .text.max = CHUNK_RAW_MAX + CHUNK_VALUES };
	s->all = malloc(CHUNK_ROWS * sizeof(*s->all));
	s->columns = malloc(CHUNK_VALUES * sizeof(*s->columns));
	s->cap_pieces = 256;
	s->pieces = calloc(s->cap_pieces, sizeof(*s->pieces));
	s->n_pieces = 1;
	return s->all && s->columns && s->pieces ? 0 : err_set(err, -ENOMEM, "no memory for the shapes of events");
}

void shapes_done(struct shapes *s)
{
	free(s->all);
	free(s->columns);
	free(s->pieces);
	buf_free(&s->text);
}

void shapes_clear(struct shapes *s)
{
	s->n = s->n_columns = 0;
	s->text.n = 0;
	s->n_pieces = 1;
	s->pieces[0].child = 0;
	memset(s->slots, 0, sizeof(s->slots));
}

uint32_t shapes_find(struct shapes *s, struct str text, struct paths *p, const uint32_t *nodes, uint32_t n_nodes)
{
	const uint32_t mask = ARRAY_LEN(s->slots) - 1;
	uint32_t hash = hash_text(text, p->seed), at = hash & mask;
	for (; s->slots[at]; at = (at + 1) & mask) {
		const struct shape *x = &s->all[s->slots[at] - 1];
		if (x->hash == hash && str_eq((struct str){ s->text.p + x->at, x->n }, text))
			return s->slots[at] - 1u;
	}
	if (!buf_room(&s->text, text.n)) {
		s->text.failed = false;
		return UINT32_MAX;
	}
	s->all[s->n] = (struct shape){ (uint32_t)s->text.n, (uint32_t)text.n, s->n_columns, n_nodes, hash };
	buf_add(&s->text, text);
	for (uint32_t i = 0; i < n_nodes; i++)
		s->columns[s->n_columns++] = (uint16_t)paths_column(p, nodes[i]);
	s->slots[at] = (uint16_t)++s->n;
	shapes_learn(s, s->n - 1);
	return s->n - 1;
}

void shapes_put(const struct shapes *s, const uint32_t *rows, uint32_t n_rows, const uint32_t *rank, struct put *p)
{
	uint32_t *v = put_room(p, &p->scratch, s->n + s->n_columns, sizeof(*v));
	if (!v)
		return;
	put_varint(p, s->n);
	for (uint32_t i = 0; i < s->n; i++)
		v[i] = s->all[i].n;
	put_planes32(p, v, s->n);
	put_stream(p, s->text.p, s->text.n);
	for (uint32_t i = 0; i < s->n_columns; i++)
		v[i] = rank[s->columns[i]];
	put_planes32(p, v, s->n_columns);
	put_planes32(p, rows, n_rows);
}
