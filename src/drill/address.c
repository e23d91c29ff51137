#include "drill/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static bool parse_ip(const char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_storage a = { 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&a;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a;
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
		a.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
		a.ss_family = AF_INET6;
	else
		return false;
	*ret = a;
	return true;
}

int drill_address_read(const char *text, struct sockaddr_storage *ret, struct err *err)
{
	char ip[64];
	struct sockaddr_storage a;
	const char *colon = strrchr(text, ':'), *from = text, *to = colon;
	char *end = NULL;
	unsigned long port = 0;
	if (colon && colon[1] >= '1' && colon[1] <= '9')
		port = strtoul(colon + 1, &end, 10);
	if (*text == '[') {
		from = text + 1;
		to = colon > text && colon[-1] == ']' ? colon - 1 : NULL;
	}
	if (!port || port > 65535 || *end || !to || to <= from || to - from >= (ptrdiff_t)sizeof(ip))
		return err_set(err, -EINVAL, "'%s' is no address with a port: write it as 127.0.0.1:8080", text);
	snprintf(ip, sizeof(ip), "%.*s", (int)(to - from), from);
	if (!parse_ip(ip, &a) || (a.ss_family == AF_INET6) != (*text == '['))
		return err_set(err, -EINVAL, "'%s': names aren't looked up: write it as 127.0.0.1:8080 or [::1]:8080",
		               text);
	if (a.ss_family == AF_INET)
		((struct sockaddr_in *)&a)->sin_port = htons((uint16_t)port);
	else
		((struct sockaddr_in6 *)&a)->sin6_port = htons((uint16_t)port);
	*ret = a;
	return 0;
}

socklen_t drill_address_size(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

bool drill_address_is_loopback(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
	return a->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

int drill_address_run(struct address_run *ret, const char *base, unsigned n, bool network48, struct err *err)
{
	struct address_run run = { .n = n, .network48 = network48 };
	struct sockaddr_storage last;
	if (!parse_ip(base, &run.base))
		return err_set(err, -EINVAL, "'%s' is no address", base);
	if (network48 && run.base.ss_family != AF_INET6)
		return err_set(err, -EINVAL, "'%s': networks of their own are for IPv6", base);
	if (!n || (network48 && n > 65536) || n > 1 << 22)
		return err_set(err, -EINVAL, "%u addresses from '%s' on: from 1 to %d", n, base,
		               network48 ? 65536 : 1 << 22);
	drill_address_of(&run, n - 1, &last);
	if (run.base.ss_family == AF_INET && (ntohl(((struct sockaddr_in *)&last)->sin_addr.s_addr) >> 24 !=
	                                      ntohl(((struct sockaddr_in *)&run.base)->sin_addr.s_addr) >> 24))
		return err_set(err, -EINVAL, "%u addresses from '%s' on leave its network", n, base);
	*ret = run;
	return 0;
}

void drill_address_of(const struct address_run *run, unsigned i, struct sockaddr_storage *ret)
{
	*ret = run->base;
	i %= run->n;
	if (ret->ss_family == AF_INET) {
		struct in_addr *a = &((struct sockaddr_in *)ret)->sin_addr;
		a->s_addr = htonl(ntohl(a->s_addr) + 1 + i);
		return;
	}
	uint8_t *bytes = ((struct sockaddr_in6 *)ret)->sin6_addr.s6_addr;
	uint32_t add = 1 + i;
	if (run->network48) {
		bytes[6] = (uint8_t)(i >> 8);
		bytes[7] = (uint8_t)i;
		add = 1;
	}
	for (int at = 15; at >= 8 && add; at--) {
		add += bytes[at];
		bytes[at] = (uint8_t)add;
		add >>= 8;
	}
}
