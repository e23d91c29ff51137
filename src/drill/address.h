/* Addresses of a drill: where to, written as numbers, and the thousands that it comes from. */
#ifndef KHIEN_DRILL_ADDRESS_H
#define KHIEN_DRILL_ADDRESS_H

#include "base/err.h"
#include "base/str.h"

#include <netinet/in.h>

/* "127.0.0.1:8080", "[::1]:8080": numbers only, nothing is looked up anywhere. -EINVAL. */
int drill_address_read(const char *text, struct sockaddr_storage *ret, struct err *err);
socklen_t drill_address_size(const struct sockaddr_storage *a);

/* A run of addresses behind a base. */
struct address_run {
	struct sockaddr_storage base; /* port 0 */
	unsigned n;
	bool network48;
};
/* -EINVAL: base is no address, or the run leaves its network (127.0.0.0/8 for loopback's). */
int drill_address_run(struct address_run *ret, const char *base, unsigned n, bool network48, struct err *err);
/* The i-th, of n in a circle. The first is base + 1; with network48 base's 48 bits, i, ::1. */
void drill_address_of(const struct address_run *run, unsigned i, struct sockaddr_storage *ret);

bool drill_address_is_loopback(const struct sockaddr_storage *a);

#endif
