#include "post/hubs.h"

static const int64_t FIRST = 500LL * CLOCK_MS, MOST = 60LL * CLOCK_S, DENIED = 60LL * CLOCK_S, BACK = 60LL * CLOCK_S;
enum { BACK_MOST = 4, FAILURES = 2 /* before the next hub is asked */ };

void hubs_init(struct hubs *h, unsigned n, uint64_t salt)
{
	*h = (struct hubs){ .n = n, .salt = salt | 1 };
}

/* Between a half and all of it. xorshift64*: nobody gains by foretelling it. */
static int64_t jitter(struct hubs *h, int64_t us)
{
	h->salt ^= h->salt >> 12;
	h->salt ^= h->salt << 25;
	h->salt ^= h->salt >> 27;
	const uint64_t r = h->salt * 2685821657736338717u >> 32;
	return us / 2 + (int64_t)((uint64_t)(us / 2) * r >> 32);
}

static int64_t backoff(struct hubs *h)
{
	int64_t us = FIRST;
	for (unsigned i = h->n; i < h->failures && us < MOST; i++) /* each hub is tried once before it grows */
		us *= 2;
	return jitter(h, us < MOST ? us : MOST);
}

static int64_t until_back(struct hubs *h)
{
	return jitter(h, BACK << (h->backs < BACK_MOST ? h->backs : BACK_MOST));
}

int hubs_choose(struct hubs *h, int64_t now)
{
	if (now < h->not_before)
		return -1;
	if (h->at && !h->trying && now >= h->back_at) {
		h->trying = true;
		h->from = h->at;
		h->at = 0;
	}
	return (int)h->at;
}

void hubs_answered(struct hubs *h, int64_t now)
{
	h->failures = 0;
	h->trying = false;
	if (!h->at) {
		h->backs = 0;
		h->back_at = 0;
	} else if (!h->back_at) {
		h->back_at = now + until_back(h);
	}
}

void hubs_failed(struct hubs *h, int64_t now, int64_t wait)
{
	if (h->trying) { /* back to the one that does answer, at once */
		h->trying = false;
		h->at = h->from;
		h->backs++;
		h->back_at = now + until_back(h);
		return;
	}
	h->failures++;
	if (h->n > 1 && h->failures % FAILURES == 0) {
		h->at = (h->at + 1) % h->n;
		h->back_at = h->at ? now + until_back(h) : 0;
	}
	const int64_t us = backoff(h);
	h->not_before = now + (wait > us ? wait : us);
}

void hubs_denied(struct hubs *h, int64_t now)
{
	hubs_failed(h, now, 0);
	const int64_t at = now + jitter(h, 2 * DENIED);
	h->not_before = h->not_before > at ? h->not_before : at;
}

void hubs_wait(struct hubs *h, int64_t now, int64_t wait)
{
	h->trying = false;
	h->not_before = now + wait + jitter(h, wait / 2);
}
