/* The `json` format: an event is a JSON object. */
#include "base/json_walk.h"
#include "intake/formats.h"

#include <errno.h>

enum { MAX_SEEN = 256 };

static enum value_type value_type(enum json_type type)
{
	static const enum value_type types[] = {
		[JSON_STRING] = VALUE_TEXT, [JSON_NUMBER] = VALUE_NUMBER, [JSON_TRUE] = VALUE_BOOL,
		[JSON_FALSE] = VALUE_BOOL,  [JSON_NULL] = VALUE_NULL,
	};
	return types[type];
}

/* The text of a value as the rules see it; p is NULL when memory ends. */
static struct str value_text(struct event *ev, struct str text, enum json_type type)
{
	if (type == JSON_STRING)
		return json_unescape(&ev->scratch, text);
	return type == JSON_NULL ? STR("") : text;
}

/* The asked-for fields of a document: tags are nodes of the fields tree. */
struct parse {
	struct event *ev;
	/* Keys that were found, to tell double ones; those that don't fit any more aren't looked at for that. */
	uint32_t n_seen;
	struct {
		uint32_t object, node;
		struct str key;
	} seen[MAX_SEEN];
};

static void note_key(struct parse *p, uint32_t object, uint32_t node, struct str key, bool again)
{
	for (uint32_t i = p->n_seen; again && i-- > 0;) {
		if (p->seen[i].object != object || p->seen[i].node != node || !str_eq(p->seen[i].key, key))
			continue;
		p->ev->duplicates++;
		return;
	}
	if (p->n_seen == MAX_SEEN)
		return;
	p->seen[p->n_seen].object = object;
	p->seen[p->n_seen].node = node;
	p->seen[p->n_seen++].key = key;
}

static __attribute__((noinline)) uint32_t odd_member(struct event *ev, uint32_t tag, struct str *key)
{
	*key = json_unescape(&ev->scratch, *key);
	if (key->p)
		return fields_child_odd(ev->fields, tag, *key);
	ev->shed++;
	return FIELDS_NONE;
}

static uint32_t parse_member(void *ctx, uint32_t tag, uint32_t object, struct str key)
{
	struct parse *p = ctx;
	const struct fields *f = p->ev->fields;
	uint32_t node = fields_find(f, tag, key);
	if (node == FIELDS_NONE)
		node = fields_is_odd(key) ? odd_member(p->ev, tag, &key) : fields_any(f, tag);
	if (node == FIELDS_NONE)
		return JSON_SKIP;
	uint32_t n;
	const uint32_t *ids = fields_at(f, node, &n);
	note_key(p, object, node, key, (n && event_value(p->ev, ids[0])) || fields_has_children(f, node));
	return node;
}

static void parse_scalar(void *ctx, uint32_t tag, struct str text, enum json_type type)
{
	struct event *ev = ((struct parse *)ctx)->ev;
	uint32_t n;
	const uint32_t *ids = fields_at(ev->fields, tag, &n);
	if (!n)
		return;
	text = value_text(ev, text, type);
	if (!text.p) {
		ev->shed++;
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		event_put(ev, ids[i], text, value_type(type));
}

/* Everything in a document: the tag of a value is its depth, and `name` holds the names from the root to it. */
struct expand {
	struct event *ev;
	struct str name[JSON_MAX_DEPTH + 1];
};

static uint32_t expand_member(void *ctx, uint32_t tag, uint32_t object, struct str key)
{
	struct expand *e = ctx;
	struct arena *a = &e->ev->scratch;
	key = json_unescape(a, key);
	if (tag && key.p) {
		struct str parent = e->name[tag];
		char *p = arena_alloc(a, parent.n + 1 + key.n);
		if (p) {
			memcpy(p, parent.p, parent.n);
			p[parent.n] = '.';
			if (key.n)
				memcpy(p + parent.n + 1, key.p, key.n);
		}
		key = (struct str){ p, p ? parent.n + 1 + key.n : 0 };
	}
	if (!key.p) {
		e->ev->shed++;
		return JSON_SKIP;
	}
	e->name[tag + 1] = key;
	return tag + 1;
}

static void expand_scalar(void *ctx, uint32_t tag, struct str text, enum json_type type)
{
	struct expand *e = ctx;
	text = value_text(e->ev, text, type);
	if (text.p)
		event_put_pair(e->ev, e->name[tag], text, value_type(type));
	else
		e->ev->shed++;
}

static int json_expand(struct event *ev)
{
	static const struct json_visitor visitor = { expand_member, expand_scalar };
	struct expand e = { .ev = ev, .name = { STR("") } };
	struct json_error error;
	return json_walk(json_kernel(), ev->raw, 0, &visitor, &e, &error) ? 0 : -EBADMSG;
}

static int json_parse(struct str record, const struct columns *columns, int64_t now, struct event *ev, struct err *err)
{
	static const struct json_visitor visitor = { parse_member, parse_scalar };
	size_t first = 0;
	while (first < record.n && json_blank(record.p[first]))
		first++;
	if (first == record.n || record.p[first] != '{')
		return err_set(err, -EBADMSG, "byte %zu: not a JSON object", first + 1);
	struct parse p;
	p.ev = ev;
	p.n_seen = 0;
	struct json_error error;
	if (!json_walk(json_kernel(), record, 0, &visitor, &p, &error))
		return err_set(err, -EBADMSG, "byte %zu: %s", error.at + 1, error.reason);
	ev->expand = json_expand;
	return 0;
}

static int json_score(struct str head)
{
	struct str s = str_trim(head);
	if (s.n < 2 || (s.p[0] != '{' && s.p[0] != '['))
		return 0;
	char open = s.p[0];
	s = str_trim(str_sub(s, 1, s.n));
	if (open == '{')
		return s.p[0] == '"' ? 95 : s.p[0] == '}' ? 60 : 0;
	return s.p[0] == '{' ? 90 : s.p[0] == ']' ? 60 : 0; /* an export without events is one, too */
}

const struct format intake_json = {
	.name = "json",
	.what = "JSON objects: one a line, pretty-printed in a row, or in an array",
	.framing = FRAME_JSON,
	.score = json_score,
	.parse = json_parse,
};
