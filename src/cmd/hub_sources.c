/* What collect/ hands on becomes offers: a batch each, with the ids that records of files and the journal have. */
#include "cmd/hub_front.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

enum { ID_HEX = 2 * COLLECT_ID + 1 };

struct taken {
	struct offer offer;
	struct front *front;
	struct batch *batch;
	bool followed;
	char (*ids)[ID_HEX];
	struct offer_item items[];
};

static void free_taken(struct taken *t)
{
	free(t->ids);
	free(t);
}

static void on_answer(struct offer *o, int code)
{
	struct taken *t = o->arg;
	if (t->followed)
		t->front->followed--;
	batch_free(t->batch);
	free_taken(t);
}

static struct taken *new_taken(struct front *f, struct origin *o, struct batch *b)
{
	struct taken *t = calloc(1, sizeof(*t) + b->n_records * sizeof(t->items[0]));
	const bool followed = o->kind != ORIGIN_STREAM;
	if (t && followed && !(t->ids = malloc((b->n_records + 1) * ID_HEX))) {
		free(t);
		return NULL;
	}
	if (!t)
		return NULL;
	t->front = f;
	t->batch = b;
	t->followed = followed;
	t->offer = (struct offer){
		.sender = o->sender,
		.format = b->format,
		.columns = b->columns,
		.now = b->now,
		.items = t->items,
		.n = b->n_records,
		.bytes = b->n_bytes,
		.answer = on_answer,
		.arg = t,
		.patient = true, /* nobody answers to syslog, nor to a file */
		.file = o->kind == ORIGIN_FILE ? str_from(o->name) : STR(""),
	};
	return t;
}

/* What the hub itself wrote into the journal, as a service: alerts would feed on alerts. The journal vouches for the unit. */
static bool is_our_own(const struct origin *o, struct str record)
{
	static const char unit[] = "\"_SYSTEMD_UNIT\":\"khien-hub.service\"";
	return o->kind == ORIGIN_JOURNAL && memmem(record.p, record.n, unit, sizeof(unit) - 1);
}

int front_take(void *arg, struct origin *o, struct batch *b)
{
	struct front *f = arg;
	struct taken *t = new_taken(f, o, b);
	unsigned char id[COLLECT_ID];
	if (!t)
		return -EAGAIN;
	size_t n = 0;
	for (size_t i = 0; i < b->n_records; i++) {
		if (is_our_own(o, b->records[i].bytes))
			continue;
		t->items[n] = (struct offer_item){
			.record = b->records[i].bytes,
			.since = collect_since(o, &b->records[i], b->now),
		};
		if (t->followed && collect_event_id(o, &b->records[i], id)) {
			sodium_bin2hex(t->ids[n], ID_HEX, id, sizeof(id));
			t->items[n].id = (struct str){ t->ids[n], ID_HEX - 1 };
		}
		n++;
	}
	t->offer.n = n;
	int code = hub_desk_take(f->desk, &t->offer);
	if (code) {
		free_taken(t);
		return code;
	}
	for (size_t i = 0; t->followed && i < b->n_records; i++)
		collect_known(o, &b->records[i], 0);
	f->followed += t->followed;
	o->time = b->now;
	return 0;
}
