/*
 * The desk: where offers become rows, wait for the keeper's word, and are matched once they are durable.
 *
 * An offer is cut into flights of at most so many rows as the keeper takes at once. Flights are answered in the order
 * in which they were sent; the offer is answered when its last one is.
 */
#include "cmd/hub_front.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <time.h>

static const int64_t AHEAD = 60LL * CLOCK_S; /* so far clocks of machines may differ */
enum { UNDER_WAY_MAX = 32 << 20, ROWS_AT_ONCE = 4096, DATASETS_MAX = 256 };

struct parcel {
	struct offer *offer;
	unsigned flights; /* not answered yet */
	size_t held;      /* bytes of the offer */
	int code;
};

struct flight {
	struct flight *next;
	struct parcel *parcel;
	struct buf rows; /* body of LINK_ROWS; kept until rules have seen it */
	uint32_t n, *items;
	uint32_t asked;    /* rows of the message that is under way */
	uint8_t *verdicts; /* its rows stand in the journal, but are not durable yet; NULL: they don't */
	size_t held;       /* bytes, all in all */
};

/*
 * Rows that were taken but couldn't be made durable: their sender was told no, and may send them again, when they are
 * known. Rules see them as soon as something has become durable behind them.
 */
struct refused {
	struct refused *next;
	struct buf rows;
	uint64_t seq;
	uint32_t n;
	bool recording;
	char bytes[]; /* verdicts, and the name of the sender */
};

struct queue {
	struct flight *first, **last;
};

struct hub_desk {
	struct hub_desk_config c;
	struct envelope *envelope;
	const struct format *json;
	struct queue sent, waiting; /* waiting: the keeper had no room */
	struct refused *refused, **last_refused;
	struct buf scratch; /* the JSON of one row */
	struct hub_desk_counts counts;
	uint64_t matched;                                  /* rules saw the rows before this one in a run before */
	char datasets[DATASETS_MAX][ENVELOPE_DATASET + 1]; /* that were seen */
	size_t n_datasets;
	bool full; /* somebody was turned away */
};

int hub_desk_new(struct hub_desk **ret, const struct hub_desk_config *config, struct err *err)
{
	struct hub_desk *d = calloc(1, sizeof(*d));
	if (!d)
		return err_set(err, -ENOMEM, "%m");
	d->c = *config;
	d->json = intake_format(STR("json"));
	d->sent.last = &d->sent.first;
	d->waiting.last = &d->waiting.first;
	d->last_refused = &d->refused;
	int code = envelope_new(&d->envelope, err);
	if (code)
		hub_desk_free(d);
	else
		*ret = d;
	return code;
}

static void flight_free(struct flight *f)
{
	if (!f)
		return;
	buf_free(&f->rows);
	free(f->items);
	free(f->verdicts);
	free(f);
}

static void push(struct queue *q, struct flight *f)
{
	f->next = NULL;
	*q->last = f;
	q->last = &f->next;
}

static struct flight *pop(struct queue *q)
{
	struct flight *f = q->first;
	if (f && !(q->first = f->next))
		q->last = &q->first;
	return f;
}

/* The offer goes back when nothing of it is left under way. */
static void land(struct hub_desk *d, struct flight *f)
{
	struct parcel *p = f->parcel;
	d->counts.under_way -= f->held;
	flight_free(f);
	if (!p || --p->flights)
		return;
	d->counts.under_way -= p->held;
	p->offer->answer(p->offer, p->code);
	free(p);
}

static void drop_refused(struct hub_desk *d)
{
	struct refused *r = d->refused;
	if (!(d->refused = r->next))
		d->last_refused = &d->refused;
	d->counts.under_way -= r->rows.cap;
	buf_free(&r->rows);
	free(r);
}

void hub_desk_free(struct hub_desk *d)
{
	if (!d)
		return;
	struct queue *const queues[] = { &d->sent, &d->waiting };
	for (size_t i = 0; i < ARRAY_LEN(queues); i++)
		for (struct flight *f; (f = pop(queues[i]));) {
			if (f->parcel)
				f->parcel->code = -ECANCELED;
			land(d, f);
		}
	while (d->refused)
		drop_refused(d);
	envelope_free(d->envelope);
	buf_free(&d->scratch);
	free(d);
}

/* --- in --- */

static int64_t zone(int64_t now)
{
	time_t s = now / CLOCK_S;
	struct tm tm;
	localtime_r(&s, &tm);
	return (int64_t)tm.tm_gmtoff * CLOCK_S;
}

/*
 * Anybody who may send names datasets, and each is a block of its own in the store: beyond so many in a run all new ones
 * are one. The event itself keeps the name that it came with.
 */
static struct str bounded(struct hub_desk *d, struct str dataset)
{
	for (size_t i = 0; i < d->n_datasets; i++)
		if (str_eq(str_from(d->datasets[i]), dataset))
			return dataset;
	if (d->n_datasets == DATASETS_MAX)
		return STR("other");
	memcpy(d->datasets[d->n_datasets], dataset.p, dataset.n);
	d->datasets[d->n_datasets++][dataset.n] = '\0';
	return dataset;
}

/* Makes a row of an item, or says why not. */
static void add_item(struct hub_desk *d, struct flight *f, const struct offer *o, uint32_t i)
{
	struct offer_item *item = &o->items[i];
	const struct envelope_around around = {
		.format = o->format,
		.columns = o->columns,
		.id = item->id,
		.dataset = item->dataset,
		.source = str_from(o->sender->name),
		.host = str_from(o->sender->host),
		.unit = str_from(o->sender->unit),
		.file = o->file,
		.received = o->now,
		.since = item->since,
		.zone = zone(o->now),
	};
	struct envelope_row sealed;
	struct err err;
	d->scratch.n = 0;
	if (envelope_seal(d->envelope, item->record, &around, &d->scratch, &sealed, &err)) {
		item->verdict = OFFER_BAD;
		item->reason = err.code == -E2BIG ? "longer than 1 MiB" : "no event can be made of it";
		d->counts.bad++;
		o->sender->bad++;
		return;
	}
	const struct event_row row = {
		.time = sealed.time,
		.since = sealed.since,
		.dataset = bounded(d, sealed.dataset),
		.id = sealed.id,
		.json = buf_str(&d->scratch),
	};
	link_add_row(&f->rows, &row);
	f->items[f->n++] = i;
}

static struct flight *flight_new(struct parcel *p, size_t most)
{
	struct flight *f = calloc(1, sizeof(*f));
	const size_t n = most < ROWS_AT_ONCE ? most + 1 : ROWS_AT_ONCE;
	uint32_t *items = calloc(n, sizeof(*items));
	if (!f || !items) {
		free(f);
		free(items);
		return NULL;
	}
	*f = (struct flight){
		.parcel = p, .items = items, .held = sizeof(*f) + n * sizeof(*items), .rows.max = LINK_MESSAGE_MAX / 4
	};
	return f;
}

static void send_rows(struct hub_desk *d, struct flight *f)
{
	f->asked = f->verdicts ? 0 : f->n; /* what stands there already isn't put there again */
	const struct link_head head = { .kind = LINK_ROWS, .n = f->asked };
	link_put(d->c.link, &head, buf_str(&f->rows));
	push(&d->sent, f);
}

/* Everything that an offer holds, as flights. They are sent together, or not at all. */
static int pack(struct hub_desk *d, struct parcel *p, struct queue *flights)
{
	const struct offer *o = p->offer;
	struct flight *f = NULL;
	for (size_t i = 0; i < o->n || !f; i++) {
		if (!f || f->n == ROWS_AT_ONCE || f->rows.n > LINK_MESSAGE_MAX / 8) {
			f = flight_new(p, o->n - i);
			if (!f)
				return -ENOMEM;
			push(flights, f);
			p->flights++;
		}
		if (i < o->n)
			add_item(d, f, o, (uint32_t)i);
		if (f->rows.failed)
			return -ENOMEM;
	}
	return 0;
}

int hub_desk_take(void *arg, struct offer *o)
{
	struct hub_desk *d = arg;
	const size_t held = o->held > o->bytes ? o->held : o->bytes;
	if (d->counts.under_way + held > UNDER_WAY_MAX && d->counts.under_way) {
		d->full = true;
		d->counts.busy++;
		return -EAGAIN;
	}
	struct queue flights = { .last = &flights.first };
	struct parcel *p = calloc(1, sizeof(*p));
	if (!p)
		return -EAGAIN;
	p->offer = o;
	p->held = held;
	int code = pack(d, p, &flights);
	for (struct flight *f; (f = pop(&flights));) {
		if (code) {
			flight_free(f);
			continue;
		}
		f->held += f->rows.cap;
		d->counts.under_way += f->held;
		send_rows(d, f);
	}
	if (code) {
		free(p);
		d->full = true;
		return -EAGAIN;
	}
	d->counts.under_way += held;
	o->sender->events += o->n;
	o->sender->bytes += o->bytes;
	o->sender->last = o->now;
	d->counts.events += o->n;
	d->counts.bytes += o->bytes;
	return 0;
}

/* --- rules --- */

/* The id of an event without one is that of its place in the journal, which it has for good. */
static void event_id(const struct event_row *row, uint64_t seq, unsigned char id[MATCH_ID])
{
	size_t n = 0;
	if (row->id.n == (size_t)2 * MATCH_ID && !sodium_hex2bin(id, MATCH_ID, row->id.p, row->id.n, NULL, &n, NULL) &&
	    n == MATCH_ID)
		return;
	if (row->id.n)
		crypto_generichash(id, MATCH_ID, (const unsigned char *)row->id.p, row->id.n, NULL, 0);
	else
		crypto_generichash(id, MATCH_ID, (const unsigned char *)&seq, sizeof(seq),
		                   (const unsigned char *)"khien seq", 9);
}

struct seen {
	struct hub_desk *desk;
	unsigned char id[MATCH_ID];
	bool known; /* a run before told its alerts */
};

/* Ahead of the clock is wrong or a lie, and would make what truly comes now late for correlations. */
static int on_match(void *arg, const struct match *m)
{
	const struct seen *seen = arg;
	struct match at = *m;
	int64_t now = clock_wall(seen->desk->c.clock);
	at.time = m->time > now + AHEAD ? now : m->time;
	at.known = seen->known;
	memcpy(at.id, seen->id, sizeof(at.id));
	return pipe_match(seen->desk->c.pipe, &at);
}

static int match(struct hub_desk *d, const struct event_row *row, uint64_t seq, bool known, const char *source)
{
	struct pipe *p = d->c.pipe;
	struct seen seen = { .desk = d, .known = known };
	struct err err;
	if (intake_parse(d->json, NULL, row->json, row->time, &p->event, &err))
		return 0; /* it was read when it came */
	p->event.file = source;
	p->event.time = row->time;
	p->events++;
	event_id(row, seq, seen.id);
	pipe_look_up(p, clock_wall(d->c.clock));
	return matcher_run(p->matcher, &p->event, on_match, &seen);
}

static void say_matched(struct hub_desk *d, uint64_t seq)
{
	const struct link_head head = { .kind = LINK_MATCHED, .seq = seq };
	link_put(d->c.link, &head, STR(""));
}

void hub_desk_matched(struct hub_desk *d, uint64_t seq)
{
	d->matched = seq;
}

int hub_desk_replay(struct hub_desk *d, const struct link_head *head, struct str body)
{
	struct event_row row;
	int code = 0;
	for (uint64_t i = 0; i < head->n && !code; i++)
		code = link_take_row(&body, &row) ? match(d, &row, head->seq + i, head->seq + i < d->matched, "hub")
		                                  : -EPROTO;
	if (!code && head->n && head->seq + head->n > d->matched)
		say_matched(d, head->seq + head->n);
	return code;
}

/* --- the keeper's word --- */

static int hold_refused(struct hub_desk *d, struct flight *f, uint64_t seq, struct str verdicts)
{
	const struct offer *o = f->parcel->offer;
	const size_t name = strlen(o->sender->name) + 1;
	struct refused *r = malloc(sizeof(*r) + f->n + name);
	f->verdicts = malloc(f->n);
	if (!r || !f->verdicts) {
		free(r);
		return -ENOMEM; /* a run that starts anew sees them */
	}
	*r = (struct refused){ .rows = f->rows, .seq = seq, .n = f->n, .recording = o->recording };
	f->held -= f->rows.cap; /* under way as long as it is held */
	f->rows = (struct buf){ 0 };
	memcpy(r->bytes, verdicts.p, f->n);
	memcpy(r->bytes + f->n, o->sender->name, name);
	memcpy(f->verdicts, verdicts.p, f->n);
	*d->last_refused = r;
	d->last_refused = &r->next;
	return 0;
}

/* Something is durable, and so is all that stands before it. */
static int match_refused(struct hub_desk *d)
{
	int code = 0;
	while (d->refused && !code) {
		const struct refused *r = d->refused;
		struct str body = buf_str(&r->rows);
		struct event_row row;
		for (uint32_t i = 0; i < r->n && !code; i++) {
			if (!link_take_row(&body, &row))
				return -EPROTO;
			if (r->bytes[i] != EVENT_KNOWN && !r->recording)
				code = match(d, &row, r->seq + i, false, r->bytes + r->n);
		}
		say_matched(d, r->seq + r->n);
		drop_refused(d);
	}
	return code;
}

static int judge(struct hub_desk *d, struct flight *f, uint64_t seq, struct str verdicts)
{
	struct offer *o = f->parcel->offer;
	struct str body = buf_str(&f->rows);
	struct event_row row;
	int code = 0;
	for (uint32_t i = 0; i < f->n && !code; i++) {
		bool known = verdicts.p[i] == EVENT_KNOWN;
		o->items[f->items[i]].verdict = known ? OFFER_KNOWN : OFFER_KEPT;
		d->counts.kept += !known;
		d->counts.known += known;
		o->sender->kept += !known;
		o->sender->known += known;
		if (f->verdicts) /* rules have seen it */
			continue;
		if (!link_take_row(&body, &row))
			return -EPROTO;
		if (!known && !o->recording)
			code = match(d, &row, seq + i, false, o->sender->name);
	}
	if (f->n && !f->verdicts)
		say_matched(d, seq + f->n);
	return code;
}

int hub_desk_verdicts(struct hub_desk *d, const struct link_head *head, struct str body)
{
	struct flight *f = pop(&d->sent);
	int code = 0;
	if (!f)
		return -EPROTO;
	if (head->n != f->asked || (body.n != f->asked && !(head->code && !body.n))) {
		push(&d->sent, f);
		return -EPROTO;
	}
	if (head->code && body.n)
		code = hold_refused(d, f, head->seq, body);
	else if (!head->code)
		code = match_refused(d);
	if (head->code && f->parcel && f->parcel->offer->patient) {
		push(&d->waiting, f);
		return code;
	}
	if (head->code && f->parcel)
		f->parcel->code = head->code;
	else if (!code && f->parcel)
		code = judge(d, f, head->seq, f->verdicts ? (struct str){ (const char *)f->verdicts, f->n } : body);
	land(d, f);
	if (code || !d->full || d->counts.under_way >= UNDER_WAY_MAX / 2)
		return code;
	d->full = false;
	return d->c.room(d->c.arg);
}

void hub_desk_retry(struct hub_desk *d)
{
	struct queue again = d->waiting;
	if (!again.first) {
		/* asks whether what was refused has become durable: who was told no need not come again */
		struct flight *f = d->refused && !d->sent.first ? flight_new(NULL, 0) : NULL;
		if (f) {
			d->counts.under_way += f->held;
			send_rows(d, f);
		}
		return;
	}
	d->waiting = (struct queue){ .last = &d->waiting.first };
	for (struct flight *f = again.first, *next; f; f = next) {
		next = f->next;
		send_rows(d, f);
	}
}

bool hub_desk_idle(const struct hub_desk *d)
{
	return !d->sent.first && !d->waiting.first;
}

struct hub_desk_counts hub_desk_counts(const struct hub_desk *d)
{
	return d->counts;
}
