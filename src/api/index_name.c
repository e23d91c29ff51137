#include "api/index_name.h"

#include "base/utf8.h"

bool index_name_valid(struct str name)
{
	if (!name.n || name.n > INDEX_NAME_MAX || strchr("-_+", name.p[0]) || !utf8_valid(name))
		return false;
	bool math = name.p[0] == '<' && name.n > 2 && name.p[name.n - 1] == '>';
	struct str inside = math ? str_sub(name, 1, name.n - 2) : name;
	static const char refused[] = "\\/*?\"<>|,#:\x7f";
	for (size_t i = 0; i < inside.n; i++) {
		char c = inside.p[i];
		if ((unsigned char)c <= ' ' || (strchr(refused, c) && !(math && strchr("/|:", c))))
			return false;
	}
	return !str_eq(name, STR(".")) && !str_eq(name, STR(".."));
}

/* Digits, and dots or a "v" among them: a date, a version, a number. */
static bool is_number(struct str s)
{
	if (s.n && s.p[0] == 'v')
		s = str_sub(s, 1, s.n);
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '.' && (s.p[i] < '0' || s.p[i] > '9'))
			return false;
	return s.n && s.p[0] != '.';
}

static size_t last_dash(struct str s)
{
	size_t i = s.n;
	while (i && s.p[i - 1] != '-' && s.p[i - 1] != '_')
		i--;
	return i ? i - 1 : s.n;
}

static struct str cut(struct str s)
{
	size_t n = s.n < INDEX_DATASET_MAX ? s.n : INDEX_DATASET_MAX;
	for (int i = 0; i < 3 && n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80; i++)
		n--;
	return str_sub(s, 0, n);
}

struct str index_name_dataset(struct str name)
{
	static const char *const types[] = { "logs-", "metrics-", "traces-", "synthetics-" };
	struct str s = name;
	if (s.n > 2 && s.p[0] == '<') { /* date math */
		s = str_sub(s, 1, s.n - 2);
		s = str_sub(s, 0, str_find(s, '{'));
		while (s.n && (s.p[s.n - 1] == '-' || s.p[s.n - 1] == '_'))
			s.n--;
	}
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct str rest = str_sub(s, strlen(types[i]), s.n);
		size_t n = str_find(rest, '-');
		if (str_starts(s, str_from(types[i])) && n && n < rest.n && !is_number(str_sub(rest, 0, n)))
			return cut(str_sub(rest, 0, n));
	}
	for (size_t at; (at = last_dash(s)) < s.n && at && is_number(str_sub(s, at + 1, s.n));)
		s.n = at;
	return cut(s.n ? s : name);
}
