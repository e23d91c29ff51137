/*
 * What is had again even where state.db is damaged: tokens and posts, each an array in a file of its own, with a hash.
 * The write lock is held while one is read and written, so that what stands there is never older than what was answered.
 */
#include "store/state_db.h"

#include "os/atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

enum { SUM = 32 };

/* The same token is the same bytes, those between its parts too. */
static int gather_token(void *arg, const struct token *t)
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

/* When it was seen last changes all the time, and is no loss. */
static int gather_post(void *arg, const struct post *p)
{
	struct post clean;
	memset(&clean, 0, sizeof(clean));
	memcpy(clean.name, p->name, sizeof(p->name));
	memcpy(clean.unit, p->unit, sizeof(p->unit));
	memcpy(clean.serial, p->serial, sizeof(p->serial));
	memcpy(clean.before, p->before, sizeof(p->before));
	memcpy(clean.who, p->who, sizeof(p->who));
	memcpy(clean.why, p->why, sizeof(p->why));
	clean.until = p->until;
	clean.enrolled = p->enrolled;
	clean.renewed = p->renewed;
	clean.sequence = p->sequence;
	clean.revoked = p->revoked;
	buf_add(arg, (struct str){ (const char *)&clean, sizeof(clean) });
	return 0;
}

static const struct kind {
	const char *name;
	size_t record, most;
} kinds[] = {
	[STATE_KEPT_TOKENS] = { "tokens.kept", sizeof(struct token), TOKENS_MAX },
	[STATE_KEPT_POSTS] = { "posts.kept", sizeof(struct post), POSTS_MAX },
};

static int gather(struct state *s, enum state_kept kind, struct buf *all, unsigned char sum[SUM], struct err *err)
{
	all->n = 0;
	int code = kind == STATE_KEPT_TOKENS ? state_tokens(s, gather_token, all, err)
	                                     : state_posts(s, gather_post, all, err);
	crypto_generichash(sum, SUM, (const unsigned char *)all->p, all->n, NULL, 0);
	return code ? code : all->failed ? err_set(err, -ENOMEM, "%m") : 0;
}

static int keep(struct state *s, enum state_kept kind, bool lock, struct err *err)
{
	unsigned char sum[SUM];
	CLEANUP(buf_free) struct buf all = { 0 };
	int code = gather(s, kind, &all, sum, err);
	if (code || !memcmp(sum, s->kept[kind], SUM))
		return code;
	code = lock ? state_begin(s, err) : 0;
	if (code)
		return code;
	code = gather(s, kind, &all, sum, err);
	buf_add(&all, (struct str){ (const char *)sum, SUM });
	if (!code)
		code = all.failed ? err_set(err, -ENOMEM, "%m")
		                  : atomic_write(s->dir, kinds[kind].name, buf_str(&all), 0600, err);
	if (lock)
		sqlite_run(s->db, "ROLLBACK", NULL);
	if (!code)
		memcpy(s->kept[kind], sum, SUM);
	return code;
}

int state_keep_posts(struct state *s, struct err *err)
{
	return keep(s, STATE_KEPT_POSTS, sqlite3_get_autocommit(s->db), err);
}

int state_keep(struct state *s, struct err *err)
{
	const bool lock = sqlite3_get_autocommit(s->db);
	int code = keep(s, STATE_KEPT_TOKENS, lock, err);
	return code ? code : keep(s, STATE_KEPT_POSTS, lock, err);
}

int state_kept(const char *dir, enum state_kept kind, struct buf *all)
{
	char path[PATH_MAX];
	unsigned char sum[SUM];
	const struct kind *k = &kinds[kind];
	const size_t most = k->most * k->record + SUM;
	snprintf(path, sizeof(path), "%s/%s", dir, k->name);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *room = fd >= 0 ? buf_room(all, most + 1) : NULL;
	ssize_t n = room ? read(fd, room, most + 1) : -1;
	if (fd >= 0)
		close(fd);
	if (n < SUM || (size_t)n > most || ((size_t)n - SUM) % k->record)
		return -EBADMSG;
	crypto_generichash(sum, SUM, (const unsigned char *)room, (size_t)n - SUM, NULL, 0);
	if (memcmp(sum, room + n - SUM, SUM) != 0)
		return -EBADMSG;
	all->n = (size_t)n - SUM;
	return 0;
}
