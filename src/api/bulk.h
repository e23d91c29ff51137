/*
 * The body of Elasticsearch's bulk API: lines, an action and, but for delete, its document behind it.
 *
 *   {"create":{"_index":"logs-nginx-default","_id":"1"}}
 *   {"message":"..."}
 *
 * Lines may be cut anywhere. Documents are not looked into: that is for whoever takes them.
 */
#ifndef KHIEN_API_BULK_H
#define KHIEN_API_BULK_H

#include "base/str.h"

enum bulk_op { BULK_INDEX, BULK_CREATE, BULK_UPDATE, BULK_DELETE, BULK_OPS };

struct str bulk_op_name(enum bulk_op op);

enum { BULK_ACTION_MAX = 64 << 10, BULK_DOCUMENT_MAX = 1 << 20 };

/* Borrowed for the call. */
struct bulk_item {
	enum bulk_op op;
	struct str index, id; /* p NULL: not named; escapes are undone */
	struct str document;  /* the line; p NULL: delete has none, or it was too long */
	bool too_long;
	uint64_t line; /* of the action, from 1 */
};

/* Non-zero stops: it is what bulk_feed() and bulk_end() return. */
typedef int bulk_sink(void *arg, const struct bulk_item *item);

struct bulk;

int bulk_new(struct bulk **ret, bulk_sink *sink, void *arg);
void bulk_free(struct bulk *b);
/*
 * 0; what the sink returned; -ENOMEM; -EBADMSG: a line that is no action, or the last document is missing: where one
 * is wrong nobody can say what the next is, so all that follows is refused. Sticky.
 */
int bulk_feed(struct bulk *b, struct str bytes);
int bulk_end(struct bulk *b);
/* After -EBADMSG: which line, and why (static text). */
uint64_t bulk_bad_line(const struct bulk *b);
const char *bulk_why(const struct bulk *b);

#endif
