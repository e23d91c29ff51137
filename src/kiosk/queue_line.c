#include "kiosk/queue_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void queue_label(char label[QUEUE_LABEL], struct str letter, int64_t number)
{
	snprintf(label, QUEUE_LABEL, STR_FMT "%03lld", STR_ARG(str_sub(letter, 0, 8)), (long long)number);
}

void line_done(struct line *l)
{
	free(l->ones);
	free(l->seats);
}

static int take_one(void *arg, const struct db_row *row)
{
	struct line *l = arg;
	struct seat *seat = &l->seats[l->n];
	int64_t start = db_number(row, 1);
	l->ones[l->n] = (struct queue_one){
		.start = start < 0 ? -1 : l->midnight + start * 60 * CLOCK_S,
		.arrived = db_number(row, 2),
		.priority = (enum queue_priority)db_number(row, 3),
		.room = db_number(row, 4),
		.number = db_number(row, 5),
		.tag = l->n,
	};
	snprintf(seat->ref, sizeof(seat->ref), STR_FMT, STR_ARG(db_text(row, 0)));
	queue_label(seat->label, db_text(row, 6), db_number(row, 5));
	seat->since = db_number(row, 2);
	l->n++;
	return 0;
}

static int take_lane(void *arg, const struct db_row *row)
{
	struct line *l = arg;
	l->in_row = db_number(row, 0);
	l->paused = db_number(row, 1);
	return 1;
}

int line_begin(struct call *c, struct line *l, struct err *err)
{
	int minute, weekday;
	*l = (struct line){
		.ones = calloc(QUEUE_LINE, sizeof(*l->ones)),
		.seats = calloc(QUEUE_LINE, sizeof(*l->seats)),
		.rule = { .weight = setting_number(c->db, STR("priority_weight"), 2),
		          .cap = setting_number(c->db, STR("wait_cap_minutes"), 60) * 60 * CLOCK_S },
	};
	clinic_time(c->db, c->now, l->day, &minute, &weekday);
	l->midnight = clinic_at(c->db, str_from(l->day), 0);
	return l->ones && l->seats ? 0 : err_set(err, -ENOMEM, "read a line: %m");
}

int line_read(struct call *c, struct line *l, int64_t room, struct err *err)
{
	l->n = 0;
	l->in_row = 0;
	l->paused = false;
	int64_t n = db_query(c->db, "SELECT in_row, paused FROM lane WHERE room = $1 AND day = $2",
	                     DB_ARGS(DB_N(room), DB_T(str_from(l->day))), take_lane, l, err);
	if (n >= 0)
		n = db_query(
		        c->db,
		        "SELECT b.ref, b.start, b.arrived, b.priority, b.room, b.number, r.letter"
		        " FROM booking b JOIN room r ON r.id = b.room"
		        " WHERE b.day = $1 AND b.state = 'arrived' AND (b.moved = $2 OR (b.moved = 0 AND b.room = $2))"
		        " ORDER BY b.arrived, b.room, b.number LIMIT $3",
		        DB_ARGS(DB_T(str_from(l->day)), DB_N(room), DB_N(QUEUE_LINE)), take_one, l, err);
	if (n < 0)
		return (int)n;
	queue_order(&l->rule, l->ones, l->n, l->in_row, c->now);
	return 0;
}
