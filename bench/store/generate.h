/*
 * Makes up the events of a hospital with 300 machines and 2,000 accounts, to measure a store with. One JSON object an
 * event, in the shape that the hub keeps; the same seed gives the same bytes on every machine. No person, address or
 * file in it is anyone's.
 *
 * Four kinds in equal parts, in five datasets:
 *   nginx.access     access logs by syslog: the line, and the fields that are parsed from it
 *   linux.auth       sshd, sudo and PAM by syslog: likewise (half of the kind "auth")
 *   winlog.security  4624, 4625, 4634, 4672, 4776 from a shipper (the other half)
 *   winlog.sysmon    process creation from a shipper
 *   firewall.flow    connections by syslog, key=value: the line and its fields
 *
 * What repeats and what doesn't, so that a codec is neither flattered nor cheated:
 *   random, never again  khien.id (16 bytes, shippers only), LogonGuid of Kerberos, session ids of the HIS client
 *   as good as random    source ports, process ids, bytes and durations of connections and of answers that are not
 *                        files, ids in paths, µs of every time, numbers in browsers' command lines, flow numbers
 *   grows with noise     record numbers and logon ids of each machine, process GUIDs (their time and a counter)
 *   Zipf (1/rank)        machines, accounts, paths, programs, client addresses (of 50,000), destinations (of 3,000)
 *   follows from others  an image's hash, a client's browser, a user's SID, a machine's address, a static file's size,
 *                        the parent process (of some 30 a machine); and in text formats every field, which stands in
 *                        event.original too
 * Times rise as a hospital's day does, and arrive out of order: most some ms to s late, 1 in 50 up to a minute, 1 in
 * 1,000 up to two hours. syslog and access logs know the second only.
 */
#ifndef KHIEN_BENCH_GENERATE_H
#define KHIEN_BENCH_GENERATE_H

#include "base/str.h"

enum { GENERATE_HOSTS = 300, GENERATE_USERS = 2000 };

/* Stands in one event of `rare_every`, in the command line of a process; a word by itself. */
#define GENERATE_RARE "vhq7beacon41"

struct generate_config {
	uint64_t seed;
	uint64_t rare_every; /* 0: never */
	int64_t begin;       /* µs since 1970 UTC: when the first arrives */
	int64_t gap;         /* µs between two events, on the average of a day */
	bool bare;           /* without khien.received and khien.source, which the hub adds */
};

/* Borrowed until the next call. */
struct generated {
	int64_t time; /* @timestamp */
	struct str dataset, id, json;
};

struct generator;

struct generator *generate_new(const struct generate_config *config); /* NULL: no memory */
void generate_free(struct generator *g);
void generate_next(struct generator *g, struct generated *ret);

#endif
