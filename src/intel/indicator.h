/*
 * Indicators of compromise: values that are known to be bad. One is an address, a network, a name, a URL or a hash; it
 * has one text, whoever wrote it, so that equal ones are equal bytes.
 *
 *   address, network   as inet_ntop writes it; an IPv4-mapped IPv6 address is the IPv4 address (RFC 4291, 2.5.5.2);
 *                      bits behind a network's prefix are zero
 *   domain, name       lower case, without the dot at the end; A-labels stay as they are (RFC 5890). A domain covers
 *                      what is below it, a name only itself
 *   URL                host and path: without scheme, user, port 80 or 443, and fragment; host in lower case, "/"
 *                      where the path is empty, %XX of an unreserved byte undone, others with capitals (RFC 3986, 6.2.2)
 *   hash               lower-case hex of 16, 20, 32 or 64 bytes: MD5, SHA-1, SHA-256, SHA-512
 */
#ifndef KHIEN_INTEL_INDICATOR_H
#define KHIEN_INTEL_INDICATOR_H

#include "base/str.h"

enum intel_type {
	INTEL_ANY, /* asked for: whatever the text looks like */
	INTEL_ADDRESS,
	INTEL_NETWORK,
	INTEL_DOMAIN,
	INTEL_NAME,
	INTEL_URL,
	INTEL_BELOW, /* a URL, and all that is below its path, of at most INTEL_FOLDERS_MAX folders */
	INTEL_HASH,
	N_INTEL_TYPES,
};

enum {
	INTEL_TEXT_MAX = 2048,
	INTEL_NAME_MAX = 253,
	INTEL_FOLDERS_MAX = 16,
	INTEL_CONFIDENCE_UNTOLD = 50,
	INTEL_CONFIDENCE_MAX = 100
};

/* "address", "network"...; INTEL_ANY: "indicator". */
const char *intel_type_name(enum intel_type type);

struct indicator {
	enum intel_type type;
	struct str text; /* in `bytes` */
	char bytes[INTEL_TEXT_MAX];
	/* Of an address or network; IPv4 in the first 4 bytes. */
	uint8_t address[16];
	uint8_t family, bits; /* 4 or 6; length of the prefix, 32 or 128 for an address */
};

enum {
	INTEL_PRIVATE = 1, /* addresses that only mean something inside of a network are taken too */
	INTEL_EXACT = 2,   /* a domain covers nothing below it */
};

/*
 * Reads one as people and feeds write it, also made harmless (hxxp://bad[.]example). NULL: *ret is filled; else why
 * not, a static text. `type` says what it must be: ADDRESS takes a network too, DOMAIN makes an address of one that is.
 */
const char *indicator_read(struct indicator *ret, struct str text, enum intel_type type, unsigned flags);

/* --- pieces of it, for values of events: no more than they need --- */

/* 4, 6 or 0: no address. A zone (fe80::1%eth0) is left out, an IPv4-mapped one is IPv4. */
unsigned intel_address(struct str text, uint8_t to[16]);
/* Lower case into `to`, which has room for INTEL_NAME_MAX bytes; without the dot at the end. 0: it is no name. */
size_t intel_name(struct str text, char *to);
/* Host and path as above into `to`, which has room for INTEL_TEXT_MAX bytes. 0: it is no URL. *host: how long. */
size_t intel_url(struct str text, char *to, size_t *host);
/* Bytes of a hash in hex, at most 64, or 0. */
size_t intel_hash(struct str text, uint8_t *to);

#endif
