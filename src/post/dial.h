/*
 * The dialer: a small process that looks up hubs' names and connects to them, so that the one that reads logs and holds
 * the key needs no right to: it gets connected sockets (SCM_RIGHTS), to the named hubs alone. It is forked before any
 * secret is read and before its owner gives up root, becomes nobody where it was root, is told the hubs once, and ends
 * when the other end of its socket closes.
 */
#ifndef KHIEN_POST_DIAL_H
#define KHIEN_POST_DIAL_H

#include "base/err.h"
#include "base/str.h"

enum { DIAL_HUBS = 8, DIAL_HUB = 256 };

struct dialer;

int dialer_start(struct dialer **ret, struct err *err);
/* Once, before anything is asked. hubs: "HOST:PORT", "[ADDRESS]:PORT"; copied. */
int dialer_hubs(struct dialer *d, const char *const *hubs, size_t n, struct err *err);
void dialer_free(struct dialer *d);
/* To be watched for reading. */
int dialer_fd(const struct dialer *d);
/* Asks for a connection to hub i; one answer comes for each, with this tag, in the order they were asked for. 0 or -errno. */
int dialer_ask(struct dialer *d, unsigned hub, unsigned tag);
/*
 * 1: an answer: *fd is connected, non-blocking and the caller's, or -errno, and err says why. 0: none yet. -EPIPE: the
 * dialer is gone.
 */
int dialer_take(struct dialer *d, unsigned *tag, int *fd, struct err *err);

/* Host and port of "HOST:PORT" or "[ADDRESS]:PORT"; the brackets are dropped. -EINVAL. */
int dial_split(const char *hub, char host[DIAL_HUB], char port[8]);

#endif
