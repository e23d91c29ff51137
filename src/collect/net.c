#include "collect/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MAX_MESSAGE = 256 << 10,
	DATAGRAMS = 256, /* before others have their turn */
	BURST_BYTES = 1 << 20,
	SENDERS = 256,
};

/*
 * Datagrams that were read and are handed on sender by sender, as a batch has one origin. It is read again when all of
 * them are taken; until then the kernel keeps what comes, and counts what it can't keep.
 */
struct burst {
	struct datagram {
		struct sender *sender;
		size_t at, n;
		bool done;
	} got[DATAGRAMS];
	size_t n;
	struct {
		struct address address;
		struct sender *sender;
	} senders[SENDERS]; /* those of late, by a hash of their address */
	char bytes[BURST_BYTES];
};

/* --- addresses --- */

struct address net_address(const struct sockaddr_storage *ss)
{
	struct address a = { 0 };
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)ss;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)ss;
	if (ss->ss_family == AF_INET6) {
		memcpy(a.at, &v6->sin6_addr, sizeof(a.at));
	} else if (ss->ss_family == AF_INET) {
		a.at[10] = a.at[11] = 0xff;
		memcpy(a.at + 12, &v4->sin_addr, 4);
	}
	return a;
}

void net_address_text(const struct address *a, char *text)
{
	struct in6_addr v6;
	memcpy(&v6, a->at, sizeof(v6));
	if (IN6_IS_ADDR_V4MAPPED(&v6))
		inet_ntop(AF_INET, a->at + 12, text, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, a->at, text, INET6_ADDRSTRLEN);
}

/* --- UDP --- */

static struct sender *sender_of(struct listener *l, const struct sockaddr_storage *from)
{
	const struct taker *t = l->c.taker;
	struct address a = net_address(from);
	char name[SENDER_NAME], text[INET6_ADDRSTRLEN];
	uint32_t hash = 2166136261u; /* FNV-1a */
	if (!t->sender)
		return NULL;
	for (size_t i = 0; i < sizeof(a.at); i++)
		hash = (hash ^ a.at[i]) * 16777619u;
	hash = (hash ^ hash >> 16) % SENDERS;
	if (!l->burst->senders[hash].sender || memcmp(&l->burst->senders[hash].address, &a, sizeof(a)) != 0) {
		net_address_text(&a, text);
		snprintf(name, sizeof(name), "syslog-udp %s", text);
		l->burst->senders[hash].address = a;
		l->burst->senders[hash].sender = t->sender(t->arg, str_from(name));
	}
	return l->burst->senders[hash].sender;
}

/* What the kernel could not keep: it is asked, as datagrams that would tell may not come any more. */
static void count_drops(struct listener *l)
{
	uint32_t memory[SK_MEMINFO_VARS];
	socklen_t size = sizeof(memory);
	if (getsockopt(l->c.fd, SOL_SOCKET, SO_MEMINFO, memory, &size) || size <= SK_MEMINFO_DROPS * sizeof(memory[0]))
		return;
	l->counts.dropped += (uint32_t)(memory[SK_MEMINFO_DROPS] - l->drops);
	l->drops = memory[SK_MEMINFO_DROPS];
}

static void read_burst(struct listener *l)
{
	struct burst *b = l->burst;
	size_t at = 0;
	b->n = 0;
	while (b->n < DATAGRAMS && BURST_BYTES - at >= NET_READ) {
		struct sockaddr_storage from = { 0 };
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(l->c.fd, b->bytes + at, NET_READ, 0, (struct sockaddr *)&from, &size);
		if (n < 0)
			break; /* nothing more; an ICMP error that came back is nothing to us either */
		/* A line break within a message would begin another, with a sender of its own making. */
		struct str m = str_trim((struct str){ b->bytes + at, (size_t)n });
		for (char *p = (char *)m.p; m.n && (p = memchr(p, '\n', m.n - (size_t)(p - m.p)));)
			*p = ' ';
		if (m.n)
			b->got[b->n++] = (struct datagram){ sender_of(l, &from), (size_t)(m.p - b->bytes), m.n, false };
		at += (size_t)n;
	}
}

static int feed_sender(struct listener *l, size_t first)
{
	struct burst *b = l->burst;
	int64_t now = clock_wall(l->c.clock);
	int code = 0;
	l->origin.sender = b->got[first].sender;
	for (size_t i = first; i < b->n && !code; i++) {
		if (b->got[i].done || b->got[i].sender != l->origin.sender)
			continue;
		b->got[i].done = true;
		code = framer_feed(l->framer, (struct str){ b->bytes + b->got[i].at, b->got[i].n }, now);
		if (!code)
			code = framer_feed(l->framer, STR("\n"), now);
	}
	code = code ? code : framer_flush(l->framer, true);
	l->full = inlet_full(&l->inlet);
	return code;
}

static int hand_on_burst(struct listener *l)
{
	int code = 0;
	for (size_t i = 0; i < l->burst->n && !l->full && !code; i++)
		if (!l->burst->got[i].done)
			code = feed_sender(l, i);
	return code;
}

static int on_datagrams(void *arg, int fd)
{
	struct listener *l = arg;
	if (l->full)
		return net_watch(l, false);
	read_burst(l);
	return hand_on_burst(l);
}

static int datagrams_room(struct listener *l)
{
	int code = inlet_retry(&l->inlet);
	if (code)
		return code == -EAGAIN ? 0 : code;
	l->full = false;
	return hand_on_burst(l);
}

static int datagrams_new(struct listener *l, struct err *err)
{
	l->burst = calloc(1, sizeof(*l->burst));
	if (!l->burst)
		return err_set(err, -ENOMEM, "%s: %m", l->c.name);
	return net_framer(l, &l->inlet, 0, &l->framer, err);
}

static void datagrams_free(struct listener *l)
{
	datagrams_room(l);
	uint64_t lost = inlet_drop(&l->inlet);
	if (l->origin.sender)
		l->origin.sender->refused += lost;
	for (size_t i = 0; i < l->burst->n; i++)
		if (!l->burst->got[i].done && l->burst->got[i].sender)
			l->burst->got[i].sender->refused++;
	framer_free(l->framer);
	free(l->burst);
}

/* --- all --- */

int net_framer(struct listener *l, struct inlet *in, size_t batch_bytes, struct framer **ret, struct err *err)
{
	const struct framer_config config = {
		.origin = l->c.name,
		.format = intake_format(STR("syslog")),
		.max_record = l->c.max_message,
		.batch_bytes = batch_bytes,
		.now = clock_wall(l->c.clock),
		.sink = inlet_take,
		.skip = inlet_skip,
		.arg = in,
	};
	int code = framer_new(ret, &config, err);
	/* A framer gives up where the first bytes are no text of a kind it knows: that is not for a sender to decide. */
	return code ? code : framer_feed(*ret, STR("\n\n\n"), config.now);
}

int net_watch(struct listener *l, bool on)
{
	loop_fn *fn = l->c.kind == OPENER_UDP ? on_datagrams : stream_on_connect;
	int code = 0;
	if (on && !l->watched)
		code = loop_watch(l->c.loop, l->c.fd, fn, l, NULL);
	else if (!on && l->watched)
		loop_unwatch(l->c.loop, l->c.fd);
	l->watched = on && !code;
	return code;
}

int listener_new(struct listener **ret, const struct listener_config *config, struct err *err)
{
	struct listener *l = calloc(1, sizeof(*l));
	if (!l) {
		close(config->fd);
		return err_set(err, -ENOMEM, "%s: %m", config->name);
	}
	l->c = *config;
	l->c.max_message = config->max_message ? config->max_message : MAX_MESSAGE;
	l->origin.name = config->name;
	l->inlet = (struct inlet){ .taker = config->taker, .origin = &l->origin };
	int code = config->kind == OPENER_UDP ? datagrams_new(l, err) : stream_new(l, err);
	l->c.tls = NULL;
	if (!code && (code = net_watch(l, true)))
		err_set(err, code, "%s: %m", config->name);
	if (code)
		listener_free(l);
	else
		*ret = l;
	return code;
}

void listener_free(struct listener *l)
{
	if (!l)
		return;
	net_watch(l, false);
	if (l->burst)
		count_drops(l);
	close(l->c.fd);
	if (l->burst)
		datagrams_free(l);
	else
		stream_free(l);
	tls_unref(l->tls);
	free(l);
}

int listener_tick(struct listener *l)
{
	if (l->c.kind != OPENER_UDP)
		return net_stream_tick(l);
	count_drops(l);
	return 0;
}

int listener_room(struct listener *l)
{
	if (!l->full)
		return 0;
	if (l->c.kind != OPENER_UDP)
		return stream_room(l);
	int code = datagrams_room(l);
	return code || l->full ? code : net_watch(l, true);
}

int listener_renew(struct listener *l, const struct listener_tls *config, struct err *err)
{
	struct tls *fresh;
	int code = l->tls ? tls_new(&fresh, config, err) : err_set(err, -EINVAL, "%s has no TLS", l->c.name);
	if (code)
		return code;
	tls_unref(l->tls);
	l->tls = fresh;
	return 0;
}

struct listener_counts listener_counts(const struct listener *l)
{
	return l->counts;
}

uint64_t listener_shed(const struct listener *l)
{
	return l->counts.refused + l->counts.dropped + l->counts.lost;
}
