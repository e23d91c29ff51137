/* MISP: events with attributes, alone and in objects, as its feeds and its API have them. */
#include "intel/parse.h"
#include "intel/tree.h"

#include <stdio.h>

/* Which part of "a|b" is the value; a type that isn't here is told as one that nothing is looked up for. */
enum part { WHOLE, FIRST, SECOND, BOTH };
static const struct {
	const char *name;
	enum intel_type type;
	enum part part;
} types[] = {
	{ "ip-src", INTEL_ADDRESS, WHOLE },
	{ "ip-dst", INTEL_ADDRESS, WHOLE },
	{ "ip-src|port", INTEL_ADDRESS, FIRST },
	{ "ip-dst|port", INTEL_ADDRESS, FIRST },
	{ "domain", INTEL_DOMAIN, WHOLE },
	{ "domain|ip", INTEL_DOMAIN, BOTH },
	{ "hostname", INTEL_NAME, WHOLE },
	{ "hostname|port", INTEL_NAME, FIRST },
	{ "url", INTEL_URL, WHOLE },
	{ "md5", INTEL_HASH, WHOLE },
	{ "sha1", INTEL_HASH, WHOLE },
	{ "sha256", INTEL_HASH, WHOLE },
	{ "sha512", INTEL_HASH, WHOLE },
	{ "filename|md5", INTEL_HASH, SECOND },
	{ "filename|sha1", INTEL_HASH, SECOND },
	{ "filename|sha256", INTEL_HASH, SECOND },
	{ "filename|sha512", INTEL_HASH, SECOND },
	{ "malware-sample", INTEL_HASH, SECOND },
	{ "x509-fingerprint-md5", INTEL_HASH, WHOLE },
	{ "x509-fingerprint-sha1", INTEL_HASH, WHOLE },
	{ "x509-fingerprint-sha256", INTEL_HASH, WHOLE },
};

struct misp {
	struct intel_parse *p;
	char info[FEED_TEXT_MAX + 1], uuid[64];
	int confidence; /* of the event; -1: not told */
	bool seen;
};

/* A tag of the taxonomy of MISP itself, or -1. */
static int tagged(struct str name)
{
	static const struct {
		const char *level;
		int confidence;
	} levels[] = { { "completely", 100 }, { "usually", 75 }, { "fairly", 50 }, { "rarely", 25 }, { "un", 0 } };
	const struct str prefix = STR("misp:confidence-level=\"");
	if (!str_starts(name, prefix))
		return -1;
	name = str_sub(name, prefix.n, name.n);
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (str_starts(name, str_from(levels[i].level)))
			return levels[i].confidence;
	return -1;
}

static int tags(const json_t *list)
{
	const json_t *tag;
	size_t i;
	json_array_foreach(list, i, tag)
	{
		int c = tagged(tree_text(tag, "name"));
		if (c >= 0)
			return c;
	}
	return -1;
}

static bool is_true(const json_t *v)
{
	return json_is_true(v) || (json_is_string(v) && strcmp(json_string_value(v), "1") == 0) ||
	       (json_is_integer(v) && json_integer_value(v) == 1);
}

static void add_value(struct misp *m, const json_t *a, size_t type)
{
	struct str text = tree_text(a, "value"), comment = tree_text(a, "comment"), uuid = tree_text(a, "uuid");
	size_t bar = str_find(text, '|');
	char note[2 * FEED_TEXT_MAX], place[80];
	int confidence = tags(json_object_get(a, "Tag"));
	confidence = confidence < 0 ? m->confidence : confidence;
	snprintf(note, sizeof(note), "%s%s" STR_FMT, m->info, *m->info && comment.n ? ": " : "",
	         STR_ARG(str_sub(comment, 0, FEED_TEXT_MAX)));
	snprintf(place, sizeof(place), "attribute " STR_FMT, STR_ARG(str_sub(uuid, 0, 40)));
	const struct feed_entry e = {
		.expires = parse_expires(m->p),
		.confidence = confidence < 0 ? parse_confidence(m->p) : (unsigned)confidence,
		.note = str_from(note),
		.reference = str_from(m->uuid),
	};
	struct parse_value v = { .type = types[type].type, .place = str_from(place), .text = text };
	enum part part = types[type].part;
	if (part == FIRST || part == BOTH)
		v.text = str_sub(text, 0, bar);
	if (part == SECOND)
		v.text = str_sub(text, bar + 1, text.n);
	parse_add(m->p, &v, &e);
	if (part != BOTH)
		return;
	v.type = INTEL_ADDRESS;
	v.text = str_sub(text, bar + 1, text.n);
	parse_add(m->p, &v, &e);
}

static void read_attribute(struct misp *m, struct str value, uint64_t number)
{
	const char *why;
	char place[120];
	json_t *a = tree_of(value, &why);
	if (!a) {
		snprintf(place, sizeof(place), "attribute %llu of event %s", (unsigned long long)number, m->uuid);
		feed_bad(m->p->maker, 0, str_from(place), why);
		return;
	}
	struct str type = tree_text(a, "type");
	size_t t = 0;
	while (t < ARRAY_LEN(types) && !str_eq(type, str_from(types[t].name)))
		t++;
	if (!is_true(json_object_get(a, "to_ids")) || is_true(json_object_get(a, "deleted"))) {
		m->p->maker->head.left++;
	} else if (t == ARRAY_LEN(types)) {
		snprintf(place, sizeof(place), "attribute " STR_FMT ", type " STR_FMT,
		         STR_ARG(str_sub(tree_text(a, "uuid"), 0, 36)), STR_ARG(str_sub(type, 0, 24)));
		feed_bad(m->p->maker, 0, str_from(place), "no kind of value that is looked up");
	} else {
		add_value(m, a, t);
	}
	json_decref(a);
}

static void read_attributes(struct misp *m, struct str value)
{
	struct doc d;
	struct str key, item;
	uint64_t number = 0;
	if (doc_open(&d, value) && !d.object)
		while (!m->p->maker->failed && doc_next(&d, &key, &item))
			read_attribute(m, item, ++number);
}

/* MISP's objects: a file, a connection, each with attributes of its own. */
static void read_objects(struct misp *m, struct str value)
{
	struct doc list, object;
	struct str key, item, inner;
	if (!doc_open(&list, value) || list.object)
		return;
	while (doc_next(&list, &key, &item)) {
		if (!doc_open(&object, item) || !object.object)
			continue;
		while (doc_next(&object, &key, &inner))
			if (str_eq(key, STR("Attribute")))
				read_attributes(m, inner);
	}
}

static void copy_text(char *to, size_t size, struct str value)
{
	json_t *v = value.n < 65536 ? json_loadb(value.p, value.n, JSON_DECODE_ANY, NULL) : NULL;
	snprintf(to, size, "%s", json_is_string(v) ? json_string_value(v) : "");
	json_decref(v);
}

static void read_event(struct misp *m, struct str value)
{
	struct doc d;
	struct str key, item;
	const char *why;
	if (!doc_open(&d, value) || !d.object)
		return;
	m->seen = true;
	m->confidence = -1;
	*m->info = *m->uuid = '\0';
	struct doc again = d;
	while (doc_next(&d, &key, &item)) {
		if (str_eq(key, STR("info")))
			copy_text(m->info, sizeof(m->info), item);
		else if (str_eq(key, STR("uuid")))
			copy_text(m->uuid, sizeof(m->uuid), item);
		else if (str_eq(key, STR("Tag"))) {
			json_t *list = tree_of(item, &why);
			m->confidence = tags(list);
			json_decref(list);
		}
	}
	while (doc_next(&again, &key, &item)) {
		if (str_eq(key, STR("Attribute")))
			read_attributes(m, item);
		else if (str_eq(key, STR("Object")))
			read_objects(m, item);
	}
}

/* {"Event": ...}, {"response": [...]}, a list of these, or the event itself. */
static void read_any(struct misp *m, struct str value, unsigned depth)
{
	struct doc d, again;
	struct str key, item;
	bool wrapped = false;
	if (depth > 4 || !doc_open(&d, value))
		return;
	again = d;
	while (doc_next(&d, &key, &item)) {
		bool event = str_eq(key, STR("Event")), answer = str_eq(key, STR("response"));
		if (event)
			read_event(m, item);
		else if (answer || !again.object)
			read_any(m, item, depth + 1);
		wrapped |= event || answer || !again.object;
	}
	if (wrapped)
		return;
	while (doc_next(&again, &key, &item))
		if (str_eq(key, STR("Attribute"))) {
			/* {"response": {"Attribute": [...]}}: attributes that were searched for stand alone */
			read_event(m, value);
			return;
		}
}

void parse_misp(struct intel_parse *p, struct str doc)
{
	struct misp m = { .p = p, .confidence = -1 };
	read_any(&m, doc, 0);
	if (!m.seen)
		feed_bad(p->maker, 0, STR("Event"), "no event is in it");
}
