/*
 * Searching back: were indicators seen before they were known? The store is gone through once, whatever their number:
 * each different value of the fields that are looked up is held against the set.
 */
#ifndef KHIEN_CMD_INTEL_BACK_H
#define KHIEN_CMD_INTEL_BACK_H

#include "intel/event.h"
#include "store/events.h"

/* What is answered for: indicators of these kinds. */
enum back_kind { BACK_ADDRESS, BACK_NAME, BACK_URL, BACK_HASH, N_BACK_KINDS };
const char *back_kind_name(enum back_kind kind); /* "addresses", "names", "URLs", "hashes" */
enum back_kind back_kind_of(enum intel_type type);

enum { BACK_HOSTS = 5, BACK_FINDS_MAX = 100000, BACK_TEXT_MAX = 256 };

/* An indicator that was seen. */
struct back_find {
	enum intel_type type;
	struct str text, feed, reference;
	struct str field; /* where it was seen first, as the event calls it */
	uint64_t events;
	int64_t first, last; /* event times, µs */
	struct str hosts[BACK_HOSTS];
	uint32_t n_hosts; /* different ones; more than BACK_HOSTS: the others aren't named */
	/* private */
	uint64_t event;
};

struct back_config {
	const char *store;           /* its folder of events */
	const struct intel_set *set; /* of the feeds that are searched for */
	int64_t from;                /* event time, µs; INT64_MIN: all that is stored */
	int64_t now;                 /* µs */
	const atomic_bool *cancel;   /* may be NULL */
	void (*progress)(void *arg, uint64_t done, uint64_t whole);
	void *arg;
};

struct back {
	struct back_find *finds; /* by number of events, most first */
	size_t n_finds;
	uint64_t shed;              /* finds beyond BACK_FINDS_MAX: they are in no answer */
	bool covered[N_BACK_KINDS]; /* some stored event has a value of the kind */
	int64_t oldest;             /* of what is stored, µs; 0: nothing is */
	struct event_found found;
	/* private */
	struct arena arena;
	uint32_t *slots;
	size_t cap_finds, cap_slots;
};

/* *ret: back_done(). */
int back_run(struct back *ret, const struct back_config *config, struct err *err);
void back_done(struct back *b);

#endif
