/*
 * Events offered to the hub: what came in together and is answered together, when it is durable.
 *
 * A listener makes an offer, hands it to whoever takes offers (offer_sink), and gets it back once, through `answer`,
 * with a verdict on each item. Until then everything in it stays in place. This is how every listener looks to the hub
 * and the hub to every listener.
 */
#ifndef KHIEN_INTAKE_OFFER_H
#define KHIEN_INTAKE_OFFER_H

#include "intake/intake.h"
#include "intake/sender.h"

enum offer_verdict {
	OFFER_OPEN,  /* not yet judged */
	OFFER_KEPT,  /* durable */
	OFFER_KNOWN, /* was durable before: an event of the same id */
	OFFER_BAD,   /* no event can be made of it; never will */
};

struct offer_item {
	struct str record; /* as it came, read by `format` */
	struct str id; /* of the event, where it stands outside of the record (_bulk's _id); empty: see the record */
	struct str dataset; /* likewise (the name of an index) */
	int64_t since;      /* it wasn't offered before this time, µs; 0: it may have been within a day */
	uint8_t verdict;    /* enum offer_verdict */
	const char *reason; /* OFFER_BAD: static text */
};

struct offer {
	struct sender *sender;
	const struct format *format;
	const struct columns *columns;
	int64_t now; /* wall clock when it came */
	struct offer_item *items;
	size_t n;
	size_t bytes; /* of all records */
	size_t held;  /* bytes of memory that it holds until it is answered, which bounds count; 0: `bytes` */
	/* Nobody on the other side could send it again: it waits as long as the store has no room, and code is always 0. */
	bool patient;
	struct str file; /* path of the followed file that it is from; else empty */
	bool recording;  /* kept, but no rules run over it: they have */
	/*
	 * Called once. code 0: every item is judged. -errno (-ENOSPC, -EIO, ...): none is durable, all may be sent again.
	 * The offer is the callee's again, to be freed.
	 */
	void (*answer)(struct offer *o, int code);
	void *arg;
	void *taker; /* for whoever took it */
};

/* Takes an offer. 0; -EAGAIN: no room now, the offer stays the caller's: try when `room` is called. */
typedef int offer_sink(void *taker, struct offer *o);

#endif
