/*
 * The pass between two machines: TLS 1.3 with a pre-shared key and an ephemeral exchange (psk_dhe_ke: what was said stays
 * secret when the key gets known later), over a connected, non-blocking socket, by GnuTLS; messages as in frames.h.
 *
 * Each purpose has a key of its own, so that a line to the register can't be led to a kiosk. Two kiosks share one key and both
 * listen and dial, so a line could be led back to who dialled it: each says its name first (follow.h), and its own is refused.
 */
#ifndef KHIEN_KIOSK_PASS_H
#define KHIEN_KIOSK_PASS_H

#include "base/clock.h"
#include "base/err.h"
#include "kiosk/frames.h"

enum { PASS_KEY = 32, PASS_SHAKE_US = 5000000 };

/* The key of a purpose ("kiosk", "register") out of seal_link_key()'s. The register's machine is given this one alone. */
void pass_key(const unsigned char link_key[PASS_KEY], const char *purpose, unsigned char key[PASS_KEY]);

struct pass;

/* The descriptor is the pass's from here on, also on failure. */
int pass_new(struct pass **ret, int fd, bool dialled, const unsigned char key[PASS_KEY], size_t message_max,
             const struct clock *clock, struct err *err);
/* Says goodbye where that goes without waiting, closes the socket, wipes the key. NULL is nothing. */
void pass_free(struct pass *p);

int pass_fd(const struct pass *p);
/* The other one has shown that it has the key. */
bool pass_is_up(const struct pass *p);
/* It hasn't, for PASS_SHAKE_US: to be freed. */
bool pass_overdue(const struct pass *p);
/* To be watched for writing, too (loop_writable()). Look again after each call below. */
bool pass_wants_write(const struct pass *p);
/*
 * Does what can be done now: shakes hands, reads, writes; fn for each message, which is borrowed for the call and may not free
 * the pass. 0; -EPIPE: the other end is gone; -EACCES: it hasn't the key; -errno.
 */
int pass_run(struct pass *p, void (*fn)(void *arg, struct str message), void *arg, struct err *err);
/* To be sent; before the pass is up too. -EMSGSIZE, -ENOBUFS: it isn't kept: free the pass. Goes out with pass_run(). */
int pass_put(struct pass *p, struct str message);

#endif
