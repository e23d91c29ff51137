/*
 * Orders, any bytes: what is taken is written again as the same bytes, so that no two bytes have one meaning and no bytes
 * two; what it says is within bounds; and a post lets nothing pass that its hub has not signed, whatever else is said.
 * The same bytes as JSON between hub and post, as an approver's key and as a token: they are refused, or read whole.
 */
#undef NDEBUG
#include "order/approver.h"
#include "order/invite.h"
#include "order/wire.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_order(const struct order *o, struct str bytes)
{
	struct buf again = { 0 };
	enum order_verb verb = ORDER_VERBS;
	assert(bytes.n <= ORDER_BYTES && o->id.n == ORDER_ID && o->n_args <= ORDER_ARGS);
	assert(o->unit.n >= 1 && o->unit.n <= ORDER_NAME && o->post.n >= 1 && o->post.n <= ORDER_NAME);
	assert(o->sequence >= 1 && o->sequence <= INT64_MAX && o->issued >= 0 && o->expires >= 0);
	for (size_t i = 0; i < o->n_args; i++)
		assert(o->args[i].n <= ORDER_ARG && o->args[i].p >= bytes.p &&
		       o->args[i].p + o->args[i].n <= bytes.p + bytes.n);
	assert(order_encode(o, &again, NULL) == 0 && str_eq(buf_str(&again), bytes));
	buf_free(&again);
	if (!order_verb_check(o, &verb, NULL))
		assert(verb < ORDER_VERBS && str_eq(o->verb, str_from(order_verb_info(verb)->name)));
}

/* Signed by who the post knows, and by nobody. */
static void check_judge(const struct order *o, struct str bytes, const unsigned char *public,
                        const unsigned char *secret)
{
	static const uint64_t none[2];
	struct order_trust t = { .unit = o->unit, .post = o->post, .n_hubs = 1 };
	struct order_sealed s = { .bytes = bytes };
	struct order back;
	enum order_verb verb;
	memcpy(t.hubs[0], public, ORDER_KEY);
	assert(order_judge(&t, &s, none, o->issued, &back, &verb, NULL) == ORDER_FORGED);
	assert(order_sign(ORDER_BY_HUB, secret, bytes, s.signature) == 0);
	enum order_refusal r = order_judge(&t, &s, none, o->issued, &back, &verb, NULL);
	assert(r != ORDER_FORGED && r != ORDER_MALFORMED && r != ORDER_OTHER_UNIT && r != ORDER_OTHER_POST);
	if (r)
		return;
	assert(verb < ORDER_VERBS && !order_verb_info(verb)->destructive);
	assert(o->expires > o->issued && o->expires - o->issued <= ORDER_LIFE && o->sequence >= (uint64_t)o->issued);
	const uint64_t last[2] = { o->sequence, o->sequence };
	assert(order_judge(&t, &s, last, o->issued, &back, &verb, NULL) == ORDER_REPLAY);
	assert(order_judge(&t, &s, none, o->expires, &back, &verb, NULL) == ORDER_STALE);
}

static int on_order(void *arg, const struct wire_order *o)
{
	struct buf *out = arg;
	assert(o->sealed.bytes.n <= ORDER_BYTES);
	buf_add(out, out->n ? STR(",") : STR("{\"orders\":["));
	wire_order_print(o, out);
	return 0;
}

static int count(void *arg, const struct wire_order *o)
{
	*(size_t *)arg += 1;
	return 0;
}

static void check_wire(struct str json)
{
	struct arena arena = { .max = 32 << 20 };
	struct buf out = { 0 };
	size_t n = 0;
	if (!wire_orders_read(json, &arena, on_order, &out, NULL, NULL) && out.n) {
		buf_add(&out, STR("],\"time\":1}"));
		assert(wire_orders_read(buf_str(&out), &arena, count, &n, NULL, NULL) == 0 && n > 0);
	}
	buf_free(&out);
	arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char public[ORDER_KEY], secret[ORDER_SECRET];
	static bool made;
	struct str bytes = { (const char *)data, size };
	struct order o;
	struct invite invite, back;
	struct approver a;
	struct buf text = { 0 };
	if (!made)
		assert(order_key_new(public, secret) == 0);
	made = true;
	if (!order_decode(&o, bytes, NULL)) {
		check_order(&o, bytes);
		check_judge(&o, bytes, public, secret);
	}
	check_wire(bytes);
	if (!invite_read(&invite, bytes, NULL)) {
		assert(invite_print(&invite, &text, NULL) == 0 && str_eq(buf_str(&text), str_trim(bytes)));
		assert(invite_read(&back, buf_str(&text), NULL) == 0 && memcmp(&invite, &back, sizeof(back)) == 0);
	}
	if (!approver_read(&a, bytes, NULL))
		assert(*a.name && size <= APPROVER_FILE);
	buf_free(&text);
	return 0;
}
