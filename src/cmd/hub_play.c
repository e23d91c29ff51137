/* Recordings: played as khien watch plays them, and then kept, so that they are found again like anything else. */
#include "cmd/hub_front.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ID = 16, ID_HEX = 2 * ID + 1 };

struct kept {
	struct offer offer;
	struct front *front;
	struct batch *batch;
	char (*ids)[ID_HEX];
	struct offer_item items[];
};

static void on_answer(struct offer *o, int code)
{
	struct kept *k = o->arg;
	k->front->stored += code ? 0 : o->n;
	batch_free(k->batch);
	free(k->ids);
	free(k);
}

/* Recordings are long, and somebody may not want to wait for their end. */
static bool is_over(void *arg)
{
	struct front *f = arg;
	front_beat(f);
	loop_stopped(f->loop); /* takes signals */
	return f->stopping;
}

/* The same record of the same recording is the same event, however often it is played. */
static void make_id(const struct batch *b, size_t i, char hex[ID_HEX])
{
	unsigned char id[ID];
	const struct record *r = &b->records[i];
	crypto_generichash_state h;
	crypto_generichash_init(&h, (const unsigned char *)"khien recording!", 16, ID);
	crypto_generichash_update(&h, (const unsigned char *)b->origin, strlen(b->origin));
	crypto_generichash_update(&h, (const unsigned char *)&r->at, sizeof(r->at));
	crypto_generichash_update(&h, (const unsigned char *)r->bytes.p, r->bytes.n);
	crypto_generichash_final(&h, id, ID);
	sodium_bin2hex(hex, ID_HEX, id, ID);
}

static int keep(void *arg, struct batch *b)
{
	struct front *f = arg;
	struct kept *k = calloc(1, sizeof(*k) + b->n_records * sizeof(k->items[0]));
	char name[SENDER_NAME];
	if (!k || !(k->ids = malloc((b->n_records + 1) * ID_HEX))) {
		free(k);
		batch_free(b);
		return -ENOMEM;
	}
	snprintf(name, sizeof(name), "recording %s", b->origin);
	k->front = f;
	k->batch = b;
	k->offer = (struct offer){
		.sender = senders_get(f->senders, str_from(name)),
		.format = b->format,
		.columns = b->columns,
		.now = b->now,
		.items = k->items,
		.n = b->n_records,
		.bytes = b->n_bytes,
		.answer = on_answer,
		.arg = k,
		.patient = true,
		.recording = true,
	};
	for (size_t i = 0; i < b->n_records; i++) {
		make_id(b, i, k->ids[i]);
		k->items[i].record = b->records[i].bytes;
		k->items[i].id = (struct str){ k->ids[i], ID_HEX - 1 };
	}
	int code;
	while ((code = hub_desk_take(f->desk, &k->offer)) == -EAGAIN)
		if ((code = front_hear(f, 100)))
			break;
	return !code && is_over(f) ? -ECANCELED : code;
}

static int keep_all(struct front *f, struct err *err)
{
	int code = 0;
	for (size_t i = 0; i < f->n_recordings && !code; i++) {
		const struct framer_config config = {
			.origin = f->recordings[i].name, .now = clock_wall(f->clock), .sink = keep, .arg = f
		};
		struct intake_counts counts;
		if (lseek(f->recordings[i].fd, 0, SEEK_SET) < 0)
			continue; /* a pipe: it was played */
		code = intake_read_fd(f->recordings[i].fd, config, &counts, NULL, err);
	}
	code = code == -ECANCELED ? 0 : code; /* it is to end */
	while (!code && !hub_desk_idle(f->desk))
		code = front_hear(f, 100);
	return code;
}

int front_play(struct front *f, struct err *err)
{
	char n[32];
	int code = 0;
	while (!code && !f->replayed && !is_over(f))
		code = front_hear(f, 1000);
	f->pipe.over = is_over;
	f->pipe.over_arg = f;
	if (!code && !f->stopping)
		code = play(&f->pipe, f->recordings, f->n_recordings, f->clock, err);
	if (!code && !f->stopping)
		code = keep_all(f, err);
	if (code || f->stopping)
		return code;
	snprintf(n, sizeof(n), "%llu", (unsigned long long)f->stored);
	show_note(f->show, LOG_LEVEL_INFO, WORD_KEPT, "kept", n, f->c->hub->data);
	return 0;
}
