#include "kiosk/seal_hook.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECRET_MAX = 512 };

struct hook_secrets {
	struct {
		char text[SECRET_MAX + 2]; /* room to see that it is longer */
		size_t n;
	} of[N_HOOKS];
};

const char *const hook_names[N_HOOKS] = { [HOOK_SEPAY] = "sepay", [HOOK_PAYOS] = "payos" };

static int read_secret(int fd, const char *path, char *text, size_t *n, struct err *err)
{
	struct stat st;
	if (fstat(fd, &st))
		return err_set(err, -errno, "secret '%s': %m", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EBADMSG, "secret '%s': not a file", path);
	if (st.st_mode & 077)
		return err_set(err, -EPERM, "secret '%s': others may read it: chmod 600", path);
	size_t have = 0;
	ssize_t got;
	while (have < SECRET_MAX + 2 && (got = read(fd, text + have, SECRET_MAX + 2 - have)))
		if (got > 0)
			have += (size_t)got;
		else if (errno != EINTR)
			return err_set(err, -errno, "secret '%s': %m", path);
	while (have && (text[have - 1] == '\n' || text[have - 1] == '\r' || text[have - 1] == ' '))
		have--;
	if (!have || have > SECRET_MAX || memchr(text, '\n', have) || memchr(text, 0, have))
		return err_set(err, -EBADMSG, "secret '%s': wanted is one line of at most %d bytes", path, SECRET_MAX);
	*n = have;
	return 0;
}

int hook_secrets_open(struct hook_secrets **ret, const char *folder, struct err *err)
{
	struct hook_secrets *h = calloc(1, sizeof(*h));
	if (!h)
		return err_set(err, -ENOMEM, "secrets of webhooks: %m");
	int rc = 0;
	for (unsigned i = 0; i < N_HOOKS && !rc; i++) {
		char path[4096];
		if (snprintf(path, sizeof(path), "%s/hook-%s", folder, hook_names[i]) >= (int)sizeof(path)) {
			rc = err_set(err, -ENAMETOOLONG, "secrets of webhooks: '%s' is too long a name", folder);
			break;
		}
		int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd < 0 && errno == ENOENT)
			continue;
		rc = fd < 0 ? err_set(err, -errno, "open secret '%s': %m", path)
		            : read_secret(fd, path, h->of[i].text, &h->of[i].n, err);
		if (fd >= 0)
			close(fd);
	}
	if (rc) {
		hook_secrets_close(h);
		return rc;
	}
	*ret = h;
	return 0;
}

void hook_secrets_close(struct hook_secrets *h)
{
	if (!h)
		return;
	sodium_memzero(h, sizeof(*h));
	free(h);
}

struct str hook_secret(const struct hook_secrets *h, enum hook_kind kind)
{
	return h ? (struct str){ h->of[kind].text, h->of[kind].n } : STR("");
}
