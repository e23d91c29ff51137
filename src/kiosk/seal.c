#include "kiosk/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES };
_Static_assert(NONCE + TAG == SEAL_EXTRA, "what sealing adds");
_Static_assert(SEAL_KEY == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "one size of keys");
_Static_assert(SEAL_HASH >= crypto_generichash_BYTES_MIN, "BLAKE2b's shortest");

struct seal {
	unsigned char seal[SEAL_KEY], hash[SEAL_KEY], link[SEAL_KEY], form[SEAL_KEY];
};

/* --- the file --- */

static void fd_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static int sync_folder(const char *file)
{
	const char *slash = strrchr(file, '/');
	char dir[4096] = ".";
	if (slash)
		snprintf(dir, sizeof(dir), "%.*s", slash == file ? 1 : (int)(slash - file), file);
	CLEANUP(fd_close) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) ? -errno : 0;
}

/* A file beside it, then a link: one that is there is never overwritten, and there is never half a key. */
static int make_key(const char *file, struct err *err)
{
	unsigned char key[SEAL_KEY];
	char part[4096];
	int code = 0, n = snprintf(part, sizeof(part), "%s.XXXXXX", file);
	if (n < 0 || (size_t)n >= sizeof(part))
		return err_set(err, -ENAMETOOLONG, "make the key '%s': %m", file);
	CLEANUP(fd_close) int fd = mkostemp(part, O_CLOEXEC); /* 0600 */
	if (fd < 0)
		return err_set(err, -errno, "make the key '%s': %m", file);
	randombytes_buf(key, sizeof(key));
	if (write(fd, key, sizeof(key)) != sizeof(key) || fsync(fd))
		code = errno ? -errno : -EIO;
	else if (link(part, file) && errno != EEXIST) /* somebody else was quicker: then it is theirs */
		code = -errno;
	sodium_memzero(key, sizeof(key));
	unlink(part);
	if (!code)
		code = sync_folder(file);
	return code ? err_set(err, code, "make the key '%s': %m", file) : 0;
}

static int read_key(const char *file, unsigned char key[SEAL_KEY], struct err *err)
{
	struct stat st;
	unsigned char more;
	CLEANUP(fd_close) int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st))
		return err_set(err, -errno, "open the key '%s': %m", file);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EBADMSG, "the key '%s' is no file", file);
	if (st.st_mode & 077)
		return err_set(err, -EPERM, "others than its owner may read the key '%s': chmod 600", file);
	if (read(fd, key, SEAL_KEY) != SEAL_KEY || read(fd, &more, 1) != 0)
		return err_set(err, -EBADMSG, "'%s' is no key: those have %d bytes", file, SEAL_KEY);
	return 0;
}

static void derive(const unsigned char from[SEAL_KEY], const char *purpose, unsigned char key[SEAL_KEY])
{
	crypto_generichash(key, SEAL_KEY, (const unsigned char *)purpose, strlen(purpose), from, SEAL_KEY);
}

int seal_open(struct seal **ret, const char *key_file, bool make, struct err *err)
{
	unsigned char key[SEAL_KEY];
	if (sodium_init() < 0)
		return err_set(err, -EIO, "libsodium doesn't start");
	int code = make && access(key_file, F_OK) && errno == ENOENT ? make_key(key_file, err) : 0;
	if (!code)
		code = read_key(key_file, key, err);
	if (code)
		return code;
	struct seal *s = calloc(1, sizeof(*s));
	if (s) {
		derive(key, "khien kiosk: sealing", s->seal);
		derive(key, "khien kiosk: hashes", s->hash);
		derive(key, "khien kiosk: link", s->link);
		derive(key, "khien kiosk: forms", s->form);
		*ret = s;
	}
	sodium_memzero(key, sizeof(key));
	return s ? 0 : err_set(err, -ENOMEM, "open the key '%s': %m", key_file);
}

void seal_close(struct seal *s)
{
	if (!s)
		return;
	sodium_memzero(s, sizeof(*s));
	free(s);
}

void seal_link_key(const struct seal *s, unsigned char key[SEAL_KEY])
{
	memcpy(key, s->link, SEAL_KEY);
}

void seal_form_key(const struct seal *s, unsigned char key[SEAL_KEY])
{
	memcpy(key, s->form, SEAL_KEY);
}

/* --- texts --- */

/* Of what, a NUL, text: no other pair has the same bytes. */
static void hash_of(const char *what, struct str text, const unsigned char *key, unsigned char *hash, size_t n)
{
	crypto_generichash_state state;
	crypto_generichash_init(&state, key, key ? SEAL_KEY : 0, n);
	crypto_generichash_update(&state, (const unsigned char *)what, strlen(what) + 1);
	crypto_generichash_update(&state, (const unsigned char *)text.p, text.n);
	crypto_generichash_final(&state, hash, n);
}

void seal_text(const struct seal *s, const char *what, struct str row, struct str text, struct buf *out)
{
	unsigned char place[32];
	unsigned char *at = (unsigned char *)buf_room(out, text.n + SEAL_EXTRA);
	if (!at)
		return;
	hash_of(what, row, NULL, place, sizeof(place));
	randombytes_buf(at, NONCE);
	crypto_aead_xchacha20poly1305_ietf_encrypt(at + NONCE, NULL, (const unsigned char *)text.p, text.n, place,
	                                           sizeof(place), NULL, at, s->seal);
	out->n += text.n + SEAL_EXTRA;
}

int seal_read(const struct seal *s, const char *what, struct str row, struct str sealed, struct buf *out)
{
	unsigned char place[32];
	const unsigned char *from = (const unsigned char *)sealed.p;
	if (sealed.n < SEAL_EXTRA)
		return -EBADMSG;
	unsigned char *at = (unsigned char *)buf_room(out, sealed.n);
	if (!at)
		return -ENOMEM;
	hash_of(what, row, NULL, place, sizeof(place));
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(at, NULL, NULL, from + NONCE, sealed.n - NONCE, place,
	                                               sizeof(place), from, s->seal))
		return -EBADMSG;
	out->n += sealed.n - SEAL_EXTRA;
	return 0;
}

void seal_hash(const struct seal *s, const char *what, struct str text, unsigned char hash[SEAL_HASH])
{
	hash_of(what, text, s->hash, hash, SEAL_HASH);
}

/* --- passwords --- */

_Static_assert(PASSWORD_STORED >= crypto_pwhash_STRBYTES, "room for libsodium's format");

int password_make(struct str password, char stored[PASSWORD_STORED], struct err *err)
{
	if (crypto_pwhash_str(stored, password.p, password.n, crypto_pwhash_OPSLIMIT_INTERACTIVE,
	                      crypto_pwhash_MEMLIMIT_INTERACTIVE))
		return err_set(err, -ENOMEM, "store a password: %m");
	return 0;
}

bool password_is(const char *stored, struct str password)
{
	return crypto_pwhash_str_verify(stored, password.p, password.n) == 0;
}
