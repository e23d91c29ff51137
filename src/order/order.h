/*
 * Orders: the few things that a hub may have a post do, written so that nobody else can, and nothing can be made of one
 * that it doesn't say.
 *
 * The canonical bytes of an order (version 1) are what is signed; numbers are big-endian, and there is one way to write
 * an order, so that order_encode(order_decode(b)) is b again:
 *
 *   "KHO1"  id  unit  post  verb      each: u16 length, bytes
 *   u8 how many arguments             then each: u16 length, bytes
 *   u64 sequence  i64 issued  i64 expires                              times: µs since 1970 UTC; nothing follows
 *
 * Signatures are Ed25519 (RFC 8032), detached, over a word for what is signed, a NUL, and these bytes: a hub's signature
 * can't be taken for an approver's. Destructive orders need both. The hub's key is held by its signer (pki/pki.h); an
 * approver's is a person's (approver.h), and no hub holds it.
 *
 * A post does what order_judge() lets pass, once: see book.h. Sequences grow for each post, those of destructive orders
 * and of others by themselves, since an approval takes time. None is below the time it was issued at, in µs: so a hub or
 * a post that lost its own goes on from its clock and never goes back.
 */
#ifndef KHIEN_ORDER_ORDER_H
#define KHIEN_ORDER_ORDER_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

enum {
	ORDER_ID = 16,    /* letters a-z and digits 2-7 */
	ORDER_NAME = 64,  /* of a unit, a post: 1 to so many bytes of UTF-8 without control characters */
	ORDER_VERB = 32,  /* a-z and "-" */
	ORDER_ARGS = 4,   /* at most */
	ORDER_ARG = 1024, /* each 0 to so many bytes of UTF-8 without control characters */
	ORDER_BYTES = 4 + 2 + ORDER_ID + 2 * (2 + ORDER_NAME) + 2 + ORDER_VERB + 1 + ORDER_ARGS * (2 + ORDER_ARG) + 24,
	ORDER_KEY = 32,              /* a public key */
	ORDER_SECRET = 64,           /* its secret half, as libsodium has it: the caller wipes it */
	ORDER_SIGNATURE = 64,        /* */
	ORDER_RESULT = 2048,         /* what a post says of it: UTF-8, up to so many bytes */
	ORDER_KEYS_MAX = 16,         /* approvers, or hubs, that a post knows */
	ORDER_KEY_TEXT = 8 + 43 + 1, /* "ed25519:" and base64url; a NUL */
};
static const int64_t ORDER_LIFE = 24LL * 3600 * CLOCK_S;  /* from issued to expires, at most */
static const int64_t ORDER_SKEW = 300LL * CLOCK_S;        /* that clocks may be apart */
static const int64_t ORDER_AHEAD = 24LL * 3600 * CLOCK_S; /* that a sequence may be before the clock */

/* Texts are borrowed: from whoever filled it in, or from the bytes it was read of. */
struct order {
	struct str id, unit, post, verb, args[ORDER_ARGS];
	size_t n_args;
	uint64_t sequence; /* 1 to INT64_MAX */
	int64_t issued, expires;
};

/* A new id; letters of a person's choice could be told from another's only with care. */
void order_id_new(char id[ORDER_ID + 1]);
/* Appends the canonical bytes. -EINVAL: a field is out of its bounds. */
int order_encode(const struct order *o, struct buf *out, struct err *err);
/* -EBADMSG: these are no canonical bytes of an order. */
int order_decode(struct order *ret, struct str bytes, struct err *err);
/* One line for a person, of all that it says; safe for a terminal as far as its fields are. */
void order_print(const struct order *o, struct buf *out);

/* --- verbs: the closed list. verb.c --- */

enum order_verb {
	ORDER_PING,         /* answers */
	ORDER_STATUS,       /* says what it holds, follows, and what its clock shows */
	ORDER_RENEW,        /* a new key and certificate now */
	ORDER_FOLLOW,       /* PATH: follows a file, below the folders that its own configuration permits */
	ORDER_UNFOLLOW,     /* PATH: no more; the undo of the one above, and the other way round */
	ORDER_FORGET_SPOOL, /* destructive: drops what it has not sent */
	ORDER_RETIRE,       /* destructive: forgets its key, and stops */
	ORDER_VERBS,
};

enum order_kind_of_argument {
	ORDER_NONE, /* there is no such argument */
	ORDER_PATH, /* absolute; no empty, "." or ".." component; no slash at its end */
};

struct order_verb_info {
	const char *name;
	enum order_kind_of_argument args[ORDER_ARGS];
	bool destructive;
	int undo;         /* enum order_verb that takes it back with the same arguments; -1: nothing does */
	const char *what; /* for people */
};
const struct order_verb_info *order_verb_info(enum order_verb verb);
/* -ENOENT: there is no such verb. */
int order_verb_find(struct str name, enum order_verb *ret);
/* -ENOENT; -EINVAL: the arguments aren't what the verb takes, and why. */
int order_verb_check(const struct order *o, enum order_verb *ret, struct err *err);

/* --- signatures --- */

enum order_signer { ORDER_BY_HUB, ORDER_BY_APPROVER };

int order_key_new(unsigned char public[ORDER_KEY], unsigned char secret[ORDER_SECRET]);
int order_sign(enum order_signer as, const unsigned char secret[ORDER_SECRET], struct str bytes,
               unsigned char signature[ORDER_SIGNATURE]);
bool order_verify(enum order_signer as, const unsigned char public[ORDER_KEY], struct str bytes,
                  const unsigned char signature[ORDER_SIGNATURE]);
/* "ed25519:..." and back; -EINVAL. */
void order_key_text(const unsigned char public[ORDER_KEY], char text[ORDER_KEY_TEXT]);
int order_key_read(struct str text, unsigned char public[ORDER_KEY]);

/* An order as it travels. */
struct order_sealed {
	struct str bytes;
	unsigned char signature[ORDER_SIGNATURE]; /* the hub's */
	bool approved;                            /* the two below are there */
	unsigned char approver[ORDER_KEY], approval[ORDER_SIGNATURE];
};

/* --- what a post lets pass --- */

enum order_refusal {
	ORDER_FINE,
	ORDER_MALFORMED,    /* no canonical bytes */
	ORDER_FORGED,       /* not signed by a hub that it knows */
	ORDER_OTHER_UNIT,   /* for another unit */
	ORDER_OTHER_POST,   /* for another post */
	ORDER_UNKNOWN_VERB, /* not on its list */
	ORDER_BAD_ARGUMENT, /* not what the verb takes */
	ORDER_TOO_LONG,     /* may be acted on for longer than ORDER_LIFE, or ends before it begins */
	ORDER_EARLY,        /* issued in the future: one of the clocks is wrong */
	ORDER_STALE,        /* expired */
	ORDER_TOO_FAR,      /* a sequence that would shut out those of the days to come, or before its own time */
	ORDER_REPLAY,       /* a sequence that is not after the last one */
	ORDER_UNAPPROVED,   /* destructive, and not signed by an approver that it knows */
	ORDER_REFUSALS,
};

struct order_trust {
	struct str unit, post;
	unsigned char hubs[ORDER_KEYS_MAX][ORDER_KEY];
	size_t n_hubs;
	unsigned char approvers[ORDER_KEYS_MAX][ORDER_KEY];
	size_t n_approvers;
};

/* last: of other orders, of destructive ones. *ret and *verb are set as far as it was read; why may be NULL. */
enum order_refusal order_judge(const struct order_trust *t, const struct order_sealed *s, const uint64_t last[2],
                               int64_t now, struct order *ret, enum order_verb *verb, struct err *why);
/* "replay", ...; "" of ORDER_FINE. */
const char *order_refusal_name(enum order_refusal r);

#endif
