/*
 * A site behind the gate, as nginx is told: the whole configuration (run by khien itself), or the part that is included into an nginx
 * that is there.
 */
#ifndef KHIEN_PROXY_SITE_H
#define KHIEN_PROXY_SITE_H

#include "base/buf.h"
#include "base/err.h"

enum site_mode { SITE_ON, SITE_WATCH, SITE_OFF };

/* Texts NUL-terminated; lists end with NULL, or are NULL. Every text is checked by site_check(): none can end a directive. */
struct site {
	const char *upstream;                   /* http://HOST[:PORT] or https://...; without path */
	const char *upstream_ca;                /* PEM file for https; NULL: the system's */
	const char *const *http, *const *https; /* "ADDR:PORT" */
	const char *certificate, *key;          /* PEM files, where there is https */
	const char *const *names;               /* server_name; none: any */
	const char *const *proxies;             /* trusted with X-Forwarded-For: addresses, networks */
	const char *header;  /* of those; NULL: X-Forwarded-For; or another (CF-Connecting-IP), or "proxy_protocol" */
	const char *contact; /* for who is turned away; NULL */
	int mode, waf;       /* enum site_mode */
	unsigned waf_level;  /* 1 to 4: CRS's paranoia level */
	bool plain;          /* what is plain (flood/plain.h) goes past the WAF */
	const char *const *
	        exclusions; /* of the WAF: names of files in the data folder's exclusions/ or of khien's own: "kiosk" */
	uint64_t body_max;  /* bytes of a request's body */
	unsigned workers, connections; /* processes; connections of each, upstream's included */
	bool cache;                    /* keep static files of the upstream, as far as that permits */
	bool hsts;                     /* Strict-Transport-Security, and http redirects to https */

	const char *folder;              /* DATA/nginx: everything it writes */
	const char *run;                 /* DATA/run: pid, control socket */
	const char *log_socket;          /* datagrams; NULL: the error log is standard error alone */
	const char *access_log;          /* file; NULL: none */
	const char *module, *waf_module; /* .so files; module NULL: SITE_OFF; waf_module NULL: no WAF here */
	const char *key_file, *lists, *normal, *waf_conf;
	const char *user, *group; /* of the workers where the master is root; NULL: not root */
};

/* -EINVAL: why, what to write. where: the member, as khien.yaml calls it behind "gate.": "listen.http". */
int site_check(const struct site *s, const char **where, struct err *err);

/* HOST, and PORT where it names one, of a URL without path; brackets of an IPv6 address stay. -EINVAL. */
int site_url(const char *url, bool *tls, struct str *host, struct str *port);

/*
 * A complete nginx.conf, with a comment for each part that says why. Lines that come from khien.yaml end in "# gate.KEY": what nginx says of
 * such a line is a matter of that key, see site_key(). s: site_check()ed.
 */
void site_write(const struct site *s, struct buf *out);
/* Http-level directives alone, for conf.d of an nginx that is there: zone, verdict, control server; WAF where it is wanted. */
void site_write_include(const struct site *s, struct buf *out);

/* The key behind "gate." that a line of a configuration comes from; empty: none. */
struct str site_key(struct str conf, unsigned line);

#endif
