#include "post/uplink.h"

#include "order/wire.h"
#include "post/rejected.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

enum {
	BODY_FULL = 512 << 10, /* no further record from here on */
	RAW_FULL = 4 << 20,    /* nor unpacked: hubs bound how far a body may grow */
	RECORDS_MAX = 64,
};
static const int64_t PATIENCE = 90LL * CLOCK_S; /* of a hub that says nothing: it may wait 30 s for room itself */
static const int64_t SOON = 5LL * CLOCK_S;

struct uplink {
	struct uplink_config c;
	struct uplink_counts counts;
	struct buf body;
	unsigned records, events; /* in the body */
	unsigned most;            /* records of a request */
	bool rejected;            /* the last answer of a hub that took or rejected let one go */
	bool told_down, told_denied, told_spool;
};

int uplink_new(struct uplink **ret, const struct uplink_config *config, struct err *err)
{
	struct uplink *u = calloc(1, sizeof(*u));
	if (!u)
		return err_set(err, -ENOMEM, "%m");
	u->c = *config;
	u->most = RECORDS_MAX;
	*ret = u;
	return 0;
}

void uplink_free(struct uplink *u)
{
	if (!u)
		return;
	buf_free(&u->body);
	free(u);
}

bool uplink_is_busy(const struct uplink *u)
{
	return client_is_busy(u->c.client);
}

const struct uplink_counts *uplink_counts(const struct uplink *u)
{
	return &u->counts;
}

static void note(struct uplink *u, enum uplink_note what, const char *a, const char *b)
{
	u->c.note(u->c.arg, what, a, b);
}

static const char *name(const struct uplink *u)
{
	return u->c.names[u->c.hubs->at];
}

static void trouble(struct uplink *u, const struct err *err)
{
	if (!u->told_spool)
		note(u, UPLINK_SPOOL, "", err->text);
	u->told_spool = true;
}

/* --- what an answer says --- */

static void acknowledge(struct uplink *u)
{
	struct err err;
	if (spool_ack(u->c.spool, &err))
		trouble(u, &err); /* it won't come again before a restart, and then the hub knows it */
	else
		u->told_spool = false;
}

static int count(void *arg, size_t path, uint32_t object, struct str value)
{
	struct uplink *u = arg;
	char text[24];
	snprintf(text, sizeof(text), STR_FMT, STR_ARG(str_sub(value, 0, sizeof(text) - 1)));
	*(path ? &u->counts.bad : &u->counts.known) += strtoull(text, NULL, 10);
	return 0;
}

static void taken(struct uplink *u, const struct answer *a)
{
	static const char *const paths[] = { "known", "bad" };
	struct arena arena = { .max = 1 << 20 };
	wire_read(buf_str(&a->body), paths, ARRAY_LEN(paths), &arena, count, u, NULL);
	arena_free(&arena);
	u->counts.requests++;
	u->counts.events += u->events;
	u->counts.bytes += u->body.n;
	u->counts.last = clock_wall(u->c.clock);
	u->most = u->most * 2 < RECORDS_MAX ? u->most * 2 : RECORDS_MAX;
	acknowledge(u);
	hubs_answered(u->c.hubs, clock_monotonic(u->c.clock));
	if (!u->counts.up)
		note(u, UPLINK_UP, name(u), NULL);
	u->counts.up = true;
	u->told_down = u->told_denied = u->rejected = false;
}

static void down(struct uplink *u, const char *why, int64_t wait)
{
	u->counts.failures++;
	spool_rewind(u->c.spool);
	const bool tried = u->c.hubs->trying; /* one that is known to be away */
	if (!u->told_down && !tried) {
		note(u, UPLINK_DOWN, name(u), why);
		u->told_down = true;
	}
	hubs_failed(u->c.hubs, clock_monotonic(u->c.clock), wait);
	u->counts.up = u->counts.up && tried;
}

struct said {
	bool type;
	int status;
};

static int take_error(void *arg, size_t path, uint32_t object, struct str value)
{
	struct said *s = arg;
	if (!path) {
		s->type = str_eq(value, STR("illegal_argument_exception"));
		return 0;
	}
	s->status = value.n == 3 ? 0 : -1;
	for (size_t i = 0; s->status >= 0 && i < value.n; i++)
		s->status = value.p[i] >= '0' && value.p[i] <= '9' ? 10 * s->status + value.p[i] - '0' : -1;
	return 0;
}

/* The words of a hub about what it was sent. A proxy's page, or a firewall's, are no reason to let go of anything. */
static bool is_about_events(const struct answer *a)
{
	static const char *const paths[] = { "error.type", "status" };
	struct arena arena = { .max = 1 << 20 };
	struct said s = { 0 };
	int code = wire_read(buf_str(&a->body), paths, ARRAY_LEN(paths), &arena, take_error, &s, NULL);
	arena_free(&arena);
	return !code && s.type && s.status == a->status;
}

/* Too much, or not to be read: less of it; one record alone goes. */
static void too_much(struct uplink *u, const char *why)
{
	char n[24];
	if (u->records == 1 && u->rejected) {
		down(u, why, 0); /* one may be bad; a hub that takes none is */
		return;
	}
	if (u->records > 1) {
		u->most = u->records / 2;
		spool_rewind(u->c.spool);
		return;
	}
	snprintf(n, sizeof(n), "%u", u->events);
	struct err err;
	u->rejected = true;
	u->counts.rejected += u->events;
	if (u->c.dir && rejected_keep(u->c.dir, buf_str(&u->body), &err))
		note(u, UPLINK_SPOOL, "what the hub rejects is gone", err.text);
	note(u, UPLINK_REJECTED, n, why);
	acknowledge(u);
}

static void denied(struct uplink *u, const char *why)
{
	u->counts.failures++;
	spool_rewind(u->c.spool);
	if (!u->told_denied)
		note(u, UPLINK_DENIED, name(u), why);
	u->told_denied = true;
	u->counts.up = false;
	hubs_denied(u->c.hubs, clock_monotonic(u->c.clock));
}

static void done(void *arg, int code, const struct answer *a, const struct err *why)
{
	struct uplink *u = arg;
	char words[64];
	if (code == -EACCES) {
		denied(u, why->text);
		return;
	}
	if (code) {
		down(u, why->text, 0);
		return;
	}
	const int64_t wait = a->retry_after * (int64_t)CLOCK_S;
	snprintf(words, sizeof(words), "it answered %d", a->status);
	switch (a->status) {
	case 200: taken(u, a); break;
	case 400:
	case 413:
	case 422:
		if (is_about_events(a))
			too_much(u, words);
		else
			down(u, words, wait);
		break;
	case 401:
	case 403:
	case 404: denied(u, words); break;
	case 429:
		spool_rewind(u->c.spool);
		u->counts.failures++;
		hubs_wait(u->c.hubs, clock_monotonic(u->c.clock), wait ? wait : SOON);
		break;
	default: down(u, words, wait); break;
	}
	if (a->status == 200)
		uplink_run(u);
}

/* --- what is sent --- */

/* Records are zstd frames, and frames one after the other are one body. */
static int gather(struct uplink *u)
{
	struct spool_record r;
	struct err err;
	uint64_t raw = 0;
	int code = 0;
	u->records = u->events = 0;
	u->body.n = 0;
	while (u->records < u->most && u->body.n < BODY_FULL && raw < RAW_FULL &&
	       (code = spool_next(u->c.spool, &u->body, &r, &err)) > 0) {
		const unsigned long long size = ZSTD_getFrameContentSize(r.bytes.p, r.bytes.n);
		raw += size < RAW_FULL ? size : RAW_FULL;
		u->records++;
		u->events += r.events;
	}
	if (code < 0)
		trouble(u, &err);
	return code < 0 ? code : 0;
}

void uplink_run(struct uplink *u)
{
	const int64_t now = clock_monotonic(u->c.clock);
	if (client_is_busy(u->c.client))
		return;
	const int hub = hubs_choose(u->c.hubs, now);
	if (hub < 0)
		return;
	if (gather(u)) {
		spool_rewind(u->c.spool);
		return;
	}
	if (!u->records) {
		if (u->c.hubs->trying) { /* nothing to try it with */
			u->c.hubs->trying = false;
			u->c.hubs->at = u->c.hubs->from;
		}
		return;
	}
	const struct http_request r = { .method = "POST", .path = "/v1/bundles", .body = buf_str(&u->body) };
	int code = client_ask(u->c.client, (unsigned)hub, &r, PATIENCE, done, u);
	if (code)
		down(u, "no connection can be asked for", 0);
}
