#include "kiosk/snapshot_table.h"

#include "base/buf.h"
#include "kiosk/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t';
}

/* The next word of s, which is cut; "" where a bracket, a comma or the end comes first. */
static struct str word(struct str *s)
{
	size_t n = 0;
	while (s->n && is_blank(s->p[0]))
		*s = str_sub(*s, 1, s->n);
	while (n < s->n && !is_blank(s->p[n]) && !strchr("(),;", s->p[n]))
		n++;
	struct str w = str_sub(*s, 0, n);
	*s = str_sub(*s, n, s->n);
	return w;
}

/* What stands in the bracket that s begins with; s is cut behind it. False: it begins with none, or it has no end. */
static bool bracket(struct str *s, struct str *inside)
{
	size_t depth = 0;
	if (word(s).n || !s->n || s->p[0] != '(')
		return false;
	for (size_t n = 0; n < s->n; n++) {
		depth += s->p[n] == '(';
		depth -= s->p[n] == ')';
		if (depth)
			continue;
		*inside = str_sub(*s, 1, n - 1);
		*s = str_sub(*s, n + 1, s->n);
		return true;
	}
	return false;
}

/* Up to the next comma outside of brackets; list is cut. False: there is none any more. */
static bool item(struct str *list, struct str *ret)
{
	size_t depth = 0, n = 0;
	if (!str_trim(*list).n)
		return false;
	for (; n < list->n && (depth || list->p[n] != ','); n++) {
		depth += list->p[n] == '(';
		depth -= list->p[n] == ')';
	}
	*ret = str_trim(str_sub(*list, 0, n));
	*list = str_sub(*list, n < list->n ? n + 1 : n, list->n);
	return true;
}

static bool name(struct str s, char ret[TABLE_NAME])
{
	if (!s.n || s.n >= TABLE_NAME)
		return false;
	memcpy(ret, s.p, s.n);
	ret[s.n] = '\0';
	return true;
}

static bool key(struct table *t, struct str column)
{
	for (int i = 0; i < t->n && t->n_keys < TABLE_KEYS; i++) {
		if (!str_eq(column, str_from(t->columns[i].name)))
			continue;
		t->keys[t->n_keys++] = i;
		return true;
	}
	return false;
}

static bool key_list(struct table *t, struct str s)
{
	struct str list, column;
	bool ok = str_eq(word(&s), STR("KEY")) && bracket(&s, &list);
	while (ok && item(&list, &column))
		ok = key(t, column);
	return ok;
}

static bool column(struct table *t, struct str is, struct str s)
{
	static const struct {
		struct str word;
		enum db_type type;
	} types[] = { { { "BIGINT", 6 }, DB_NUMBER }, { { "TEXT", 4 }, DB_TEXT }, { { "BLOB", 4 }, DB_BYTES } };
	struct str type = word(&s), more;
	if (t->n == DB_PARAMS || !name(is, t->columns[t->n].name))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (str_eq(type, types[i].word))
			t->columns[t->n].type = types[i].type;
	if (t->columns[t->n++].type == DB_NULL)
		return false;
	while ((more = word(&s)).n)
		if (str_eq(more, STR("PRIMARY")))
			return key(t, is);
	return true;
}

static bool read_table(struct table *t, struct str *sql)
{
	struct str inside, part;
	bool ok = name(word(sql), t->name) && bracket(sql, &inside);
	while (ok && item(&inside, &part)) {
		struct str first = word(&part);
		if (str_eq(first, STR("PRIMARY")))
			ok = key_list(t, part);
		else if (!str_eq(first, STR("UNIQUE")) && !str_eq(first, STR("CHECK")))
			ok = column(t, first, part);
	}
	return ok && t->n_keys;
}

/* --- statements --- */

static void add_columns(const struct table *t, struct buf *out)
{
	for (int i = 0; i < t->n; i++)
		buf_printf(out, "%s%s", i ? ", " : "", t->columns[i].name);
}

static void add_keys(const struct table *t, struct buf *out)
{
	for (int i = 0; i < t->n_keys; i++)
		buf_printf(out, "%s%s", i ? ", " : "", t->columns[t->keys[i]].name);
}

static void add_parameters(int n, struct buf *out)
{
	for (int i = 0; i < n; i++)
		buf_printf(out, "%s$%d", i ? ", " : "", i + 1);
}

static void add_select(const struct table *t, bool next, struct buf *out)
{
	buf_add(out, STR("SELECT "));
	add_columns(t, out);
	buf_printf(out, " FROM %s", t->name);
	if (next) {
		buf_add(out, STR(" WHERE ("));
		add_keys(t, out);
		buf_add(out, STR(") > ("));
		add_parameters(t->n_keys, out);
		buf_putc(out, ')');
	}
	buf_add(out, STR(" ORDER BY "));
	add_keys(t, out);
	buf_printf(out, " LIMIT %d", TABLE_ROWS);
}

/* The buffer's text is the caller's; NULL: no memory. */
static char *text_of(struct buf *b)
{
	buf_putc(b, '\0');
	if (!b->failed)
		return b->p;
	buf_free(b);
	return NULL;
}

static bool write_statements(struct table *t)
{
	struct buf first = { 0 }, next = { 0 }, insert = { 0 }, clear = { 0 };
	add_select(t, false, &first);
	add_select(t, true, &next);
	buf_printf(&insert, "INSERT INTO %s (", t->name);
	add_columns(t, &insert);
	buf_add(&insert, STR(") VALUES ("));
	add_parameters(t->n, &insert);
	buf_putc(&insert, ')');
	buf_printf(&clear, "DELETE FROM %s", t->name);
	if (strcmp(t->name, "meta") == 0)
		buf_add(&clear, STR(" WHERE name <> '" SNAPSHOT_OWN_ROW "'"));
	t->first = text_of(&first);
	t->next = text_of(&next);
	t->insert = text_of(&insert);
	t->clear = text_of(&clear);
	return t->first && t->next && t->insert && t->clear;
}

int tables_read(struct tables *ret, struct str sql, struct err *err)
{
	struct tables t = { .list = calloc(TABLES, sizeof(*t.list)) };
	int code = t.list ? 0 : -ENOMEM;
	while (!code && sql.n) {
		bool wanted = str_eq(word(&sql), STR("CREATE")) && str_eq(word(&sql), STR("TABLE"));
		if (wanted && (t.n == TABLES || !read_table(&t.list[t.n++], &sql)))
			code = -EINVAL;
		else if (wanted && !write_statements(&t.list[t.n - 1]))
			code = -ENOMEM;
		size_t end = str_find(sql, ';');
		sql = str_sub(sql, end + 1, sql.n);
	}
	if (!code) {
		*ret = t;
		return 0;
	}
	err_set(err, code, "read the schema: %s: %m", t.n ? t.list[t.n - 1].name : "no table");
	tables_free(&t);
	return code;
}

void tables_free(struct tables *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->list[i].first);
		free(t->list[i].next);
		free(t->list[i].insert);
		free(t->list[i].clear);
	}
	free(t->list);
	*t = (struct tables){ 0 };
}
