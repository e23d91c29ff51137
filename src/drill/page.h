/*
 * A page, as far as a browser without scripts has to understand it: links, what it is made of, when it comes again, forms. HTML is read
 * as tags with attributes; what isn't understood is passed over. Nothing leads to another site.
 */
#ifndef KHIEN_DRILL_PAGE_H
#define KHIEN_DRILL_PAGE_H

#include "base/buf.h"

enum { PAGE_PATH = 512 };

struct page_tag {
	struct str name, attributes;
	bool closes;
};
/* The next tag from *at on. False: there is none. */
bool drill_page_tag(struct str html, size_t *at, struct page_tag *ret);
bool drill_page_tag_is(const struct page_tag *t, const char *name);
/* An attribute's value, its character references left as they are; {NULL, 0}: it has none of that name. */
struct str drill_page_attribute(const struct page_tag *t, const char *name);

/*
 * Where a reference on `from` leads within the site `host`: path and query, ready for a request. False: to another site, to a scheme that
 * isn't HTTP's, nowhere, or it is too long or of bytes that no address has.
 */
bool drill_page_resolve(const char *from, const char *host, struct str reference, char to[PAGE_PATH]);

/* Calls fn with each reference to a stylesheet, script or picture (links false), or of a link that a person may follow. */
void drill_page_references(struct str html, bool links, void (*fn)(void *arg, struct str reference), void *arg);
/* <meta http-equiv="refresh">: seconds, and where to ({NULL, 0}: here). -1: there is none. */
double drill_page_refresh(struct str html, struct str *to);

/* The form with this action, from its tag to its end. False: there is none. */
bool drill_page_form(struct str html, const char *action, struct str *form);
/* Values of inputs of a name within a form: how many; the pick-th in *value. */
size_t drill_page_inputs(struct str form, const char *name, size_t pick, struct str *value);

/* application/x-www-form-urlencoded: "&name=value", without & at the beginning of `to`. */
void drill_page_add_field(struct buf *to, const char *name, struct str value);

#endif
