/* The closed list of what a hub may have a post do. One that is not here can't be signed, and is not done. */
#include "order/order_inside.h"

#include <errno.h>

static const struct order_verb_info verbs[ORDER_VERBS] = {
	[ORDER_PING] = { .name = "ping", .undo = -1, .what = "answers" },
	[ORDER_STATUS] = { .name = "status", .undo = -1, .what = "says what it holds and follows" },
	[ORDER_RENEW] = { .name = "renew", .undo = -1, .what = "gets a new key and certificate now" },
	[ORDER_FOLLOW] = { .name = "follow",
	                   .args = { ORDER_PATH },
	                   .undo = ORDER_UNFOLLOW,
	                   .what = "follows a file, where its own configuration permits" },
	[ORDER_UNFOLLOW] = { .name = "unfollow",
	                     .args = { ORDER_PATH },
	                     .undo = ORDER_FOLLOW,
	                     .what = "follows a file no more" },
	[ORDER_FORGET_SPOOL] = { .name = "forget-spool",
	                         .destructive = true,
	                         .undo = -1,
	                         .what = "drops what it has not sent" },
	[ORDER_RETIRE] = { .name = "retire", .destructive = true, .undo = -1, .what = "forgets its key, and stops" },
};

const struct order_verb_info *order_verb_info(enum order_verb verb)
{
	return &verbs[verb];
}

int order_verb_find(struct str name, enum order_verb *ret)
{
	for (unsigned i = 0; i < ORDER_VERBS; i++) {
		if (!str_eq(name, str_from(verbs[i].name)))
			continue;
		*ret = i;
		return 0;
	}
	return -ENOENT;
}

/* Absolute, and the shortest way to write it: what was permitted is what is opened. */
static bool is_path(struct str s)
{
	if (!order_is_text(s, 2, ORDER_ARG) || s.p[0] != '/')
		return false;
	for (struct str rest = s; rest.n;) {
		rest = str_sub(rest, 1, rest.n); /* the slash */
		struct str part = str_sub(rest, 0, str_find(rest, '/'));
		if (!part.n || str_eq(part, STR(".")) || str_eq(part, STR("..")))
			return false;
		rest = str_sub(rest, part.n, rest.n);
	}
	return true;
}

int order_verb_check(const struct order *o, enum order_verb *ret, struct err *err)
{
	enum order_verb verb;
	if (order_verb_find(o->verb, &verb))
		return err_set(err, -ENOENT, "there is no verb '" STR_FMT "'", STR_ARG(o->verb));
	const struct order_verb_info *v = &verbs[verb];
	size_t wanted = 0;
	while (wanted < ORDER_ARGS && v->args[wanted] != ORDER_NONE)
		wanted++;
	if (o->n_args != wanted)
		return err_set(err, -EINVAL, "'%s' takes %zu arguments, not %zu", v->name, wanted, o->n_args);
	for (size_t i = 0; i < wanted; i++)
		if (v->args[i] == ORDER_PATH && !is_path(o->args[i]))
			return err_set(err, -EINVAL,
			               "'%s' takes an absolute path without empty, '.' or '..' parts, not '" STR_FMT
			               "'",
			               v->name, STR_ARG(str_sub(o->args[i], 0, 200)));
	*ret = verb;
	return 0;
}
