/*
 * Requests to hubs, one at a time, over a connection that is kept: dialled (dial.h), spoken (http.h) and timed in the
 * caller's loop. A connection that its other end closed while nobody used it is made anew without a word.
 */
#ifndef KHIEN_POST_CLIENT_H
#define KHIEN_POST_CLIENT_H

#include "os/loop.h"
#include "post/http.h"
#include "post/identity.h"

struct client;

struct client_config { /* borrowed */
	struct loop *loop;
	const struct clock *clock;
	struct dialer *dialer;
	unsigned tag; /* of this client: dialled connections of this tag go to client_dialled() */
	const char *const *hubs;
	const struct identity *identity; /* whose certificate is shown, and the CA that is trusted */
	struct str header;               /* of each request, lines with their CRLF */
};

/* code 0: an answer of any status, borrowed during the call; -errno: none, and why. A new request may be asked within. */
typedef void client_done(void *arg, int code, const struct answer *a, const struct err *why);

int client_new(struct client **ret, const struct client_config *config, struct err *err);
void client_free(struct client *c);
/*
 * r and what it points to are borrowed until done. wait: how long (µs) nothing may move before it has failed; ten
 * times that is all it may take. 0, and
 * done is called later; -EBUSY: one is under way.
 */
int client_ask(struct client *c, unsigned hub, const struct http_request *r, int64_t wait, client_done *done,
               void *arg);
bool client_is_busy(const struct client *c);
/* The dialer's answer for this tag; fd is taken. */
void client_dialled(struct client *c, int fd, const struct err *why);
/* At least once a second: what takes too long has failed. */
void client_tick(struct client *c);
/* The next request gets a connection of its own: another certificate is to be shown. */
void client_renew(struct client *c);

#endif
