/*
 * Pages as gzip (RFC 1952), for slow networks. A page that is kept has holes, which each visitor's own tokens go into: in the packed
 * page such a hole is a stored block, of the same bytes, so that it is filled as in the plain one and costs no more. Only the check
 * sum has to follow: it is linear, and what a hole changes in it is the change shifted by what stands behind.
 */
#ifndef KHIEN_KIOSK_WEB_GZIP_H
#define KHIEN_KIOSK_WEB_GZIP_H

#include "kiosk/web_kept.h"

enum { GZIP_LEAST = 1024 /* what is smaller fits into the same packet anyway */ };

struct gzip;

/* NULL: no memory. */
struct gzip *gzip_new(void);
void gzip_free(struct gzip *g);
/* Appends the page packed, with the n holes in their order; they are then where they stand in it. out->failed: no memory. */
void gzip_page(struct gzip *g, struct str page, struct page_hole *holes, unsigned n, struct buf *out);
/* Fills a hole of a packed page, which is all of `page`. */
void gzip_fill(struct buf *page, const struct page_hole *hole, const char *token);
/* What Accept-Encoding says. */
bool gzip_accepted(struct str header);

#endif
