#include "cmd/gate_events.h"
#include "cmd/gate_operators.h"

#include "os/atomic.h"
#include "proxy/waf.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/khien-events-XXXXXX";
static const int64_t NOW = 1795319400000000; /* 2026-11-22T03:50:00Z */

static struct gate_events opened(uint64_t most)
{
	struct gate_events e = { .fd = -1, .most = most };
	snprintf(e.path, sizeof(e.path), "%s/events.jsonl", dir);
	assert_int_equal(gate_events_open(&e, NULL), 0);
	return e;
}

static void forget(void)
{
	char path[256];
	for (int i = 0; i <= GATE_EVENTS_FILES; i++) {
		snprintf(path, sizeof(path), i ? "%s/events.jsonl.%d" : "%s/events.jsonl", dir, i);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/lists", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/lists.told", dir);
	unlink(path);
}

static size_t size_of(const char *name)
{
	char path[256];
	struct stat st;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, &st) ? SIZE_MAX : (size_t)st.st_size;
}

/* Each a JSON object of its own; the values of one name of each line, a blank behind each. */
static void values(struct str lines, const char *name, char *ret, size_t size)
{
	size_t n = 0;
	*ret = '\0';
	for (; lines.n; lines = str_sub(lines, str_find(lines, '\n') + 1, lines.n)) {
		json_t *o = json_loadb(lines.p, str_find(lines, '\n'), JSON_REJECT_DUPLICATES, NULL);
		const json_t *v = json_object_get(o, name);
		assert_non_null(o);
		n += (size_t)(json_is_integer(v)
		                      ? snprintf(ret + n, size - n, "%lld ", (long long)json_integer_value(v))
		              : json_is_boolean(v)
		                      ? snprintf(ret + n, size - n, "%d ", json_is_true(v))
		                      : snprintf(ret + n, size - n, "%s ", v ? json_string_value(v) : "-"));
		assert_true(n < size);
		json_decref(o);
	}
}

static const char answer[] =
        "{\"zone\":\"00112233445566ff\",\"next\":9,\"lost\":3,\"events\":["
        "{\"seq\":7,\"time\":\"2026-11-22T03:40:00Z\",\"kind\":\"strict\",\"from\":null,\"bits\":0,\"pressure\":1.5,"
        "\"share\":2},"
        "{\"seq\":8,\"time\":\"2026-11-22T03:40:01Z\",\"kind\":\"begin\",\"verdict\":\"deny\",\"reason\":\"share\","
        "\"from\":\"203.0.113.0\",\"bits\":120,\"id\":\"ABCD-EFGH-JKMN\",\"count\":0},"
        "{\"seq\":9,\"time\":null,\"kind\":\"end\",\"from\":\"2001:db8::7\",\"bits\":128,\"id\":null,\"count\":41}]}";

static void tells_the_ring(void **state)
{
	(void)state;
	struct buf lines = { 0 };
	struct gate_place to = { 0 };
	char is[512];
	size_t n = 0;
	json_t *o = json_loads(answer, 0, NULL);
	assert_int_equal(gate_events_of(o, NOW, &lines, &to, &n, NULL), 0);
	assert_int_equal(n, 3);
	assert_int_equal(to.seq, 9);
	assert_string_equal(to.zone, "00112233445566ff");
	values(buf_str(&lines), "event.action", is, sizeof(is));
	assert_string_equal(is, "events-lost flood-began turned-away turned-away-ended ");
	values(buf_str(&lines), "gate.seq", is, sizeof(is));
	assert_string_equal(is, "6 7 8 9 ");
	values(buf_str(&lines), "gate.prefix", is, sizeof(is));
	assert_string_equal(is, "- - 203.0.113.0/24 2001:db8::7 ");
	values(buf_str(&lines), "source.ip", is, sizeof(is));
	assert_string_equal(is, "- - - 2001:db8::7 ");
	values(buf_str(&lines), "gate.count", is, sizeof(is));
	assert_string_equal(is, "3 - 0 41 ");
	values(buf_str(&lines), "@timestamp", is, sizeof(is));
	assert_non_null(strstr(is, "2026-11-22T03:40:01.000000Z 2026-11-22T03:50:00.000000Z "));
	/* the same events have the same ids, those of another ring don't */
	char first[512], again[512];
	values(buf_str(&lines), "khien.id", first, sizeof(first));
	lines.n = 0;
	assert_int_equal(gate_events_of(o, NOW + 1, &lines, &to, &n, NULL), 0);
	values(buf_str(&lines), "khien.id", again, sizeof(again));
	assert_string_equal(first, again);
	json_object_set_new(o, "zone", json_string("00112233445566fe"));
	lines.n = 0;
	assert_int_equal(gate_events_of(o, NOW, &lines, &to, &n, NULL), 0);
	values(buf_str(&lines), "khien.id", again, sizeof(again));
	assert_string_not_equal(first, again);
	json_decref(o);
	buf_free(&lines);
}

static void believes_no_gate(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"{}",
		"[]",
		"{\"zone\":\"0\",\"next\":1,\"lost\":0}",
		"{\"zone\":\"00112233445566ff0\",\"next\":1,\"lost\":0,\"events\":[]}",
		"{\"zone\":\"0\",\"next\":-1,\"lost\":0,\"events\":[]}",
		"{\"zone\":\"0\",\"next\":1,\"lost\":0,\"events\":[{\"seq\":1,\"kind\":\"end\"},{\"seq\":2}]}",
		"{\"zone\":\"0\",\"next\":1,\"lost\":0,\"events\":[{\"seq\":0,\"kind\":\"begin\"}]}",
		"{\"zone\":\"0\",\"next\":1,\"lost\":0,\"events\":[7]}",
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct buf lines = { 0 };
		struct gate_place to = { .seq = 5 };
		size_t n = 77;
		json_t *o = json_loads(wrong[i], 0, NULL);
		assert_non_null(o);
		assert_int_equal(gate_events_of(o, NOW, &lines, &to, &n, NULL), -EPROTO);
		assert_int_equal(lines.n, 0);
		assert_int_equal(to.seq, 5);
		assert_int_equal(n, 77);
		json_decref(o);
		buf_free(&lines);
	}
}

static void put_ring(struct gate_events *e, uint64_t from, uint64_t to)
{
	struct buf lines = { 0 };
	for (uint64_t i = from; i <= to; i++)
		buf_printf(&lines, "{\"khien.id\":\"id%llu\",\"gate.zone\":\"00aa\",\"gate.seq\":%llu}\n",
		           (unsigned long long)i, (unsigned long long)i);
	assert_int_equal(gate_events_put(e, buf_str(&lines), NULL), 0);
	buf_free(&lines);
}

static void finds_its_place(void **state)
{
	(void)state;
	struct gate_events e = opened(GATE_EVENTS_SIZE);
	assert_int_equal(e.told.seq, 0);
	assert_string_equal(e.told.zone, "");
	put_ring(&e, 1, 3);
	const uint64_t whole = e.size;
	/* others' lines say nothing of it, whatever is in them */
	assert_int_equal(gate_events_put(&e, STR("{\"url.path\":\"\\\"gate.seq\\\":99\"}\n"), NULL), 0);
	/* cut off in the middle of a line */
	assert_int_equal(write(e.fd, "{\"gate.zone\":\"00aa\",\"gate.seq\":4", 32), 32);
	gate_events_close(&e);
	e = opened(GATE_EVENTS_SIZE);
	assert_int_equal(e.told.seq, 3);
	assert_string_equal(e.told.zone, "00aa");
	assert_int_equal(size_of("events.jsonl"), e.size);
	assert_true(e.size > whole && e.size < whole + 40);
	assert_true(gate_events_has(&e, "id3"));
	assert_false(gate_events_has(&e, "id4"));
	gate_events_close(&e);
	forget();
}

static void is_bounded(void **state)
{
	(void)state;
	struct gate_events e = opened(1000);
	char name[64];
	for (uint64_t i = 1; i <= 400; i++)
		put_ring(&e, i, i);
	for (int i = 0; i <= GATE_EVENTS_FILES; i++) {
		snprintf(name, sizeof(name), i ? "events.jsonl.%d" : "events.jsonl", i);
		if (i < GATE_EVENTS_FILES)
			assert_in_range(size_of(name), 1, 1000);
		else
			assert_int_equal(size_of(name), SIZE_MAX);
	}
	gate_events_close(&e);
	/* killed between two renames: the place is in a file before */
	snprintf(name, sizeof(name), "%s/events.jsonl", dir);
	unlink(name);
	e = opened(1000);
	assert_in_range(e.told.seq, 370, 399);
	gate_events_close(&e);
	forget();
}

/* Nothing of what didn't fit stays. */
static void writes_all_or_nothing(void **state)
{
	(void)state;
	struct gate_events e = opened(GATE_EVENTS_SIZE);
	put_ring(&e, 1, 2);
	const uint64_t before = e.size;
	close(e.fd);
	e.fd = open("/dev/full", O_RDWR);
	assert_int_equal(gate_events_put(&e, STR("{}\n"), NULL), -ENOSPC);
	assert_int_equal(e.fd, -1); /* what can't be cut is opened anew */
	put_ring(&e, 3, 3);
	assert_true(e.size > before);
	gate_events_close(&e);
	e = opened(GATE_EVENTS_SIZE);
	assert_int_equal(e.told.seq, 3);
	gate_events_close(&e);
	forget();
}

static void tells_of_the_waf(void **state)
{
	(void)state;
	struct buf lines = { 0 };
	struct waf_hit hit = { "942100", "203.0.113.9", "/s/\"1\n", "176379540012.1", "SQL injection", "2", true, 15 };
	char is[256];
	gate_events_waf(&lines, &hit, NOW);
	hit.denied = false;
	gate_events_waf(&lines, &hit, NOW);
	gate_events_shed(&lines, "waf-events-shed", 70, NOW);
	values(buf_str(&lines), "event.action", is, sizeof(is));
	assert_string_equal(is, "waf-refused waf-noted waf-events-shed ");
	values(buf_str(&lines), "rule.id", is, sizeof(is));
	assert_string_equal(is, "942100 942100 - ");
	values(buf_str(&lines), "url.path", is, sizeof(is));
	assert_string_equal(is, "/s/\"1\n /s/\"1\n - ");
	values(buf_str(&lines), "source.ip", is, sizeof(is));
	assert_string_equal(is, "203.0.113.9 203.0.113.9 - ");
	buf_free(&lines);
}

static void lists(const char *text)
{
	assert_int_equal(atomic_write(dir, "lists", str_from(text), 0644, NULL), 0);
}

static void told(struct gate_events *e, struct gate_operators *o, const char *actions, const char *prefixes)
{
	char path[256], is[512];
	struct gate_list file = { 0 };
	const size_t before = e->size;
	assert_int_equal(gate_operators_tell(o, e, NOW, NULL), 0);
	snprintf(path, sizeof(path), "%s/events.jsonl", dir);
	const int fd = open(path, O_RDONLY);
	char *room = buf_room(&file.text, 65536);
	const ssize_t n = pread(fd, room, 65536, (off_t)before);
	close(fd);
	assert_true(n >= 0);
	values((struct str){ room, (size_t)n }, "event.action", is, sizeof(is));
	assert_string_equal(is, actions);
	values((struct str){ room, (size_t)n }, "gate.prefix", is, sizeof(is));
	assert_string_equal(is, prefixes);
	gate_list_done(&file);
}

static void tells_what_operators_change(void **state)
{
	(void)state;
	char path[256];
	struct gate_operators o;
	struct err err = { 0 };
	struct gate_events e = opened(GATE_EVENTS_SIZE);
	snprintf(path, sizeof(path), "%s/lists", dir);
	gate_operators_init(&o, dir, path);
	told(&e, &o, "", ""); /* no file */
	lists("# ours\nallow 10.0.0.0/8 until never by an why \"all of us\"\n"
	      "block 203.0.113.7 until 2030-01-01T00:00:00Z by root why \"x\"\n");
	told(&e, &o, "operator-allowed operator-blocked ", "10.0.0.0/8 203.0.113.7 ");
	told(&e, &o, "", "");
	lists("allow 10.0.0.0/8 until never by an why \"all of us\"\n"
	      "allow 203.0.113.7 until never by root why \"y\"\n");
	told(&e, &o, "operator-allowed ", "203.0.113.7 ");
	/* a line that is wrong is told by its place, and nothing of the file until it is mended */
	lists("allow 203.0.113.7 until never by root why \"y\"\nblok 1.2.3.4\n");
	assert_int_equal(gate_operators_tell(&o, &e, NOW, &err), -EINVAL);
	assert_non_null(strstr(err.text, "/lists:2:"));
	lists("allow 203.0.113.7 until never by root why \"y\"\n");
	told(&e, &o, "operator-withdrew ", "10.0.0.0/8 ");
	/* killed before it could note that it had told: not twice */
	lists("block 198.51.100.0/24 until never by root why \"z\"\n");
	struct gate_list was = { 0 };
	snprintf(path, sizeof(path), "%s/lists.told", dir);
	assert_int_equal(gate_list_read(&was, path, NULL), 0);
	snprintf(path, sizeof(path), "%s/lists", dir);
	told(&e, &o, "operator-blocked operator-withdrew ", "198.51.100.0/24 203.0.113.7 ");
	assert_int_equal(atomic_write(dir, "lists.told", buf_str(&was.text), 0644, NULL), 0);
	gate_operators_init(&o, dir, path);
	told(&e, &o, "", "");
	gate_list_done(&was);
	gate_events_close(&e);
	forget();
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	forget();
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_the_ring),
		cmocka_unit_test(believes_no_gate),
		cmocka_unit_test(finds_its_place),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(writes_all_or_nothing),
		cmocka_unit_test(tells_of_the_waf),
		cmocka_unit_test(tells_what_operators_change),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
