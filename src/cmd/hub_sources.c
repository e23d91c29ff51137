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

int front_take(void *arg, struct origin *o, struct batch *b)
{
	struct front *f = arg;
	struct taken *t = new_taken(f, o, b);
	unsigned char id[COLLECT_ID];
	if (!t)
		return -EAGAIN;
	for (size_t i = 0; i < b->n_records; i++) {
		t->items[i].record = b->records[i].bytes;
		if (!t->followed || !collect_event_id(o, &b->records[i], id))
			continue;
		sodium_bin2hex(t->ids[i], ID_HEX, id, sizeof(id));
		t->items[i].id = (struct str){ t->ids[i], ID_HEX - 1 };
	}
	int code = desk_take(f->desk, &t->offer);
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
