#include "event/event.h"

enum { SECOND = 1000000 }; /* µs */

/* Exactly n digits, taken off the front of s. */
static bool take_digits(struct str *s, size_t n, int64_t *ret)
{
	int64_t v = 0;
	if (s->n < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		v = v * 10 + (s->p[i] - '0');
	}
	*s = str_sub(*s, n, s->n);
	*ret = v;
	return true;
}

static bool take_char(struct str *s, char c)
{
	if (!s->n || s->p[0] != c)
		return false;
	*s = str_sub(*s, 1, s->n);
	return true;
}

/* A fraction with its point, if one stands there: the first `keep` digits as an integer, the rest dropped. */
static bool take_fraction(struct str *s, int keep, int64_t *ret)
{
	int64_t digit;
	*ret = 0;
	bool any = false;
	if (!take_char(s, '.') && !take_char(s, ','))
		any = true;
	else
		while (take_digits(s, 1, &digit)) {
			any = true;
			if (keep > 0)
				*ret = *ret * 10 + digit;
			keep--;
		}
	for (; keep > 0; keep--)
		*ret *= 10;
	return any;
}

/* Days from 1970-01-01 in the Gregorian calendar, for years from 0. */
static int64_t days_since_epoch(int64_t year, int64_t month, int64_t day)
{
	/* A year that begins in March has its leap day last. */
	int64_t y = month > 2 ? year : year - 1, m = (month + 9) % 12;
	int64_t leap_days = (y + 400) / 4 - (y + 400) / 100 + (y + 400) / 400 - 97;
	return y * 365 + leap_days + (m * 153 + 2) / 5 + day - 1 - 719468;
}

struct date_time {
	int64_t year, month, day, hour, minute, second, micro;
	int64_t offset; /* minutes east of UTC */
};

static bool to_us(const struct date_time *t, int64_t *us)
{
	static const int8_t length[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	if (t->month < 1 || t->month > 12 || t->hour > 23 || t->minute > 59 || t->second > 60)
		return false;
	bool leap = t->year % 4 == 0 && (t->year % 100 != 0 || t->year % 400 == 0);
	if (t->day < 1 || t->day > length[t->month - 1] + (leap && t->month == 2))
		return false;
	int64_t minutes = (days_since_epoch(t->year, t->month, t->day) * 24 + t->hour) * 60 + t->minute - t->offset;
	*us = (minutes * 60 + t->second) * SECOND + t->micro;
	return true;
}

/* +07:00, -0330, +07 */
static bool take_offset(struct str *s, int64_t *minutes)
{
	int64_t hour, minute = 0;
	bool west = s->n && s->p[0] == '-';
	if (!take_char(s, '+') && !take_char(s, '-'))
		return false;
	if (!take_digits(s, 2, &hour))
		return false;
	bool colon = take_char(s, ':');
	if ((colon || s->n) && !take_digits(s, 2, &minute))
		return false;
	if (hour > 23 || minute > 59)
		return false;
	*minutes = (west ? -1 : 1) * (hour * 60 + minute);
	return true;
}

static bool take_clock(struct str *s, struct date_time *t)
{
	return take_digits(s, 2, &t->hour) && take_char(s, ':') && take_digits(s, 2, &t->minute) && take_char(s, ':') &&
	       take_digits(s, 2, &t->second);
}

/* 2020-09-19T21:17:03.5+07:00 */
static bool parse_rfc3339(struct str s, int64_t *us)
{
	struct date_time t = { 0 };
	if (!take_digits(&s, 4, &t.year) || !take_char(&s, '-') || !take_digits(&s, 2, &t.month) ||
	    !take_char(&s, '-') || !take_digits(&s, 2, &t.day))
		return false;
	if (!take_char(&s, 'T') && !take_char(&s, 't') && !take_char(&s, ' '))
		return false;
	if (!take_clock(&s, &t) || !take_fraction(&s, 6, &t.micro))
		return false;
	if (s.n > 1)
		take_char(&s, ' ');
	if (s.n && !take_char(&s, 'Z') && !take_char(&s, 'z') && !take_offset(&s, &t.offset))
		return false;
	return !s.n && to_us(&t, us);
}

/* 17/May/2015:10:05:03 +0000 */
static bool parse_web(struct str s, int64_t *us)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct date_time t = { 0 };
	if (!take_digits(&s, 2, &t.day) || !take_char(&s, '/'))
		return false;
	for (int64_t i = 0; i < 12; i++)
		if (str_starts(s, (struct str){ months + i * 3, 3 }))
			t.month = i + 1;
	s = str_sub(s, 3, s.n);
	if (!take_char(&s, '/') || !take_digits(&s, 4, &t.year) || !take_char(&s, ':') || !take_clock(&s, &t))
		return false;
	if (s.n && (!take_char(&s, ' ') || !take_offset(&s, &t.offset)))
		return false;
	return !s.n && to_us(&t, us);
}

/* 1600550223, 1600550223.491, 1600550223491, ... : seconds until the year 5138, then the finer units. */
static bool parse_epoch(struct str s, int64_t *us)
{
	int64_t whole = 0, digit, fraction;
	size_t n = s.n;
	while (n - s.n < 18 && take_digits(&s, 1, &digit))
		whole = whole * 10 + digit;
	if (n == s.n)
		return false;
	if (whole < 100000000000) {
		if (!take_fraction(&s, 6, &fraction))
			return false;
		*us = whole * SECOND + fraction;
	} else if (whole < 100000000000000) {
		if (!take_fraction(&s, 3, &fraction))
			return false;
		*us = whole * 1000 + fraction;
	} else if (whole < 100000000000000000) {
		if (!take_fraction(&s, 0, &fraction))
			return false;
		*us = whole;
	} else {
		/* Nanoseconds have 18 digits until 2001 and 19 now: the last one doesn't count. */
		*us = whole / 1000;
		if (take_digits(&s, 1, &digit))
			*us = whole / 100;
		if (!take_fraction(&s, 0, &fraction))
			return false;
	}
	return !s.n;
}

bool event_parse_time(struct str s, int64_t *us)
{
	int64_t at;
	s = str_trim(s);
	if (!parse_rfc3339(s, &at) && !parse_web(s, &at) && !parse_epoch(s, &at))
		return false;
	*us = at;
	return true;
}
