#include "rule/value.h"

#include "base/utf8.h"

#include <sodium.h>

void values_add(struct compiler *c, struct values *v, struct value one)
{
	if (v->n >= VALUES_MAX || !grow(c, (void **)&v->at, v->n, &v->cap, sizeof(*v->at)))
		return;
	v->at[v->n++] = one;
}

struct value value_parse(struct compiler *c, struct str text)
{
	char *to = take(c, text.n + 1);
	struct value v = { .s = { to, 0 } };
	for (size_t i = 0; to && i < text.n; i++) {
		char ch = text.p[i], next = i + 1 < text.n ? text.p[i + 1] : '\0';
		if (ch == '\\' && (next == '*' || next == '?' || next == '\\')) {
			ch = next;
			i++;
		} else if (ch == '*') {
			ch = (char)GLOB_ANY;
		} else if (ch == '?') {
			ch = (char)GLOB_ONE;
		}
		to[v.s.n++] = ch;
	}
	return v;
}

static bool is_word(char ch)
{
	return ch == '_' || (unsigned char)ch >= 0x80 || (ch >= '0' && ch <= '9') ||
	       ((ch | 32) >= 'a' && (ch | 32) <= 'z');
}

/* Bytes of a %name% at the start of s, or 0. A name is letters, digits, _ and, not at its start, -. */
static size_t name_at(struct str s)
{
	size_t n = 1;
	while (n < s.n && (is_word(s.p[n]) || (n > 1 && s.p[n] == '-')))
		n++;
	return n > 1 && n < s.n && s.p[n] == '%' ? n + 1 : 0;
}

static const struct rule_file *placeholder_file(struct compiler *c, struct str name)
{
	for (size_t i = 0; i < c->texts->n_placeholders; i++) {
		const struct rule_file *f = &c->texts->placeholders[i];
		struct str have = f->path;
		for (size_t slash; (slash = str_find(have, '/')) < have.n;)
			have = str_sub(have, slash + 1, have.n);
		if (str_ends(have, STR(".txt")) && str_eq(str_sub(have, 0, have.n - 4), name))
			return f;
	}
	return NULL;
}

/* Every text so far with each of `more` behind it. */
static bool append_all(struct compiler *c, uint32_t line, struct values *so_far, const struct str *more, uint32_t n)
{
	enum { MAX_BYTES = 16 << 20 };
	struct values longer = { 0 };
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < so_far->n; i++)
		bytes += (uint64_t)so_far->at[i].s.n * n;
	for (uint32_t k = 0; k < n; k++)
		bytes += (uint64_t)more[k].n * so_far->n;
	if (bytes > MAX_BYTES || (so_far->n > 1 && (uint64_t)so_far->n * n > EXPAND_MAX)) {
		refuse(c, line, "more than %d combinations or 16 MiB: write fewer placeholders in one value",
		       EXPAND_MAX);
		return false;
	}
	for (uint32_t i = 0; i < so_far->n; i++) {
		for (uint32_t k = 0; k < n; k++) {
			struct str a = so_far->at[i].s, b = more[k];
			char *p = take(c, a.n + b.n + 1);
			if (!p)
				return false;
			memcpy(p, a.p, a.n);
			memcpy(p + a.n, b.p, b.n);
			values_add(c, &longer, (struct value){ .s = { p, a.n + b.n } });
		}
	}
	*so_far = longer;
	return true;
}

/* The lines of a placeholder's file behind every text so far. */
static bool append_lines(struct compiler *c, uint32_t line, struct str name, struct values *so_far)
{
	const struct rule_file *f = placeholder_file(c, name);
	if (!f) {
		refuse(c, line,
		       "no values for %%%.*s%%: write them to %.*s.txt, one a line, and give its folder with "
		       "--placeholders",
		       SHORT_ARG(name), SHORT_ARG(name));
		return false;
	}
	struct str *lines = NULL, rest = f->text;
	uint32_t n = 0, cap = 0;
	if (!rest.p || !utf8_valid(rest)) {
		refuse(c, line, "the values for %%%.*s%% can't be read: write UTF-8, at most 1 MiB", SHORT_ARG(name));
		return false;
	}
	while (rest.n) {
		size_t end = str_find(rest, '\n');
		struct str one = str_sub(rest, 0, end);
		rest = str_sub(rest, end + 1, rest.n);
		if (one.n && one.p[one.n - 1] == '\r')
			one.n--;
		if (one.n && grow(c, (void **)&lines, n, &cap, sizeof(*lines)))
			lines[n++] = one;
	}
	if (n == 0) {
		refuse(c, line, "%.*s.txt is empty: write one value a line", SHORT_ARG(name));
		return false;
	}
	return append_all(c, line, so_far, lines, n);
}

void value_expand(struct compiler *c, uint32_t line, struct str text, struct values *out)
{
	struct values all = { 0 };
	values_add(c, &all, (struct value){ .s = STR("") });
	size_t from = 0;
	for (size_t i = 0; i <= text.n; i++) {
		bool escaped = i + 1 < text.n && text.p[i] == '\\' && text.p[i + 1] == '%';
		size_t name = i < text.n && text.p[i] == '%' ? name_at(str_sub(text, i, text.n)) : 0;
		if (i < text.n && !escaped && !name)
			continue;
		struct str plain = str_sub(text, from, i - from);
		if ((plain.n && !append_all(c, line, &all, &plain, 1)) ||
		    (name && !append_lines(c, line, str_sub(text, i + 1, name - 2), &all)) ||
		    (escaped && !append_all(c, line, &all, &STR("%"), 1)))
			return;
		i += name ? name - 1 : escaped;
		from = i + 1;
	}
	for (uint32_t i = 0; i < all.n; i++)
		values_add(c, out, all.at[i]);
}

static struct value to_base64(struct compiler *c, struct str s)
{
	size_t room = sodium_base64_ENCODED_LEN(s.n, sodium_base64_VARIANT_ORIGINAL);
	char *p = take(c, room);
	if (p)
		sodium_bin2base64(p, room, (const unsigned char *)s.p, s.n, sodium_base64_VARIANT_ORIGINAL);
	return (struct value){ .s = { p, p ? room - 1 : 0 }, .exact = true };
}

/* The part of the encoding that stays the same, whatever stands before and behind, for each of three shifts. */
static void to_base64_offset(struct compiler *c, uint32_t line, struct str s, struct values *out)
{
	static const uint8_t start[3] = { 0, 2, 3 }, cut[3] = { 0, 3, 2 };
	char *padded = take(c, s.n + 2);
	for (unsigned shift = 0; padded && shift < 3; shift++) {
		memset(padded, 0, shift);
		memcpy(padded + shift, s.p, s.n);
		struct value v = to_base64(c, (struct str){ padded, s.n + shift });
		size_t lost = start[shift] + cut[(s.n + shift) % 3];
		if (v.s.n <= lost) {
			refuse(c, line, "too short for base64offset: write at least three characters");
			return;
		}
		v.s = str_sub(v.s, start[shift], v.s.n - lost);
		values_add(c, out, v);
	}
}

static struct value to_utf16(struct compiler *c, struct str s, bool big, bool bom)
{
	unsigned char *p = take(c, s.n * 2 + 4), *q = p;
	if (!p)
		return (struct value){ .s = STR("") };
	if (bom)
		*q++ = 0xff, *q++ = 0xfe;
	for (size_t i = 0, n; i < s.n; i += n) {
		n = utf8_len(str_sub(s, i, s.n));
		uint32_t cp = n ? utf8_get(str_sub(s, i, s.n)) : (unsigned char)s.p[i];
		n = n ? n : 1;
		uint32_t unit[2] = { cp, 0 };
		if (cp > 0xffff) {
			unit[0] = 0xd800 + ((cp - 0x10000) >> 10);
			unit[1] = 0xdc00 + ((cp - 0x10000) & 0x3ff);
		}
		for (int k = 0; k < (cp > 0xffff ? 2 : 1); k++) {
			*q++ = (unsigned char)(big ? unit[k] >> 8 : unit[k]);
			*q++ = (unsigned char)(big ? unit[k] : unit[k] >> 8);
		}
	}
	return (struct value){ .s = { (char *)p, (size_t)(q - p) }, .exact = true };
}

static const struct str DASHES[] = {
	{ "-", 1 }, { "/", 1 }, { "\xe2\x80\x93", 3 }, { "\xe2\x80\x94", 3 }, { "\xe2\x80\x95", 3 },
};

/* Bytes of a dash at i that begins a flag, or 0. */
static size_t dash_at(struct value v, size_t i, size_t start)
{
	if (i > start && v.s.p[i - 1] != ' ')
		return 0;
	for (size_t k = 0; k < ARRAY_LEN(DASHES); k++)
		if (str_starts(str_sub(v.s, i, v.s.n), DASHES[k]))
			return DASHES[k].n;
	return 0;
}

static void to_dashes(struct compiler *c, struct value v, struct values *out)
{
	size_t start = 0, found = 0;
	while (!v.exact && start < v.s.n && v.s.p[start] == (char)GLOB_ANY)
		start++;
	for (size_t i = start; i < v.s.n; i++)
		found += dash_at(v, i, start) > 0;
	values_add(c, out, v);
	for (size_t k = 0; found && k < ARRAY_LEN(DASHES); k++) {
		char *p = take(c, v.s.n + 2 * found + 1);
		struct value form = { .s = { p, 0 }, .exact = v.exact };
		for (size_t i = 0, n; p && i < v.s.n; i += n) {
			n = i < start ? 0 : dash_at(v, i, start);
			struct str put = n ? DASHES[k] : str_sub(v.s, i, 1);
			n = n ? n : 1;
			memcpy(p + form.s.n, put.p, put.n);
			form.s.n += put.n;
		}
		if (p && !str_eq(form.s, v.s))
			values_add(c, out, form);
	}
}

void value_transform(struct compiler *c, uint32_t line, enum transform t, struct value in, struct str written,
                     struct values *out)
{
	static const char *const names[] = {
		[TO_BASE64] = "base64",   [TO_BASE64_OFFSET] = "base64offset",
		[TO_UTF16LE] = "utf16le", [TO_UTF16BE] = "utf16be",
		[TO_UTF16_BOM] = "utf16",
	};
	if (t == TO_DASHES) {
		to_dashes(c, in, out);
		return;
	}
	if (!in.exact && (str_find(in.s, (char)GLOB_ANY) < in.s.n || str_find(in.s, (char)GLOB_ONE) < in.s.n)) {
		refuse(c, line,
		       "'%.*s' has a wildcard, which %s can't encode: write \\* or \\? for the character itself",
		       SHORT_ARG(written), names[t]);
		return;
	}
	switch (t) {
	case TO_BASE64: values_add(c, out, to_base64(c, in.s)); break;
	case TO_BASE64_OFFSET: to_base64_offset(c, line, in.s, out); break;
	case TO_UTF16LE: values_add(c, out, to_utf16(c, in.s, false, false)); break;
	case TO_UTF16BE: values_add(c, out, to_utf16(c, in.s, true, false)); break;
	case TO_UTF16_BOM: values_add(c, out, to_utf16(c, in.s, false, true)); break;
	case TO_DASHES: break;
	}
}

static bool is_wild(char ch)
{
	return ch == (char)GLOB_ANY || ch == (char)GLOB_ONE;
}

void value_pattern(struct compiler *c, struct value v, bool lead, bool trail, struct pattern *p)
{
	struct str s = v.s;
	while (!v.exact && s.n && s.p[0] == (char)GLOB_ANY) {
		s = str_sub(s, 1, s.n);
		lead = true;
	}
	while (!v.exact && s.n && s.p[s.n - 1] == (char)GLOB_ANY) {
		s.n--;
		trail = true;
	}
	bool glob = false;
	for (size_t i = 0; !v.exact && i < s.n; i++)
		glob |= is_wild(s.p[i]);
	char *text = take(c, s.n + 2), *folded = take(c, UTF8_FOLD_MAX(s.n + 2));
	if (!text || !folded)
		return;
	size_t n = 0;
	if (glob && lead)
		text[n++] = (char)GLOB_ANY;
	for (size_t i = 0; i < s.n; i++)
		if (!glob || s.p[i] != (char)GLOB_ANY || s.p[i - 1] != (char)GLOB_ANY)
			text[n++] = s.p[i];
	if (glob && trail)
		text[n++] = (char)GLOB_ANY;
	if (glob)
		p->op = PATTERN_GLOB;
	else if (s.n == 0 && (lead || trail))
		p->op = PATTERN_CONTAINS;
	else
		p->op = lead ? (trail ? PATTERN_CONTAINS : PATTERN_SUFFIX) : trail ? PATTERN_PREFIX : PATTERN_EQ;
	struct str done = { text, n };
	if (!p->cased) {
		done.n = utf8_fold(folded, done);
		done.p = folded;
	}
	p->text = build_text(&c->build, done);
}
