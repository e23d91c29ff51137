/* What payment is made of, without a database: VietQR, the code's picture, what banks' webhooks say. */
#ifndef KHIEN_KIOSK_PAY_H
#define KHIEN_KIOSK_PAY_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* --- vietqr.c: NAPAS VietQR over EMVCo merchant-presented QR codes 1.1 --- */

enum { VIETQR_MAX = 512, VIETQR_PURPOSE = 25 };

struct vietqr {
	struct str bin;     /* six digits */
	struct str account; /* up to 19 letters and digits */
	bool card;          /* QRIBFTTC: a card's number; else QRIBFTTA */
	int64_t amount;     /* đồng; 0: the payer says (static: 11) */
	struct str purpose; /* is folded to ASCII; at most VIETQR_PURPOSE bytes of that are used */
};
/* -EINVAL: what is wrong. */
int vietqr_write(const struct vietqr *q, char out[VIETQR_MAX], struct err *err);
/* The other way: for tests and for what a bank shows. -EBADMSG: no VietQR, or the CRC is wrong. Borrowed from text. */
int vietqr_read(struct str text, struct vietqr *ret, struct err *err);
/* Letters of Vietnamese without their marks, Đ to D; what else isn't printable ASCII becomes a blank, blanks in a row one. */
void vietqr_fold(struct str text, struct buf *out);
/* CRC-16/CCITT-FALSE. */
uint16_t vietqr_crc(struct str text);

/* --- qr.c: the picture, by libqrencode at level M --- */

int qr_svg(struct str text, struct buf *out, struct err *err);
/* 8 bits of grey, `scale` pixels a module, four modules of margin. */
int qr_png(struct str text, unsigned scale, struct buf *out, struct err *err);

/* --- bank_time.c --- */

/* Đồng that one transfer can be: 13 digits, as EMVCo's field 54. Sums of a million of them don't overflow. */
#define MONEY_MAX INT64_C(9999999999999)

/*
 * The time as Vietnam's banks and gateways write it, on Vietnam's clock (UTC+7) unless it says +HH:MM or Z:
 * "2026-11-22 14:02:37", "2026-11-22T14:02", "22/11/2026 14:02:37", "22-11-2026", "22/11/26"; µs since 1970 UTC.
 */
bool bank_time(struct str text, int64_t *at);

/* --- hook.c: the two kinds of webhook --- */

struct notice {
	char bank_id[64]; /* SePay's id; payOS's reference */
	char code[64];    /* the bank's own number of the transfer, as its statement has it; may be empty */
	int64_t at;       /* µs; 0: it doesn't say */
	int64_t amount;   /* đồng that came in; negative: went out; 0: no money moved */
	char account[32],
	        sub_account[32]; /* where it came in, and the virtual account before that one; either may be empty */
	char content[512];       /* what the payer wrote */
	char reference[32];      /* of ours, found in content (REFERENCE_*); empty: none */
};

/* Ours: "KH" and eight of 23456789ABCDEFGHJKMNPQRSTUVWXYZ, the last a check letter: found in any text, whatever stands around it. */
enum { REFERENCE_LENGTH = 10 };
void reference_make(const unsigned char random[8], char reference[REFERENCE_LENGTH + 1]);
/*
 * The first one in the text, in either case. One that stands there whole comes before one with single blanks, dots or dashes
 * between its letters, as some banks break lines.
 */
bool reference_find(struct str text, char reference[REFERENCE_LENGTH + 1]);

enum hook_kind { HOOK_SEPAY, HOOK_PAYOS, N_HOOKS };
enum { HOOK_BODY_MAX = 64 << 10 };
/*
 * The whole of what came. What proves who sent it, compared in constant time:
 *
 *   SePay   `authorization` is the Authorization header, "Apikey SECRET"; or the headers X-SePay-Timestamp and X-SePay-Signature with
 *           a blank between: "1763800000 sha256=HEX", HMAC-SHA256 over the timestamp, "." and the body.
 *           developer.sepay.vn/en/sepay-webhooks: xac-thuc, tich-hop-webhook
 *   payOS   "signature" in the body: HMAC-SHA256 in hex over "data", its keys sorted, as k=v&k=v; null is empty.
 *           payos.vn/docs/tich-hop-webhook/kiem-tra-du-lieu-voi-signature, payos.vn/docs/du-lieu-tra-ve/webhook
 *
 * How old a timestamp is makes no difference: what is sent again is known by its bank_id, and a clock that is wrong must not
 * cost payments. -EACCES: not signed so, or the secret is empty; -EBADMSG: no notice can be read.
 */
int hook_read(enum hook_kind kind, struct str secret, struct str authorization, struct str body, struct notice *ret,
              struct err *err);

/* --- statement.c: a bank's statement as CSV --- */

struct statement_line {
	unsigned line;
	struct str bank_id, content;
	int64_t amount, at;
};
enum { STATEMENT_LINES = 20000, STATEMENT_COLUMNS = 64 };
/*
 * RFC 4180 with "," ";" or a tab between, UTF-8. Finds the columns by their headings (Vietnamese and English), which stand in one
 * of the first 40 lines and 64 KB; what is before them is the bank's letterhead. Lines that can't be read go to `bad` (at most
 * STATEMENT_LINES of either); sums at the end of the table, which have neither a time nor a number, are left out. amount is
 * negative for what went out; at is 0 where there is no such column. -EBADMSG: no heading is known; -E2BIG: more lines.
 */
int statement_read(struct str csv, void (*take)(void *arg, const struct statement_line *l),
                   void (*bad)(void *arg, unsigned line, const char *why), void *arg, struct err *err);
/*
 * A short look at its beginning, and how many lines have something in them. False: statement_read() would refuse it, or has four times
 * the lines to look at that it takes; but true is no promise.
 */
bool statement_looks_right(struct str csv);

#endif
