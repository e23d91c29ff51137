#include "match/pattern.h"

#include "base/utf8.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <time.h>

bool pattern_text(enum pattern_op op, struct str pattern, struct str value)
{
	switch (op) {
	case PATTERN_EQ: return str_eq(value, pattern);
	case PATTERN_PREFIX: return str_starts(value, pattern);
	case PATTERN_SUFFIX: return str_ends(value, pattern);
	case PATTERN_CONTAINS:
		return pattern.n <= value.n && (pattern.n == 0 || memmem(value.p, value.n, pattern.p, pattern.n));
	default: return false;
	}
}

static size_t one_char(struct str s)
{
	size_t n = utf8_len(s);
	return n ? n : 1;
}

/*
 * Greedy with one way back: only the last * need ever be retried, since an earlier one that took more would leave
 * the later ones less.
 */
bool pattern_glob(struct str glob, struct str value)
{
	size_t g = 0, v = 0, star = SIZE_MAX, retry = 0;
	while (v < value.n) {
		if (g < glob.n && (unsigned char)glob.p[g] == GLOB_ANY) {
			star = ++g;
			retry = v;
		} else if (g < glob.n && (unsigned char)glob.p[g] == GLOB_ONE) {
			g++;
			v += one_char(str_sub(value, v, 4));
		} else if (g < glob.n && glob.p[g] == value.p[v]) {
			g++;
			v++;
		} else if (star != SIZE_MAX) {
			g = star;
			retry += one_char(str_sub(value, retry, 4));
			v = retry;
		} else {
			return false;
		}
	}
	while (g < glob.n && (unsigned char)glob.p[g] == GLOB_ANY)
		g++;
	return g == glob.n && v == value.n;
}

bool pattern_cidr(const struct pattern *p, struct str value)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char a[16];
	if (value.n > 2 && value.p[0] == '[' && value.p[value.n - 1] == ']')
		value = str_sub(value, 1, value.n - 2);
	size_t zone = str_find(value, '%');
	value.n = zone;
	if (value.n == 0 || value.n >= sizeof(text) || memchr(value.p, '\0', value.n))
		return false;
	memcpy(text, value.p, value.n);
	text[value.n] = '\0';
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	int family = 6;
	if (inet_pton(AF_INET, text, a) == 1) {
		family = 4;
	} else if (inet_pton(AF_INET6, text, a) != 1) {
		return false;
	} else if (memcmp(a, mapped, sizeof(mapped)) == 0) {
		memmove(a, a + 12, 4);
		family = 4;
	}
	if (family != p->family)
		return false;
	unsigned whole = p->bits / 8, rest = p->bits % 8;
	if (memcmp(a, p->address, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ p->address[whole]) >> (8 - rest)) == 0;
}

/* A decimal number and nothing else: no hex, no "inf", no blanks. */
static bool parse_number(struct str s, double *ret)
{
	char text[512], *end;
	if (s.n == 0 || s.n >= sizeof(text))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!s.p[i] || !strchr("0123456789+-.eE", s.p[i]))
			return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	*ret = strtod(text, &end);
	return *end == '\0';
}

bool pattern_number(const struct pattern *p, struct str value)
{
	double v;
	if (!parse_number(value, &v))
		return false;
	switch ((enum pattern_op)p->op) {
	case PATTERN_LT: return v < p->number;
	case PATTERN_LTE: return v <= p->number;
	case PATTERN_GT: return v > p->number;
	case PATTERN_GTE: return v >= p->number;
	default: return false;
	}
}

int pattern_time_part(enum pattern_part part, int64_t us)
{
	time_t s = (time_t)(us / 1000000 - (us % 1000000 < 0));
	struct tm tm;
	char week[8];
	if (!gmtime_r(&s, &tm))
		return -1;
	switch (part) {
	case PART_MINUTE: return tm.tm_min;
	case PART_HOUR: return tm.tm_hour;
	case PART_DAY: return tm.tm_mday;
	case PART_WEEK: return strftime(week, sizeof(week), "%V", &tm) ? (int)strtol(week, NULL, 10) : -1;
	case PART_MONTH: return tm.tm_mon + 1;
	case PART_YEAR: return tm.tm_year + 1900;
	case PART_NONE: break;
	}
	return -1;
}
