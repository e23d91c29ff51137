#include "collect/inlet.h"

#include <errno.h>
#include <sodium.h>

/* --- origins --- */

/* The cursor of a journal entry, or nothing. */
static struct str cursor_of(struct str entry)
{
	static const char name[] = "\"__CURSOR\"";
	struct str rest = entry;
	do { /* a message may be that word, too: the name has a colon behind it */
		const char *p = memmem(rest.p, rest.n, name, sizeof(name) - 1);
		if (!p)
			return (struct str){ 0 };
		rest = str_sub(rest, (size_t)(p - rest.p) + sizeof(name) - 1, rest.n);
		while (rest.n && rest.p[0] == ' ')
			rest = str_sub(rest, 1, rest.n);
	} while (!rest.n || rest.p[0] != ':');
	while (rest.n && (rest.p[0] == ' ' || rest.p[0] == ':'))
		rest = str_sub(rest, 1, rest.n);
	if (!rest.n || rest.p[0] != '"')
		return (struct str){ 0 };
	rest = str_sub(rest, 1, rest.n);
	size_t n = str_find(rest, '"');
	return n < rest.n && n < PLACE_CURSOR ? str_sub(rest, 0, n) : (struct str){ 0 };
}

/* Of a file's head as much goes in as stood there when the record was written. */
bool collect_event_id(const struct origin *o, const struct record *r, unsigned char id[COLLECT_ID])
{
	crypto_generichash_state h;
	const unsigned char kind = (unsigned char)o->kind;
	uint64_t at = o->kind == ORIGIN_FILE ? o->base + r->at : 0;
	if (o->kind == ORIGIN_STREAM)
		return false;
	crypto_generichash_init(&h, NULL, 0, COLLECT_ID);
	crypto_generichash_update(&h, &kind, 1);
	if (o->kind == ORIGIN_JOURNAL) {
		struct str cursor = cursor_of(r->bytes);
		crypto_generichash_update(&h, (const unsigned char *)cursor.p, cursor.n);
	} else {
		size_t n = at < o->head_len ? at : o->head_len;
		crypto_generichash_update(&h, (const unsigned char *)o->head, n);
	}
	crypto_generichash_update(&h, (const unsigned char *)o->name, strlen(o->name));
	crypto_generichash_update(&h, (const unsigned char *)&at, sizeof(at));
	crypto_generichash_update(&h, (const unsigned char *)r->bytes.p, r->bytes.n);
	crypto_generichash_final(&h, id, COLLECT_ID);
	return true;
}

bool collect_known(struct origin *o, const struct record *r, int64_t time)
{
	if (o->kind != ORIGIN_JOURNAL)
		return o->base + r->at < o->known;
	if (!*o->until.at)
		return false;
	if (time > o->until.time + CLOCK_S) /* that entry is gone from the journal */
		*o->until.at = '\0';
	bool known = *o->until.at != '\0';
	if (known && str_eq(cursor_of(r->bytes), str_from(o->until.at)))
		*o->until.at = '\0'; /* behind it the journal is news again */
	return known;
}

int64_t collect_since(const struct origin *o, const struct record *r, int64_t now)
{
	const bool doubtful = o->kind == ORIGIN_JOURNAL || (o->kind == ORIGIN_FILE && o->base + r->at < o->fresh);
	return doubtful && o->since < now ? o->since : now;
}

uint64_t collect_line(const struct origin *o, uint64_t line)
{
	return o->line_base == LINE_UNKNOWN ? 0 : line + o->line_base;
}

/* --- batches --- */

static int hand_on(struct inlet *in, struct batch *b)
{
	struct origin *o = in->origin;
	const struct taker *t = in->taker;
	struct place_cursor at = { 0 };
	const int64_t now = b->now;
	if (o->kind == ORIGIN_JOURNAL && b->n_records) {
		struct str cursor = cursor_of(b->records[b->n_records - 1].bytes);
		memcpy(at.at, cursor.p ? cursor.p : "", cursor.n);
	}
	if (!o->sender && t->sender && o->kind != ORIGIN_STREAM)
		o->sender = t->sender(t->arg, str_from(o->name));
	b->origin = o->name;
	int code = t->take(t->arg, o, b);
	if (code)
		return code;
	o->time = o->time ? o->time : now;
	if (o->kind == ORIGIN_JOURNAL) {
		o->at = at;
		o->at.time = o->time;
	}
	return 0;
}

int inlet_take(void *arg, struct batch *b)
{
	struct inlet *in = arg;
	int code = in->n_kept ? -EAGAIN : hand_on(in, b);
	if (code != -EAGAIN)
		return code;
	if (in->n_kept == INLET_KEPT) {
		batch_free(b);
		return -ENOBUFS;
	}
	in->kept[in->n_kept++] = b;
	return 0;
}

void inlet_skip(void *arg, const char *name, uint64_t line, const char *reason)
{
	struct inlet *in = arg;
	in->taker->skip(in->taker->arg, in->origin, line, reason);
}

int inlet_retry(struct inlet *in)
{
	size_t n = 0;
	int code = 0;
	while (n < in->n_kept && !(code = hand_on(in, in->kept[n])))
		n++;
	if (code && code != -EAGAIN)
		n++; /* which is gone */
	in->n_kept -= n;
	memmove(in->kept, in->kept + n, in->n_kept * sizeof(in->kept[0]));
	return code;
}

uint64_t inlet_drop(struct inlet *in)
{
	uint64_t n = 0;
	while (in->n_kept) {
		struct batch *b = in->kept[--in->n_kept];
		n += b->n_records;
		batch_free(b);
	}
	return n;
}

const struct record *inlet_first(const struct inlet *in)
{
	const struct record *first = NULL;
	for (size_t i = 0; i < in->n_kept; i++)
		for (size_t k = 0; k < in->kept[i]->n_records; k++)
			if (!first || in->kept[i]->records[k].at < first->at)
				first = &in->kept[i]->records[k];
	return first;
}
