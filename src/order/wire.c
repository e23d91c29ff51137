#include "order/wire.h"

#include "base/json_walk.h"
#include "base/utf8.h"
#include "order/order_inside.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

enum { VARIANT = sodium_base64_VARIANT_ORIGINAL };

/* Tags: 0 the object itself; 1 + i the value at path i; INNER + i an object whose members' paths begin as path i. */
enum { INNER = 1 << 16, SCALAR_MAX = 1 << 20 };

struct reader {
	const char *const *paths;
	size_t n;
	struct arena *arena;
	int (*fn)(void *arg, size_t path, uint32_t object, struct str value);
	void *arg;
	uint32_t object; /* the one that was begun last */
	bool exhausted;
	int stop;
};

static uint32_t member(void *ctx, uint32_t tag, uint32_t object, struct str key)
{
	struct reader *r = ctx;
	if (tag && (tag < INNER || tag - INNER >= r->n))
		return JSON_SKIP;
	const struct str outer = tag ? str_from(r->paths[tag - INNER]) : STR("");
	const struct str prefix = str_sub(outer, 0, tag ? str_find(outer, '.') + 1 : 0);
	r->object = object;
	for (size_t i = 0; i < r->n; i++) {
		const struct str path = str_from(r->paths[i]), rest = str_sub(path, prefix.n, path.n);
		if (!str_starts(path, prefix))
			continue;
		if (str_eq(rest, key))
			return (uint32_t)(1 + i);
		if (!tag && rest.n > key.n && str_starts(rest, key) && rest.p[key.n] == '.')
			return (uint32_t)(INNER + i);
	}
	return JSON_SKIP;
}

static void scalar(void *ctx, uint32_t tag, struct str text, enum json_type type)
{
	struct reader *r = ctx;
	if (!tag || tag >= INNER || r->stop || type == JSON_NULL || text.n > SCALAR_MAX)
		return;
	if (type == JSON_STRING)
		text = json_unescape(r->arena, text);
	r->exhausted |= !text.p;
	if (text.p)
		r->stop = r->fn(r->arg, tag - 1, r->object, text);
}

static bool is_object(struct str json)
{
	json = str_trim(json);
	return json.n && json.p[0] == '{';
}

int wire_read(struct str json, const char *const *paths, size_t n, struct arena *arena,
              int (*fn)(void *arg, size_t path, uint32_t object, struct str value), void *arg, struct err *err)
{
	static const struct json_visitor visitor = { member, scalar };
	struct reader r = { .paths = paths, .n = n, .arena = arena, .fn = fn, .arg = arg };
	struct json_error error;
	/* as a whole first: of half a document nothing is to be believed */
	if (!is_object(json) || !utf8_valid(json) || !json_valid(json, &error))
		return err_set(err, -EBADMSG, "that is no JSON object");
	if (!json_walk(json_kernel(), json, 0, &visitor, &r, &error))
		return err_set(err, -EBADMSG, "that is no JSON object: %s", error.reason);
	return r.stop ? r.stop : r.exhausted ? err_set(err, -ENOMEM, "%m") : 0;
}

static void add_base64(struct buf *out, const char *name, const void *bytes, size_t n)
{
	const size_t len = sodium_base64_encoded_len(n, VARIANT);
	buf_printf(out, ",\"%s\":\"", name);
	char *to = buf_room(out, len);
	if (!to)
		return;
	sodium_bin2base64(to, len, bytes, n, VARIANT);
	out->n += len - 1;
	buf_putc(out, '"');
}

void wire_order_print(const struct wire_order *o, struct buf *out)
{
	struct order order;
	char key[ORDER_KEY_TEXT];
	buf_printf(out, "{\"number\":%llu", (unsigned long long)o->number);
	if (!order_decode(&order, o->sealed.bytes, NULL))
		buf_printf(out, ",\"id\":\"" STR_FMT "\"", STR_ARG(order.id));
	add_base64(out, "order", o->sealed.bytes.p, o->sealed.bytes.n);
	add_base64(out, "signature", o->sealed.signature, ORDER_SIGNATURE);
	if (o->sealed.approved) {
		order_key_text(o->sealed.approver, key);
		buf_printf(out, ",\"approver\":\"%s\"", key);
		add_base64(out, "approval", o->sealed.approval, ORDER_SIGNATURE);
	}
	buf_putc(out, '}');
}

/* --- and back --- */

enum { P_NUMBER, P_ORDER, P_SIGNATURE, P_APPROVER, P_APPROVAL, P_TIME, N_PATHS };
static const char *const order_paths[N_PATHS] = { "orders.number",   "orders.order",    "orders.signature",
	                                          "orders.approver", "orders.approval", "time" };

struct collect {
	struct arena *arena;
	int (*fn)(void *arg, const struct wire_order *o);
	void *arg;
	struct wire_order order;
	uint32_t object; /* whose members were seen last; 0: none */
	unsigned seen;   /* a bit for each path */
	int64_t time;
	bool tell; /* the second time: all of it was sound */
};

static bool number_of(struct str s, uint64_t *ret)
{
	uint64_t n = 0;
	if (!s.n || s.n > 18)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(s.p[i] - '0');
	}
	*ret = n;
	return true;
}

static bool bytes_of(struct str text, unsigned char *to, size_t size)
{
	size_t n = 0;
	return order_is_ascii(text) && !sodium_base642bin(to, size, text.p, text.n, NULL, &n, NULL, VARIANT) &&
	       n == size;
}

static bool order_of(struct collect *c, struct str text)
{
	size_t n = 0;
	unsigned char *to = text.n <= ORDER_BYTES / 3 * 4 + 8 ? arena_alloc(c->arena, ORDER_BYTES) : NULL;
	if (!to || !order_is_ascii(text) || sodium_base642bin(to, ORDER_BYTES, text.p, text.n, NULL, &n, NULL, VARIANT))
		return false;
	c->order.sealed.bytes = (struct str){ (const char *)to, n };
	return true;
}

/* The object that was begun has ended. */
static int end_one(struct collect *c)
{
	const unsigned must = 1u << P_NUMBER | 1u << P_ORDER | 1u << P_SIGNATURE;
	const unsigned approval = c->seen & (1u << P_APPROVER | 1u << P_APPROVAL);
	if (!c->object)
		return 0;
	if ((c->seen & must) != must || (approval && approval != (1u << P_APPROVER | 1u << P_APPROVAL)))
		return -EBADMSG;
	c->order.sealed.approved = approval != 0;
	return c->tell ? c->fn(c->arg, &c->order) : 0;
}

static int on_value(void *arg, size_t path, uint32_t object, struct str v)
{
	struct collect *c = arg;
	uint64_t time = 0;
	if (path == P_TIME) {
		const bool sound = number_of(v, &time);
		c->time = (int64_t)time;
		return sound ? 0 : -EBADMSG;
	}
	if (object != c->object) {
		int code = end_one(c);
		if (code)
			return code;
		c->object = object;
		c->seen = 0;
		c->order = (struct wire_order){ 0 };
	}
	struct order_sealed *s = &c->order.sealed;
	bool good = !(c->seen & 1u << path); /* a name twice has two meanings */
	c->seen |= 1u << path;
	switch (path) {
	case P_NUMBER: good = good && number_of(v, &c->order.number); break;
	case P_ORDER: good = good && order_of(c, v); break;
	case P_SIGNATURE: good = good && bytes_of(v, s->signature, ORDER_SIGNATURE); break;
	case P_APPROVER: good = good && !order_key_read(v, s->approver); break;
	default: good = good && bytes_of(v, s->approval, ORDER_SIGNATURE); break;
	}
	return good ? 0 : -EBADMSG;
}

int wire_orders_read(struct str json, struct arena *arena, int (*fn)(void *arg, const struct wire_order *o), void *arg,
                     int64_t *time, struct err *err)
{
	struct collect c = { .arena = arena, .fn = fn, .arg = arg };
	int code = 0;
	for (int pass = 0; pass < 2 && !code; pass++) {
		c.tell = pass > 0;
		c.object = 0;
		code = wire_read(json, order_paths, N_PATHS, arena, on_value, &c, err);
		if (!code)
			code = end_one(&c);
		if (code && !c.tell)
			err_set(err, code, code == -ENOMEM ? "%m" : "that is no list of orders");
	}
	if (!code && time)
		*time = c.time;
	return code;
}
