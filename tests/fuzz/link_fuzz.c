/*
 * What the keeper reads from the front, which may be in an attacker's hands. Any bytes: each message, row and alert
 * that is taken lies within what came and within bounds, and how the bytes were cut on their way makes no difference.
 * And what one end writes, the other end takes, the same.
 */
#undef NDEBUG
#include "cmd/hub.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What came out, folded into a number. */
static void note(uint64_t *sum, uint64_t n, struct str s)
{
	*sum = (*sum ^ n) * 1099511628211u;
	for (size_t i = 0; i < s.n; i++)
		*sum = (*sum ^ (unsigned char)s.p[i]) * 1099511628211u;
}

static bool same_row(const struct event_row *a, const struct event_row *b)
{
	return a->time == b->time && a->since == b->since && str_eq(a->json, b->json) && str_eq(a->id, b->id) &&
	       str_eq(a->dataset, b->dataset);
}

static bool same_alert(const struct alert_row *a, const struct alert_row *b)
{
	return a->time == b->time && a->made == b->made && a->count == b->count && str_eq(a->id, b->id) &&
	       str_eq(a->rule, b->rule) && str_eq(a->title, b->title) && str_eq(a->level, b->level) &&
	       str_eq(a->host, b->host) && str_eq(a->user, b->user) && str_eq(a->address, b->address) &&
	       str_eq(a->json, b->json);
}

/* All rows of a body, one behind the other; each comes back when it is written anew. */
static void take_rows(struct str body, uint64_t *sum)
{
	struct event_row row, again;
	for (struct str rest = body; link_take_row(&rest, &row);) {
		assert(row.json.n <= EVENT_JSON_MAX && row.id.n <= EVENT_ID_MAX);
		assert(row.dataset.n >= 1 && row.dataset.n <= EVENT_DATASET_MAX);
		assert(row.json.p == body.p + sizeof(struct link_row) && row.id.p == row.json.p + row.json.n &&
		       row.dataset.p == row.id.p + row.id.n && rest.p == row.dataset.p + row.dataset.n);
		assert(rest.p + rest.n == body.p + body.n);
		body = rest;
		struct buf b = { 0 };
		link_add_row(&b, &row);
		struct str written = buf_str(&b);
		assert(link_take_row(&written, &again) && !written.n && same_row(&row, &again));
		buf_free(&b);
		note(sum, (uint64_t)row.time, row.dataset);
	}
}

static void take_alert(struct str body, uint64_t *sum)
{
	struct alert_row a, again;
	if (!link_take_alert(body, &a))
		return;
	const struct str texts[] = { a.id, a.rule, a.title, a.level, a.host, a.user, a.address, a.json };
	const char *at = body.p + sizeof(struct link_alert);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert(texts[i].p == at);
		at += texts[i].n;
	}
	assert(at == body.p + body.n);
	struct buf b = { 0 };
	link_add_alert(&b, &a);
	assert(link_take_alert(buf_str(&b), &again) && same_alert(&a, &again));
	buf_free(&b);
	note(sum, a.count, a.id);
}

/* All messages that are whole. The body moves to a block of its own size, so that a read behind it is seen. */
static int take_messages(struct link *l, uint64_t *sum)
{
	struct link_head head;
	struct str body;
	int r;
	while ((r = link_next(l, &head, &body)) == 1) {
		assert(head.kind >= LINK_ROWS && head.kind < N_LINKS && body.n == head.size);
		assert(body.n <= LINK_MESSAGE_MAX - sizeof(head));
		assert(body.p >= l->in.p + sizeof(head) && body.p + body.n == l->in.p + l->used && l->used <= l->in.n);
		char *copy = malloc(body.n + !body.n);
		assert(copy);
		memcpy(copy, body.p, body.n);
		body.p = copy;
		note(sum, head.kind ^ head.n, body);
		take_rows(body, sum);
		take_alert(body, sum);
		free(copy);
	}
	/* it waits only for what it has room for */
	bool bad = false;
	if (l->in.n - l->used >= sizeof(head)) {
		memcpy(&head, l->in.p + l->used, sizeof(head));
		bad = head.size > LINK_MESSAGE_MAX - sizeof(head) || !head.kind || head.kind >= N_LINKS;
	}
	assert(r == (bad ? -EPROTO : 0) && link_next(l, &head, &body) == r);
	return r;
}

static void pair(struct link *a, struct link *b)
{
	int fds[2];
	assert(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	assert(!link_init(a, fds[0], N_LINKS) && !link_init(b, fds[1], N_LINKS));
}

/* As bytes that lie there, and in pieces through a socket: the same comes of it. */
static void take_any(struct str bytes)
{
	struct link lying = { .fd = -1, .kinds = N_LINKS, .in = { .n = bytes.n, .cap = bytes.n } }, near, far;
	uint64_t sum = 0, piecewise = 0, seed = bytes.n;
	lying.in.p = malloc(bytes.n + !bytes.n);
	assert(lying.in.p);
	memcpy(lying.in.p, bytes.p, bytes.n);
	const int whole = take_messages(&lying, &sum);
	link_done(&lying);

	pair(&near, &far);
	int r = 0;
	while (bytes.n && !r) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		struct str piece = str_sub(bytes, 0, 1 + (size_t)(seed >> 33) % (bytes.n / 2 + 40));
		assert(send(near.fd, piece.p, piece.n, 0) == (ssize_t)piece.n && !link_read(&far));
		bytes = str_sub(bytes, piece.n, bytes.n);
		r = take_messages(&far, &piecewise);
	}
	assert(r == whole && sum == piecewise);
	link_done(&near);
	assert(link_read(&far) == -EPIPE);
	link_done(&far);
}

/* The next text of up to max bytes: its length stands before it. */
static struct str text(struct str *from, size_t min, size_t max)
{
	size_t n = from->n ? (unsigned char)from->p[0] % (max + 1) : 0;
	struct str s = str_sub(*from, 1, n);
	*from = str_sub(*from, 1 + n, from->n);
	return s.n < min ? STR("x") : s;
}

/* Rows and an alert made of the input go over the link. */
static void there_and_back(struct str bytes)
{
	enum { ROWS = 64 };
	struct event_row rows[ROWS], row;
	struct alert_row alert, got_alert;
	struct link near, far;
	struct link_head head;
	struct str body;
	struct buf b = { 0 };
	uint64_t n = 0;
	int more = 0;
	alert = (struct alert_row){ text(&bytes, 1, 128),
		                    -1,
		                    INT64_MAX,
		                    text(&bytes, 0, 20),
		                    text(&bytes, 0, 20),
		                    text(&bytes, 0, 20),
		                    text(&bytes, 0, 20),
		                    text(&bytes, 0, 20),
		                    text(&bytes, 0, 20),
		                    UINT32_MAX,
		                    text(&bytes, 0, 255) };
	for (; n < ROWS && bytes.n; n++) {
		rows[n] = (struct event_row){ .time = INT64_MIN + (int64_t)n,
			                      .since = n % 3,
			                      .dataset = text(&bytes, 1, EVENT_DATASET_MAX),
			                      .id = text(&bytes, 0, EVENT_ID_MAX),
			                      .json = text(&bytes, 0, 255) };
		link_add_row(&b, &rows[n]);
	}
	pair(&near, &far);
	link_put(&near, &(struct link_head){ .kind = LINK_ROWS, .seq = UINT64_MAX, .n = n }, buf_str(&b));
	b.n = 0;
	link_add_alert(&b, &alert);
	link_put(&near, &(struct link_head){ .kind = LINK_ALERT }, buf_str(&b));
	assert(!link_flush(&near) && !link_pending(&near) && !link_read(&far));
	more = link_next(&far, &head, &body);
	assert(more == 1 && head.kind == LINK_ROWS && head.seq == UINT64_MAX && head.n == n);
	for (uint64_t i = 0; i < n; i++)
		assert(link_take_row(&body, &row) && same_row(&row, &rows[i]));
	assert(!body.n);
	more = link_next(&far, &head, &body);
	assert(more == 1 && head.kind == LINK_ALERT);
	assert(link_take_alert(body, &got_alert) && same_alert(&alert, &got_alert));
	assert(!link_next(&far, &head, &body));
	link_done(&near);
	link_done(&far);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = { (const char *)data, size };
	if (!size || size > 1 << 16)
		return 0;
	take_any(bytes);
	there_and_back(bytes);
	return 0;
}
