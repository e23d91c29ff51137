#include "kiosk/queue.h"

#include <stdlib.h>

static const int64_t MINUTE = (int64_t)60 * CLOCK_S;

/* Places of a whole: what is compared first. */
enum { EMERGENCY, OVER, WITH, WITHOUT, EARLY };

static int64_t turn_of(const struct queue_one *q)
{
	if (q->priority == QUEUE_EMERGENCY || q->start < 0 || q->arrived > q->start + QUEUE_LATE * MINUTE)
		return q->arrived;
	return q->start;
}

static int64_t kind_of(const struct queue_rule *rule, const struct queue_one *q, int64_t now)
{
	if (q->priority == QUEUE_EMERGENCY)
		return EMERGENCY;
	if (now - q->turn > rule->cap)
		return OVER;
	if (q->turn - now > QUEUE_EARLY * MINUTE)
		return EARLY;
	return q->priority == QUEUE_PRIORITY && rule->weight > 0 ? WITH : WITHOUT;
}

static int compare(const void *left, const void *right)
{
	const struct queue_one *a = left, *b = right;
	const int64_t keys[][2] = { { a->place, b->place },
		                    { a->turn, b->turn },
		                    { a->arrived, b->arrived },
		                    { a->room, b->room },
		                    { a->number, b->number } };
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i][0] != keys[i][1])
			return keys[i][0] < keys[i][1] ? -1 : 1;
	return 0;
}

int64_t queue_in_row(const struct queue_rule *rule, int64_t in_row, const struct queue_one *called)
{
	if (called->priority == QUEUE_EMERGENCY)
		return in_row; /* nobody's turn */
	if (called->priority == QUEUE_NORMAL)
		return 0;
	return in_row < rule->weight ? in_row + 1 : rule->weight;
}

void queue_order(const struct queue_rule *rule, struct queue_one *ones, size_t n, int64_t in_row, int64_t now)
{
	size_t with, without, early, place = 0;
	for (size_t i = 0; i < n; i++) {
		ones[i].turn = turn_of(&ones[i]);
		ones[i].place = kind_of(rule, &ones[i], now);
	}
	qsort(ones, n, sizeof(*ones), compare);
	while (place < n && ones[place].place <= OVER) {
		in_row = queue_in_row(rule, in_row, &ones[place]);
		ones[place].place = (int64_t)place;
		place++;
	}
	for (with = without = place; without < n && ones[without].place == WITH;)
		without++;
	const size_t with_end = without;
	for (early = without; early < n && ones[early].place == WITHOUT;)
		early++;
	while (with < with_end || without < early) {
		bool priority = with < with_end && (in_row < rule->weight || without == early);
		struct queue_one *next = &ones[priority ? with++ : without++];
		in_row = queue_in_row(rule, in_row, next);
		next->place = (int64_t)place++;
	}
	for (; early < n; early++)
		ones[early].place = (int64_t)place++;
	qsort(ones, n, sizeof(*ones), compare);
}
