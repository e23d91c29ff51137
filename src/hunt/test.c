#define PCRE2_CODE_UNIT_WIDTH 8
#include "hunt/test.h"

#include "base/utf8.h"
#include "match/pattern.h"

#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>

enum { FOLD_ROOM = 2048, MATCH_LIMIT = 200000 /* steps of backtracking: some milliseconds */ };

/* --- folding --- */

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80 && (unsigned char)s.p[i] < HUNT_ONE)
			return false;
	return true;
}

static char fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* `room` has UTF8_FOLD_MAX(s.n). */
static struct str fold_into(char *room, struct str s, bool unicode)
{
	if (unicode)
		return (struct str){ room, utf8_fold(room, s) };
	for (size_t i = 0; i < s.n; i++)
		room[i] = fold(s.p[i]);
	return (struct str){ room, s.n };
}

/* --- asking --- */

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' ||
	       (unsigned char)c >= 0x80;
}

/* As the store has it: not within a longer word. */
static bool has_words(struct str text, struct str in)
{
	for (size_t at = 0; at + text.n <= in.n; at++) {
		const char *found = memmem(in.p + at, in.n - at, text.p, text.n);
		if (!found)
			return false;
		at = (size_t)(found - in.p);
		const size_t end = at + text.n;
		const bool before = text.n && at && is_word(text.p[0]) && is_word(in.p[at - 1]);
		const bool behind = text.n && end < in.n && is_word(text.p[text.n - 1]) && is_word(in.p[end]);
		if (!before && !behind)
			return true;
	}
	return false;
}

static bool ask_folded(const struct hunt_ask *a, struct str folded)
{
	switch (a->kind) {
	case ASK_EQUAL: return str_eq(folded, a->text);
	case ASK_WITHIN: return pattern_text(PATTERN_CONTAINS, a->text, folded);
	case ASK_WORDS: return has_words(a->text, folded);
	default: return pattern_glob(a->text, folded);
	}
}

static bool ask_text(const struct hunt_ask *a, struct str value)
{
	char room[FOLD_ROOM], *more = NULL;
	if (UTF8_FOLD_MAX(value.n) > sizeof(room) && !(more = malloc(UTF8_FOLD_MAX(value.n))))
		return false;
	const bool held = ask_folded(a, fold_into(more ? more : room, value, a->unicode));
	free(more);
	return held;
}

/* How the value stands to a bound of its kind: -1, 0, 1; 2: it is of another kind. */
static int compare(const struct hunt_bound *b, struct str value)
{
	struct hunt_bound v = { 0 };
	if (b->kind == BOUND_NUMBER && hunt_number(value, &v.number))
		return (v.number > b->number) - (v.number < b->number);
	if (b->kind == BOUND_ADDRESS && hunt_address(value, v.address)) {
		const int c = memcmp(v.address, b->address, sizeof(v.address));
		return (c > 0) - (c < 0);
	}
	if (b->kind == BOUND_TIME && hunt_bound_read(value, &v) && v.kind == BOUND_TIME)
		return (v.time > b->time) - (v.time < b->time);
	return 2;
}

static bool ask_order(const struct hunt_term *t, struct str value)
{
	const int low = t->low.kind ? compare(&t->low, value) : 0;
	const int high = t->high.kind ? compare(&t->high, value) : 0;
	if (low == 2 || high == 2)
		return false;
	switch (t->test) {
	case TEST_LESS: return low < 0;
	case TEST_AT_MOST: return low <= 0;
	case TEST_MORE: return low > 0;
	case TEST_AT_LEAST: return low >= 0;
	default: break;
	}
	return (!t->low.kind || low > 0 || (low == 0 && !t->low.open)) &&
	       (!t->high.kind || high < 0 || (high == 0 && !t->high.open));
}

static bool ask_network(const struct hunt_term *t, struct str value)
{
	struct pattern p = { .bits = t->bits, .family = t->family };
	memcpy(p.address, t->address, sizeof(p.address));
	return pattern_cidr(&p, value);
}

static bool ask_regex(const struct hunt_ask *a, struct str value)
{
	const struct hunt_asks *asks = a->asks;
	/* Each may take milliseconds, and a block has thousands: its answer counts no more once the hunt is over. */
	if (asks->is_over && asks->is_over(asks->arg))
		return false;
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	if (!data)
		return false;
	const int r = pcre2_match(a->code, (PCRE2_SPTR)(value.n ? value.p : ""), value.n, 0, 0, data, a->context);
	pcre2_match_data_free(data);
	if (r == PCRE2_ERROR_MATCHLIMIT || r == PCRE2_ERROR_DEPTHLIMIT || r == PCRE2_ERROR_HEAPLIMIT)
		atomic_fetch_add_explicit(&a->asks->gave_up, 1, memory_order_relaxed);
	return r >= 0;
}

bool hunt_ask_value(void *ask, struct str value)
{
	const struct hunt_ask *a = ask;
	switch (a->kind) {
	case ASK_ORDER: return ask_order(a->term, value);
	case ASK_NETWORK: return ask_network(a->term, value);
	case ASK_REGEX: return ask_regex(a, value);
	default: return ask_text(a, value);
	}
}

/* --- what must stand in a value --- */

/* Cases of Unicode: "k" is that of the Kelvin sign, too, and "s" of the long s. */
static bool is_sure(char c, bool unicode)
{
	return (unsigned char)c < 0x80 && !(unicode && (fold(c) == 'k' || fold(c) == 's'));
}

struct runs {
	struct buf now; /* bytes that stand one behind another */
	struct buf best;
};

static void run_ends(struct runs *r)
{
	if (r->now.n > r->best.n) {
		r->best.n = 0;
		buf_add(&r->best, buf_str(&r->now));
	}
	r->now.n = 0;
}

static void run_add(struct runs *r, char c, bool unicode)
{
	if (is_sure(c, unicode))
		buf_putc(&r->now, c);
	else
		run_ends(r);
}

/* Of what is before it, a quantifier may leave the last byte out. */
static void run_drops(struct runs *r)
{
	if (r->now.n)
		r->now.n--;
	run_ends(r);
}

/* Behind the class that begins at `at`. */
static size_t pass_class(struct str re, size_t at)
{
	at++;
	if (at < re.n && re.p[at] == '^')
		at++;
	if (at < re.n && re.p[at] == ']')
		at++;
	for (; at < re.n && re.p[at] != ']'; at++)
		if (re.p[at] == '\\')
			at++;
		else if (re.p[at] == '[') /* [[:alpha:]]: left alone, with all that follows */
			return re.n;
	return at + 1;
}

/* Behind the quantifier {1,5} that begins at `at`; `at`: none does, the bracket is itself. */
static size_t pass_times(struct str re, size_t at)
{
	size_t end = at + 1;
	while (end < re.n && strchr("0123456789, ", re.p[end]))
		end++;
	return end < re.n && re.p[end] == '}' ? end + 1 : at;
}

/* Whether it has what isn't thought of below: then nothing is known. */
static bool is_unsure(struct str re)
{
	for (size_t i = 0; i < re.n; i++) {
		const char next = i + 1 < re.n ? re.p[i + 1] : ' ';
		if (re.p[i] == '|' || (re.p[i] == '(' && strchr("?*", next)) ||
		    (re.p[i] == '\\' && strchr("QExocNpPkgG0123456789", next)))
			return true;
	}
	return false;
}

/* The bytes outside of brackets that each match has. What isn't known for certain has none. */
static void runs_of_regex(struct runs *r, struct str re, bool caseless)
{
	unsigned depth = 0;
	if (is_unsure(re))
		return;
	for (size_t i = 0; i < re.n; i++) {
		const char c = re.p[i];
		if (c == '\\' && i + 1 < re.n) {
			const char next = re.p[++i];
			if (!depth && !is_word(next))
				run_add(r, next, caseless);
			else
				run_ends(r);
		} else if (c == '[') {
			run_ends(r);
			i = pass_class(re, i) - 1;
		} else if (c == '(' || c == ')') {
			run_ends(r);
			depth += c == '(' ? 1 : -1u;
		} else if (c == '*' || c == '?' || c == '{') {
			run_drops(r);
			const size_t behind = c == '{' ? pass_times(re, i) : i;
			i = behind > i ? behind - 1 : i;
		} else if (c == '+' && i + 1 < re.n && strchr("*?+{", re.p[i + 1])) {
			run_drops(r); /* of "b+*", too, all may be left out */
		} else if (strchr("+.^$", c)) {
			run_ends(r);
		} else if (!depth) {
			run_add(r, c, caseless);
		}
	}
	run_ends(r);
}

static int take_hint(struct hunt_asks *asks, struct runs *r, struct hunt_hint *hint)
{
	const bool failed = r->now.failed || r->best.failed;
	hint->text = failed ? (struct str){ 0 } : arena_copy(asks->arena, r->best.n ? buf_str(&r->best) : STR(""));
	buf_free(&r->now);
	buf_free(&r->best);
	return hint->text.p ? 0 : -ENOMEM;
}

/* --- making --- */

static pcre2_code *compile(struct str re, bool caseless, size_t *at, struct err *err)
{
	const uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NO_AUTO_CAPTURE | PCRE2_NEVER_BACKSLASH_C |
	                         (caseless ? PCRE2_CASELESS : 0);
	int why;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)re.p, re.n, options, &why, at, NULL);
	if (!code) {
		PCRE2_UCHAR words[128] = "";
		pcre2_get_error_message(why, words, sizeof(words));
		err_set(err, -EINVAL, "the regular expression is wrong here: %s", (char *)words);
	}
	return code;
}

bool hunt_regex_ok(struct str re, bool caseless, size_t *at, struct err *why)
{
	pcre2_code *code = compile(re, caseless, at, why);
	pcre2_code_free(code);
	return code;
}

static int make_regex(struct hunt_ask *a, struct str re, bool caseless, struct err *err)
{
	size_t at;
	a->kind = ASK_REGEX;
	a->code = compile(re, caseless, &at, err);
	if (!a->code)
		return -EINVAL;
	a->context = pcre2_match_context_create(NULL);
	if (!a->context)
		return err_set(err, -ENOMEM, "%m");
	pcre2_set_match_limit(a->context, MATCH_LIMIT);
	return 0;
}

static void add_literal(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < 0x80 && !is_word(s.p[i]))
			buf_putc(out, '\\');
		buf_putc(out, s.p[i]);
	}
}

void hunt_words_regex(struct str text, struct buf *re)
{
	static const struct str word = STR("[0-9A-Za-z_\\x{80}-\\x{10ffff}]");
	size_t from = 0, to = text.n;
	while (from < to && (unsigned char)text.p[from] == HUNT_ANY)
		from++;
	while (to > from && (unsigned char)text.p[to - 1] == HUNT_ANY)
		to--;
	const struct str inner = str_sub(text, from, to - from);
	const unsigned char first = inner.n ? (unsigned char)inner.p[0] : ' ';
	const unsigned char last = inner.n ? (unsigned char)inner.p[inner.n - 1] : ' ';
	if (!from && is_word((char)first))
		buf_printf(re, "(?<!" STR_FMT ")", STR_ARG(word));
	for (size_t i = 0; i < inner.n; i++) {
		const unsigned char c = (unsigned char)inner.p[i];
		if (c == HUNT_ANY)
			buf_add(re, STR("[^\\s]*"));
		else if (c == HUNT_ONE)
			buf_add(re, STR("[^\\s]"));
		else
			add_literal(re, (struct str){ &inner.p[i], 1 });
	}
	if (to == text.n && is_word((char)last))
		buf_printf(re, "(?!" STR_FMT ")", STR_ARG(word));
}

static int make_wild_words(struct hunt_ask *a, struct str text, struct err *err)
{
	struct buf re = { 0 };
	hunt_words_regex(text, &re);
	int r = re.failed ? err_set(err, -ENOMEM, "%m") : make_regex(a, buf_str(&re), true, err);
	buf_free(&re);
	return r;
}

static bool has_wild(struct str s)
{
	return s.n && (memchr(s.p, HUNT_ANY, s.n) || memchr(s.p, HUNT_ONE, s.n));
}

static int make_text(struct hunt_asks *asks, struct hunt_ask *a, const struct hunt_term *t, bool prose,
                     struct hunt_hint *hint, struct err *err)
{
	struct runs runs = { 0 };
	const bool words = t->test == TEST_WORDS || (prose && t->test == TEST_IS);
	a->unicode = !is_ascii(t->text) || (words && has_wild(t->text));
	for (size_t i = 0; i < t->text.n; i++)
		if ((unsigned char)t->text.p[i] >= HUNT_ONE)
			run_ends(&runs);
		else
			run_add(&runs, fold(t->text.p[i]), a->unicode);
	run_ends(&runs);
	int r = take_hint(asks, &runs, hint);
	if (r)
		return err_set(err, r, "%m");
	if (words && has_wild(t->text))
		return make_wild_words(a, t->text, err);
	a->kind = has_wild(t->text) ? ASK_GLOB : words ? ASK_WORDS : t->test == TEST_PHRASE ? ASK_WITHIN : ASK_EQUAL;
	char *room = arena_alloc(asks->arena, UTF8_FOLD_MAX(t->text.n));
	if (!room)
		return err_set(err, -ENOMEM, "%m");
	a->text = fold_into(room, t->text, a->unicode);
	return 0;
}

static int make_ask(struct hunt_asks *asks, struct hunt_ask *a, const struct hunt_term *t, bool prose,
                    struct hunt_hint *hint, struct err *err)
{
	struct runs runs = { 0 };
	int r;
	switch (t->test) {
	case TEST_NETWORK: a->kind = ASK_NETWORK; return 0;
	case TEST_REGEX:
		runs_of_regex(&runs, t->text, t->caseless);
		r = take_hint(asks, &runs, hint);
		return r ? err_set(err, r, "%m") : make_regex(a, t->text, t->caseless, err);
	case TEST_LESS:
	case TEST_AT_MOST:
	case TEST_MORE:
	case TEST_AT_LEAST:
	case TEST_RANGE: a->kind = ASK_ORDER; return 0;
	default: return make_text(asks, a, t, prose, hint, err);
	}
}

int hunt_ask_new(struct hunt_ask **ret, struct hunt_asks *asks, const struct hunt_term *t, bool prose,
                 struct hunt_hint *hint, struct err *err)
{
	struct hunt_ask *a = arena_zalloc(asks->arena, sizeof(*a));
	if (!a)
		return err_set(err, -ENOMEM, "%m");
	a->term = t;
	a->asks = asks;
	a->next = asks->all;
	asks->all = a;
	hint->text = STR("");
	int r = make_ask(asks, a, t, prose, hint, err);
	if (!r)
		*ret = a;
	return r;
}

void hunt_asks_done(struct hunt_asks *asks)
{
	for (struct hunt_ask *a = asks->all; a; a = a->next) {
		pcre2_match_context_free(a->context);
		pcre2_code_free(a->code);
	}
	asks->all = NULL;
}
