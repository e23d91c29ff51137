#include "cmd/find_print.h"

#include "base/clock.h"
#include "base/json_walk.h"
#include "cmd/term.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FIELDS_MAX = 600 /* bytes of fields that are shown where there is no line */ };

/* --- the event's fields: tag 0 is the object itself, i + 1 stands behind keys[i] --- */

static bool make_room(void **at, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return true;
	size_t more = *cap ? *cap * 2 : 64;
	void *p = realloc(*at, more * size);
	if (!p)
		return false;
	*at = p;
	*cap = more;
	return true;
}

static uint32_t member(void *ctx, uint32_t tag, uint32_t object, struct str key)
{
	struct find_printer *p = ctx;
	struct str path =
	        tag ? arena_printf(&p->arena, STR_FMT "." STR_FMT, STR_ARG(p->keys[tag - 1].path), STR_ARG(key)) : key;
	if (!path.p || !make_room((void **)&p->keys, p->n_keys, &p->cap_keys, sizeof(*p->keys))) {
		p->failed = true;
		return 0;
	}
	p->keys[p->n_keys++].path = path;
	return (uint32_t)p->n_keys;
}

static void scalar(void *ctx, uint32_t tag, struct str text, enum json_type type)
{
	struct find_printer *p = ctx;
	text = json_unescape(&p->arena, text);
	if (!text.p || !make_room((void **)&p->fields, p->n, &p->cap, sizeof(*p->fields))) {
		p->failed = true;
		return;
	}
	p->fields[p->n++] = (struct find_field){ tag ? p->keys[tag - 1].path : STR(""), text };
}

static void take_fields(struct find_printer *p, struct str json)
{
	static const struct json_visitor visitor = { member, scalar };
	struct json_error error;
	p->n = p->n_keys = 0;
	p->failed = false;
	arena_reset(&p->arena);
	json_walk(json_kernel(), json, 0, &visitor, p, &error);
}

static struct str field(const struct find_printer *p, struct str path)
{
	for (size_t i = 0; i < p->n; i++)
		if (str_eq(p->fields[i].path, path))
			return p->fields[i].text;
	return (struct str){ 0 };
}

/* --- where terms stand in a text --- */

static char fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Where `text` first stands in s from `from` on, cases alike, or s.n. */
static size_t find_text_in(struct str s, size_t from, struct str text)
{
	for (; text.n && from + text.n <= s.n; from++) {
		size_t i = 0;
		while (i < text.n && fold(s.p[from + i]) == fold(text.p[i]))
			i++;
		if (i == text.n)
			return from;
	}
	return s.n;
}

static bool concerns(const struct event_term *t, struct str path)
{
	return !t->negated && t->text.n && (!t->field.n || !path.p || str_eq(t->field, path));
}

/* The first place from `from` on where some term stands, and which; s.n: none. */
static size_t next_hit(const struct find_printer *p, struct str path, struct str s, size_t from,
                       const struct event_term **term)
{
	size_t best = s.n;
	for (size_t i = 0; i < p->n_terms; i++) {
		if (!concerns(&p->terms[i], path))
			continue;
		size_t at = find_text_in(s, from, p->terms[i].text);
		if (at < best) {
			best = at;
			*term = &p->terms[i];
		}
	}
	return best;
}

static bool has_hit(const struct find_printer *p, const struct find_field *f)
{
	const struct event_term *term;
	return next_hit(p, f->path, f->text, 0, &term) < f->text.n;
}

/* The text made safe, what the terms are about in colour. path.p NULL: the whole line, in which all fields stand. */
static void add_text(struct find_printer *p, struct buf *out, struct str path, struct str s)
{
	const struct event_term *term = NULL;
	size_t from = 0;
	while (p->color && from < s.n) {
		size_t at = next_hit(p, path, s, from, &term);
		if (at == s.n)
			break;
		size_t n = term->text.n;
		term_safe(out, str_sub(s, from, at - from));
		buf_add(out, STR("\033[1;31m"));
		term_safe(out, str_sub(s, at, n));
		buf_add(out, STR("\033[0m"));
		from = at + n;
	}
	term_safe(out, str_sub(s, from, s.n));
}

static void add_field(struct find_printer *p, struct buf *out, const struct find_field *f)
{
	term_safe(out, f->path);
	buf_putc(out, '=');
	add_text(p, out, f->path, f->text);
}

/* What every event has, and what the columns in front show already. */
static bool is_envelope(struct str path)
{
	return str_eq(path, STR("@timestamp")) || str_eq(path, STR("host.name")) ||
	       str_eq(path, STR("event.dataset")) || str_starts(path, STR("khien."));
}

/* Fields that a term holds for and that the line, which is of field `path`, doesn't show. */
static void add_hits(struct find_printer *p, struct buf *out, struct str path, struct str line)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct find_field *f = &p->fields[i];
		const struct event_term *term = NULL;
		if (next_hit(p, f->path, f->text, 0, &term) == f->text.n || str_eq(f->path, STR("host.name")) ||
		    str_eq(f->path, STR("event.dataset")) || (path.p && str_eq(f->path, path)))
			continue;
		if ((!path.p || !term->field.n) && find_text_in(line, 0, term->text) < line.n)
			continue;
		buf_add(out, STR("  "));
		add_field(p, out, f);
	}
}

/* Where there is no line: fields, those with hits first, as many as are readable. */
static void add_fields(struct find_printer *p, struct buf *out)
{
	size_t start = out->n;
	for (int hits = 1; hits >= 0; hits--)
		for (size_t i = 0; i < p->n && out->n - start < FIELDS_MAX; i++) {
			if (is_envelope(p->fields[i].path) || has_hit(p, &p->fields[i]) != hits)
				continue;
			if (out->n > start)
				buf_putc(out, ' ');
			add_field(p, out, &p->fields[i]);
		}
}

static void add_time(struct buf *out, int64_t us)
{
	time_t s = us / CLOCK_S;
	struct tm tm;
	char date[64];
	if (localtime_r(&s, &tm) && strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm))
		buf_add(out, str_from(date));
}

void find_print(struct find_printer *p, const struct event_row *row, struct buf *out)
{
	take_fields(p, row->json);
	struct str host = field(p, STR("host.name")), line = field(p, STR("event.original")), path = { 0 };
	if (!line.n) {
		path = STR("message");
		line = field(p, path);
	}
	add_time(out, row->time);
	buf_add(out, STR("  "));
	if (host.n)
		add_text(p, out, STR("host.name"), host);
	else
		buf_putc(out, '-');
	buf_add(out, STR("  "));
	buf_add(out, p->color ? STR("\033[2m") : STR(""));
	term_safe(out, row->dataset);
	buf_add(out, p->color ? STR("\033[0m  ") : STR("  "));
	if (line.n) {
		add_text(p, out, path, line);
		add_hits(p, out, path, line);
	} else {
		add_fields(p, out);
	}
	buf_putc(out, '\n');
}

void find_printer_done(struct find_printer *p)
{
	free(p->fields);
	free(p->keys);
	arena_free(&p->arena);
}

const char *find_number(enum language language, uint64_t n, char *buf)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	char *to = buf;
	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*to++ = language == LANG_VI ? '.' : ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return buf;
}
