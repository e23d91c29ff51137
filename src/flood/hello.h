/*
 * A TLS ClientHello as a fingerprint: what kind of program opened the connection, before it said so itself.
 *
 * Written as JA4 is ("t13d1516h2_8daaf6152771_b186095e22b6"): transport, version, server name or address, how many ciphers and
 * extensions, ALPN; hashes of the sorted ciphers, and of the sorted extensions with the signature algorithms. GREASE is left out, so a
 * browser that shuffles its extensions stays the same.
 */
#ifndef KHIEN_FLOOD_HELLO_H
#define KHIEN_FLOOD_HELLO_H

#include "base/str.h"

enum { HELLO_TEXT = 36 };

struct hello {
	char text[HELLO_TEXT + 1];
};

/*
 * bytes: the handshake message, from its type (1) on, without the record's head; its length is what its own says. -EINVAL: it isn't
 * one; -E2BIG: more ciphers or extensions than anybody sends (256). Foreign bytes: reads nothing beyond.
 */
int hello_read(struct str bytes, struct hello *ret);
/* Never 0. */
uint64_t hello_hash(const struct hello *h);

#endif
