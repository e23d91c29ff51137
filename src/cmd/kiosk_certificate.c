/* The kiosk's certificate: of files that somebody else renews, or of the hub's CA on this machine. */
#include "cmd/kiosk.h"
#include "cmd/machine_certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PEM_MAX = 64 << 10 };

void kiosk_forget_password(void)
{
	char *password = getenv("PGPASSWORD");
	if (password)
		sodium_memzero(password, strlen(password));
	unsetenv("PGPASSWORD");
}

void kiosk_wipe(struct buf *secret)
{
	if (secret->p)
		sodium_memzero(secret->p, secret->cap);
	buf_free(secret);
}

int kiosk_file(const char *path, struct buf *to, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), code = 0;
	char *room = fd >= 0 ? buf_room(to, PEM_MAX + 1) : NULL;
	const ssize_t n = room ? read(fd, room, PEM_MAX + 1) : -1;
	if (n < 0)
		code = err_set(err, fd >= 0 && !room ? -ENOMEM : -errno, "read '%s': %m", path);
	else if (!n || n > PEM_MAX)
		code = err_set(err, -EINVAL, "'%s' is empty, or has more than %d bytes", path, PEM_MAX);
	to->n += !code ? (size_t)n : 0;
	if (fd >= 0)
		close(fd);
	return code;
}

static int from_hub(struct kiosk *k, const char *hub_data, struct buf *chain, struct buf *key, struct err *err)
{
	char of_hub[4200], own[4200];
	snprintf(of_hub, sizeof(of_hub), "%s/pki", hub_data);
	snprintf(own, sizeof(own), "%s/pki", k->c->data);
	int code = machine_certificate(of_hub, own, &k->c->names, k->clock, chain, key, err);
	return code == -ENOENT
	               ? err_set(err, code,
	                         "there is no hub's CA in '%s': write kiosk.tls.certificate and kiosk.tls.key", of_hub)
	               : code;
}

int kiosk_certificate(struct kiosk *k, const char *hub_data, struct err *err)
{
	CLEANUP(kiosk_wipe) struct buf key = { 0 };
	CLEANUP(buf_free) struct buf chain = { 0 };
	if (!k->c->https.n)
		return 0;
	int code = k->c->certificate ? kiosk_file(k->c->certificate, &chain, err)
	                             : from_hub(k, hub_data, &chain, &key, err);
	if (!code && k->c->certificate)
		code = kiosk_file(k->c->key, &key, err);
	if (code)
		return code;
	const struct buf old_key = k->key, old_chain = k->chain;
	k->key = key;
	k->chain = chain;
	key = old_key;
	chain = old_chain;
	return 0;
}
