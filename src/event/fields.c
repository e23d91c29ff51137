#include "event/fields.h"

#include <errno.h>
#include <stdlib.h>

enum { FIELDS_MAX_NODES = 1 << 20, FIELDS_MAX_KEY = 512 };

/* While building: a node has an id. */
struct fields_id {
	uint32_t node, id;
};

bool fields_middle_eq(struct str a, struct str b)
{
	return memcmp(a.p + 8, b.p + 8, a.n - 16) == 0;
}

/*
 * A key with a backslash stands under another hash, where only this file looks: fields_find() must not take the
 * escapes in a JSON key for the bytes of such a name.
 */
static uint32_t hash_of(uint32_t node, struct str key)
{
	uint32_t hash = fields_hash(node, key.n, fields_ends(key));
	return str_find(key, '\\') == key.n ? hash : ~hash;
}

static uint32_t child_exact(const struct fields *f, uint32_t node, struct str key)
{
	const struct fields_slot *s = fields_slot(f, node, key, fields_ends(key), hash_of(node, key));
	return s->child ? s->child : FIELDS_NONE;
}

uint32_t fields_child_odd(const struct fields *f, uint32_t node, struct str key)
{
	const uint32_t any = f->nodes[node].any;
	char bytes[FIELDS_MAX_KEY];
	struct str rest = { bytes, 0 };
	for (size_t i = 0; i < key.n; i++) {
		if (key.p[i] == ' ')
			continue;
		if (rest.n == sizeof(bytes))
			return any;
		bytes[rest.n++] = key.p[i];
	}
	for (;;) {
		struct str head = str_sub(rest, 0, str_find(rest, '.'));
		uint32_t kid = child_exact(f, node, head);
		node = kid != FIELDS_NONE ? kid : f->nodes[node].any;
		if (node == FIELDS_NONE)
			return any;
		if (head.n == rest.n)
			return node;
		rest = str_sub(rest, head.n + 1, rest.n);
	}
}

uint32_t fields_count(const struct fields *f)
{
	return f->n_fields;
}

static void insert(struct fields *f, uint32_t node)
{
	uint32_t parent = f->nodes[node].parent;
	struct str key = f->nodes[node].key;
	uint32_t hash = hash_of(parent, key);
	*fields_slot(f, parent, key, fields_ends(key), hash) = (struct fields_slot){ hash, node };
}

static int rehash(struct fields *f)
{
	uint32_t n_slots = f->n_slots * 2;
	struct fields_slot *slots = calloc(n_slots, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(f->slots);
	f->slots = slots;
	f->n_slots = n_slots;
	for (uint32_t i = 1; i < f->n_nodes; i++) {
		if (f->nodes[i].key.p)
			insert(f, i);
	}
	return 0;
}

static int add_node(struct fields *f, uint32_t parent, struct str key)
{
	if (f->n_nodes == FIELDS_MAX_NODES)
		return -E2BIG;
	if (f->n_nodes == f->cap_nodes) {
		uint32_t cap = f->cap_nodes ? f->cap_nodes * 2 : 64;
		struct fields_node *nodes = realloc(f->nodes, cap * sizeof(*nodes));
		if (!nodes)
			return -ENOMEM;
		f->nodes = nodes;
		f->cap_nodes = cap;
	}
	f->nodes[f->n_nodes++] = (struct fields_node){ .key = key, .parent = parent, .any = FIELDS_NONE };
	return 0;
}

/* The child for a key of a path, made if it isn't there. */
static int add_child(struct fields *f, uint32_t parent, struct str key, uint32_t *ret)
{
	bool any = str_eq(key, STR("*"));
	uint32_t kid = any ? f->nodes[parent].any : child_exact(f, parent, key);
	if (kid != FIELDS_NONE) {
		*ret = kid;
		return 0;
	}
	int r = add_node(f, parent, any ? (struct str){ 0 } : key);
	if (r)
		return r;
	kid = *ret = f->n_nodes - 1;
	if (any) {
		f->nodes[parent].any = kid;
		return 0;
	}
	f->nodes[kid].sibling = f->nodes[parent].first_kid;
	f->nodes[parent].first_kid = kid;
	if (f->n_nodes > f->n_slots / 4)
		return rehash(f);
	insert(f, kid);
	return 0;
}

static int add_id(struct fields *f, uint32_t node, uint32_t id)
{
	if (f->n_pairs == f->cap_pairs) {
		size_t cap = f->cap_pairs ? f->cap_pairs * 2 : 64;
		struct fields_id *pairs = realloc(f->pairs, cap * sizeof(*pairs));
		if (!pairs)
			return -ENOMEM;
		f->pairs = pairs;
		f->cap_pairs = cap;
	}
	f->pairs[f->n_pairs++] = (struct fields_id){ node, id };
	return 0;
}

static int add_path(struct fields *f, struct str path, uint32_t id)
{
	uint32_t node = 0;
	for (;;) {
		struct str key = str_sub(path, 0, str_find(path, '.'));
		int r = add_child(f, node, key, &node);
		if (r)
			return r;
		if (key.n == path.n)
			return add_id(f, node, id);
		path = str_sub(path, key.n + 1, path.n);
	}
}

static int by_node(const void *a, const void *b)
{
	const struct fields_id *x = a, *y = b;
	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* Pairs in order -> every node's ids in a row, each once. */
static int lay_ids(struct fields *f)
{
	f->ids = calloc(f->n_pairs + 1, sizeof(*f->ids));
	if (!f->ids)
		return -ENOMEM;
	if (f->n_pairs)
		qsort(f->pairs, f->n_pairs, sizeof(*f->pairs), by_node);
	uint32_t n = 0;
	for (size_t i = 0; i < f->n_pairs; i++) {
		if (i && by_node(&f->pairs[i], &f->pairs[i - 1]) == 0)
			continue;
		struct fields_node *node = &f->nodes[f->pairs[i].node];
		if (!node->n_ids++)
			node->ids = n;
		f->ids[n++] = f->pairs[i].id;
	}
	return 0;
}

/* What is asked for below `from` is asked for below `to` too. */
static int graft(struct fields *f, uint32_t from, uint32_t to)
{
	for (size_t i = 0, n = f->n_pairs; i < n; i++) {
		int r = f->pairs[i].node == from ? add_id(f, to, f->pairs[i].id) : 0;
		if (r)
			return r;
	}
	uint32_t kid = f->nodes[from].any, twin;
	if (kid != FIELDS_NONE) {
		int r = add_child(f, to, STR("*"), &twin);
		if (r || (r = graft(f, kid, twin)))
			return r;
	}
	for (kid = f->nodes[from].first_kid; kid; kid = f->nodes[kid].sibling) {
		int r = add_child(f, to, f->nodes[kid].key, &twin);
		if (r || (r = graft(f, kid, twin)))
			return r;
	}
	return 0;
}

/* A key that is asked for by name beside a "*" leads to what both ask for. Parents come before their children. */
static int join_wildcards(struct fields *f)
{
	for (uint32_t i = 0; i < f->n_nodes; i++) {
		if (f->nodes[i].any == FIELDS_NONE)
			continue;
		for (uint32_t kid = f->nodes[i].first_kid; kid; kid = f->nodes[kid].sibling) {
			int r = graft(f, f->nodes[i].any, kid);
			if (r)
				return r;
		}
	}
	return 0;
}

static int build(struct fields *f, const struct field_path *paths, size_t n_paths, struct err *err)
{
	size_t bytes = 1;
	for (size_t i = 0; i < n_paths; i++)
		bytes += paths[i].path.n;
	f->bytes = malloc(bytes);
	f->n_slots = 256;
	f->slots = calloc(f->n_slots, sizeof(*f->slots));
	int r = f->bytes && f->slots ? add_node(f, 0, (struct str){ 0 }) : -ENOMEM;
	char *at = f->bytes;
	for (size_t i = 0; i < n_paths && !r; i++) {
		struct str path = { at, 0 };
		for (size_t k = 0; k < paths[i].path.n; k++)
			if (paths[i].path.p[k] != ' ')
				at[path.n++] = paths[i].path.p[k];
		at += path.n;
		if (!path.n || path.n > FIELDS_MAX_KEY || paths[i].field >= f->n_fields)
			return err_set(err, -EINVAL, "field path '%.*s' of field %u: %s", (int)str_sub(path, 0, 80).n,
			               path.p, paths[i].field,
			               path.n - 1 < FIELDS_MAX_KEY ? "no such field" : "empty or too long");
		r = add_path(f, path, paths[i].field);
	}
	r = r ? r : join_wildcards(f);
	r = r ? r : lay_ids(f);
	if (r)
		return err_set(err, r, "%zu field paths: %m", n_paths);
	return 0;
}

int fields_new(struct fields **ret, uint32_t n_fields, const struct field_path *paths, size_t n_paths, struct err *err)
{
	struct fields *f = calloc(1, sizeof(*f));
	if (!f)
		return err_set(err, -ENOMEM, "%zu field paths: %m", n_paths);
	f->n_fields = n_fields > FIELD_FIRST_NAMED ? n_fields : FIELD_FIRST_NAMED;
	int r = build(f, paths, n_paths, err);
	if (r) {
		fields_free(f);
		return r;
	}
	*ret = f;
	return 0;
}

void fields_free(struct fields *f)
{
	if (!f)
		return;
	free(f->nodes);
	free(f->slots);
	free(f->ids);
	free(f->bytes);
	free(f->pairs);
	free(f);
}
