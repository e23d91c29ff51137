#include "store/embedded_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct usage_cache {
	struct usage_day *days;
	size_t n, cap;
};

void usage_free(struct usage_cache *u)
{
	if (!u)
		return;
	for (size_t i = 0; i < u->n; i++)
		free(u->days[i].items);
	free(u->days);
	free(u);
}

/* --- counting --- */

static struct usage_stamp stamp_of(struct events *s, int32_t day)
{
	char name[DAY_NAME], path[DIR_MAX + 64];
	struct usage_stamp stamp;
	struct stat st;
	memset(&stamp, 0, sizeof(stamp)); /* compared as bytes */
	day_name(day, name);
	snprintf(path, sizeof(path), "%s/%s", s->days.dir, name);
	if (!stat(path, &st)) {
		stamp.size = st.st_size;
		stamp.written = st.st_mtim;
	}
	snprintf(path, sizeof(path), "%s/%s-wal", s->days.dir, name);
	if (!stat(path, &st)) {
		stamp.wal_size = st.st_size;
		stamp.wal_written = st.st_mtim;
	}
	return stamp;
}

static struct usage_item *item_of(struct usage_day *d, struct str dataset)
{
	for (size_t i = 0; i < d->n; i++)
		if (str_eq(str_from(d->items[i].dataset), dataset))
			return &d->items[i];
	if (d->n == d->cap) {
		size_t cap = d->cap ? 2 * d->cap : 8;
		struct usage_item *more = realloc(d->items, cap * sizeof(*more));
		if (!more)
			return NULL;
		d->items = more;
		d->cap = cap;
	}
	struct usage_item *item = &d->items[d->n++];
	memset(item, 0, sizeof(*item));
	memcpy(item->dataset, dataset.p, dataset.n);
	return item;
}

static void add(struct event_usage *to, uint64_t events, uint64_t stored, uint64_t raw, int64_t first, int64_t last)
{
	to->oldest = to->events && to->oldest < first ? to->oldest : first;
	to->newest = to->events && to->newest > last ? to->newest : last;
	to->events += events;
	to->stored_bytes += stored;
	to->raw_bytes += raw;
}

static int count_day(struct events *s, struct usage_day *u, struct err *err)
{
	const struct day_block *blocks;
	struct day *d;
	size_t n;
	u->n = 0;
	int code = embedded_day(s, u->day, &d, err);
	if (!code)
		code = day_blocks(d, &blocks, &n, err);
	for (size_t i = 0; !code && i < n; i++) {
		const struct day_block *b = &blocks[i];
		struct usage_item *item = item_of(u, str_from(b->dataset));
		if (!item)
			return err_set(err, -ENOMEM, "count what is stored: %m");
		add(&item->usage, b->rows, b->size + b->filter_size, b->raw, b->first, b->last);
	}
	return code;
}

int usage_of_day(struct events *s, int32_t day, struct usage_day **ret, struct err *err)
{
	if (!s->usage && !(s->usage = calloc(1, sizeof(*s->usage))))
		return err_set(err, -ENOMEM, "count what is stored: %m");
	struct usage_cache *u = s->usage;
	struct usage_day *d = NULL;
	for (size_t i = 0; !d && i < u->n; i++)
		d = u->days[i].day == day ? &u->days[i] : NULL;
	if (!d && u->n == u->cap) {
		size_t cap = u->cap ? 2 * u->cap : 64;
		struct usage_day *more = realloc(u->days, cap * sizeof(*more));
		if (!more)
			return err_set(err, -ENOMEM, "count what is stored: %m");
		u->days = more;
		u->cap = cap;
	}
	if (!d) {
		d = &u->days[u->n++];
		*d = (struct usage_day){ .day = day };
	}
	const struct usage_stamp now = stamp_of(s, day);
	*ret = d;
	if (d->stamp.size && !memcmp(&d->stamp, &now, sizeof(now)))
		return 0;
	int code = count_day(s, d, err);
	d->stamp = code ? (struct usage_stamp){ 0 } : now;
	return code;
}

void usage_drop(struct events *s, int32_t day)
{
	struct usage_cache *u = s->usage;
	for (size_t i = 0; u && i < u->n; i++) {
		if (u->days[i].day != day)
			continue;
		free(u->days[i].items);
		u->days[i] = u->days[--u->n];
		return;
	}
}

static int add_loose(void *arg, uint64_t seq, const struct event_row *row)
{
	struct usage_item *item = item_of(arg, row->dataset);
	if (item)
		add(&item->usage, 1, row->json.n, row->json.n, row->time, row->time);
	return item ? 0 : -ENOMEM;
}

int usage_of_journal(struct events *s, struct usage_day *total, struct err *err)
{
	if (s->config.read_only)
		return embedded_unsealed(s, add_loose, total, err);
	for (size_t i = 0; i < s->n_pending; i++) {
		const struct pending *p = s->pending[i];
		for (size_t r = 0; r < p->n; r++) {
			const struct event_row row = { .time = p->rows[r].time,
				                       .dataset = str_from(p->datasets[p->rows[r].dataset]),
				                       .json = { "", p->rows[r].size } };
			if (p->n_sealed && pending_is_sealed(p, day_of(row.time)))
				continue;
			if (add_loose(total, 0, &row))
				return err_set(err, -ENOMEM, "count what is stored: %m");
		}
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct usage_item *)a)->dataset, ((const struct usage_item *)b)->dataset);
}

static int count_all(struct events *s, struct usage_day *total, struct err *err)
{
	int32_t *days = NULL;
	size_t n = 0;
	int code = embedded_days(s, INT64_MIN, 0, &days, &n, err);
	for (size_t i = 0; !code && i < n; i++) {
		struct usage_day *d;
		code = usage_of_day(s, days[i], &d, err);
		if (code && code != -ENOMEM) { /* a day that can't be read counts nothing */
			code = 0;
			continue;
		}
		for (size_t k = 0; !code && k < d->n; k++) {
			const struct event_usage *u = &d->items[k].usage;
			struct usage_item *to = item_of(total, str_from(d->items[k].dataset));
			if (!to)
				code = err_set(err, -ENOMEM, "count what is stored: %m");
			else
				add(&to->usage, u->events, u->stored_bytes, u->raw_bytes, u->oldest, u->newest);
		}
	}
	free(days);
	return code ? code : usage_of_journal(s, total, err);
}

int embedded_usage(struct events *s, usage_sink *sink, void *arg, struct err *err)
{
	struct usage_day total = { 0 };
	int code = days_begin(s, err);
	if (!code)
		code = count_all(s, &total, err);
	days_end(s);
	if (!code && total.n)
		qsort(total.items, total.n, sizeof(*total.items), by_name);
	for (size_t i = 0; !code && i < total.n; i++) {
		total.items[i].usage.dataset = str_from(total.items[i].dataset);
		if (sink(arg, &total.items[i].usage))
			break;
	}
	free(total.items);
	return code;
}
