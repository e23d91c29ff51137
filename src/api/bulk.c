#include "api/bulk.h"

#include "base/buf.h"
#include "base/json_walk.h"

#include <errno.h>
#include <stdlib.h>

struct bulk {
	bulk_sink *sink;
	void *arg;
	struct buf held;    /* the beginning of a line whose end has not come */
	bool dropping;      /* in a line that is longer than it may be */
	bool want_document; /* the next line belongs to `item` */
	struct bulk_item item;
	struct arena arena; /* its texts */
	uint64_t line;      /* number of the line that is being read */
	int failed;
	uint64_t bad_line;
	const char *why;
};

static const struct str op_names[BULK_OPS] = {
	[BULK_INDEX] = { "index", 5 },
	[BULK_CREATE] = { "create", 6 },
	[BULK_UPDATE] = { "update", 6 },
	[BULK_DELETE] = { "delete", 6 },
};

struct str bulk_op_name(enum bulk_op op)
{
	return op_names[op];
}

int bulk_new(struct bulk **ret, bulk_sink *sink, void *arg)
{
	struct bulk *b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->sink = sink;
	b->arg = arg;
	b->line = 1;
	b->held.max = BULK_DOCUMENT_MAX + 2;
	*ret = b;
	return 0;
}

void bulk_free(struct bulk *b)
{
	if (!b)
		return;
	buf_free(&b->held);
	arena_free(&b->arena);
	free(b);
}

uint64_t bulk_bad_line(const struct bulk *b)
{
	return b->bad_line;
}

const char *bulk_why(const struct bulk *b)
{
	return b->why;
}

static int broken(struct bulk *b, const char *why)
{
	b->bad_line = b->line;
	b->why = why;
	return -EBADMSG;
}

/* --- the action line --- */

enum tag { TAG_ROOT, TAG_ACTION, TAG_INDEX, TAG_ID, TAG_OP_TYPE };

struct action {
	struct arena *arena;
	struct bulk_item item;
	unsigned n_ops;
	const char *why;
};

static uint32_t action_member(void *ctx, uint32_t tag, uint32_t object, struct str key)
{
	struct action *a = ctx;
	if (tag == TAG_ROOT) {
		for (unsigned op = 0; op < BULK_OPS; op++) {
			if (str_eq(key, op_names[op])) {
				a->item.op = op;
				a->n_ops++;
				return TAG_ACTION;
			}
		}
		a->why = "expected one of create, index, update, delete";
		return JSON_SKIP;
	}
	if (tag != TAG_ACTION) {
		a->why = "a name was expected, not an object";
		return JSON_SKIP;
	}
	if (str_eq(key, STR("_index")))
		return TAG_INDEX;
	if (str_eq(key, STR("_id")))
		return TAG_ID;
	return str_eq(key, STR("op_type")) ? TAG_OP_TYPE : JSON_SKIP;
}

static void action_scalar(void *ctx, uint32_t tag, struct str text, enum json_type type)
{
	struct action *a = ctx;
	if (tag == TAG_ROOT || tag == TAG_ACTION) {
		a->why = "expected an object";
		return;
	}
	if (type == JSON_NULL)
		return;
	if (type != JSON_STRING && type != JSON_NUMBER) {
		a->why = "a name was expected";
		return;
	}
	struct str raw = text;
	if (type == JSON_STRING && memchr(text.p, '\\', text.n))
		text = json_unescape(a->arena, text);
	text = arena_copy(a->arena, text);
	if (!text.p)
		a->why = "out of memory";
	else if (tag == TAG_INDEX)
		a->item.index = text;
	else if (tag == TAG_ID)
		a->item.id = text;
	else if (tag == TAG_OP_TYPE && str_eq(raw, STR("create")) && a->item.op == BULK_INDEX)
		a->item.op = BULK_CREATE;
}

static int take_action(struct bulk *b, struct str line)
{
	static const struct json_visitor visitor = { action_member, action_scalar };
	struct json_error e;
	struct action a = { .arena = &b->arena, .item.line = b->line };
	line = str_trim(line);
	if (!line.n)
		return 0;
	if (line.p[0] != '{')
		return broken(b, "an action was expected, an object");
	arena_reset(&b->arena);
	if (!json_walk(json_kernel(), line, TAG_ROOT, &visitor, &a, &e))
		return broken(b, e.reason);
	if (!a.why && a.n_ops != 1)
		a.why = "expected one action";
	if (a.why)
		return broken(b, a.why);
	b->item = a.item;
	if (a.item.op == BULK_DELETE)
		return b->sink(b->arg, &b->item);
	b->want_document = true;
	return 0;
}

/* --- lines --- */

static int take_line(struct bulk *b, struct str line)
{
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	if (!b->want_document)
		return b->dropping || line.n > BULK_ACTION_MAX ? broken(b, "an action line that is too long")
		                                               : take_action(b, line);
	b->want_document = false;
	b->item.too_long = b->dropping || line.n > BULK_DOCUMENT_MAX;
	b->item.document = b->item.too_long ? (struct str){ 0 } : line;
	return b->sink(b->arg, &b->item);
}

/* Keeps the beginning of a line, as far as one may go. */
static int hold(struct bulk *b, struct str part)
{
	if (b->dropping || !part.n)
		return 0;
	if (b->held.n + part.n > BULK_DOCUMENT_MAX + 1) {
		b->dropping = true;
		b->held.n = 0;
		return 0;
	}
	buf_add(&b->held, part);
	return b->held.failed ? -ENOMEM : 0;
}

int bulk_feed(struct bulk *b, struct str bytes)
{
	while (bytes.n && !b->failed) {
		size_t n = str_find(bytes, '\n');
		struct str part = str_sub(bytes, 0, n);
		bool whole = n < bytes.n;
		bytes = str_sub(bytes, n + whole, bytes.n);
		if (!whole || b->held.n)
			b->failed = hold(b, part);
		if (!whole || b->failed)
			continue;
		b->failed = take_line(b, b->held.n ? buf_str(&b->held) : part);
		b->held.n = 0;
		b->dropping = false;
		b->line++;
	}
	return b->failed;
}

int bulk_end(struct bulk *b)
{
	if (b->failed)
		return b->failed;
	if (b->held.n || b->dropping)
		b->failed = take_line(b, buf_str(&b->held));
	if (!b->failed && b->want_document)
		b->failed = broken(b, "the document of the last action is missing");
	return b->failed;
}
