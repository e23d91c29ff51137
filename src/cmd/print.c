#include "cmd/print.h"

#include "base/clock.h"
#include "cmd/term.h"
#include "event/who.h"

#include <time.h>

enum {
	INDENT = 4,
	WIDTH = 100,
	TITLE = 48,        /* columns; longer ones are shown whole */
	LINE_VALUE = 160,  /* columns of a value in a line */
	BLOCK_VALUE = 800, /* and in a block, where it is folded */
};

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

enum { DATE = 1, TIME_OF_DAY = 2 };

static void add_date(struct buf *out, const struct print_options *o, int64_t us, int parts)
{
	time_t s = us / CLOCK_S;
	struct tm tm;
	char date[32], time_of_day[32];
	if (o->local_time)
		localtime_r(&s, &tm);
	else
		gmtime_r(&s, &tm);
	strftime(date, sizeof(date), "%Y-%m-%d", &tm);
	strftime(time_of_day, sizeof(time_of_day), "%H:%M:%S", &tm);
	buf_printf(out, "%s%s%s", parts & DATE ? date : "", parts == (DATE | TIME_OF_DAY) ? " " : "",
	           parts & TIME_OF_DAY ? time_of_day : "");
	if (!o->local_time)
		buf_putc(out, 'Z');
}

/* In a column of its own, also where there is none. */
static void add_time(struct buf *out, const struct print_options *o, int64_t us)
{
	if (us)
		add_date(out, o, us, DATE | TIME_OF_DAY);
	else
		buf_printf(out, "%-*s", o->local_time ? 19 : 20, "-");
	buf_add(out, STR("  "));
}

static const char *level_name(enum language language, unsigned level)
{
	return words(language, WORD_LEVEL_NONE + (enum word)(level <= LEVEL_CRITICAL ? level : 0));
}

static void add_padding(struct buf *out, size_t columns, size_t width)
{
	if (columns < width)
		buf_printf(out, "%*s", (int)(width - columns), "");
}

static size_t columns_of(const char *text)
{
	return term_columns(str_from(text));
}

static size_t level_width(const struct print_options *o)
{
	size_t width = 0;
	for (unsigned l = 0; l <= LEVEL_CRITICAL; l++)
		if (columns_of(level_name(o->language, l)) > width)
			width = columns_of(level_name(o->language, l));
	return width;
}

/* Coloured, and as wide as the widest of its language. */
static void add_level(struct buf *out, const struct print_options *o, unsigned level)
{
	const char *name = level_name(o->language, level);
	buf_printf(out, "%s%s%s", print_level_color(level, o->color), name, PLAIN(o));
	add_padding(out, columns_of(name), level_width(o) + 2);
}

static void add_recording(struct buf *out, const struct print_options *o)
{
	if (o->recording)
		buf_printf(out, "%s %s %s ", o->color ? "\033[1;30;43m" : "[", words(o->language, WORD_RECORDING),
		           o->color ? PLAIN(o) : "]");
}

/* The beginning of an id is enough to find a rule by; its name, or nothing, where it has none. */
static void add_rule_name(struct buf *out, const struct ruleset *rs, const struct rule *r)
{
	struct str id = ruleset_text(rs, r->id);
	bool uuid = id.n == 36 && id.p[8] == '-';
	term_safe(out, uuid ? str_sub(id, 0, 8) : id.n ? id : ruleset_text(rs, r->name));
}

static void add_place(struct buf *out, const struct match *m)
{
	term_safe(out, str_from(m->file ? m->file : "-"));
	if (m->line)
		buf_printf(out, ":%llu", (unsigned long long)m->line);
}

/* s made safe, cut to so many columns; what was cut is told. */
static void add_cut(struct buf *out, struct str s, size_t columns)
{
	struct str shown = term_cut(str_sub(s, 0, columns * 4), columns);
	term_safe(out, shown);
	if (shown.n < s.n)
		buf_printf(out, "… (+%zu bytes)", s.n - shown.n);
}

/* "host web1  user root  from 203.0.113.9"; the first label takes up at least so many columns. */
static void add_who(struct buf *out, const struct print_options *o, struct str host, struct str user,
                    struct str address, size_t label_width)
{
	const struct {
		enum word label;
		struct str text;
	} parts[] = { { WORD_HOST, host }, { WORD_USER, user }, { WORD_FROM, address } };
	const char *lead = "";
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (!parts[i].text.n)
			continue;
		const char *label = words(o->language, parts[i].label);
		buf_printf(out, "%s%s%s%s ", lead, DIM(o), label, PLAIN(o));
		add_padding(out, *lead ? label_width : columns_of(label), label_width);
		add_cut(out, parts[i].text, 80);
		lead = "  ";
	}
}

/* The field says again who it was. */
static bool is_who(const struct match *m, const struct match_field *f)
{
	return (who_rank(WHO_USER, f->name) >= 0 && str_eq(f->text, m->user)) ||
	       (who_rank(WHO_ADDRESS, f->name) >= 0 && str_eq(f->text, m->address));
}

/* A match in one line: what is always there stands in columns, what can be long comes last. */
static void print_line(struct buf *out, const struct print_options *o, const struct ruleset *rs, const struct match *m)
{
	struct buf title = { 0 };
	add_recording(out, o);
	add_time(out, o, m->time);
	add_level(out, o, m->rule->level);
	term_safe(&title, ruleset_text(rs, m->rule->title));
	if (m->count > 1)
		buf_printf(&title, " ×%u", m->count);
	buf_add(out, str_from(BOLD(o)));
	buf_add(out, buf_str(&title));
	buf_add(out, str_from(PLAIN(o)));
	add_padding(out, term_columns(buf_str(&title)), TITLE);
	buf_free(&title);
	buf_add(out, STR("  "));
	add_place(out, m);
	buf_printf(out, "  %s", DIM(o));
	add_rule_name(out, rs, m->rule);
	buf_printf(out, "%s%s", PLAIN(o), m->host.n || m->user.n || m->address.n ? "  " : "");
	add_who(out, o, m->host, m->user, m->address, 0);
	for (uint32_t i = 0; i < m->n_fields; i++) {
		if (is_who(m, &m->fields[i]))
			continue;
		buf_printf(out, "  %s", DIM(o));
		term_safe(out, m->fields[i].name);
		buf_printf(out, "=%s", PLAIN(o));
		add_cut(out, m->fields[i].text, LINE_VALUE);
	}
	buf_putc(out, '\n');
}

/* Folds a text that is safe already, and begins in column `at`: at blanks, else anywhere; what follows is indented. */
static void add_folded(struct buf *out, struct str text, size_t width, size_t at, size_t indent)
{
	for (; text.n; at = indent) {
		struct str line = term_cut(text, width > at + 20 ? width - at : 20);
		if (line.n < text.n && text.p[line.n] != ' ') {
			size_t n = line.n;
			while (n && line.p[n - 1] != ' ')
				n--;
			if (n > line.n / 2) /* Chinese has no blanks: it may break anywhere */
				line.n = n;
		}
		if (!line.n)
			line.n = text.n;
		text = str_sub(text, line.n, text.n);
		while (text.n && text.p[0] == ' ')
			text = str_sub(text, 1, text.n);
		buf_add(out, line.n && text.n ? str_trim(line) : line);
		if (text.n)
			buf_printf(out, "\n%*s", (int)indent, "");
	}
}

static size_t label_width(const struct print_options *o)
{
	static const enum word labels[] = { WORD_HOST, WORD_WHAT, WORD_RULE, WORD_LOOK, WORD_ADVICE };
	size_t width = 0;
	for (size_t i = 0; i < ARRAY_LEN(labels); i++)
		if (columns_of(words(o->language, labels[i])) > width)
			width = columns_of(words(o->language, labels[i]));
	return width;
}

/* Begins a row of a block; first: with its label. Returns the column that follows. */
static size_t add_label(struct buf *out, const struct print_options *o, enum word label, bool first)
{
	size_t width = label_width(o);
	const char *text = first ? words(o->language, label) : "";
	buf_printf(out, "%*s%s%s%s", INDENT, "", label == WORD_ADVICE ? BOLD(o) : DIM(o), text, PLAIN(o));
	add_padding(out, columns_of(text), width + 1);
	return INDENT + width + 1;
}

static size_t width_of(const struct print_options *o)
{
	return o->width ? o->width : WIDTH;
}

/* "count(c-ip)" of "c-ip": a correlation carries its result under the name of its field too, for others. */
static bool is_result_of(struct str result, struct str name)
{
	size_t open = str_find(result, '(');
	return result.n == open + name.n + 2 && str_eq(str_sub(result, open + 1, name.n), name);
}

/* Of what is carried the one at `at`: is it shown already? */
static bool is_shown(const struct match *m, uint32_t at)
{
	const struct match_field *f = &m->carried[at];
	for (uint32_t i = 0; i < m->n_fields; i++)
		if (str_eq(m->fields[i].name, f->name) || is_result_of(m->fields[i].name, f->name))
			return true;
	for (uint32_t i = 0; i < m->n_carried; i++)
		if ((i < at && str_eq(m->carried[i].name, f->name)) || is_result_of(m->carried[i].name, f->name))
			return true;
	return false;
}

static void add_fields(struct buf *out, const struct print_options *o, const struct match *m)
{
	bool first = true;
	for (uint32_t i = 0; i < m->n_fields + m->n_carried; i++) {
		bool matched = i < m->n_fields;
		const struct match_field *f = matched ? &m->fields[i] : &m->carried[i - m->n_fields];
		if ((!matched && (!f->text.n || is_shown(m, i - m->n_fields))) || is_who(m, f))
			continue;
		struct buf name = { 0 }, value = { 0 };
		size_t at = add_label(out, o, WORD_WHAT, first);
		first = false;
		term_safe(&name, f->name);
		add_cut(&value, f->text, BLOCK_VALUE);
		buf_printf(out, "%s" STR_FMT "=%s", DIM(o), STR_ARG(buf_str(&name)), PLAIN(o));
		at += term_columns(buf_str(&name)) + 1;
		add_folded(out, buf_str(&value), width_of(o), at, at < width_of(o) / 2 ? at : INDENT * 2);
		buf_putc(out, '\n');
		buf_free(&name);
		buf_free(&value);
	}
}

/* The rule, its tags, and where to look. */
static void add_rule(struct buf *out, const struct print_options *o, const struct ruleset *rs, const struct match *m)
{
	struct buf row = { 0 };
	const struct rule *r = m->rule;
	size_t at = add_label(out, o, WORD_RULE, true);
	add_rule_name(&row, rs, r);
	for (uint32_t i = 0; i < r->tags.n; i++) {
		buf_add(&row, STR("  "));
		term_safe(&row, ruleset_text(rs, rs->texts[r->tags.at + i]));
	}
	add_folded(out, buf_str(&row), width_of(o), at, at);
	buf_free(&row);
	buf_putc(out, '\n');
	add_label(out, o, WORD_LOOK, true);
	add_place(out, m);
	if (m->count > 1) {
		double seconds =
		        m->first_time && m->time > m->first_time ? (double)(m->time - m->first_time) / CLOCK_S : 0;
		buf_add(out, STR("  "));
		words_add(out, o->language, WORD_EVENTS_IN, m->count, seconds);
	}
	buf_putc(out, '\n');
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
	size_t at = add_label(out, o, WORD_ADVICE, true);
	add_folded(out, buf_str(&safe), width_of(o), at, at);
	buf_putc(out, '\n');
	buf_free(&safe);
}

static void print_block(struct buf *out, const struct print_options *o, const struct ruleset *rs, const struct match *m)
{
	add_recording(out, o);
	add_time(out, o, m->time);
	add_level(out, o, m->rule->level);
	buf_add(out, str_from(BOLD(o)));
	term_safe(out, ruleset_text(rs, m->rule->title));
	buf_printf(out, "%s\n", PLAIN(o));
	if (m->host.n || m->user.n || m->address.n) {
		buf_printf(out, "%*s", INDENT, "");
		add_who(out, o, m->host, m->user, m->address, label_width(o));
		buf_putc(out, '\n');
	}
	add_fields(out, o, m);
	add_rule(out, o, rs, m);
	add_advice(out, o, rs, m->rule);
	buf_putc(out, '\n');
}

void print_match_text(struct buf *out, const struct print_options *o, const struct ruleset *rs, const struct match *m)
{
	if (o->block)
		print_block(out, o, rs, m);
	else
		print_line(out, o, rs, m);
}

/* A time of day; with its date where that is another than `day`'s. */
static void add_clock(struct buf *out, const struct print_options *o, int64_t us, int64_t day)
{
	struct buf a = { 0 }, b = { 0 };
	add_date(&a, o, us, DATE);
	add_date(&b, o, day, DATE);
	bool same = str_eq(buf_str(&a), buf_str(&b));
	buf_free(&a);
	buf_free(&b);
	add_date(out, o, us, same ? TIME_OF_DAY : DATE | TIME_OF_DAY);
}

void print_group_text(struct buf *out, const struct print_options *o, const struct ruleset *rs, const struct group *g,
                      enum group_news news)
{
	const struct rule *r = &rs->rules[g->rule];
	const struct str parts[] = { ruleset_text(rs, r->title), g->host, g->user, g->address };
	struct buf row = { 0 }, since = { 0 };
	add_recording(out, o);
	size_t at = out->n;
	add_time(out, o, g->last);
	at = out->n - at + level_width(o) + 2 + (o->recording ? columns_of(words(o->language, WORD_RECORDING)) + 5 : 0);
	add_level(out, o, r->level);
	words_add(&row, o->language, news == GROUP_OVER ? WORD_TIMES_OVER : WORD_TIMES_MORE,
	          (unsigned long long)g->count);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		buf_add(&row, parts[i].n ? i ? STR(" · ") : STR("  ") : STR(""));
		add_cut(&row, parts[i], 80);
	}
	if (g->first) {
		add_clock(&since, o, g->first, g->last);
		buf_putc(&since, '\0');
		buf_add(&row, STR(" · "));
		words_add(&row, o->language, WORD_SINCE, since.p ? since.p : "");
	}
	add_folded(out, buf_str(&row), o->width ? o->width : SIZE_MAX, at, at < o->width / 2 ? at : INDENT);
	buf_putc(out, '\n');
	buf_free(&row);
	buf_free(&since);
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

static void add_rule_json(struct buf *out, const struct ruleset *rs, const struct rule *r)
{
	buf_add(out, STR("\"rule\":{\"id\":"));
	buf_add_json(out, ruleset_text(rs, r->id));
	buf_add(out, STR(",\"title\":"));
	buf_add_json(out, ruleset_text(rs, r->title));
	buf_printf(out, ",\"level\":\"%s\",\"tags\":[", print_level(r->level));
	for (uint32_t i = 0; i < r->tags.n; i++) {
		if (i)
			buf_putc(out, ',');
		buf_add_json(out, ruleset_text(rs, rs->texts[r->tags.at + i]));
	}
	buf_add(out, STR("]}"));
}

void print_match_json(struct buf *out, const struct ruleset *rs, const struct match *m)
{
	buf_putc(out, '{');
	add_rule_json(out, rs, m->rule);
	buf_add(out, STR(",\"at\":{\"file\":"));
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

void print_group_json(struct buf *out, const struct ruleset *rs, const struct group *g, enum group_news news)
{
	static const char *const names[] = {
		[GROUP_NEW] = "new", [GROUP_MORE] = "more", [GROUP_OVER] = "over", [GROUP_ALONE] = "alone"
	};
	const struct {
		const char *name;
		struct str text;
	} texts[] = { { "host", g->host }, { "user", g->user }, { "address", g->address } };
	buf_printf(out, "{\"id\":\"%s\",\"news\":\"%s\",", g->id, names[news]);
	add_rule_json(out, rs, &rs->rules[g->rule]);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (!texts[i].text.n)
			continue;
		buf_printf(out, ",\"%s\":", texts[i].name);
		buf_add_json(out, texts[i].text);
	}
	buf_printf(out, ",\"count\":%llu", (unsigned long long)g->count);
	if (g->first) {
		buf_add(out, STR(",\"first\":\""));
		print_time_utc(out, g->first);
		buf_add(out, STR("\",\"last\":\""));
		print_time_utc(out, g->last);
		buf_putc(out, '"');
	}
	buf_putc(out, '}');
}
