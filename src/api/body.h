/*
 * The body of a request as it was before it was compressed (RFC 9110 Content-Encoding; gzip RFC 1952, zstd RFC 8878),
 * piece by piece, in bounded memory. Foreign bytes: what they grow to is bounded, absolutely and by ratio.
 */
#ifndef KHIEN_API_BODY_H
#define KHIEN_API_BODY_H

#include "base/str.h"

enum body_coding { BODY_IDENTITY, BODY_GZIP, BODY_ZSTD };

/* The value of Content-Encoding (empty: none was sent). -EOPNOTSUPP: another one, or several. */
int body_coding(struct str header, enum body_coding *ret);

struct body;

/*
 * `max` bounds the unpacked bytes. *budget are the bytes left for all decoders' memory: taken from while the body
 * lives. -ENOMEM, -EBUSY: the budget is used up.
 */
int body_new(struct body **ret, enum body_coding coding, size_t max, size_t *budget);
void body_free(struct body *b);
/*
 * Takes bytes from the front of *in and gives the next unpacked ones: *out, borrowed until the next call, at most
 * 64 kB when unpacked. Empty: more input is needed. -EBADMSG: damaged; -E2BIG: beyond what it may grow to; -EBUSY: the
 * budget is used up. Nothing is given after an error.
 */
int body_next(struct body *b, struct str *in, struct str *out);
/* No more bytes come: 0, or -EBADMSG where the compressed data is cut off. */
int body_end(const struct body *b);

#endif
