/* The file of places: what was saved comes back, also when a write was cut off; damage is refused. */
#include "collect/place.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/khien-place-XXXXXX", deep[64], path[96];
static struct place_table table, got;

static struct places *opened(void)
{
	struct places *s = NULL;
	struct err err = { 0 };
	if (place_open(&s, deep, "here", &err))
		fail_msg("%s", err.text);
	return s;
}

static int load(void)
{
	struct places *s = opened();
	int code = place_load(s, &got, NULL);
	place_free(s);
	return code;
}

static void save(uint32_t n, uint64_t offset)
{
	struct places *s = opened();
	place_load(s, &got, NULL); /* for its turn */
	table.n = n;
	for (uint32_t i = 0; i < n; i++)
		table.files[i] = (struct place_file){ .inode = i + 1, .at.offset = offset + i, .n_points = 1 };
	assert_int_equal(place_save(s, &table, NULL), 0);
	place_free(s);
}

static int setup(void **state)
{
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(dir));
	snprintf(deep, sizeof(deep), "%s/a/b", dir);
	snprintf(path, sizeof(path), "%s/here", deep);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	rmdir(deep);
	deep[strlen(deep) - 2] = '\0';
	rmdir(deep);
	rmdir(dir);
	return 0;
}

static void test_comes_back(void **state)
{
	struct stat st;
	assert_int_equal(load(), 0); /* nothing yet */
	save(3, 100);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(load(), 1);
	assert_memory_equal(&got, &table, sizeof(got));
	save(PLACE_MAX_FILES, 7);
	save(1, 8); /* shorter than what lies in its slot */
	save(2, 9);
	assert_int_equal(load(), 1);
	assert_int_equal(got.n, 2);
	assert_int_equal(got.files[1].at.offset, 10);
	assert_int_equal(got.files[2].inode, 0);
}

/* A sum that is right makes no number right. */
static void test_wild_time(void **state)
{
	struct places *s = opened();
	table = (struct place_table){ .n = 1, .files[0] = { .inode = 1, .at.time = INT64_MIN } };
	assert_int_equal(place_save(s, &table, NULL), 0);
	place_free(s);
	assert_int_equal(load(), -EBADMSG);
	table = (struct place_table){ 0 };
}

static void test_one_at_a_time(void **state)
{
	struct places *first = opened(), *second;
	struct err err;
	assert_int_equal(place_open(&second, deep, "here", &err), -EBUSY);
	assert_non_null(strstr(err.text, "another khien"));
	place_free(first);
	place_free(opened());
	assert_true(place_open(&second, "/proc/nowhere/khien", "here", &err) < 0);
}

/* Whatever byte of the newer slot is wrong, and wherever its write was cut off: the older one is taken. */
static void test_damage(void **state)
{
	save(2, 1000);
	save(2, 2000);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	off_t size = lseek(fd, 0, SEEK_END);
	static char bytes[2 * sizeof(struct place_table)];
	assert_true(size > 0 && (size_t)size <= sizeof(bytes));
	assert_int_equal(pread(fd, bytes, (size_t)size, 0), size);
	size_t used = sizeof(table) - sizeof(table.files) + 2 * sizeof(table.files[0]);
	uint64_t offsets[2] = { 0 };
	for (size_t i = 0; i < used; i += 61) {
		bytes[i] ^= 0x10; /* slot 0, which is one of the two */
		assert_int_equal(pwrite(fd, bytes, (size_t)size, 0), size);
		assert_int_equal(load(), 1);
		offsets[0] = got.files[0].at.offset;
		bytes[i] ^= 0x10;
		assert_true(offsets[1] == 0 || offsets[0] == offsets[1]);
		offsets[1] = offsets[0];
	}
	assert_int_equal(offsets[0], 1000); /* the second save went to slot 0 */
	assert_int_equal(pwrite(fd, bytes, (size_t)size, 0), size);
	assert_int_equal(load(), 1);
	assert_int_equal(got.files[0].at.offset, 2000);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, "not a place", 11, 0), 11);
	assert_int_equal(load(), -EBADMSG);
	assert_int_equal(got.n, 0);
	save(1, 5); /* and goes on */
	assert_int_equal(load(), 1);
	close(fd);
}

static void test_points(void **state)
{
	struct place_file f = { .at = { 1000, 100, 1000 } };
	for (uint64_t i = 1; i <= PLACE_POINTS + 4; i++)
		place_add_point(f.points, &f.n_points, &(struct place_point){ i * 10, i, (int64_t)i * 10 });
	assert_int_equal(f.n_points, PLACE_POINTS);
	assert_int_equal(f.points[0].offset, 50);
	assert_int_equal(place_from(&f, 0, 1 << 20).offset, 1000);
	assert_int_equal(place_from(&f, 800, 1 << 20).offset, 200);
	assert_int_equal(place_from(&f, 805, 1 << 20).offset, 190);
	assert_int_equal(place_from(&f, 5000, 1 << 20).offset, 50); /* the oldest there is */
	assert_int_equal(place_from(&f, 5000, 900).offset, 100);
	assert_int_equal(place_from(&f, 5000, 10).offset, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wild_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
		cmocka_unit_test(test_points),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
