/*
 * Finished pages, kept for up to a second by path, language, and whether the visitor takes gzip. A page has holes where each
 * visitor's own form tokens go.
 * Bounded: places and bytes; what has no room isn't kept.
 */
#ifndef KHIEN_KIOSK_WEB_KEPT_H
#define KHIEN_KIOSK_WEB_KEPT_H

#include "base/buf.h"
#include "kiosk/words.h"

struct MHD_Response;
struct kept;

enum {
	PAGE_HOLES = 8,
	KEPT_US = 1000 * 1000,
	KEPT_PATH = 96,
	KEPT_BYTES = 32 << 20,
};

struct page_hole {
	size_t at;          /* TOKEN_LENGTH bytes from here on */
	const char *action; /* a literal */
	uint32_t shift;     /* of a packed page, see web_gzip.h */
};

struct kept_page {
	struct str bytes;
	struct page_hole holes[PAGE_HOLES];
	unsigned n_holes;
	bool packed;                   /* gzip */
	struct MHD_Response *response; /* of a page without holes, for who needs no header of their own; else NULL */
};

struct kept_key {
	struct str path;
	enum kiosk_language lang;
	bool gzip;
};

/* NULL: no memory. `drop` gives a response back. */
struct kept *kept_new(void (*drop)(struct MHD_Response *));
void kept_free(struct kept *k);
/* Borrowed until the next kept_put(); NULL: there is none, or it is too old. now: monotonic µs. */
const struct kept_page *kept_find(const struct kept *k, const struct kept_key *key, int64_t now);
/* Copies the bytes, takes over the response. */
void kept_put(struct kept *k, const struct kept_key *key, const struct kept_page *page, int64_t now);

#endif
