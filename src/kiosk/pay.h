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
	struct str purpose; /* folded to ASCII (vietqr_fold()), at most VIETQR_PURPOSE bytes of it are used */
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

/* --- hook.c: the two kinds of webhook --- */

struct notice {
	char bank_id[64]; /* SePay's id; payOS's reference */
	int64_t at;       /* µs */
	int64_t amount;   /* đồng that came in; negative: went out */
	char account[32];
	char content[512];  /* what the payer wrote */
	char reference[32]; /* of ours, found in content (REFERENCE_*); empty: none */
};

/* Ours: "KH" and eight of 23456789ABCDEFGHJKMNPQRSTUVWXYZ, the last a check letter: found in any text, whatever stands around it. */
enum { REFERENCE_LENGTH = 10 };
void reference_make(const unsigned char random[8], char reference[REFERENCE_LENGTH + 1]);
bool reference_find(struct str text, char reference[REFERENCE_LENGTH + 1]);

enum hook_kind { HOOK_SEPAY, HOOK_PAYOS };
/*
 * The whole of what came: the secret is the API key ("Authorization: Apikey KEY"), or that of the HMAC-SHA256 in `authorization`
 * over the body (SePay), or over key-sorted k=v& of "data" in the body (payOS). Compared in constant time.
 * -EACCES: not signed so; -EBADMSG: no notice can be read.
 */
int hook_read(enum hook_kind kind, struct str secret, struct str authorization, struct str body, struct notice *ret,
              struct err *err);

/* --- statement.c: a bank's statement as CSV --- */

struct statement_line {
	unsigned line;
	struct str bank_id, content;
	int64_t amount, at;
};
/* Finds the columns by their headings (Vietnamese and English). Lines that can't be read go to `bad`. -EBADMSG: no heading is known. */
int statement_read(struct str csv, void (*take)(void *arg, const struct statement_line *l),
                   void (*bad)(void *arg, unsigned line, const char *why), void *arg, struct err *err);

#endif
