#include "intake/formats.h"
#include "intake/show_test.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

static const char folder[] = "read_test.XXXXXX";

struct place {
	char dir[sizeof(folder)];
	char path[64];
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	memcpy(p->dir, folder, sizeof(folder));
	if (!p || !mkdtemp(p->dir))
		return -1;
	snprintf(p->path, sizeof(p->path), "%s/file", p->dir);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	unlink(p->path);
	rmdir(p->dir);
	free(p);
	return 0;
}

static void write_file(const char *path, struct str bytes)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
	fclose(f);
}

static int count_bytes(void *arg, struct batch *b)
{
	size_t *sum = arg;
	for (size_t i = 0; i < b->n_records; i++)
		*sum += b->records[i].bytes.n;
	batch_free(b);
	return 0;
}

static int read_path(const char *path, struct intake_counts *counts, size_t *sum, uint64_t *read, struct err *err)
{
	_Atomic uint64_t bytes = 0;
	struct framer_config config = { .sink = count_bytes, .arg = sum };
	*sum = 0;
	int r = intake_read(path, config, counts, &bytes, err);
	*read = bytes;
	return r;
}

/* 3 MB of events, so that every buffer on the way is filled many times. */
static struct str make_log(struct buf *b)
{
	for (int i = 0; i < 100000; i++)
		buf_printf(b, "{\"n\":%d,\"text\":\"%x\"}\n", i, i * 2654435761u);
	return buf_str(b);
}

static void gzip_member(struct buf *to, struct str s)
{
	z_stream z = { 0 };
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	char *at = buf_room(to, deflateBound(&z, s.n));
	assert_non_null(at);
	z.next_in = (Bytef *)(uintptr_t)s.p;
	z.avail_in = (uInt)s.n;
	z.next_out = (Bytef *)at;
	z.avail_out = (uInt)deflateBound(&z, s.n);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	to->n += z.total_out;
	deflateEnd(&z);
}

static void zstd_frame(struct buf *to, struct str s)
{
	char *at = buf_room(to, ZSTD_compressBound(s.n));
	assert_non_null(at);
	size_t n = ZSTD_compress(at, ZSTD_compressBound(s.n), s.p, s.n, 3);
	assert_false(ZSTD_isError(n));
	to->n += n;
}

/* Written plain and packed in two members, cut in the middle of an event, it reads the same; cut off, it says so. */
static void check_packed(const char *path, void (*pack)(struct buf *, struct str), const char *cut_off)
{
	struct buf log = { 0 }, packed = { 0 };
	struct str s = make_log(&log);
	struct intake_counts counts;
	struct err err;
	size_t sum;
	uint64_t read;
	if (pack) {
		pack(&packed, str_sub(s, 0, 1000003));
		pack(&packed, str_sub(s, 1000003, s.n));
	} else {
		buf_add(&packed, s);
	}
	write_file(path, buf_str(&packed));
	assert_int_equal(read_path(path, &counts, &sum, &read, &err), 0);
	assert_int_equal(counts.records, 100000);
	assert_int_equal(counts.bytes, s.n);
	assert_int_equal(sum, s.n - 100000);
	assert_int_equal(read, packed.n);
	if (pack) {
		char want[128];
		write_file(path, str_sub(buf_str(&packed), 0, packed.n / 2));
		assert_int_equal(read_path(path, &counts, &sum, &read, &err), -EBADMSG);
		snprintf(want, sizeof(want), "%s: %s", path, cut_off);
		assert_string_equal(err.text, want);
		assert_true(counts.records > 1000); /* what was read before stays used */
	}
	buf_free(&log);
	buf_free(&packed);
}

static void plain(void **state)
{
	check_packed(((struct place *)*state)->path, NULL, NULL);
}

static void gzip(void **state)
{
	check_packed(((struct place *)*state)->path, gzip_member, "gzip data is cut off");
}

static void zstd(void **state)
{
	check_packed(((struct place *)*state)->path, zstd_frame, "zstd data is cut off");
}

static void failures(void **state)
{
	struct place *p = *state;
	struct intake_counts counts = { 0 };
	struct err err;
	size_t sum;
	uint64_t read;
	char want[256];
	assert_int_equal(read_path(p->dir, &counts, &sum, &read, &err), -EISDIR);
	snprintf(want, sizeof(want), "open '%s': it is a folder", p->dir);
	assert_string_equal(err.text, want);
	assert_int_equal(read_path(p->path, &counts, &sum, &read, &err), -ENOENT);
	snprintf(want, sizeof(want), "open '%s': No such file or directory", p->path);
	assert_string_equal(err.text, want);

	write_file(p->path, STR("no log\nat all\n"));
	assert_int_equal(read_path(p->path, &counts, &sum, &read, &err), -ENOMSG);
	snprintf(want, sizeof(want), "%s: no known log format: name it with --format", p->path);
	assert_string_equal(err.text, want);

	write_file(p->path, STR("\xff\xfe{\0}\0"));
	assert_int_equal(read_path(p->path, &counts, &sum, &read, &err), -EILSEQ);
	snprintf(want, sizeof(want), "%s: UTF-16 text: convert it first: iconv -f UTF-16 -t UTF-8", p->path);
	assert_string_equal(err.text, want);

	write_file(p->path, STR("\x1f\x8b\x08\x00no gzip at all"));
	assert_int_equal(read_path(p->path, &counts, &sum, &read, &err), -EBADMSG);

	write_file(p->path, STR(""));
	assert_int_equal(read_path(p->path, &counts, &sum, &read, &err), 0);
	assert_int_equal(counts.records, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(plain, setup, teardown),
		cmocka_unit_test_setup_teardown(gzip, setup, teardown),
		cmocka_unit_test_setup_teardown(zstd, setup, teardown),
		cmocka_unit_test_setup_teardown(failures, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
