#include "post/identity.h"

#include "order/wire.h"
#include "os/atomic.h"
#include "pki/pki.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 64 << 10, PEM_MAX = 16 << 10 };
#define FIRST_LINE "khien post 1\n"
static const char BEGINS[] = "-----BEGIN ", ENDS[] = "-----END ";

static void wipe(struct buf *b)
{
	if (b->p)
		sodium_memzero(b->p, b->cap);
	buf_free(b);
	*b = (struct buf){ 0 };
}

void identity_done(struct identity *i)
{
	wipe(&i->key);
	buf_free(&i->certificate);
	buf_free(&i->ca);
	*i = (struct identity){ 0 };
}

static int read_file(const char *dir, const char *name, struct buf *to, struct err *err)
{
	char path[4200];
	struct stat st;
	int code = 0;
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return err_set(err, -ENAMETOOLONG, "the post's folder: %m");
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "open '%s': %m", path);
	char *room = buf_room(to, FILE_MAX + 1);
	ssize_t n = room && !fstat(fd, &st) && S_ISREG(st.st_mode) ? read(fd, room, FILE_MAX + 1) : -1;
	if (n < 0 || n > FILE_MAX)
		code = err_set(err, -EBADMSG, "'%s' is no file of at most %d bytes", path, FILE_MAX);
	else
		to->n += (size_t)n;
	close(fd);
	return code;
}

static bool set_text(char *to, size_t size, struct str s)
{
	if (!s.n || s.n >= size)
		return false;
	memcpy(to, s.p, s.n);
	to[s.n] = '\0';
	return true;
}

/* --- the file --- */

static bool take_line(struct identity *i, struct str line)
{
	const size_t blank = str_find(line, ' ');
	const struct str word = str_sub(line, 0, blank), rest = str_sub(line, blank + 1, line.n);
	char host[DIAL_HUB], port[8];
	if (str_eq(word, STR("name")))
		return pki_is_title(rest) && set_text(i->name, sizeof(i->name), rest);
	if (str_eq(word, STR("unit")))
		return pki_is_title(rest) && set_text(i->unit, sizeof(i->unit), rest);
	if (str_eq(word, STR("hub")))
		return i->n_hubs < DIAL_HUBS && set_text(i->hubs[i->n_hubs], DIAL_HUB, rest) &&
		       !dial_split(i->hubs[i->n_hubs++], host, port);
	if (str_eq(word, STR("order-key")))
		return i->n_order_keys < ORDER_KEYS_MAX && !order_key_read(rest, i->order_keys[i->n_order_keys++]);
	return false;
}

/* One PEM block off the front. */
static bool take_pem(struct str *s, struct buf *to)
{
	const char *end = s->n ? memmem(s->p, s->n, ENDS, sizeof(ENDS) - 1) : NULL;
	if (!end || !str_starts(*s, str_from(BEGINS)))
		return false;
	size_t n = (size_t)(end - s->p);
	n += str_find(str_sub(*s, n, s->n), '\n') + 1;
	if (n > s->n || n > PEM_MAX)
		return false;
	buf_add(to, str_sub(*s, 0, n));
	*s = str_sub(*s, n, s->n);
	return !to->failed;
}

static bool set_dates(struct identity *i)
{
	struct pki_info info;
	if (pki_read(buf_str(&i->certificate), &info, NULL))
		return false;
	i->from = info.from;
	i->until = info.until;
	return true;
}

static bool parse(struct identity *i, struct str text)
{
	if (!str_starts(text, STR(FIRST_LINE)))
		return false;
	text = str_sub(text, sizeof(FIRST_LINE) - 1, text.n);
	while (text.n && !str_starts(text, str_from(BEGINS))) {
		const size_t n = str_find(text, '\n');
		if (!take_line(i, str_sub(text, 0, n)))
			return false;
		text = str_sub(text, n + 1, text.n);
	}
	return *i->name && *i->unit && i->n_hubs && take_pem(&text, &i->certificate) && take_pem(&text, &i->ca) &&
	       take_pem(&text, &i->key) && !text.n && set_dates(i);
}

int identity_load(struct identity *ret, const char *dir, struct err *err)
{
	CLEANUP(wipe) struct buf text = { 0 };
	struct identity i = { 0 };
	int code = read_file(dir, "identity", &text, err);
	if (!code && !parse(&i, buf_str(&text)))
		code = err_set(err, -EBADMSG, "'%s/identity' is damaged: enrol this post anew", dir);
	if (code)
		identity_done(&i);
	else
		*ret = i;
	return code;
}

int identity_save(const struct identity *i, const char *dir, struct err *err)
{
	CLEANUP(wipe) struct buf out = { 0 };
	char key[ORDER_KEY_TEXT];
	if (!buf_room(&out, FILE_MAX)) /* the key is written into one place, which is wiped */
		return err_set(err, -ENOMEM, "keep the post's identity: %m");
	buf_printf(&out, FIRST_LINE "name %s\nunit %s\n", i->name, i->unit);
	for (size_t k = 0; k < i->n_hubs; k++)
		buf_printf(&out, "hub %s\n", i->hubs[k]);
	for (size_t k = 0; k < i->n_order_keys; k++) {
		order_key_text(i->order_keys[k], key);
		buf_printf(&out, "order-key %s\n", key);
	}
	buf_add(&out, buf_str(&i->certificate));
	buf_add(&out, buf_str(&i->ca));
	buf_add(&out, buf_str(&i->key));
	if (out.failed || out.n > FILE_MAX)
		return err_set(err, -ENOMEM, "keep the post's identity: %m");
	return atomic_write(dir, "identity", buf_str(&out), 0600, err);
}

int identity_forget(const char *dir, struct err *err)
{
	static const char *const names[] = { "identity", "token" };
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), code = fd < 0 ? -errno : 0;
	for (size_t i = 0; i < ARRAY_LEN(names) && !code; i++)
		if (unlinkat(fd, names[i], 0) && errno != ENOENT)
			code = -errno;
	if (!code && fsync(fd))
		code = -errno;
	if (fd >= 0)
		close(fd);
	return code ? err_set(err, code, "remove the identity in '%s': %m", dir) : 0;
}

bool identity_is_due(const struct identity *i, int64_t now)
{
	return now >= i->from + (i->until - i->from) / 3 * 2;
}

/* --- enrolment and renewal --- */

static int new_key(struct buf *key, struct buf *public, struct buf *body, struct err *err)
{
	int code = pki_key_new(key, public, err);
	/* a secret is written into one place, which is wiped */
	return code || buf_room(body, FILE_MAX) ? code : err_set(err, -ENOMEM, "%m");
}

int identity_ask(struct buf *key, struct buf *body, const char *name, const char *secret, struct err *err)
{
	CLEANUP(buf_free) struct buf public = { 0 };
	int code = new_key(key, &public, body, err);
	if (code)
		return code;
	buf_printf(body, "{\"secret\":\"%s\",\"name\":", secret);
	buf_add_json(body, str_from(name));
	buf_add(body, STR(",\"public_key\":"));
	buf_add_json(body, buf_str(&public));
	buf_putc(body, '}');
	return body->failed ? err_set(err, -ENOMEM, "%m") : 0;
}

int identity_ask_again(const struct identity *i, struct buf *key, struct buf *body, struct err *err)
{
	CLEANUP(buf_free) struct buf public = { 0 };
	CLEANUP(buf_free) struct buf proof = { 0 };
	int code = new_key(key, &public, body, err);
	if (!code)
		code = pki_renewal_proof(buf_str(&i->key), str_from(i->name), buf_str(&public), &proof, err);
	if (code)
		return code;
	buf_add(body, STR("{\"public_key\":"));
	buf_add_json(body, buf_str(&public));
	buf_add(body, STR(",\"certificate\":"));
	buf_add_json(body, buf_str(&i->certificate));
	buf_add(body, STR(",\"proof\":"));
	buf_add_json(body, buf_str(&proof));
	buf_putc(body, '}');
	return body->failed ? err_set(err, -ENOMEM, "%m") : 0;
}

enum { A_NAME, A_UNIT, A_CERTIFICATE, A_CA, A_ORDER_KEY, A_APPROVER, A_TIME, N_ANSWERS };
static const char *const answers[] = { "name", "unit", "certificate", "ca", "order_key", "approvers", "time" };

struct taking {
	struct identity *i;
	struct buf *approvers;
	int64_t time;
	bool new_keys;
};

/* One certificate and nothing beside it: what else stood there would be believed by whoever loads all of it. */
static bool set_pem(struct buf *to, struct str s)
{
	static const char first[] = "-----BEGIN CERTIFICATE-----", last[] = "-----END CERTIFICATE-----";
	struct pki_info info;
	s = str_trim(s);
	if (!s.n || s.n > PEM_MAX || memchr(s.p, '\0', s.n) || !str_starts(s, STR(first)) || !str_ends(s, STR(last)) ||
	    memmem(s.p + 1, s.n - 1, BEGINS, sizeof(BEGINS) - 1) ||
	    memmem(s.p, s.n - 1, ENDS, sizeof(ENDS) - 1) != s.p + s.n - (sizeof(last) - 1) || pki_read(s, &info, NULL))
		return false;
	buf_add(to, s);
	buf_putc(to, '\n');
	return !to->failed;
}

static int take_answer(void *arg, size_t path, uint32_t object, struct str value)
{
	struct taking *t = arg;
	struct identity *i = t->i;
	struct approver_key approver;
	char number[24];
	bool fine = true;
	switch (path) {
	case A_NAME: fine = pki_is_title(value) && set_text(i->name, sizeof(i->name), value); break;
	case A_UNIT: fine = pki_is_title(value) && set_text(i->unit, sizeof(i->unit), value); break;
	case A_CERTIFICATE: fine = !i->certificate.n && set_pem(&i->certificate, value); break;
	case A_CA: fine = !i->ca.n && set_pem(&i->ca, value); break;
	case A_ORDER_KEY:
		i->n_order_keys = t->new_keys ? i->n_order_keys : 0;
		t->new_keys = true;
		fine = i->n_order_keys < ORDER_KEYS_MAX && !order_key_read(value, i->order_keys[i->n_order_keys++]);
		break;
	case A_APPROVER:
		fine = !approver_key_read(value, &approver, NULL);
		buf_printf(t->approvers, STR_FMT "\n", STR_ARG(value));
		break;
	case A_TIME:
		fine = set_text(number, sizeof(number), value);
		t->time = fine ? strtoll(number, NULL, 10) : 0;
		break;
	default: break;
	}
	return fine ? 0 : -EBADMSG;
}

/* Whom it trusts is settled when it is enrolled: a renewal changes neither the CA nor the keys of orders. */
static bool is_trusted_anew(const struct identity *old, struct identity *i)
{
	if (!old->ca.n)
		return true;
	const bool same = i->n_order_keys == old->n_order_keys &&
	                  memcmp(i->order_keys, old->order_keys, i->n_order_keys * sizeof(i->order_keys[0])) == 0;
	if (!old->n_order_keys) /* it takes no orders, and goes on so */
		i->n_order_keys = 0;
	return str_eq(str_trim(buf_str(&old->ca)), str_trim(buf_str(&i->ca))) && (same || !old->n_order_keys);
}

int identity_take(const struct identity *old, struct str json, struct str key, struct identity *ret,
                  struct buf *approvers, int64_t *time, struct err *err)
{
	struct identity i = *old;
	struct arena arena = { .max = 1 << 20 };
	i.certificate = i.ca = i.key = (struct buf){ 0 };
	i.name[0] = i.unit[0] = '\0';
	struct taking t = { .i = &i, .approvers = approvers };
	int code = wire_read(json, answers, N_ANSWERS, &arena, take_answer, &t, NULL);
	arena_free(&arena);
	buf_add(&i.key, key);
	if (code || !*i.name || !*i.unit || !i.certificate.n || !i.ca.n || i.key.failed || !set_dates(&i)) {
		identity_done(&i);
		return err_set(err, code == -ENOMEM ? code : -EBADMSG,
		               "the hub's answer has no certificate for a post");
	}
	if (!is_trusted_anew(old, &i)) {
		identity_done(&i);
		return err_set(err, -EACCES,
		               "the hub's answer names another CA, or another key of orders, than this post trusts");
	}
	*ret = i;
	*time = t.time;
	return 0;
}

/* --- approvers --- */

int approver_key_read(struct str line, struct approver_key *ret, struct err *err)
{
	struct approver_key k = { 0 };
	line = str_trim(line);
	const size_t blank = str_find(line, ' ');
	const struct str name = str_trim(str_sub(line, blank, line.n));
	if (order_key_read(str_sub(line, 0, blank), k.public) ||
	    (name.n && (!pki_is_title(name) || !set_text(k.name, sizeof(k.name), name))))
		return err_set(err, -EINVAL, "an approver is written 'ed25519:KEY NAME'");
	*ret = k;
	return 0;
}

int approvers_load(const char *dir, struct approver_key ret[ORDER_KEYS_MAX], size_t *n, struct err *err)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	int code = read_file(dir, "approvers", &text, err);
	*n = 0;
	if (code)
		return code == -ENOENT ? 0 : code;
	for (struct str left = buf_str(&text); left.n;) {
		const size_t end = str_find(left, '\n');
		if (*n == ORDER_KEYS_MAX)
			return err_set(err, -E2BIG, "'%s/approvers' has more than %d", dir, ORDER_KEYS_MAX);
		code = approver_key_read(str_sub(left, 0, end), &ret[*n], err);
		if (code)
			return code;
		++*n;
		left = str_sub(left, end + 1, left.n);
	}
	return 0;
}

int approvers_save(const char *dir, const struct approver_key *keys, size_t n, struct err *err)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	for (size_t i = 0; i < n; i++) {
		char key[ORDER_KEY_TEXT];
		order_key_text(keys[i].public, key);
		buf_printf(&out, "%s%s%s\n", key, *keys[i].name ? " " : "", keys[i].name);
	}
	return atomic_write(dir, "approvers", buf_str(&out), 0644, err);
}
