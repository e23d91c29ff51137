/* What goes into a block comes out of it: every row byte for byte, every value in its column, every word in its filter. */
#include "store/chunk_fixture.h"

/* --- events made to fit each coding --- */

static const int64_t NOW = 1790000000123456;

static void numbers_and_their_likes(void **state)
{
	struct fixture *f = *state;
	for (uint32_t n = 1; n <= 4096; n *= 8) {
		for (uint32_t i = 0; i < n; i++)
			addf(f, NOW + i * 1000,
			     "{\"up\":%u,\"down\":%lld,\"wide\":\"%05u\",\"mixed\":\"%u\",\"zero\":-0,\"float\":%u.%u,"
			     "\"big\":%llu,\"ip\":\"10.%u.%u.%u\",\"ip0\":\"10.0%u.1.1\",\"port\":%u,\"step\":%u00}",
			     i, -(long long)below(f, 100000) * 1000000007, below(f, 100000), below(f, 100) ? i : 0, i,
			     below(f, 10), 18446744073709551615ull - i, below(f, 256), below(f, 256), below(f, 256),
			     below(f, 10), below(f, 65536), 1 + i * 17);
		check(f);
	}
}

static void times_of_all_sorts(void **state)
{
	struct fixture *f = *state;
	static const char *const days[] = { "2024-02-29", "1999-12-31", "2026-03-01", "1969-12-31", "2100-02-28",
		                            "1700-01-01", "2200-12-31", "2000-02-29", "1900-02-28", "2026-11-22" };
	for (uint32_t i = 0; i < 2000; i++) {
		uint32_t h = below(f, 24), m = below(f, 60), s = below(f, 60), us = below(f, 1000000);
		const char *day = days[below(f, 10)];
		addf(f, NOW + i,
		     "{\"time\":{\"a\":\"2026-11-22T%02u:%02u:%02u.%06uZ\",\"b\":\"%s %02u:%02u:%02u\","
		     "\"c\":\"%sT%02u:%02u:%02u,%03u+07:00\",\"d\":\"%sT%02u:%02u:%02u.%09uZ\","
		     "\"e\":\"%sT%02u:%02u:%02u.%07u\"},\"f\":\"2026-02-%02uT00:00:00Z\",\"g\":\"2026-11-22T%02u:00:"
		     "60Z\","
		     "\"h\":\"1699-11-22T%02u:00:00Z\"}",
		     h, m, s, us, day, h, m, s, day, h, m, s, us % 1000, day, h, m, s, us * 997, day, h, m, s, us * 9,
		     1 + below(f, 31), h, h);
	}
	check(f);
	/* Before 1970, and as far from it as may be. */
	for (uint32_t i = 0; i < 100; i++)
		addf(f, i % 3 ? INT64_MIN + i : INT64_MAX - i, "{\"time\":\"1900-01-%02uT00:00:00.000Z\"}", 1 + i % 31);
	check(f);
	for (uint32_t i = 0; i < 100; i++)
		addf(f, -(int64_t)i * 1000003, "{\"time\":\"1969-12-31T23:59:%02u.%03uZ\"}",
		     59 - i * 1000003 / 1000000 % 60, i);
	check(f);
}

static void hexadecimal(void **state)
{
	struct fixture *f = *state;
	for (uint32_t i = 0; i < 3000; i++) {
		uint32_t a = below(f, UINT32_MAX), b = below(f, UINT32_MAX);
		addf(f, NOW,
		     "{\"id\":\"%08x%08x\",\"ID\":\"%08X%08X\",\"guid\":\"{%08X-%04X-4000-%08X}\",\"odd\":\"%07x\","
		     "\"mac\":\"00:1b:%02x:%02x:%02x:%02x\",\"mixed\":\"%08x%08X\",\"late\":\"%08x\"}",
		     a, b, a, b, a, b & 0xffff, b, a & 0xfffffff, a & 255, b & 255, a >> 24, b >> 24, a, b,
		     i == 2999 ? 0 : a);
	}
	addf(f, NOW, "{\"id\":\"0123456789abcdeg\",\"late\":\"0123456x\"}");
	check(f);
}

static void columns_that_tell_each_other(void **state)
{
	struct fixture *f = *state;
	for (uint32_t i = 0; i < 6000; i++) {
		uint32_t host = below(f, 300), site = host % 7, odd = below(f, 50) ? host : below(f, 300);
		addf(f, NOW + i,
		     "{\"host\":\"pc-%03u\",\"name\":\"pc-%03u\",\"ip\":\"10.0.%u.%u\",\"os\":\"%s\",\"site\":\"site "
		     "%u\","
		     "\"near\":\"n%u\"%s%s}",
		     host, host, host / 200, host % 200, host % 5 ? "windows" : "linux", site, odd,
		     host % 3 ? ",\"some\":\"yes\",\"same\":\"yes\"" : "",
		     i % 2 ? ",\"list\":[1,2,3,1]" : ",\"list\":[]");
	}
	check(f);
}

/* As many values as rows, but not one in each. */
static void as_many_as_rows_but_elsewhere(void **state)
{
	struct fixture *f = *state;
	for (uint32_t few = 0; few < 2; few++) {
		for (uint32_t i = 0; i < 400; i++) {
			uint32_t v = few ? i % 10 * 7 : i * 7919;
			addf(f, NOW + i,
			     i % 2 ? "{\"a\":\"v%u\"}"
			           : "{\"a\":\"v%u\",\"b\":[\"v%u\",\"v%u\"],\"c\":[\"go v%u\",\"v%u!\"]}",
			     v, v, v, v, v);
		}
		check(f);
	}
}

static void texts_of_programs(void **state)
{
	struct fixture *f = *state;
	for (uint32_t i = 0; i < 5000; i++) {
		uint32_t user = below(f, 900), port = below(f, 65536), a = below(f, 256), id = below(f, UINT32_MAX);
		uint32_t kind = below(f, 100);
		addf(f, NOW + i,
		     "{\"user\":{\"name\":\"kt.le%03u\"},\"source\":{\"ip\":\"10.1.2.%u\",\"port\":%u},"
		     "\"path\":\"C:\\\\Users\\\\kt.le%03u\\\\new%u\\\\run.exe\",\"message\":\"%s kt.le%03u from "
		     "10.1.2.%u port %u "
		     "ssh2 [%08x]%s\",\"words\":\"%s\\nline%u \\u0074rue\\t%x\"%s}",
		     user, a, port, user, id % 1000, kind < 50 ? "Failed password for" : "Accepted key of", user, a,
		     port, id, kind == 7 ? " (again)" : "", kind < 30 ? "begin" : "go", id % 5000, id,
		     kind == 9 ? ",\"note\":\"user kt.le and 10.1.2.1 and kt.le12345\"" : "");
	}
	check(f);
}

static void a_value_longer_than_a_megabyte_allows(void **state)
{
	struct fixture *f = *state;
	const size_t n = 1 << 20;
	char *text = malloc(n);
	memset(text, 'x', n);
	memcpy(text, "{\"a\":\"", 6);
	memcpy(text + n - 2, "\"}", 2);
	for (int i = 0; i < 12; i++)
		add(f, i, (struct str){ text, n - (size_t)0 });
	for (int i = 0; i < 40; i++)
		addf(f, i, "{\"a\":\"ssh%d from %d\"}", i, i);
	check(f);
	/* As many scalars as a megabyte can have. */
	memset(text, ' ', n);
	memcpy(text, "{\"a\":[", 6);
	for (size_t i = 6; i < n - 4; i += 2)
		memcpy(text + i, "0,", 2);
	memcpy(text + n - 3, "0]}", 3);
	add(f, 0, (struct str){ text, n });
	addf(f, 0, "{\"a\":[1,2,3]}");
	check(f);
	free(text);
}

static void more_paths_than_columns(void **state)
{
	struct fixture *f = *state;
	char longest[CHUNK_PATH_MAX + 2];
	memset(longest, 'k', sizeof(longest));
	for (uint32_t i = 0; i < 1500; i++)
		addf(f, i,
		     "{\"all\":%u,\"many\":{\"k%u\":\"v%u\",\"k%u\":null},\"many.k%u\":true,\"list\":[{\"p%u\":[%u,\"%"
		     "u\"]}],"
		     "\"\":{\"\":%u},\".\":%u,\"%.*s\":1,\"%.*s\":2}",
		     i, i, i, i + 1, i, i % 700, i, i, i, i, CHUNK_PATH_MAX, longest, CHUNK_PATH_MAX + 1, longest);
	seal(f, 1);
	assert_int_equal(chunk_open(f->reader, f->sealed.data.n, read_memory, &f->sealed.data, &f->err), 0);
	assert_int_equal(chunk_n_columns(f->reader), CHUNK_COLUMNS);
	assert_null(chunk_column_path(f->reader, CHUNK_COLUMNS - 1).p);
	struct chunk_values v;
	uint32_t missing = chunk_column(f->reader, STR("many.k1.not"));
	assert_int_equal(missing, chunk_column(f->reader, STR("many.k1.not")));
	assert_int_equal(chunk_values(f->reader, missing, &v, &f->err), 0);
	assert_int_equal(v.n, 0);
	assert_int_equal(chunk_values(f->reader, missing + 1, &v, &f->err), -EINVAL);
	forget(f);
	for (uint32_t i = 0; i < 1200; i++)
		addf(f, i,
		     "{\"all\":%u,\"many\":{\"k%u\":\"v%u\",\"k%u\":null},\"many.k%u\":true,\"%.*s\":{\"x\":[%u]}}", i,
		     i, i, i + 1, i, CHUNK_PATH_MAX, longest, i);
	check(f);
}

static void every_event_another_shape(void **state)
{
	struct fixture *f = *state;
	for (uint32_t i = 0; i < CHUNK_ROWS; i++)
		addf(f, i, "{%*s\"a\" :%u,\"b\":{\"c\":[%s]}, \"e\"\t:\n\"\"}", (int)(i % 97), "", i,
		     i % 3 == 0   ? "true,{},[]"
		     : i % 3 == 1 ? "[[{\"d\":1}]],2"
		                  : "\"\"");
	assert_int_equal(chunk_add(f->builder, 0, STR("{}"), &f->err), -E2BIG);
	check(f);
	addf(f, 7, " {} ");
	addf(f, 6, "{}");
	check(f);
	addf(f, 5, "{\"a\":{\"b\":[]}}");
	check(f);
}

/* What all of it is for: with its filter a block takes a tenth of its events, random identities and all. */
static void a_tenth_is_enough(void **state)
{
	struct fixture *f = *state;
	for (uint32_t i = 0; i < CHUNK_ROWS; i++) {
		uint32_t ms = i * 7 + below(f, 40), host = below(f, 300), user = below(f, 250),
		         port = 1024 + below(f, 60000);
		uint32_t status = below(f, 10) ? 200 : 404, bytes = below(f, 90000), patient = below(f, 200000);
		addf(f, NOW / 60000000 * 60000000 + ms * 1000,
		     "{\"@timestamp\":\"2026-09-21T14:%02u:%02u.%03u000Z\",\"host.name\":\"bv07-pc-%03u\",\"event."
		     "dataset\":"
		     "\"nginx.access\",\"khien.id\":\"%08x%08x%08x%08x\",\"khien.source\":\"https:10.7.0.5\",\"event\":"
		     "{"
		     "\"category\":\"web\",\"outcome\":\"%s\"},\"user\":{\"name\":\"bs.nguyen%03u\"},\"source\":{"
		     "\"ip\":"
		     "\"10.7.1.%u\",\"port\":%u},\"url\":{\"original\":\"https://his.example/api/v1/patients/%u/"
		     "encounters\"},"
		     "\"http\":{\"request\":{\"method\":\"GET\"},\"response\":{\"status_code\":%u,\"body\":{\"bytes\":%"
		     "u}}},"
		     "\"message\":\"10.7.1.%u - - \\\"GET /api/v1/patients/%u/encounters HTTP/1.1\\\" %u %u "
		     "rt=0.%03u\"}",
		     13 + ms / 60000 % 40, ms / 1000 % 60, ms % 1000, host, below(f, UINT32_MAX), below(f, UINT32_MAX),
		     below(f, UINT32_MAX), below(f, UINT32_MAX), status == 200 ? "success" : "failure", user,
		     host % 250, port, patient, status, bytes, host % 250, patient, status, bytes, below(f, 900));
	}
	seal(f, 1);
	assert_true((f->sealed.data.n + f->sealed.filter.n) * 10 <= f->sealed.raw);
	assert_true(f->sealed.filter.n * 5 <= f->sealed.data.n);
	forget(f);
}

/* --- random objects --- */

static void random_text(struct fixture *f, struct buf *out, uint32_t kind)
{
	static const char *const pieces[] = {
		"\\n", "\\\\", "\\u00e9", "\xe1\xbb\x85", " ", "-", "7", "x", "\\\"", "/"
	};
	switch (kind) {
	case 0: buf_printf(out, "\"%u\"", below(f, 1000)); return;
	case 1: buf_printf(out, "\"host-%u.example\"", below(f, 20)); return;
	case 2: buf_printf(out, "%d.5e-%u", (int)below(f, 2000) - 1000, below(f, 9)); return;
	case 3: buf_printf(out, "%d", (int)below(f, 2000) - 1000); return;
	case 4: buf_add(out, below(f, 2) ? STR("null") : STR("false")); return;
	case 5: buf_printf(out, "\"%08x\"", below(f, UINT32_MAX)); return;
	default:
		buf_putc(out, '"');
		for (uint32_t n = below(f, 12); n; n--)
			buf_add(out, str_from(pieces[below(f, ARRAY_LEN(pieces))]));
		buf_putc(out, '"');
	}
}

static void random_value(struct fixture *f, struct buf *out, uint32_t depth, uint32_t kind)
{
	uint32_t what = depth < 5 ? below(f, 10) : 9;
	if (what > 1) {
		random_text(f, out, below(f, 10) ? kind % 7 : below(f, 7));
		return;
	}
	buf_putc(out, what ? '[' : '{');
	uint32_t n = below(f, 5);
	for (uint32_t i = 0; i < n; i++) {
		if (!what)
			buf_printf(out, "\"%.*s\" :", (int)below(f, 3), &"ab.ba"[below(f, 3)]);
		random_value(f, out, depth + 1, kind + i);
		buf_add(out, i + 1 < n ? STR(",") : STR(""));
	}
	buf_putc(out, what ? ']' : '}');
}

static void any_objects(void **state)
{
	struct fixture *f = *state;
	struct buf out = { 0 };
	for (uint32_t round = 0; round < 60; round++) {
		uint32_t n = 1 + below(f, round % 10 ? 60 : 1500), keys = 1 + below(f, 12), steady = below(f, 2);
		for (uint32_t i = 0; i < n; i++) {
			out.n = 0;
			buf_putc(&out, '{');
			uint32_t first = true;
			for (uint32_t k = 0; k < keys; k++) {
				if (!steady && !below(f, 3))
					continue;
				buf_printf(&out, "%s\"k%u\":", first ? "" : ",", below(f, 20) ? k : 0);
				random_value(f, &out, steady ? 4 : 0, k);
				first = false;
			}
			buf_putc(&out, '}');
			add(f, NOW + (int64_t)below(f, 1000) * i, buf_str(&out));
		}
		check(f);
	}
	buf_free(&out);
}

/* --- what goes wrong --- */

static void what_is_refused_leaves_no_trace(void **state)
{
	struct fixture *f = *state;
	static const char *const wrong[] = { "",           " ",
		                             "[]",         "1",
		                             "\"a\"",      "{",
		                             "{\"a\":}",   "{\"n\":{\"new\":1},\"a\":[1,}",
		                             "{\"a\":1}}", "{\"a\":\"\x01\"}",
		                             "{\"a\":01}", "{} {}" };
	addf(f, 1, "{\"a\":\"b\"}");
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(chunk_add(f->builder, 0, str_from(wrong[i]), &f->err), -EBADMSG);
	addf(f, 2, "{\"n\":{\"new\":2},\"a\":\"c\"}");
	check(f);
	assert_int_equal(chunk_seal(f->builder, 1, &f->sealed, &f->err), -EINVAL);
}

static void fill_small(struct fixture *f)
{
	for (uint32_t i = 0; i < 300; i++)
		addf(f, NOW + i,
		     "{\"a\":%u,\"b\":\"10.0.0.%u\",\"id\":\"%08x\",\"m\":\"from 10.0.0.%u: %u\",\"c\":\"x\"}", i,
		     i % 250, i * 2654435761u, i % 250, i * 7);
	seal(f, 1);
}

/* Events of shapes that were met are read along them, which must make no difference. */
static void events_like_others(void **state)
{
	struct fixture *f = *state;
	char longer[20000];
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	for (uint32_t i = 0; i < 3000; i++) {
		const char *text = i % 100 ? longer + sizeof(longer) - 1 - below(f, 30) : longer + below(f, 12000);
		switch (below(f, 8)) {
		case 0: addf(f, NOW, "{\"a\":\"%s\",\"b\":%u}", text, i); break;
		case 1: addf(f, NOW, "{\"a\":\"%s\",\"b\":\"%u\"}", text, i); break;
		case 2: addf(f, NOW, "{\"a\":\"\\\"%s\\\\\",\"b\":-%u.5e+2}", text, 1 + i); break;
		case 3: addf(f, NOW, "{\"a\":\"%s\",\"b\":%s}", text, i % 2 ? "true" : "null"); break;
		case 4: addf(f, NOW, "{\"a\":\"%s\",\"b\":{\"c\":[%u,\"%s\"]},\"d\":[]}", text, i, text); break;
		case 5: addf(f, NOW, "{\"a\":\"%s\",\"b\":{\"c\":[%u]}}", text, i); break;
		case 6: addf(f, NOW, "{\"\\\"k\\\\\":\"%s\", \"n%u\" : %u }", text, i % 20, i); break;
		default: addf(f, NOW, "{}");
		}
	}
	check(f);
}

static void wrong_events_like_others_are_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const wrong[] = {
		"{\"a\":\"x\",\"n\":01,\"l\":[1]}",       "{\"a\":\"x\",\"n\":1,\"l\":[1]}}",
		"{\"a\":\"x\",\"n\":1,\"l\":[1]} {}",     "{\"a\":\"x\",\"n\":1x,\"l\":[1]}",
		"{\"a\":\"x\",\"n\":,\"l\":[1]}",         "{\"a\":\"x\",\"n\":1,\"l\":[1}",
		"{\"a\":\"\\q\",\"n\":1,\"l\":[1]}",      "{\"a\":\"\x01\",\"n\":1,\"l\":[1]}",
		"{\"a\":\"x,\"n\":1,\"l\":[1]}",          "{\"a\":\"\\\",\"n\":1,\"l\":[1]}",
		"{\"a\":\"x\",\"n\":1,\"l\":[1]",         "{\"a\":\"x\",\"n\":1,\"l\":[",
		"{\"a\":\"x\",\"n\":tru,\"l\":[1]}",      "{\"a\":\"x\",\"n\":\"1,\"l\":[1]}",
		"{\"a\":\"x\\u00g0\",\"n\":1,\"l\":[1]}", "\"a\":\"x\",\"n\":1,\"l\":[1]}",
	};
	addf(f, 1, "{\"a\":\"b\",\"n\":1,\"l\":[1]}");
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_int_equal(chunk_add(f->builder, 0, str_from(wrong[i]), &f->err), -EBADMSG);
		addf(f, 1, "{\"a\":\"b\",\"n\":%u,\"l\":[1]}", (unsigned)i);
	}
	check(f);
}

static void what_was_added_is_forgotten(void **state)
{
	struct fixture *f = *state;
	fill_small(f);
	addf(f, NOW, "{\"x\":\"\\u0041\"}");
	chunk_builder_clear(f->builder);
	assert_int_equal(chunk_rows(f->builder), 0);
	forget(f);
	addf(f, NOW, "{\"a\":1}");
	check(f);
	assert_int_equal(chunk_seal(f->builder, 1, &f->sealed, &f->err), -EINVAL);
}

static void a_full_block_is_told_from_an_event_too_big(void **state)
{
	struct fixture *f = *state;
	const size_t n = CHUNK_RAW_MAX / 2 + 16;
	char *text = malloc(2 * n);
	memset(text, ' ', 2 * n);
	memcpy(text, "{}", 2);
	assert_int_equal(chunk_add(f->builder, 0, (struct str){ text, 2 * n }, &f->err), -EMSGSIZE);
	assert_int_equal(chunk_add(f->builder, 0, (struct str){ text, n }, &f->err), 0);
	assert_int_equal(chunk_add(f->builder, 0, (struct str){ text, n }, &f->err), -E2BIG);
	assert_int_equal(chunk_rows(f->builder), 1);
	assert_int_equal(chunk_seal(f->builder, 1, &f->sealed, &f->err), 0);
	/* More scalars than a block may have. */
	memcpy(text, "{\"a\":[", 6);
	for (size_t i = 6; i < 2 * CHUNK_VALUES + 6; i += 2)
		memcpy(text + i, "0,", 2);
	memcpy(text + 2 * CHUNK_VALUES + 6, "0]}", 3);
	assert_int_equal(chunk_add(f->builder, 0, (struct str){ text, 2 * CHUNK_VALUES + 9 }, &f->err), -EMSGSIZE);
	addf(f, 0, "{\"a\":0}");
	assert_int_equal(chunk_add(f->builder, 0, (struct str){ text, 2 * CHUNK_VALUES + 9 }, &f->err), -E2BIG);
	check(f);
	free(text);
}

static int read_all(struct fixture *f, struct str *block)
{
	struct buf out = { 0 };
	const int64_t *times;
	struct chunk_values v;
	int r = chunk_open(f->reader, block->n, read_memory, block, &f->err);
	if (!r)
		r = chunk_times(f->reader, &times, &f->err);
	for (uint32_t c = 0; !r && c < chunk_n_columns(f->reader); c++)
		r = chunk_values(f->reader, c, &v, &f->err);
	for (uint32_t i = 0; !r && i < chunk_n_rows(f->reader); i++)
		r = chunk_json(f->reader, i, &out, &f->err);
	buf_free(&out);
	return r;
}

static void any_changed_byte_is_found(void **state)
{
	struct fixture *f = *state;
	fill_small(f);
	char *copy = malloc(f->sealed.data.n);
	memcpy(copy, f->sealed.data.p, f->sealed.data.n);
	struct str block = { copy, f->sealed.data.n };
	assert_int_equal(read_all(f, &block), 0);
	for (size_t i = 0; i < block.n; i++) {
		copy[i] ^= (char)(1 << i % 8);
		assert_int_equal(read_all(f, &block), -EBADMSG);
		if (!chunk_open(f->reader, block.n, read_memory, &block, &f->err))
			assert_int_equal(chunk_check(f->reader, &f->err), -EBADMSG);
		copy[i] ^= (char)(1 << i % 8);
	}
	for (size_t n = 0; n < f->sealed.data.n; n += 1 + n / 50) {
		block.n = n;
		assert_int_equal(read_all(f, &block), -EBADMSG);
	}
	free(copy);
}

/* The same, but with checksums that fit: whatever is said, nothing breaks. */
static void lies_are_survived(void **state)
{
	struct fixture *f = *state;
	fill_small(f);
	char *copy = malloc(f->sealed.data.n);
	struct str block = { copy, f->sealed.data.n };
	uint32_t refused = 0;
	for (uint32_t round = 0; round < (KHIEN_SANITIZED ? 500 : 4000); round++) {
		memcpy(copy, f->sealed.data.p, block.n);
		for (uint32_t k = 1 + below(f, 3); k; k--)
			copy[below(f, (uint32_t)block.n)] = (char)below(f, 256);
		chunk_mend_sums(copy, block.n);
		int r = read_all(f, &block);
		assert_true(r == 0 || r == -EBADMSG || r == -ENOMEM);
		refused += r != 0;
	}
	assert_true(refused > 100);
	free(copy);
}

static int refuse(void *arg, uint64_t at, void *to, size_t n, struct err *err)
{
	return at >= *(uint64_t *)arg ? err_set(err, -EIO, "as the test wants") : -EAGAIN;
}

static int read_until(void *arg, uint64_t at, void *to, size_t n, struct err *err)
{
	struct str *block = arg;
	return at ? err_set(err, -EIO, "as the test wants") : read_memory(block, at, to, n, err);
}

static void errors_of_the_disk_are_handed_on(void **state)
{
	struct fixture *f = *state;
	uint64_t from = 0;
	struct chunk_values v;
	fill_small(f);
	assert_int_equal(chunk_open(f->reader, f->sealed.data.n, refuse, &from, &f->err), -EIO);
	assert_int_equal(chunk_n_columns(f->reader), 0);
	assert_int_equal(chunk_open(f->reader, f->sealed.data.n, read_until, &f->sealed.data, &f->err), 0);
	assert_int_equal(chunk_values(f->reader, 0, &v, &f->err), -EIO);
	assert_int_equal(chunk_check(f->reader, &f->err), -EIO);
}

static void a_newer_layout_is_named(void **state)
{
	struct fixture *f = *state;
	fill_small(f);
	char *copy = malloc(f->sealed.data.n);
	memcpy(copy, f->sealed.data.p, f->sealed.data.n);
	copy[7]++;
	struct str block = { copy, f->sealed.data.n };
	assert_int_equal(chunk_open(f->reader, block.n, read_memory, &block, &f->err), -EBADMSG);
	assert_non_null(strstr(f->err.text, "version 3"));
	free(copy);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, destroy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(numbers_and_their_likes),
		TEST(times_of_all_sorts),
		TEST(hexadecimal),
		TEST(columns_that_tell_each_other),
		TEST(as_many_as_rows_but_elsewhere),
		TEST(texts_of_programs),
		TEST(a_value_longer_than_a_megabyte_allows),
		TEST(more_paths_than_columns),
		TEST(every_event_another_shape),
		TEST(a_tenth_is_enough),
		TEST(any_objects),
		TEST(what_is_refused_leaves_no_trace),
		TEST(events_like_others),
		TEST(wrong_events_like_others_are_refused),
		TEST(what_was_added_is_forgotten),
		TEST(a_full_block_is_told_from_an_event_too_big),
		TEST(any_changed_byte_is_found),
		TEST(lies_are_survived),
		TEST(errors_of_the_disk_are_handed_on),
		TEST(a_newer_layout_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
