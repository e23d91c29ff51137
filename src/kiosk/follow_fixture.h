/*
 * Two kiosks and a register in a world where lines are cut and slow, and any of the three dies at any moment: at each write to a
 * disk and each frame that is sent, before it or behind it. Each world is made of a seed, which is printed where it goes wrong:
 * FOLLOW_SEED=n runs that one alone, FOLLOW_WORLDS=n so many (follow_test.c).
 */
#ifndef KHIEN_KIOSK_FOLLOW_FIXTURE_H
#define KHIEN_KIOSK_FOLLOW_FIXTURE_H

#include "kiosk/follow.h"

#include "kiosk/follow_message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { CHANGES = 4096, EPOCHS = 1024, QUEUE = 512, PIECE = 16, STEP_US = 20000, NOBODY = -1 };

struct entry {
	int64_t epoch;
	uint32_t value;
};

/* What outlives a kill. */
struct disk {
	struct entry log[CHANGES + 1];
	int64_t n, first; /* changes before `first` were thrown away */
	struct follow_kept kept;
	bool has_kept;
};

struct parcel {
	char *p;
	size_t n;
	int64_t at;
};

struct queue {
	struct parcel parcels[QUEUE];
	unsigned head, n;
	int64_t last;
};

struct world;
struct node {
	struct world *w;
	const char *name;
	int id;
	struct disk *disk;
	struct follow *f;
	struct follow_store store;
	int crash_in; /* effects; 0: not */
	bool doomed;
	struct entry staged[CHANGES + 1], shown[CHANGES + 1];
	int64_t n_staged, n_shown, shown_first, read;
	struct queue in[N_FOLLOW_LINES]; /* to this node */
	const char *told;                /* "": nothing yet, "done" */
	int gave_up;
	const char *gave_up_word;
};

struct world {
	uint64_t random;
	unsigned long seed;
	struct clock clock;
	struct node nodes[2];
	bool has_register, chaos, quiet, lawless;
	struct register_value value;
	bool register_alive, cut[2] /* node to register */, cut_peer, register_up[2], peer_up;
	struct queue to_register[2];
	int slow_ms;
	struct entry truth[CHANGES + 1]; /* what somebody was told */
	int64_t n_truth;
	int8_t writer[EPOCHS];
	int64_t top_epoch;
	uint32_t next_value;
	long confirmed, promotions, copies;
};

static inline uint32_t chance(struct world *w, uint32_t n)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (uint32_t)(w->random >> 16) % n;
}

static inline void show(const struct world *w)
{
	for (int i = 0; i < 2; i++) {
		struct follow_status s;
		if (!w->nodes[i].f)
			continue;
		follow_status(w->nodes[i].f, &s);
		print_message("%s: %s, epoch %lld, %lld changes, %lld confirmed, other has %lld, up %d %d, %s\n",
		              w->nodes[i].name, follow_state_name(s.state), (long long)s.epoch, (long long)s.seq,
		              (long long)s.confirmed, (long long)s.standby_has, s.up[0], s.up[1], s.why);
	}
	print_message("register: %s, epoch %lld%s\n", w->value.holder, (long long)w->value.epoch,
	              w->value.alone ? ", alone" : "");
}

#define HOLDS(w, what)                                                                                                 \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			show(w);                                                                                       \
			fail_msg("FOLLOW_SEED=%lu at %.2f s: %s", (w)->seed,                                           \
			         (double)clock_monotonic(&(w)->clock) / CLOCK_S, #what);                               \
		}                                                                                                      \
	} while (0)

/* --- what dies --- */

/* True: it takes place. */
static inline bool effect(struct node *n)
{
	if (n->doomed)
		return false;
	if (n->crash_in && --n->crash_in == 0) {
		n->doomed = true;
		return chance(n->w, 2);
	}
	return true;
}

static inline void queue_clear(struct queue *q)
{
	for (; q->n; q->n--, q->head++)
		free(q->parcels[q->head % QUEUE].p);
	q->last = 0;
}

static inline void queue_put(struct world *w, struct queue *q, struct str frame)
{
	struct parcel *p = &q->parcels[(q->head + q->n) % QUEUE];
	int64_t at = clock_monotonic(&w->clock) + chance(w, 1 + (uint32_t)w->slow_ms) * CLOCK_MS;
	HOLDS(w, q->n < QUEUE);
	q->last = at > q->last ? at : q->last;
	*p = (struct parcel){ .p = malloc(frame.n), .n = frame.n, .at = q->last };
	memcpy(p->p, frame.p, frame.n);
	q->n++;
}

static inline bool queue_take(struct world *w, struct queue *q, struct parcel *ret)
{
	if (!q->n || q->parcels[q->head % QUEUE].at > clock_monotonic(&w->clock))
		return false;
	*ret = q->parcels[q->head++ % QUEUE];
	q->n--;
	return true;
}

/* --- the disk --- */

static inline int64_t disk_seq(void *arg)
{
	return ((struct node *)arg)->disk->n;
}

static inline struct desk_change change_of(const struct entry *e, int64_t seq, char text[16])
{
	struct desk_change c = { .seq = seq, .epoch = e->epoch, .at = seq };
	c.call = (struct str){ text, (size_t)snprintf(text, 16, "%08x", e->value) };
	memcpy(c.answer, text, 8);
	return c;
}

static inline int disk_changes(void *arg, int64_t after, size_t n, void (*fn)(void *arg, const struct desk_change *),
                               void *fn_arg, struct err *err)
{
	const struct disk *d = ((struct node *)arg)->disk;
	char text[16];
	int given = 0;
	int64_t seq = after + 1 > d->first ? after + 1 : d->first;
	for (; seq <= d->n && (size_t)given < n; seq++, given++) {
		struct desk_change c = change_of(&d->log[seq], seq, text);
		fn(fn_arg, &c);
	}
	return given;
}

static inline int disk_follow(void *arg, const struct desk_change *changes, size_t n, struct err *err)
{
	struct node *node = arg;
	struct disk *d = node->disk;
	if (node->w->chaos && chance(node->w, 300) == 0)
		return chance(node->w, 2) ? -EBADMSG : -EIO;
	if (changes[0].seq != d->n + 1 || (d->n && changes[0].epoch < d->log[d->n].epoch))
		return -ESTALE;
	if (!effect(node))
		return -EIO;
	for (size_t i = 0; i < n; i++) {
		char text[16] = { 0 };
		memcpy(text, changes[i].call.p, 8);
		d->log[++d->n] = (struct entry){ changes[i].epoch, (uint32_t)strtoul(text, NULL, 16) };
	}
	return node->doomed ? -EIO : 0;
}

/* Whoever is told something is told what everybody was told before, and the same number only once. */
static inline void disk_confirmed(void *arg, int64_t seq)
{
	struct node *n = arg;
	struct world *w = n->w;
	HOLDS(w, seq <= n->disk->n);
	if (!effect(n) || w->lawless)
		return;
	for (int64_t i = 1; i <= w->n_truth && i <= seq; i++)
		HOLDS(w, w->truth[i].value == n->disk->log[i].value && w->truth[i].epoch == n->disk->log[i].epoch);
	for (; w->n_truth < seq; w->confirmed++) {
		w->n_truth++;
		w->truth[w->n_truth] = n->disk->log[w->n_truth];
	}
}

static inline int disk_load(void *arg, struct follow_kept *ret, struct err *err)
{
	const struct disk *d = ((struct node *)arg)->disk;
	if (!d->has_kept)
		return -ENOENT;
	*ret = d->kept;
	return 0;
}

static inline int disk_keep(void *arg, const struct follow_kept *kept, struct err *err)
{
	struct node *n = arg;
	struct world *w = n->w;
	if (w->chaos && chance(w, 200) == 0)
		return -EIO;
	if (!effect(n))
		return -EIO;
	if (kept->role == FOLLOW_AS_PRIMARY && n->disk->kept.role == FOLLOW_AS_STANDBY && n->disk->has_kept) {
		w->promotions++;
		HOLDS(w, w->lawless || n->disk->n >= w->n_truth); /* nobody is promoted who lacks something */
		HOLDS(w, kept->epoch > w->top_epoch);
	}
	n->disk->kept = *kept;
	n->disk->has_kept = true;
	return n->doomed ? -EIO : 0;
}

static inline int disk_copy_read(void *arg, bool first, struct buf *out, struct err *err)
{
	struct node *n = arg;
	if (first) {
		memcpy(n->shown, n->disk->log, sizeof(n->shown));
		n->n_shown = n->disk->n;
		n->shown_first = n->disk->first;
		n->read = 0;
		buf_add(out, (struct str){ (const char *)&n->shown_first, sizeof(n->shown_first) });
	}
	for (int i = 0; i < PIECE && n->read < n->n_shown; i++)
		buf_add(out, (struct str){ (const char *)&n->shown[++n->read], sizeof(struct entry) });
	return n->read < n->n_shown;
}

static inline int disk_copy_write(void *arg, bool first, struct str piece, bool last, struct err *err)
{
	struct node *n = arg;
	if (first) {
		n->n_staged = 0;
		memcpy(&n->shown_first, piece.p, sizeof(n->shown_first));
		piece = str_sub(piece, sizeof(n->shown_first), piece.n);
	}
	for (; piece.n; piece = str_sub(piece, sizeof(struct entry), piece.n))
		memcpy(&n->staged[++n->n_staged], piece.p, sizeof(struct entry));
	if (!last)
		return 0;
	if (!effect(n))
		return -EIO;
	memcpy(n->disk->log, n->staged, sizeof(n->staged));
	n->disk->n = n->n_staged;
	n->disk->first = n->shown_first;
	n->w->copies++;
	return n->doomed ? -EIO : 0;
}

static inline void disk_copy_stop(void *arg)
{
	((struct node *)arg)->n_staged = 0;
}

/* --- lines --- */

static inline void peer_down(struct world *w)
{
	w->peer_up = false;
	for (int i = 0; i < 2; i++) {
		queue_clear(&w->nodes[i].in[FOLLOW_PEER]);
		if (w->nodes[i].f)
			follow_line(w->nodes[i].f, FOLLOW_PEER, false);
	}
}

/* What is on its way to the register may arrive all the same. */
static inline void register_down(struct world *w, int i)
{
	w->register_up[i] = false;
	queue_clear(&w->nodes[i].in[FOLLOW_REGISTER]);
	if (chance(w, 2))
		queue_clear(&w->to_register[i]);
	if (w->nodes[i].f)
		follow_line(w->nodes[i].f, FOLLOW_REGISTER, false);
}

static inline void on_send(void *arg, enum follow_line line, struct str frame)
{
	struct node *n = arg;
	struct world *w = n->w;
	if (!effect(n))
		return;
	if (line == FOLLOW_REGISTER)
		queue_put(w, &w->to_register[n->id], frame);
	else if (w->peer_up)
		queue_put(w, &w->nodes[!n->id].in[FOLLOW_PEER], frame);
}

/* The other end hears of it later: here, when the world looks. */
static inline void on_drop(void *arg, enum follow_line line)
{
	struct node *n = arg;
	if (line == FOLLOW_PEER)
		n->w->peer_up = false;
	else
		n->w->register_up[n->id] = false;
}

static inline void on_give_up(void *arg, const char *word)
{
	struct node *n = arg;
	n->gave_up++;
	n->gave_up_word = word;
}

static inline void on_told(void *arg, const char *refused)
{
	struct node *n = arg;
	n->told = refused ? refused : "done";
}

/* --- kiosks --- */

static inline void start(struct node *n)
{
	struct world *w = n->w;
	struct err err = { 0 };
	const struct follow_config config = {
		.clock = &w->clock,
		.store = &n->store,
		.name = n->name,
		.standby = n->id == 1,
		.has_peer = true,
		.has_register = w->has_register,
		.promote_after_us = w->chaos && n->id == 1 && w->seed % 3 == 0 ? 4 * CLOCK_S : 0,
		.send = on_send,
		.drop = on_drop,
		.give_up = on_give_up,
		.told = on_told,
		.arg = n,
	};
	n->doomed = false;
	n->crash_in = 0;
	if (follow_new(&n->f, &config, &err))
		n->f = NULL; /* the disk didn't take it: again later */
}

static inline void stop(struct node *n)
{
	struct world *w = n->w;
	follow_free(n->f);
	n->f = NULL;
	n->doomed = false;
	n->crash_in = 0;
	peer_down(w);
	register_down(w, n->id);
}

static inline enum follow_state state(const struct node *n)
{
	struct follow_status s;
	follow_status(n->f, &s);
	return s.state;
}

/* A round of one to three changes, as the desk would. */
static inline void write_round(struct node *n)
{
	struct world *w = n->w;
	struct disk *d = n->disk;
	struct desk_change changes[3];
	char text[3][16];
	const uint32_t want = 1 + chance(w, 3);
	const int64_t epoch = d->kept.epoch;
	if (!follow_may_round(n->f) || follow_closed(n->f) || d->n + want > CHANGES || !effect(n))
		return;
	HOLDS(w, d->kept.role == FOLLOW_AS_PRIMARY && epoch > 0 && epoch < EPOCHS);
	HOLDS(w, w->writer[epoch] == NOBODY || w->writer[epoch] == n->id); /* no two in one epoch */
	w->writer[epoch] = (int8_t)n->id;
	if (epoch >= w->top_epoch) { /* who may write has everything that anybody was told */
		w->top_epoch = epoch;
		HOLDS(w, w->lawless || d->n >= w->n_truth);
	}
	for (uint32_t i = 0; i < want; i++) {
		d->log[++d->n] = (struct entry){ epoch, ++w->next_value };
		changes[i] = change_of(&d->log[d->n], d->n, text[i]);
	}
	if (w->chaos && chance(w, 50) == 0)
		d->first = d->n - chance(w, 20) > 1 ? d->n - chance(w, 20) : 1;
	if (!n->doomed)
		follow_committed(n->f, changes, want);
}

/* --- the world --- */

static inline void deliver(struct world *w)
{
	struct parcel p;
	for (int i = 0; i < 2; i++) {
		struct node *n = &w->nodes[i];
		for (int line = 0; line < N_FOLLOW_LINES; line++)
			while (n->f && !n->doomed && queue_take(w, &n->in[line], &p)) {
				follow_frame(n->f, line, (struct str){ p.p, p.n });
				free(p.p);
			}
		while (w->register_alive && queue_take(w, &w->to_register[i], &p)) {
			struct buf answer = { 0 };
			int64_t number = register_decide(&w->value, (struct str){ p.p, p.n });
			HOLDS(w, number >= 0);
			register_say(&w->value, number, &answer);
			if (w->register_up[i] && !w->cut[i])
				queue_put(w, &n->in[FOLLOW_REGISTER], buf_str(&answer));
			buf_free(&answer);
			free(p.p);
		}
	}
}

static inline void connect_lines(struct world *w)
{
	struct node *a = &w->nodes[0], *b = &w->nodes[1];
	if (!w->peer_up)
		peer_down(w);
	if (!w->peer_up && !w->cut_peer && a->f && b->f && (follow_dials(a->f) || follow_dials(b->f)) &&
	    chance(w, 5) == 0) {
		w->peer_up = true;
		follow_line(a->f, FOLLOW_PEER, true);
		follow_line(b->f, FOLLOW_PEER, true);
	}
	for (int i = 0; i < 2 && w->has_register; i++) {
		if (!w->register_up[i])
			register_down(w, i);
		if (!w->register_up[i] && !w->cut[i] && w->register_alive && w->nodes[i].f && chance(w, 5) == 0) {
			w->register_up[i] = true;
			follow_line(w->nodes[i].f, FOLLOW_REGISTER, true);
		}
	}
}

static inline void step(struct world *w)
{
	clock_advance(&w->clock, STEP_US);
	connect_lines(w);
	deliver(w);
	for (int i = 0; i < 2; i++) {
		struct node *n = &w->nodes[i];
		if (n->f && clock_monotonic(&w->clock) / STEP_US % 5 == 0)
			follow_tick(n->f);
		if (n->f && !n->doomed && !w->quiet && chance(w, 4) == 0)
			write_round(n);
		if (n->f && n->doomed)
			stop(n);
		if (n->f && state(n) == FOLLOW_STALE)
			HOLDS(w, strcmp(follow_closed(n->f), "stale-epoch") == 0);
	}
}

static inline void run(struct world *w, int ms)
{
	for (int64_t until = clock_monotonic(&w->clock) + ms * CLOCK_MS; clock_monotonic(&w->clock) < until;)
		step(w);
}

static inline void cut_all(struct world *w, bool off)
{
	w->cut_peer = w->cut[0] = w->cut[1] = off;
}

static inline void world_init(struct world *w, unsigned long seed, bool has_register, struct disk disks[2])
{
	memset(w, 0, sizeof(*w));
	memset(disks, 0, 2 * sizeof(*disks));
	memset(w->writer, NOBODY, sizeof(w->writer));
	*w = (struct world){ .seed = seed, .random = seed * 0x9e3779b97f4a7c15u + 88172645463325252u, .slow_ms = 10 };
	memset(w->writer, NOBODY, sizeof(w->writer));
	w->has_register = w->register_alive = has_register;
	clock_test(&w->clock, 0);
	for (int i = 0; i < 2; i++) {
		struct node *n = &w->nodes[i];
		*n = (struct node){ .w = w, .id = i, .name = i ? "b" : "a", .disk = &disks[i], .told = "" };
		n->store = (struct follow_store){ .arg = n,
			                          .seq = disk_seq,
			                          .changes = disk_changes,
			                          .follow = disk_follow,
			                          .confirmed = disk_confirmed,
			                          .load = disk_load,
			                          .keep = disk_keep,
			                          .copy_read = disk_copy_read,
			                          .copy_write = disk_copy_write,
			                          .copy_stop = disk_copy_stop };
		disks[i].first = 1;
		start(n);
	}
}

static inline void world_done(struct world *w)
{
	for (int i = 0; i < 2; i++) {
		if (w->nodes[i].f)
			stop(&w->nodes[i]);
		for (int line = 0; line < N_FOLLOW_LINES; line++)
			queue_clear(&w->nodes[i].in[line]);
		queue_clear(&w->to_register[i]);
	}
}

static inline struct world *the_world(void)
{
	struct world *w = malloc(sizeof(*w));
	assert_non_null(w);
	return w;
}

#endif
