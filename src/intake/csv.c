/*
 * CSV with a header (RFC 4180; comma, semicolon, tab or bar, told by the header), and the tab-separated logs of Zeek,
 * which name their columns in lines that begin with "#".
 */
#include "intake/formats.h"
#include "intake/framer.h"
#include "intake/text.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { MAX_COLUMNS = 4096 };

struct columns {
	atomic_uint refs;
	bool zeek;
	char separator;
	struct str set_separator, empty, unset, path; /* Zeek only */
	size_t n;
	struct str *names; /* n, in text */
	bool *is_set;      /* n: Zeek's set[...] and vector[...] */
	struct arena text;
};

struct columns *columns_ref(struct columns *c)
{
	if (c)
		atomic_fetch_add(&c->refs, 1);
	return c;
}

void columns_unref(struct columns *c)
{
	if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	arena_free(&c->text);
	free(c);
}

bool columns_is_meta(struct str line)
{
	return str_starts(line, STR("#separator ")) || str_starts(line, STR("#fields\t"));
}

/* What separates most columns of a header, outside of quotes. */
static char guess_separator(struct str header)
{
	static const char candidates[] = ",;\t|";
	size_t counts[4] = { 0 }, best = 0;
	bool quoted = false;
	for (size_t i = 0; i < header.n; i++) {
		const char *at = header.p[i] ? strchr(candidates, header.p[i]) : NULL;
		quoted ^= header.p[i] == '"';
		if (at && *at && !quoted)
			counts[at - candidates]++;
	}
	for (size_t i = 1; i < 4; i++)
		if (counts[i] > counts[best])
			best = i;
	return candidates[best];
}

/* A quoted field without its quotes; "" in it is one quote. */
static struct str unquote(struct arena *a, struct str s)
{
	if (s.n < 2 || s.p[0] != '"' || s.p[s.n - 1] != '"')
		return s;
	s = str_sub(s, 1, s.n - 2);
	if (str_find(s, '"') == s.n)
		return s;
	char *to = arena_alloc(a, s.n), *at = to;
	for (size_t i = 0; to && i < s.n; i++) {
		*at++ = s.p[i];
		if (s.p[i] == '"' && i + 1 < s.n && s.p[i + 1] == '"')
			i++;
	}
	return (struct str){ to, to ? (size_t)(at - to) : 0 };
}

/* Cuts the next field off *s, quotes and all. *more: a separator stood behind it. */
static struct str cut_field(struct str *s, char separator, bool quoted, bool *more)
{
	size_t i = 0;
	bool inside = false;
	for (; i < s->n && (inside || s->p[i] != separator); i++)
		if (quoted && s->p[i] == '"' && (inside || !i || s->p[i - 1] == '"'))
			inside = !inside;
	struct str field = str_sub(*s, 0, i);
	*more = i < s->n;
	*s = str_sub(*s, i + 1, s->n);
	return field;
}

/* Names the columns by the fields of s. 0 or -errno. */
static int set_names(struct columns *c, struct str s, struct err *err)
{
	bool more = true;
	c->n = 0;
	c->names = arena_alloc(&c->text, MAX_COLUMNS * sizeof(*c->names));
	c->is_set = arena_zalloc(&c->text, MAX_COLUMNS * sizeof(*c->is_set));
	struct str text = arena_copy(&c->text, s);
	if (!c->names || !c->is_set || !text.p)
		return err_set(err, -ENOMEM, "CSV header: %m");
	while (more) {
		if (c->n == MAX_COLUMNS)
			return err_set(err, -E2BIG, "CSV header with more than %d columns", MAX_COLUMNS);
		struct str name = cut_field(&text, c->separator, !c->zeek, &more);
		c->names[c->n++] = str_trim(unquote(&c->text, str_trim(name)));
	}
	return 0;
}

/* "\x09" */
static char zeek_separator(struct columns *c, struct str value)
{
	struct str byte = text_unescape(&c->text, value);
	return byte.n == 1 ? byte.p[0] : '\t';
}

static void zeek_types(struct columns *c, struct str types)
{
	bool more = true;
	for (size_t i = 0; more && i < c->n; i++) {
		struct str type = cut_field(&types, c->separator, false, &more);
		c->is_set[i] = str_starts(type, STR("set[")) || str_starts(type, STR("vector["));
	}
}

static int read_zeek_header(struct columns *c, struct str header, struct err *err)
{
	struct str line, rest = arena_copy(&c->text, header);
	int r = 0;
	c->zeek = true;
	c->separator = '\t';
	c->set_separator = STR(",");
	c->empty = STR("(empty)");
	c->unset = STR("-");
	while (!r && text_line(&rest, &line)) {
		size_t n = 0;
		while (n < line.n && line.p[n] != ' ' && line.p[n] != c->separator)
			n++;
		struct str key = str_sub(line, 0, n), value = str_sub(line, n + 1, line.n);
		if (str_eq(key, STR("#separator")))
			c->separator = zeek_separator(c, value);
		else if (str_eq(key, STR("#set_separator")))
			c->set_separator = value;
		else if (str_eq(key, STR("#empty_field")))
			c->empty = value;
		else if (str_eq(key, STR("#unset_field")))
			c->unset = value;
		else if (str_eq(key, STR("#path")))
			c->path = value;
		else if (str_eq(key, STR("#fields")))
			r = set_names(c, value, err);
		else if (str_eq(key, STR("#types")))
			zeek_types(c, value);
	}
	return r || c->n ? r : err_set(err, -ENOENT, "Zeek header without #fields");
}

int columns_new(struct columns **ret, struct str header, bool zeek, struct err *err)
{
	struct columns *c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(err, -ENOMEM, "CSV header: %m");
	c->refs = 1;
	int r;
	if (zeek) {
		r = read_zeek_header(c, header, err);
	} else {
		c->separator = guess_separator(header);
		r = set_names(c, header, err);
	}
	if (r)
		columns_unref(c);
	else
		*ret = c;
	return r;
}

static void put(struct event *ev, struct str name, struct str value)
{
	if (name.n)
		text_put_number(ev, name, value);
}

/* "\x09" within a value; a set gives a value for each element. */
static void put_zeek(struct event *ev, const struct columns *c, size_t i, struct str value)
{
	if (str_eq(value, c->unset))
		return;
	if (str_eq(value, c->empty))
		value = STR("");
	if (str_eq(c->names[i], STR("ts")))
		event_parse_time(value, &ev->time);
	bool more = c->is_set[i] && c->set_separator.n == 1;
	while (more)
		put(ev, c->names[i],
		    text_unescape(&ev->scratch, cut_field(&value, c->set_separator.p[0], false, &more)));
	if (!c->is_set[i])
		put(ev, c->names[i], text_unescape(&ev->scratch, value));
}

static int parse(struct str record, const struct columns *c, int64_t now, struct event *ev, struct err *err)
{
	struct str rest = record;
	bool more = true;
	if (!c)
		return err_set(err, -EBADMSG, "CSV without a header");
	for (size_t i = 0; more; i++) {
		struct str value = cut_field(&rest, c->separator, !c->zeek, &more);
		if (i == c->n)
			return err_set(err, -EBADMSG, "more fields than the %zu columns of the header", c->n);
		if (c->zeek)
			put_zeek(ev, c, i, value);
		else
			put(ev, c->names[i], unquote(&ev->scratch, value));
	}
	text_event(ev);
	if (c->path.n)
		text_put(ev, STR("_path"), c->path);
	return 0;
}

/* Fields of the next line, with the header's separator. */
static size_t count_fields(struct str line, char separator)
{
	size_t n = 0;
	for (bool more = true; more; n++)
		cut_field(&line, separator, true, &more);
	return n;
}

/* A header has at least two names that look like names, and the lines behind it as many fields. */
static int score(struct str head)
{
	struct str rest = head, line;
	int lines = 0, good = 0;
	if (columns_is_meta(head))
		return 100;
	do {
		if (!text_line(&rest, &line))
			return 0;
	} while (!str_trim(line).n);
	char separator = guess_separator(line);
	size_t n = count_fields(line, separator);
	struct str names = line;
	for (bool more = true; more;) {
		struct str name = cut_field(&names, separator, true, &more);
		if (!name.n || name.n > 128 || text_is_digit(name.p[0]) || str_find(name, '=') < name.n ||
		    str_find(name, '<') < name.n || str_find(name, '{') < name.n)
			return 0;
	}
	while (lines < 50 && text_line(&rest, &line) && rest.n) {
		lines++;
		good += count_fields(line, separator) == n;
	}
	if (n < 2)
		return 0;
	return lines ? 30 + 45 * good / lines : 30;
}

const struct format intake_csv = {
	.name = "csv",
	.what = "CSV with a header; tab-separated logs of Zeek",
	.framing = FRAME_CSV,
	.score = score,
	.parse = parse,
};
