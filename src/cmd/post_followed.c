/* Logs that the hub ordered to be followed: a path a line in the post's folder, held against the folders permitted. */
#include "cmd/post.h"
#include "os/atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { FILE_MAX = POST_FOLLOWED_MAX * OPENER_TEXT };

/* The folder that permits it, NULL: none. Whoever wrote it: the file belongs to the worker, which reads foreign bytes. */
static const char *permits(const struct config_list *below, struct str path)
{
	if (!path.n || path.n >= OPENER_TEXT || path.p[0] != '/' || memchr(path.p, '\0', path.n) ||
	    memmem(path.p, path.n, "//", 2) || memmem(path.p, path.n, "/./", 3) || memmem(path.p, path.n, "/../", 4) ||
	    str_ends(path, STR("/")) || str_ends(path, STR("/.")) || str_ends(path, STR("/..")))
		return NULL;
	for (size_t i = 0; i < below->n; i++) {
		const struct str folder = str_from(below->at[i]);
		if (str_starts(path, folder) && path.n > folder.n + 1 && path.p[folder.n] == '/')
			return below->at[i];
	}
	return NULL;
}

static void add(struct post_followed *f, struct str path, const char *below)
{
	if (f->n == POST_FOLLOWED_MAX)
		return;
	memcpy(f->paths[f->n], path.p, path.n);
	f->below[f->n] = below;
	f->paths[f->n++][path.n] = '\0';
}

int post_followed_load(struct post_followed *f, const char *dir, const struct config_list *below, struct err *err)
{
	char path[4200];
	CLEANUP(buf_free) struct buf text = { 0 };
	f->n = 0;
	snprintf(path, sizeof(path), "%s/followed", dir);
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_set(err, -errno, "open '%s': %m", path);
	char *room = buf_room(&text, FILE_MAX);
	ssize_t n = room ? read(fd, room, FILE_MAX) : -1;
	close(fd);
	if (n < 0)
		return err_set(err, -EIO, "read '%s': %m", path);
	for (struct str left = { text.p, (size_t)n }; left.n;) {
		const struct str line = str_sub(left, 0, str_find(left, '\n'));
		const char *folder = permits(below, line);
		if (folder)
			add(f, line, folder);
		left = str_sub(left, line.n + 1, left.n);
	}
	return 0;
}

static int save(const struct post_followed *f, const char *dir, struct err *err)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	for (size_t i = 0; i < f->n; i++)
		buf_printf(&text, "%s\n", f->paths[i]);
	return text.failed ? err_set(err, -ENOMEM, "%m") : atomic_write(dir, "followed", buf_str(&text), 0600, err);
}

int post_follow(struct post_followed *f, const char *dir, const struct config_list *below, struct str path, bool on,
                struct err *err)
{
	const char *folder = permits(below, path);
	size_t i = 0;
	if (!folder)
		return err_set(err, -EPERM, "it lies in none of the folders of post.follow_below");
	while (i < f->n && !str_eq(str_from(f->paths[i]), path))
		i++;
	if ((i < f->n) == on)
		return 0;
	if (on && f->n == POST_FOLLOWED_MAX)
		return err_set(err, -E2BIG, "%d are followed by orders already", POST_FOLLOWED_MAX);
	struct post_followed next = *f; /* what isn't on the disk isn't so here either */
	if (on) {
		add(&next, path, folder);
	} else {
		next.n--;
		memmove(next.paths[i], next.paths[next.n], sizeof(next.paths[0]));
		next.below[i] = next.below[next.n];
	}
	int code = save(&next, dir, err);
	if (code)
		return code;
	*f = next;
	return 1;
}
