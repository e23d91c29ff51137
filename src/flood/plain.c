#include "flood/plain.h"

enum { PATH_MAX_HERE = 256, VALUE_MAX = 512, COOKIE_MAX = 2048 };

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '_';
}

/* Nothing in it but words and what is in `also`. */
static bool only(struct str s, const char *also)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_word(s.p[i]) && (s.p[i] == '\0' || !strchr(also, s.p[i])))
			return false;
	return true;
}

static bool has(struct str s, struct str part)
{
	return memmem(s.p, s.n, part.p, part.n) != NULL;
}

static bool one_of(struct str s, const struct str *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(s, list[i]))
			return true;
	return false;
}

bool plain_path(struct str path)
{
	static const struct str kinds[] = { STR("css"), STR("js"),  STR("png"),  STR("jpg"),  STR("jpeg"), STR("gif"),
		                            STR("svg"), STR("ico"), STR("webp"), STR("woff"), STR("woff2") };
	static const struct str folders[] = { STR("etc"),  STR("proc"), STR("var"),  STR("usr"),     STR("bin"),
		                              STR("dev"),  STR("sys"),  STR("tmp"),  STR("opt"),     STR("root"),
		                              STR("boot"), STR("home"), STR("sbin"), STR("WEB-INF"), STR("META-INF") };
	if (path.n == 0 || path.n > PATH_MAX_HERE || path.p[0] != '/')
		return false;
	const size_t dot = str_find(path, '.');
	if (dot < path.n && !one_of(str_sub(path, dot + 1, path.n), kinds, ARRAY_LEN(kinds)))
		return false;
	path = str_sub(path, 0, dot);
	if (!only(path, "/-"))
		return false;
	for (struct str left = str_sub(path, 1, path.n); left.n;) {
		const size_t n = str_find(left, '/');
		if (one_of(str_sub(left, 0, n), folders, ARRAY_LEN(folders)))
			return false;
		left = str_sub(left, n + 1, left.n);
	}
	return true;
}

/* name=token; name=token. A "--" ends a line of SQL. */
static bool plain_cookies(struct str s)
{
	if (s.n > COOKIE_MAX || has(s, STR("--")))
		return false;
	while (s.n) {
		const struct str one = str_sub(s, 0, str_find(s, ';'));
		const size_t equals = str_find(one, '=');
		if (equals == 0 || equals == one.n || !only(str_sub(one, 0, equals), "-.") ||
		    !only(str_sub(one, equals + 1, one.n), "-"))
			return false;
		s = str_sub(s, one.n + 1, s.n);
		if (s.n && s.p[0] == ' ')
			s = str_sub(s, 1, s.n);
	}
	return true;
}

static bool plain_host(struct str s)
{
	const size_t colon = str_find(s, ':');
	const struct str port = str_sub(s, colon + 1, s.n);
	for (size_t i = 0; i < port.n; i++)
		if (port.p[i] < '0' || port.p[i] > '9')
			return false;
	return colon > 0 && only(str_sub(s, 0, colon), ".-") && !has(s, STR(".."));
}

/* A page of a site, without what it was asked. */
static bool plain_url(struct str s)
{
	const struct str https = STR("https://"), http = STR("http://");
	const struct str scheme = str_starts(s, https) ? https : http;
	if (!str_starts(s, scheme))
		return false;
	s = str_sub(s, scheme.n, s.n);
	const size_t slash = str_find(s, '/');
	return plain_host(str_sub(s, 0, slash)) && (slash == s.n || plain_path(str_sub(s, slash, s.n)));
}

/*
 * What browsers of people call themselves, and programs that look for holes don't: "Mozilla/5.0 (", a system; words, numbers. A "(" stands
 * behind a blank: nothing in it is a call.
 */
static bool plain_agent(struct str s)
{
	static const struct str systems[] = { STR("Windows NT"), STR("Macintosh"), STR("X11"),     STR("Linux"),
		                              STR("iPhone"),     STR("iPad"),      STR("Android"), STR("Mobile") };
	const struct str mozilla = STR("Mozilla/5.0 (");
	bool known = false;
	if (!str_starts(s, mozilla) || !only(s, " ./;:,()-+") || has(s, STR("--")) || has(s, STR("..")) ||
	    has(s, STR(";;")))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(systems); i++)
		known |= str_starts(str_sub(s, mozilla.n, s.n), systems[i]);
	for (size_t i = 1; i < s.n; i++) {
		if (s.p[i] == '(' && s.p[i - 1] != ' ')
			return false;
		if (s.p[i] == ':' && !str_ends(str_sub(s, 0, i), STR("rv")))
			return false;
	}
	return known && !has(s, STR("java")) && !has(s, STR("Java"));
}

/* "text/html", "*", "vi-VN", "?1"; at most one "/". */
static bool plain_word(struct str s)
{
	const struct str behind = str_sub(s, str_find(s, '/') + 1, s.n);
	return s.n && (is_word(s.p[0]) || s.p[0] == '*' || s.p[0] == '?') && only(str_sub(s, 1, s.n), "/*+-") &&
	       str_find(behind, '/') == behind.n && !has(s, STR("--")) && !has(s, STR("java"));
}

/* Words with weights: "text/html, x/y;q=0.9;v=b3". */
static bool plain_list(struct str s)
{
	while (s.n) {
		struct str one = str_sub(s, 0, str_find(s, ','));
		s = str_sub(s, one.n + 1, s.n);
		one = one.n && one.p[0] == ' ' ? str_sub(one, 1, one.n) : one;
		const struct str word = str_sub(one, 0, str_find(one, ';'));
		if (!plain_word(word))
			return false;
		for (struct str left = str_sub(one, word.n + 1, one.n); left.n;) {
			const struct str weight = str_sub(left, 0, str_find(left, ';'));
			if (weight.n < 3 || weight.n > 7 || (weight.p[0] != 'q' && weight.p[0] != 'v') ||
			    weight.p[1] != '=' || !only(str_sub(weight, 2, weight.n), "."))
				return false;
			left = str_sub(left, weight.n + 1, left.n);
		}
	}
	return true;
}

/* "Sat, 21 Nov 2026 10:00:00 GMT" */
static bool plain_date(struct str s)
{
	return s.n == 29 && str_ends(s, STR(" GMT")) && only(s, " ,:");
}

bool plain_header(struct str name, struct str value)
{
	static const struct str lists[] = { STR("accept"),
		                            STR("accept-language"),
		                            STR("accept-encoding"),
		                            STR("pragma"),
		                            STR("upgrade-insecure-requests"),
		                            STR("dnt"),
		                            STR("sec-gpc"),
		                            STR("te"),
		                            STR("save-data"),
		                            STR("sec-fetch-dest"),
		                            STR("sec-fetch-mode"),
		                            STR("sec-fetch-site"),
		                            STR("sec-fetch-user"),
		                            STR("sec-ch-ua-mobile") };
	if (str_eq(name, STR("cookie")))
		return plain_cookies(value);
	if (value.n > VALUE_MAX)
		return false;
	if (str_eq(name, STR("user-agent")))
		return plain_agent(value);
	if (str_eq(name, STR("host")))
		return plain_host(value);
	if (str_eq(name, STR("referer")))
		return plain_url(value);
	if (str_eq(name, STR("connection")))
		return str_eq(value, STR("keep-alive")) || str_eq(value, STR("close"));
	if (str_eq(name, STR("cache-control")))
		return str_eq(value, STR("max-age=0")) || str_eq(value, STR("no-cache"));
	if (str_eq(name, STR("if-modified-since")))
		return plain_date(value);
	if (str_eq(name, STR("priority"))) /* u=0, i */
		return value.n <= 6 && only(value, " ,=");
	if (str_eq(name, STR("if-none-match")) || str_eq(name, STR("sec-ch-ua-platform"))) /* W/"5f-18c", "Windows" */
		return only(value, " ,/\"-") && !has(value, STR("--"));
	/* "Chromium";v="120", "Not(A:Brand";v="24": browsers put odd signs in it so that nobody relies on them */
	if (str_eq(name, STR("sec-ch-ua")))
		return only(value, " ,.;=\"()?:/-") && !has(value, STR("--"));
	return one_of(name, lists, ARRAY_LEN(lists)) && plain_list(value);
}
