/*
 * What is stored of a record: one JSON object that says all there is to know of the event by itself.
 *
 * A JSON record stays as it came, byte for byte; the members it lacks stand in front. Of a text format, event.original
 * is the line, and the fields that the format tells follow; bytes that are not UTF-8 make khien.raw, the line in
 * base64. Read again as JSON, rules see in it what they saw in the record.
 *
 * "khien" and "khien.*" are the hub's own words: of a record that has a source they become "claimed.khien.*", but for
 * a JSON record's khien.id, where nothing else gave it one. What has no source was an envelope before, and is believed.
 *
 * Of a post (envelope_around.host) host.name is what its certificate says, and so is khien.unit: the record's own host.name
 * becomes claimed.host.name, and "name" within its "host" claimed.name.
 *
 *   {"@timestamp":"2026-11-22T03:40:00.120000Z","host.name":"web1","event.dataset":"linux.auth","khien.id":...,
 *    "khien.received":"2026-11-22T03:40:00.950000Z","khien.source":"syslog-tls web1","khien.format":"syslog",...}
 */
#ifndef KHIEN_INTAKE_ENVELOPE_H
#define KHIEN_INTAKE_ENVELOPE_H

#include "base/buf.h"
#include "intake/intake.h"

enum { ENVELOPE_DATASET = 64, ENVELOPE_ID = 128 };

struct envelope;

int envelope_new(struct envelope **ret, struct err *err);
void envelope_free(struct envelope *e);

/* About a record, from outside of it. */
struct envelope_around {
	const struct format *format;
	const struct columns *columns; /* CSV */
	struct str id, dataset;        /* empty: see the record */
	struct str source;             /* khien.source; empty: an envelope comes back, from a hub's export */
	struct str host, unit;         /* of a post, by its certificate; empty: see the record */
	struct str file;               /* log.file.path, of a followed file; empty: it came another way */
	int64_t received;              /* µs */
	int64_t since;                 /* it wasn't received before this time, µs; 0: it may have been within a day */
	int64_t zone;                  /* µs: what times without a zone (RFC 3164) are ahead of UTC, if they look so */
};

/* What the store has to know of it. Strings are borrowed from the record and from `e`, until its next use. */
struct envelope_row {
	int64_t time;  /* when it happened as far as that can be believed, else when it was received */
	int64_t since; /* 0; in that other case since when it may have been received before */
	struct str dataset, id;
};

/*
 * Appends the object to out. -EBADMSG: no event can be made of the record; nothing was appended. -E2BIG: it, or the
 * object, is longer than 1 MiB.
 */
int envelope_seal(struct envelope *e, struct str record, const struct envelope_around *a, struct buf *out,
                  struct envelope_row *row, struct err *err);

/* "2026-11-22T03:40:00.120000Z", always as long, years 0 to 9999. */
void envelope_time(struct buf *out, int64_t us);

#endif
