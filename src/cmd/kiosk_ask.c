/* DATA/control, from both of its ends. */
#include "cmd/kiosk.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 8 };
static const int64_t PATIENCE = 60LL * CLOCK_S;

struct kiosk_line {
	struct link link;
	uint64_t number;
};

static int address(const char *data, struct sockaddr_un *to, struct err *err)
{
	*to = (struct sockaddr_un){ .sun_family = AF_UNIX };
	const int n = snprintf(to->sun_path, sizeof(to->sun_path), "%s/control", data);
	return n > 0 && (size_t)n < sizeof(to->sun_path)
	               ? 0
	               : err_set(err, -ENAMETOOLONG, "the folder's name '%s' is too long for a socket in it", data);
}

int kiosk_control(const char *data, const char *user, struct err *err)
{
	struct sockaddr_un at;
	int code = address(data, &at, err);
	if (code)
		return code;
	const struct passwd *pw = user ? getpwnam(user) : NULL;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	unlink(at.sun_path);
	const mode_t was = umask(0177);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) || listen(fd, BACKLOG) ||
	    (pw && lchown(at.sun_path, pw->pw_uid, pw->pw_gid)))
		code = err_set(err, -errno, "listen on '%s': %m", at.sun_path);
	umask(was);
	if (code && fd >= 0)
		close(fd);
	return code ? code : fd;
}

int kiosk_line_open(struct kiosk_line **ret, const char *data, struct err *err)
{
	struct sockaddr_un to;
	struct kiosk_line *l = calloc(1, sizeof(*l));
	int code = l ? address(data, &to, err) : err_set(err, -ENOMEM, "%m");
	if (code) {
		free(l);
		return code;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)))
		code = -errno;
	if (!code)
		code = link_init(&l->link, fd, N_KIOSK_KINDS);
	if (!code) {
		*ret = l;
		return 0;
	}
	if (fd >= 0)
		close(fd);
	free(l);
	if (code == -ENOENT || code == -ECONNREFUSED)
		return err_set(err, code, "no khien kiosk runs on '%s': start it, or name its folder with --data",
		               data);
	if (code == -EACCES)
		return err_set(err, code, "no right to '%s': run this as root, or as the user the kiosk runs as",
		               to.sun_path);
	return err_set(err, code, "connect to '%s': %m", to.sun_path);
}

void kiosk_line_close(struct kiosk_line *l)
{
	if (!l)
		return;
	link_done(&l->link);
	free(l);
}

/* The answer of this number; NULL, and code: why there is none. */
static json_t *wait_for(struct kiosk_line *l, uint64_t number, int *code)
{
	const int64_t until = clock_monotonic(&clock_system) + PATIENCE;
	struct link_head head;
	struct str body;
	for (*code = link_flush(&l->link); !*code;) {
		struct pollfd p = { .fd = l->link.fd, .events = POLLIN | (link_pending(&l->link) ? POLLOUT : 0) };
		int more;
		while ((more = link_next(&l->link, &head, &body)) > 0)
			if (head.kind == KIOSK_ANSWER && head.seq == number)
				return json_loadb(body.p, body.n, 0, NULL);
		const int64_t left = until - clock_monotonic(&clock_system);
		*code = more < 0 ? more : left <= 0 ? -ETIMEDOUT : 0;
		if (!*code && poll(&p, 1, (int)(left / CLOCK_MS) + 1) > 0)
			*code = p.revents & ~POLLOUT ? link_read(&l->link) : link_flush(&l->link);
	}
	return NULL;
}

int kiosk_ask(struct kiosk_line *l, json_t *call, json_t **answer, struct err *err)
{
	const struct link_head head = { .kind = KIOSK_CALL, .seq = ++l->number, .n = UINT32_MAX };
	char *text = json_dumps(call, JSON_COMPACT);
	int code = 0;
	json_decref(call);
	if (!text)
		return err_set(err, -ENOMEM, "%m");
	link_put(&l->link, &head, str_from(text));
	sodium_memzero(text, strlen(text));
	free(text);
	json_t *got = wait_for(l, l->number, &code);
	const char *trouble = json_string_value(json_object_get(got, "trouble"));
	if (!got || trouble) {
		code = trouble ? err_set(err, -EREMOTEIO, "%s", trouble)
		               : err_set(err, code ? code : -EPROTO, "the kiosk doesn't answer: %m");
		json_decref(got);
		return code;
	}
	*answer = got;
	return 0;
}
