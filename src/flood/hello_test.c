#include "flood/hello.h"
#include "flood/hello_test_real.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { LONGEST = 8192 };

/* A ClientHello that is put together; what isn't given is what TLS 1.2 programs send. */
struct sent {
	uint8_t b[LONGEST];
	size_t n;
};

static void put(struct sent *s, uint32_t v, size_t bytes)
{
	assert_true(s->n + bytes <= LONGEST);
	while (bytes--)
		s->b[s->n++] = (uint8_t)(v >> 8 * bytes);
}

static void put16s(struct sent *s, const uint16_t *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put(s, v[i], 2);
}

static void patch(struct sent *s, size_t at, size_t bytes)
{
	struct sent len = { 0 };
	put(&len, (uint32_t)(s->n - at - bytes), bytes);
	memcpy(s->b + at, len.b, bytes);
}

static void extension(struct sent *s, uint16_t type, const void *body, size_t n)
{
	put(s, type, 2);
	put(s, (uint32_t)n, 2);
	assert_true(s->n + n <= LONGEST);
	memcpy(s->b + s->n, body, n);
	s->n += n;
}

static void begin(struct sent *s, uint16_t version, const uint16_t *ciphers, size_t n)
{
	*s = (struct sent){ 0 };
	put(s, 1, 1);
	put(s, 0, 3);
	put(s, version, 2);
	s->n += 32;
	put(s, 0, 1);
	put(s, (uint32_t)(2 * n), 2);
	put16s(s, ciphers, n);
	put(s, 0x0100, 2);
}

static size_t extensions_begin(struct sent *s)
{
	put(s, 0, 2);
	return s->n - 2;
}

static void end(struct sent *s, size_t extensions)
{
	if (extensions)
		patch(s, extensions, 2);
	struct sent len = { 0 };
	put(&len, (uint32_t)(s->n - 4), 3);
	memcpy(s->b + 1, len.b, 3);
}

/* In a block of its own size, so that a sanitizer sees what is read beyond. */
static int read_bytes(const void *bytes, size_t n, struct hello *ret)
{
	char *own = malloc(n ? n : 1);
	assert_non_null(own);
	memcpy(own, bytes, n);
	int rc = hello_read((struct str){ own, n }, ret);
	free(own);
	return rc;
}

static int read_sent(const struct sent *s, struct hello *ret)
{
	return read_bytes(s->b, s->n, ret);
}

/* The example that JA4 was published with, with GREASE put in; in two orders of extensions. */
static void as_published(void **state)
{
	static const uint16_t ciphers[] = { 0x3a3a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030,
		                            0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035 };
	static const uint16_t types[] = { 0xdada, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d,
		                          0x0005, 0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015, 0x0a0a };
	static const uint8_t versions[] = { 6, 0xfa, 0xfa, 3, 4, 3, 3 },
	                     alpn[] = { 0, 12, 2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1' };
	static const uint8_t signatures[] = { 0, 16, 4, 3, 8, 4, 4, 1, 5, 3, 8, 5, 5, 1, 8, 6, 6, 1 };
	for (size_t turn = 0; turn < ARRAY_LEN(types); turn++) {
		struct sent s;
		struct hello h;
		begin(&s, 0x0303, ciphers, ARRAY_LEN(ciphers));
		size_t at = extensions_begin(&s);
		for (size_t i = 0; i < ARRAY_LEN(types); i++) {
			uint16_t type = types[(i * 5 + turn) % ARRAY_LEN(types)];
			if (type == 0x002b)
				extension(&s, type, versions, sizeof(versions));
			else if (type == 0x000d)
				extension(&s, type, signatures, sizeof(signatures));
			else if (type == 0x0010)
				extension(&s, type, alpn, sizeof(alpn));
			else
				extension(&s, type, "\0\0", 2);
		}
		end(&s, at);
		assert_int_equal(read_sent(&s, &h), 0);
		assert_string_equal(h.text, "t13d1516h2_8daaf6152771_e5627efa2ab1");
	}
	(void)state;
}

static void alpn_characters(void **state)
{
	static const struct {
		const char *name, *want;
	} t[] = {
		{ "h2", "h2" },
		{ "http/1.1", "h1" },
		{ "h", "hh" },
		{ "\xab", "ab" },
		{ "\xab\xcd", "ad" },
		{ "0\xab", "3b" },
		{ "01\xab\xcd", "3d" },
		{ "0\xab\xcd"
		  "1",
		  "01" },
		{ "-x", "28" },
		{ "x-", "7d" },
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct sent s;
		struct hello h;
		struct sent alpn = { 0 };
		size_t n = strlen(t[i].name);
		put(&alpn, (uint32_t)n + 1, 2);
		put(&alpn, (uint32_t)n, 1);
		memcpy(alpn.b + alpn.n, t[i].name, n);
		begin(&s, 0x0303, (const uint16_t[]){ 0x1301 }, 1);
		size_t at = extensions_begin(&s);
		extension(&s, 0x0010, alpn.b, alpn.n + n);
		end(&s, at);
		assert_int_equal(read_sent(&s, &h), 0);
		assert_memory_equal(h.text, "t12i0101", 8);
		assert_memory_equal(h.text + 8, t[i].want, 2);
		assert_string_equal(h.text + 24, "000000000000");
	}
	(void)state;
}

static void versions(void **state)
{
	static const struct {
		uint16_t legacy;
		const char *extension, *want;
		size_t n;
	} t[] = {
		{ 0x0303, NULL, "12", 0 },
		{ 0x0302, NULL, "11", 0 },
		{ 0x0301, NULL, "10", 0 },
		{ 0x0300, NULL, "s3", 0 },
		{ 0x0002, NULL, "s2", 0 },
		{ 0x7f00, NULL, "00", 0 },
		{ 0x0303, "\x04\x03\x02\x03\x04", "13", 5 },
		{ 0x0303, "\x02\x03\x01", "10", 3 },
		{ 0x0302, "\x02\x3a\x3a", "11", 3 },
		{ 0x0303, "\x04\x7f\x1c\x03\x04", "00", 5 },
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct sent s;
		struct hello h;
		size_t at = 0;
		begin(&s, t[i].legacy, (const uint16_t[]){ 0x002f }, 1);
		if (t[i].n) {
			at = extensions_begin(&s);
			extension(&s, 0x002b, t[i].extension, t[i].n);
		}
		end(&s, at);
		assert_int_equal(read_sent(&s, &h), 0);
		assert_memory_equal(h.text + 1, t[i].want, 2);
	}
	(void)state;
}

static void counts_end_at_99_and_256(void **state)
{
	uint16_t ciphers[257];
	struct sent s;
	struct hello h = { "untouched" };
	for (size_t i = 0; i < ARRAY_LEN(ciphers); i++)
		ciphers[i] = (uint16_t)(0x0100 + i);
	begin(&s, 0x0303, ciphers, 256);
	size_t at = extensions_begin(&s);
	for (uint16_t i = 0; i < 256; i++)
		extension(&s, (uint16_t)(0x1000 + i * 2), "", 0);
	extension(&s, 0x4a4a, "", 0); /* isn't counted */
	end(&s, at);
	assert_int_equal(read_sent(&s, &h), 0);
	assert_memory_equal(h.text, "t12i999900", 10);
	h = (struct hello){ "untouched" };
	extension(&s, 0x2001, "", 0);
	patch(&s, at, 2);
	end(&s, at);
	assert_int_equal(read_sent(&s, &h), -E2BIG);
	begin(&s, 0x0303, ciphers, 257);
	end(&s, 0);
	assert_int_equal(read_sent(&s, &h), -E2BIG);
	assert_string_equal(h.text, "untouched");
	begin(&s, 0x0303, (const uint16_t[]){ 0x0a0a }, 1);
	end(&s, 0);
	assert_int_equal(read_sent(&s, &h), 0);
	assert_string_equal(h.text, "t12i000000_000000000000_000000000000");
	(void)state;
}

static void malformed_extensions(void **state)
{
	static const struct {
		uint16_t type;
		const char *body;
		size_t n;
	} t[] = {
		{ 0x002b, "", 0 },
		{ 0x002b, "\x02\x03", 2 },
		{ 0x002b, "\x03\x03\x04\x03", 4 },
		{ 0x002b, "\x02\x03\x04\x03", 4 },
		{ 0x0010, "\0", 1 },
		{ 0x0010, "\0\3\2h", 4 },
		{ 0x0010, "\0\2\2h2", 5 },
		{ 0x0010, "\0\3\3h2", 5 },
		{ 0x000d, "\0\3\4\1\4", 5 },
		{ 0x000d, "\0\2\4", 3 },
		{ 0x000d, "\0\2\4\1\4\1", 6 },
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct sent s;
		struct hello h = { "untouched" };
		begin(&s, 0x0303, (const uint16_t[]){ 0x1301 }, 1);
		size_t at = extensions_begin(&s);
		extension(&s, t[i].type, t[i].body, t[i].n);
		end(&s, at);
		assert_int_equal(read_sent(&s, &h), -EINVAL);
		assert_string_equal(h.text, "untouched");
	}
	(void)state;
}

static void recorded(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(real); i++) {
		struct hello h, again;
		assert_int_equal(read_bytes(real[i].bytes, real[i].n, &h), 0);
		if (strcmp(h.text, real[i].want) != 0)
			fail_msg("%s: %s, not %s", real[i].program, h.text, real[i].want);
		assert_int_equal(strlen(h.text), HELLO_TEXT);
		assert_true(hello_hash(&h) != 0);
		for (size_t j = 0; j < i; j++) {
			assert_int_equal(read_bytes(real[j].bytes, real[j].n, &again), 0);
			assert_int_equal(hello_hash(&h) == hello_hash(&again), strcmp(h.text, again.text) == 0);
		}
	}
	(void)state;
}

/* Each beginning is refused, and so is one byte more; no changed byte makes it read beyond. */
static void cut_and_changed(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(real); i++) {
		uint8_t bytes[LONGEST];
		struct hello h = { "untouched" };
		assert_true(real[i].n < sizeof(bytes));
		memcpy(bytes, real[i].bytes, real[i].n);
		bytes[real[i].n] = 0;
		for (size_t n = 0; n <= real[i].n + 1; n++)
			if (n != real[i].n)
				assert_int_equal(read_bytes(bytes, n, &h), -EINVAL);
		/* The same, each time with a head that says it is whole. */
		for (size_t n = 4; n < real[i].n; n++) {
			struct sent s = { .n = n };
			memcpy(s.b, bytes, n);
			end(&s, 0);
			int rc = read_sent(&s, &h);
			assert_true(rc == -EINVAL || rc == 0);
		}
		for (size_t at = 0; at < real[i].n; at++) {
			bytes[at] ^= 0xff;
			int rc = read_bytes(bytes, real[i].n, &h);
			assert_true(rc == 0 || rc == -EINVAL || rc == -E2BIG);
			bytes[at] ^= 0xff;
		}
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_published),
		cmocka_unit_test(alpn_characters),
		cmocka_unit_test(versions),
		cmocka_unit_test(counts_end_at_99_and_256),
		cmocka_unit_test(malformed_extensions),
		cmocka_unit_test(recorded),
		cmocka_unit_test(cut_and_changed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
