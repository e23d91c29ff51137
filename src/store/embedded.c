#include "store/embedded_inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void embedded_tell(const struct events *s, const char *event, const char *what, const char *why)
{
	if (s->config.note)
		s->config.note(s->config.arg, event, what, why);
}

/* --- the index of what is in no day yet --- */

static int add_pending(struct events *s, uint64_t segment, struct err *err)
{
	if (s->n_pending == s->cap_pending) {
		size_t cap = s->cap_pending ? 2 * s->cap_pending : 8;
		void *more = realloc(s->pending, cap * sizeof(*s->pending));
		if (!more)
			return err_set(err, -ENOMEM, "index the journal: %m");
		s->pending = more;
		s->cap_pending = cap;
	}
	struct pending *p = pending_new(segment, embedded_now(s));
	if (!p)
		return err_set(err, -ENOMEM, "index the journal: %m");
	s->pending[s->n_pending++] = p;
	return 0;
}

static struct pending *current(const struct events *s)
{
	return s->n_pending ? s->pending[s->n_pending - 1] : NULL;
}

/* Whether the day has the segment's events; what it has is noted. */
static int is_sealed(struct events *s, struct pending *p, int32_t day, bool *ret, struct err *err)
{
	struct day *d;
	*ret = pending_is_sealed(p, day);
	if (*ret || (p->n && day_of(p->rows[p->n - 1].time) == day) || !days_has(s, day))
		return 0;
	int code = -EBADMSG;
	for (int tries = 0; code == -EBADMSG && tries < 2; tries++) {
		code = embedded_day(s, day, &d, err);
		if (!code)
			code = day_is_sealed(d, p->segment, ret, err);
		if (code == -EBADMSG && mend_day(s, day, err ? err->text : "damaged", err))
			break;
	}
	if (!code && *ret)
		code = pending_note_sealed(p, day);
	return code;
}

struct index_ctx {
	struct events *s;
	struct err *err;
};

static int index_row(void *arg, uint64_t segment, uint64_t seq, uint32_t at, const struct event_row *row)
{
	struct index_ctx *ctx = arg;
	struct events *s = ctx->s;
	struct pending *p = current(s);
	bool sealed = false;
	int code = 0;
	if (!p || p->segment != segment) {
		code = add_pending(s, segment, ctx->err);
		p = current(s);
	}
	if (!code)
		code = is_sealed(s, p, day_of(row->time), &sealed, ctx->err);
	if (code || sealed)
		return code;
	return pending_add(p, seq, at, row, row->id.n ? known_hash(s->known, row->id) : 0);
}

/* Places changed: what was unsynced is written anew elsewhere, or memory was short when it was indexed. */
static int index_anew(struct events *s, struct err *err)
{
	struct index_ctx ctx = { s, err };
	uint64_t from = current(s)->segment, segment;
	int code = 0;
	pending_cut(current(s), from);
	for (size_t i = 0; !code && (segment = journal_nth(s->journal, i)); i++) {
		if (segment >= from)
			code = journal_read_segment(s->journal, segment, index_row, &ctx, err);
	}
	if (!code && current(s)->segment != journal_segment(s->journal))
		code = add_pending(s, journal_segment(s->journal), err);
	if (!code)
		s->moves = journal_moves(s->journal);
	return code;
}

int embedded_turn(struct events *s, struct err *err)
{
	int code = journal_turn(s->journal, err);
	if (!code && s->moves != journal_moves(s->journal))
		code = index_anew(s, err);
	if (!code && current(s)->segment != journal_segment(s->journal))
		code = add_pending(s, journal_segment(s->journal), err);
	return code;
}

int embedded_drop(struct events *s, struct err *err)
{
	int code = journal_drop(s->journal, s->pending[1]->segment, err);
	if (code)
		return code;
	pending_free(s->pending[0]);
	s->n_pending--;
	memmove(s->pending, s->pending + 1, s->n_pending * sizeof(*s->pending));
	return 0;
}

static int lock_folder(struct events *s, struct err *err)
{
	char path[DIR_MAX + 8];
	snprintf(path, sizeof(path), "%s/lock", s->dir);
	s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock < 0)
		return err_set(err, -errno, "open '%s': %m", path);
	if (!flock(s->lock, LOCK_EX | LOCK_NB))
		return 0;
	if (errno == EWOULDBLOCK)
		return err_set(err, -EBUSY, "'%s': another khien hub keeps its events there", s->dir);
	return err_set(err, -errno, "lock '%s': %m", path);
}

static int make_folder(const char *path, struct err *err)
{
	return mkdir(path, 0700) && errno != EEXIST ? err_set(err, -errno, "make folder '%s': %m", path) : 0;
}

/* A journal that begins while there are days goes on behind what they have: a number stands for one segment only. */
static int least_number(struct events *s, uint64_t *ret, struct err *err)
{
	int32_t *list = NULL;
	size_t n = 0;
	bool begun = false;
	DIR *d = opendir(s->journal_dir);
	for (struct dirent *e; d && (e = readdir(d));)
		begun |= str_ends(str_from(e->d_name), STR(".log"));
	if (d)
		closedir(d);
	*ret = 1;
	int code = begun ? 0 : embedded_days(s, INT64_MIN, 0, &list, &n, err);
	for (size_t i = 0; !code && i < n; i++) {
		struct day *day;
		uint64_t last = 0;
		if (!embedded_day(s, list[i], &day, NULL) && !day_last_sealed(day, &last, NULL) && last >= *ret)
			*ret = last + ((uint64_t)1 << 32); /* a segment has fewer */
	}
	free(list);
	return code;
}

/* --- room to come back on a full disk: to open days takes some --- */

static void reserve_path(const struct events *s, char path[DIR_MAX + 16])
{
	snprintf(path, DIR_MAX + 16, "%s/reserve", s->dir);
}

static void make_reserve(struct events *s)
{
	char path[DIR_MAX + 16];
	reserve_path(s, path);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	s->reserved = fd >= 0 && !fallocate(fd, 0, 0, RESERVE);
	if (fd < 0)
		return;
	close(fd);
	if (!s->reserved)
		unlink(path);
}

bool embedded_use_reserve(struct events *s)
{
	char path[DIR_MAX + 16];
	reserve_path(s, path);
	s->reserved = false;
	return !unlink(path);
}

/* --- opening --- */

static void close_journal(struct events *s)
{
	journal_close(s->journal);
	s->journal = NULL;
	for (size_t i = 0; i < s->n_pending; i++)
		pending_free(s->pending[i]);
	s->n_pending = 0;
}

static int open_journal(struct events *s, struct err *err)
{
	struct index_ctx ctx = { s, err };
	struct journal_config config = {
		.dir = s->journal_dir,
		.note = s->config.note,
		.arg = s->config.arg,
	};
	int code = least_number(s, &config.least, err);
	if (!code)
		code = journal_open(&s->journal, &config, err);
	if (!code)
		code = journal_read(s->journal, index_row, &ctx, err);
	if (!code && (!current(s) || current(s)->segment != journal_segment(s->journal)))
		code = add_pending(s, journal_segment(s->journal), err);
	return code;
}

static int open_to_write(struct events *s, struct err *err)
{
	int code = lock_folder(s, err);
	if (!code)
		code = make_folder(s->days.dir, err);
	if (!code)
		code = chunk_reader_new(&s->own_chunk, err);
	if (!code && known_new(&s->known))
		code = err_set(err, -ENOMEM, "open the events: %m");
	if (!code)
		code = open_journal(s, err);
	if (code == -ENOSPC && embedded_use_reserve(s)) {
		embedded_tell(s, "disk-full", s->dir, err->text);
		close_journal(s);
		code = open_journal(s, err);
	}
	return code;
}

static void close_events(struct events *s)
{
	if (!s)
		return;
	if (s->journal && !s->config.read_only)
		journal_sync(s->journal, NULL);
	mend_done(s);
	seal_done(&s->seal);
	days_close(s);
	known_free(s->known);
	usage_free(s->usage);
	close_journal(s);
	free(s->pending);
	chunk_reader_free(s->chunk);
	chunk_reader_free(s->own_chunk);
	buf_free(&s->row);
	free(s->ids);
	free(s->places);
	if (s->lock >= 0)
		close(s->lock);
	free(s);
}

static int open_events(struct events **ret, const struct events_config *config, struct err *err)
{
	struct err own;
	err = err ? err : &own; /* words of damage are needed here too */
	struct events *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(err, -ENOMEM, "open the events: %m");
	s->config = *config;
	s->lock = -1;
	s->row.max = 2 * EVENT_JSON_MAX;
	int n = snprintf(s->dir, sizeof(s->dir) - 16, "%s", config->dir);
	snprintf(s->journal_dir, sizeof(s->journal_dir), "%.*s/journal", DIR_MAX - 16, s->dir);
	snprintf(s->days.dir, sizeof(s->days.dir), "%.*s/days", DIR_MAX - 16, s->dir);
	int code = n < 0 || (size_t)n >= sizeof(s->dir) - 16 ? err_set(err, -ENAMETOOLONG, "%s: %m", config->dir) : 0;
	if (!code)
		code = chunk_reader_new(&s->chunk, err);
	if (!code && config->read_only && access(s->days.dir, F_OK))
		code = err_set(err, -errno, "open folder '%s': %m", s->days.dir);
	if (!code && !config->read_only)
		code = open_to_write(s, err);
	if (code) {
		close_events(s);
		return code;
	}
	*ret = s;
	return 0;
}

/* --- taking --- */

static int room_for(struct events *s, size_t n, struct err *err)
{
	if (n <= s->cap_ids)
		return 0;
	uint64_t *ids = realloc(s->ids, n * sizeof(*ids));
	s->ids = ids ? ids : s->ids;
	uint32_t *places = ids ? realloc(s->places, n * sizeof(*places)) : NULL;
	s->places = places ? places : s->places;
	if (!ids || !places)
		return err_set(err, -ENOMEM, "append events: %m");
	s->cap_ids = n;
	return 0;
}

/* What stands in the way of taking more: a segment that is full, an index that is behind, days that can't keep up. */
static int make_way(struct events *s, struct err *err)
{
	int code = s->moves != journal_moves(s->journal) ? index_anew(s, err) : 0;
	if (!code && journal_full(s->journal))
		code = embedded_turn(s, err);
	while (!code && s->n_pending > WAITING_SEGMENTS + 1) {
		s->seal.retry_at = 0;
		code = seal_work(s, INT64_MAX, err);
	}
	return code;
}

static int append(struct events *s, const struct event_row *rows, size_t n, uint8_t *verdict, uint64_t *seq,
                  struct err *err)
{
	if (s->config.read_only)
		return err_set(err, -EROFS, "'%s' was opened for searching", s->dir);
	for (size_t i = 0; i < n; i++)
		if (!rows[i].dataset.n || memchr(rows[i].dataset.p, 0, rows[i].dataset.n))
			return err_set(err, -EINVAL, "event %zu: its dataset is no name", i);
	int code = room_for(s, n, err);
	if (!code)
		code = make_way(s, err);
	if (code)
		return code;
	memset(verdict, EVENT_KEPT, n);
	code = known_check(s, rows, n, verdict, s->ids, err);
	if (!code)
		code = journal_append(s->journal, rows, n, verdict, s->places, seq, err);
	if (code)
		return code;
	struct pending *p = current(s);
	bool moved = s->moves != journal_moves(s->journal);
	if (!p->n)
		p->born = embedded_now(s);
	for (size_t i = 0; i < n; i++) {
		s->counts.known += verdict[i] == EVENT_KNOWN;
		s->counts.kept += verdict[i] == EVENT_KEPT;
		if (!moved && verdict[i] == EVENT_KEPT && pending_add(p, *seq + i, s->places[i], &rows[i], s->ids[i]))
			moved = true;
	}
	if (moved) /* it is taken; the index follows with the next call */
		s->moves = UINT64_MAX;
	return 0;
}

static int sync_events(struct events *s, struct err *err)
{
	int code = s->config.read_only ? 0 : journal_sync(s->journal, err);
	if (!code && !s->config.read_only && s->moves != journal_moves(s->journal))
		index_anew(s, NULL); /* it is on the disk; where this fails, the index follows with the next call */
	return code;
}

static int tick(struct events *s, struct err *err)
{
	if (s->config.read_only)
		return 0;
	int code = s->moves != journal_moves(s->journal) ? index_anew(s, err) : 0;
	if (!code && current(s)->n && embedded_now(s) - current(s)->born > SEAL_AGE)
		code = embedded_turn(s, err);
	if (!code && journal_full(s->journal))
		code = embedded_turn(s, err);
	if (!s->reserved && embedded_now(s) >= s->reserve_at) {
		make_reserve(s);
		s->reserve_at = embedded_now(s) + 60 * (int64_t)CLOCK_S;
	}
	int64_t slice = SEAL_SLICE * (int64_t)(s->n_pending - 1); /* the more waits, the longer */
	if (!code)
		code = seal_work(s, embedded_now(s) + slice, err);
	return code ? code : mend_work(s, err);
}

/* --- handing out --- */

struct hand {
	struct events *s;
	int (*fn)(void *arg, uint64_t seq, const struct event_row *row);
	void *arg;
	uint64_t segment;
	int32_t day;
	bool sealed; /* that day has that segment */
};

static int hand_on(void *arg, uint64_t segment, uint64_t seq, uint32_t at, const struct event_row *row)
{
	struct hand *h = arg;
	return h->fn(h->arg, seq, row);
}

static int replay(struct events *s, int (*fn)(void *arg, uint64_t seq, const struct event_row *row), void *arg,
                  struct err *err)
{
	struct hand h = { .s = s, .fn = fn, .arg = arg };
	return s->journal ? journal_replay(s->journal, hand_on, &h, err) : 0;
}

static bool is_in_day(struct events *s, uint64_t segment, int32_t day)
{
	for (size_t i = 0; i < s->days.n_notes; i++)
		if (s->days.notes[i].segment == segment && s->days.notes[i].day == day)
			return true;
	for (size_t i = 0; i < s->n_pending; i++)
		if (s->pending[i]->segment == segment)
			return pending_is_sealed(s->pending[i], day);
	return !s->config.read_only; /* a segment without an index has nothing left */
}

static int hand_unsealed(void *arg, uint64_t segment, uint64_t seq, uint32_t at, const struct event_row *row)
{
	struct hand *h = arg;
	int32_t day = day_of(row->time);
	if (segment != h->segment || day != h->day) {
		h->sealed = is_in_day(h->s, segment, day);
		h->segment = segment;
		h->day = day;
	}
	return h->sealed ? 0 : h->fn(h->arg, seq, row);
}

int embedded_unsealed(struct events *s, int (*fn)(void *arg, uint64_t seq, const struct event_row *row), void *arg,
                      struct err *err)
{
	struct hand h = { .s = s, .fn = fn, .arg = arg };
	int code = !s->config.read_only && s->moves != journal_moves(s->journal) ? index_anew(s, err) : 0;
	return !code && s->journal ? journal_read(s->journal, hand_unsealed, &h, err) : code;
}

struct chunk *embedded_chunk(struct events *s)
{
	return s->chunk;
}

static int find(struct events *s, const struct event_query *q, event_sink *sink, void *arg, struct event_found *found,
                struct err *err)
{
	int code = days_begin(s, err);
	if (!code)
		code = embedded_find(s, q, sink, arg, found, err);
	days_end(s);
	return code;
}

static int pick(struct events *s, const struct event_query *q, const struct str *fields, size_t n, pick_sink *sink,
                void *arg, struct event_found *found, struct err *err)
{
	int code = days_begin(s, err);
	if (!code)
		code = embedded_pick(s, q, fields, n, sink, arg, found, err);
	days_end(s);
	return code;
}

static int count_by(struct events *s, const struct event_query *q, struct str field, count_sink *sink, void *arg,
                    struct event_found *found, struct err *err)
{
	int code = days_begin(s, err);
	if (!code)
		code = embedded_count_by(s, q, field, sink, arg, found, err);
	days_end(s);
	return code;
}

static struct events_counts counts(const struct events *s)
{
	struct events_counts c = s->counts;
	if (s->journal) {
		c.syncs = journal_syncs(s->journal);
		c.lost_frames += journal_lost(s->journal);
	}
	return c;
}

const struct events_kind events_embedded = {
	.name = "embedded",
	.open = open_events,
	.close = close_events,
	.append = append,
	.sync = sync_events,
	.tick = tick,
	.replay = replay,
	.find = find,
	.pick = pick,
	.count_by = count_by,
	.usage = embedded_usage,
	.enforce = embedded_enforce,
	.backup = embedded_backup,
	.counts = counts,
};
