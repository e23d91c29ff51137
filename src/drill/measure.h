/* What a drill counts. Plain memory without pointers: it goes through a pipe from the process that counted. */
#ifndef KHIEN_DRILL_MEASURE_H
#define KHIEN_DRILL_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Times in logarithmic classes: 32 for each power of two of microseconds, so a percentile is at most 3 % above what was measured;
 * everything from 17 minutes on is in the last class.
 */
enum { MEASURE_PER_OCTAVE = 32, MEASURE_CLASSES = 26 * MEASURE_PER_OCTAVE };

struct measure {
	uint64_t n, max_us;
	uint32_t in[MEASURE_CLASSES];
};

void drill_measure_add(struct measure *m, double seconds);
void drill_measure_merge(struct measure *to, const struct measure *from);
/* Milliseconds that a share (0.99) of all were not above; 0 where there are none. Never above the greatest. */
double drill_measure_ms(const struct measure *m, double share);
double drill_measure_max_ms(const struct measure *m);

/* Sums, so that results of several processes add up. */
struct drill_result {
	double seconds;
	/* bots */
	uint64_t sent, unsent /* were due, but nothing was free to send them */, answered,
	        by_status[6] /* 1xx to 5xx */;
	uint64_t denied /* 429 */, forbidden /* 403 */, unavailable /* 503 */, failed /* 502, 504 */;
	uint64_t cut /* the connection ended in place of an answer */, late /* 10 s without an answer */;
	uint64_t connections /* made */, refused /* not made */, handshakes, slow_cut,
	        slow_held /* connections at the end */;
	/* patients */
	uint64_t patients, served /* reached the end: booked and paid, or read */, gave_up /* out of patience */,
	        left /* at the end */;
	uint64_t patients_denied /* who was turned away at least once */,
	        patients_waited /* of those, who were served */, asked;
	uint64_t asked_failed /* requests without an answer, or with 5xx */, asked_denied;
	struct measure
	        requests; /* every request, from its first byte sent, connecting included, to its last byte or its failure */
	struct measure journeys; /* from first page to done */
};

void drill_result_add(struct drill_result *to, const struct drill_result *from);
/* One answer of this status, of bots. */
void drill_result_status(struct drill_result *r, int status);

#endif
