#include "intel/parse.h"

#include "base/json.h"

#include <errno.h>
#include <stdio.h>

const char *const intel_formats[] = { "auto", "list", "stix", "misp", NULL };

int64_t parse_expires(const struct intel_parse *p)
{
	return p->lives ? p->now + p->lives : 0;
}

unsigned parse_confidence(const struct intel_parse *p)
{
	return p->confidence < 0 ? INTEL_CONFIDENCE_UNTOLD : (unsigned)p->confidence;
}

void parse_add(struct intel_parse *p, const struct parse_value *v, const struct feed_entry *e)
{
	struct indicator i;
	struct feed_entry entry = *e;
	if (e->expires && e->expires <= p->now) {
		p->maker->head.left++;
		return;
	}
	const char *why = indicator_read(&i, v->text, v->type, p->flags | v->flags);
	entry.indicator = &i;
	if (why)
		feed_bad(p->maker, v->line, v->line ? v->text : v->place, why);
	else
		feed_add(p->maker, &entry);
}

/* --- going through a document --- */

static void skip_blanks(struct str *s)
{
	size_t i = 0;
	while (i < s->n && (s->p[i] == ' ' || s->p[i] == '\n' || s->p[i] == '\r' || s->p[i] == '\t'))
		i++;
	*s = str_sub(*s, i, s->n);
}

/* Bytes of the value that s begins with; its document is known to be good. */
static size_t value_end(struct str s)
{
	size_t i = 1;
	if (s.p[0] == '{' || s.p[0] == '[') {
		struct json_end end = { 0 };
		return json_end(&end, s) == JSON_DONE ? end.at : s.n;
	}
	if (s.p[0] == '"') {
		while (i < s.n && s.p[i] != '"')
			i += s.p[i] == '\\' ? 2 : 1;
		return i < s.n ? i + 1 : s.n;
	}
	while (i < s.n && !memchr(",]} \n\r\t", s.p[i], 7))
		i++;
	return i;
}

bool doc_open(struct doc *d, struct str value)
{
	value = str_trim(value);
	if (value.n < 2 || (value.p[0] != '{' && value.p[0] != '['))
		return false;
	*d = (struct doc){ str_sub(value, 1, value.n - 2), value.p[0] == '{' };
	return true;
}

bool doc_next(struct doc *d, struct str *key, struct str *value)
{
	struct str s = d->rest;
	skip_blanks(&s);
	if (s.n && s.p[0] == ',')
		s = str_sub(s, 1, s.n);
	skip_blanks(&s);
	*key = (struct str){ 0 };
	if (!s.n)
		return false;
	if (d->object) {
		size_t n = value_end(s);
		if (n < 2 || n == s.n)
			return false;
		*key = str_sub(s, 1, n - 2);
		s = str_sub(s, n, s.n);
		skip_blanks(&s);
		s = str_sub(s, 1, s.n); /* the colon */
		skip_blanks(&s);
		if (!s.n)
			return false;
	}
	size_t n = value_end(s);
	*value = str_sub(s, 0, n);
	d->rest = str_sub(s, n, s.n);
	return true;
}

/* --- which format --- */

/* Which of two kinds of document it is is told by the names of its first level, or of its first element's. */
static enum intel_format document_kind(struct str doc)
{
	struct doc d;
	struct str key, value;
	bool typed = false;
	if (!doc_open(&d, doc))
		return INTEL_AUTO;
	if (!d.object)
		return doc_next(&d, &key, &value) ? document_kind(value) : INTEL_AUTO;
	while (doc_next(&d, &key, &value)) {
		if (str_eq(key, STR("objects")) || str_eq(key, STR("spec_version")))
			return INTEL_STIX;
		if (str_eq(key, STR("Event")) || str_eq(key, STR("response")) || str_eq(key, STR("Attribute")))
			return INTEL_MISP;
		typed |= str_eq(key, STR("type"));
	}
	return typed ? INTEL_STIX : INTEL_AUTO;
}

static bool looks_like_json(struct str s)
{
	s = str_trim(str_sub(s, 0, 4096));
	if (s.n < 2 || (s.p[0] != '{' && s.p[0] != '['))
		return false;
	s = str_trim(str_sub(s, 1, s.n));
	return s.n && memchr("{\"]}", s.p[0], 4); /* "[2001:db8::1]" is none */
}

int intel_parse(struct intel_parse *p, const char *file, struct str bytes, struct err *err)
{
	struct json_error error;
	enum intel_format format = p->format;
	p->maker->file = file;
	if (str_starts(bytes, STR("\xef\xbb\xbf")))
		bytes = str_sub(bytes, 3, bytes.n);
	bool document = format ? format != INTEL_LIST : looks_like_json(bytes);
	if (document && !json_valid(bytes, &error))
		return err_set(err, -EBADMSG, "%s: byte %zu: %s: no JSON", file, error.at + 1, error.reason);
	if (!format)
		format = document ? document_kind(bytes) : INTEL_LIST;
	if (format == INTEL_LIST)
		parse_list(p, bytes);
	else if (format == INTEL_STIX)
		parse_stix(p, bytes);
	else if (format == INTEL_MISP)
		parse_misp(p, bytes);
	else
		return err_set(err, -EBADMSG,
		               "%s: JSON, but neither a STIX bundle (\"objects\") nor a MISP event (\"Event\")", file);
	snprintf(p->maker->head.format, sizeof(p->maker->head.format), "%s", intel_formats[format]);
	return 0;
}
