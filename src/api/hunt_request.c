#include "api/hunt_request.h"

#include "base/utf8.h"

#include <errno.h>

enum { LIMIT = 100 };

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* Into `to`, with a NUL behind it; no longer than it was. */
static int decode(struct str from, char *to, struct str *ret)
{
	size_t n = 0;
	for (size_t i = 0; i < from.n; i++) {
		char c = from.p[i];
		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			const int high = i + 2 < from.n ? digit(from.p[i + 1]) : -1;
			const int low = high < 0 ? -1 : digit(from.p[i + 2]);
			if (low < 0)
				return -EINVAL;
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (!c)
			return -EINVAL;
		to[n++] = c;
	}
	to[n] = '\0';
	*ret = (struct str){ to, n };
	return utf8_valid(*ret) ? 0 : -EINVAL;
}

static int read_number(struct str value, uint64_t *ret)
{
	uint64_t n = 0;
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9' || i > 17)
			return -EINVAL;
		n = n * 10 + (uint64_t)(value.p[i] - '0');
	}
	*ret = n;
	return value.n ? 0 : -EINVAL;
}

static int read_format(struct str value, enum api_hunt_format *ret)
{
	static const char *const names[] = { "ndjson", "json", "csv" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(value, str_from(names[i]))) {
			*ret = (enum api_hunt_format)i;
			return 0;
		}
	return -EINVAL;
}

static int read_dataset(struct api_hunt *h, struct str value)
{
	if (!value.n || h->n_datasets == ARRAY_LEN(h->datasets))
		return -EINVAL;
	h->datasets[h->n_datasets++] = value;
	return 0;
}

static int take(struct api_hunt *h, unsigned *seen, struct str name, struct str value, struct err *err)
{
	enum { Q, SINCE, UNTIL, DATASET, FORMAT, COUNT, OLDEST, N };
	static const struct {
		const char *name, *what;
	} known[N] = {
		[Q] = { "q", "the hunt" },
		[SINCE] = { "since", "a time" },
		[UNTIL] = { "until", "a time" },
		[DATASET] = { "dataset", "the name of a source, at most 16 times" },
		[FORMAT] = { "format", "ndjson, json or csv" },
		[COUNT] = { "limit", "a number of rows; 0: all" },
		[OLDEST] = { "oldest", "1 or 0" },
	};
	uint64_t number = 0;
	unsigned i = 0;
	int code = 0;
	while (i < N && !str_eq(name, str_from(known[i].name)))
		i++;
	if (i == N)
		return err_set(err, -EINVAL,
		               "there is no argument '%.40s': q, since, until, dataset, format, limit, oldest", name.p);
	if (*seen & 1U << i && i != DATASET)
		return err_set(err, -EINVAL, "'%s' stands twice", known[i].name);
	*seen |= 1U << i;
	switch (i) {
	case Q: h->q = value; break;
	case SINCE: h->since = value; break;
	case UNTIL: h->until = value; break;
	case DATASET: code = read_dataset(h, value); break;
	case FORMAT: code = read_format(value, &h->format); break;
	case COUNT: code = read_number(value, &h->limit); break;
	default: code = read_number(value, &number) || number > 1 ? -EINVAL : 0; break;
	}
	h->oldest |= number == 1;
	if (code || !value.n)
		return err_set(err, -EINVAL, "'%s' is %s", known[i].name, known[i].what);
	return 0;
}

int hunt_request_read(struct str query, char *room, struct api_hunt *ret, struct err *err)
{
	struct api_hunt h = { .limit = LIMIT };
	unsigned seen = 0;
	int code = query.n > HUNT_QUERY_MAX ? err_set(err, -EINVAL, "the query is too long") : 0;
	while (query.n && !code) {
		const struct str part = str_sub(query, 0, str_find(query, '&'));
		const size_t is = str_find(part, '=');
		struct str name, value;
		query = str_sub(query, part.n + 1, query.n);
		if (!part.n)
			continue;
		if (decode(str_sub(part, 0, is), room, &name) ||
		    decode(str_sub(part, is + 1, part.n), room + name.n + 1, &value))
			return err_set(err, -EINVAL, "the query is not UTF-8 with %%XX and + as forms have them");
		room += name.n + value.n + 2;
		code = take(&h, &seen, name, value, err);
	}
	if (!code && !h.q.n)
		code = err_set(err, -EINVAL, "what to look for? q=...; q=* are all events");
	if (!code)
		*ret = h;
	return code;
}
