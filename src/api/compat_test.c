/*
 * Shippers' requests and what they must be answered: tests/hub/shippers/ *.txt
 *
 *   > a line of the header, the request line first; Host and Content-Length are added where they are missing
 *   | a line of the body
 *   < the status; then lines that the answer's header has
 *   = a path into the answer's JSON (numbers count in arrays, "." is all of it), and the JSON that stands there;
 *     an object may have further keys named _id, _seq_no
 *   + "dataset|id|record": an event that was taken
 *
 * A blank line or another ">" begins the next request; all go over one connection. "#" begins a comment.
 */
#include "api/server_test.h"

#include <dirent.h>
#include <jansson.h>

static const char folder[] = "tests/hub/shippers";

struct exchange {
	const char *file;
	int line;
	struct buf head, body, expected; /* expected: lines of <, =, + */
	bool any;
};

static void exchange_free(struct exchange *x)
{
	buf_free(&x->head), buf_free(&x->body), buf_free(&x->expected);
	x->any = false;
}

static json_t *at_path(json_t *value, struct str path)
{
	while (value && path.n && !str_eq(path, STR("."))) {
		char key[128];
		size_t n = str_find(path, '.');
		/* a name may have dots of its own: "filebeat-8.17.0" never stands in a path here */
		snprintf(key, sizeof(key), STR_FMT, STR_ARG(str_sub(path, 0, n)));
		value = json_is_array(value) ? json_array_get(value, (size_t)atoi(key)) : json_object_get(value, key);
		path = str_sub(path, n + 1, path.n);
	}
	return value;
}

static void check_json(const struct exchange *x, const struct reply *r, struct str line)
{
	size_t n = str_find(line, ' ');
	struct str want_text = str_sub(line, n + 1, line.n);
	json_t *all = json_loadb(r->body.p, r->body.n, 0, NULL);
	json_t *want = json_loadb(want_text.p, want_text.n, JSON_DECODE_ANY, NULL);
	json_t *have = at_path(all, str_sub(line, 0, n));
	assert_non_null(want);
	if (json_is_object(have) && json_is_object(want) && !json_object_get(want, "_seq_no"))
		json_object_del(have, "_seq_no");
	if (!have || !json_equal(have, want))
		fail_msg("%s:%d: not " STR_FMT " in " STR_FMT, x->file, x->line, STR_ARG(line), STR_ARG(r->body));
	json_decref(all);
	json_decref(want);
}

static void check(struct server *s, const struct exchange *x, const struct reply *r)
{
	struct str expected = buf_str(&x->expected);
	while (expected.n) {
		size_t n = str_find(expected, '\n');
		struct str line = str_sub(expected, 0, n), rest = str_sub(line, 2, line.n);
		expected = str_sub(expected, n + 1, expected.n);
		char z[1024];
		snprintf(z, sizeof(z), STR_FMT, STR_ARG(rest));
		if (line.p[0] == '=')
			check_json(x, r, rest);
		else if (line.p[0] == '+' && !str_has(buf_str(&s->taker.seen), z))
			fail_msg("%s:%d: no event %s", x->file, x->line, z);
		else if (line.p[0] == '<' && rest.n == 3 && r->status != atoi(z))
			fail_msg("%s:%d: %d instead of %s: " STR_FMT, x->file, x->line, r->status, z, STR_ARG(r->body));
		else if (line.p[0] == '<' && rest.n > 3 && !str_has(r->head, z))
			fail_msg("%s:%d: no %s", x->file, x->line, z);
	}
}

static void perform(struct server *s, int fd, struct exchange *x)
{
	struct buf b = { 0 };
	struct reply r;
	if (!x->any)
		return;
	s->taker.seen.n = 0;
	buf_add(&b, buf_str(&x->head));
	if (!str_has(buf_str(&x->head), "\r\nHost:"))
		buf_add(&b, STR("Host: hub\r\n"));
	if (x->body.n)
		buf_printf(&b, "Content-Length: %zu\r\n", x->body.n);
	buf_add(&b, STR("\r\n"));
	buf_add(&b, buf_str(&x->body));
	send_some(s, fd, buf_str(&b));
	receive_for(s, fd, &r, str_starts(buf_str(&b), STR("HEAD")), 2000);
	check(s, x, &r);
	reply_free(&r);
	buf_free(&b);
	exchange_free(x);
}

static void play(const char *file, FILE *in)
{
	struct server s;
	struct exchange x = { .file = file };
	char text[4096], last = 0;
	int fd, exchanges = 0;
	server_start(&s, (struct api_config){ 0 });
	fd = dial(&s);
	for (int line = 1; fgets(text, sizeof(text), in); line++) {
		struct str l = str_sub(str_from(text), 0, str_find(str_from(text), '\n'));
		struct str rest = str_sub(l, 2, l.n);
		char c = l.n ? l.p[0] : 0;
		if (!c || (c == '>' && last != '>'))
			perform(&s, fd, &x);
		if (c == '>' && !x.any) {
			x.line = line;
			x.any = true;
			exchanges++;
		}
		if (c == '>')
			buf_printf(&x.head, STR_FMT "\r\n", STR_ARG(rest));
		else if (c == '|')
			buf_printf(&x.body, STR_FMT "\n", STR_ARG(rest));
		else if (c == '<' || c == '=' || c == '+')
			buf_printf(&x.expected, STR_FMT "\n", STR_ARG(l));
		else if (c && c != '#')
			fail_msg("%s:%d: what is '%c'?", file, line, c);
		last = c;
	}
	perform(&s, fd, &x);
	assert_true(exchanges > 0);
	assert_int_equal(api_counts(s.api).requests, exchanges);
	close(fd);
	server_stop(&s);
}

static void shippers(void **state)
{
	DIR *d = opendir(folder);
	int files = 0;
	assert_non_null(d);
	for (const struct dirent *e; (e = readdir(d));) {
		char path[512];
		if (!str_ends(str_from(e->d_name), STR(".txt")))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		FILE *in = fopen(path, "r");
		assert_non_null(in);
		play(path, in);
		fclose(in);
		files++;
	}
	closedir(d);
	assert_true(files >= 7);
}

/* An id that is given where none came is new for each item and each request. */
static void given_ids(void **state)
{
	struct server s;
	char ids[4][32];
	server_start(&s, (struct api_config){ 0 });
	for (int i = 0; i < 4; i += 2) {
		struct reply r;
		ask_post(&s, "/a/_bulk", "", STR("{\"index\":{}}\n{}\n{\"index\":{}}\n{}\n"), &r);
		json_t *all = json_loadb(r.body.p, r.body.n, 0, NULL);
		for (int k = 0; k < 2; k++) {
			json_t *item = json_array_get(json_object_get(all, "items"), (size_t)k);
			json_t *id = json_object_get(json_object_get(item, "index"), "_id");
			assert_int_equal(json_string_length(id), 20);
			snprintf(ids[i + k], sizeof(ids[0]), "%s", json_string_value(id));
			for (int j = 0; j < i + k; j++)
				assert_string_not_equal(ids[j], ids[i + k]);
		}
		json_decref(all);
		reply_free(&r);
	}
	server_stop(&s);
}

/* An id longer than the store takes is known by its hash, and answered as it came. */
static void long_ids(void **state)
{
	struct server s;
	struct reply r;
	struct buf b = { 0 };
	server_start(&s, (struct api_config){ 0 });
	for (int n = 128; n <= 513; n += n < 512 ? 384 : 1)
		buf_printf(&b, "{\"create\":{\"_id\":\"%0*d\"}}\n{\"n\":%d}\n", n, 0, n);
	ask_post(&s, "/a/_bulk", "", buf_str(&b), &r);
	json_t *all = json_loadb(r.body.p, r.body.n, 0, NULL), *items = json_object_get(all, "items");
	assert_int_equal(json_array_size(items), 3);
	static const int status[] = { 201, 201, 400 };
	for (size_t i = 0; i < 3; i++) {
		json_t *item = json_object_get(json_array_get(items, i), "create");
		assert_int_equal(json_integer_value(json_object_get(item, "status")), status[i]);
		assert_int_equal(json_string_length(json_object_get(item, "_id")), i ? 512 : 128);
	}
	char want[256];
	snprintf(want, sizeof(want), "a|%0128d|{\"n\":128}\na|sha256-", 0);
	assert_true(str_starts(buf_str(&s.taker.seen), str_from(want)));
	assert_int_equal(s.taker.events, 2);
	json_decref(all);
	reply_free(&r);
	buf_free(&b);
	server_stop(&s);
}

/* More items than one answer holds are refused as a whole. */
static void too_many_items(void **state)
{
	struct server s;
	struct reply r;
	struct buf b = { 0 };
	server_start(&s, (struct api_config){ 0 });
	for (int i = 0; i <= 128 << 10; i++)
		buf_add(&b, STR("{\"index\":{}}\n{}\n"));
	ask_post(&s, "/a/_bulk", "", buf_str(&b), &r);
	assert_int_equal(r.status, 413);
	reply_free(&r);
	ask_post(&s, "/a/_bulk", "", str_sub(buf_str(&b), 0, b.n - 16), &r);
	assert_int_equal(r.status, 200);
	assert_true(str_has(r.body, "\"errors\":false"));
	reply_free(&r);
	buf_free(&b);
	server_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shippers),
		cmocka_unit_test(given_ids),
		cmocka_unit_test(long_ids),
		cmocka_unit_test(too_many_items),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
