/*
 * Events and the set of indicators: which fields are looked up, and what becomes of a find.
 *
 * A find is told in fields that the event gets beside its own (khien.indicator.*), and built-in Sigma rules make a match
 * of them: so it is a match as any other, its level by how sure the source is, and rules, filters and correlations of
 * others can name these fields too. What an event itself says in them is taken away: nobody can tell of a find but khien.
 *
 * Of several finds in one event the surest is told, of equal ones the first; the others stand in khien.indicator.also.
 */
#ifndef KHIEN_INTEL_EVENT_H
#define KHIEN_INTEL_EVENT_H

#include "base/buf.h"
#include "event/event.h"
#include "intel/set.h"

/* What stands in a field. */
enum intel_kind {
	INTEL_OF_ADDRESS,
	INTEL_OF_HOST, /* a name or an address, perhaps with a port */
	INTEL_OF_URL,
	INTEL_OF_PATH,   /* a URL, or a path on the host that another field of the event names */
	INTEL_OF_HASH,   /* one hash, or "MD5=...,SHA256=..." */
	INTEL_OF_ANSWER, /* of DNS: "::ffff:192.0.2.1;type:  5 a.example;" as Sysmon has it, or one name or address */
	INTEL_OF_TEXT,   /* a line for eyes: looked at for addresses where no field has one */
	N_INTEL_KINDS,
};
const char *intel_kind_name(enum intel_kind kind); /* "addresses", "names", ... */

/* The fields whose values are of this kind, as rules name them; the mapping says where they stand in events. */
const char *const *intel_fields(enum intel_kind kind, size_t *n);

/*
 * What an event must be asked for: a field for each kind, which stands where any of the above would, so that a value is
 * kept once, whatever it is called; one for the host that a path is on; and khien.indicator.*.
 */
enum { INTEL_HOST_OF_PATH = N_INTEL_KINDS, INTEL_FIRST_OUT, INTEL_ASKED = INTEL_FIRST_OUT + 8 };
/* Field i of these: its name, and the fields in whose places it stands. */
const char *const *intel_asked(size_t i, const char **name, size_t *n);
/* The built-in rules, as YAML. */
struct str intel_rules(void);

/* One thread's working memory. */
struct intel_checker;

struct intel_checked {
	uint64_t events;              /* with a find */
	uint64_t values;              /* looked up */
	uint64_t finds;               /* entries of the set that values were in */
	uint64_t told[N_INTEL_KINDS]; /* events in which a value of this kind was looked up */
};

/*
 * ids: of the INTEL_ASKED fields, among n_fields of the events (fields_count()). The set can be
 * changed between events; NULL: there is none.
 */
int intel_checker_new(struct intel_checker **ret, const uint32_t *ids, size_t n, uint32_t n_fields, struct err *err);
void intel_checker_free(struct intel_checker *c);
void intel_checker_use(struct intel_checker *c, const struct intel_set *set);
struct intel_checked intel_checked(const struct intel_checker *c);

/*
 * Looks up what the event holds and puts khien.indicator.*. now: µs since 1970 UTC. sink (may be NULL) is called for
 * each entry. Returns how many there were.
 */
uint32_t intel_event(struct intel_checker *c, struct event *ev, int64_t now, intel_sink *sink, void *arg);
/* During the sink's call: the name, as the event has it, of the field in which it was found. */
struct str intel_event_field(const struct intel_checker *c);

/* One value as a field of this kind holds it. False: nothing in it can be looked up. *n grows. */
bool intel_look_value(const struct intel_look *l, enum intel_kind kind, struct str text, uint32_t *n);

#endif
