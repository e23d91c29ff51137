#include "intake/unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { CHUNK = 64 << 10, ZSTD_WINDOW_LOG = 27 };

struct unpack {
	int fd;
	bool zlib;
	z_stream z;
	ZSTD_DStream *zstd;
	uint64_t at;     /* of the next byte to read from fd */
	uint64_t given;  /* unpacked bytes so far */
	struct str held; /* of `in`: read and not used up */
	bool inside;     /* in a member or frame, not behind one */
	bool over;       /* nothing more to come */
	bool full;       /* the last step filled its room: more may come out without input */
	char in[CHUNK];
};

int unpack_new(struct unpack **ret, int fd, struct err *err)
{
	unsigned char head[4] = { 0 };
	struct stat st;
	struct unpack *u = calloc(1, sizeof(*u));
	if (!u)
		return err_set(err, -ENOMEM, "%m");
	u->fd = fd;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || pread(fd, head, sizeof(head), 0) < 0) {
		free(u);
		return err_set(err, -EINVAL, "not a regular file");
	}
	u->zlib = head[0] == 0x1f && head[1] == 0x8b;
	bool zstd = memcmp(head, "\x28\xb5\x2f\xfd", 4) == 0;
	if (zstd)
		u->zstd = ZSTD_createDStream();
	if (u->zstd)
		ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	if ((u->zlib && inflateInit2(&u->z, 15 + 16) != Z_OK) || (zstd && !u->zstd)) {
		free(u);
		return err_set(err, -ENOMEM, "%m");
	}
	*ret = u;
	return 0;
}

void unpack_free(struct unpack *u)
{
	if (!u)
		return;
	if (u->zlib)
		inflateEnd(&u->z);
	ZSTD_freeDStream(u->zstd);
	free(u);
}

bool unpack_is_packed(const struct unpack *u)
{
	return u->zlib || u->zstd;
}

static long read_at(struct unpack *u, char *to, size_t n)
{
	ssize_t r;
	do {
		r = pread(u->fd, to, n, (off_t)u->at);
	} while (r < 0 && errno == EINTR);
	if (r > 0)
		u->at += (uint64_t)r;
	return r < 0 ? -errno : r;
}

/* One step; *n is the room, and becomes what was made. 0 or -EBADMSG. */
static int inflate_step(struct unpack *u, char *to, size_t *n)
{
	if (!u->inside && u->held.p[0] != '\x1f') {
		u->over = true;
		*n = 0;
		return 0;
	}
	u->z.next_in = (Bytef *)(uintptr_t)u->held.p;
	u->z.avail_in = (uInt)u->held.n;
	u->z.next_out = (Bytef *)to;
	u->z.avail_out = (uInt)*n;
	int zr = inflate(&u->z, Z_NO_FLUSH);
	u->held = (struct str){ (const char *)u->z.next_in, u->z.avail_in };
	*n -= u->z.avail_out;
	u->inside = zr != Z_STREAM_END;
	if (zr == Z_STREAM_END)
		inflateReset(&u->z);
	return zr == Z_OK || zr == Z_STREAM_END || zr == Z_BUF_ERROR ? 0 : -EBADMSG;
}

static int unzstd_step(struct unpack *u, char *to, size_t *n)
{
	ZSTD_inBuffer in = { u->held.p, u->held.n, 0 };
	ZSTD_outBuffer out = { to, *n, 0 };
	size_t left = ZSTD_decompressStream(u->zstd, &out, &in);
	u->held = str_sub(u->held, in.pos, u->held.n);
	*n = out.pos;
	u->inside = left != 0;
	return ZSTD_isError(left) ? -EBADMSG : 0;
}

static long read_packed(struct unpack *u, char *to, size_t n, struct err *err)
{
	while (!u->over) {
		if (!u->held.n && !(u->full && u->inside)) {
			long got = read_at(u, u->in, sizeof(u->in));
			u->over = got <= 0;
			if (got <= 0)
				return got < 0     ? err_set(err, (int)got, "%m")
				       : u->inside ? err_set(err, -EBADMSG, "compressed data is cut off")
				                   : 0;
			u->held = (struct str){ u->in, (size_t)got };
		}
		size_t made = n;
		int code = u->zlib ? inflate_step(u, to, &made) : unzstd_step(u, to, &made);
		u->full = made == n;
		u->over = u->over || code;
		if (code)
			return err_set(err, code, "compressed data is damaged");
		if (made)
			return (long)made;
	}
	return 0;
}

long unpack_read(struct unpack *u, char *to, size_t n, struct err *err)
{
	long r = unpack_is_packed(u) ? read_packed(u, to, n, err) : read_at(u, to, n);
	if (r > 0)
		u->given += (uint64_t)r;
	return r < 0 && !unpack_is_packed(u) ? err_set(err, (int)r, "%m") : r;
}

int unpack_skip(struct unpack *u, uint64_t to, struct err *err)
{
	char chunk[16 << 10];
	if (!unpack_is_packed(u)) {
		u->at = u->given = to;
		return 0;
	}
	while (u->given < to) {
		uint64_t n = to - u->given < sizeof(chunk) ? to - u->given : sizeof(chunk);
		long r = unpack_read(u, chunk, (size_t)n, err);
		if (r <= 0)
			return r < 0 ? (int)r : err_set(err, -ENODATA, "it ends before");
	}
	return 0;
}
