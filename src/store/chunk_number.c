/* Values that are numbers in a text's clothes: decimals, decimals of one width, IPv4 addresses, RFC 3339 times. */
#include "store/bloom.h"
#include "store/chunk_codec.h"

#include <endian.h>

enum { FORM_DECIMAL, FORM_PADDED, FORM_ADDRESS, FORM_TIME, FORMS };
enum { DIGITS = 18, SUFFIX = 8, TEXT_MAX = 48 };

/* What all values of a column have in common. */
struct form {
	uint32_t kind;
	uint32_t width;   /* PADDED: characters; TIME: digits of the second's fraction, up to 9 */
	char gap, point;  /* TIME: between day and hour, before the fraction */
	struct str after; /* TIME: behind it all, such as Z; up to SUFFIX bytes */
	char date[10];    /* the day that was read or written last, and its number: seldom another than the next */
	int64_t day;
};

static const uint64_t power[20] = { 1,
	                            10,
	                            100,
	                            1000,
	                            10000,
	                            100000,
	                            1000000,
	                            10000000,
	                            100000000,
	                            1000000000,
	                            10000000000,
	                            100000000000,
	                            1000000000000,
	                            10000000000000,
	                            100000000000000,
	                            1000000000000000,
	                            10000000000000000,
	                            100000000000000000,
	                            1000000000000000000,
	                            10000000000000000000u };

/* Up to 8 digits, nothing else; 8 bytes may be read. */
static inline bool read_few_digits(const char *p, size_t n, uint64_t *ret)
{
	const uint64_t all = 0x0101010101010101u;
	/* Zeros in front, first in memory, which is lowest. */
	uint64_t v = (le64toh(text_word(p, 8)) - all * '0') << (64 - 8 * n);
	if ((v | (v + all * (0x7f - 9))) & all * 0x80)
		return false;
	v = v * 10 + (v >> 8); /* pairs, then fours, then all */
	v = ((v & 0x000000ff000000ff) * 0x000f424000000064 + (v >> 16 & 0x000000ff000000ff) * 0x0000271000000001) >> 32;
	*ret = v;
	return true;
}

/* n digits, nothing else; of a text of the block. */
static inline bool read_digits(const char *p, size_t n, uint64_t *ret)
{
	uint64_t v = 0;
	if (n - 1 < 8)
		return read_few_digits(p, n, ret);
	for (size_t i = 0; i < n; i++) {
		unsigned digit = (unsigned char)p[i] - '0';
		if (digit > 9)
			return false;
		v = v * 10 + digit;
	}
	*ret = v;
	return true;
}

static bool read_decimal(struct str s, int64_t *ret)
{
	uint64_t v;
	bool minus = s.n > 1 && s.p[0] == '-';
	struct str digits = str_sub(s, minus, s.n);
	if (!digits.n || digits.n > DIGITS || (digits.p[0] == '0' && (digits.n > 1 || minus)) ||
	    !read_digits(digits.p, digits.n, &v))
		return false;
	*ret = minus ? -(int64_t)v : (int64_t)v;
	return true;
}

static bool read_address(struct str s, int64_t *ret)
{
	uint32_t v = 0;
	size_t at = 0;
	for (int i = 0; i < 4; i++) {
		unsigned part = 0;
		size_t from = at + (i > 0);
		if (i && (at >= s.n || s.p[at] != '.'))
			return false;
		for (at = from; at < s.n && at < from + 3 && (unsigned char)(s.p[at] - '0') <= 9; at++)
			part = part * 10 + (unsigned)(s.p[at] - '0');
		if (at == from || part > 255 || (s.p[from] == '0' && at > from + 1))
			return false;
		v = v << 8 | part;
	}
	*ret = v;
	return at == s.n;
}

/* Days from 1970-01-01, as Hinnant counts: years begin in March, so that a leap day is a year's last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	year -= month <= 2;
	int64_t era = year / 400, of_era = year % 400,
	        of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
	days += 719468;
	int64_t era = days / 146097, of_era = days % 146097;
	int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;
	*day = of_year - (153 * m + 2) / 5 + 1;
	*month = m < 10 ? m + 3 : m - 9;
	*year = y + era * 400 + (*month <= 2);
}

/* So that nanoseconds fit. The days are those of the first and the last year, and then some. */
enum { YEAR_MIN = 1700, YEAR_MAX = 2200, DAY_MIN = -100000, DAY_MAX = 100000 };

static bool read_date(const char *p, int64_t *day)
{
	static const uint8_t length[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	uint64_t y, m, d;
	if (p[4] != '-' || p[7] != '-' || !read_digits(p, 4, &y) || !read_digits(p + 5, 2, &m) ||
	    !read_digits(p + 8, 2, &d))
		return false;
	bool leap = y % 4 == 0 && (y % 100 || y % 400 == 0);
	if (y < YEAR_MIN || y > YEAR_MAX || m - 1 > 11 || d - 1 >= (uint64_t)length[m - 1] + (m == 2 && leap))
		return false;
	*day = days_of((int64_t)y, (int64_t)m, (int64_t)d);
	return true;
}

static bool read_time(struct form *f, struct str s, int64_t *ret)
{
	uint64_t hour, minute, second, fraction = 0;
	const size_t whole = 19 + (f->width ? 1 + f->width : 0);
	const char *p = s.p;
	if (s.n != whole + f->after.n || p[10] != f->gap || p[13] != ':' || p[16] != ':' ||
	    memcmp(p + whole, f->after.p, f->after.n) || (f->width && p[19] != f->point))
		return false;
	if (!text_eq((struct str){ p, 10 }, (struct str){ f->date, 10 })) {
		if (!read_date(p, &f->day))
			return false;
		memcpy(f->date, p, 10);
	}
	if (!read_digits(p + 11, 2, &hour) || !read_digits(p + 14, 2, &minute) || !read_digits(p + 17, 2, &second) ||
	    (f->width && !read_digits(p + 20, f->width, &fraction)) || hour > 23 || minute > 59 || second > 59)
		return false;
	int64_t v = f->day * 86400 + (int64_t)(hour * 3600 + minute * 60 + second);
	*ret = v * (int64_t)power[f->width] + (int64_t)fraction;
	return true;
}

/* The form of a time, by a value; whether it has one shows when it is read. */
static bool time_form(struct str s, struct form *f)
{
	if (s.n < 19)
		return false;
	*f = (struct form){ .kind = FORM_TIME, .gap = s.p[10] };
	size_t at = 19;
	if (s.n > 20 && (s.p[19] == '.' || s.p[19] == ',')) {
		f->point = s.p[19];
		for (at = 20; at < s.n && f->width < 9 && (unsigned char)(s.p[at] - '0') <= 9; at++)
			f->width++;
		if (!f->width)
			at = 19;
	}
	f->after = str_sub(s, at, s.n);
	return f->after.n <= SUFFIX && (f->gap == 'T' || f->gap == ' ' || f->gap == 't' || f->gap == '_');
}

static bool read_form(struct form *f, struct str s, int64_t *ret)
{
	uint64_t v;
	switch (f->kind) {
	case FORM_DECIMAL: return read_decimal(s, ret);
	case FORM_ADDRESS: return read_address(s, ret);
	case FORM_TIME: return read_time(f, s, ret);
	default:
		if (s.n != f->width || !read_digits(s.p, s.n, &v))
			return false;
		*ret = (int64_t)v;
		return true;
	}
}

static bool read_all(const struct put *p, struct form *f, const struct chunk_scalar *v, uint32_t n, int64_t *to)
{
	for (uint32_t i = 0; i < n; i++)
		if (!read_form(f, put_text(p, &v[i]), &to[i]))
			return false;
	return true;
}

/* The form that all n texts have, and what they are; NULL: none. */
static int64_t *find_form(struct put *p, const struct chunk_scalar *v, uint32_t n, struct form *f)
{
	struct str first = put_text(p, &v[0]);
	unsigned char c = first.n ? (unsigned char)first.p[0] : 0;
	if (c != '-' && (unsigned char)(c - '0') > 9)
		return NULL;
	int64_t *to = put_room(p, &p->scratch, n, sizeof(*to));
	if (!to)
		return NULL;
	for (uint32_t kind = 0; kind < FORMS; kind++) {
		*f = (struct form){ .kind = kind };
		if (kind == FORM_PADDED)
			f->width = (uint32_t)first.n;
		if ((kind == FORM_PADDED && first.n > DIGITS) || (kind == FORM_TIME && !time_form(first, f)))
			continue;
		if (read_all(p, f, v, n, to))
			return to;
	}
	return NULL;
}

/* A row's time in the units of a form; wraps the same way whenever it does. */
static uint64_t row_time(int64_t time, uint32_t width)
{
	if (width > 6)
		return (uint64_t)time * power[width - 6];
	int64_t unit = (int64_t)power[6 - width], whole = time / unit;
	return (uint64_t)(whole - (whole * unit > time));
}

/* Numbers as they will be written: times of a column beside those of their rows, when they are near. */
static bool plan(struct put *p, const struct form *f, const struct chunk_scalar *v, const int64_t *numbers, uint32_t n,
                 bool whole, bool *by_row, struct integers *ret)
{
	*by_row = false;
	if (!integers_plan(p, numbers, n, ret))
		return false;
	int64_t *apart = f->kind == FORM_TIME && whole ? put_room(p, &p->scratch, n, sizeof(*apart)) : NULL;
	if (!apart)
		return true;
	struct integers other;
	for (uint32_t i = 0; i < n; i++)
		apart[i] = (int64_t)((uint64_t)numbers[i] - row_time(p->times[v[i].row], f->width));
	*by_row = integers_plan(p, apart, n, &other) && other.bits <= ret->bits;
	if (*by_row)
		*ret = other;
	return true;
}

uint64_t numbers_cost(struct put *p, uint32_t column)
{
	const struct put_column *c = &p->columns[column];
	struct form f;
	struct integers x;
	bool by_row;
	const int64_t *of_text = find_form(p, c->texts, c->n_texts, &f);
	int64_t *numbers = of_text ? put_room(p, &p->scratch, c->n, sizeof(*numbers)) : NULL;
	if (!numbers)
		return UINT64_MAX;
	for (uint32_t i = 0; i < c->n; i++)
		numbers[i] = of_text[c->codes[i]];
	return plan(p, &f, c->v, numbers, c->n, true, &by_row, &x) ? x.bits : UINT64_MAX;
}

bool put_numbers(struct put *p, const struct chunk_scalar *v, uint32_t n, uint32_t column)
{
	struct form f;
	struct integers x;
	bool by_row;
	const int64_t *numbers = find_form(p, v, n, &f);
	if (!numbers || !plan(p, &f, v, numbers, n, column != UINT32_MAX, &by_row, &x))
		return false;
	put_varint(p, CODING_NUMBER);
	put_varint(p, f.kind);
	put_varint(p, f.width);
	if (f.kind == FORM_TIME) {
		put_varint(p, (unsigned char)f.gap);
		put_varint(p, (unsigned char)f.point);
		put_varint(p, f.after.n);
		buf_add(&p->out, f.after);
		put_varint(p, by_row);
	}
	put_integers(p, &x);
	/* those of one form are all times that nobody asks filters for, or none is */
	const bool whole = f.kind == FORM_ADDRESS || (f.kind == FORM_TIME && !bloom_is_time(put_text(p, &v[0])));
	for (uint32_t i = 0; i < n && whole; i++)
		chunk_words_add(&p->words, put_text(p, &v[i]));
	for (uint32_t i = 0; i < n && (f.kind == FORM_DECIMAL || f.kind == FORM_PADDED); i++) {
		const struct str text = put_text(p, &v[i]);
		chunk_words_add_word(&p->words, str_sub(text, text.p[0] == '-', text.n));
	}
	return true;
}

/* --- reading --- */

static const char pairs[201] =
        "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
        "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

/* v in n digits. */
static inline char *write_digits(char *to, uint64_t v, uint32_t n)
{
	uint32_t at = n;
	for (; at >= 2; v /= 100)
		memcpy(to + (at -= 2), pairs + v % 100 * 2, 2);
	if (at)
		*to = (char)('0' + v % 10);
	return to + n;
}

static inline uint32_t count_digits(uint64_t v)
{
	/* A digit is worth log2(10), about 4096/1233, bits. */
	uint32_t n = (64u - (uint32_t)__builtin_clzll(v | 1)) * 1233 >> 12;
	return n + (v >= power[n]) + !v;
}

/* Each writes a number's text, at most TEXT_MAX; NULL: there is none. */
static char *write_decimal(char *to, int64_t number)
{
	uint64_t v = number < 0 ? -(uint64_t)number : (uint64_t)number;
	*to = '-';
	return write_digits(to + (number < 0), v, count_digits(v));
}

static char *write_address(char *to, int64_t v)
{
	if (v < 0 || v > UINT32_MAX)
		return NULL;
	for (int shift = 24; shift >= 0; shift -= 8) {
		uint32_t part = (uint32_t)v >> shift & 255;
		to = write_digits(to, part, 1 + (part > 9) + (part > 99));
		*to++ = '.';
	}
	return to - 1;
}

static char *write_time(char *to, struct form *f, int64_t v)
{
	const int64_t unit = (int64_t)power[f->width];
	int64_t seconds = v / unit, fraction = v % unit;
	if (fraction < 0)
		fraction += unit, seconds--;
	int64_t day = seconds / 86400, second = seconds % 86400;
	if (second < 0)
		second += 86400, day--;
	if (day != f->day || !f->date[0]) {
		int64_t y, m, d;
		if (day < DAY_MIN || day > DAY_MAX)
			return NULL;
		date_of(day, &y, &m, &d);
		write_digits(f->date, (uint64_t)y, 4)[0] = '-';
		write_digits(f->date + 5, (uint64_t)m, 2)[0] = '-';
		write_digits(f->date + 8, (uint64_t)d, 2);
		f->day = day;
	}
	memcpy(to, f->date, 10);
	to[10] = f->gap;
	write_digits(to + 11, (uint64_t)second / 3600, 2)[0] = ':';
	write_digits(to + 14, (uint64_t)second / 60 % 60, 2)[0] = ':';
	to = write_digits(to + 17, (uint64_t)second % 60, 2);
	if (f->width) {
		*to++ = f->point;
		to = write_digits(to, (uint64_t)fraction, f->width);
	}
	memcpy(to, f->after.p, f->after.n);
	return to + f->after.n;
}

/* Texts of all numbers; false: one has none. */
static bool write_all(struct form *f, const int64_t *v, uint32_t n, char *to, uint32_t *ends)
{
	char *const start = to;
	for (uint32_t i = 0; i < n && to; i++) {
		if (f->kind == FORM_DECIMAL)
			to = write_decimal(to, v[i]);
		else if (f->kind == FORM_ADDRESS)
			to = write_address(to, v[i]);
		else if (f->kind == FORM_TIME)
			to = write_time(to, f, v[i]);
		else
			to = v[i] >= 0 && (uint64_t)v[i] < power[f->width] ? write_digits(to, (uint64_t)v[i], f->width)
			                                                   : NULL;
		ends[i] = to ? (uint32_t)(to - start) : 0;
	}
	return to;
}

static bool take_form(struct take *t, struct form *f, bool *by_row)
{
	*f = (struct form){ .kind = (uint32_t)take_count(t, FORMS - 1), .width = (uint32_t)take_count(t, DIGITS) };
	*by_row = false;
	if (f->kind == FORM_TIME) {
		f->gap = (char)take_count(t, 255);
		f->point = (char)take_count(t, 255);
		f->after.n = (size_t)take_count(t, SUFFIX);
		f->after.p = (const char *)t->p;
		if (f->width > 9 || f->after.n > (size_t)(t->end - t->p))
			t->bad = true;
		else
			t->p += f->after.n;
		*by_row = take_count(t, 1);
	}
	return !t->bad;
}

void take_numbers(struct take *t, uint32_t n, struct chunk_values *ret)
{
	struct form f;
	bool by_row;
	if (!take_form(t, &f, &by_row))
		return;
	int64_t *v = take_integers(t, n);
	const int64_t *times = by_row ? take_times(t) : NULL;
	const size_t most = f.kind == FORM_DECIMAL   ? 20
	                    : f.kind == FORM_ADDRESS ? 16
	                    : f.kind == FORM_TIME    ? TEXT_MAX
	                                             : f.width;
	char *bytes = take_room(t, n, most);
	uint32_t *ends = take_room(t, n, sizeof(*ends));
	if (!v || !bytes || !ends || t->bad)
		return;
	for (uint32_t i = 0; i < n && times; i++)
		v[i] = (int64_t)((uint64_t)v[i] + row_time(times[t->rows[i]], f.width));
	if (write_all(&f, v, n, bytes, ends))
		*ret = (struct chunk_values){ .n = n, .n_texts = n, .bytes = bytes, .ends = ends };
	else
		t->bad = true;
}

bool take_may_hold(const struct take *t, struct str text)
{
	static const char *const bytes[FORMS] = {
		[FORM_DECIMAL] = "0123456789-", [FORM_PADDED] = "0123456789", [FORM_ADDRESS] = "0123456789."
	};
	struct take own = *t;
	uint64_t coding = take_count(&own, CODINGS - 1), form = take_count(&own, FORMS - 1);
	if (own.bad || coding != CODING_NUMBER || !bytes[form])
		return true;
	for (size_t i = 0; i < text.n; i++)
		if (!text.p[i] || !strchr(bytes[form], text.p[i]))
			return false;
	return true;
}
