/* A hunt as text: what reads back as the same. */
#include "hunt/parse.h"

static const char *const operators[] = {
	[TEST_IS] = ":",       [TEST_EXACT] = "=", [TEST_DIFFERS] = "!=",  [TEST_LESS] = "<",
	[TEST_AT_MOST] = "<=", [TEST_MORE] = ">",  [TEST_AT_LEAST] = ">=",
};

static void print_quoted(struct buf *out, struct str s)
{
	buf_putc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_putc(out, '\\');
		buf_putc(out, s.p[i]);
	}
	buf_putc(out, '"');
}

static void print_wild(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		const unsigned char c = (unsigned char)s.p[i];
		if (c == '*' || c == '?' || c == '\\')
			buf_putc(out, '\\');
		buf_putc(out, c == HUNT_ANY ? '*' : c == HUNT_ONE ? '?' : (char)c);
	}
}

static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!parse_is_name(s.p[i]))
			return false;
	return s.n && s.p[0] != '-';
}

static void print_text(struct buf *out, struct str s)
{
	if (is_plain(s))
		buf_add(out, s);
	else
		print_quoted(out, s);
}

static void print_regex(struct buf *out, const struct hunt_term *t)
{
	buf_putc(out, '/');
	for (size_t i = 0; i < t->text.n; i++) {
		if (t->text.p[i] == '/')
			buf_putc(out, '\\');
		buf_putc(out, t->text.p[i]);
		if (t->text.p[i] == '\\' && i + 1 < t->text.n)
			buf_putc(out, t->text.p[++i]);
	}
	buf_add(out, t->caseless ? STR("/i") : STR("/"));
}

static void print_end(struct buf *out, const struct hunt_bound *b)
{
	if (b->kind)
		print_text(out, b->text);
	else
		buf_putc(out, '*');
}

static void print_value(struct buf *out, const struct hunt_term *t)
{
	buf_add(out, str_from(operators[t->test]));
	if (!parse_has_wild(t->text)) {
		print_text(out, t->text);
		return;
	}
	/* Behind a blank no text looks like "https://...". */
	buf_putc(out, ' ');
	print_wild(out, t->text);
}

static void print_term(struct buf *out, const struct hunt_term *t)
{
	buf_add(out, t->field);
	switch (t->test) {
	case TEST_WORDS: print_wild(out, t->text); break;
	case TEST_PHRASE: print_quoted(out, t->text); break;
	case TEST_IS:
	case TEST_EXACT:
	case TEST_DIFFERS: print_value(out, t); break;
	case TEST_EXISTS: buf_add(out, STR(":*")); break;
	case TEST_NETWORK:
		buf_add(out, t->field.n ? STR(":") : STR(""));
		buf_add(out, t->text);
		break;
	case TEST_REGEX:
		buf_add(out, t->field.n ? STR(":") : STR(""));
		print_regex(out, t);
		break;
	case TEST_RANGE:
		buf_add(out, t->low.open ? STR(":{") : STR(":["));
		print_end(out, &t->low);
		buf_add(out, STR(" TO "));
		print_end(out, &t->high);
		buf_putc(out, t->high.open ? '}' : ']');
		break;
	default:
		buf_add(out, str_from(operators[t->test]));
		print_text(out, t->low.text);
		break;
	}
}

/* Brackets stand around what binds looser than what it stands in. */
static void print_node(struct buf *out, const struct hunt_node *n, enum hunt_node_kind in)
{
	if (n->kind == HUNT_ALL) {
		buf_putc(out, '*');
		return;
	}
	if (n->kind == HUNT_TERM) {
		print_term(out, n->term);
		return;
	}
	if (n->kind == HUNT_NOT) {
		buf_add(out, STR("NOT "));
		print_node(out, n->kids[0], HUNT_NOT);
		return;
	}
	const bool brackets = in != HUNT_ALL && !(in == HUNT_OR && n->kind == HUNT_AND);
	buf_add(out, brackets ? STR("(") : STR(""));
	for (size_t i = 0; i < n->n; i++) {
		if (i)
			buf_add(out, n->kind == HUNT_AND ? STR(" AND ") : STR(" OR "));
		print_node(out, n->kids[i], n->kind);
	}
	buf_add(out, brackets ? STR(")") : STR(""));
}

static void print_span(struct buf *out, int64_t us)
{
	static const struct {
		const char *unit;
		int64_t seconds;
	} units[] = { { "w", 7 * 86400 }, { "d", 86400 }, { "h", 3600 }, { "m", 60 }, { "s", 1 } };
	const int64_t s = us / CLOCK_S;
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (s % units[i].seconds == 0) {
			buf_printf(out, "%lld%s", (long long)(s / units[i].seconds), units[i].unit);
			return;
		}
}

static void print_keys(struct buf *out, const struct hunt_stage *s)
{
	for (size_t i = 0; i < s->n_keys; i++) {
		buf_add(out, i ? STR(", ") : STR(" "));
		buf_add(out, s->keys[i].down ? STR("-") : STR(""));
		if (s->keys[i].bin) {
			buf_add(out, STR("bin("));
			print_span(out, s->keys[i].bin);
			buf_putc(out, ')');
		} else {
			buf_add(out, s->keys[i].field);
		}
	}
}

static void print_sums(struct buf *out, const struct hunt_stage *s)
{
	for (size_t i = 0; i < s->n_sums; i++) {
		const struct hunt_sum *f = &s->sums[i];
		buf_add(out, i ? STR(", ") : STR(""));
		buf_add(out, str_from(hunt_functions[f->function]));
		if (f->field.n)
			buf_printf(out, "(" STR_FMT ")", STR_ARG(f->field));
		if (f->named)
			buf_printf(out, " as " STR_FMT, STR_ARG(f->name));
	}
	if (s->n_keys)
		buf_add(out, STR(" by"));
	print_keys(out, s);
}

static void print_stage(struct buf *out, const struct hunt_stage *s)
{
	switch (s->kind) {
	case STAGE_WHERE:
		buf_add(out, STR("where "));
		print_node(out, s->where, HUNT_ALL);
		break;
	case STAGE_SUM: print_sums(out, s); break;
	case STAGE_TOP:
		buf_printf(out, "%s %llu", s->rare ? "rare" : "top", (unsigned long long)s->n);
		print_keys(out, s);
		break;
	case STAGE_HEAD: buf_printf(out, "head %llu", (unsigned long long)s->n); break;
	default:
		buf_add(out, s->kind == STAGE_SORT     ? STR("sort")
		             : s->kind == STAGE_FIELDS ? STR("fields")
		                                       : STR("dedup"));
		print_keys(out, s);
		break;
	}
}

void hunt_print(const struct hunt *h, struct buf *out)
{
	print_node(out, h->where, HUNT_ALL);
	for (size_t i = 0; i < h->n_stages; i++) {
		buf_add(out, STR(" | "));
		print_stage(out, &h->stages[i]);
	}
}
