/*
 * Patterns of STIX 2.1 (part 9 of the specification): which single values one looks for.
 *
 * [a OR b] OR [c] is a list of values, and that is what can be used. What needs several to hold together, in an order,
 * so many times or not at all is no list of values. Only of one file more may be said: where a hash of it is told, its
 * name, size and further hashes add nothing.
 */
#include "intel/parse.h"

enum { DEPTH_MAX = 32 };

struct pattern {
	struct str all, s; /* s: what is left */
	struct arena *arena;
	struct pattern_value *values;
	size_t n;
	unsigned depth;
	const char *why;
};

static bool fail(struct pattern *p, const char *why)
{
	if (!p->why)
		p->why = why;
	return false;
}

static void skip(struct pattern *p)
{
	while (p->s.n && (unsigned char)p->s.p[0] <= ' ')
		p->s = str_sub(p->s, 1, p->s.n);
}

static bool is_letter(char c)
{
	return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bool take(struct pattern *p, char c)
{
	skip(p);
	if (!p->s.n || p->s.p[0] != c)
		return false;
	p->s = str_sub(p->s, 1, p->s.n);
	return true;
}

static bool take_word(struct pattern *p, struct str word)
{
	skip(p);
	if (!str_starts(p->s, word) || (p->s.n > word.n && is_letter(p->s.p[word.n])))
		return false;
	p->s = str_sub(p->s, word.n, p->s.n);
	return true;
}

/* 'text', with \' and \\ undone. */
static bool take_text(struct pattern *p, struct str *ret)
{
	if (!take(p, '\''))
		return fail(p, "a text in '...' is missing");
	char *to = arena_alloc(p->arena, p->s.n + 1);
	size_t n = 0, i = 0;
	for (; to && i < p->s.n && p->s.p[i] != '\''; i++) {
		if (p->s.p[i] == '\\' && i + 1 < p->s.n)
			i++;
		to[n++] = p->s.p[i];
	}
	if (!to || i >= p->s.n)
		return fail(p, to ? "a text without an end" : "too long");
	p->s = str_sub(p->s, i + 1, p->s.n);
	*ret = (struct str){ to, n };
	return true;
}

/* file:hashes.'SHA-256' */
static bool take_path(struct pattern *p, struct str *ret)
{
	size_t i = 0;
	skip(p);
	while (i < p->s.n && (is_letter(p->s.p[i]) || memchr(":.[]*", p->s.p[i], 5) || p->s.p[i] == '\'')) {
		if (p->s.p[i] == '\'')
			while (++i < p->s.n && p->s.p[i] != '\'')
				;
		i++;
	}
	if (!i || i > p->s.n || !is_letter(p->s.p[0]))
		return fail(p, "a property is missing, such as ipv4-addr:value");
	*ret = str_sub(p->s, 0, i);
	p->s = str_sub(p->s, i, p->s.n);
	return true;
}

static enum intel_type path_type(struct str path, const char **why)
{
	static const struct {
		const char *path;
		enum intel_type type;
	} paths[] = {
		{ "ipv4-addr:value", INTEL_ADDRESS },
		{ "ipv6-addr:value", INTEL_ADDRESS },
		{ "network-traffic:src_ref.value", INTEL_DOMAIN }, /* an address as well */
		{ "network-traffic:dst_ref.value", INTEL_DOMAIN },
		{ "domain-name:value", INTEL_DOMAIN },
		{ "url:value", INTEL_URL },
	};
	static const char *const hashes[] = { "file:hashes.", "artifact:hashes.", "x509-certificate:hashes." };
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (str_eq(path, str_from(paths[i].path)))
			return paths[i].type;
	for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
		struct str h = str_from(hashes[i]);
		if (!str_starts(path, h))
			continue;
		h = str_sub(path, h.n, path.n);
		if (h.n > 2 && (h.p[0] == '\'' || h.p[0] == '"'))
			h = str_sub(h, 1, h.n - 2);
		if (str_eq(h, STR("MD5")) || str_eq(h, STR("SHA-1")) || str_eq(h, STR("SHA1")) ||
		    str_eq(h, STR("SHA-256")) || str_eq(h, STR("SHA256")) || str_eq(h, STR("SHA-512")) ||
		    str_eq(h, STR("SHA512")))
			return INTEL_HASH;
		*why = "a hash other than MD5, SHA-1, SHA-256 or SHA-512";
		return INTEL_ANY;
	}
	*why = "no kind of value that is looked up";
	return INTEL_ANY;
}

/* What is taken for one side of AND. */
struct side {
	bool file, hash;
};

static bool put(struct pattern *p, struct str path, struct str text, const char *why)
{
	const char *no = why;
	enum intel_type type = path_type(path, &no);
	if (why)
		no = why;
	if (p->n == PATTERN_VALUES_MAX)
		return fail(p, "more than 4096 values");
	p->values[p->n++] = (struct pattern_value){ type, no ? path : text, no };
	return true;
}

static bool take_values(struct pattern *p, struct str path)
{
	struct str text;
	if (!take(p, '('))
		return fail(p, "'(' is missing behind IN");
	do {
		if (!take_text(p, &text) || !put(p, path, text, NULL))
			return false;
	} while (take(p, ','));
	return take(p, ')') || fail(p, "')' is missing");
}

/* Over a literal that no indicator is made of: a number, a time, a text. */
static bool skip_literal(struct pattern *p)
{
	struct str text;
	skip(p);
	if (take(p, '(')) {
		do {
			if (!skip_literal(p))
				return false;
		} while (take(p, ','));
		return take(p, ')') || fail(p, "')' is missing");
	}
	if (p->s.n > 1 && memchr("thb", p->s.p[0], 3) && p->s.p[1] == '\'')
		p->s = str_sub(p->s, 1, p->s.n);
	if (p->s.n && p->s.p[0] == '\'')
		return take_text(p, &text);
	size_t i = 0;
	while (i < p->s.n && (is_letter(p->s.p[i]) || p->s.p[i] == '.'))
		i++;
	p->s = str_sub(p->s, i, p->s.n);
	return i || fail(p, "a value is missing");
}

static bool take_comparison(struct pattern *p, struct side *side)
{
	static const struct str others[] = { { "LIKE", 4 }, { "MATCHES", 7 }, { "ISSUPERSET", 10 },
		                             { "!=", 2 },   { "<=", 2 },      { ">=", 2 },
		                             { "<>", 2 },   { "<", 1 },       { ">", 1 } };
	struct str path, text;
	bool negated = take_word(p, STR("NOT"));
	if (take_word(p, STR("EXISTS"))) {
		if (!take_path(p, &path))
			return false;
		return put(p, path, path, "EXISTS names no value");
	}
	if (!take_path(p, &path))
		return false;
	negated |= take_word(p, STR("NOT"));
	side->file = str_starts(path, STR("file:"));
	if (negated)
		return fail(p, "NOT: what must not be there is no value to look for");
	skip(p);
	if (take(p, '=')) {
		take(p, '=');
		const char *no = NULL;
		skip(p);
		side->hash = path_type(path, &no) == INTEL_HASH;
		if (p->s.n && p->s.p[0] == '\'')
			return take_text(p, &text) && put(p, path, text, NULL);
		return skip_literal(p) && put(p, path, path, "no kind of value that is looked up");
	}
	if (take_word(p, STR("ISSUBSET")))
		return take_text(p, &text) && put(p, path, text, NULL);
	if (take_word(p, STR("IN")))
		return take_values(p, path);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (i < 3 ? take_word(p, others[i]) : str_starts(p->s, others[i])) {
			p->s = i < 3 ? p->s : str_sub(p->s, others[i].n, p->s.n);
			return skip_literal(p) && put(p, path, path, "it is no comparison with one value");
		}
	return fail(p, "a comparison is missing: =, IN or ISSUBSET");
}

static bool take_or(struct pattern *p, struct side *side);

static bool take_term(struct pattern *p, struct side *side)
{
	if (!take(p, '('))
		return take_comparison(p, side);
	if (++p->depth > DEPTH_MAX)
		return fail(p, "nested too deep");
	bool ok = take_or(p, side);
	p->depth--;
	return ok && (take(p, ')') || fail(p, "')' is missing"));
}

static bool take_and(struct pattern *p, struct side *side)
{
	size_t from = p->n;
	struct side one = { 0 };
	if (!take_term(p, &one))
		return false;
	*side = one;
	bool several = false;
	while (take_word(p, STR("AND"))) {
		several = true;
		one = (struct side){ 0 };
		if (!take_term(p, &one))
			return false;
		side->file &= one.file;
		side->hash |= one.hash;
	}
	if (!several)
		return true;
	if (!side->file || !side->hash)
		return fail(p, "values that must hold together (AND) are no single indicators");
	/* Of the file the hashes stay. */
	size_t n = from;
	for (size_t i = from; i < p->n; i++)
		if (p->values[i].type == INTEL_HASH && !p->values[i].why)
			p->values[n++] = p->values[i];
	p->n = n;
	return true;
}

static bool take_or(struct pattern *p, struct side *side)
{
	struct side one = { 0 };
	if (!take_and(p, side))
		return false;
	while (take_word(p, STR("OR"))) {
		if (!take_and(p, &one))
			return false;
		*side = (struct side){ side->file && one.file, side->hash && one.hash };
	}
	return true;
}

static bool take_observations(struct pattern *p)
{
	struct side side = { 0 };
	do {
		if (take(p, '(')) {
			if (++p->depth > DEPTH_MAX)
				return fail(p, "nested too deep");
			if (!take_observations(p))
				return false;
			p->depth--;
			if (!take(p, ')'))
				return fail(p, "')' is missing");
		} else {
			if (!take(p, '['))
				return fail(p, "'[' is missing");
			if (!take_or(p, &side))
				return false;
			if (!take(p, ']'))
				return fail(p, "']' is missing");
		}
		skip(p);
		if (take_word(p, STR("AND")) || take_word(p, STR("FOLLOWEDBY")))
			return fail(p,
			            "several events that belong together (AND, FOLLOWEDBY) are no single indicators");
		if (take_word(p, STR("WITHIN")) || take_word(p, STR("REPEATS")) || take_word(p, STR("START")))
			return fail(p, "WITHIN, REPEATS and START say more than a single indicator can");
	} while (take_word(p, STR("OR")));
	return true;
}

const char *parse_pattern(struct str pattern, struct arena *arena, struct pattern_value *values, size_t *n, size_t *at)
{
	struct pattern p = { .all = pattern, .s = pattern, .arena = arena, .values = values };
	if (take_observations(&p)) {
		skip(&p);
		if (p.s.n)
			fail(&p, "something follows the pattern");
		else if (!p.n)
			fail(&p, "it names no value");
	}
	*at = (size_t)(p.s.p - pattern.p);
	*n = p.n;
	return p.why;
}
