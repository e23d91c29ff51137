#include "drill/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool is_letter(char c)
{
	return (c | 32) >= 'a' && (c | 32) <= 'z';
}

static bool same(struct str s, const char *word)
{
	return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

static bool starts(struct str s, const char *word)
{
	return s.n >= strlen(word) && strncasecmp(s.p, word, strlen(word)) == 0;
}

/* The end of a tag: ">" outside of quotes. */
static size_t tag_end(struct str html, size_t at)
{
	char quote = 0;
	for (; at < html.n; at++) {
		const char c = html.p[at];
		if (quote)
			quote = c == quote ? 0 : quote;
		else if (c == '"' || c == '\'')
			quote = c;
		else if (c == '>')
			break;
	}
	return at;
}

bool drill_page_tag(struct str html, size_t *at, struct page_tag *ret)
{
	while (*at < html.n) {
		size_t i = *at + str_find(str_sub(html, *at, html.n), '<') + 1;
		if (i + 2 < html.n && memcmp(html.p + i, "!--", 3) == 0) {
			const char *end = memmem(html.p + i, html.n - i, "-->", 3);
			*at = end ? (size_t)(end + 3 - html.p) : html.n;
			continue;
		}
		const bool closes = i < html.n && html.p[i] == '/';
		i += closes;
		*at = i < html.n ? i : html.n;
		if (i >= html.n || !is_letter(html.p[i]))
			continue;
		size_t name = i;
		while (name < html.n && !is_blank(html.p[name]) && html.p[name] != '>' && html.p[name] != '/')
			name++;
		const size_t end = tag_end(html, name);
		*ret = (struct page_tag){ str_sub(html, i, name - i), str_sub(html, name, end - name), closes };
		*at = end < html.n ? end + 1 : html.n;
		return true;
	}
	return false;
}

bool drill_page_tag_is(const struct page_tag *t, const char *name)
{
	return !t->closes && same(t->name, name);
}

/* The next name of an attribute, and its value if it has one. */
static bool next_attribute(struct str *rest, struct str *name, struct str *value)
{
	struct str s = *rest;
	size_t i = 0;
	while (i < s.n && (is_blank(s.p[i]) || s.p[i] == '/' || s.p[i] == '='))
		i++;
	s = str_sub(s, i, s.n);
	for (i = 0; i < s.n && !is_blank(s.p[i]) && s.p[i] != '=' && s.p[i] != '/';)
		i++;
	*name = str_sub(s, 0, i);
	while (i < s.n && is_blank(s.p[i]))
		i++;
	*value = STR("");
	if (i < s.n && s.p[i] == '=') {
		for (i++; i < s.n && is_blank(s.p[i]);)
			i++;
		const char quote = i < s.n && (s.p[i] == '"' || s.p[i] == '\'') ? s.p[i] : 0;
		s = str_sub(s, i + (quote != 0), s.n);
		for (i = 0; i < s.n && (quote ? s.p[i] != quote : !is_blank(s.p[i]));)
			i++;
		*value = str_sub(s, 0, i);
		i += quote && i < s.n;
	}
	*rest = str_sub(s, i, s.n);
	return name->n > 0;
}

struct str drill_page_attribute(const struct page_tag *t, const char *name)
{
	struct str rest = t->attributes, its, value;
	while (next_attribute(&rest, &its, &value))
		if (same(its, name))
			return value;
	return (struct str){ 0 };
}

/* --- references --- */

/* Past "http://host" of this site; false: another's. */
static bool same_site(struct str *r, const char *host)
{
	const size_t scheme = starts(*r, "http://") ? 7 : starts(*r, "https://") ? 8 : starts(*r, "//") ? 2 : 0;
	if (!scheme)
		return true;
	struct str rest = str_sub(*r, scheme, r->n);
	const size_t n = strlen(host);
	if (!starts(rest, host) || (rest.n > n && rest.p[n] != '/' && rest.p[n] != '?'))
		return false;
	*r = rest.n > n ? str_sub(rest, n, rest.n) : STR("/");
	return true;
}

static bool has_scheme(struct str r)
{
	for (size_t i = 0; i < r.n && r.p[i] != '/' && r.p[i] != '?'; i++)
		if (r.p[i] == ':')
			return true;
	return false;
}

bool drill_page_resolve(const char *from, const char *host, struct str reference, char to[PAGE_PATH])
{
	struct str r = str_trim(reference), base = str_from(from);
	char path[PAGE_PATH];
	size_t n = 0;
	r.n = str_find(r, '#');
	if (!r.n || !same_site(&r, host) || has_scheme(r))
		return false;
	base.n = str_find(base, '?');
	if (*r.p == '/')
		base.n = 0;
	else if (*r.p != '?')
		while (base.n && base.p[base.n - 1] != '/')
			base.n--;
	if (base.n + r.n + 1 > sizeof(path))
		return false;
	memcpy(path, base.p, base.n);
	n = base.n;
	for (size_t i = 0; i < r.n; i++) {
		const unsigned char c = (unsigned char)r.p[i];
		if (c <= ' ' || c >= 127 || c == '"' || c == '<' || c == '>' || c == '\\')
			return false;
		path[n++] = (char)c;
		if (c == '&' && starts(str_sub(r, i, r.n), "&amp;"))
			i += 4;
	}
	path[n] = '\0';
	if (*path != '/')
		return false;
	memcpy(to, path, n + 1);
	return true;
}

static struct str reference_of(const struct page_tag *t, bool links)
{
	if (links)
		return drill_page_tag_is(t, "a") ? drill_page_attribute(t, "href") : (struct str){ 0 };
	if (drill_page_tag_is(t, "link") &&
	    (same(drill_page_attribute(t, "rel"), "stylesheet") || same(drill_page_attribute(t, "rel"), "icon")))
		return drill_page_attribute(t, "href");
	return drill_page_tag_is(t, "script") || drill_page_tag_is(t, "img") ? drill_page_attribute(t, "src")
	                                                                     : (struct str){ 0 };
}

void drill_page_references(struct str html, bool links, void (*fn)(void *arg, struct str reference), void *arg)
{
	struct page_tag t;
	size_t at = 0;
	while (drill_page_tag(html, &at, &t)) {
		const struct str r = reference_of(&t, links);
		if (r.n)
			fn(arg, r);
	}
}

double drill_page_refresh(struct str html, struct str *to)
{
	struct page_tag t;
	size_t at = 0;
	while (drill_page_tag(html, &at, &t)) {
		if (!drill_page_tag_is(&t, "meta") || !same(drill_page_attribute(&t, "http-equiv"), "refresh"))
			continue;
		const struct str content = str_trim(drill_page_attribute(&t, "content"));
		double seconds = 0;
		size_t i = 0;
		for (; i < content.n && content.p[i] >= '0' && content.p[i] <= '9' && seconds < 1e6; i++)
			seconds = seconds * 10 + (content.p[i] - '0');
		if (!i)
			continue;
		struct str rest = str_sub(content, i + str_find(str_sub(content, i, content.n), ';') + 1, content.n);
		rest = str_trim(rest);
		*to = starts(rest, "url=") ? str_sub(rest, 4, rest.n) : (struct str){ 0 };
		if (to->n > 1 && (*to->p == '\'' || *to->p == '"'))
			*to = str_sub(*to, 1, to->n - 2);
		return seconds;
	}
	return -1;
}

/* --- forms --- */

bool drill_page_form(struct str html, const char *action, struct str *form)
{
	struct page_tag t;
	size_t at = 0;
	while (drill_page_tag(html, &at, &t)) {
		if (!drill_page_tag_is(&t, "form") || !same(drill_page_attribute(&t, "action"), action))
			continue;
		const struct str rest = str_sub(html, at, html.n);
		const char *end = memmem(rest.p, rest.n, "</form", 6);
		*form = end ? str_sub(rest, 0, (size_t)(end - rest.p)) : rest;
		return true;
	}
	return false;
}

size_t drill_page_inputs(struct str form, const char *name, size_t pick, struct str *value)
{
	struct page_tag t;
	size_t at = 0, n = 0;
	while (drill_page_tag(form, &at, &t)) {
		if (!drill_page_tag_is(&t, "input") || !same(drill_page_attribute(&t, "name"), name) ||
		    drill_page_attribute(&t, "disabled").p)
			continue;
		if (n++ == pick)
			*value = drill_page_attribute(&t, "value");
	}
	return n;
}

void drill_page_add_field(struct buf *to, const char *name, struct str value)
{
	if (to->n)
		buf_putc(to, '&');
	buf_printf(to, "%s=", name);
	for (size_t i = 0; i < value.n; i++) {
		const unsigned char c = (unsigned char)value.p[i];
		if (is_letter((char)c) || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.')
			buf_putc(to, (char)c);
		else
			buf_printf(to, "%%%02X", c);
	}
}
