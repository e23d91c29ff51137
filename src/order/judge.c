/* Whether a post may act on an order. The signature comes first: of what nobody signed, nothing else counts. */
#include "order/order_inside.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const char *const names[ORDER_REFUSALS] = {
	[ORDER_FINE] = "",
	[ORDER_MALFORMED] = "malformed",
	[ORDER_FORGED] = "forged",
	[ORDER_OTHER_UNIT] = "other-unit",
	[ORDER_OTHER_POST] = "other-post",
	[ORDER_UNKNOWN_VERB] = "unknown-verb",
	[ORDER_BAD_ARGUMENT] = "bad-argument",
	[ORDER_TOO_LONG] = "too-long",
	[ORDER_EARLY] = "early",
	[ORDER_STALE] = "stale",
	[ORDER_TOO_FAR] = "too-far",
	[ORDER_REPLAY] = "replay",
	[ORDER_UNAPPROVED] = "unapproved",
};

const char *order_refusal_name(enum order_refusal r)
{
	return names[r];
}

static enum order_refusal __attribute__((format(printf, 3, 4)))
refuse(enum order_refusal r, struct err *why, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(why, -EACCES, "%s", text);
	return r;
}

static bool signed_by_one(enum order_signer as, const unsigned char keys[][ORDER_KEY], size_t n, struct str bytes,
                          const unsigned char signature[ORDER_SIGNATURE])
{
	for (size_t i = 0; i < n; i++)
		if (order_verify(as, keys[i], bytes, signature))
			return true;
	return false;
}

static bool is_approved(const struct order_trust *t, const struct order_sealed *s)
{
	for (size_t i = 0; s->approved && i < t->n_approvers; i++)
		if (memcmp(t->approvers[i], s->approver, ORDER_KEY) == 0)
			return order_verify(ORDER_BY_APPROVER, s->approver, s->bytes, s->approval);
	return false;
}

static enum order_refusal judge_times(const struct order *o, uint64_t last, int64_t now, struct err *why)
{
	if (o->expires <= o->issued || o->expires - o->issued > ORDER_LIFE)
		return refuse(ORDER_TOO_LONG, why, "it would hold for longer than a day, or not at all");
	if (o->issued > now + ORDER_SKEW)
		return refuse(ORDER_EARLY, why, "it was issued %lld s in the future by this clock",
		              (long long)((o->issued - now) / CLOCK_S));
	if (o->expires <= now)
		return refuse(ORDER_STALE, why, "it ended %lld s ago by this clock",
		              (long long)((now - o->expires) / CLOCK_S));
	if (o->sequence < (uint64_t)o->issued || o->sequence > (uint64_t)(now + ORDER_AHEAD))
		return refuse(ORDER_TOO_FAR, why, "its sequence, %llu, is not of its time",
		              (unsigned long long)o->sequence);
	if (o->sequence <= last)
		return refuse(ORDER_REPLAY, why, "its sequence, %llu, is not after the last one, %llu",
		              (unsigned long long)o->sequence, (unsigned long long)last);
	return ORDER_FINE;
}

enum order_refusal order_judge(const struct order_trust *t, const struct order_sealed *s, const uint64_t last[2],
                               int64_t now, struct order *ret, enum order_verb *verb, struct err *why)
{
	*ret = (struct order){ 0 };
	*verb = ORDER_VERBS;
	if (!signed_by_one(ORDER_BY_HUB, t->hubs, t->n_hubs, s->bytes, s->signature))
		return refuse(ORDER_FORGED, why, "no hub that this post knows has signed it");
	if (order_decode(ret, s->bytes, why))
		return ORDER_MALFORMED;
	if (!str_eq(ret->unit, t->unit))
		return refuse(ORDER_OTHER_UNIT, why, "it is for the unit '" STR_FMT "'", STR_ARG(ret->unit));
	if (!str_eq(ret->post, t->post))
		return refuse(ORDER_OTHER_POST, why, "it is for the post '" STR_FMT "'", STR_ARG(ret->post));
	int code = order_verb_check(ret, verb, why);
	if (code)
		return code == -ENOENT ? ORDER_UNKNOWN_VERB : ORDER_BAD_ARGUMENT;
	const bool destroys = order_verb_info(*verb)->destructive;
	enum order_refusal r = judge_times(ret, last[destroys], now, why);
	if (r)
		return r;
	if (destroys && !is_approved(t, s))
		return refuse(ORDER_UNAPPROVED, why, "'%s' needs the signature of an approver that this post knows",
		              order_verb_info(*verb)->name);
	return ORDER_FINE;
}
