#include "intake/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum {
	CHUNK = 128 << 10,
	ZSTD_WINDOW_LOG = 27,
	QUIET_MS = 200, /* a pipe that is silent for so long gets what it said handed on */
};

struct reader {
	const char *name;
	int fd;
	int64_t now;
	struct framer *framer;
	_Atomic uint64_t *read_bytes;
	struct err *err;
	struct str held; /* bytes of `in` that are read and not used up */
	bool end, regular;
	char *in, *out; /* CHUNK each */
};

/* Reads more into `held`, which keeps what it holds. */
static int fill(struct reader *r)
{
	if (r->held.n)
		memmove(r->in, r->held.p, r->held.n);
	if (!r->regular) {
		struct pollfd p = { .fd = r->fd, .events = POLLIN };
		int rc = poll(&p, 1, QUIET_MS) == 0 ? framer_flush(r->framer, true) : 0;
		if (rc)
			return err_set(r->err, rc, "%s: stopped: %m", r->name);
	}
	ssize_t n;
	do {
		n = read(r->fd, r->in + r->held.n, CHUNK - r->held.n);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(r->err, -errno, "read '%s': %m", r->name);
	r->held = (struct str){ r->in, r->held.n + (size_t)n };
	r->end = n == 0;
	if (r->read_bytes)
		atomic_fetch_add_explicit(r->read_bytes, (uint64_t)n, memory_order_relaxed);
	return 0;
}

static int feed(struct reader *r, struct str bytes)
{
	int rc = framer_feed(r->framer, bytes, r->now);
	return rc ? err_set(r->err, rc, "%s: stopped: %m", r->name) : 0;
}

static int read_plain(struct reader *r)
{
	int rc = 0;
	while (!rc && r->held.n) {
		rc = feed(r, r->held);
		r->held.n = 0;
		if (!rc)
			rc = fill(r);
	}
	return rc;
}

/* Whether compressed bytes are there to go on with; reads some if none are held. */
static int have_more(struct reader *r)
{
	int rc = r->held.n || r->end ? 0 : fill(r);
	return rc ? rc : r->held.n > 0;
}

static int inflate_members(struct reader *r, z_stream *z)
{
	bool inside = true; /* in a member, not behind one */
	for (bool out_full = false;;) {
		int rc = out_full ? 1 : have_more(r);
		if (rc <= 0)
			return rc < 0 || !inside ? rc : err_set(r->err, -EBADMSG, "%s: gzip data is cut off", r->name);
		if (!inside && !out_full && r->held.p[0] != '\x1f')
			return 0; /* padding behind the last member, as tape tools leave it */
		z->next_in = (Bytef *)(uintptr_t)r->held.p;
		z->avail_in = (uInt)r->held.n;
		z->next_out = (Bytef *)r->out;
		z->avail_out = CHUNK;
		inside = true;
		int zr = inflate(z, Z_NO_FLUSH);
		r->held = (struct str){ (const char *)z->next_in, z->avail_in };
		out_full = zr == Z_OK && !z->avail_out;
		rc = feed(r, (struct str){ r->out, CHUNK - z->avail_out });
		if (rc)
			return rc;
		if (zr == Z_STREAM_END) {
			inside = false;
			inflateReset(z);
		} else if (zr != Z_OK && zr != Z_BUF_ERROR) {
			return err_set(r->err, -EBADMSG, "%s: gzip data is damaged: %s", r->name,
			               z->msg ? z->msg : "unknown");
		}
	}
}

static int read_gzip(struct reader *r)
{
	z_stream z = { 0 };
	if (inflateInit2(&z, 15 + 16) != Z_OK)
		return err_set(r->err, -ENOMEM, "%s: %m", r->name);
	int rc = inflate_members(r, &z);
	inflateEnd(&z);
	return rc;
}

static int unzstd_frames(struct reader *r, ZSTD_DStream *z)
{
	size_t left = 1; /* 0: at the end of a frame */
	for (bool out_full = false;;) {
		int rc = out_full ? 1 : have_more(r);
		if (rc <= 0)
			return rc < 0 || !left ? rc : err_set(r->err, -EBADMSG, "%s: zstd data is cut off", r->name);
		ZSTD_inBuffer in = { r->held.p, r->held.n, 0 };
		ZSTD_outBuffer out = { r->out, CHUNK, 0 };
		left = ZSTD_decompressStream(z, &out, &in);
		if (ZSTD_isError(left))
			return err_set(r->err, -EBADMSG, "%s: zstd data is damaged: %s", r->name,
			               ZSTD_getErrorName(left));
		r->held = str_sub(r->held, in.pos, r->held.n);
		out_full = left && out.pos == CHUNK;
		rc = feed(r, (struct str){ r->out, out.pos });
		if (rc)
			return rc;
	}
}

static int read_zstd(struct reader *r)
{
	ZSTD_DStream *z = ZSTD_createDStream();
	if (!z)
		return err_set(r->err, -ENOMEM, "%s: %m", r->name);
	ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	int rc = unzstd_frames(r, z);
	ZSTD_freeDStream(z);
	return rc;
}

/* Reads until the first bytes tell what it is. */
static int read_any(struct reader *r)
{
	int rc = 0;
	while (!rc && !r->end && r->held.n < 4)
		rc = fill(r);
	if (rc)
		return rc;
	if (str_starts(r->held, STR("\x1f\x8b")))
		return read_gzip(r);
	if (str_starts(r->held, STR("\x28\xb5\x2f\xfd")))
		return read_zstd(r);
	return read_plain(r);
}

static int check_source(struct reader *r)
{
	struct stat st = { 0 };
	if (fstat(r->fd, &st))
		return err_set(r->err, -errno, "open '%s': %m", r->name);
	if (S_ISDIR(st.st_mode))
		return err_set(r->err, -EISDIR, "open '%s': it is a folder", r->name);
	r->regular = S_ISREG(st.st_mode);
	posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return 0;
}

/* What the framer already knows about an error says more than the errno. */
static int explain(struct reader *r, int rc)
{
	if (rc == -EILSEQ)
		return err_set(r->err, rc, "%s: UTF-16 text: convert it first: iconv -f UTF-16 -t UTF-8", r->name);
	if (rc == -ENOMSG)
		return err_set(r->err, rc, "%s: no known log format: name it with --format", r->name);
	return rc;
}

int intake_read_fd(int fd, struct framer_config config, struct intake_counts *counts, _Atomic uint64_t *read_bytes,
                   struct err *err)
{
	struct reader r = { .name = config.origin, .fd = fd, .now = config.now, .err = err, .read_bytes = read_bytes };
	int rc = check_source(&r);
	r.in = malloc(CHUNK);
	r.out = malloc(CHUNK);
	if (!rc)
		rc = r.in && r.out ? framer_new(&r.framer, &config, err) : err_set(err, -ENOMEM, "%s: %m", r.name);
	if (!rc) {
		r.held.p = r.in;
		rc = read_any(&r);
		int ended = framer_end(r.framer); /* what was read before an error is used */
		if (!rc && ended)
			rc = err_set(err, ended, "%s: stopped: %m", r.name);
		rc = explain(&r, rc);
		*counts = *framer_counts(r.framer);
	}
	framer_free(r.framer);
	free(r.in);
	free(r.out);
	return rc;
}

int intake_read(const char *path, struct framer_config config, struct intake_counts *counts,
                _Atomic uint64_t *read_bytes, struct err *err)
{
	bool standard = strcmp(path, "-") == 0;
	if (!config.origin)
		config.origin = standard ? "standard input" : path;
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "open '%s': %m", path);
	int rc = intake_read_fd(fd, config, counts, read_bytes, err);
	if (!standard)
		close(fd);
	return rc;
}
