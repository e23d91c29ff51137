/* Boards: one answer that goes on, by events. Who is slow misses all but the newest. */
#include "kiosk/web_server.h"

#include <stdlib.h>

enum { EVENT_MAX = 1 << 20 };

static void put(struct event *e)
{
	if (e && !--e->refs)
		free(e);
}

static struct event *event_of(struct str bytes)
{
	struct event *e = malloc(sizeof(*e) + bytes.n);
	if (!e)
		return NULL;
	e->refs = 1;
	e->n = bytes.n;
	memcpy(e->bytes, bytes.p, bytes.n);
	return e;
}

/* Each line of the data is one of the event's. */
static struct event *event_new(struct str data)
{
	struct buf b = { .max = EVENT_MAX };
	for (size_t n; data.n; data = str_sub(data, n + 1, data.n)) {
		n = str_find(data, '\n');
		buf_add(&b, STR("data: "));
		buf_add(&b, str_sub(data, 0, n));
		buf_putc(&b, '\n');
	}
	buf_putc(&b, '\n');
	struct event *e = b.failed ? NULL : event_of(buf_str(&b));
	buf_free(&b);
	return e;
}

/* Streams stay: without a bound for each, one visitor would have them all, also through a proxy. */
static bool may_stream(const struct web *w, const struct request *r)
{
	const unsigned all = w->c.max_connections / STREAMS_SHARE;
	unsigned n = 0;
	for (const struct conn *c = w->conns; c; c = c->next)
		n += c->r && c->r->streams && !memcmp(&c->r->v.address, &r->v.address, sizeof(r->v.address));
	return w->counts.boards < all && (r->unnamed || n < (all + STREAMS_EACH - 1) / STREAMS_EACH);
}

void visit_stream(struct visit *v, struct str first)
{
	struct request *r = request_of(v);
	if (!may_stream(v->web, r) || v->web->draining) {
		v->web->counts.limited++;
		visit_error(v, MHD_HTTP_SERVICE_UNAVAILABLE);
		return;
	}
	r->status = MHD_HTTP_OK;
	r->streams = true;
	v->web->counts.boards++;
	r->event = event_new(first);
	r->event_seen = v->web->n_events;
	r->quiet_since = web_now(v->web);
}

static ssize_t more(void *arg, uint64_t at, char *to, size_t max)
{
	struct request *r = arg;
	struct web *w = r->v.web;
	w->progress++;
	if (w->draining || w->stopping)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (!r->event && w->newest && r->event_seen != w->n_events) {
		r->event = w->newest;
		r->event->refs++;
		r->event_at = 0;
		r->event_seen = w->n_events;
	}
	if (!r->event) {
		r->quiet_since = web_now(w);
		r->suspended = true;
		MHD_suspend_connection(r->conn->mhd);
		return 0;
	}
	const size_t left = r->event->n - r->event_at, n = left < max ? left : max;
	memcpy(to, r->event->bytes + r->event_at, n);
	r->event_at += n;
	if (r->event_at == r->event->n) {
		put(r->event);
		r->event = NULL;
		r->event_at = 0;
	}
	return (ssize_t)n;
}

enum MHD_Result stream_begin(struct request *r)
{
	struct MHD_Response *m = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16 << 10, more, r, NULL);
	if (!m)
		return MHD_NO;
	MHD_add_response_header(m, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream; charset=utf-8");
	MHD_add_response_header(m, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(m, "X-Accel-Buffering", "no"); /* proxies are to hand it on as it comes */
	MHD_add_response_header(m, "X-Content-Type-Options", "nosniff");
	const enum MHD_Result result = MHD_queue_response(r->conn->mhd, MHD_HTTP_OK, m);
	MHD_destroy_response(m);
	r->conn->deadline = INT64_MAX;
	return result;
}

void stream_end(struct request *r)
{
	put(r->event);
	r->event = NULL;
	r->v.web->counts.boards -= r->streams;
}

static void resume(struct request *r)
{
	if (!r->suspended)
		return;
	r->suspended = false;
	MHD_resume_connection(r->conn->mhd);
	web_wake(r->v.web);
}

void web_event(struct web *w, struct str data)
{
	struct event *e = event_new(data);
	if (!e)
		return; /* the next one says it all */
	put(w->newest);
	w->newest = e;
	w->n_events++;
	for (struct conn *c = w->conns; c; c = c->next)
		if (c->r && c->r->streams)
			resume(c->r);
}

bool web_has_streams(const struct web *w)
{
	return w->counts.boards > 0;
}

void stream_tick(struct web *w, int64_t now)
{
	const bool over = w->draining || w->stopping;
	for (struct conn *c = w->conns; c; c = c->next) {
		struct request *r = c->r;
		if (!r || !r->streams || !r->suspended)
			continue;
		if (!over && now - r->quiet_since < QUIET_S * (int64_t)CLOCK_S)
			continue;
		if (!over && !r->event)
			r->event = event_of(STR(":\n\n"));
		resume(r);
	}
	if (w->stopping) {
		put(w->newest);
		w->newest = NULL;
	}
}
