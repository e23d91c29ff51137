/*
 * khien.yaml: a section per part, a default for everything. One const table (config_keys.c) says of every key its name,
 * kind, default and meaning; the parser, `khien check --example` and the table in khien.yaml(5) come from it.
 *
 *   struct config c;
 *   struct buf problems = { 0 };
 *   if (config_read(&c, args.config, &problems))
 *           ... write problems to standard error, exit 2
 *   listen_on(c.hub.https.at[0]);
 *   config_done(&c);
 */
#ifndef KHIEN_CMD_CONFIG_H
#define KHIEN_CMD_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "store/events.h"

enum { CONFIG_LIST_MAX = 256 };

/* NUL-terminated texts. */
struct config_list {
	const char *const *at;
	size_t n;
};

enum config_clients { CONFIG_CLIENTS_CA, CONFIG_CLIENTS_ANY };

/* Section `hub`. Everything is filled in: what the file leaves out has its default. */
struct config_hub {
	const char *data;         /* absolute path; need not exist yet */
	const char *unit;         /* whose hub it is; the host name by default */
	struct config_list rules; /* absolute paths that exist; none: khien's own */

	/* listen: each an "ADDR:PORT" or "[ADDR6]:PORT", checked; none: not listened on */
	struct config_list https, http, syslog, syslog_tls;
	bool plain; /* http and syslog may listen beyond loopback */

	int syslog_tls_clients;   /* enum config_clients */
	struct config_list names; /* for the hub's certificate, each a pki_is_name(); 1 to PKI_NAMES_MAX */
	struct config_list files; /* absolute paths or glob(7) patterns */
	bool journal;             /* the machine's own */
	int language;             /* enum language; -1: from the environment */

	uint64_t max_size; /* bytes; CONFIG_AUTO: config_limits() finds it */
	uint64_t min_free; /* bytes */
	const struct event_age *ages;
	size_t n_ages;
};

#define CONFIG_AUTO UINT64_MAX

/* Section `post`. */
struct config_post {
	const char *data;          /* absolute path; need not exist yet */
	struct config_list hubs;   /* "HOST:PORT", by preference; none: those that the post was enrolled at */
	struct config_list files;  /* absolute paths or glob(7) patterns */
	bool journal;              /* the machine's own, and its text logs */
	struct config_list syslog; /* each an "ADDR:PORT" of loopback */
	struct config_list below;  /* folders within which orders may have a file followed */
	uint64_t max_size;         /* bytes of the spool */
	int64_t max_age;           /* µs */
};

enum config_role { CONFIG_PRIMARY, CONFIG_STANDBY };

/* Section `kiosk`. Texts that are NULL were not given. */
struct config_kiosk {
	const char *data;               /* absolute path; need not exist yet */
	const char *database;           /* uri, see kiosk/db.h */
	const char *key_file;           /* absolute path; need not exist yet */
	struct config_list http, https; /* each an "ADDR:PORT" or "[ADDR6]:PORT", checked */
	bool plain;                     /* http may listen beyond loopback */
	const char *certificate, *key;  /* PEM files, both or neither */
	struct config_list names;       /* for a certificate of the hub's CA on this machine */
	struct config_list proxies;     /* addresses and networks */
	const char *standby_listen;     /* "ADDR:PORT": where the other kiosk is taken */
	const char *peer;               /* "HOST:PORT" of the other kiosk, where that one is taken */
	const char *name;               /* of this kiosk, for the register */
	int role;                       /* enum config_role: what it is at its first start */
	const char *witness;            /* "HOST:PORT" of the register */
	const char *register_listen;    /* "ADDR:PORT", of `khien kiosk register` */
	const char *hospital;           /* URL of its FHIR server */
	const char *hospital_token;     /* file with what is shown there */
	const char *hospital_ca;        /* PEM file with what its certificate comes from */
	const char *token;              /* file with what has to be shown here */
};

enum config_gate_mode { CONFIG_GATE_ON, CONFIG_GATE_WATCH, CONFIG_GATE_OFF };

/* Section `gate`. Texts that are NULL were not given. */
struct config_gate {
	const char *data;               /* absolute path; need not exist yet */
	const char *upstream;           /* URL of the site; NULL: only where the command line has it */
	const char *upstream_ca;        /* PEM file */
	struct config_list http, https; /* each an "ADDR:PORT" or "[ADDR6]:PORT", checked */
	struct config_list names;       /* under which people reach it; none: any */
	const char *certificate, *key;  /* PEM files, both or neither */
	bool tls_only;                  /* http leads to https, browsers are told to stay there */
	struct config_list proxies;     /* addresses and networks */
	const char *header;             /* of those, with the client's address; or "proxy_protocol" */
	const char *contact;            /* for who is turned away */
	int mode, waf;                  /* enum config_gate_mode */
	int waf_level;                  /* 1 to 4 */
	struct config_list exclusions;  /* of the WAF */
	const char *crs;                /* folder of CRS */
	const char *patches;            /* folder of virtual patches */
	uint64_t body_max;              /* bytes */
	bool cache;
	const char *access_log; /* file */
};

struct config_place {
	uint32_t line, column; /* from 1; 0: it isn't in the file */
};

struct config {
	struct arena arena;                /* everything that is pointed to */
	const struct config_place *places; /* of each key's value; see config_where() */
	const char *path;                  /* the file that was read; NULL: there was none, these are the defaults */
	struct config_hub hub;
	struct config_post post;
	struct config_kiosk kiosk;
	struct config_gate gate;
};

/*
 * path NULL: for others than root the first that exists of $XDG_CONFIG_HOME/khien/khien.yaml (else ~/.config/...) and
 * /etc/khien/khien.yaml, for root the latter; all defaults where there is none. A path that is given has to exist.
 *
 * 0: usable. Else nothing is to be done with *c: -EINVAL: something in it is wrong; other: it can't be read. problems
 * has a line for each thing, file:line:column: key: what, and what to write instead; fit for a terminal. With 0 there
 * may be lines too, which end with "(warning)".
 */
int config_read(struct config *c, const char *path, struct buf *problems);
void config_done(struct config *c);

/*
 * What the store is held to. CONFIG_AUTO becomes four fifths of the file system that `data` is on (the nearest folder
 * above where it isn't there yet). The ages stay borrowed from h.
 */
int config_limits(const struct config_hub *h, struct event_limits *ret, struct err *err);

/*
 * May it listen there? -EPERM: in plain text beyond loopback, and the file doesn't say that this is meant. For addresses
 * that were changed since config_read(), which asks too.
 */
int config_permits(const struct config_hub *h, struct err *err);
int config_kiosk_permits(const struct config_kiosk *k, struct err *err);

/* Where a key ("gate.upstream") stands in the file that was read; 0: nowhere. */
struct config_place config_where(const struct config *c, const char *key);

/* A khien.yaml with every key, its meaning and its default, commented out. */
void config_example(struct buf *out);
/* A line for each key: name, kind, default, tabs between: what the man page is held against. */
void config_table(struct buf *out);

#endif
