/*
 * Who a post is: its name and unit, its certificate and key, whom it trusts. One file, `identity` (0600), replaced as a
 * whole, so that key and certificate always fit; and `approvers` beside it, a key and a name a line: whose approval
 * destructive orders need, which only people of this machine change.
 *
 *   khien post 1
 *   name web1
 *   unit A clinic
 *   hub 10.0.0.5:9200
 *   order-key ed25519:...
 *   PEM: its certificate, the CA's, its private key
 */
#ifndef KHIEN_POST_IDENTITY_H
#define KHIEN_POST_IDENTITY_H

#include "base/buf.h"
#include "base/err.h"
#include "order/order.h"
#include "post/dial.h"

struct identity {
	char name[ORDER_NAME + 1], unit[ORDER_NAME + 1];
	char hubs[DIAL_HUBS][DIAL_HUB];
	size_t n_hubs;
	unsigned char order_keys[ORDER_KEYS_MAX][ORDER_KEY];
	size_t n_order_keys;
	struct buf certificate, ca, key; /* PEM */
	int64_t from, until;             /* of the certificate */
};

/* -ENOENT: it was never enrolled; -EBADMSG. */
int identity_load(struct identity *ret, const char *dir, struct err *err);
int identity_save(const struct identity *i, const char *dir, struct err *err);
/* Wipes the key. */
void identity_done(struct identity *i);
/* The file goes, the token too, and both are gone from the disk. */
int identity_forget(const char *dir, struct err *err);

/* Since 2/3 of the certificate's life are over. */
bool identity_is_due(const struct identity *i, int64_t now);

/* A new key, and the body of POST /v1/enrol that asks for its certificate. The caller wipes both. */
int identity_ask(struct buf *key, struct buf *body, const char *name, const char *secret, struct err *err);
/* The same of POST /v1/renew, with the proof that the key before is held, too. */
int identity_ask_again(const struct identity *i, struct buf *key, struct buf *body, struct err *err);
/*
 * The hub's answer to that: a copy of `old` (its hubs, and order keys where none are told) with what it says and `key`.
 * Appends the approvers that it names, a line each. *time: the hub's clock, 0 where it doesn't say. -EBADMSG: it is none;
 * -EACCES: `old` trusts a CA, and the answer names another, or other keys of orders. Certificates aren't judged here.
 */
int identity_take(const struct identity *old, struct str json, struct str key, struct identity *ret,
                  struct buf *approvers, int64_t *time, struct err *err);

/* The certificate is the CA's, of a client, for name and unit, and of the key. -EACCES, and why not. */
int identity_check(const struct identity *i, struct err *err);

struct approver_key {
	unsigned char public[ORDER_KEY];
	char name[ORDER_NAME + 1];
};
/* Who stands in the file `approvers`; none where there is none. */
int approvers_load(const char *dir, struct approver_key ret[ORDER_KEYS_MAX], size_t *n, struct err *err);
int approvers_save(const char *dir, const struct approver_key *keys, size_t n, struct err *err);
/* "ed25519:... NAME" */
int approver_key_read(struct str line, struct approver_key *ret, struct err *err);

#endif
