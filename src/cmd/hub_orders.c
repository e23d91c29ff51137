/* Orders in the keeper: from what somebody wrote down to what a post may fetch. */
#include "cmd/hub_posts_inside.h"

#include <errno.h>
#include <stdio.h>

enum { WORK_AT_ONCE = 64 };

/* --- orders: written down -> bytes -> (approved) -> signed -> told --- */

struct pick {
	size_t n;
	char id[WORK_AT_ONCE][ORDER_ID + 1];
	bool expired; /* only those that are over */
	int64_t now;
};

static int pick_one(void *arg, const struct order_row *o)
{
	struct pick *k = arg;
	if (o->id.n != ORDER_ID || (k->expired && o->expires > k->now))
		return 0;
	memcpy(k->id[k->n], o->id.p, ORDER_ID);
	k->id[k->n++][ORDER_ID] = '\0';
	return k->n == WORK_AT_ONCE;
}

struct making {
	struct hub_posts *p;
	struct arena arena;
	struct order order;
	struct buf bytes;
	struct order_sealed sealed;
	bool approved;
};

static int on_arg(void *arg, size_t path, uint32_t object, struct str value)
{
	struct making *m = arg;
	if (m->order.n_args == ORDER_ARGS)
		return -E2BIG;
	m->order.args[m->order.n_args++] = value;
	return 0;
}

/* The row as an order; its texts are copied, for the row goes. */
static int on_asked(void *arg, const struct order_row *o)
{
	struct making *m = arg;
	static const char *const paths[] = { "args" };
	const struct str args = arena_printf(&m->arena, "{\"args\":" STR_FMT "}", STR_ARG(o->args));
	m->order = (struct order){
		.id = arena_copy(&m->arena, o->id),
		.unit = str_from(m->p->unit),
		.post = arena_copy(&m->arena, o->post),
		.verb = arena_copy(&m->arena, o->verb),
		.issued = clock_wall(m->p->clock),
		.expires = o->expires,
	};
	buf_add(&m->bytes, o->bytes); /* it was made before, and the signer was gone */
	return wire_read(args, paths, 1, &m->arena, on_arg, m, NULL);
}

static int on_signing(void *arg, const struct order_row *o)
{
	struct making *m = arg;
	m->sealed = (struct order_sealed){ .bytes = arena_copy(&m->arena, o->bytes) };
	m->approved = o->approver.n == ORDER_KEY && o->approval.n == ORDER_SIGNATURE;
	if (m->approved) {
		memcpy(m->sealed.approver, o->approver.p, ORDER_KEY);
		memcpy(m->sealed.approval, o->approval.p, ORDER_SIGNATURE);
	}
	m->sealed.approved = m->approved;
	return 0;
}

static void refuse_order(struct hub_posts *p, const char *id, int from, const char *why)
{
	struct err err;
	log_say(p->log, LOG_LEVEL_WARNING, "order-refused", LOG_TEXT("id", id), LOG_TEXT("why", why));
	if (state_order_move(p->state, str_from(id), from, ORDER_REFUSED, STR("khien"), str_from(why), str_from(why),
	                     &err))
		log_say(p->log, LOG_LEVEL_ERROR, "order-not-kept", LOG_TEXT("id", id), LOG_TEXT("why", err.text));
}

static int sign_order(struct hub_posts *p, const char *id, int from, struct making *m, struct err *err)
{
	int code = signer_order(p->signer, &m->sealed, err);
	p->dead |= code == -EPIPE || code == -ETIMEDOUT;
	if (!code)
		code = state_begin(p->state, err);
	if (code)
		return code;
	code = state_order_signed(p->state, str_from(id),
	                          (struct str){ (const char *)m->sealed.signature, ORDER_SIGNATURE }, err);
	if (!code)
		code = state_order_move(p->state, str_from(id), from, ORDER_QUEUED, STR("khien"), STR("signed"),
		                        STR(""), err);
	const int ended = state_commit(p->state, code ? NULL : err);
	return code ? code : ended;
}

/* Its sequence and its bytes, in one transaction with the state that says so. */
static int make_bytes(struct hub_posts *p, const char *id, struct making *m, bool waits, struct err *err)
{
	int code = state_begin(p->state, err);
	if (code)
		return code;
	code = state_order_sequence(p->state, m->order.post, m->order.issued, &m->order.sequence, err);
	if (!code)
		code = order_encode(&m->order, &m->bytes, err);
	if (!code)
		code = state_order_bytes(p->state, str_from(id), m->order.sequence, buf_str(&m->bytes), err);
	if (!code && waits)
		code = state_order_move(p->state, str_from(id), ORDER_ASKED, ORDER_PENDING, STR("khien"),
		                        STR("it destroys: an approver's signature is wanted"), STR(""), err);
	const int ended = state_commit(p->state, code ? NULL : err);
	return code ? code : ended;
}

static void work_asked(struct hub_posts *p, const char *id)
{
	struct making m = { .p = p };
	enum order_verb verb;
	struct err err = { 0 };
	int code = state_order_get(p->state, str_from(id), on_asked, &m, &err);
	if (code && !*err.text)
		err_set(&err, -EINVAL, "its arguments are no list of texts");
	if (!code)
		code = order_verb_check(&m.order, &verb, &err);
	const bool waits = !code && order_verb_info(verb)->destructive;
	if (!code && !m.bytes.n)
		code = make_bytes(p, id, &m, waits, &err);
	if (!code && !waits) {
		m.sealed = (struct order_sealed){ .bytes = buf_str(&m.bytes) };
		code = sign_order(p, id, ORDER_ASKED, &m, &err);
	}
	if (code && !p->dead && code != -EBUSY && code != -ENOSPC)
		refuse_order(p, id, ORDER_ASKED, err.text);
	buf_free(&m.bytes);
	arena_free(&m.arena);
}

static void work_pending(struct hub_posts *p, const char *id)
{
	struct making m = { .p = p };
	struct err err = { 0 };
	int code = state_order_get(p->state, str_from(id), on_signing, &m, &err);
	if (!code && m.approved)
		code = sign_order(p, id, ORDER_PENDING, &m, &err);
	if (code && !p->dead && code != -EBUSY && code != -ENOSPC)
		refuse_order(p, id, ORDER_PENDING, err.text);
	arena_free(&m.arena);
}

bool hub_orders_expire(struct hub_posts *p)
{
	bool any = false;
	static const int open[] = { ORDER_ASKED, ORDER_PENDING, ORDER_QUEUED, ORDER_SENT };
	struct err err;
	for (size_t i = 0; i < ARRAY_LEN(open); i++) {
		struct pick pick = { .expired = true, .now = clock_wall(p->clock) };
		state_orders(p->state, open[i], pick_one, &pick, &err);
		any |= pick.n > 0;
		for (size_t k = 0; k < pick.n; k++)
			state_order_move(p->state, str_from(pick.id[k]), open[i], ORDER_EXPIRED, STR("khien"),
			                 open[i] == ORDER_SENT ? STR("the post has said nothing of it in time")
			                                       : STR("it was not fetched in time"),
			                 STR(""), &err);
	}
	return any;
}

void hub_orders_work(struct hub_posts *p)
{
	struct pick asked = { 0 }, pending = { 0 };
	struct err err;
	state_orders(p->state, ORDER_ASKED, pick_one, &asked, &err);
	for (size_t i = 0; i < asked.n && !p->dead; i++)
		work_asked(p, asked.id[i]);
	state_orders(p->state, ORDER_PENDING, pick_one, &pending, &err);
	for (size_t i = 0; i < pending.n && !p->dead; i++)
		work_pending(p, pending.id[i]);
}
