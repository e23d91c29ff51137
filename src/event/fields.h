/*
 * The fields that somebody asked for, and where each may stand in an event.
 *
 * A rule names a field in the Sigma taxonomy (CommandLine); events carry it under native names (CommandLine,
 * Event.EventData.CommandLine, process.command_line). Each asked-for field has a small id; each of its paths is one
 * dotted name. The table is a tree of keys, so a JSON reader walks it as it walks the document and never compares
 * names that nobody asked for. Immutable once built, so threads share it.
 */
#ifndef KHIEN_EVENT_FIELDS_H
#define KHIEN_EVENT_FIELDS_H

#include "base/err.h"
#include "base/str.h"

/* Ids every table has, whatever the rules name. */
enum {
	FIELD_TIME, /* when it happened, as text or epoch number */
	FIELD_HOST, /* the machine it happened on */
	FIELD_FIRST_NAMED,
};

struct fields;

/* One place a field may stand in. In `path` "." separates keys, a key "*" stands for any one key. */
struct field_path {
	struct str path;
	uint32_t field;
};

/*
 * Copies what it needs. Every path is found nested ({"a":{"b":1}}) and with its dots in the key ({"a.b":1}), and a
 * key is also found when blanks stand in it ("Threat Name" for ThreatName). A key with dots is read as several keys;
 * only where that leads nowhere it is one that "*" stands for. n_fields counts the reserved ids too.
 *
 * -EINVAL: a path that is empty or over 512 bytes, or of a field that n_fields doesn't count. -E2BIG: too many.
 */
int fields_new(struct fields **ret, uint32_t n_fields, const struct field_path *paths, size_t n_paths, struct err *err);
void fields_free(struct fields *f);
uint32_t fields_count(const struct fields *f);

/* Walking: node 0 is the root of a document; FIELDS_NONE is "nothing asked for below here". */
#define FIELDS_NONE UINT32_MAX
static inline uint32_t fields_child(const struct fields *f, uint32_t node, struct str key);
/* The ids that the value at this node belongs to; n may be 0. */
static inline const uint32_t *fields_at(const struct fields *f, uint32_t node, uint32_t *n);
/* Whether anything is asked for below this node. */
static inline bool fields_has_children(const struct fields *f, uint32_t node);

/*
 * fields_child() in two steps, for keys whose JSON escapes aren't undone yet: fields_find() knows most keys as they
 * stand; one that it doesn't know and that fields_is_odd() is to be unescaped and given to fields_child_odd(); for any
 * other there is fields_any().
 */
static inline uint32_t fields_find(const struct fields *f, uint32_t node, struct str key);
static inline bool fields_is_odd(struct str key);
uint32_t fields_child_odd(const struct fields *f, uint32_t node, struct str key);
static inline uint32_t fields_any(const struct fields *f, uint32_t node);

/* From here on: how it is done, in the open so that it can be inlined. Every field of a record passes through here. */

struct fields_node {
	struct str key; /* in `bytes` */
	uint32_t parent;
	uint32_t any;                /* the child for "*" */
	uint32_t first_kid, sibling; /* exact children, newest first */
	uint32_t ids, n_ids;         /* in `ids` */
};

/* An edge to a child, found by its parent and key; open addressing. child 0 (the root is nobody's child): free. */
struct fields_slot {
	uint32_t hash, child;
};

struct fields {
	struct fields_node *nodes;
	struct fields_slot *slots;
	uint32_t *ids;
	char *bytes;
	uint32_t n_fields, n_nodes, cap_nodes;
	uint32_t n_slots;        /* a power of two, at least four times the nodes */
	struct fields_id *pairs; /* while building */
	size_t n_pairs, cap_pairs;
};

/* A key's first and last 8 bytes; they overlap, and a key under 8 bytes is in both whole. */
struct fields_ends {
	uint64_t first, last;
};

static inline uint64_t fields_load8(const char *p)
{
	uint64_t w;
	memcpy(&w, p, sizeof(w));
	return w;
}

static inline uint64_t fields_load4(const char *p)
{
	uint32_t w;
	memcpy(&w, p, sizeof(w));
	return w;
}

static inline struct fields_ends fields_ends(struct str key)
{
	if (key.n >= 8)
		return (struct fields_ends){ fields_load8(key.p), fields_load8(key.p + key.n - 8) };
	uint64_t w = 0;
	if (key.n >= 4)
		w = fields_load4(key.p) | fields_load4(key.p + key.n - 4) << 32;
	else if (key.n)
		w = (unsigned char)key.p[0] | (uint64_t)(unsigned char)key.p[key.n / 2] << 8 |
		    (uint64_t)(unsigned char)key.p[key.n - 1] << 16;
	return (struct fields_ends){ w, w };
}

/* The table's keys come from rules, so nobody can make them collide from outside; those that differ only in the middle do. */
static inline uint32_t fields_hash(uint32_t node, size_t n, struct fields_ends e)
{
	uint64_t h = (e.first + node) * 0x9e3779b97f4a7c15u ^ (e.last + n) * 0xc2b2ae3d27d4eb4fu;
	return (uint32_t)((h ^ h >> 29) * 0x9e3779b97f4a7c15u >> 32);
}

/* Of two keys of the same length over 16: the bytes between their ends. */
bool fields_middle_eq(struct str a, struct str b);

static inline bool fields_key_eq(struct str key, struct fields_ends e, struct str other)
{
	if (key.n != other.n)
		return false;
	struct fields_ends o = fields_ends(other);
	return e.first == o.first && e.last == o.last && (key.n <= 16 || fields_middle_eq(key, other));
}

/* The slot that holds the edge, or the free one where it belongs. */
static inline struct fields_slot *fields_slot(const struct fields *f, uint32_t node, struct str key,
                                              struct fields_ends e, uint32_t hash)
{
	for (uint32_t i = hash;; i++) {
		struct fields_slot *s = &f->slots[i & (f->n_slots - 1)];
		if (!s->child)
			return s;
		if (s->hash != hash)
			continue;
		const struct fields_node *kid = &f->nodes[s->child];
		if (kid->parent == node && fields_key_eq(key, e, kid->key))
			return s;
	}
}

static inline uint32_t fields_find(const struct fields *f, uint32_t node, struct str key)
{
	struct fields_ends e = fields_ends(key);
	const struct fields_slot *s = fields_slot(f, node, key, e, fields_hash(node, key.n, e));
	return s->child ? s->child : FIELDS_NONE;
}

/* Not 0 where some byte of w is `byte`. */
static inline uint64_t fields_word_has(uint64_t w, unsigned char byte)
{
	w ^= 0x0101010101010101u * byte;
	return (w - 0x0101010101010101u) & ~w & 0x8080808080808080u;
}

static inline uint64_t fields_word_is_odd(uint64_t w)
{
	return fields_word_has(w, ' ') | fields_word_has(w, '.') | fields_word_has(w, '\\');
}

/* Blanks, dots or backslashes in a key: it may name a place another way. */
static inline bool fields_is_odd(struct str key)
{
	struct fields_ends e = fields_ends(key);
	uint64_t odd = fields_word_is_odd(e.first) | fields_word_is_odd(e.last);
	for (size_t i = 8; i + 8 < key.n; i += 8)
		odd |= fields_word_is_odd(fields_load8(key.p + i));
	return odd != 0;
}

static inline uint32_t fields_any(const struct fields *f, uint32_t node)
{
	return f->nodes[node].any;
}

static inline uint32_t fields_child(const struct fields *f, uint32_t node, struct str key)
{
	uint32_t kid = fields_find(f, node, key);
	if (kid != FIELDS_NONE)
		return kid;
	return fields_is_odd(key) ? fields_child_odd(f, node, key) : fields_any(f, node);
}

static inline const uint32_t *fields_at(const struct fields *f, uint32_t node, uint32_t *n)
{
	*n = f->nodes[node].n_ids;
	return f->ids + f->nodes[node].ids;
}

static inline bool fields_has_children(const struct fields *f, uint32_t node)
{
	return f->nodes[node].first_kid || f->nodes[node].any != FIELDS_NONE;
}

#endif
