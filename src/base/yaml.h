/*
 * YAML 1.1 (libyaml) -> a tree of nodes in an arena, document by document.
 *
 * Bounds per document: YAML_MAX_DEPTH levels and YAML_MAX_NODES nodes, counted with every alias written out. An alias
 * shares the node of its anchor. A key that stands twice in one map, a key that is no scalar, and `<<` are errors.
 */
#ifndef KHIEN_BASE_YAML_H
#define KHIEN_BASE_YAML_H

#include "base/arena.h"
#include "base/str.h"

enum { YAML_MAX_DEPTH = 32, YAML_MAX_NODES = 100000 };

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
	enum yaml_kind kind;
	bool plain;            /* scalar without quotes and not in block style */
	uint32_t line, column; /* from 1 */
	uint32_t n;            /* entries of a list or map */
	struct str text;       /* scalar; a NUL stands behind it */
	struct yaml_item *items;
	struct yaml_item *last;
	uint32_t height, weight; /* levels and nodes below and including this one, aliases written out */
};

struct yaml_item {
	const struct yaml_node *key; /* NULL in a list */
	const struct yaml_node *value;
	struct yaml_item *next;
};

struct yaml_error {
	uint32_t line, column; /* from 1 */
	char reason[160];
};

struct yaml_reader;

/* text is borrowed until yaml_close(); nodes live in the arena. */
int yaml_open(struct yaml_reader **ret, struct arena *arena, struct str text);
/*
 * 1: *ret is the next document. 0: the end. -EBADMSG: this document is broken, see e; further calls go on with the
 * next one, or end where no next one can be found. -ENOMEM.
 */
int yaml_next(struct yaml_reader *r, const struct yaml_node **ret, struct yaml_error *e);
void yaml_close(struct yaml_reader *r);

/* The value of a key of a map; NULL when it isn't there or node is no map (or NULL). */
const struct yaml_node *yaml_get(const struct yaml_node *node, const char *key);
/* Plain `null`, `~` or nothing at all. */
bool yaml_is_null(const struct yaml_node *node);
/* Plain `true` or `false` in any case. */
bool yaml_is_bool(const struct yaml_node *node, bool *value);

#endif
