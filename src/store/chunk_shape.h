/* What the events of a block look like while it is built: the paths of their values, and their shapes. */
#ifndef KHIEN_STORE_CHUNK_SHAPE_H
#define KHIEN_STORE_CHUNK_SHAPE_H

#include "store/chunk_codec.h"

/* --- paths: a tree of keys as they are nested; a column for each dotted path --- */

enum { PATHS_NODES = 1 << 18, PATHS_ROOT = 0, PATHS_REST = CHUNK_COLUMNS - 1 };

struct path_node {
	uint32_t parent, hash;
	uint32_t key, key_n; /* in `keys` */
	uint32_t next;       /* the node that was asked for after this one, last time: events resemble each other */
};

struct path_column {
	uint32_t hash, at, n; /* its path, in `names` */
};

struct paths {
	struct path_node *nodes;
	uint32_t n, room;
	struct buf keys, names;
	uint32_t *slots, n_slots; /* hash table: number of a node, 0 is free */
	uint64_t seed;            /* of the hashes: see struct put */
	uint32_t last;            /* node asked for last */
	struct path_column columns[PATHS_REST];
	uint32_t n_columns;
	uint16_t column_slots[CHUNK_COLUMNS * 2]; /* hash table: a column and 1 */
	bool rest;                                /* some value has no column of its own */
};

int paths_init(struct paths *p, uint64_t seed, struct err *err);
void paths_done(struct paths *p);
void paths_clear(struct paths *p);
/* Forgets the nodes from n on. */
void paths_cut(struct paths *p, uint32_t n);
/* The node of a key below a node, or UINT32_MAX: there are too many, or memory is short. */
uint32_t paths_find(struct paths *p, uint32_t parent, struct str key);
/* Its column: one of its own, or PATHS_REST. */
uint32_t paths_column(struct paths *p, uint32_t node);

static inline uint32_t paths_member(struct paths *p, uint32_t parent, struct str key)
{
	uint32_t guess = p->nodes[p->last].next;
	const struct path_node *node = &p->nodes[guess];
	if (guess < p->n && node->parent == parent && node->key_n == key.n &&
	    !memcmp(p->keys.p + node->key, key.p, key.n))
		return p->last = guess;
	guess = paths_find(p, parent, key);
	if (guess != UINT32_MAX)
		p->nodes[p->last].next = guess;
	return p->last = guess == UINT32_MAX ? PATHS_ROOT : guess, guess;
}

/* --- shapes: all of an object's bytes, with SHAPE_SLOT in the place of a scalar's inside --- */

enum { SHAPE_SLOT = '\1' /* no valid JSON has it */ };

struct shape {
	uint32_t at, n;            /* its text, in `text` */
	uint32_t column, n_scalar; /* of each scalar, in `columns` */
	uint32_t hash;
};

/*
 * What stands between two scalars, or before the first, or behind the last. Shapes that begin alike share their first
 * pieces: a tree, along which an event is read whose shape is known.
 */
struct shape_piece {
	uint32_t at, n;  /* in `text` */
	uint32_t quotes; /* in it, that begin or end a string */
	uint32_t child,
	        next;   /* pieces that may follow, the last met first; the next of those beside this one. 0: none */
	uint32_t shape; /* where it is the last: which one it ends, and 1 */
	bool string;    /* a string's inside follows, else another scalar */
};

/* Where a scalar's text stands. */
struct shape_scalar {
	uint32_t at, n;
};

struct shapes {
	struct shape_piece *pieces; /* the first is what comes before the first */
	uint32_t n_pieces, cap_pieces;
	struct shape *all; /* CHUNK_ROWS */
	uint32_t n;
	struct buf text;
	uint16_t *columns; /* CHUNK_VALUES */
	uint32_t n_columns;
	uint16_t slots[CHUNK_ROWS * 2]; /* hash table: a shape and 1 */
};

int shapes_init(struct shapes *s, struct err *err);
void shapes_done(struct shapes *s);
void shapes_clear(struct shapes *s);
/* The shape of this text; a new one gets its columns from the nodes of its scalars. UINT32_MAX: memory is short. */
uint32_t shapes_find(struct shapes *s, struct str text, struct paths *p, const uint32_t *nodes, uint32_t n_nodes);
/* Its pieces, into the tree. */
void shapes_learn(struct shapes *s, uint32_t shape);
/*
 * The shape of an object that is like others before, and its scalars: their places in `json` from `base` on, `room` at
 * most. UINT32_MAX: it isn't, or not JSON, or hard to tell; for those there is shapes_find.
 */
uint32_t shapes_follow(struct shapes *s, struct str json, uint32_t base, struct shape_scalar *to, uint32_t room);
/* The part of a block: all shapes, and the one of each row. rank: where a column stands in the block. */
void shapes_put(const struct shapes *s, const uint32_t *rows, uint32_t n_rows, const uint32_t *rank, struct put *p);

#endif
