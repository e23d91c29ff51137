/*
 * Inside of the kiosk's web: one visit from its header to its answer, and what a page's handler may do.
 *
 *   header -> (who is it?) -> body -> handler -> asks the desk -> its `then` -> ... -> one answer
 *
 * A handler is called when all of the body is here, and the route's demands are met: the method, who may, the limit, the form's
 * token. It either answers at once or asks the desk and goes on in `then`, which may ask again. Asked and unanswered visits are
 * suspended: nothing is read from their connection. What the desk says of itself ({"trouble"}, busy, standby, ...) is answered
 * with 503 before `then` is called, and a session that has ended with the page to sign in: `then` sees answers, and refusals
 * that are about what was asked.
 *
 *   static void show(struct visit *v, const json_t *answer)
 *   {
 *           struct page *p = visit_page(v, KIOSK_WORD_ROOMS);
 *           ...
 *           visit_form(v, "/staff/next");
 *           html(p, "<button>"); html_word(p, KIOSK_WORD_NEXT); html(p, "</button></form>");
 *           visit_send(v, 200);
 *   }
 *
 *   void staff_room(struct visit *v)
 *   {
 *           visit_ask(v, json_pack("{s:s, s:I}", "op", "waiting", "room", (json_int_t)visit_id(v, 0)), show);
 *   }
 */
#ifndef KHIEN_KIOSK_WEB_INSIDE_H
#define KHIEN_KIOSK_WEB_INSIDE_H

#include "kiosk/desk.h"
#include "kiosk/html.h"
#include "kiosk/web.h"
#include "kiosk/web_form.h"
#include "kiosk/web_limit.h"

#include <netinet/in.h>

struct visit;
typedef void visit_fn(struct visit *v);
typedef void visit_then(struct visit *v, const json_t *answer);

enum {
	ROUTE_NAMES = 2,
	BODY_BYTES = 64 << 10,
	BODY_LARGE = 8 << 20,
};
enum method { METHOD_GET, METHOD_POST, N_METHODS }; /* HEAD is GET, and its body isn't sent */

/* web_routes.c: the one table. */
struct route {
	const char *path; /* "*" stands for one segment */
	enum method method;
	visit_fn *handle;
	/*
	 * ROLE_ANYBODY: no more is asked. ROLE_CLERK, ROLE_ADMIN: who signed in and has one of them; v->staff is there, and
	 * what is asked of the desk carries the session. ROLE_HOSPITAL: shows the token. ROLE_BANK: the desk sees.
	 */
	uint32_t roles;
	/* 200 is the same for everybody for up to a second, but for the language and the forms' tokens (at most PAGE_HOLES): the
	 * handler looks at nothing but the path and the language */
	bool kept;
	unsigned limited; /* so many a minute and address; 0: no bound */
	bool dear;        /* and four times that of an IPv6 site: passwords, of which few can be checked in a second */
	bool hourly;      /* as many an hour and address as web_bookings() says */
	bool large;       /* a body of up to BODY_LARGE; not with ROLE_ANYBODY */
};

struct visit {
	struct web *web;
	const struct route *route;
	bool head;
	enum kiosk_language lang;
	struct str path;               /* without what is behind "?" */
	struct str names[ROUTE_NAMES]; /* what stood for the "*" */
	struct form form;              /* fields of a POST */
	struct buf body;               /* as it came; of forms: the fields' bytes, see web_form.h */
	struct str session;            /* of ROLE_CLERK and ROLE_ADMIN: their cookie's secret; else empty */
	struct {
		struct str name; /* empty: nobody */
		uint32_t roles;
	} staff;
	struct in6_addr address; /* of who visits: IPv4 mapped, IPv6 the /64 */
	bool secure;             /* came through TLS, ours or the proxy's */
	struct page page;
	/* the handler's, NULL at first; given back with the visit */
	void *own;    /* malloc()ed */
	json_t *held; /* see visit_hold() */
};

/* --- what came --- */

struct str visit_header(const struct visit *v, const char *name);
/* Behind "?"; empty: not there, or no UTF-8. */
struct str visit_argument(const struct visit *v, const char *name);
/* A field of the form, without blanks at its ends; empty: not there. Also of multipart/form-data, as a file's upload has it. */
struct str visit_field(const struct visit *v, const char *name);
/* What stood for the i-th "*", or a field, as a number > 0; 0: it is none. */
int64_t visit_id(const struct visit *v, unsigned i);
int64_t visit_field_number(const struct visit *v, const char *name);
/* µs since 1970 UTC. */
int64_t visit_time(const struct visit *v);
/* The random part of the form's token: "once" of ops.h. */
struct str visit_once(const struct visit *v);

/* --- asking --- */

/* Takes over `call`, whose "session" is put in here. NULL (no memory): 503. Once at a time. */
void visit_ask(struct visit *v, json_t *call, visit_then *then);
/* Keeps the answer as v->held, in place of the one before: for who asks further. */
void visit_hold(struct visit *v, const json_t *answer);
/* Of nobody's visit: what boards show. `then` gets NULL where there is no answer. */
void web_ask(struct web *w, json_t *call, uint32_t roles, void (*then)(struct web *w, const json_t *answer));

/* Of an answer or a part of it (which may be NULL); borrowed, empty and 0 where it isn't there. */
struct str answer_text(const json_t *o, const char *name);
int64_t answer_number(const json_t *o, const char *name);
bool answer_true(const json_t *o, const char *name);
const json_t *answer_part(const json_t *o, const char *name);
/* A NAME of ops.h in the visitor's language; where that is empty in Vietnamese. */
struct str answer_name(const json_t *o, const char *name, enum kiosk_language lang);
/* What it was refused for, and at which field; KIOSK_WORD_NONE: it wasn't. */
enum kiosk_word answer_refused(const json_t *answer, struct str *field);

/* --- answering: once --- */

/* Begins the page (html_begin()); NULL never. It is bounded: what is too much for it is answered with 500. */
struct page *visit_page(struct visit *v, enum kiosk_word title);
/*
 * <form method="post" ...> with its token. `action` is a literal that is the path of a POST route: ids go into fields. Pages of
 * staff post to routes of staff, those of anybody to such of anybody: the token is good for who signed in.
 */
void visit_form(struct visit *v, const char *action);
/* Ends the page and sends it. */
void visit_send(struct visit *v, unsigned status);
/* 303; the path is copied. */
void visit_redirect(struct visit *v, const char *path);
/* Takes over the bytes. `type` is a literal. */
void visit_bytes(struct visit *v, unsigned status, const char *type, struct buf *bytes);
/* A page that says so in the visitor's language: 400 403 404 405 408 413 429 500 503. */
void visit_error(struct visit *v, unsigned status);
/* Goes with the answer; HttpOnly, SameSite=Lax, Secure behind TLS. seconds 0: it is taken back. */
void visit_cookie(struct visit *v, enum cookie cookie, struct str value, int seconds);
/* The same with a text that only this kiosk can read. */
void visit_cookie_sealed(struct visit *v, enum cookie cookie, struct str text, int seconds);
/* False: it isn't there, or is none of ours. */
bool visit_cookie_read(const struct visit *v, enum cookie cookie, struct buf *text);
/* JSON: 200 or another status, what is refused as {"refused":...}. */
void visit_json(struct visit *v, unsigned status, const json_t *answer);

/*
 * text/event-stream: `first` at once (n 0: nothing yet), then each web_event() until the visitor goes. Who is slow misses all
 * but the newest: an event says all there is to say. Quiet streams get a comment every 15 s.
 */
void visit_stream(struct visit *v, struct str first);
void web_event(struct web *w, struct str data);
bool web_has_streams(const struct web *w);

/* --- web_routes.c --- */

/* NULL: none fits; then *allow is empty (404) or what to put into Allow (405). */
const struct route *route_find(struct str path, struct str method, struct str names[ROUTE_NAMES], const char **allow);

/* --- handlers: web_patient.c, web_ticket.c, web_answer.c; those of staff are in web_staff.h --- */

visit_fn patient_home, patient_days, patient_slots, patient_book, patient_find, patient_look_up;
visit_fn ticket_show, ticket_cancel, ticket_paid, ticket_forget, ticket_svg, ticket_png;
visit_fn asset_css, asset_js, plain_health, plain_metrics;

/* --- what they share --- */

/* <label>, <input>, and what is wrong with it. type is what follows "<input ": literals. */
struct input {
	const char *name;
	enum kiosk_word label;
	const char *attributes; /* "type=\"tel\" autocomplete=\"tel\" required" */
	bool optional;
	enum kiosk_word hint; /* or KIOSK_WORD_NONE */
};
/* Its value is the form's field; `wrong` stands at it where `field` names it. */
void visit_input(struct visit *v, const struct input *input, enum kiosk_word wrong, struct str field);
/* The browser shows this ticket from now on. */
void ticket_give(struct visit *v, struct str code, struct str phone);

#endif
