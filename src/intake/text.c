#include "intake/text.h"

enum { SCORE_LINES = 100 };

bool text_line(struct str *s, struct str *line)
{
	if (!s->n)
		return false;
	size_t n = str_find(*s, '\n');
	*line = str_sub(*s, 0, n && s->p[n - 1] == '\r' ? n - 1 : n);
	*s = str_sub(*s, n + 1, s->n);
	return true;
}

struct str text_word(struct str *s)
{
	size_t from = 0;
	while (from < s->n && s->p[from] == ' ')
		from++;
	size_t to = from;
	while (to < s->n && s->p[to] != ' ')
		to++;
	struct str word = str_sub(*s, from, to - from);
	*s = str_sub(*s, to, s->n);
	return word;
}

bool text_number(struct str *s, unsigned digits, unsigned *value)
{
	unsigned v = 0, i = 0;
	for (; i < digits && i < s->n && text_is_digit(s->p[i]); i++)
		v = v * 10 + (unsigned)(s->p[i] - '0');
	*s = str_sub(*s, i, s->n);
	*value = v;
	return i > 0;
}

bool text_take(struct str *s, char c)
{
	if (!s->n || s->p[0] != c)
		return false;
	*s = str_sub(*s, 1, s->n);
	return true;
}

static size_t digits_at(struct str s, size_t i)
{
	size_t from = i;
	while (i < s.n && text_is_digit(s.p[i]))
		i++;
	return i - from;
}

enum value_type text_type(struct str s)
{
	size_t i = s.n && s.p[0] == '-', n = digits_at(s, i);
	if (!n || (n > 1 && s.p[i] == '0'))
		return VALUE_TEXT;
	i += n;
	if (i < s.n && s.p[i] == '.') {
		n = digits_at(s, i + 1);
		i += n ? n + 1 : 0;
	}
	return i == s.n ? VALUE_NUMBER : VALUE_TEXT;
}

int text_hex_digit(char c)
{
	if (text_is_digit(c))
		return c - '0';
	c |= ' ';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct str text_unhex(struct arena *a, struct str hex)
{
	char *to = hex.n && hex.n % 2 == 0 ? arena_alloc(a, hex.n / 2) : NULL;
	for (size_t i = 0; to && i < hex.n / 2; i++) {
		int high = text_hex_digit(hex.p[2 * i]), low = text_hex_digit(hex.p[2 * i + 1]);
		if (high < 0 || low < 0)
			return (struct str){ 0 };
		to[i] = (char)(high << 4 | low);
	}
	return (struct str){ to, to ? hex.n / 2 : 0 };
}

unsigned text_month(struct str s)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	for (unsigned m = 0; s.n >= 3 && m < 12; m++)
		if (!memcmp(s.p, names + m * 3, 3))
			return m + 1;
	return 0;
}

bool text_date_valid(int year, unsigned month, unsigned day)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

/* Years begin in March here, so that a leap day is the last of its year; an era is 400 years. */
int64_t text_days(int year, unsigned month, unsigned day)
{
	int64_t y = (int64_t)year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t in_era = y - era * 400;
	int64_t in_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

int text_year(int64_t days)
{
	int year = 1970 + (int)(days / 366);
	while (text_days(year + 1, 1, 1) <= days)
		year++;
	while (text_days(year, 1, 1) > days)
		year--;
	return year;
}

size_t text_quote_end(struct str s, char quote)
{
	size_t i = 0;
	while (i < s.n && s.p[i] != quote)
		i += s.p[i] == '\\' ? 2 : 1;
	return i < s.n ? i : s.n;
}

/* One escape at s (which begins with a backslash) -> *to; how many bytes it took, 0 when it is none. */
static size_t unescape_one(struct str s, char *to)
{
	static const char plain[] = "\"\\/'nrtbfv", meant[] = "\"\\/'\n\r\t\b\f\v";
	if (s.n >= 4 && s.p[1] == 'x') {
		int high = text_hex_digit(s.p[2]), low = text_hex_digit(s.p[3]);
		if (high < 0 || low < 0)
			return 0;
		*to = (char)(high << 4 | low);
		return 4;
	}
	const char *at = s.n >= 2 && s.p[1] ? strchr(plain, s.p[1]) : NULL;
	if (at)
		*to = meant[at - plain];
	return at ? 2 : 0;
}

struct str text_unescape(struct arena *a, struct str s)
{
	if (str_find(s, '\\') == s.n)
		return s;
	char *to = arena_alloc(a, s.n), *at = to;
	if (!to)
		return (struct str){ 0 };
	for (size_t i = 0; i < s.n;) {
		size_t n = s.p[i] == '\\' ? unescape_one(str_sub(s, i, s.n), at) : 0;
		if (!n)
			*at = s.p[i];
		at++;
		i += n ? n : 1;
	}
	return (struct str){ to, (size_t)(at - to) };
}

int text_score(struct str head, bool (*fits)(struct str line), int most)
{
	int lines = 0, good = 0;
	struct str line, rest = head;
	while (lines < SCORE_LINES && text_line(&rest, &line)) {
		bool cut = !rest.n && head.p[head.n - 1] != '\n';
		if (!str_trim(line).n || (cut && lines))
			continue;
		lines++;
		good += fits(line);
	}
	return lines ? most * good / lines : 0;
}
