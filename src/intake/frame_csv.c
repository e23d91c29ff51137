/* CSV records: a line break within quotes doesn't end one. A quote opens a field only where the field begins. */
#include "intake/framer.h"

#include <errno.h>

enum { MAX_HEADER = 1 << 20 };

static bool opens(const struct framer *f, struct str s, size_t i)
{
	return !i || s.p[i - 1] == '"' || memchr(",;\t|", s.p[i - 1], 4);
}

/* Where the record at the start of s ends: at a line break, or s.n when it isn't there yet. Goes on from `looked`. */
static size_t record_end(struct framer *f, struct str s)
{
	size_t i = f->looked - f->pos;
	while (i < s.n) {
		struct str rest = str_sub(s, i, s.n);
		size_t nl = f->in_quotes ? rest.n : str_find(rest, '\n');
		size_t quote = f->zeek ? nl : str_find(str_sub(rest, 0, nl), '"');
		if (quote == nl || quote == rest.n) {
			i += quote == nl ? nl : rest.n;
			break;
		}
		i += quote;
		f->in_quotes = !f->in_quotes && opens(f, s, i);
		i++;
	}
	f->looked = f->pos + i;
	return i;
}

/* Passes over the line at pos; what follows it is tried anew. */
static void pass_line(struct framer *f, struct str rest, const char *reason)
{
	size_t n = str_find(str_sub(rest, 0, f->c.max_record + 1), '\n');
	f->skipping = n > f->c.max_record || n == rest.n;
	if (reason)
		framer_skip(f, f->line, reason);
	else
		framer_skip_long(f, f->line);
	f->looked = f->pos;
	f->in_quotes = false;
	framer_use(f, f->skipping ? 0 : n + 1);
}

/* From here on records have other columns. */
static int set_columns(struct framer *f, struct str header)
{
	struct columns *c;
	struct err err;
	int r = columns_new(&c, header, f->zeek, &err);
	if (r == -ENOENT && f->columns)
		return 0;
	if (r) {
		framer_skip(f, f->line, err.text);
		return r;
	}
	columns_unref(f->columns);
	f->columns = c;
	return 0;
}

/* A record: the header, a line of Zeek's header, or one to hand on. */
static int take(struct framer *f, struct str record)
{
	if (!f->columns && !f->header.n && columns_is_meta(record))
		f->zeek = true;
	if (f->zeek && record.n && record.p[0] == '#') {
		f->header.max = MAX_HEADER;
		buf_add(&f->header, record);
		buf_putc(&f->header, '\n');
		return f->header.failed ? -E2BIG : 0;
	}
	if (f->zeek && f->header.n) {
		int r = set_columns(f, buf_str(&f->header));
		f->header.n = 0;
		return r ? r : framer_emit(f, f->b, record, f->line);
	}
	return f->columns ? framer_emit(f, f->b, record, f->line) : set_columns(f, record);
}

/* Records that are there so far have the columns of now; they must go before a new header is read. */
static bool changes_columns(const struct framer *f, struct str record)
{
	return f->zeek && f->header.n && f->b->n_records && record.p[0] != '#';
}

int frame_csv(struct framer *f, enum frame_when when)
{
	int r = 0;
	while (!r) {
		if (f->skipping && !frame_skip_line(f))
			break;
		struct str rest = framer_rest(f);
		size_t n = record_end(f, rest);
		if (n > f->c.max_record) {
			pass_line(f, rest, NULL);
			continue;
		}
		if (n == rest.n && (when != FRAME_END || !n))
			break;
		if (n == rest.n && f->in_quotes) {
			pass_line(f, rest, "quoted field without an end");
			continue;
		}
		struct str record = str_sub(rest, 0, n && rest.p[n - 1] == '\r' ? n - 1 : n);
		if (str_trim(record).n && changes_columns(f, record)) {
			r = framer_hand_on(f);
			f->looked = f->pos;
			continue;
		}
		if (str_trim(record).n)
			r = take(f, record);
		framer_use(f, n < rest.n ? n + 1 : n);
	}
	return r;
}
