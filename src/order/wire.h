/*
 * The JSON between hub and post: docs/posts.md has the shapes.
 */
#ifndef KHIEN_ORDER_WIRE_H
#define KHIEN_ORDER_WIRE_H

#include "base/arena.h"
#include "order/order.h"

/*
 * Calls fn for each scalar at one of the paths: "certificate", "approvers" (each element of an array), "orders.id" (of
 * each object in an array); two levels at most. `object` grows from one object to the next. The text of a string has its
 * escapes undone, in the arena where there were some; of others it is as written. Members of other names are passed over.
 * -EBADMSG: not one JSON object. fn returns non-zero to stop, which is returned.
 */
int wire_read(struct str json, const char *const *paths, size_t n, struct arena *arena,
              int (*fn)(void *arg, size_t path, uint32_t object, struct str value), void *arg, struct err *err);

/* An order as GET /v1/orders tells it. */
struct wire_order {
	uint64_t number; /* the cursor: grows with each that the hub signed */
	struct order_sealed sealed;
};
/* Appends {"number":...,...}. */
void wire_order_print(const struct wire_order *o, struct buf *out);
/*
 * The answer of GET /v1/orders: fn for each, in order; bytes are in the arena. *time: the hub's clock, µs. -EBADMSG: it
 * is none, and fn was called for nothing.
 */
int wire_orders_read(struct str json, struct arena *arena, int (*fn)(void *arg, const struct wire_order *o), void *arg,
                     int64_t *time, struct err *err);

#endif
