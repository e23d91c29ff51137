/*
 * A post: what a machine has to tell goes into a spool on its disk, and from there to a hub, whatever lies between. The
 * forwarder (`khien post`) and every other part of khien that talks to a hub use this.
 *
 *   dialer_start   as who started it, before anything secret is read (dial.h)
 *   post_open      as who it is from then on, before the sandbox: reads who it is, opens spool and book
 *   post_begin     from here on it works in the caller's loop
 *   post_put, post_row -> post_sync: durable here; the hub gets it, once
 *
 *   DIR/  identity, approvers (identity.h)   orders (order/book.h)   spool/ (os/spool.h)
 *         token: "ID.SECRET", shown too where it is there: for a hub behind a proxy that ends TLS
 *
 * Everything is done in the caller's thread and loop; nothing blocks but the disk. After post_open() only files below
 * DIR are opened.
 */
#ifndef KHIEN_POST_POST_H
#define KHIEN_POST_POST_H

#include "base/log.h"
#include "intake/bundle.h"
#include "order/order.h"
#include "os/loop.h"
#include "os/spool.h"
#include "post/dial.h"

struct post;

/* What goes first where the spool has no room: what is told last here goes last, and is sent first. */
enum post_class { POST_BULK, POST_LOG, POST_SECURITY, POST_ALERT };

struct post_config {
	const char *dir;         /* exists */
	struct dialer *dialer;   /* the post's from post_open() on, also where that fails */
	const char *const *hubs; /* "HOST:PORT", by preference; none: those that the post was enrolled at */
	size_t n_hubs;
	uint64_t spool_bytes; /* at most */
	int64_t spool_age;    /* µs */
	const struct clock *clock;
	/* Something to know; why may be NULL. */
	void (*note)(void *arg, enum log_level level, const char *event, const char *what, const char *why);
	/*
	 * An order that only the caller can follow (follow, unfollow): 0, and what came of it appended; -errno and why.
	 * NULL: it can't.
	 */
	int (*act)(void *arg, enum order_verb verb, const struct order *o, struct buf *result, struct err *err);
	/* Appends members of the object that tells its status: `"files":3`. May be NULL. */
	void (*status)(void *arg, struct buf *json);
	/* The post was retired: its key is gone, nothing more is sent. */
	void (*retired)(void *arg);
	void *arg;
};

/* -ENOENT: it isn't enrolled. */
int post_open(struct post **ret, const struct post_config *config, struct err *err);
int post_begin(struct post *p, struct loop *loop, struct err *err);
/* What wasn't synced is gone. */
void post_close(struct post *p);

/* Copies records of one log. 0; -EAGAIN: the disk doesn't take it: later, again; -EMSGSIZE: never. */
int post_put(struct post *p, enum post_class class, const struct bundle_head *head, const struct bundle_record *records,
             size_t n);
/* The same of one JSON object; with "khien.id" in it, it counts once however often it is put. */
int post_row(struct post *p, enum post_class class, struct str json);
/* Whether 1 MB of records can be put now. */
bool post_has_room(const struct post *p);
/* All that was put is on the disk, and on its way. -errno: not yet; it is kept, and tried again with the next call. */
int post_sync(struct post *p, struct err *err);
/* Nothing was put that isn't synced. */
bool post_is_synced(const struct post *p);

/* A JSON object that says how it does. */
void post_status(const struct post *p, struct buf *out);
const char *post_name(const struct post *p);

#endif
