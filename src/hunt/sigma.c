/* A hunt as a Sigma rule: a selection for each term, and a condition over them. */
#include "hunt/flow.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

struct making {
	const struct hunt *hunt;
	struct buf detection, condition;
	unsigned n; /* selections */
	struct hunt_error *error;
	bool failed;
};

static void fail(struct making *m, size_t at, size_t end, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static void fail(struct making *m, size_t at, size_t end, const char *fmt, ...)
{
	va_list ap;
	if (m->failed)
		return;
	m->failed = true;
	m->error->at = at;
	m->error->n = end - at;
	va_start(ap, fmt);
	vsnprintf(m->error->what, sizeof(m->error->what), fmt, ap);
	va_end(ap);
}

/* --- YAML --- */

static void add_scalar(struct buf *out, struct str s)
{
	bool plain = true;
	for (size_t i = 0; i < s.n; i++)
		plain = plain && (unsigned char)s.p[i] >= ' ' && s.p[i] != 0x7f;
	if (!plain) { /* JSON's strings are YAML's */
		buf_add_json(out, s);
		return;
	}
	buf_putc(out, '\'');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\'')
			buf_putc(out, '\'');
		buf_putc(out, s.p[i]);
	}
	buf_putc(out, '\'');
}

/* A text as a value of Sigma: its wildcards, and the backslashes that make the others none. */
static void add_value(struct buf *out, struct str s)
{
	struct buf value = { 0 };
	for (size_t i = 0; i < s.n; i++) {
		const unsigned char c = (unsigned char)s.p[i];
		if (c == '*' || c == '?' || c == '\\')
			buf_putc(&value, '\\');
		buf_putc(&value, c == HUNT_ANY ? '*' : c == HUNT_ONE ? '?' : (char)c);
	}
	add_scalar(out, value.n ? buf_str(&value) : STR(""));
	out->failed |= value.failed;
	buf_free(&value);
}

/* --- terms --- */

/* "field|modifier: value" below each name that the field has; any of them will do. */
struct line {
	const char *modifier;
	struct str value; /* as YAML */
};

static void add_selection(struct making *m, struct str field, const struct line *lines, size_t n)
{
	struct buf *out = &m->detection;
	const struct hunt_alias *alias = hunt_alias(field);
	const char *const one[] = { NULL, NULL };
	const char *const *names = alias ? alias->fields : one;
	buf_printf(out, "  s%u:\n", ++m->n);
	for (size_t i = 0; !i || names[i]; i++) {
		const struct str name = alias ? str_from(names[i]) : field;
		for (size_t k = 0; k < n; k++) {
			struct buf key = { 0 };
			buf_printf(&key, STR_FMT "%s", STR_ARG(name), lines[k].modifier);
			buf_add(out, k ? STR("      ") : STR("    - "));
			add_scalar(out, buf_str(&key));
			buf_printf(out, ": " STR_FMT "\n", STR_ARG(lines[k].value));
			buf_free(&key);
		}
		if (!names[i])
			break;
	}
	buf_printf(&m->condition, "s%u", m->n);
}

static void add_one(struct making *m, struct str field, const char *modifier, const struct buf *value)
{
	const struct line line = { modifier, buf_str(value) };
	m->detection.failed |= value->failed;
	add_selection(m, field, &line, 1);
}

static bool is_prose(const struct hunt_term *t)
{
	const struct hunt_alias *alias = hunt_alias(t->field);
	return t->test == TEST_IS && alias && alias->text;
}

static void add_text(struct making *m, const struct hunt_term *t)
{
	struct buf value = { 0 }, re = { 0 };
	if (t->test == TEST_WORDS || (is_prose(t) && t->text.n)) {
		hunt_words_regex(t->text, &re);
		add_scalar(&value, buf_str(&re));
		add_one(m, t->field, "|re|i", &value);
	} else if (t->test == TEST_PHRASE) {
		add_value(&value, t->text);
		buf_printf(&m->detection, "  s%u:\n    - " STR_FMT "\n", ++m->n, STR_ARG(buf_str(&value)));
		buf_printf(&m->condition, "s%u", m->n);
	} else {
		add_value(&value, t->text);
		add_one(m, t->field, "", &value);
	}
	m->detection.failed |= re.failed;
	buf_free(&value);
	buf_free(&re);
}

static void add_bound(struct making *m, const struct hunt_node *n, const struct hunt_bound *b, struct line *line,
                      const char *modifier)
{
	if (b->kind != BOUND_NUMBER)
		fail(m, n->at, n->end, "a rule compares numbers only, no %s",
		     b->kind == BOUND_TIME ? "times: the span of time is said when it is run"
		                           : "addresses: write a network");
	*line = (struct line){ modifier, b->text };
}

static void add_order(struct making *m, const struct hunt_node *n)
{
	static const char *const modifiers[] = {
		[TEST_LESS] = "|lt",
		[TEST_AT_MOST] = "|lte",
		[TEST_MORE] = "|gt",
		[TEST_AT_LEAST] = "|gte",
	};
	const struct hunt_term *t = n->term;
	struct line lines[2];
	size_t count = 0;
	if (t->test != TEST_RANGE) {
		add_bound(m, n, &t->low, &lines[count++], modifiers[t->test]);
	} else {
		if (t->low.kind)
			add_bound(m, n, &t->low, &lines[count++], t->low.open ? "|gt" : "|gte");
		if (t->high.kind)
			add_bound(m, n, &t->high, &lines[count++], t->high.open ? "|lt" : "|lte");
	}
	add_selection(m, t->field, lines, count);
}

static void add_exists(struct making *m, struct str field)
{
	const struct line line = { "|exists", STR("true") };
	add_selection(m, field, &line, 1);
}

static void add_term(struct making *m, const struct hunt_node *n)
{
	const struct hunt_term *t = n->term;
	struct buf value = { 0 };
	switch (t->test) {
	case TEST_EXISTS: add_exists(m, t->field); break;
	case TEST_DIFFERS:
		buf_putc(&m->condition, '(');
		add_exists(m, t->field);
		buf_add(&m->condition, STR(" and not "));
		add_text(m, t);
		buf_putc(&m->condition, ')');
		break;
	case TEST_NETWORK:
		if (!t->field.n)
			fail(m, n->at, n->end, "a rule looks for a network in a named field only: src_ip:" STR_FMT,
			     STR_ARG(t->text));
		add_scalar(&value, t->text);
		add_one(m, t->field, "|cidr", &value);
		break;
	case TEST_REGEX:
		add_scalar(&value, t->text);
		add_one(m, t->field, t->caseless ? "|re|i" : "|re", &value);
		break;
	case TEST_WORDS:
	case TEST_PHRASE:
	case TEST_IS:
	case TEST_EXACT: add_text(m, t); break;
	default: add_order(m, n); break;
	}
	buf_free(&value);
}

static void add_node(struct making *m, const struct hunt_node *n)
{
	if (n->kind == HUNT_ALL) {
		fail(m, n->at, n->end, "a rule has to look for something: '*' are all events");
	} else if (n->kind == HUNT_TERM) {
		add_term(m, n);
	} else if (n->kind == HUNT_NOT) {
		buf_add(&m->condition, STR("not "));
		add_node(m, n->kids[0]);
	} else {
		buf_putc(&m->condition, '(');
		for (size_t i = 0; !m->failed && i < n->n; i++) {
			if (i)
				buf_add(&m->condition, n->kind == HUNT_AND ? STR(" and ") : STR(" or "));
			add_node(m, n->kids[i]);
		}
		buf_putc(&m->condition, ')');
	}
}

static void add_stages(struct making *m)
{
	for (size_t i = 0; !m->failed && i < m->hunt->n_stages; i++) {
		const struct hunt_stage *s = &m->hunt->stages[i];
		if (s->kind != STAGE_WHERE)
			fail(m, s->at, s->end,
			     "a rule says which events, and not what is made of them: leave this out, or write a "
			     "correlation over "
			     "the rule");
		else {
			buf_add(&m->condition, STR(" and "));
			add_node(m, s->where);
		}
	}
}

/* --- the rest of the rule --- */

/* "dataset:web.access", which must hold, says the log source: NULL: it isn't said. */
static const struct hunt_term *dataset_of(const struct hunt_node *n)
{
	const struct hunt_term *t = n->term;
	if (n->kind == HUNT_TERM)
		return hunt_is_column(t->field, STR("event.dataset")) &&
		                       (t->test == TEST_IS || t->test == TEST_EXACT) &&
		                       str_find(t->text, '.') < t->text.n &&
		                       str_find(t->text, (char)HUNT_ANY) == t->text.n &&
		                       str_find(t->text, (char)HUNT_ONE) == t->text.n
		               ? t
		               : NULL;
	for (size_t i = 0; n->kind == HUNT_AND && i < n->n; i++)
		if (dataset_of(n->kids[i]))
			return dataset_of(n->kids[i]);
	return NULL;
}

static void add_logsource(struct making *m, struct buf *out)
{
	const struct hunt_term *t = dataset_of(m->hunt->where);
	if (!t) {
		buf_add(out,
		        STR("# A hunt asks all sources; a rule names its own. As it stands it runs with --all-rules.\n"
		            "logsource:\n  category: any\n"));
		return;
	}
	const size_t dot = str_find(t->text, '.');
	buf_add(out, STR("logsource:\n  product: "));
	add_scalar(out, str_sub(t->text, 0, dot));
	buf_add(out, STR("\n  service: "));
	add_scalar(out, str_sub(t->text, dot + 1, t->text.n));
	buf_putc(out, '\n');
}

static void add_head(struct making *m, const char *title, struct buf *out)
{
	struct buf text = { 0 };
	uint8_t id[16];
	hunt_print(m->hunt, &text);
	const XXH128_hash_t hash = XXH3_128bits(text.p, text.n);
	memcpy(id, &hash.low64, 8);
	memcpy(id + 8, &hash.high64, 8);
	id[6] = (uint8_t)((id[6] & 0x0f) | 0x80); /* RFC 9562: version 8, of its own making */
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
	buf_add(out, STR("title: "));
	add_scalar(out, title ? str_from(title) : STR("A hunt"));
	buf_add(out, STR("\nid: "));
	for (int i = 0; i < 16; i++)
		buf_printf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id[i]);
	buf_add(out, STR("\nstatus: experimental\ndescription: "));
	add_scalar(out, buf_str(&text));
	buf_putc(out, '\n');
	out->failed |= text.failed;
	buf_free(&text);
}

int hunt_rule(const struct hunt *h, const char *title, struct buf *out, struct hunt_error *error)
{
	struct making m = { .hunt = h, .error = error };
	*error = (struct hunt_error){ 0 };
	add_node(&m, h->where);
	add_stages(&m);
	if (m.detection.failed || m.condition.failed)
		fail(&m, 0, 0, "the rule would be too long");
	if (!m.failed) {
		add_head(&m, title, out);
		add_logsource(&m, out);
		buf_printf(out, "detection:\n" STR_FMT "  condition: " STR_FMT "\nlevel: medium\n",
		           STR_ARG(buf_str(&m.detection)), STR_ARG(buf_str(&m.condition)));
	}
	buf_free(&m.detection);
	buf_free(&m.condition);
	return m.failed ? -EINVAL : 0;
}
