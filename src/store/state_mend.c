/* A damaged state.db doesn't keep the hub from taking events: what can be had again goes into a new one. */
#include "store/state_db.h"

#include "os/atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ASIDE_MAX = 1000, SUM = 32 };
static const int64_t ALERTS_TIME = CLOCK_S; /* the hub is waited for */
static const char KEPT[] = "tokens.kept";

/* --- tokens, once more: an array of struct token and its hash --- */

/* The same token is the same bytes, those between its parts too. */
static int gather(void *arg, const struct token *t)
{
	struct token clean;
	memset(&clean, 0, sizeof(clean));
	memcpy(clean.id, t->id, sizeof(t->id));
	memcpy(clean.hash, t->hash, sizeof(t->hash));
	memcpy(clean.name, t->name, sizeof(t->name));
	clean.scopes = t->scopes;
	clean.made = t->made;
	clean.expires = t->expires;
	buf_add(arg, (struct str){ (const char *)&clean, sizeof(clean) });
	return 0;
}

static void sum_of(unsigned char sum[SUM], struct str bytes)
{
	crypto_generichash(sum, SUM, (const unsigned char *)bytes.p, bytes.n, NULL, 0);
}

int state_keep(struct state *s, struct err *err)
{
	unsigned char sum[SUM];
	CLEANUP(buf_free) struct buf all = { 0 };
	int code = state_tokens(s, gather, &all, err);
	if (code)
		return code;
	sum_of(sum, buf_str(&all));
	if (!memcmp(sum, s->kept, SUM))
		return 0;
	buf_add(&all, (struct str){ (const char *)sum, SUM });
	code = all.failed ? err_set(err, -ENOMEM, "%m") : atomic_write(s->dir, KEPT, buf_str(&all), 0600, err);
	if (!code)
		memcpy(s->kept, sum, SUM);
	return code;
}

/* How many there were, or -errno. */
static int put_kept(struct state *to)
{
	char path[PATH_MAX];
	unsigned char sum[SUM];
	const size_t most = (size_t)TOKENS_MAX * sizeof(struct token) + SUM;
	CLEANUP(buf_free) struct buf all = { 0 };
	snprintf(path, sizeof(path), "%s/%s", to->dir, KEPT);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *room = fd >= 0 ? buf_room(&all, most + 1) : NULL;
	ssize_t n = room ? read(fd, room, most + 1) : -1;
	if (fd >= 0)
		close(fd);
	if (n < SUM || (size_t)n > most || ((size_t)n - SUM) % sizeof(struct token))
		return -EBADMSG;
	sum_of(sum, (struct str){ room, (size_t)n - SUM });
	if (memcmp(sum, room + n - SUM, SUM) != 0)
		return -EBADMSG;
	int count = 0;
	for (const char *p = room; p < room + n - SUM; p += sizeof(struct token)) {
		struct token t;
		memcpy(&t, p, sizeof(t));
		t.id[TOKEN_ID] = t.name[TOKEN_NAME] = '\0';
		count += !state_token_put(to, &t, NULL);
	}
	return count;
}

/* --- what can be read of the damaged file --- */

struct salvage {
	struct state *to;
	uint64_t tokens, alerts;
	int64_t until;
};

static int take_token(void *arg, const struct token *t)
{
	struct salvage *s = arg;
	s->tokens += !state_token_put(s->to, t, NULL);
	return 0;
}

static int take_alert(void *arg, const struct alert_row *a)
{
	struct salvage *s = arg;
	bool added = false;
	int code = state_alert_add(s->to, a, &added, NULL);
	s->alerts += !code && added;
	return code || clock_monotonic(s->to->clock) > s->until;
}

static int salvage(struct salvage *s, const char *aside, struct err *err)
{
	char path[PATH_MAX];
	const struct sqlite_options reads = { .access = SQLITE_READS };
	struct state from = { .dir = s->to->dir, .read_only = true, .clock = s->to->clock };
	snprintf(path, sizeof(path), "%s/%s", s->to->dir, aside);
	int code = state_begin(s->to, err);
	if (code)
		return code;
	int kept = put_kept(s->to);
	s->tokens = kept > 0 ? (uint64_t)kept : 0;
	s->until = clock_monotonic(s->to->clock) + ALERTS_TIME;
	if (!sqlite_open(&from.db, path, &reads, NULL)) {
		if (kept < 0)
			state_tokens(&from, take_token, s, NULL);
		state_alerts(&from, INT64_MIN, 0, take_alert, s, NULL);
		sqlite_close(from.db);
	}
	return state_commit(s->to, err);
}

/* The WAL goes first: an old one beside a new file would be taken for its own. */
static int set_aside(const char *dir, char *aside, size_t size, struct err *err)
{
	static const char *const suffixes[] = { "-wal", "" };
	char from[PATH_MAX], to[PATH_MAX];
	int n = 1;
	do {
		snprintf(aside, size, "state.db.damaged-%d", n);
		snprintf(to, sizeof(to), "%s/%s", dir, aside);
	} while (!access(to, F_OK) && n++ < ASIDE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		snprintf(from, sizeof(from), "%s/state.db%s", dir, suffixes[i]);
		snprintf(to, sizeof(to), "%s/%s%s", dir, aside, suffixes[i]);
		if (n > ASIDE_MAX || (rename(from, to) && (errno != ENOENT || !*suffixes[i])))
			return err_set(err, n > ASIDE_MAX ? -EEXIST : -errno, "set '%s' aside: %m", from);
	}
	snprintf(from, sizeof(from), "%s/state.db-shm", dir);
	unlink(from);
	return 0;
}

int state_mend(const struct state_config *config, struct state_mended *ret, struct err *err)
{
	struct state_mended mended = { 0 };
	struct salvage s = { 0 };
	int code = set_aside(config->dir, mended.aside, sizeof(mended.aside), err);
	if (!code)
		code = state_open(&s.to, config, NULL, err);
	if (!code)
		code = salvage(&s, mended.aside, err);
	state_close(s.to);
	mended.tokens = s.tokens;
	mended.alerts = s.alerts;
	if (!code)
		*ret = mended;
	return code;
}
