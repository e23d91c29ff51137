/* A damaged state.db doesn't keep the hub from taking events: what can be had again goes into a new one. */
#include "store/state_db.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ASIDE_MAX = 1000 };
static const int64_t ALERTS_TIME = CLOCK_S; /* the hub is waited for */

/* How many there were, or -errno. */
static int put_kept(struct state *to)
{
	CLEANUP(buf_free) struct buf all = { 0 };
	int count = 0, code = state_kept(to->dir, STATE_KEPT_TOKENS, &all);
	for (size_t at = 0; !code && at < all.n; at += sizeof(struct token)) {
		struct token t;
		memcpy(&t, all.p + at, sizeof(t));
		t.id[TOKEN_ID] = t.name[TOKEN_NAME] = '\0';
		count += !state_token_put(to, &t, NULL);
	}
	return code ? code : count;
}

/* --- what can be read of the damaged file --- */

struct salvage {
	struct state *to;
	uint64_t tokens, alerts, posts;
	int64_t until;
	int64_t now;
};

static int take_token(void *arg, const struct token *t)
{
	struct salvage *s = arg;
	s->tokens += !state_token_put(s->to, t, NULL);
	return 0;
}

/*
 * What the damaged file says of a post may be older than what was answered: it can take rights away, and give none. So a
 * post that state_keep() didn't know comes back revoked.
 */
static int take_post(void *arg, const struct post *p)
{
	struct salvage *s = arg;
	struct post known;
	if (state_post_get(s->to, str_from(p->name), &known, NULL)) {
		known = *p;
		if (!known.revoked) {
			known.revoked = s->now;
			snprintf(known.who, sizeof(known.who), "khien");
			snprintf(known.why, sizeof(known.why), "state.db was damaged: enrol it anew");
		}
		s->posts += !state_post_put(s->to, &known, NULL);
		return 0;
	}
	if (p->revoked && !known.revoked) {
		known.revoked = p->revoked;
		memcpy(known.who, p->who, sizeof(known.who));
		memcpy(known.why, p->why, sizeof(known.why));
	}
	known.sequence = p->sequence > known.sequence ? p->sequence : known.sequence;
	known.seen = p->seen;
	state_post_put(s->to, &known, NULL);
	return 0;
}

static void put_kept_posts(struct salvage *s)
{
	CLEANUP(buf_free) struct buf all = { 0 };
	if (state_kept(s->to->dir, STATE_KEPT_POSTS, &all))
		return;
	for (size_t at = 0; at < all.n; at += sizeof(struct post)) {
		struct post p;
		memcpy(&p, all.p + at, sizeof(p));
		p.name[POST_NAME] = p.unit[POST_NAME] = p.serial[POST_SERIAL] = p.before[POST_SERIAL] = '\0';
		p.who[POST_WHO] = p.why[POST_WHY] = '\0';
		s->posts += !state_post_put(s->to, &p, NULL);
	}
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
	put_kept_posts(s);
	s->now = clock_wall(s->to->clock);
	s->until = clock_monotonic(s->to->clock) + ALERTS_TIME;
	if (!sqlite_open(&from.db, path, &reads, NULL)) {
		if (kept < 0)
			state_tokens(&from, take_token, s, NULL);
		state_posts(&from, take_post, s, NULL);
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
	mended.posts = s.posts;
	if (!code)
		*ret = mended;
	return code;
}
