/*
 * Inside of the nginx module (README.md): what its files share. All of it runs in nginx's single thread; the shared
 * memory alone is everybody's.
 *
 *   module.c    directives, phases                    request.c  a request as flood sees it
 *   zone.c      shared memory, seats, timer           verdict.c  what is done with it
 *   file.c      key, lists, normal                    page.c     what people read
 *   hello.c     TLS fingerprints                      cookie.c   the pass of who passed
 *   control.c   questions, control_answer.c answers   outcome.c  what it cost
 */
#ifndef KHIEN_GATE_GATE_H
#define KHIEN_GATE_GATE_H

#include <ngx_config.h>
/* below: nginx wants its own first */
#include <ngx_core.h>
#include <ngx_http.h>

#include "base/buf.h"
#include "flood/flood.h"
#include "flood/hello.h"
#include "flood/plain.h"

#include <pthread.h>

enum gate_mode { GATE_OFF, GATE_WATCH, GATE_ON };
enum gate_language { GATE_VI, GATE_EN, GATE_ZH, N_GATE_LANGUAGES };
enum {
	GATE_ID = 14,        /* "ABCD-EFGH-JKMN" */
	GATE_ZONE_NAME = 16, /* hexadecimal digits */
	GATE_WAITING = 4096, /* requests of one worker that SLOW holds at once */
	GATE_ENTROPY = 512,  /* words fetched at once */
	GATE_TICK_MS = 100,
};

/* The head of the shared memory; flood's own follows. */
struct gate_shared {
	char name[GATE_ZONE_NAME + 1];
	/*
	 * A worker holds the one of its slot as long as it lives: the kernel says when it ended, however it did. So a
	 * reload's old workers never have the slot of a new one, and what a killed one left open is forgotten.
	 */
	pthread_mutex_t seats[FLOOD_WORKERS];
};

/* The module's configuration of http{}, and what one worker keeps. */
struct gate {
	ngx_shm_zone_t *zone; /* NULL: the module does nothing */
	size_t size;          /* of the zone */
	ngx_str_t lists_file;
	struct list_entry *lists; /* of lists_file, until all processes have them */
	size_t n_lists;
	ngx_str_t normal_file;
	struct str normal; /* its text */
	bool dies_with_master;
	enum gate_mode strictest; /* of all servers */

	struct gate_shared *shared;
	struct flood_limits limits;
	struct flood_worker worker;
	bool seated, told_no_seat;
	ngx_event_t tick;
	int64_t tick_due_us;
	int schedstat;      /* the kernel's count of this process's time; -1: it keeps none */
	uint64_t wanted_ns; /* what it said last */
	ngx_queue_t open;   /* struct gate_asked that were let through and not done */
	unsigned waiting;   /* GATE_WAITING at most */
	uint64_t entropy[GATE_ENTROPY];
	unsigned entropy_left;
};

/* What is sent to who is turned away, in pieces: between them stands what only the request knows. */
enum gate_blank { GATE_NOTHING, GATE_SECONDS, GATE_NUMBER };
enum { GATE_PIECES = 8 };
struct gate_page {
	struct {
		struct str text;
		enum gate_blank then;
	} piece[GATE_PIECES];
	unsigned n;
	size_t size; /* at most, blanks filled in */
};
struct gate_pages {
	struct gate_page again[N_GATE_LANGUAGES]; /* comes back by itself */
	struct gate_page sent[N_GATE_LANGUAGES];  /* to who sent a form: go back, and send it again */
	struct gate_page line;                    /* to who is no browser */
};

/* Of one server. */
struct gate_server {
	ngx_uint_t mode;
	ngx_flag_t pass;
	ngx_msec_t slow;
	ngx_str_t contact;
	struct gate_pages *pages;
	const u_char *control_file; /* where khien_control stands; NULL: nowhere */
	ngx_uint_t control_line;
};

/* Of one request that was asked about. Lies in the request's pool, with a cleanup of its own. */
struct gate_asked {
	struct gate *gate;
	ngx_http_request_t *r;
	struct flood_answer answer;
	enum gate_language language;
	bool watched, html, safe;
	bool open; /* flood_done() is to be called; in gate->open */
	ngx_queue_t queue;
	bool waits; /* counted in gate->waiting */
	char id[GATE_ID + 1], seconds[8];
};

extern ngx_module_t ngx_http_khien_module;

static inline struct str gate_str(ngx_str_t s)
{
	return (struct str){ (const char *)s.data, s.len };
}

/* zone.c */
char *gate_zone_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t gate_zone_begins(ngx_cycle_t *cycle, struct gate *g); /* in a worker */
bool gate_zone_seat(struct gate *g);                            /* false: this worker can't ask now */
struct flood_time gate_now(void);
uint64_t gate_entropy(struct gate *g);

/* file.c: directives; what is read is checked before any process uses it */
char *gate_file_key(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *gate_file_lists(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *gate_file_normal(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* request.c */
bool gate_request_address(ngx_http_request_t *r, struct flood_addr *ret); /* false: a unix socket */
void gate_request_read(struct gate_asked *a, struct flood_request *ret);
/* "page" or "file": a request that a WAF has nothing to look at (flood/plain.h); else empty. */
const char *gate_request_plain(ngx_http_request_t *r);
/* NULL: it wasn't asked about. Also of a subrequest, and after an internal redirect. */
struct gate_asked *gate_request_asked(ngx_http_request_t *r);

/* verdict.c */
ngx_int_t gate_verdict_handler(ngx_http_request_t *r);
void gate_verdict_gone(void *asked); /* the request's cleanup: how gate_request_asked() knows it */

/* page.c */
struct gate_pages *gate_page_make(ngx_pool_t *pool, ngx_str_t contact);
/* Sends 429 with its page; as a content handler returns. */
ngx_int_t gate_page_send(struct gate_asked *a);
void gate_page_id(uint64_t id, char ret[GATE_ID + 1]);
bool gate_page_id_read(struct str text, uint64_t *ret);

/* cookie.c; name and value stay where they are */
ngx_int_t gate_cookie_header(ngx_http_request_t *r, struct str name, struct str value);
ngx_int_t gate_cookie_add(ngx_http_request_t *r, const char *pass);
void gate_cookie_begins(void); /* puts the header filter into nginx's chain */

/* outcome.c */
ngx_int_t gate_outcome_handler(ngx_http_request_t *r);
void gate_outcome_tell(struct gate_asked *a); /* once; more often does nothing */
bool gate_outcome_streams(const ngx_http_request_t *r);

/* hello.c */
ngx_int_t gate_hello_begins(ngx_conf_t *cf);
/* NULL: no TLS, or it couldn't be read. */
const struct hello *gate_hello_of(const ngx_connection_t *c);

/* control.c */
char *gate_control_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t gate_control_check(ngx_conf_t *cf); /* that only unix sockets lead to it */

/* control_answer.c: each a whole JSON value, or text */
void gate_answer_status(const struct gate *g, struct buf *out);
void gate_answer_standing(const struct gate *g, const struct flood_addr *a, struct buf *out);
void gate_answer_record(const struct flood_record *record, struct buf *out);
void gate_answer_events(const struct gate *g, uint64_t after, struct buf *out);
void gate_answer_metrics(const struct gate *g, struct buf *out);

#endif
