/* A crowd of bots, within its process. Inside of the room. */
#ifndef KHIEN_DRILL_CROWD_H
#define KHIEN_DRILL_CROWD_H

#include "drill/address.h"
#include "drill/drill.h"
#include "drill/h2.h"
#include "drill/http.h"
#include "drill/line.h"

enum { CROWD_PATHS = 32, CROWD_READ = 64 << 10 };

struct bot {
	struct line line;
	struct http_answer answer;
	struct bot *next; /* among those without a request */
	struct h2 *h2;
	double begun;  /* its request */
	uint32_t done; /* bytes of it, that went out */
	uint16_t group, request;
	bool asks; /* a request is under way */
};

struct group {
	const struct drill_bots *b;
	struct line_way way;
	struct address_run from;
	struct bot *bots;
	struct bot *first, *last; /* without a request, who had one longest ago is first */
	struct buf requests[CROWD_PATHS];
	unsigned n_requests, next_request, next_source;
	uint64_t due;     /* requests that were to be sent until now, since the beginning */
	char cookie[256]; /* DRILL_COOKIE: what all of them show */
};

struct crowd {
	const struct drill *d;
	int epoll, out /* results go here */;
	double begin, now;
	struct group groups[DRILL_BOTS_MAX];
	size_t n_groups;
	struct drill_result result;
	struct bot *hears; /* whose answer is being read */
	unsigned turns;    /* of tenths of seconds */
	char in[CROWD_READ];
};

/* Requests of a group, as bytes, with its cookie where it has one. */
int drill_crowd_requests(struct crowd *c, struct group *g, struct err *err);
/* Takes the connection up with the group's next address. 0 or -errno. */
int drill_crowd_open(struct crowd *c, struct bot *b);
/* A tenth of a second has gone by: slow ones send their byte. */
void drill_crowd_slow(struct crowd *c, struct group *g);
/* Something happened on the connection of a slow one. */
void drill_crowd_slow_event(struct crowd *c, struct bot *b, uint32_t events);

#endif
