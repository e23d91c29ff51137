#include "cmd/hub_alerts.h"

#include "cmd/hub.h"

#include <errno.h>

enum { ALERTS_KEPT = 1000000, ALERTS_BYTES = 1 << 30 };
static const int64_t MARK_EVERY = CLOCK_S, RETRY_EVERY = CLOCK_S;

void alerts_init(struct alerts *a, struct state *state, const struct clock *clock, const struct log *log)
{
	*a = (struct alerts){ .state = state, .clock = clock, .log = log };
}

void alerts_done(struct alerts *a)
{
	buf_free(&a->waiting);
}

int alerts_take(struct alerts *a, struct str body)
{
	struct alert_row row;
	const size_t size = body.n;
	if (!link_take_alert(body, &row))
		return -EPROTO;
	const size_t before = a->waiting.n;
	if (before + sizeof(size) + size <= ALERTS_WAIT_BYTES) {
		buf_add(&a->waiting, (struct str){ (const char *)&size, sizeof(size) });
		buf_add(&a->waiting, body);
		if (!a->waiting.failed)
			return 0;
	}
	a->waiting.n = before;
	a->waiting.failed = false;
	if (!a->lost)
		log_say(a->log, LOG_LEVEL_ERROR, "alerts-lost", LOG_TEXT("why", "too many wait to be stored"),
		        LOG_TEXT("what", "a restart soon raises them again: while their events are in the journal"));
	a->lost++;
	return 0;
}

void alerts_mark(struct alerts *a, uint64_t seq)
{
	a->matched = seq > a->matched ? seq : a->matched;
}

static int add_all(struct alerts *a, struct err *err)
{
	int code = 0;
	for (size_t at = 0, size; at < a->waiting.n && !code; at += sizeof(size) + size) {
		struct alert_row row;
		bool added = false;
		memcpy(&size, a->waiting.p + at, sizeof(size));
		link_take_alert((struct str){ a->waiting.p + at + sizeof(size), size }, &row);
		code = state_alert_add(a->state, &row, &added, err);
		a->added += !code && added;
		if (code == -E2BIG || code == -EINVAL) { /* it never could be stored: no other waits for it */
			log_say(a->log, LOG_LEVEL_ERROR, "alert-refused", LOG_TEXT("why", err->text));
			code = 0;
		}
	}
	return code;
}

/* As many go as came: nobody fills the disk with alerts. */
static int trim(struct alerts *a, struct err *err)
{
	uint64_t removed = 1;
	int code = 0;
	while (!code && removed) {
		removed = 0;
		code = state_alerts_trim(a->state, ALERTS_KEPT, ALERTS_BYTES, &removed, err);
	}
	return code;
}

static int write_all(struct alerts *a, bool mark, struct err *err)
{
	int code = state_begin(a->state, err);
	if (code)
		return code;
	if (a->waiting.n)
		code = add_all(a, err);
	if (!code && a->waiting.n)
		code = trim(a, err);
	if (!code && mark)
		code = state_set(a->state, "matched", (struct str){ (const char *)&a->matched, sizeof(a->matched) },
		                 err);
	/* what did go well is kept: an alert that is stored twice is one */
	const int ended = state_commit(a->state, code ? NULL : err);
	return code ? code : ended;
}

/* Trouble is told when it begins, and when it is over. */
static void tell(struct alerts *a, int code, const struct err *err)
{
	if (code && !a->trouble)
		log_say(a->log, LOG_LEVEL_ERROR, "alert-not-stored", LOG_TEXT("why", err->text),
		        LOG_TEXT("what", "it is tried again every second"));
	else if (!code && a->trouble)
		log_say(a->log, LOG_LEVEL_INFO, "alerts-stored-again", LOG_NUMBER("added", a->added));
	a->trouble = code != 0;
}

void alerts_commit(struct alerts *a)
{
	struct err err = { 0 };
	const int64_t now = clock_monotonic(a->clock);
	const bool any = a->waiting.n;
	const bool mark = a->matched != a->marked && !a->lost && (any || a->owed || now - a->marked_at >= MARK_EVERY);
	if ((!any && !mark) || now < a->retry_at)
		return;
	int code = write_all(a, mark, &err);
	tell(a, code, &err);
	a->retry_at = code ? now + RETRY_EVERY : 0;
	if (code)
		return;
	if (mark)
		a->marked = a->matched;
	a->marked_at = now;
	/* an alert whose mark is still on its way: it is written as soon as it is here, or a crash would tell it again */
	a->owed = any && !mark;
	buf_free(&a->waiting);
	a->waiting = (struct buf){ 0 };
}
