/* What handlers see: what came, and asking the desk. How they answer: web_answer.c. */
#include "kiosk/web_server.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>

/* --- what came --- */

struct str visit_header(const struct visit *v, const char *name)
{
	const char *value = MHD_lookup_connection_value(request_of(v)->conn->mhd, MHD_HEADER_KIND, name);
	return value ? str_from(value) : STR("");
}

struct str visit_argument(const struct visit *v, const char *name)
{
	const char *value = MHD_lookup_connection_value(request_of(v)->conn->mhd, MHD_GET_ARGUMENT_KIND, name);
	return value && utf8_valid(str_from(value)) ? str_from(value) : STR("");
}

struct str visit_field(const struct visit *v, const char *name)
{
	const struct str value = form_field(&v->form, str_from(name));
	return value.p ? str_trim(value) : STR("");
}

static int64_t number_of(struct str s)
{
	int64_t n = 0;
	if (!s.n || s.n > 15)
		return 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return 0;
		n = n * 10 + (s.p[i] - '0');
	}
	return n;
}

int64_t visit_id(const struct visit *v, unsigned i)
{
	return i < ROUTE_NAMES ? number_of(v->names[i]) : 0;
}

int64_t visit_field_number(const struct visit *v, const char *name)
{
	return number_of(visit_field(v, name));
}

int64_t visit_time(const struct visit *v)
{
	return clock_wall(v->web->c.clock);
}

struct str visit_once(const struct visit *v)
{
	return str_from(request_of(v)->once);
}

struct token_of visit_token_of(const struct request *r, const char *action)
{
	return (struct token_of){ .action = str_from(action),
		                  .visitor = str_from(r->visitor),
		                  .session = r->v.session,
		                  .now = clock_wall(r->v.web->c.clock) };
}

/* --- asking --- */

enum { SLOT_BITS = 16 };

/* NULL: there is no room, and `call` is gone. */
static struct waiting *wait_for(struct web *w, json_t *call)
{
	if (!call || !w->n_free || w->stopping) {
		json_decref(call);
		return NULL;
	}
	const unsigned slot = w->free_waiting[--w->n_free];
	w->waiting[slot].number = ++w->asked << SLOT_BITS | slot;
	return &w->waiting[slot];
}

static void forget(struct web *w, uint64_t number)
{
	const unsigned slot = (unsigned)(number & ((1U << SLOT_BITS) - 1));
	if (!number || w->waiting[slot].number != number)
		return;
	w->waiting[slot] = (struct waiting){ 0 };
	w->free_waiting[w->n_free++] = slot;
}

static uint32_t asks_as(const struct visit *v)
{
	const uint32_t machines = v->route->roles & (ROLE_BANK | ROLE_HOSPITAL);
	return machines ? machines : ROLE_ANYBODY;
}

void visit_ask(struct visit *v, json_t *call, visit_then *then)
{
	struct request *r = request_of(v);
	struct web *w = v->web;
	if (call && v->session.n)
		json_object_set_new(call, "session", json_stringn(v->session.p, v->session.n));
	struct waiting *a = wait_for(w, call);
	if (!a) {
		visit_error(v, MHD_HTTP_SERVICE_UNAVAILABLE);
		return;
	}
	a->r = r;
	r->number = a->number;
	r->then = then;
	r->asked = web_now(w);
	w->c.ask(w->c.arg, call, asks_as(v), a->number);
}

void visit_hold(struct visit *v, const json_t *answer)
{
	json_t *own = json_incref((json_t *)(uintptr_t)answer);
	json_decref(v->held);
	v->held = own;
}

void web_ask(struct web *w, json_t *call, uint32_t roles, void (*then)(struct web *w, const json_t *answer))
{
	struct waiting *a = wait_for(w, call);
	if (!a) {
		then(w, NULL);
		return;
	}
	a->then = then;
	w->c.ask(w->c.arg, call, roles, a->number);
}

/* The desk says of itself, not of the call, that it can't now: its own word, or that of follow_closed(). */
static bool is_shut(const json_t *answer)
{
	static const char *const words[] = { "busy", "standby", "stale-epoch", "no-standby-word" };
	const struct str refused = answer_text(answer, "refused");
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq(refused, str_from(words[i])))
			return true;
	return !json_is_object(answer) || json_object_get(answer, "trouble");
}

static void sign_in_again(struct visit *v)
{
	visit_cookie(v, COOKIE_SESSION, STR(""), 0);
	visit_redirect(v, "/staff/sign-in");
}

static void answered(struct request *r, const json_t *answer)
{
	struct visit *v = &r->v;
	const struct str refused = answer_text(answer, "refused");
	r->number = 0;
	r->shut = answer_refused(answer, NULL);
	if (is_shut(answer))
		visit_error(v, MHD_HTTP_SERVICE_UNAVAILABLE);
	else if (str_eq(refused, STR("session")) && v->session.n)
		sign_in_again(v);
	else if (str_eq(refused, STR("role")) || str_eq(refused, STR("session")))
		visit_error(v, MHD_HTTP_FORBIDDEN);
	else if (str_eq(refused, STR("text")))
		visit_error(v, MHD_HTTP_BAD_REQUEST);
	else
		r->then(v, answer);
	request_go_on(r);
}

void web_answered(struct web *w, uint64_t number, json_t *answer)
{
	const unsigned slot = (unsigned)(number & ((1U << SLOT_BITS) - 1));
	const bool known = number && slot < w->c.max_connections + OWN_ASKS && w->waiting[slot].number == number;
	if (known) {
		const struct waiting a = w->waiting[slot];
		forget(w, number);
		if (a.r)
			answered(a.r, answer);
		else
			a.then(w, is_shut(answer) ? NULL : answer);
	}
	json_decref(answer);
}

void visit_forget(struct request *r)
{
	forget(r->v.web, r->number);
	r->number = 0;
}

void visit_tick(struct web *w, int64_t now)
{
	for (struct conn *c = w->conns; c; c = c->next) {
		struct request *r = c->r;
		if (!r || !r->number || now - r->asked < WAIT_S * (int64_t)CLOCK_S)
			continue;
		visit_forget(r);
		visit_error(&r->v, MHD_HTTP_SERVICE_UNAVAILABLE);
		request_go_on(r);
	}
}

/* --- answers of the desk --- */

struct str answer_text(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);
	return json_is_string(v) ? (struct str){ json_string_value(v), json_string_length(v) } : STR("");
}

int64_t answer_number(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

bool answer_true(const json_t *o, const char *name)
{
	return json_is_true(json_object_get(o, name));
}

const json_t *answer_part(const json_t *o, const char *name)
{
	return json_object_get(o, name);
}

struct str answer_name(const json_t *o, const char *name, enum kiosk_language lang)
{
	const json_t *names = json_object_get(o, name);
	const struct str own = answer_text(names, kiosk_language_codes[lang]);
	return own.n ? own : answer_text(names, kiosk_language_codes[KIOSK_VI]);
}

enum kiosk_word answer_refused(const json_t *answer, struct str *field)
{
	const struct str refused = answer_text(answer, "refused");
	if (field)
		*field = answer_text(answer, "field");
	return refused.n ? kiosk_word_of_refusal(refused) : KIOSK_WORD_NONE;
}
