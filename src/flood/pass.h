/*
 * A pass: a cookie that says "the same person as before", signed. Its validity needs no memory here; what its person used is
 * counted in the sketch under its id. It says nothing of who the person is.
 *
 *   version 1 | flags | id 8 | issued 4 | begins 4 | bound 4 | tag 16         base64url, without padding
 *
 * bound: a hash of network (/24, /48) and browser. Where it no longer fits, the pass isn't valid here, but its id is: the person is asked again and
 * gets a pass for the new place under the same id (and so with the same share, and the same place in a queue).
 */
#ifndef KHIEN_FLOOD_PASS_H
#define KHIEN_FLOOD_PASS_H

#include "base/err.h"
#include "base/str.h"
#include "flood/list.h"

enum { PASS_BYTES = 38, PASS_TEXT = 51, PASS_KEY = 32, PASS_DAYS = 30 };

struct pass_key {
	uint8_t bytes[PASS_KEY];
	bool there;
};

struct pass {
	uint64_t id;
	int64_t issued_s, begins_s; /* wall clock; before begins_s it isn't valid yet */
	uint32_t bound;
	uint8_t flags; /* none yet; those of later versions are kept when it is renewed */
};

enum pass_state {
	PASS_NONE, /* none was shown */
	PASS_VALID,
	PASS_EARLY,   /* it begins later */
	PASS_MOVED,   /* another network or browser */
	PASS_EXPIRED, /* older than PASS_DAYS */
	PASS_FORGED,  /* not ours, or damaged */
};

/* text: PASS_TEXT bytes and a NUL; empty where the key isn't there. Times: 1970 to 2106. */
void pass_make(const struct pass_key *key, const struct pass *p, char *text);
/*
 * In constant time as far as the key goes. ret is written for all states but NONE and FORGED. `before` may be not there. Of several
 * states the first counts: EXPIRED, MOVED, EARLY. The calls of sodium are faster after sodium_init().
 */
enum pass_state pass_read(const struct pass_key *now, const struct pass_key *before, struct str text, uint32_t bound,
                          int64_t wall_s, struct pass *ret);
/*
 * The same, but what it is to be bound to is found with the key that signed it: else all passes would read as MOVED once the key is
 * changed. Costs a second hash only where the tag is right.
 */
enum pass_state pass_read_from(const struct pass_key *now, const struct pass_key *before, struct str text,
                               const struct flood_addr *from, uint64_t browser, int64_t wall_s, struct pass *ret);
/* What a pass is bound to. */
uint32_t pass_bound(const struct pass_key *key, const struct flood_addr *from, uint64_t browser);

/*
 * The key file: two lines of 64 hexadecimal digits, the present key and the one before (or one line alone). -EINVAL: which line.
 */
int pass_keys_read(struct str text, struct pass_key *now, struct pass_key *before, struct err *err);

#endif
