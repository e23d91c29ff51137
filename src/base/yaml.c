#include "base/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <yaml.h>

enum { MAX_ANCHORS = 256 }; /* they are looked up one by one */

struct anchor {
	struct str name;
	const struct yaml_node *node; /* NULL while it is being read */
	struct anchor *next;
};

struct yaml_reader {
	yaml_parser_t parser;
	struct arena *arena;
	struct str text;
	struct anchor *anchors;
	struct yaml_error *error;
	uint32_t nodes; /* read in this document */
	uint32_t n_anchors;
	bool started, over;
	bool bad; /* this document has an error, but can be read to its end */
};

int yaml_open(struct yaml_reader **ret, struct arena *arena, struct str text)
{
	struct yaml_reader *r = calloc(1, sizeof(*r));
	if (!r || !yaml_parser_initialize(&r->parser)) {
		free(r);
		return -ENOMEM;
	}
	r->arena = arena;
	r->text = text;
	yaml_parser_set_input_string(&r->parser, (const unsigned char *)text.p, text.n);
	*ret = r;
	return 0;
}

void yaml_close(struct yaml_reader *r)
{
	if (!r)
		return;
	yaml_parser_delete(&r->parser);
	free(r);
}

/* The document is bad at a place; the first reason counts. */
static void bad(struct yaml_reader *r, yaml_mark_t mark, const char *reason, struct str what)
{
	if (r->bad)
		return;
	r->bad = true;
	r->error->line = (uint32_t)mark.line + 1;
	r->error->column = (uint32_t)mark.column + 1;
	if (what.n > 60)
		what.n = 60;
	snprintf(r->error->reason, sizeof(r->error->reason), "%s%s" STR_FMT "%s", reason, what.p ? " '" : "",
	         STR_ARG(what), what.p ? "'" : "");
}

/* The same, and nothing behind it can be read either. */
static int end_bad(struct yaml_reader *r, yaml_mark_t mark, const char *reason)
{
	bad(r, mark, reason, (struct str){ 0 });
	r->over = true;
	return -EBADMSG;
}

/* The reader is ahead of the parser and tells bad bytes by their offset. */
static yaml_mark_t mark_at(struct str text, size_t offset)
{
	yaml_mark_t mark = { 0 };
	for (size_t i = 0; i < offset && i < text.n; i++) {
		mark.column++;
		if (text.p[i] == '\n') {
			mark.line++;
			mark.column = 0;
		}
	}
	return mark;
}

static int next_event(struct yaml_reader *r, yaml_event_t *ev)
{
	if (yaml_parser_parse(&r->parser, ev))
		return 0;
	if (r->parser.error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	const char *problem = r->parser.problem ? r->parser.problem : "not YAML";
	yaml_mark_t mark = r->parser.problem_mark;
	if (r->parser.error == YAML_READER_ERROR)
		mark = mark_at(r->text, r->parser.problem_offset);
	return end_bad(r, mark, problem);
}

static struct str event_text(const void *p, size_t n)
{
	return (struct str){ p, n };
}

static struct anchor *anchor_find(struct yaml_reader *r, struct str name)
{
	for (struct anchor *a = r->anchors; a; a = a->next)
		if (str_eq(a->name, name))
			return a;
	return NULL;
}

static int anchor_add(struct yaml_reader *r, const yaml_event_t *ev, const unsigned char *name, struct anchor **ret)
{
	*ret = NULL;
	if (!name)
		return 0;
	if (++r->n_anchors > MAX_ANCHORS)
		return end_bad(r, ev->start_mark, "too many anchors in one document; the bound is 256");
	struct anchor *a = arena_zalloc(r->arena, sizeof(*a));
	if (!a || !(a->name = arena_copy(r->arena, str_from((const char *)name))).p)
		return -ENOMEM;
	a->next = r->anchors; /* a later anchor of the same name hides the earlier one */
	r->anchors = a;
	*ret = a;
	return 0;
}

static int by_key(const void *a, const void *b)
{
	struct str x = (*(struct yaml_item *const *)a)->key->text, y = (*(struct yaml_item *const *)b)->key->text;
	int d = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);
	return d ? d : x.n < y.n ? -1 : x.n > y.n;
}

static yaml_mark_t mark_of(const struct yaml_node *n)
{
	return (yaml_mark_t){ .line = n->line - 1, .column = n->column - 1 };
}

static int check_keys(struct yaml_reader *r, const struct yaml_node *map)
{
	if (map->n < 2)
		return 0;
	struct yaml_item *few[32], **items = few;
	if (map->n > ARRAY_LEN(few) && !(items = malloc(map->n * sizeof(struct yaml_item *))))
		return -ENOMEM;
	uint32_t n = 0;
	for (struct yaml_item *i = map->items; i; i = i->next)
		items[n++] = i;
	qsort(items, n, sizeof(struct yaml_item *), by_key);
	for (uint32_t i = 1; i < n; i++) {
		const struct yaml_node *a = items[i - 1]->key, *b = items[i]->key;
		if (str_eq(a->text, b->text))
			bad(r, mark_of(a->line > b->line ? a : b), "this map already has the key", a->text);
	}
	if (items != few)
		free(items);
	return 0;
}

static int read_node(struct yaml_reader *r, yaml_event_t *ev, uint32_t depth, const struct yaml_node **ret);

/* Lists and maps: everything up to their end. */
static int read_items(struct yaml_reader *r, struct yaml_node *node, uint32_t depth)
{
	const struct yaml_node *key = NULL;
	for (;;) {
		yaml_event_t ev;
		int e = next_event(r, &ev);
		if (e)
			return e;
		if (ev.type == YAML_SEQUENCE_END_EVENT || ev.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&ev);
			return node->kind == YAML_MAP ? check_keys(r, node) : 0;
		}
		const struct yaml_node *value;
		e = read_node(r, &ev, depth + 1, &value);
		if (e)
			return e;
		if (depth + value->height > YAML_MAX_DEPTH)
			return end_bad(r, mark_of(node), "nested too deeply; the bound is 32 levels");
		node->weight += value->weight;
		if (node->weight > YAML_MAX_NODES)
			return end_bad(r, mark_of(node), "too much in one document; the bound is 100000 values");
		if (node->height < value->height + 1)
			node->height = value->height + 1;
		if (node->kind == YAML_MAP && !key) {
			key = value;
			if (key->kind != YAML_SCALAR) {
				bad(r, mark_of(key), "a key must be a plain text", (struct str){ 0 });
				static const struct yaml_node none = { .text = { "", 0 }, .line = 1, .column = 1 };
				key = &none;
			} else if (key->plain && str_eq(key->text, STR("<<"))) {
				bad(r, mark_of(key), "merging with << is not read; write the keys out",
				    (struct str){ 0 });
			}
			continue;
		}
		struct yaml_item *item = arena_alloc(r->arena, sizeof(*item));
		if (!item)
			return -ENOMEM;
		*item = (struct yaml_item){ .key = key, .value = value };
		if (node->last)
			node->last->next = item;
		else
			node->items = item;
		node->last = item;
		node->n++;
		key = NULL;
	}
}

static int read_alias(struct yaml_reader *r, const yaml_event_t *ev, const struct yaml_node **ret)
{
	static const struct yaml_node nothing = {
		.plain = true, .line = 1, .column = 1, .text = { "", 0 }, .height = 1, .weight = 1
	};
	struct str name = str_from((const char *)ev->data.alias.anchor);
	const struct anchor *a = anchor_find(r, name);
	if (!a || !a->node)
		bad(r, ev->start_mark, a ? "an alias inside of what it stands for" : "no anchor is named", name);
	*ret = a && a->node ? a->node : &nothing;
	return 0;
}

/* Takes ev. */
static int read_node(struct yaml_reader *r, yaml_event_t *ev, uint32_t depth, const struct yaml_node **ret)
{
	CLEANUP(yaml_event_delete) yaml_event_t mine = *ev;
	if (mine.type == YAML_ALIAS_EVENT)
		return read_alias(r, &mine, ret);
	if (depth > YAML_MAX_DEPTH)
		return end_bad(r, mine.start_mark, "nested too deeply; the bound is 32 levels");
	if (++r->nodes > YAML_MAX_NODES)
		return end_bad(r, mine.start_mark, "too much in one document; the bound is 100000 values");
	struct yaml_node *node = arena_zalloc(r->arena, sizeof(*node));
	if (!node)
		return -ENOMEM;
	node->line = (uint32_t)mine.start_mark.line + 1;
	node->column = (uint32_t)mine.start_mark.column + 1;
	node->height = node->weight = 1;
	struct anchor *anchor;
	int e = 0;
	if (mine.type == YAML_SCALAR_EVENT) {
		node->plain = mine.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
		node->text = arena_copy(r->arena, event_text(mine.data.scalar.value, mine.data.scalar.length));
		e = node->text.p ? anchor_add(r, &mine, mine.data.scalar.anchor, &anchor) : -ENOMEM;
	} else {
		bool map = mine.type == YAML_MAPPING_START_EVENT;
		node->kind = map ? YAML_MAP : YAML_LIST;
		e = anchor_add(r, &mine, map ? mine.data.mapping_start.anchor : mine.data.sequence_start.anchor,
		               &anchor);
		if (!e)
			e = read_items(r, node, depth);
	}
	if (e)
		return e;
	if (anchor)
		anchor->node = node;
	*ret = node;
	return 0;
}

/* Events up to the start of a document's content; 0 at the end of the stream. */
static int find_document(struct yaml_reader *r, yaml_event_t *ev)
{
	for (;;) {
		int e = next_event(r, ev);
		if (e)
			return e;
		yaml_event_type_t type = ev->type;
		if (type != YAML_STREAM_START_EVENT && type != YAML_STREAM_END_EVENT &&
		    type != YAML_DOCUMENT_START_EVENT && type != YAML_DOCUMENT_END_EVENT)
			return 1;
		yaml_event_delete(ev);
		if (type == YAML_STREAM_END_EVENT)
			return 0;
	}
}

int yaml_next(struct yaml_reader *r, const struct yaml_node **ret, struct yaml_error *e)
{
	if (r->over)
		return 0;
	*e = (struct yaml_error){ .line = 1, .column = 1 };
	r->error = e;
	r->bad = false;
	r->anchors = NULL;
	r->nodes = r->n_anchors = 0;
	yaml_event_t ev;
	const struct yaml_node *node;
	int n = find_document(r, &ev);
	if (n == 1) {
		int failed = read_node(r, &ev, 1, &node);
		n = failed ? failed : 1;
	}
	if (n < 1) {
		r->over = true;
		return n;
	}
	if (r->bad)
		return -EBADMSG;
	*ret = node;
	return 1;
}

const struct yaml_node *yaml_get(const struct yaml_node *node, const char *key)
{
	if (!node || node->kind != YAML_MAP)
		return NULL;
	struct str k = str_from(key);
	for (const struct yaml_item *i = node->items; i; i = i->next)
		if (str_eq(i->key->text, k))
			return i->value;
	return NULL;
}

bool yaml_is_null(const struct yaml_node *node)
{
	return node->kind == YAML_SCALAR && node->plain &&
	       (node->text.n == 0 || str_eq(node->text, STR("~")) || str_eq(node->text, STR("null")));
}

bool yaml_is_bool(const struct yaml_node *node, bool *value)
{
	if (node->kind != YAML_SCALAR || !node->plain)
		return false;
	bool yes = node->text.n == 4 && strncasecmp(node->text.p, "true", 4) == 0;
	if (!yes && (node->text.n != 5 || strncasecmp(node->text.p, "false", 5) != 0))
		return false;
	*value = yes;
	return true;
}
