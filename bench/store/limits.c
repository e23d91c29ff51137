/* What the machine does with the same bytes when nobody asks for more: copying, zstd, the disk. */
#include "base/buf.h"
#include "feed.h"
#include "store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

enum { ROUNDS = 5, BLOCK = 4 << 20, MAX_PATH = 4096 };

struct sample {
	struct buf bytes;
	size_t groups[4096]; /* where each ends */
	size_t n_groups;
	double events;
};

static void limit_copy(struct sample *s)
{
	double times[ROUNDS];
	char *to = malloc(s->bytes.n);
	if (!to)
		die("no memory");
	memset(to, 1, s->bytes.n);
	for (int i = 0; i < ROUNDS; i++) {
		double begin = seconds();
		memcpy(to, s->bytes.p, s->bytes.n);
		__asm__ volatile("" : : "r"(to) : "memory"); /* it is needed, whatever the compiler thinks */
		times[i] = seconds() - begin;
	}
	free(to);
	figure("limit_", "copy_events_per_s", s->events / median(times, ROUNDS), "events/s");
}

static void limit_zstd(struct sample *s, int level, const char *name)
{
	char *to = malloc(ZSTD_compressBound(BLOCK)), figure_name[64];
	size_t stored = 0;
	if (!to)
		die("no memory");
	double begin = seconds();
	for (size_t at = 0; at < s->bytes.n; at += BLOCK) {
		struct str block = str_sub(buf_str(&s->bytes), at, BLOCK);
		size_t n = ZSTD_compress(to, ZSTD_compressBound(BLOCK), block.p, block.n, level);
		if (ZSTD_isError(n))
			die("zstd: %s", ZSTD_getErrorName(n));
		stored += n;
	}
	double took = seconds() - begin;
	free(to);
	snprintf(figure_name, sizeof(figure_name), "%s_events_per_s", name);
	figure("limit_", figure_name, s->events / took, "events/s");
	snprintf(figure_name, sizeof(figure_name), "%s_raw_per_stored", name);
	figure("limit_", figure_name, (double)s->bytes.n / (double)stored, "x");
}

/* Appending with an fsync behind each group. */
static void limit_disk(struct sample *s, const char *dir)
{
	char path[MAX_PATH];
	snprintf(path, sizeof(path), "%s/limit", dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		die("open '%s': %m", path);
	double begin = seconds(), synced = 0;
	for (size_t i = 0, from = 0; i < s->n_groups; from = s->groups[i++]) {
		size_t n = s->groups[i] - from;
		if (write(fd, s->bytes.p + from, n) != (ssize_t)n)
			die("write '%s': %m", path);
		double before = seconds();
		if (fdatasync(fd))
			die("sync '%s': %m", path);
		synced += seconds() - before;
	}
	double took = seconds() - begin;
	close(fd);
	unlink(path);
	figure("limit_", "disk_events_per_s", s->events / took, "events/s");
	figure("limit_", "fsync_ms", synced / (double)s->n_groups * 1e3, "ms");
}

void limits(const char *dir, struct feed *feed)
{
	static struct sample s = { .bytes.max = (size_t)1 << 30 };
	const struct feed_group *group;
	while (s.n_groups < ARRAY_LEN(s.groups) && (group = feed_next(feed))) {
		for (size_t i = 0; i < group->n; i++) {
			buf_add(&s.bytes, group->rows[i].json);
			buf_putc(&s.bytes, '\n');
		}
		s.events += (double)group->n;
		s.groups[s.n_groups++] = s.bytes.n;
	}
	if (s.bytes.failed || !s.n_groups)
		die("limits: from 1 to 1,000,000 events");
	limit_copy(&s);
	limit_zstd(&s, 1, "zstd1");
	limit_zstd(&s, 3, "zstd3");
	limit_disk(&s, dir);
	buf_free(&s.bytes);
}
