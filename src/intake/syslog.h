/* The header of a syslog line, for the formats that travel in syslog. */
#ifndef KHIEN_INTAKE_SYSLOG_H
#define KHIEN_INTAKE_SYSLOG_H

#include "base/str.h"

struct syslog_header {
	struct str priority, host, program, pid, id; /* absent ones are NULL */
	struct str data;                             /* RFC 5424 structured data, checked: [ID NAME="VALUE"...]... */
	unsigned facility, severity;                 /* where there is a priority */
	int64_t time;                                /* µs since 1970 UTC, 0: none */
	bool rfc5424;
};

/* Cuts the header off *s, RFC 5424 or 3164. False, and *s as it was, when there is none. */
bool syslog_cut_header(struct str *s, int64_t now, struct syslog_header *h);

#endif
