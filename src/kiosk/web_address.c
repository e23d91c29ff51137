#include "kiosk/web_address.h"

#include <arpa/inet.h>
#include <errno.h>

struct in6_addr address_of(const struct sockaddr *sa)
{
	struct in6_addr a = { 0 };
	if (sa && sa->sa_family == AF_INET) {
		a.s6_addr[10] = a.s6_addr[11] = 0xff;
		memcpy(a.s6_addr + 12, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
	} else if (sa && sa->sa_family == AF_INET6) {
		a = ((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
	}
	return a;
}

bool address_read(struct str text, struct in6_addr *ret)
{
	char z[INET6_ADDRSTRLEN + 1];
	struct in6_addr a = { 0 };
	if (text.n >= sizeof(z))
		return false;
	memcpy(z, text.p ? text.p : "", text.n);
	z[text.n] = '\0';
	if (strlen(z) != text.n)
		return false;
	if (inet_pton(AF_INET, z, a.s6_addr + 12) == 1)
		a.s6_addr[10] = a.s6_addr[11] = 0xff;
	else if (inet_pton(AF_INET6, z, &a) != 1)
		return false;
	*ret = a;
	return true;
}

static bool network_read(struct str text, struct network *ret)
{
	const size_t slash = str_find(text, '/');
	const struct str bits = str_sub(text, slash + 1, text.n);
	struct network n = { .bits = 128 };
	if (!address_read(str_sub(text, 0, slash), &n.address))
		return false;
	const bool four = memchr(text.p, '.', slash) && !memchr(text.p, ':', slash);
	if (slash < text.n) {
		if (!bits.n || bits.n > 3)
			return false;
		n.bits = 0;
		for (size_t i = 0; i < bits.n; i++) {
			if (bits.p[i] < '0' || bits.p[i] > '9')
				return false;
			n.bits = n.bits * 10 + (unsigned)(bits.p[i] - '0');
		}
		n.bits += four ? 96 : 0;
	}
	if (n.bits > 128)
		return false;
	*ret = n;
	return true;
}

int networks_read(struct networks *ret, const char *const *texts, struct err *err)
{
	struct networks n = { 0 };
	for (; texts && *texts; texts++) {
		if (n.n == NETWORKS_MAX)
			return err_set(err, -E2BIG, "more than %d trusted proxies", NETWORKS_MAX);
		if (!network_read(str_from(*texts), &n.list[n.n++]))
			return err_set(err, -EINVAL, "'%s' is no address and no network", *texts);
	}
	*ret = n;
	return 0;
}

bool networks_have(const struct networks *n, const struct in6_addr *a)
{
	for (size_t i = 0; i < n->n; i++) {
		const struct network *w = &n->list[i];
		const unsigned whole = w->bits / 8, rest = w->bits % 8;
		const unsigned char mask = (unsigned char)(0xff00 >> rest);
		if (!memcmp(a, &w->address, whole) &&
		    (!rest || !((a->s6_addr[whole] ^ w->address.s6_addr[whole]) & mask)))
			return true;
	}
	return false;
}

static struct in6_addr first_of(const struct in6_addr *a, size_t n)
{
	struct in6_addr first = *a;
	if (!IN6_IS_ADDR_V4MAPPED(a))
		memset(first.s6_addr + n, 0, sizeof(first) - n);
	return first;
}

struct in6_addr address_share(const struct in6_addr *a)
{
	return first_of(a, 8);
}

struct in6_addr address_site(const struct in6_addr *a)
{
	return first_of(a, 6);
}

struct in6_addr address_behind(const struct networks *trusted, const struct in6_addr *peer, struct str forwarded_for)
{
	struct in6_addr at = *peer;
	while (forwarded_for.n && networks_have(trusted, &at)) {
		size_t from = forwarded_for.n;
		while (from && forwarded_for.p[from - 1] != ',')
			from--;
		if (!address_read(str_trim(str_sub(forwarded_for, from, forwarded_for.n)), &at))
			break;
		forwarded_for = str_sub(forwarded_for, 0, from ? from - 1 : 0);
	}
	return at;
}
