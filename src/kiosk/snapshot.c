#include "kiosk/snapshot.h"

#include "kiosk/db.h"
#include "kiosk/schema.h"
#include "kiosk/snapshot_table.h"

#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_MAX_BYTES = 16 << 20 };

/* --- out --- */

struct snapshot {
	struct db *db;
	struct tables tables;
	size_t table;     /* the next one */
	bool begun, more; /* it; there were as many rows as one query gives */
	int64_t rows;
	struct buf keys[TABLE_KEYS];  /* of the last row, where they are texts or bytes */
	struct buf named[TABLE_KEYS]; /* what the query under way was given: borrowed until its end */
	int64_t numbers[TABLE_KEYS];
	/* during a query */
	struct buf *out;
	size_t until;
	int in_query;
	bool full;
};

int snapshot_begin(struct snapshot **ret, const char *uri, struct err *err)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(err, -ENOMEM, "copy the database: %m");
	int code = tables_read(&s->tables, str_from(schema_sql), err);
	if (!code)
		code = db_open(&s->db, uri, err);
	if (!code)
		code = db_begin_read(s->db, err);
	if (code)
		snapshot_end(s);
	else
		*ret = s;
	return code;
}

void snapshot_end(struct snapshot *s)
{
	if (!s)
		return;
	db_close(s->db); /* before the statements go */
	tables_free(&s->tables);
	for (int i = 0; i < TABLE_KEYS; i++) {
		buf_free(&s->keys[i]);
		buf_free(&s->named[i]);
	}
	free(s);
}

static void add_bytes(struct str bytes, struct buf *out)
{
	const size_t n = sodium_base64_ENCODED_LEN(bytes.n, sodium_base64_VARIANT_ORIGINAL);
	buf_putc(out, '"');
	char *to = buf_room(out, n);
	if (to) {
		sodium_bin2base64(to, n, (const unsigned char *)bytes.p, bytes.n, sodium_base64_VARIANT_ORIGINAL);
		out->n += n - 1; /* not its NUL */
	}
	buf_putc(out, '"');
}

static void add_value(const struct db_row *row, int column, enum db_type type, struct buf *out)
{
	if (db_is_null(row, column))
		buf_add(out, STR("null"));
	else if (type == DB_NUMBER)
		buf_printf(out, "%lld", (long long)db_number(row, column));
	else if (type == DB_TEXT)
		buf_add_json(out, db_text(row, column));
	else
		add_bytes(db_bytes(row, column), out);
}

static bool is_own(const struct table *t, const struct db_row *row)
{
	return strcmp(t->name, "meta") == 0 && str_eq(db_text(row, 0), STR(SNAPSHOT_OWN_ROW));
}

static int on_row(void *arg, const struct db_row *row)
{
	struct snapshot *s = arg;
	const struct table *t = &s->tables.list[s->table];
	for (int i = 0; i < t->n_keys; i++) {
		const int column = t->keys[i];
		s->numbers[i] = db_number(row, column);
		s->keys[i].n = 0;
		if (t->columns[column].type != DB_NUMBER)
			buf_add(&s->keys[i],
			        t->columns[column].type == DB_TEXT ? db_text(row, column) : db_bytes(row, column));
		if (s->keys[i].failed)
			return -ENOMEM;
	}
	s->in_query++;
	if (is_own(t, row))
		return 0;
	for (int i = 0; i < t->n; i++) {
		buf_putc(s->out, i ? ',' : '[');
		add_value(row, i, t->columns[i].type, s->out);
	}
	buf_add(s->out, STR("]\n"));
	s->rows++;
	s->full = s->out->n >= s->until;
	return s->out->failed ? -E2BIG : s->full;
}

static int read_rows(struct snapshot *s, struct err *err)
{
	const struct table *t = &s->tables.list[s->table];
	struct db_value last[TABLE_KEYS];
	for (int i = 0; i < t->n_keys; i++) {
		const enum db_type type = t->columns[t->keys[i]].type;
		const struct buf spare = s->named[i];
		s->named[i] = s->keys[i];
		s->keys[i] = spare;
		last[i] = (struct db_value){ .type = type, .n = s->numbers[i], .s = buf_str(&s->named[i]) };
		if (!last[i].s.n)
			last[i].s = STR(""); /* and not absent */
	}
	s->in_query = 0;
	s->full = false;
	int64_t n =
	        db_query(s->db, s->more ? t->next : t->first, last, s->more ? (size_t)t->n_keys : 0, on_row, s, err);
	if (n < 0)
		return n == -E2BIG || n == -ENOMEM ? err_set(err, (int)n, "copy table %s: %m", t->name) : (int)n;
	s->more = s->in_query == TABLE_ROWS || s->full;
	return 0;
}

static void begin_table(struct snapshot *s)
{
	const struct table *t = &s->tables.list[s->table];
	buf_printf(s->out, "{\"table\":\"%s\",\"columns\":[", t->name);
	for (int i = 0; i < t->n; i++)
		buf_printf(s->out, "%s\"%s\"", i ? "," : "", t->columns[i].name);
	buf_add(s->out, STR("]}\n"));
	s->begun = true;
}

int snapshot_read(struct snapshot *s, size_t want, struct buf *out, struct err *err)
{
	s->out = out;
	s->until = out->n + want;
	if (s->table == 0 && !s->begun)
		buf_printf(out, "{\"khien-kiosk\":%d}\n", SCHEMA_VERSION);
	while (s->table < s->tables.n && out->n < s->until) {
		if (!s->begun)
			begin_table(s);
		int code = read_rows(s, err);
		if (code)
			return code;
		if (s->more)
			continue;
		s->table++;
		s->begun = false;
	}
	if (s->table < s->tables.n)
		return out->failed ? err_set(err, -E2BIG, "copy the database: %m") : 1;
	buf_printf(out, "{\"rows\":%lld}\n", (long long)s->rows);
	return out->failed ? err_set(err, -E2BIG, "copy the database: %m") : 0;
}

/* --- in --- */

struct snapshot_load {
	struct db *db;
	struct tables tables;
	struct table *table; /* whose rows come */
	bool seen[TABLES];
	bool begun, ended;
	int64_t rows;
	struct buf line;  /* of which the end is to come */
	struct buf bytes; /* of a row */
};

int snapshot_load_begin(struct snapshot_load **ret, const char *uri, struct err *err)
{
	struct snapshot_load *l = calloc(1, sizeof(*l));
	if (!l)
		return err_set(err, -ENOMEM, "put a copy in: %m");
	l->line.max = l->bytes.max = LINE_MAX_BYTES;
	int code = tables_read(&l->tables, str_from(schema_sql), err);
	if (!code)
		code = db_open(&l->db, uri, err);
	if (!code)
		code = db_begin(l->db, err);
	for (size_t i = 0; i < l->tables.n && !code; i++) {
		int64_t n = db_run(l->db, l->tables.list[i].clear, DB_NONE, err);
		code = n < 0 ? (int)n : 0;
	}
	if (code)
		snapshot_load_end(l, false, NULL);
	else
		*ret = l;
	return code;
}

static int no_copy(struct err *err, const char *why)
{
	return err_set(err, -EBADMSG, "no copy of a kiosk's database: %s", why);
}

/* Bytes of a text in base64 into l->bytes, in which there is room. False: it isn't. */
static bool bytes_of(struct snapshot_load *l, const json_t *json, struct str *ret)
{
	const char *text = json_string_value(json), *end;
	size_t n = json_string_length(json), got;
	unsigned char *to = (unsigned char *)l->bytes.p + l->bytes.n;
	if (sodium_base642bin(to, l->bytes.cap - l->bytes.n, text, n, NULL, &got, &end,
	                      sodium_base64_VARIANT_ORIGINAL) ||
	    end != text + n)
		return false;
	*ret = (struct str){ (const char *)to, got };
	l->bytes.n += got;
	return true;
}

static bool value_of(struct snapshot_load *l, const json_t *json, enum db_type type, struct db_value *ret)
{
	*ret = (struct db_value){ .type = json_is_null(json) ? DB_NULL : type, .s = STR("") };
	if (json_is_null(json))
		return true;
	if (type == DB_NUMBER) {
		ret->n = json_integer_value(json);
		return json_is_integer(json);
	}
	if (!json_is_string(json))
		return false;
	if (type == DB_BYTES)
		return bytes_of(l, json, &ret->s);
	ret->s = (struct str){ json_string_value(json), json_string_length(json) };
	return true;
}

static int put_row(struct snapshot_load *l, const json_t *row, size_t length, struct err *err)
{
	const struct table *t = l->table;
	struct db_value values[DB_PARAMS];
	l->bytes.n = 0;
	if (!t || json_array_size(row) != (size_t)t->n || !buf_room(&l->bytes, length))
		return no_copy(err, "a row without its table");
	for (int i = 0; i < t->n; i++)
		if (!value_of(l, json_array_get(row, (size_t)i), t->columns[i].type, &values[i]))
			return no_copy(err, "a value of another type");
	if (strcmp(t->name, "meta") == 0 && str_eq(values[0].s, STR(SNAPSHOT_OWN_ROW)))
		return no_copy(err, "another kiosk's own row");
	int64_t n = db_run(l->db, t->insert, values, (size_t)t->n, err);
	l->rows++;
	return n == -EINVAL || n == -EEXIST ? no_copy(err, "a row that can't be") : n < 0 ? (int)n : 0;
}

static int begin_rows(struct snapshot_load *l, const json_t *head, struct err *err)
{
	const char *name = json_string_value(json_object_get(head, "table"));
	const json_t *columns = json_object_get(head, "columns");
	size_t at = 0;
	while (at < l->tables.n && strcmp(l->tables.list[at].name, name) != 0)
		at++;
	if (at == l->tables.n || l->seen[at])
		return no_copy(err, "a table that isn't here, or came before");
	struct table *t = &l->tables.list[at];
	bool same = json_array_size(columns) == (size_t)t->n;
	for (int i = 0; i < t->n && same; i++) {
		const char *column = json_string_value(json_array_get(columns, (size_t)i));
		same = column && strcmp(column, t->columns[i].name) == 0;
	}
	if (!same)
		return no_copy(err, "a table with other columns");
	l->table = t;
	l->seen[at] = true;
	return 0;
}

static int end_rows(struct snapshot_load *l, const json_t *end, struct err *err)
{
	bool all = json_integer_value(json_object_get(end, "rows")) == l->rows;
	for (size_t i = 0; i < l->tables.n; i++)
		all = all && l->seen[i];
	l->ended = true;
	return all ? 0 : no_copy(err, "something is missing");
}

static int take_line(struct snapshot_load *l, struct str text, struct err *err)
{
	json_t *json = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	int code;
	if (!json || l->ended)
		code = no_copy(err, "a line that isn't one");
	else if (!l->begun)
		code = json_integer_value(json_object_get(json, "khien-kiosk")) == SCHEMA_VERSION
		               ? 0
		               : no_copy(err, "it is of another khien");
	else if (json_is_array(json))
		code = put_row(l, json, text.n, err);
	else if (json_is_string(json_object_get(json, "table")))
		code = begin_rows(l, json, err);
	else if (json_is_integer(json_object_get(json, "rows")))
		code = end_rows(l, json, err);
	else
		code = no_copy(err, "a line that isn't one");
	l->begun = true;
	json_decref(json);
	return code;
}

int snapshot_load_take(struct snapshot_load *l, struct str piece, struct err *err)
{
	int code = 0;
	while (piece.n && !code) {
		size_t n = str_find(piece, '\n');
		buf_add(&l->line, str_sub(piece, 0, n));
		if (l->line.failed)
			return err_set(err, -E2BIG, "a line of the copy: %m");
		if (n < piece.n) {
			code = take_line(l, buf_str(&l->line), err);
			l->line.n = 0;
			n++;
		}
		piece = str_sub(piece, n, piece.n);
	}
	return code;
}

int snapshot_load_end(struct snapshot_load *l, bool keep, struct err *err)
{
	int code = 0;
	if (!l)
		return 0;
	if (keep && (!l->ended || l->line.n))
		code = no_copy(err, "its end is missing");
	else if (keep)
		code = db_commit(l->db, err);
	db_close(l->db);
	tables_free(&l->tables);
	buf_free(&l->line);
	if (l->bytes.p)
		sodium_memzero(l->bytes.p, l->bytes.cap);
	buf_free(&l->bytes);
	free(l);
	return code;
}
