#include "cmd/find_query.h"

#include "cmd/hub_admin.h"
#include "event/event.h"
#include "os/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* Bytes of the field's name at the start of a FIELD:VALUE, or 0. */
static size_t field_name(struct str s)
{
	size_t n = 0;
	if (!s.n || !(is_letter(s.p[0]) || s.p[0] == '_' || s.p[0] == '@'))
		return 0;
	while (n < s.n &&
	       (is_letter(s.p[n]) || is_digit(s.p[n]) || (unsigned char)s.p[n] >= 0x80 || memchr("_.@-", s.p[n], 4)))
		n++;
	if (n == s.n || s.p[n] != ':')
		return 0;
	struct str rest = str_sub(s, n + 1, s.n);
	/* https://..., C:\..., fe80::1 */
	if (str_starts(rest, STR("//")) || str_starts(rest, STR("\\")) || str_starts(rest, STR(":")))
		return 0;
	return n;
}

static bool is_quoted(struct str s)
{
	return s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"';
}

/* The text of a term, and whether stars say that it may stand anywhere. */
static int take_text(const char *word, struct str s, struct event_term *t, struct err *err)
{
	bool before = s.n && s.p[0] == '*', behind = s.n && s.p[s.n - 1] == '*';
	if (is_quoted(s)) {
		t->text = str_sub(s, 1, s.n - 2);
		return 0;
	}
	if (before != behind)
		return err_set(err, -EINVAL,
		               "'%s': a '*' stands on both sides, *TEXT*, or on none; in quotes it is a letter as any "
		               "other",
		               word);
	t->text = s;
	if (before) {
		t->kind = TERM_SUBSTRING;
		t->text = s.n > 2 ? str_sub(s, 1, s.n - 2) : STR("");
	}
	return 0;
}

int find_query_term(const char *word, struct event_term *ret, struct err *err)
{
	struct str s = str_from(word);
	struct event_term t = { .kind = TERM_WORD };
	if (s.n && s.p[0] == '-') {
		t.negated = true;
		s = str_sub(s, 1, s.n);
	}
	size_t field = field_name(s);
	if (field) {
		t.kind = TERM_EQUAL;
		t.field = str_sub(s, 0, field);
		s = str_sub(s, field + 1, s.n);
	}
	if (!s.n && field)
		return err_set(err, -EINVAL,
		               "'%s': a value is missing behind ':'; %s* finds the events that have the field", word,
		               word);
	int r = take_text(word, s, &t, err);
	if (r)
		return r;
	if (!t.text.n && !field)
		return err_set(err, -EINVAL, "'%s': there is nothing to look for", word);
	*ret = t;
	return 0;
}

const struct event_expr *find_query_all(const struct event_term *terms, size_t n, struct event_expr *to)
{
	to[0] = (struct event_expr){ .kind = EXPR_AND, .of = to + 1, .n = n };
	for (size_t i = 0; i < n; i++)
		to[i + 1] = (struct event_expr){ .kind = EXPR_TERM, .term = terms[i] };
	return to;
}

/* 7d: µs, or 0. */
static int64_t duration(struct str s)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 7 * 86400 } };
	int64_t n = 0;
	size_t i = 0;
	for (; i < s.n && i < 6 && is_digit(s.p[i]); i++)
		n = n * 10 + (s.p[i] - '0');
	for (size_t u = 0; i && i + 1 == s.n && u < ARRAY_LEN(units); u++)
		if (s.p[i] == units[u].unit)
			return n * units[u].seconds * CLOCK_S;
	return 0;
}

/* A date, with a time or without, of the machine's time zone. */
static bool local_time(const char *word, int64_t *ret)
{
	static const char *const forms[] = { "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S",
		                             "%Y-%m-%dT%H:%M:%S" };
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct tm tm = { 0 };
		const char *end = is_digit(word[0]) ? strptime(word, forms[i], &tm) : NULL;
		if (!end || *end)
			continue;
		struct tm same = tm;
		tm.tm_isdst = -1;
		time_t t = mktime(&tm);
		/* mktime makes March 2 of February 30. */
		if (t == (time_t)-1 || tm.tm_mday != same.tm_mday)
			return false;
		*ret = (int64_t)t * CLOCK_S;
		return true;
	}
	return false;
}

int find_query_time(const char *word, int64_t now, int64_t *ret, struct err *err)
{
	struct str s = str_from(word);
	int64_t before = duration(s), at;
	if (before) {
		*ret = now - before;
		return 0;
	}
	/* A number alone would be seconds since 1970 to event_parse_time: nobody means that here. */
	if (local_time(word, &at) || (str_find(s, '-') < s.n && event_parse_time(s, &at))) {
		*ret = at;
		return 0;
	}
	return err_set(err, -EINVAL,
	               "'%s' is no time: write 7d, 12h or 30m for so long ago, or 2026-11-22, or \"2026-11-22 08:30\"",
	               word);
}

static int find_store(struct admin *a, const char *data, char *path, size_t size, struct err *err)
{
	int r = admin_find(a, data, err);
	if (r)
		return r;
	int n = snprintf(path, size, "%s/events", a->store);
	if (n < 0 || (size_t)n >= size)
		return err_set(err, -ENAMETOOLONG, "'%s': %m", a->data);
	if (access(path, F_OK))
		return err_set(err, -errno, "no events at '%s': %m%s", path,
		               errno == ENOENT ? "; name the hub's folder with --data" : "");
	return 0;
}

int find_query_store(const char *data, char *path, size_t size, struct err *err)
{
	struct admin a;
	return find_store(&a, data, path, size, err);
}

int find_query_enter(const char *data, char *path, size_t size, struct err *err)
{
	struct admin a;
	struct sandbox *sandbox;
	struct sandbox_report report;
	int r = find_store(&a, data, path, size, err);
	r = r ? r : admin_become(&a, err);
	const struct sandbox_config config = { .dir = path, .may = SANDBOX_FILES | SANDBOX_THREADS };
	r = r ? r : sandbox_init(&sandbox, &config, err);
	if (r)
		return r;
	tzset(); /* reads a file */
	sandbox_enter(sandbox, &report);
	return 0;
}
