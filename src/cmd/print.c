#include "cmd/print.h"

#include "base/clock.h"
#include "cmd/term.h"

#include <time.h>

enum { INDENT = 10, WIDTH = 100 };

#define BOLD(o)  ((o)->color ? "\033[1m" : "")
#define DIM(o)   ((o)->color ? "\033[2m" : "")
#define PLAIN(o) ((o)->color ? "\033[0m" : "")

const char *print_level(unsigned level)
{
	static const char *const names[] = { "", "informational", "low", "medium", "high", "critical" };
	return level < ARRAY_LEN(names) ? names[level] : "";
}

const char *print_level_color(unsigned level, bool color)
{
	static const char *const codes[] = { "", "\033[36m", "\033[34m", "\033[33m", "\033[1;31m", "\033[1;37;41m" };
	return color && level < ARRAY_LEN(codes) ? codes[level] : "";
}

void print_time_utc(struct buf *out, int64_t us)
{
	time_t s = us / CLOCK_S;
	int64_t part = us % CLOCK_S;
	if (part < 0) {
		part += CLOCK_S;
		s--;
	}
	struct tm tm;
	char date[64];
	gmtime_r(&s, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_add(out, str_from(date));
	if (part)
		buf_printf(out, ".%06d", (int)part);
	buf_putc(out, 'Z');
}

static void add_time(struct buf *out, const struct print_options *o, int64_t us)
{
	time_t s = us / CLOCK_S;
	struct tm tm;
	char date[64];
	if (o->local_time)
		localtime_r(&s, &tm);
	else
		gmtime_r(&s, &tm);
	strftime(date, sizeof(date), o->local_time ? "%Y-%m-%d %H:%M:%S" : "%Y-%m-%d %H:%M:%SZ", &tm);
	buf_add(out, str_from(date));
}

static void add_level(struct buf *out, const struct print_options *o, unsigned level)
{
	const char *name = words(o->language, WORD_LEVEL_NONE + (enum word)(level <= LEVEL_CRITICAL ? level : 0));
	size_t columns = term_columns(str_from(name));
	buf_printf(out, "%s%s%s%*s", print_level_color(level, o->color), name, PLAIN(o),
	           columns < INDENT - 1 ? (int)(INDENT - 1 - columns) : 1, "");
}

static void add_place(struct buf *out, const struct match *m)
{
	term_safe(out, str_from(m->file ? m->file : "-"));
	if (m->line)
		buf_printf(out, ":%llu", (unsigned long long)m->line);
}

static void add_field(struct buf *out, const struct print_options *o, const struct match_field *f, size_t max)
{
	buf_add(out, str_from(DIM(o)));
	term_safe(out, f->name);
	buf_printf(out, "=%s", PLAIN(o));
	term_safe(out, str_sub(f->text, 0, max));
	if (f->text.n > max)
		buf_printf(out, "... (%zu bytes)", f->text.n);
}

/* A match in one line. */
static void print_line(struct buf *out, const struct print_options *o, const struct ruleset *rs, const struct match *m)
{
	if (o->recording)
		buf_printf(out, "[%s] ", words(o->language, WORD_RECORDING));
	if (m->time) {
		add_time(out, o, m->time);
		buf_putc(out, ' ');
	}
	add_level(out, o, m->rule->level);
	add_place(out, m);
	buf_printf(out, " %s", BOLD(o));
	term_safe(out, ruleset_text(rs, m->rule->title));
	buf_add(out, str_from(PLAIN(o)));
	if (m->host.n) {
		buf_add(out, STR(" @"));
		term_safe(out, m->host);
	}
	if (m->count > 1)
		buf_printf(out, " x%u", m->count);
	for (uint32_t i = 0; i < m->n_fields; i++) {
		buf_putc(out, ' ');
		add_field(out, o, &m->fields[i], 160);
	}
	buf_putc(out, '\n');
}

/* Folds a text at blanks, each further line indented. Text of khien's own rules only: it has no escapes in it. */
static void add_folded(struct buf *out, struct str text, size_t width, size_t indent)
{
	while (text.n) {
		struct str line = term_cut(text, width > indent + 20 ? width - indent : 20);
		if (line.n < text.n) {
			size_t n = line.n;
			while (n && line.p[n - 1] != ' ')
				n--;
			if (n > line.n / 2) /* Chinese has no blanks: it may break anywhere */
				line.n = n;
		}
		if (!line.n)
			line.n = text.n;
		text = str_sub(text, line.n, text.n);
		buf_add(out, str_trim(line));
		if (text.n)
			buf_printf(out, "\n%*s", (int)indent, "");
	}
}

static bool is_shown(const struct match *m, uint32_t upto, struct str name)
{
	for (uint32_t i = 0; i < m->n_fields; i++)
		if (str_eq(m->fields[i].name, name))
			return true;
	for (uint32_t i = 0; i < upto; i++)
		if (str_eq(m->carried[i].name, name))
			return true;
	return false;
}

static void add_fields(struct buf *out, const struct print_options *o, const struct match *m)
{
	for (uint32_t i = 0; i < m->n_fields + m->n_carried; i++) {
		bool matched = i < m->n_fields;
		const struct match_field *f = matched ? &m->fields[i] : &m->carried[i - m->n_fields];
		if (!matched && (!f->text.n || is_shown(m, i - m->n_fields, f->name)))
			continue;
		buf_printf(out, "%*s", INDENT, "");
		add_field(out, o, f, 400);
		buf_putc(out, '\n');
	}
}

static void add_rule(struct buf *out, const struct print_options *o, const struct ruleset *rs, const struct rule *r)
{
	buf_printf(out, "%*s%s", INDENT, "", DIM(o));
	struct text name = r->id.len ? r->id : r->name;
	term_safe(out, ruleset_text(rs, name));
	for (uint32_t i = 0; i < r->tags.n; i++) {
		buf_add(out, STR("  "));
		term_safe(out, ruleset_text(rs, rs->texts[r->tags.at + i]));
	}
	buf_printf(out, "%s\n", PLAIN(o));
}

static void add_advice(struct buf *out, const struct print_options *o, const struct ruleset *rs, const struct rule *r)
{
	struct str advice = ruleset_text(rs, r->advice[o->language]);
	if (!advice.n)
		advice = ruleset_text(rs, r->advice[LANG_EN]);
	if (!advice.n)
		return;
	struct buf safe = { 0 };
	term_safe(&safe, str_trim(advice));
	const char *label = words(o->language, WORD_ADVICE);
	buf_printf(out, "%*s%s%s%s ", INDENT, "", BOLD(o), label, PLAIN(o));
	add_folded(out, buf_str(&safe), o->width ? o->width : WIDTH, INDENT + term_columns(str_from(label)) + 1);
	buf_putc(out, '\n');
	buf_free(&safe);
}

static void print_block(struct buf *out, const struct print_options *o, const struct ruleset *rs, const struct match *m)
{
	if (o->recording)
		buf_printf(out, "%s %s %s ", o->color ? "\033[1;30;43m" : "[", words(o->language, WORD_RECORDING),
		           o->color ? PLAIN(o) : "]");
	if (m->time) {
		add_time(out, o, m->time);
		buf_add(out, STR("  "));
	}
	add_level(out, o, m->rule->level);
	buf_add(out, str_from(BOLD(o)));
	term_safe(out, ruleset_text(rs, m->rule->title));
	buf_printf(out, "%s\n%*s", PLAIN(o), INDENT, "");
	if (m->host.n) {
		term_safe(out, m->host);
		buf_add(out, STR("  "));
	}
	add_place(out, m);
	if (m->count > 1) {
		double seconds =
		        m->first_time && m->time > m->first_time ? (double)(m->time - m->first_time) / CLOCK_S : 0;
		buf_add(out, STR("  "));
		words_add(out, o->language, WORD_EVENTS_IN, m->count, seconds);
	}
	buf_putc(out, '\n');
	add_fields(out, o, m);
	add_rule(out, o, rs, m->rule);
	add_advice(out, o, rs, m->rule);
}

void print_match_text(struct buf *out, const struct print_options *o, const struct ruleset *rs, const struct match *m)
{
	if (o->block)
		print_block(out, o, rs, m);
	else
		print_line(out, o, rs, m);
}

/* A value as the event had it: a number stays one. Formats without types have texts only. */
static void add_value(struct buf *out, const struct match_field *f)
{
	bool bare = f->text.n && (f->type == VALUE_NUMBER || f->type == VALUE_BOOL);
	for (size_t i = 0; bare && i < f->text.n; i++)
		bare = f->text.p[i] > ' ' && f->text.p[i] != '"';
	if (f->type == VALUE_NULL)
		buf_add(out, STR("null"));
	else if (bare)
		buf_add(out, f->text);
	else
		buf_add_json(out, f->text);
}

void print_match_json(struct buf *out, const struct ruleset *rs, const struct match *m)
{
	buf_add(out, STR("{\"rule\":{\"id\":"));
	buf_add_json(out, ruleset_text(rs, m->rule->id));
	buf_add(out, STR(",\"title\":"));
	buf_add_json(out, ruleset_text(rs, m->rule->title));
	buf_printf(out, ",\"level\":\"%s\",\"tags\":[", print_level(m->rule->level));
	for (uint32_t i = 0; i < m->rule->tags.n; i++) {
		if (i)
			buf_putc(out, ',');
		buf_add_json(out, ruleset_text(rs, rs->texts[m->rule->tags.at + i]));
	}
	buf_add(out, STR("]},\"at\":{\"file\":"));
	buf_add_json(out, str_from(m->file ? m->file : ""));
	buf_printf(out, ",\"line\":%llu},\"fields\":{", (unsigned long long)m->line);
	for (uint32_t i = 0; i < m->n_fields; i++) {
		if (i)
			buf_putc(out, ',');
		buf_add_json(out, m->fields[i].name);
		buf_putc(out, ':');
		add_value(out, &m->fields[i]);
	}
	buf_add(out, STR("}}"));
}
