/* Hunts in the front: what is asked goes to the searcher, what is found goes on, a piece at a time. */
#include "cmd/hub_front.h"
#include "cmd/hub_searcher.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum slot_state { SLOT_FREE, SLOT_RUNS, SLOT_ENDS /* nobody wants it: until the searcher says that it is free */ };

struct api_search {
	struct hunts *h;
	int fd;
	enum slot_state state;
	uint64_t number;
	struct request *asker;
	unsigned status;
	bool watched;         /* the loop tells when something comes */
	bool whole, released; /* SEARCH_END, SEARCH_FREE came */
	size_t used, n;       /* of the piece */
	char complete[API_HUNT_WORDS];
	struct search_head head; /* of the last packet; its body follows */
	char piece[SEARCH_PIECE];
};

struct hunts {
	struct front *f;
	uint64_t number;
	uint64_t begun, busy, stopped, broken;
	struct api_search slots[SEARCHES];
};

static int on_packet(void *arg, int fd);

static void watch(struct api_search *s, bool on)
{
	struct err err;
	if (on && !s->watched)
		s->watched = !loop_watch(s->h->f->loop, s->fd, on_packet, s, &err);
	else if (!on && s->watched) {
		loop_unwatch(s->h->f->loop, s->fd);
		s->watched = false;
	}
}

/* Takes the next packet, where none waits to be read. False: there is none. */
static bool receive(struct api_search *s)
{
	if (s->used < s->n)
		return true;
	struct iovec parts[] = { { &s->head, sizeof(s->head) }, { s->piece, sizeof(s->piece) } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = ARRAY_LEN(parts) };
	const ssize_t n = recvmsg(s->fd, &message, MSG_DONTWAIT);
	s->used = s->n = 0;
	if (n < (ssize_t)sizeof(s->head)) {
		if (!n)
			watch(s, false); /* the supervisor is gone */
		return false;
	}
	const size_t body = (size_t)n - sizeof(s->head);
	const bool ours = s->head.number == s->number && s->state == SLOT_RUNS;
	if (s->head.kind == SEARCH_FREE && (!s->head.number || s->head.number == s->number)) {
		s->released = true;
		if (s->state == SLOT_ENDS)
			s->state = SLOT_FREE;
		s->h->broken += s->state == SLOT_RUNS && !s->whole;
	} else if (s->head.kind == SEARCH_END && ours) {
		s->whole = true;
		s->status = 200;
		const size_t most = body < sizeof(s->complete) ? body : sizeof(s->complete) - 1;
		memcpy(s->complete, s->piece, most);
		s->complete[most] = '\0';
	} else if (s->head.kind == SEARCH_ROWS && ours) {
		s->n = body;
		s->status = s->head.status;
	}
	return true;
}

/* Nothing is read beyond what is wanted: the search waits meanwhile. */
static int on_packet(void *arg, int fd)
{
	struct api_search *s = arg;
	receive(s);
	if (s->state == SLOT_RUNS && (s->n || s->whole || s->released)) {
		watch(s, s->whole && !s->released);
		if (s->asker)
			api_hunt_came(s->asker);
	}
	return 0;
}

static void add_text(struct buf *to, struct str text)
{
	buf_add(to, text.n ? text : STR(""));
	buf_putc(to, '\0');
}

static int begin(void *arg, const struct api_hunt *hunt, struct request *asker, struct api_search **ret)
{
	struct hunts *h = ((struct front *)arg)->hunts;
	struct api_search *s = NULL;
	bool runs = false;
	for (size_t i = 0; i < SEARCHES; i++) {
		runs |= h->slots[i].state != SLOT_FREE;
		if (h->slots[i].state == SLOT_FREE)
			s = &h->slots[i];
	}
	h->busy += !s && runs;
	if (!s)
		return -EBUSY;
	CLEANUP(buf_free) struct buf packet = { 0 };
	const struct search_ask ask = {
		.head = { .number = ++h->number, .kind = SEARCH_ASK },
		.limit = hunt->limit,
		.format = hunt->format,
		.oldest = hunt->oldest,
		.n_datasets = (uint32_t)hunt->n_datasets,
	};
	buf_add(&packet, (struct str){ (const char *)&ask, sizeof(ask) });
	add_text(&packet, hunt->q);
	add_text(&packet, hunt->since);
	add_text(&packet, hunt->until);
	for (size_t i = 0; i < hunt->n_datasets; i++)
		add_text(&packet, hunt->datasets[i]);
	if (packet.failed || send(s->fd, packet.p, packet.n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -EIO;
	s->number = h->number;
	s->state = SLOT_RUNS;
	s->asker = asker;
	s->status = 0;
	s->whole = s->released = false;
	s->used = s->n = 0;
	h->begun++;
	watch(s, true);
	*ret = s;
	return 0;
}

static ssize_t read_some(struct api_search *s, char *to, size_t n)
{
	while (s->used == s->n && !s->whole && !s->released && receive(s))
		;
	const size_t left = s->n - s->used, take = left < n ? left : n;
	if (take) {
		memcpy(to, s->piece + s->used, take);
		s->used += take;
		return (ssize_t)take;
	}
	if (s->whole || s->released)
		return s->whole ? -ENODATA : -EIO;
	watch(s, true);
	return s->watched ? -EAGAIN : -EIO;
}

static unsigned status(const struct api_search *s)
{
	return !s->status && s->released ? 503 : s->status;
}

static const char *complete(const struct api_search *s)
{
	return s->complete;
}

static void stop(struct api_search *s)
{
	const struct search_head head = { .number = s->number, .kind = SEARCH_STOP };
	s->asker = NULL;
	s->used = s->n = 0;
	s->state = s->released ? SLOT_FREE : SLOT_ENDS;
	if (!s->released && !s->whole)
		s->h->stopped += s->number != 0;
	if (!s->released)
		send(s->fd, &head, sizeof(head), MSG_DONTWAIT | MSG_NOSIGNAL);
	watch(s, true);
}

struct api_hunts hunts_api(void)
{
	return (struct api_hunts){ begin, read_some, status, complete, stop };
}

int hunts_new(struct hunts **ret, struct front *f, const int ends[SEARCHES])
{
	struct hunts *h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->f = f;
	/* other than those of the front before */
	h->number = (uint64_t)clock_monotonic(f->clock);
	for (size_t i = 0; i < SEARCHES; i++)
		h->slots[i] = (struct api_search){ .h = h, .fd = ends[i] };
	*ret = h;
	return 0;
}

int hunts_begin(struct hunts *h, struct err *err)
{
	for (size_t i = 0; i < SEARCHES; i++) {
		struct api_search *s = &h->slots[i];
		stop(s); /* what the front before has left */
		if (!s->watched)
			return err_set(err, -EIO, "hear the searcher: %m");
	}
	return 0;
}

void hunts_free(struct hunts *h)
{
	for (size_t i = 0; h && i < SEARCHES; i++)
		if (h->slots[i].fd >= 0)
			close(h->slots[i].fd);
	free(h);
}

static void add(struct buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
	buf_printf(out, "# HELP khien_hunts_%s %s\n# TYPE khien_hunts_%s %s\nkhien_hunts_%s %llu\n", name, help, name,
	           type, name, (unsigned long long)value);
}

void hunts_metrics(const struct hunts *h, struct buf *out)
{
	uint64_t running = 0;
	if (!h)
		return;
	for (size_t i = 0; i < SEARCHES; i++)
		running += h->slots[i].state == SLOT_RUNS;
	add(out, "total", "counter", "Hunts over HTTP that were begun.", h->begun);
	add(out, "running", "gauge", "Hunts over HTTP now.", running);
	add(out, "busy_total", "counter", "Hunts sent away, as too many were under way.", h->busy);
	add(out, "stopped_total", "counter", "Hunts whose asker went before the end.", h->stopped);
	add(out, "broken_total", "counter", "Hunts that ended before their end: the process was killed.", h->broken);
}
