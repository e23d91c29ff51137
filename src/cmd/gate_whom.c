#include "cmd/gate_whom.h"

#include "cmd/config.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WIDEST_V4 = 96 + 16, WIDEST_V6 = 32, PARENTS = 32, ENVIRONMENT = 64 << 10 };

static bool overlap(const struct flood_addr *a, unsigned a_bits, const struct flood_addr *b, unsigned b_bits)
{
	const unsigned bits = a_bits < b_bits ? a_bits : b_bits, whole = bits / 8;
	if (memcmp(a->b, b->b, whole) != 0)
		return false;
	return bits % 8 == 0 || (a->b[whole] ^ b->b[whole]) >> (8 - bits % 8) == 0;
}

static bool holds(const struct flood_addr *addr, uint8_t bits, struct str text)
{
	struct flood_addr other;
	uint8_t other_bits;
	return !list_prefix(text, &other, &other_bits, NULL) && overlap(addr, bits, &other, other_bits);
}

/* --- the site --- */

static bool holds_site(const char *url, const struct flood_addr *addr, uint8_t bits)
{
	const char *host = url ? strstr(url, "://") : NULL;
	char name[256];
	struct addrinfo *found = NULL, hints = { .ai_socktype = SOCK_STREAM };
	bool hit = false;
	if (!host)
		return false;
	host += 3;
	const bool bracket = *host == '[';
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(host + bracket, bracket ? "]" : ":/"), host + bracket);
	if (getaddrinfo(name, NULL, &hints, &found))
		return false;
	for (const struct addrinfo *i = found; i && !hit; i = i->ai_next) {
		struct flood_addr a = { { [10] = 0xff, [11] = 0xff } };
		if (i->ai_family == AF_INET)
			memcpy(a.b + 12, &((const struct sockaddr_in *)i->ai_addr)->sin_addr, 4);
		else if (i->ai_family == AF_INET6)
			memcpy(a.b, &((const struct sockaddr_in6 *)i->ai_addr)->sin6_addr, 16);
		else
			continue;
		hit = overlap(addr, bits, &a, 128);
	}
	freeaddrinfo(found);
	return hit;
}

/* --- who types it --- */

/* A small file of /proc; 0: it can't be read. */
static size_t read_proc(pid_t pid, const char *name, char *to, size_t size)
{
	char path[64];
	size_t n = 0;
	ssize_t more = 1;
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && more > 0 && n < size - 1) {
		more = read(fd, to + n, size - 1 - n);
		n += more > 0 ? (size_t)more : 0;
	}
	if (fd >= 0)
		close(fd);
	to[n] = '\0';
	return n;
}

static pid_t parent_of(pid_t pid)
{
	char text[512];
	const size_t n = read_proc(pid, "stat", text, sizeof(text));
	const char *behind = n ? strrchr(text, ')') : NULL; /* a program's name may have any bytes */
	return behind && strlen(behind) > 4 ? (pid_t)strtol(behind + 4, NULL, 10) : 0;
}

/* SSH_CONNECTION of the session that this runs in: sudo takes it out of the environment, a parent still has it. */
static bool holds_session(const struct flood_addr *addr, uint8_t bits)
{
	static const char key[] = "SSH_CONNECTION=";
	const char *own = getenv("SSH_CONNECTION");
	char *text = own ? NULL : malloc(ENVIRONMENT);
	bool hit = own && holds(addr, bits, str_sub(str_from(own), 0, strcspn(own, " ")));
	pid_t pid = getppid();
	for (int i = 0; text && i < PARENTS && pid > 1 && !hit; i++, pid = parent_of(pid)) {
		const size_t n = read_proc(pid, "environ", text, ENVIRONMENT);
		for (size_t at = 0; at < n; at += strlen(text + at) + 1) {
			const char *value = text + at + sizeof(key) - 1;
			if (strncmp(text + at, key, sizeof(key) - 1) == 0)
				hit = hit || holds(addr, bits, (struct str){ value, strcspn(value, " ") });
		}
	}
	free(text);
	return hit;
}

int gate_whom(const struct config_gate *c, const struct flood_addr *addr, uint8_t bits, struct err *err)
{
	const char *who = NULL;
	if (holds(addr, bits, STR("127.0.0.0/8")) || holds(addr, bits, STR("::1")))
		who = "this machine itself is in it";
	else if (bits < (list_is_v4(addr) ? WIDEST_V4 : WIDEST_V6))
		who = "it is wider than /16 (IPv6: /32)";
	else if (holds_session(addr, bits))
		who = "it is where you are logged in from";
	else if (holds_site(c->upstream, addr, bits))
		who = "the site is in it (gate.upstream)";
	for (size_t i = 0; i < c->proxies.n && !who; i++)
		if (holds(addr, bits, str_from(c->proxies.at[i])))
			who = "a proxy that all may come through is in it (gate.proxies)";
	return who ? err_set(err, -EPERM, "not blocked: %s; --really blocks it nevertheless", who) : 0;
}
