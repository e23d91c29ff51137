#include "kiosk/pay.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

enum {
	HEADING_LINES = 40,
	HEADING_BYTES = 64 << 10,
	HEADING_MAX = 256,
	ID_MAX = 63,
	CONTENT_MAX = 512,
	LINES_OF_ONE = 4 /* a quoted text may have line ends */
};

enum column { NONE, DAY, ID, CONTENT, CREDIT, DEBIT, AMOUNT, N_COLUMNS };

/*
 * What a heading has in it, folded to small ASCII letters; the first that fits counts. Many banks write both languages into one
 * heading, so part of it is enough.
 */
static const struct {
	const char *part;
	enum column column;
} headings[] = {
	{ "sodu", NONE },
	{ "balance", NONE },
	{ "taikhoan", NONE },
	{ "account", NONE },
	{ "accumulated", NONE },
	{ "luyke", NONE },
	{ "ngay", DAY },
	{ "date", DAY },
	{ "ghico", CREDIT },
	{ "phatsinhco", CREDIT },
	{ "psco", CREDIT },
	{ "credit", CREDIT },
	{ "tienvao", CREDIT },
	{ "moneyin", CREDIT },
	{ "ghino", DEBIT },
	{ "phatsinhno", DEBIT },
	{ "psno", DEBIT },
	{ "debit", DEBIT },
	{ "tienra", DEBIT },
	{ "moneyout", DEBIT },
	{ "sotien", AMOUNT },
	{ "amount", AMOUNT },
	{ "noidung", CONTENT },
	{ "diengiai", CONTENT },
	{ "mota", CONTENT },
	{ "description", CONTENT },
	{ "content", CONTENT },
	{ "remark", CONTENT },
	{ "narrative", CONTENT },
	{ "details", CONTENT },
	{ "mathamchieu", ID },
	{ "sothamchieu", ID },
	{ "magiaodich", ID },
	{ "sogiaodich", ID },
	{ "sobuttoan", ID },
	{ "mabuttoan", ID },
	{ "sochungtu", ID },
	{ "sogd", ID },
	{ "magd", ID },
	{ "transactionid", ID },
	{ "transactionno", ID },
	{ "transactionnumber", ID },
	{ "referencenumber", ID },
	{ "referenceno", ID },
	{ "referencecode", ID },
	{ "refno", ID },
	{ "docno", ID },
	{ "reference", ID },

	{ "thoigian", DAY },

	{ "time", DAY },
};
/* Too short for a part of something. */
static const struct {
	struct str whole;
	enum column column;
} short_headings[] = {
	{ { "Có", 3 }, CREDIT }, { { "CÓ", 3 }, CREDIT }, { { "Nợ", 4 }, DEBIT }, { { "NỢ", 4 }, DEBIT },
	{ { "ID", 2 }, ID },     { { "id", 2 }, ID },     { { "Id", 2 }, ID },
};

struct record {
	unsigned line, n;
	struct str fields[STATEMENT_COLUMNS]; /* in `text`, without quotes; what is beyond the last column is dropped */
	char *text;                           /* room for the whole file */
};

struct scan {
	struct str rest;
	unsigned line;
};

/* Up to the separator or the line's end; *at is where the field's text goes. */
static struct str take_field(struct scan *s, char separator, char **at)
{
	struct str text = { *at, 0 };
	bool quoted = s->rest.n && s->rest.p[0] == '"';
	size_t i = quoted;
	for (; i < s->rest.n; i++) {
		char c = s->rest.p[i];
		if (quoted && c == '"') {
			quoted = i + 1 < s->rest.n && s->rest.p[i + 1] == '"'; /* "" is one of the text */
			if (!quoted || ++i == s->rest.n)
				continue;
		} else if (!quoted && (c == separator || c == '\n')) {
			break;
		}
		s->line += c == '\n';
		*(*at)++ = c;
	}
	text.n = (size_t)(*at - text.p);
	s->rest = str_sub(s->rest, i, s->rest.n);
	return str_trim(text);
}

static bool take_record(struct scan *s, char separator, struct record *r)
{
	if (!s->rest.n)
		return false;
	char *at = r->text, ended_by;
	r->line = s->line;
	r->n = 0;
	do {
		struct str field = take_field(s, separator, &at);
		if (r->n < STATEMENT_COLUMNS)
			r->fields[r->n++] = field;
		ended_by = s->rest.n ? s->rest.p[0] : '\n';
		s->rest = str_sub(s->rest, 1, s->rest.n);
	} while (ended_by == separator);
	s->line++;
	return true;
}

/* --- headings --- */

static enum column column_of(struct str heading)
{
	for (size_t i = 0; i < ARRAY_LEN(short_headings); i++)
		if (str_eq(heading, short_headings[i].whole))
			return short_headings[i].column;
	if (heading.n > HEADING_MAX)
		return NONE;
	CLEANUP(buf_free) struct buf folded = { .max = HEADING_MAX };
	vietqr_fold(heading, &folded);
	size_t n = 0;
	for (size_t i = 0; i < folded.n; i++) {
		char c = folded.p[i];
		c = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
		if (c >= 'a' && c <= 'z')
			folded.p[n++] = c;
	}
	for (size_t i = 0; n && i < ARRAY_LEN(headings); i++)
		if (memmem(folded.p, n, headings[i].part, strlen(headings[i].part)))
			return headings[i].column;
	return NONE;
}

/* at[]: which field, from 1 on; 0: there is no such column. Whether what is needed is there. */
static bool read_headings(const struct record *r, unsigned at[N_COLUMNS])
{
	memset(at, 0, N_COLUMNS * sizeof(at[0]));
	for (unsigned i = 0; i < r->n; i++) {
		enum column column = column_of(r->fields[i]);
		if (!at[column])
			at[column] = i + 1;
	}
	return (at[CREDIT] || at[AMOUNT]) && (at[ID] || at[CONTENT]) && (at[ID] || at[DAY]);
}

/* s is left behind the headings. Only the file's beginning is looked at: each separator is tried, and a file may be one long line. */
static bool find_headings(struct scan *s, char *separator, struct record *r, unsigned at[N_COLUMNS])
{
	static const char separators[] = { ',', ';', '\t' };
	for (size_t i = 0; i < sizeof(separators); i++) {
		struct scan try = { .rest = str_sub(s->rest, 0, HEADING_BYTES), .line = s->line };
		while (try.line <= HEADING_LINES && take_record(&try, separators[i], r))
			if (read_headings(r, at)) {
				s->rest = str_sub(s->rest, (size_t)(try.rest.p - s->rest.p), s->rest.n);
				s->line = try.line;
				*separator = separators[i];
				return true;
			}
	}
	return false;
}

/* --- lines --- */

static struct str field(const struct record *r, unsigned at)
{
	return at && at <= r->n ? r->fields[at - 1] : STR("");
}

/* Without what stands around a number: its sign, brackets for what went out, the currency. */
static bool bare_number(struct str *s, bool *minus)
{
	static const struct str currencies[] = { { "VND", 3 }, { "vnd", 3 }, { "đ", 2 }, { "₫", 3 } };
	for (size_t i = 0; i < ARRAY_LEN(currencies); i++)
		if (str_ends(*s, currencies[i]))
			*s = str_trim(str_sub(*s, 0, s->n - currencies[i].n));
	bool brackets = s->n >= 2 && s->p[0] == '(' && s->p[s->n - 1] == ')';
	if (brackets)
		*s = str_trim(str_sub(*s, 1, s->n - 2));
	*minus = brackets;
	if (s->n && !brackets && (s->p[0] == '-' || s->p[0] == '+')) {
		*minus = s->p[0] == '-';
		*s = str_trim(str_sub(*s, 1, s->n));
	}
	return s->n > 0;
}

static size_t digits_at(struct str s)
{
	size_t n = 0;
	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return n;
}

/* 1234567, 1.234.567, 1,234,567.00, (50,000), -5000 VND; empty and "-" are 0. False: none of these, or too much. */
static bool read_amount(struct str s, int64_t *amount)
{
	bool minus, grouped = false;
	int64_t value = 0;
	if (!bare_number(&s, &minus)) {
		*amount = 0;
		return true;
	}
	for (size_t n; s.n; s = str_sub(s, n, s.n)) {
		n = digits_at(s);
		if (!n || (grouped && n < 3 && n == s.n)) /* the last one or two stand behind a decimal sign */
			break;
		if (n > 13 || (grouped && n != 3))
			return false;
		for (size_t i = 0; i < n; i++)
			if ((value = value * 10 + (s.p[i] - '0')) > MONEY_MAX)
				return false;
		if (n < s.n && s.p[n] != '.' && s.p[n] != ',')
			return false;
		grouped = n < s.n;
		n += grouped;
	}
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '0') /* a fraction of a đồng, or no number */
			return false;
	*amount = minus ? -value : value;
	return !grouped || s.n;
}

static const char *read_line(const struct record *r, const unsigned at[N_COLUMNS], struct statement_line *l)
{
	int64_t credit = 0, debit = 0;
	struct str day = field(r, at[DAY]);
	*l = (struct statement_line){ .line = r->line,
		                      .bank_id = field(r, at[ID]),
		                      .content = str_sub(field(r, at[CONTENT]), 0, CONTENT_MAX) };
	if (l->bank_id.n > ID_MAX)
		return "number";
	if (!read_amount(field(r, at[at[CREDIT] ? CREDIT : AMOUNT]), &credit) ||
	    !read_amount(field(r, at[CREDIT] ? at[DEBIT] : 0), &debit))
		return "amount";
	debit = debit < 0 ? -debit : debit; /* some write what went out with a sign, too */
	if ((!credit && !debit) || (credit && debit))
		return "amount";
	l->amount = credit ? credit : -debit;
	if (day.n && !bank_time(day, &l->at))
		return "time";
	return NULL;
}

static struct scan scan_of(struct str csv)
{
	return (struct scan){ .rest = str_sub(csv, str_starts(csv, STR("\xef\xbb\xbf")) ? 3 : 0, csv.n), .line = 1 };
}

/* Separators alone, as Excel writes them behind the last one, are none. */
static bool is_written(struct str line)
{
	for (size_t i = 0; i < line.n; i++)
		if (isalnum((unsigned char)line.p[i]) || (unsigned char)line.p[i] >= 0x80)
			return true;
	return false;
}

bool statement_looks_right(struct str csv)
{
	char text[HEADING_BYTES + 1], separator;
	struct record r = { .text = text };
	struct scan s = scan_of(csv);
	unsigned at[N_COLUMNS], lines = 0;
	if (!find_headings(&s, &separator, &r, at))
		return false;
	for (struct str line; s.rest.n; s.rest = str_sub(s.rest, line.n + 1, s.rest.n)) {
		line = str_sub(s.rest, 0, str_find(s.rest, '\n'));
		lines += is_written(line);
	}
	return lines <= LINES_OF_ONE * STATEMENT_LINES;
}

int statement_read(struct str csv, void (*take)(void *arg, const struct statement_line *l),
                   void (*bad)(void *arg, unsigned line, const char *why), void *arg, struct err *err)
{
	if (str_starts(csv, STR("\xff\xfe")) || str_starts(csv, STR("\xfe\xff")))
		return err_set(err, -EBADMSG, "statement: UTF-16: save it as CSV in UTF-8");
	struct scan s = scan_of(csv);
	struct record r = { .text = malloc(csv.n + 1) };
	unsigned at[N_COLUMNS], lines = 0;
	char separator = 0;
	int rc = 0;
	if (!r.text)
		return err_set(err, -ENOMEM, "statement: %m");
	if (!find_headings(&s, &separator, &r, at))
		rc = err_set(err, -EBADMSG, "statement: no line with headings such as 'Mã giao dịch', 'Ghi có'");
	while (!rc && take_record(&s, separator, &r)) {
		struct statement_line l;
		int64_t ignored;
		if (!field(&r, at[ID]).n && !bank_time(field(&r, at[DAY]), &ignored))
			continue; /* a sum, or nothing */
		if (++lines > STATEMENT_LINES) {
			rc = err_set(err, -E2BIG, "statement: more than %d lines", STATEMENT_LINES);
			break;
		}
		const char *why = read_line(&r, at, &l);
		if (why)
			bad(arg, r.line, why);
		else
			take(arg, &l);
	}
	free(r.text);
	return rc;
}
