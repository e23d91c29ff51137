/* Who a visitor is: an address, seen through proxies that are trusted to say so. IPv4 is mapped into IPv6. */
#ifndef KHIEN_KIOSK_WEB_ADDRESS_H
#define KHIEN_KIOSK_WEB_ADDRESS_H

#include "base/err.h"
#include "base/str.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct network {
	struct in6_addr address;
	unsigned bits; /* of 128 */
};

enum { NETWORKS_MAX = 64 };

struct networks {
	struct network list[NETWORKS_MAX];
	size_t n;
};

/* "192.0.2.1", "10.0.0.0/8", "2001:db8::/32"; ends with NULL, which `texts` may be too. -EINVAL, -E2BIG. */
int networks_read(struct networks *ret, const char *const *texts, struct err *err);
bool networks_have(const struct networks *n, const struct in6_addr *a);

struct in6_addr address_of(const struct sockaddr *sa);
/* False: it is none. */
bool address_read(struct str text, struct in6_addr *ret);
/* What is limited together: of IPv6 the /64, which one host has to itself. */
struct in6_addr address_share(const struct in6_addr *a);
/* Of IPv6 the /48, which a site is given at most. */
struct in6_addr address_site(const struct in6_addr *a);
/*
 * Of who connects from `peer`, where that is a trusted proxy: the last in X-Forwarded-For that no trusted proxy has. Anything
 * that can't be read ends the search there: what stands before it could be anybody's.
 */
struct in6_addr address_behind(const struct networks *trusted, const struct in6_addr *peer, struct str forwarded_for);

#endif
