/* The hub's key for orders, who may approve them, and what is signed with the one only with the other. */
#include "base/utf8.h"
#include "os/atomic.h"
#include "pki/x509.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

enum { VARIANT = sodium_base64_VARIANT_URLSAFE_NO_PADDING, SEED = crypto_sign_SEEDBYTES };
static const char HEAD[] = "khien order key 1 ";

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* --- order.key: "khien order key 1 " and the seed in base64url --- */

static int read_key(const char *dir, unsigned char public[ORDER_KEY], unsigned char secret[ORDER_SECRET],
                    struct err *err)
{
	CLEANUP(x509_wipe) struct buf file = { 0 };
	unsigned char seed[SEED];
	size_t n = 0;
	if (sodium_init() < 0)
		return err_set(err, -EIO, "libsodium does not start");
	int code = x509_file(dir, "order.key", true, &file, err);
	if (code)
		return code;
	struct str text = str_trim(buf_str(&file));
	const bool ours = str_starts(text, str_from(HEAD));
	text = str_sub(text, ours ? strlen(HEAD) : 0, text.n);
	if (!ours || sodium_base642bin(seed, sizeof(seed), text.p, text.n, NULL, &n, NULL, VARIANT) ||
	    n != sizeof(seed))
		code = err_set(err, -EBADMSG, "'%s/order.key' is no key for orders: put it back from a backup", dir);
	else
		crypto_sign_seed_keypair(public, secret, seed);
	sodium_memzero(seed, sizeof(seed));
	return code;
}

static int write_key(const char *dir, struct err *err)
{
	CLEANUP(x509_wipe) struct buf file = { 0 };
	unsigned char seed[SEED];
	char text[sodium_base64_ENCODED_LEN(SEED, VARIANT)];
	randombytes_buf(seed, sizeof(seed));
	sodium_bin2base64(text, sizeof(text), seed, sizeof(seed), VARIANT);
	buf_printf(&file, "%s%s\n", HEAD, text);
	int code =
	        file.failed ? err_set(err, -ENOMEM, "%m") : atomic_write(dir, "order.key", buf_str(&file), 0600, err);
	sodium_memzero(seed, sizeof(seed));
	sodium_memzero(text, sizeof(text));
	return code;
}

int pki_order_init(const char *dir, unsigned char public[ORDER_KEY], struct err *err)
{
	unsigned char secret[ORDER_SECRET], key[ORDER_KEY];
	char text[ORDER_KEY_TEXT + 1];
	CLEANUP(buf_free) struct buf there = { 0 };
	/* two that start at once make one key */
	CLEANUP(close_fd) int lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0 || flock(lock, LOCK_EX))
		return err_set(err, -errno, "lock folder '%s': %m", dir);
	int code = read_key(dir, key, secret, err);
	if (code == -ENOENT) {
		code = write_key(dir, err);
		if (!code)
			code = read_key(dir, key, secret, err);
	}
	sodium_memzero(secret, sizeof(secret));
	if (code)
		return code;
	order_key_text(key, text);
	memcpy(text + ORDER_KEY_TEXT - 1, "\n", 2);
	if (x509_file(dir, "order.pub", false, &there, NULL) || !str_eq(buf_str(&there), str_from(text)))
		code = atomic_write(dir, "order.pub", str_from(text), 0644, err);
	if (!code)
		memcpy(public, key, ORDER_KEY);
	return code;
}

/* --- approvers --- */

/* Of two that change the list at once, none undoes what the other did. */
static int lock_list(const char *dir, int *fd, struct err *err)
{
	*fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 || flock(*fd, LOCK_EX) ? err_set(err, -errno, "lock folder '%s': %m", dir) : 0;
}

static int read_line(const char *dir, struct str line, unsigned number, unsigned char public[ORDER_KEY],
                     struct str *name, struct err *err)
{
	*name = str_trim(str_sub(line, str_find(line, ' '), line.n));
	if (order_key_read(str_sub(line, 0, str_find(line, ' ')), public) || !pki_is_title(*name))
		return err_set(err, -EBADMSG, "'%s/approvers', line %u: not 'ed25519:KEY NAME'", dir, number);
	return 0;
}

int pki_approvers(const char *dir, int (*fn)(void *arg, const unsigned char public[ORDER_KEY], struct str name),
                  void *arg, struct err *err)
{
	CLEANUP(buf_free) struct buf file = { 0 };
	unsigned number = 0;
	int code = x509_file(dir, "approvers", false, &file, err);
	if (code)
		return code == -ENOENT ? 0 : code;
	for (struct str rest = buf_str(&file); !code && rest.n;) {
		unsigned char public[ORDER_KEY];
		struct str line = str_sub(rest, 0, str_find(rest, '\n')), name;
		rest = str_sub(rest, line.n + 1, rest.n);
		line = str_trim(line);
		number++;
		if (!line.n || line.p[0] == '#')
			continue;
		code = read_line(dir, line, number, public, &name, err);
		if (!code)
			code = fn(arg, public, name);
	}
	return code;
}

struct list {
	struct buf text;
	size_t n;
	const unsigned char *key; /* is it there? */
	struct str name;
	struct str without; /* a key's text or a name that is left out */
	bool found;
};

static int add_line(void *arg, const unsigned char public[ORDER_KEY], struct str name)
{
	struct list *l = arg;
	char text[ORDER_KEY_TEXT];
	order_key_text(public, text);
	if (l->key && (memcmp(l->key, public, ORDER_KEY) == 0 || str_eq(l->name, name)))
		l->found = true;
	if (l->without.n && (str_eq(l->without, str_from(text)) || str_eq(l->without, name))) {
		l->found = true;
		return 0;
	}
	buf_printf(&l->text, "%s " STR_FMT "\n", text, STR_ARG(name));
	l->n++;
	return 0;
}

static int write_list(const char *dir, struct list *l, struct err *err)
{
	int code = l->text.failed ? err_set(err, -ENOMEM, "%m")
	                          : atomic_write(dir, "approvers", buf_str(&l->text), 0644, err);
	buf_free(&l->text);
	return code;
}

int pki_approver_add(const char *dir, const unsigned char public[ORDER_KEY], struct str name, struct err *err)
{
	struct list l = { .key = public, .name = name };
	if (!pki_is_title(name))
		return err_set(err, -EINVAL, "an approver's name has 1 to %d bytes of UTF-8, all visible",
		               PKI_TITLE_MAX);
	CLEANUP(close_fd) int lock = -1;
	int code = lock_list(dir, &lock, err);
	if (!code)
		code = pki_approvers(dir, add_line, &l, err);
	if (!code && l.found)
		code = err_set(err, -EEXIST, "that key, or one of that name, is there already");
	if (!code && l.n >= ORDER_KEYS_MAX)
		code = err_set(err, -E2BIG, "there are %d approvers already", ORDER_KEYS_MAX);
	l.key = NULL;
	if (!code)
		add_line(&l, public, name);
	if (!code)
		return write_list(dir, &l, err);
	buf_free(&l.text);
	return code;
}

int pki_approver_remove(const char *dir, struct str which, struct err *err)
{
	struct list l = { .without = which };
	CLEANUP(close_fd) int lock = -1;
	int code = lock_list(dir, &lock, err);
	if (!code)
		code = pki_approvers(dir, add_line, &l, err);
	if (!code && !l.found)
		code = err_set(err, -ENOENT, "there is no approver '" STR_FMT "'",
		               STR_ARG(str_sub(which, 0, PKI_TITLE_MAX)));
	if (!code)
		return write_list(dir, &l, err);
	buf_free(&l.text);
	return code;
}

/* --- signing --- */

static int trust(void *arg, const unsigned char public[ORDER_KEY], struct str name)
{
	struct order_trust *t = arg;
	if (t->n_approvers < ORDER_KEYS_MAX)
		memcpy(t->approvers[t->n_approvers++], public, ORDER_KEY);
	return 0;
}

int order_desk_open(struct order_desk *ret, const char *dir, const char *unit, struct err *err)
{
	struct order_desk *d = ret;
	memset(d, 0, sizeof(*d));
	snprintf(d->unit, sizeof(d->unit), "%s", unit);
	int code = read_key(dir, d->trust.hubs[0], d->secret, err);
	if (!code)
		code = pki_approvers(dir, trust, &d->trust, err);
	d->trust.n_hubs = 1;
	if (code)
		sodium_memzero(d, sizeof(*d));
	return code;
}

/* It is signed here first, and given out only where a post would take it: one set of rules for both ends. */
int order_desk_sign(const struct order_desk *d, struct order_sealed *order, const struct clock *clock, struct err *err)
{
	static const uint64_t none[2];
	struct order_trust t = d->trust;
	struct order_sealed sealed = *order;
	struct order o;
	enum order_verb verb;
	int code = order_decode(&o, order->bytes, err);
	if (code)
		return err_set(err, -EPERM, "these are no bytes of an order");
	t.unit = str_from(d->unit);
	t.post = o.post;
	code = order_sign(ORDER_BY_HUB, d->secret, order->bytes, sealed.signature);
	if (code)
		return err_set(err, code, "sign an order: %m");
	if (order_judge(&t, &sealed, none, clock_wall(clock), &o, &verb, err))
		return err ? err->code = -EPERM : -EPERM;
	*order = sealed;
	return 0;
}
