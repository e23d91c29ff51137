/* POST /v1/events: JSON objects, one a line, in an array or one after the other; answered when all are durable. */
#include "api/routes.h"

#include <errno.h>
#include <stdlib.h>

enum { ERRORS_TOLD = 10 };

struct told {
	uint64_t line;
	const char *reason; /* static text */
};

struct events {
	struct framer *framer;
	uint64_t kept, known, bad;
	unsigned n_told;
	struct told told[ERRORS_TOLD]; /* the first lines, in order */
};

static void tell(struct events *e, uint64_t line, const char *reason)
{
	unsigned i = e->n_told;
	e->bad++;
	while (i && e->told[i - 1].line > line)
		i--;
	if (i == ERRORS_TOLD)
		return;
	unsigned after = e->n_told - i - (e->n_told == ERRORS_TOLD);
	memmove(&e->told[i + 1], &e->told[i], after * sizeof(e->told[0]));
	e->told[i] = (struct told){ line, reason };
	e->n_told += e->n_told < ERRORS_TOLD;
}

static void verdict(void *arg, uint32_t tag, const struct offer_item *item)
{
	struct events *e = ((struct request *)arg)->own;
	if (item->verdict == OFFER_BAD)
		tell(e, tag, item->reason ? item->reason : "no event can be made of it");
	else
		*(item->verdict == OFFER_KEPT ? &e->kept : &e->known) += 1;
}

static int take_batch(void *arg, struct batch *b)
{
	struct request *r = arg;
	int code = 0;
	for (size_t i = 0; i < b->n_records && !code; i++) {
		uint64_t line = b->records[i].line;
		code = ingest_add(r->ingest, line < UINT32_MAX ? (uint32_t)line : UINT32_MAX, b->records[i].bytes,
		                  (struct str){ 0 }, (struct str){ 0 });
	}
	batch_free(b);
	return code;
}

static void skipped(void *arg, const char *origin, uint64_t line, const char *reason)
{
	struct request *r = arg;
	r->sender->bad++;
	tell(r->own, line, reason);
}

static void begin(struct request *r)
{
	const struct framer_config config = {
		.origin = "http",
		.format = intake_format(STR("json")),
		.now = clock_wall(r->a->c.clock),
		.sink = take_batch,
		.skip = skipped,
		.arg = r,
	};
	struct events *e = r->own = calloc(1, sizeof(*e));
	if (!e || framer_new(&e->framer, &config, NULL))
		request_fail_ingest(r, -ENOMEM);
	else
		request_ingest(r, verdict);
}

static void fed(struct request *r, int code)
{
	if (code == -EILSEQ)
		request_fail(r, MHD_HTTP_BAD_REQUEST, "illegal_argument_exception", "UTF-16: send UTF-8");
	else if (code)
		request_fail_ingest(r, code);
}

static void feed(struct request *r, struct str bytes)
{
	struct events *e = r->own;
	fed(r, framer_feed(e->framer, bytes, clock_wall(r->a->c.clock)));
}

static void end(struct request *r)
{
	struct events *e = r->own;
	int code = framer_end(e->framer);
	if (!code)
		ingest_flush(r->ingest);
	fed(r, code ? code : ingest_failed(r->ingest));
}

static void answer(struct request *r)
{
	struct events *e = r->own;
	if (e->bad && !e->kept && !e->known)
		r->status = MHD_HTTP_BAD_REQUEST;
	buf_printf(&r->out, "{\"kept\":%llu,\"known\":%llu,\"bad\":%llu,\"errors\":[", (unsigned long long)e->kept,
	           (unsigned long long)e->known, (unsigned long long)e->bad);
	for (unsigned i = 0; i < e->n_told; i++) {
		buf_printf(&r->out, "%s{\"line\":%llu,\"reason\":", i ? "," : "", (unsigned long long)e->told[i].line);
		buf_add_json(&r->out, str_from(e->told[i].reason));
		buf_putc(&r->out, '}');
	}
	buf_add(&r->out, STR("]}\n"));
}

static void done(struct request *r)
{
	struct events *e = r->own;
	if (e)
		framer_free(e->framer);
	free(e);
}

const struct endpoint events_post = {
	.ingests = true, .begin = begin, .feed = feed, .end = end, .answer = answer, .done = done
};
