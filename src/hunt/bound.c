/* What stands behind "<" and its kin: numbers, times, addresses; and networks. */
#include "hunt/ast.h"

#include "event/event.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Decimal, as JSON and people write it: nothing else that strtod takes. */
bool hunt_number(struct str s, double *ret)
{
	char text[64], *end;
	if (!s.n || s.n >= sizeof(text))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!s.p[i] || !strchr("0123456789+-.eE", s.p[i]))
			return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	double v = strtod(text, &end);
	if (*end || !isfinite(v))
		return false;
	*ret = v;
	return true;
}

bool hunt_address(struct str s, uint8_t ret[16])
{
	char text[INET6_ADDRSTRLEN];
	uint8_t a[16] = { [10] = 0xff, [11] = 0xff };
	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = str_sub(s, 1, s.n - 2);
	s.n = str_find(s, '%');
	if (!s.n || s.n >= sizeof(text) || memchr(s.p, '\0', s.n))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (inet_pton(AF_INET, text, a + 12) != 1 && inet_pton(AF_INET6, text, a) != 1)
		return false;
	memcpy(ret, a, 16);
	return true;
}

/* A date, with a time or without; UTC unless it says another. */
static bool read_time(struct str s, int64_t *ret)
{
	static const char *const forms[] = { "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M" };
	char text[40];
	if (s.n < 10 || s.n >= sizeof(text) || !is_digit(s.p[0]) || s.p[4] != '-')
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(text, forms[i], &tm);
		if (!end || *end)
			continue;
		const int day = tm.tm_mday;
		*ret = (int64_t)timegm(&tm) * CLOCK_S;
		return tm.tm_mday == day; /* timegm makes March 2 of February 30 */
	}
	return event_parse_time(s, ret);
}

bool hunt_bound_read(struct str text, struct hunt_bound *ret)
{
	struct hunt_bound b = { .text = text };
	if (hunt_number(text, &b.number))
		b.kind = BOUND_NUMBER;
	else if (read_time(text, &b.time))
		b.kind = BOUND_TIME;
	else if (hunt_address(text, b.address))
		b.kind = BOUND_ADDRESS;
	else
		return false;
	*ret = b;
	return true;
}

int hunt_network(struct str text, struct hunt_term *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const size_t slash = str_find(text, '/');
	const struct str length = str_sub(text, slash + 1, text.n);
	uint8_t a[16];
	unsigned bits = 0;
	if (slash == text.n || !length.n || length.n > 3 || !hunt_address(str_sub(text, 0, slash), a) ||
	    text.p[0] == '[')
		return -1;
	for (size_t i = 0; i < length.n; i++) {
		if (!is_digit(length.p[i]))
			return -1;
		bits = bits * 10 + (unsigned)(length.p[i] - '0');
	}
	const bool four = memcmp(a, mapped, sizeof(mapped)) == 0 && memchr(text.p, '.', slash);
	if (bits > (four ? 32 : 128))
		return -1;
	if (four)
		memmove(a, a + 12, 4);
	for (unsigned i = bits; i < (four ? 32 : 128); i++)
		if (a[i / 8] >> (7 - i % 8) & 1)
			return -2;
	memcpy(ret->address, a, 16);
	ret->bits = (uint8_t)bits;
	ret->family = four ? 4 : 6;
	return 0;
}
