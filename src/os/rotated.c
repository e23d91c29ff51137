#include "os/rotated.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { LOOK_AT_MAX = 8192 }; /* names in a folder */

/* ".1", "-20260301", "-20260301-12:00": how many bytes of s are one; 0: none. */
static size_t mark(struct str s)
{
	size_t n = 2;
	if (s.n < 2 || !memchr(".-_", s.p[0], 3) || s.p[1] < '0' || s.p[1] > '9')
		return 0;
	while (n < s.n && memchr("0123456789-_:T", s.p[n], 14))
		n++;
	return n;
}

static bool is_end(struct str s)
{
	return !s.n || str_eq(s, STR(".gz")) || str_eq(s, STR(".zst"));
}

bool rotated_is(struct str log, struct str name)
{
	size_t dot = log.n, n;
	while (dot && log.p[dot - 1] != '.')
		dot--;
	if (str_starts(name, log)) {
		struct str rest = str_sub(name, log.n, name.n);
		n = mark(rest);
		if ((n && is_end(str_sub(rest, n, rest.n))) || str_eq(rest, STR(".old")))
			return true;
	}
	if (dot < 2)
		return false;
	struct str stem = str_sub(log, 0, dot - 1), suffix = str_sub(log, dot - 1, log.n);
	if (!str_starts(name, stem))
		return false;
	struct str rest = str_sub(name, stem.n, name.n);
	n = mark(rest);
	rest = str_sub(rest, n, rest.n);
	return n && str_starts(rest, suffix) && is_end(str_sub(rest, suffix.n, rest.n));
}

static void add(struct rotated *r, const char *name, int64_t written)
{
	size_t i = r->n;
	while (i && r->at[i - 1].written < written)
		i--;
	if (i == ROTATED_MAX)
		return;
	size_t move = (r->n < ROTATED_MAX ? r->n : ROTATED_MAX - 1) - i;
	memmove(&r->at[i + 1], &r->at[i], move * sizeof(r->at[0]));
	r->n += r->n < ROTATED_MAX;
	r->at[i].written = written;
	memcpy(r->at[i].name, name, strlen(name) + 1);
}

int rotated_list(struct rotated *ret, const char *folder, struct str log)
{
	ret->n = 0;
	DIR *d = opendir(folder);
	if (!d)
		return -errno;
	const struct dirent *e;
	for (int i = 0; i < LOOK_AT_MAX && (e = readdir(d)); i++) {
		struct stat st;
		if (rotated_is(log, str_from(e->d_name)) && !fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISREG(st.st_mode))
			add(ret, e->d_name, (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec);
	}
	closedir(d);
	return 0;
}
