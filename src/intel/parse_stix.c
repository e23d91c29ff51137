/* STIX 2.1: `indicator` objects. */
#include "event/event.h"
#include "intel/parse.h"
#include "intel/tree.h"

#include <stdio.h>
#include <stdlib.h>

enum { ARENA_MAX = 16 << 20 };

struct stix {
	struct intel_parse *p;
	struct arena arena;
	struct pattern_value *values;
	uint64_t indicators, revoked;
};

/* Seconds since 1970, 0: not told, or unreadable. */
static int64_t read_time(const json_t *o, const char *key)
{
	int64_t us;
	struct str s = tree_text(o, key);
	return s.n && event_parse_time(s, &us) ? us / 1000000 : 0;
}

/* Says so itself: not bad, or only seen. */
static bool is_benign(const json_t *o)
{
	static const char *const keys[] = { "indicator_types", "labels" };
	for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
		const json_t *list = json_object_get(o, keys[k]), *item;
		size_t i;
		json_array_foreach(list, i, item)
		{
			if (json_is_string(item) && strcmp(json_string_value(item), "benign") == 0)
				return true;
		}
	}
	return false;
}

static struct str reference(const json_t *o)
{
	const json_t *list = json_object_get(o, "external_references"), *item;
	size_t i;
	json_array_foreach(list, i, item)
	{
		struct str url = tree_text(item, "url");
		if (url.n)
			return url;
	}
	return tree_text(o, "id");
}

static void tell(struct stix *s, struct str id, struct str what, const char *why)
{
	struct str place = arena_printf(&s->arena, STR_FMT "%s" STR_FMT, STR_ARG(id), what.n ? ", " : "",
	                                STR_ARG(str_sub(what, 0, 60)));
	/* An id with its UUID leaves little room. */
	feed_bad(s->p->maker, 0, place.p ? place : id, why);
}

static void read_values(struct stix *s, const json_t *o, struct feed_entry *e)
{
	struct str id = tree_text(o, "id");
	size_t n, at;
	const char *why = parse_pattern(tree_text(o, "pattern"), &s->arena, s->values, &n, &at);
	if (why) {
		tell(s, id, arena_printf(&s->arena, "pattern, byte %zu", at + 1), why);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const struct pattern_value *value = &s->values[i];
		const struct parse_value v = { .text = value->text, .type = value->type, .place = id };
		if (value->why)
			tell(s, id, value->text, value->why);
		else
			parse_add(s->p, &v, e);
	}
}

static void read_indicator(struct stix *s, const json_t *o)
{
	struct intel_parse *p = s->p;
	struct str id = tree_text(o, "id"), type = tree_text(o, "pattern_type");
	const json_t *confidence = json_object_get(o, "confidence");
	int64_t from = read_time(o, "valid_from"), until = read_time(o, "valid_until");
	struct feed_entry e = {
		.expires = until ? until : parse_expires(p),
		.confidence = parse_confidence(p),
		.note = tree_text(o, "name"),
		.reference = reference(o),
	};
	if (!e.note.n)
		e.note = tree_text(o, "description");
	if (json_is_integer(confidence) && json_integer_value(confidence) >= 0 && json_integer_value(confidence) <= 100)
		e.confidence = (unsigned)json_integer_value(confidence);
	if (json_is_true(json_object_get(o, "revoked")) || is_benign(o) || from > p->now ||
	    (until && until <= p->now)) {
		p->maker->head.left++;
		return;
	}
	if (type.n && !str_eq(type, STR("stix"))) /* 2.0 had no other, and didn't say it */
		tell(s, id, STR("pattern_type"), "its pattern is in another language than STIX");
	else if (tree_text(o, "valid_until").n && !until)
		tell(s, id, STR("valid_until"), "no time that can be read");
	else
		read_values(s, o, &e);
}

/* Only what is an indicator is made a tree of. */
static void read_object(struct stix *s, struct str object, uint64_t number)
{
	struct doc d;
	struct str key, value;
	const char *why;
	char place[48];
	bool is = false;
	if (!doc_open(&d, object) || !d.object)
		return;
	while (!is && doc_next(&d, &key, &value))
		is = str_eq(key, STR("type")) && str_eq(value, STR("\"indicator\""));
	if (!is)
		return;
	s->indicators++;
	arena_reset(&s->arena);
	json_t *o = tree_of(object, &why);
	snprintf(place, sizeof(place), "object %llu", (unsigned long long)number);
	if (o)
		read_indicator(s, o);
	else
		feed_bad(s->p->maker, 0, str_from(place), why);
	json_decref(o);
}

void parse_stix(struct intel_parse *p, struct str doc)
{
	struct stix s = { .p = p, .arena.max = ARENA_MAX };
	struct doc d, list;
	struct str key, value;
	uint64_t number = 0;
	s.values = calloc(PATTERN_VALUES_MAX, sizeof(*s.values));
	if (!s.values || !doc_open(&d, doc)) {
		p->maker->failed |= !s.values;
		free(s.values);
		return;
	}
	list = d;
	while (d.object && doc_next(&d, &key, &value))
		if (str_eq(key, STR("objects")) && doc_open(&list, value))
			break;
	if (list.object)
		read_object(&s, doc, 1);
	while (!list.object && !p->maker->failed && doc_next(&list, &key, &value))
		read_object(&s, value, ++number);
	if (!s.indicators)
		feed_bad(p->maker, 0, STR("objects"), "no indicator object is in it");
	arena_free(&s.arena);
	free(s.values);
}
