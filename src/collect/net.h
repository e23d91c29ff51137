/* What net.c and net_stream.c share: one port that is listened on. Inside of collect. */
#ifndef KHIEN_COLLECT_NET_H
#define KHIEN_COLLECT_NET_H

#include "collect/inlet.h"
#include "collect/tls.h"

#include <netinet/in.h>

/* IPv6, or IPv4 mapped into it (RFC 4291, 2.5.5.2). */
struct address {
	unsigned char at[16];
};

enum { NET_READ = 64 << 10 }; /* bytes at a time: a datagram has no more */

struct connection {
	struct listener *listener;
	enum {
		CONN_FREE,
		CONN_HANDSHAKE, /* TLS, not yet anybody */
		CONN_OPEN,
		CONN_LEFT, /* is closed; what it sent waits for room */
	} state;
	int fd;
	bool watched;
	struct address peer;
	struct tls_session *tls; /* NULL: plain */
	struct origin origin;
	struct inlet inlet;
	struct framer *framer;
	bool counted;          /* lengths stand before the messages */
	bool begun;            /* the first byte has told which */
	size_t left;           /* bytes of the message still to come */
	size_t length, digits; /* of the length being read */
	int64_t since;         /* it came, its last message ended, or the one under way began; monotonic */
};

struct burst; /* of datagrams: see net.c */

struct listener {
	struct listener_config c;
	struct origin origin; /* of all that comes, where nobody asks who sends; UDP: of what is under way */
	bool watched;         /* the port itself */
	bool full;            /* the taker has no room: nothing is read */
	struct listener_counts counts;

	struct inlet inlet; /* UDP from here on */
	struct framer *framer;
	struct burst *burst;
	uint32_t drops; /* as the kernel counts them, from time to time anew from 0 */

	struct connection *connections; /* TCP, TLS from here on */
	char *bytes;                    /* NET_READ of room */
	struct tls *tls;
	unsigned max, max_handshakes;
	size_t turn;  /* who is asked first when there is room again */
	int64_t told; /* monotonic, of the last note about a client */
};

struct address net_address(const struct sockaddr_storage *ss);
/* Writes at most INET6_ADDRSTRLEN. */
void net_address_text(const struct address *a, char *text);
int net_framer(struct listener *l, struct inlet *in, size_t batch_bytes, struct framer **ret, struct err *err);
/* The port itself is watched or not. */
int net_watch(struct listener *l, bool on);

/* net_stream.c */
int stream_new(struct listener *l, struct err *err);
void stream_free(struct listener *l);
int stream_on_connect(void *listener, int fd); /* a loop_fn */
int net_stream_tick(struct listener *l);
int stream_room(struct listener *l);

#endif
