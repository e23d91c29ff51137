/* Finding events: what is in no block yet and the blocks of each day, merged in the order of time. */
#include "store/find.h"

#include "base/clock.h"

static const int64_t DAY = (int64_t)86400 * CLOCK_S;

struct find {
	struct find_search search;
	struct find_merge *merge;
	struct err *err;
};

static int loose(void *arg, uint64_t seq, const struct event_row *row)
{
	struct find *f = arg;
	return find_merge_loose(f->merge, seq, row, f->err);
}

static int block(void *arg, const struct day_block *block, struct err *err)
{
	struct find *f = arg;
	return find_merge_block(f->merge, block, err);
}

/* No block of another day has an event of this one. The first and the last day have what lies beyond, too. */
static int day_over(void *arg, int32_t day, struct err *err)
{
	struct find *f = arg;
	bool oldest_first = f->search.q->oldest_first;
	if (day == (oldest_first ? DAY_LAST : DAY_FIRST))
		return find_merge_all(f->merge, err);
	return find_merge_before(f->merge, oldest_first ? (day + 1) * DAY : day * DAY - 1, err);
}

static int find(struct find *f, struct err *err)
{
	const struct find_visit visit = { block, day_over, f };
	int r = find_search_loose(&f->search, loose, f, err);
	r = r ? r : find_merge_loose_end(f->merge, err);
	r = r ? r : find_search_blocks(&f->search, &visit, err);
	return r < 0 ? r : find_merge_all(f->merge, err);
}

int embedded_find(struct events *s, const struct event_query *q, event_sink *sink, void *arg, struct event_found *found,
                  struct err *err)
{
	struct event_found own;
	struct find f = { .err = err };
	int r = find_search_begin(&f.search, s, q, found ? found : &own, err);
	r = r ? r : find_merge_new(&f.merge, &f.search, sink, arg, err);
	r = r ? r : find(&f, err);
	find_merge_free(f.merge);
	find_search_done(&f.search);
	return r < 0 ? r : 0;
}
