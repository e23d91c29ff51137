/* POST /v1/bundles: what posts send, see intake/bundle.h; answered as POST /v1/events is, when all are durable. */
#include "api/routes.h"
#include "intake/bundle.h"

#include <errno.h>
#include <stdlib.h>

static const int64_t LATE = 30LL * 86400 * CLOCK_S; /* so long a post may have held it */

struct bundles {
	struct bundle_reader *reader;
	struct request *r;
	uint64_t kept, known, bad;
	const char *why; /* of the first that was bad; static text */
};

static void verdict(void *arg, uint32_t tag, const struct offer_item *item)
{
	struct bundles *e = ((struct request *)arg)->own;
	if (item->verdict == OFFER_BAD && !e->bad++)
		e->why = item->reason ? item->reason : "no event can be made of it";
	if (item->verdict != OFFER_BAD)
		*(item->verdict == OFFER_KEPT ? &e->kept : &e->known) += 1;
}

static int take(void *arg, const struct bundle_head *h, const struct bundle_record *record)
{
	struct bundles *e = arg;
	const struct format *format = intake_format(h->format);
	const int64_t now = clock_wall(e->r->a->c.clock);
	char id[BUNDLE_ID + 1];
	struct str named = { 0 };
	if (!format || format->framing == FRAME_CSV) {
		e->r->sender->bad++;
		e->why = e->bad++ ? e->why : "a format that this hub doesn't read";
		return 0;
	}
	ingest_origin(e->r->ingest, format, h->file, h->time > now - LATE && h->time < now ? h->time : 0);
	if (bundle_id(h, record, id))
		named = (struct str){ id, BUNDLE_ID };
	return ingest_add(e->r->ingest, 0, record->bytes, named, (struct str){ 0 });
}

static void begin(struct request *r)
{
	struct bundles *e = r->own = calloc(1, sizeof(*e));
	if (!e || bundle_reader_new(&e->reader, take, e)) {
		request_fail_ingest(r, -ENOMEM);
		return;
	}
	e->r = r;
	request_ingest(r, verdict);
}

static void fed(struct request *r, int code)
{
	if (code == -EBADMSG)
		request_fail(r, MHD_HTTP_BAD_REQUEST, "illegal_argument_exception", "the body is no whole bundles");
	else if (code)
		request_fail_ingest(r, code);
}

static void feed(struct request *r, struct str bytes)
{
	struct bundles *e = r->own;
	fed(r, bundle_feed(e->reader, bytes));
}

static void end(struct request *r)
{
	struct bundles *e = r->own;
	int code = bundle_end(e->reader);
	if (!code)
		ingest_flush(r->ingest);
	fed(r, code ? code : ingest_failed(r->ingest));
}

static void answer(struct request *r)
{
	struct bundles *e = r->own;
	buf_printf(&r->out, "{\"kept\":%llu,\"known\":%llu,\"bad\":%llu", (unsigned long long)e->kept,
	           (unsigned long long)e->known, (unsigned long long)e->bad);
	if (e->why) {
		buf_add(&r->out, STR(",\"reason\":"));
		buf_add_json(&r->out, str_from(e->why));
	}
	buf_add(&r->out, STR("}\n"));
}

static void done(struct request *r)
{
	struct bundles *e = r->own;
	if (e)
		bundle_reader_free(e->reader);
	free(e);
}

const struct endpoint bundles_post = {
	.ingests = true, .begin = begin, .feed = feed, .end = end, .answer = answer, .done = done
};
