/*
 * Who sends events, and what became of them: one struct sender for each listener and peer. Counts only grow.
 */
#ifndef KHIEN_INTAKE_SENDER_H
#define KHIEN_INTAKE_SENDER_H

#include "base/str.h"

enum { SENDER_NAME = 128, SENDER_HOST = 65, SENDERS_MAX = 1024 };

struct sender {
	char name
	        [SENDER_NAME]; /* khien.source of its events: "syslog-udp 10.0.0.5", "http NAME OF TOKEN", "/var/log/auth.log" */
	uint64_t events, bytes; /* received */
	uint64_t kept;          /* durable */
	uint64_t known;         /* sent again though durable already, told by their id */
	uint64_t bad;           /* records that no event could be made of */
	uint64_t refused;       /* turned away for lack of room: by an answer, or, where there is none (UDP), lost */
	char host[SENDER_HOST],
	        unit[SENDER_HOST]; /* of a post, by its certificate: see intake/envelope.h; else empty */
	int64_t last;              /* when something came, µs wall clock; 0: never */
};

struct senders;

int senders_new(struct senders **ret);
void senders_free(struct senders *s);
/* The one of this name (cut to SENDER_NAME), made if need be. Beyond SENDERS_MAX all new ones are one: "others". Stays. */
struct sender *senders_get(struct senders *s, struct str name);
/* The i-th, in the order of their first word; NULL: there are no more. */
const struct sender *senders_at(const struct senders *s, size_t i);

#endif
