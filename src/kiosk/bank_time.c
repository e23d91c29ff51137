#include "kiosk/pay.h"

#include <time.h>

enum { VIETNAM_S = 7 * 3600, YEAR_FIRST = 2000, YEAR_LAST = 2199 };

/* From one to `most` digits. */
static bool take(struct str *s, unsigned least, unsigned most, int *ret)
{
	unsigned n = 0;
	int value = 0;
	while (n < most && n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
		value = value * 10 + (s->p[n++] - '0');
	if (n < least)
		return false;
	*s = str_sub(*s, n, s->n);
	*ret = value;
	return true;
}

static bool take_char(struct str *s, const char *any, char *which)
{
	if (!s->n || !s->p[0] || !strchr(any, s->p[0]))
		return false;
	*which = s->p[0];
	*s = str_sub(*s, 1, s->n);
	return true;
}

static bool take_day(struct str *s, struct tm *tm)
{
	char one, two;
	int year = 0;
	struct str year_first = *s;
	if (take(&year_first, 4, 4, &year)) {
		*s = year_first;
		if (!take_char(s, "-/", &one) || !take(s, 1, 2, &tm->tm_mon) || !take_char(s, "-/", &two) ||
		    !take(s, 1, 2, &tm->tm_mday))
			return false;
	} else {
		if (!take(s, 1, 2, &tm->tm_mday) || !take_char(s, "-/.", &one) || !take(s, 1, 2, &tm->tm_mon) ||
		    !take_char(s, "-/.", &two))
			return false;
		size_t before = s->n;
		if (!take(s, 2, 4, &year) || before - s->n == 3)
			return false;
		if (before - s->n == 2)
			year += YEAR_FIRST;
	}
	tm->tm_year = year - 1900;
	tm->tm_mon--;
	return one == two && year >= YEAR_FIRST && year <= YEAR_LAST;
}

static bool take_zone(struct str *s, int64_t *seconds)
{
	char sign, colon;
	int hours, minutes;
	if (take_char(s, "Zz", &sign)) {
		*seconds = 0;
		return true;
	}
	if (!take_char(s, "+-", &sign))
		return true; /* it says none */
	if (!take(s, 2, 2, &hours) || hours > 14)
		return false;
	take_char(s, ":", &colon); /* may be left out */
	if (!take(s, 2, 2, &minutes) || minutes > 59)
		return false;
	*seconds = (hours * 3600 + minutes * 60) * (sign == '-' ? -1 : 1);
	return true;
}

bool bank_time(struct str text, int64_t *at)
{
	struct str s = str_trim(text);
	struct tm tm = { 0 };
	int64_t zone = VIETNAM_S;
	char mark;
	int part;
	if (!take_day(&s, &tm))
		return false;
	if (s.n) {
		if (!take_char(&s, " Tt", &mark))
			return false;
		s = str_trim(s);
		if (!take(&s, 1, 2, &tm.tm_hour) || !take_char(&s, ":", &mark) || !take(&s, 2, 2, &tm.tm_min))
			return false;
		if (take_char(&s, ":", &mark) && !take(&s, 2, 2, &tm.tm_sec))
			return false;
		if (take_char(&s, ".", &mark) && !take(&s, 1, 9, &part)) /* parts of a second are left out */
			return false;
		if (!take_zone(&s, &zone) || s.n)
			return false;
	}
	if (tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
		return false;
	const struct tm wanted = tm;
	time_t seconds = timegm(&tm); /* makes 1 March of 29 February: then there is no such day */
	if (tm.tm_mday != wanted.tm_mday || tm.tm_mon != wanted.tm_mon)
		return false;
	*at = ((int64_t)seconds - zone) * 1000000;
	return true;
}
