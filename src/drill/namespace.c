#include "drill/namespace.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct drill_network {
	int at[3]; /* by enum drill_side */
};

enum { MESSAGE = 1024 };

/* A message to the kernel (rtnetlink(7)), as it grows. */
struct ask {
	struct nlmsghdr head;
	char room[MESSAGE];
};

/* --- messages --- */

static void *add_bytes(struct ask *a, const void *bytes, size_t n)
{
	char *to = (char *)a + NLMSG_ALIGN(a->head.nlmsg_len);
	if (n)
		memcpy(to, bytes, n);
	a->head.nlmsg_len = NLMSG_ALIGN(a->head.nlmsg_len) + (uint32_t)n;
	return to;
}

static struct rtattr *add(struct ask *a, unsigned short type, const void *bytes, size_t n)
{
	const struct rtattr head = { .rta_len = (unsigned short)RTA_LENGTH(n), .rta_type = type };
	struct rtattr *at = add_bytes(a, &head, sizeof(head));
	add_bytes(a, bytes, n);
	return at;
}

/* What was added since `at` is within it. */
static void nest(struct ask *a, struct rtattr *at)
{
	at->rta_len = (unsigned short)((char *)a + a->head.nlmsg_len - (char *)at);
}

static struct ask message(unsigned short type, unsigned short flags, const void *head, size_t n)
{
	struct ask a = { .head = { .nlmsg_len = NLMSG_HDRLEN,
		                   .nlmsg_type = type,
		                   .nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags) } };
	add_bytes(&a, head, n);
	return a;
}

/* Sends it and waits for what the kernel says. */
static int tell(const struct ask *a)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char room[MESSAGE + 256];
	} answer;
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	int code = send(fd, a, a->head.nlmsg_len, 0) < 0 ? -errno : 0;
	if (!code && recv(fd, &answer, sizeof(answer), 0) < (ssize_t)NLMSG_LENGTH(sizeof(answer.error)))
		code = -EPROTO;
	if (!code)
		code = answer.head.nlmsg_type == NLMSG_ERROR ? answer.error.error : -EPROTO;
	close(fd);
	return code;
}

/* --- what is made --- */

static int make_pair(const char *name, const char *peer, int peers_namespace)
{
	const struct ifinfomsg any = { .ifi_family = AF_UNSPEC };
	struct ask a = message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &any, sizeof(any));
	add(&a, IFLA_IFNAME, name, strlen(name) + 1);
	struct rtattr *info = add(&a, IFLA_LINKINFO, NULL, 0);
	add(&a, IFLA_INFO_KIND, "veth", 4);
	struct rtattr *data = add(&a, IFLA_INFO_DATA, NULL, 0);
	struct rtattr *other = add(&a, VETH_INFO_PEER, NULL, 0);
	add_bytes(&a, &any, sizeof(any));
	add(&a, IFLA_IFNAME, peer, strlen(peer) + 1);
	add(&a, IFLA_NET_NS_FD, &peers_namespace, sizeof(peers_namespace));
	nest(&a, other);
	nest(&a, data);
	nest(&a, info);
	return tell(&a);
}

static int bring_up(const char *name)
{
	const struct ifinfomsg up = { .ifi_index = (int)if_nametoindex(name),
		                      .ifi_flags = IFF_UP,
		                      .ifi_change = IFF_UP };
	const struct ask a = message(RTM_NEWLINK, 0, &up, sizeof(up));
	return tell(&a);
}

struct ip {
	uint8_t family;
	size_t n;
	uint8_t bytes[16];
};

static struct ip ip_of(const char *text)
{
	struct ip ip = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };
	ip.n = ip.family == AF_INET6 ? 16 : 4;
	inet_pton(ip.family, text, ip.bytes);
	return ip;
}

static int add_address(const char *name, const char *text, unsigned char bits)
{
	const struct ip ip = ip_of(text);
	const struct ifaddrmsg head = { .ifa_family = ip.family,
		                        .ifa_prefixlen = bits,
		                        .ifa_index = if_nametoindex(name),
		                        .ifa_flags = ip.family == AF_INET6 ? IFA_F_NODAD : 0 };
	struct ask a = message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
	add(&a, IFA_LOCAL, ip.bytes, ip.n);
	add(&a, IFA_ADDRESS, ip.bytes, ip.n);
	return tell(&a);
}

/* By way of `over`; NULL: the addresses are this side's own, all of them. */
static int add_route(const char *name, const char *text, unsigned char bits, const char *over)
{
	const struct ip ip = ip_of(text);
	const int index = (int)if_nametoindex(name);
	const struct rtmsg head = {
		.rtm_family = ip.family,
		.rtm_dst_len = bits,
		.rtm_table = over ? RT_TABLE_MAIN : RT_TABLE_LOCAL,
		.rtm_protocol = RTPROT_BOOT,
		.rtm_scope = over ? RT_SCOPE_UNIVERSE : RT_SCOPE_HOST,
		.rtm_type = over ? RTN_UNICAST : RTN_LOCAL,
	};
	struct ask a = message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
	add(&a, RTA_DST, ip.bytes, ip.n);
	add(&a, RTA_OIF, &index, sizeof(index));
	if (over) {
		const struct ip way = ip_of(over);
		add(&a, RTA_GATEWAY, way.bytes, way.n);
	}
	return tell(&a);
}

/* IPv6 where the kernel has it: what fails of it is no failure. */
static int make_site(int crowd)
{
	int code = bring_up("lo");
	if (!code)
		code = make_pair("site", "crowd", crowd);
	if (!code)
		code = bring_up("site");
	if (!code)
		code = add_address("site", DRILL_SITE_IP, 30);
	if (!code)
		code = add_route("site", DRILL_CROWD_IP, 10, "10.63.0.2");
	if (!code && !add_address("site", DRILL_SITE_IP6, 126))
		add_route("site", DRILL_CROWD_IP6, 16, "fd63::2");
	return code;
}

static int make_crowd(void)
{
	int code = bring_up("lo");
	if (!code)
		code = bring_up("crowd");
	if (!code)
		code = add_address("crowd", "10.63.0.2", 30);
	if (!code)
		code = add_route("lo", DRILL_CROWD_IP, 10, NULL);
	if (!code && !add_address("crowd", "fd63::2", 126))
		add_route("lo", DRILL_CROWD_IP6, 16, NULL);
	return code;
}

/* --- where one is --- */

static int here(void)
{
	const int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int unshare_to(int *ret)
{
	if (unshare(CLONE_NEWNET))
		return -errno;
	*ret = here();
	return *ret < 0 ? *ret : 0;
}

static int go(int fd)
{
	return setns(fd, CLONE_NEWNET) ? -errno : 0;
}

int drill_network_new(struct drill_network **ret, struct err *err)
{
	struct drill_network *n = malloc(sizeof(*n));
	if (!n)
		return err_set(err, -ENOMEM, "namespaces: %m");
	*n = (struct drill_network){ { here(), -1, -1 } };
	int code = n->at[DRILL_HOME] < 0 ? n->at[DRILL_HOME] : unshare_to(&n->at[DRILL_CROWD]);
	if (!code)
		code = unshare_to(&n->at[DRILL_SITE]);
	if (!code)
		code = make_site(n->at[DRILL_CROWD]);
	if (!code)
		code = go(n->at[DRILL_CROWD]);
	if (!code)
		code = make_crowd();
	if (n->at[DRILL_HOME] >= 0 && go(n->at[DRILL_HOME]) && !code)
		code = -errno;
	if (code) {
		drill_network_free(n);
		return err_set(err, code, "network namespaces could not be made: %m");
	}
	*ret = n;
	return 0;
}

void drill_network_free(struct drill_network *n)
{
	for (size_t i = 0; n && i < ARRAY_LEN(n->at); i++)
		if (n->at[i] >= 0)
			close(n->at[i]);
	free(n);
}

int drill_network_enter(const struct drill_network *n, enum drill_side side, struct err *err)
{
	const int code = go(n->at[side]);
	return code ? err_set(err, code, "enter a network namespace: %m") : 0;
}

static bool is_here(int fd)
{
	struct stat there, self;
	return !fstat(fd, &there) && !stat("/proc/thread-self/ns/net", &self) && there.st_ino == self.st_ino &&
	       there.st_dev == self.st_dev;
}

bool drill_network_has(const struct drill_network *n, const struct sockaddr_storage *to)
{
	const struct ip ip = ip_of(to->ss_family == AF_INET6 ? DRILL_SITE_IP6 : DRILL_SITE_IP);
	const void *bytes = to->ss_family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)to)->sin6_addr
	                                              : (const void *)&((const struct sockaddr_in *)to)->sin_addr;
	return is_here(n->at[DRILL_CROWD]) && memcmp(ip.bytes, bytes, ip.n) == 0;
}
