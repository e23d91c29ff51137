/* Inside of order/. */
#ifndef KHIEN_ORDER_ORDER_INSIDE_H
#define KHIEN_ORDER_ORDER_INSIDE_H

#include "order/order.h"

/* UTF-8 of so many bytes, without control characters. */
bool order_is_text(struct str s, size_t least, size_t most);

/*
 * Whether base64 could be made of these letters. libsodium takes some bytes beyond ASCII for letters: two texts would be
 * one value.
 */
static inline bool order_is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x7f)
			return false;
	return true;
}

#endif
