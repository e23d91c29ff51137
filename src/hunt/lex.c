/* The letters of a hunt: blanks, names, texts. */
#include "hunt/parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

void *parse_fail(struct parser *p, size_t at, size_t end, const char *fmt, ...)
{
	va_list ap;
	if (p->failed)
		return NULL;
	p->failed = true;
	p->error->at = at;
	p->error->n = end > at ? end - at : 0;
	va_start(ap, fmt);
	vsnprintf(p->error->what, sizeof(p->error->what), fmt, ap);
	va_end(ap);
	return NULL;
}

void *parse_no_memory(struct parser *p)
{
	p->failed = p->no_memory = true;
	return NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void parse_blanks(struct parser *p)
{
	while (p->at < p->in.n && is_blank(p->in.p[p->at]))
		p->at++;
}

char parse_peek(struct parser *p)
{
	parse_blanks(p);
	return p->at < p->in.n ? p->in.p[p->at] : '\0';
}

bool parse_take(struct parser *p, const char *text)
{
	parse_blanks(p);
	if (!str_starts(str_sub(p->in, p->at, p->in.n), str_from(text)))
		return false;
	p->at += strlen(text);
	return true;
}

static bool ends_word(char c)
{
	return is_blank(c) || strchr("()|\"", c);
}

struct str parse_word(const struct parser *p, const char *more)
{
	size_t end = p->at;
	while (end < p->in.n && !ends_word(p->in.p[end]) && !(more && strchr(more, p->in.p[end])))
		end++;
	return str_sub(p->in, p->at, end - p->at);
}

static bool same_word(struct str a, const char *b)
{
	return a.n == strlen(b) && strncasecmp(a.p, b, a.n) == 0;
}

bool parse_take_word(struct parser *p, const char *word)
{
	parse_blanks(p);
	struct str s = parse_word(p, ",[]{}");
	if (!same_word(s, word))
		return false;
	p->at += s.n;
	return true;
}

bool parse_is_joint(struct str word)
{
	return same_word(word, "and") || same_word(word, "or") || same_word(word, "not") || str_eq(word, STR("&&"));
}

bool parse_is_name(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (unsigned char)c >= 0x80 ||
	       (c && strchr("_.@-", c));
}

struct str parse_name(struct parser *p)
{
	parse_blanks(p);
	size_t n = 0;
	struct str rest = str_sub(p->in, p->at, p->in.n);
	if (rest.n && (rest.p[0] == '-' || rest.p[0] == '.' || (rest.p[0] >= '0' && rest.p[0] <= '9')))
		return STR("");
	while (n < rest.n && parse_is_name(rest.p[n]))
		n++;
	p->at += n;
	return str_sub(rest, 0, n);
}

struct str parse_quoted(struct parser *p)
{
	const size_t start = p->at++;
	char *to = arena_alloc(p->arena, p->in.n - start + 1);
	size_t n = 0;
	if (!to) {
		parse_no_memory(p);
		return (struct str){ 0 };
	}
	for (; p->at < p->in.n && p->in.p[p->at] != '"'; p->at++) {
		const char next = p->at + 1 < p->in.n ? p->in.p[p->at + 1] : '\0';
		if (p->in.p[p->at] == '\\' && (next == '"' || next == '\\'))
			p->at++;
		to[n++] = p->in.p[p->at];
	}
	if (p->at >= p->in.n) {
		parse_fail(
		        p, start, start + 1,
		        "the closing '\"' is missing; within quotes a quote is written \\\" and a backslash at the end "
		        "\\\\");
		return (struct str){ 0 };
	}
	p->at++;
	return (struct str){ to, n };
}

struct str parse_wild(struct parser *p, struct str word)
{
	char *to = arena_alloc(p->arena, word.n + 1);
	size_t n = 0;
	if (!to) {
		parse_no_memory(p);
		return (struct str){ 0 };
	}
	for (size_t i = 0; i < word.n; i++) {
		const char c = word.p[i], next = i + 1 < word.n ? word.p[i + 1] : '\0';
		if (c == '\\' && (next == '*' || next == '?' || next == '\\'))
			to[n++] = word.p[++i];
		else
			to[n++] = c == '*' ? (char)HUNT_ANY : c == '?' ? (char)HUNT_ONE : c;
	}
	return (struct str){ to, n };
}

bool parse_count(struct parser *p, uint64_t *ret)
{
	parse_blanks(p);
	uint64_t n = 0;
	size_t at = p->at;
	for (; at < p->in.n && p->in.p[at] >= '0' && p->in.p[at] <= '9' && n <= HUNT_MOST; at++)
		n = n * 10 + (uint64_t)(p->in.p[at] - '0');
	if (at == p->at || (at < p->in.n && parse_is_name(p->in.p[at])))
		return false;
	p->at = at;
	*ret = n;
	return true;
}
