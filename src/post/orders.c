/* What a post does beside sending: fetches orders, does and reports them, and renews its certificate. */
#include "order/wire.h"
#include "post/post_inside.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { WAIT_S = 50 };
static const int64_t LONGER = (WAIT_S + 25) * (int64_t)CLOCK_S, PATIENCE = 60LL * CLOCK_S, AGAIN = 5LL * CLOCK_S;
static const int64_t SKEW_TOLD = 60LL * CLOCK_S, SELDOM = 300LL * CLOCK_S;

static int64_t later(const struct post *p, int64_t us)
{
	return clock_monotonic(p->c.clock) + us;
}

/* Whom it trusts: people of this machine may have changed it since. */
static void load_trust(struct post *p)
{
	struct orders *o = &p->orders;
	struct err err;
	size_t n;
	o->trust.unit = str_from(p->identity.unit);
	o->trust.post = str_from(p->identity.name);
	memcpy(o->trust.hubs, p->identity.order_keys, sizeof(o->trust.hubs));
	o->trust.n_hubs = p->identity.n_order_keys;
	if (approvers_load(p->dir, o->approvers, &n, &err)) {
		post_note(p, LOG_LEVEL_ERROR, "approvers", "none is trusted", err.text);
		n = 0;
	}
	for (size_t i = 0; i < n; i++)
		memcpy(o->trust.approvers[i], o->approvers[i].public, ORDER_KEY);
	o->trust.n_approvers = n;
}

int orders_open(struct post *p, struct err *err)
{
	struct orders *o = &p->orders;
	struct err why = { 0 };
	const struct book_config c = { .dir = p->dir, .clock = p->c.clock, .trust = &o->trust };
	load_trust(p);
	int code = book_open(&o->book, &c, NULL, &why);
	if (code)
		return err_set(err, code, "%s", why.text);
	if (why.code == -EBADMSG)
		post_note(p, LOG_LEVEL_WARNING, "orders", "the book of orders begins anew", why.text);
	return 0;
}

static void wipe(struct buf *b)
{
	if (b->p)
		sodium_memzero(b->p, b->cap);
	b->n = 0;
	b->failed = false;
}

void orders_close(struct post *p)
{
	if (p->orders.book)
		book_close(p->orders.book);
	wipe(&p->orders.body);
	wipe(&p->orders.key);
	buf_free(&p->orders.body);
	buf_free(&p->orders.key);
}

/* --- what is to be done --- */

static int retire(struct post *p, struct err *err)
{
	int code = identity_forget(p->dir, err);
	p->orders.retired = !code;
	return code;
}

/* 1: it is under way, and ends later. */
static int act(struct post *p, const struct book_order *b, struct buf *result, struct err *err)
{
	switch (b->verb) {
	case ORDER_PING: buf_add(result, STR("khien " KHIEN_VERSION)); return 0;
	case ORDER_STATUS: post_status(p, result); return 0;
	case ORDER_FORGET_SPOOL: return spool_forget(p->spool, err);
	case ORDER_RETIRE: return retire(p, err);
	case ORDER_RENEW:
		if (*p->orders.renew_order) /* only one can be told what came of it */
			return err_set(err, -EALREADY, "an order before it has that done still");
		p->orders.must_renew = true;
		snprintf(p->orders.renew_order, sizeof(p->orders.renew_order), STR_FMT, STR_ARG(b->order.id));
		return 1;
	default: break;
	}
	return p->c.act ? p->c.act(p->c.arg, b->verb, &b->order, result, err)
	                : err_set(err, -ENOTSUP, "this post can't: %m");
}

static void finish(struct post *p, struct str id, int code, struct str result)
{
	struct err err;
	if (book_done(p->orders.book, id, code ? ORDER_FAILED : ORDER_DONE, result, &err))
		post_note(p, LOG_LEVEL_ERROR, "orders", "what came of an order can't be written down", err.text);
}

static int on_order(void *arg, const struct wire_order *w)
{
	struct post *p = arg;
	CLEANUP(buf_free) struct buf result = { .max = 64 << 10 };
	struct book_order b = { 0 };
	struct err err = { 0 };
	int code = book_take(p->orders.book, &w->sealed, &b, &err);
	if (code && code != -EACCES && code != -EALREADY) {
		/* not noted down: the number stays, and it is asked for again */
		post_note(p, LOG_LEVEL_ERROR, "orders", "an order can't be written down", err.text);
		return -EIO;
	}
	if (p->orders.after < w->number)
		p->orders.after = w->number;
	if (code == -EACCES)
		post_note(p, LOG_LEVEL_WARNING, "order-refused", order_refusal_name(b.refusal), b.why);
	if (code)
		return 0;
	post_note(p, LOG_LEVEL_INFO, "order", order_verb_info(b.verb)->name, NULL);
	code = act(p, &b, &result, &err);
	if (code > 0)
		return 0;
	if (code)
		result.n = 0, buf_add(&result, str_from(err.text));
	finish(p, b.order.id, code, buf_str(&result));
	return 0;
}

/* --- asking --- */

static void look_at_clock(struct post *p, int64_t hub)
{
	struct orders *o = &p->orders;
	o->skew = clock_wall(p->c.clock) - hub;
	const int64_t off = o->skew < 0 ? -o->skew : o->skew;
	char text[64];
	if (off >= SKEW_TOLD && !o->told_skew) {
		snprintf(text, sizeof(text), "%lld s %s the hub's", (long long)(off / CLOCK_S),
		         o->skew > 0 ? "ahead of" : "behind");
		post_note(p, LOG_LEVEL_WARNING, "clock", "this machine's clock is", text);
	}
	o->told_skew = off >= SKEW_TOLD;
}

static void poll_failed(struct post *p, bool denied)
{
	struct orders *o = &p->orders;
	o->failures++;
	o->after = 0;
	const int64_t us = AGAIN * (o->failures < 12 ? o->failures : 12);
	o->not_before = later(p, denied ? SELDOM : us);
}

static void on_orders(void *arg, int code, const struct answer *a, const struct err *why)
{
	struct post *p = arg;
	struct orders *o = &p->orders;
	struct arena arena = { .max = 4 << 20 };
	int64_t time = 0;
	if (code || a->status != 200) {
		poll_failed(p, !code && (a->status == 401 || a->status == 403 || a->status == 404));
		return;
	}
	load_trust(p);
	code = wire_orders_read(buf_str(&a->body), &arena, on_order, p, &time, NULL);
	arena_free(&arena);
	if (time)
		look_at_clock(p, time);
	o->failures = 0;
	if (code)
		poll_failed(p, false);
	else
		orders_run(p);
}

static void poll_orders(struct post *p)
{
	struct orders *o = &p->orders;
	const struct http_request r = { .method = "GET", .path = o->path };
	if (client_is_busy(p->clients[TAG_ORDERS]) || clock_monotonic(p->c.clock) < o->not_before || o->retired)
		return;
	o->after = o->hub == p->hubs.at ? o->after : 0; /* each hub counts its own */
	o->hub = p->hubs.at;
	snprintf(o->path, sizeof(o->path), "/v1/orders?after=%llu&wait=%d", (unsigned long long)o->after, WAIT_S);
	if (client_ask(p->clients[TAG_ORDERS], p->hubs.at, &r, LONGER, on_orders, p))
		poll_failed(p, false);
}

/* --- telling what came of it --- */

static void on_report(void *arg, int code, const struct answer *a, const struct err *why)
{
	struct post *p = arg;
	struct orders *o = &p->orders;
	/* 404, 409: the hub will never take it */
	if (!code && (a->status == 200 || a->status == 404 || a->status == 409)) {
		book_reported(o->book, str_from(o->reported), NULL);
		orders_run(p);
	} else {
		o->desk_not_before = later(p, AGAIN);
	}
}

static int take_report(void *arg, const struct book_report *r)
{
	struct orders *o = arg;
	snprintf(o->reported, sizeof(o->reported), STR_FMT, STR_ARG(r->id));
	snprintf(o->report_path, sizeof(o->report_path), "/v1/orders/%s/report", o->reported);
	wipe(&o->body);
	buf_printf(&o->body, "{\"state\":\"%s\",\"result\":", order_state_name(r->state));
	buf_add_json(&o->body, r->result);
	buf_putc(&o->body, '}');
	return 1;
}

static bool report(struct post *p)
{
	struct orders *o = &p->orders;
	if (book_reports(o->book, take_report, o) <= 0)
		return false;
	const struct http_request r = { .method = "POST", .path = o->report_path, .body = buf_str(&o->body) };
	if (o->body.failed || client_ask(p->clients[TAG_DESK], p->hubs.at, &r, PATIENCE, on_report, p))
		o->desk_not_before = later(p, AGAIN);
	return true;
}

/* --- renewing --- */

static void renewed(struct post *p, int code, const char *why)
{
	struct orders *o = &p->orders;
	if (*o->renew_order)
		finish(p, str_from(o->renew_order), code, str_from(why));
	o->renew_order[0] = '\0';
	if (code && !o->told_renewal)
		post_note(p, LOG_LEVEL_WARNING, "not-renewed", p->identity.name, why);
	if (!code)
		post_note(p, LOG_LEVEL_INFO, "renewed", p->identity.name, NULL);
	o->told_renewal = code != 0;
	o->must_renew = false;
	o->renew_not_before = later(p, code ? SELDOM : 0);
	wipe(&o->key);
}

static void on_renewed(void *arg, int code, const struct answer *a, const struct err *why)
{
	struct post *p = arg;
	CLEANUP(buf_free) struct buf approvers = { 0 };
	struct identity fresh = { 0 };
	struct err err = { 0 };
	int64_t time;
	if (code)
		err_set(&err, code, "%s", why->text);
	else if (a->status != 200)
		code = err_set(&err, -EPROTO, "the hub answered %d", a->status);
	if (!code)
		code = identity_take(&p->identity, buf_str(&a->body), buf_str(&p->orders.key), &fresh, &approvers,
		                     &time, &err);
	/* same name and unit only; approvers are for people of this machine to change */
	if (!code && (strcmp(fresh.name, p->identity.name) != 0 || strcmp(fresh.unit, p->identity.unit) != 0)) {
		code = err_set(&err, -EPROTO, "the hub's answer is for another post");
		identity_done(&fresh);
	}
	if (!code && (code = identity_check(&fresh, &err)))
		identity_done(&fresh);
	if (!code && (code = identity_save(&fresh, p->dir, &err)))
		identity_done(&fresh);
	if (!code) {
		/* the hubs' names are pointed to */
		memcpy(fresh.hubs, p->identity.hubs, sizeof(fresh.hubs));
		identity_done(&p->identity);
		p->identity = fresh;
		for (size_t i = 0; i < N_TAGS; i++)
			client_renew(p->clients[i]);
	}
	renewed(p, code, code ? err.text : "a new certificate");
}

static bool renew(struct post *p)
{
	struct orders *o = &p->orders;
	struct err err;
	const bool due = identity_is_due(&p->identity, clock_wall(p->c.clock));
	if (!o->must_renew && (!due || clock_monotonic(p->c.clock) < o->renew_not_before))
		return false;
	wipe(&o->body);
	wipe(&o->key);
	int code = identity_ask_again(&p->identity, &o->key, &o->body, &err);
	const struct http_request r = {
		.method = "POST", .path = "/v1/renew", .body = buf_str(&o->body), .once = true
	};
	if (!code && (code = client_ask(p->clients[TAG_DESK], p->hubs.at, &r, PATIENCE, on_renewed, p)))
		err_set(&err, code, "%m");
	if (code)
		renewed(p, code, err.text);
	return true;
}

void orders_run(struct post *p)
{
	struct orders *o = &p->orders;
	if (!client_is_busy(p->clients[TAG_DESK]) && clock_monotonic(p->c.clock) >= o->desk_not_before) {
		const bool busy = report(p);
		if (!busy && o->retired && p->c.retired)
			p->c.retired(p->c.arg);
		else if (!busy && !o->retired)
			renew(p);
	}
	poll_orders(p);
}
