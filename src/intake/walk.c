#include "intake/intake.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { MAX_DEPTH = 64 };

struct walk {
	int (*fn)(void *arg, const char *path, uint64_t size);
	void *arg;
	struct err *err;
};

static int not_hidden(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int walk(const struct walk *w, const char *path, int depth);

static int walk_folder(const struct walk *w, const char *path, int depth)
{
	struct dirent **names;
	int n = depth < MAX_DEPTH ? scandir(path, &names, not_hidden, by_bytes) : (errno = ELOOP, -1);
	if (n < 0)
		return err_set(w->err, -errno, "read folder '%s': %m", path);
	int rc = 0;
	for (int i = 0; i < n; i++) {
		char *inner = NULL;
		const char *slash = path[strlen(path) - 1] == '/' ? "" : "/";
		if (!rc && asprintf(&inner, "%s%s%s", path, slash, names[i]->d_name) < 0)
			rc = err_set(w->err, -ENOMEM, "read folder '%s': %m", path);
		else if (!rc)
			rc = walk(w, inner, depth + 1);
		free(inner);
		free(names[i]);
	}
	free(names);
	return rc;
}

/* Links to files are followed, links to folders only when named by the caller: so there are no circles. */
static int walk(const struct walk *w, const char *path, int depth)
{
	struct stat st, link;
	if (stat(path, &st) || lstat(path, &link)) {
		int code = -errno;
		bool dangling = depth && code == -ENOENT; /* a link to nothing, or just deleted */
		return dangling ? 0 : err_set(w->err, code, "open '%s': %m", path);
	}
	if (S_ISREG(st.st_mode))
		return w->fn(w->arg, path, (uint64_t)st.st_size);
	if (S_ISDIR(st.st_mode) && (!depth || !S_ISLNK(link.st_mode)))
		return walk_folder(w, path, depth);
	return 0;
}

int intake_walk(const char *path, int (*fn)(void *arg, const char *path, uint64_t size), void *arg, struct err *err)
{
	const struct walk w = { fn, arg, err };
	return walk(&w, path[0] ? path : ".", 0);
}
