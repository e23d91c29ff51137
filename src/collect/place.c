#include "collect/place.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[16] = "khien state 1";
static const int64_t TIME_MOST = (int64_t)1 << 60;

struct slot {
	unsigned char sum[32]; /* of what follows, up to `size` */
	char magic[16];
	uint64_t turn;
	uint32_t size, record; /* bytes of the slot in use; of a struct place_file */
	struct place_table table;
};

enum { SLOT = (sizeof(struct slot) + 4095) / 4096 * 4096 };

struct places {
	int fd;
	uint64_t turn;
	struct slot slot; /* what was saved last */
};

static void sum(unsigned char ret[32], const struct slot *s)
{
	crypto_generichash(ret, 32, (const unsigned char *)s->magic, s->size - offsetof(struct slot, magic), NULL, 0);
}

void place_hash(unsigned char ret[PLACE_HASH], struct str a)
{
	crypto_generichash(ret, PLACE_HASH, (const unsigned char *)a.p, a.n, NULL, 0);
}

/* mkdir -p; nobody else may list the last one, but others of khien have folders in it. */
static int make_folders(const char *dir)
{
	char path[4096];
	size_t n = strlen(dir);
	if (!n || n >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, dir, n + 1);
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		mkdir(path, 0755);
		*p = '/';
	}
	return mkdir(path, 0711) && errno != EEXIST ? -errno : 0;
}

int place_open(struct places **ret, const char *dir, const char *name, struct err *err)
{
	struct places *s = calloc(1, sizeof(*s));
	int code = sodium_init() < 0 ? -EIO : s ? make_folders(dir) : -ENOMEM;
	int folder = code ? -1 : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!code && folder < 0)
		code = -errno;
	int fd = code ? -1 : openat(folder, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (!code && fd < 0)
		code = -errno;
	if (folder >= 0)
		close(folder);
	if (!code && flock(fd, LOCK_EX | LOCK_NB))
		code = errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (code) {
		if (fd >= 0)
			close(fd);
		free(s);
		return err_set(err, code, code == -EBUSY ? "%s: another khien keeps its place there" : "%s: %m", dir);
	}
	s->fd = fd;
	*ret = s;
	return 0;
}

void place_free(struct places *s)
{
	if (!s)
		return;
	close(s->fd);
	free(s);
}

/* Times are added and subtracted: they stay far from the ends of their type. */
static bool are_points(const struct place_point *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (p[i].time < -TIME_MOST || p[i].time > TIME_MOST)
			return false;
	return true;
}

static bool is_cursor(const struct place_cursor *c)
{
	return !c->at[PLACE_CURSOR - 1] && c->time >= -TIME_MOST && c->time <= TIME_MOST;
}

/* A slot is whole when its sum says so; what stands in it is checked all the same. */
static bool read_slot(const struct places *s, int which, struct slot *ret)
{
	unsigned char want[32];
	const struct place_table *t = &ret->table;
	ssize_t n = pread(s->fd, ret, sizeof(*ret), (off_t)which * SLOT);
	size_t least = offsetof(struct slot, table) + offsetof(struct place_table, files);
	if (n < (ssize_t)least || memcmp(ret->magic, magic, sizeof(magic)) || ret->size > (size_t)n ||
	    ret->size < least || ret->record != sizeof(struct place_file))
		return false;
	sum(want, ret);
	if (memcmp(want, ret->sum, sizeof(want)) || t->n > PLACE_MAX_FILES || t->n_journal_points > PLACE_POINTS ||
	    ret->size != least + t->n * sizeof(t->files[0]) || !is_cursor(&t->journal))
		return false;
	for (uint32_t i = 0; i < t->n; i++)
		if (t->files[i].n_points > PLACE_POINTS || t->files[i].head_len > PLACE_HEAD ||
		    !are_points(&t->files[i].at, 1) || !are_points(t->files[i].points, t->files[i].n_points))
			return false;
	for (uint32_t i = 0; i < t->n_journal_points; i++)
		if (!is_cursor(&t->journal_points[i]))
			return false;
	return true;
}

int place_load(struct places *s, struct place_table *table, struct err *err)
{
	struct slot *slot = calloc(1, sizeof(*slot));
	struct stat st;
	bool found = false;
	*table = (struct place_table){ 0 };
	if (!slot || fstat(s->fd, &st)) {
		free(slot);
		return err_set(err, -ENOMEM, "%m");
	}
	for (int i = 0; i < 2; i++) {
		if (!read_slot(s, i, slot) || (found && slot->turn <= s->turn))
			continue;
		found = true;
		s->turn = slot->turn;
		*table = slot->table;
		/* the slot may hold more behind them from a longer table before */
		memset(&table->files[table->n], 0, (PLACE_MAX_FILES - table->n) * sizeof(table->files[0]));
	}
	free(slot);
	if (!found && st.st_size)
		return err_set(err, -EBADMSG, "what was saved is damaged or of another version");
	return found;
}

int place_save(struct places *s, const struct place_table *table, struct err *err)
{
	struct slot *slot = &s->slot;
	size_t n = offsetof(struct place_table, files) + table->n * sizeof(table->files[0]);
	size_t first = offsetof(struct place_table, journal);
	size_t size = offsetof(struct slot, table) + n;
	if (slot->size == size && !memcmp((char *)&slot->table + first, (const char *)table + first, n - first))
		return 0;
	memcpy(&slot->table, table, n);
	memcpy(slot->magic, magic, sizeof(magic));
	slot->turn = ++s->turn;
	slot->size = (uint32_t)size;
	slot->record = sizeof(struct place_file);
	sum(slot->sum, slot);
	ssize_t done = pwrite(s->fd, slot, size, (off_t)(s->turn & 1) * SLOT);
	int code = done < 0 ? -errno : done < (ssize_t)size ? -ENOSPC : fdatasync(s->fd) ? -errno : 0;
	if (code) {
		slot->size = 0;
		s->turn--; /* this slot again: the other one is whole */
	}
	return code ? err_set(err, code, "%m") : 0;
}

void place_add_point(struct place_point *points, uint32_t *n, const struct place_point *p)
{
	if (*n == PLACE_POINTS) {
		memmove(points, points + 1, (PLACE_POINTS - 1) * sizeof(*points));
		--*n;
	}
	points[(*n)++] = *p;
}

struct place_point place_from(const struct place_file *f, int64_t horizon, uint64_t most)
{
	struct place_point best = f->at;
	for (uint32_t i = f->n_points; i-- > 0;) {
		const struct place_point *p = &f->points[i];
		if (horizon <= 0 || p->offset > best.offset || f->at.offset - p->offset > most)
			break;
		best = *p;
		if (p->time <= f->at.time - horizon)
			break;
	}
	return best;
}
