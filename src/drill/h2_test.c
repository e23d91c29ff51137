#include "drill/h2.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define FRAME(n, type, flags, stream) "\0\0" n type flags "\0\0\0" stream
#define SETTINGS                      FRAME("\0", "\4", "\0", "\0")
#define BYTES(text)                   ((struct str){ text, sizeof(text) - 1 })

/* A connection on which a request is out. */
static void ask(struct h2 *h)
{
	CLEANUP(buf_free) struct buf block = { 0 };
	*h = (struct h2){ 0 };
	assert_int_equal(drill_h2_block(&block, true, "kiosk", "/s/1", "Mozilla/5.0"), 0);
	assert_int_equal(drill_h2_ask(h, buf_str(&block)), 0);
	assert_memory_equal(h->out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	assert_true(memmem(h->out, h->n_out, "/s/1", 4) && memmem(h->out, h->n_out, "kiosk", 5));
	h->n_out = 0;
}

/* In pieces, each in memory of its own. */
static int take(struct h2 *h, struct str all, size_t piece)
{
	int code = 0;
	for (size_t i = 0; i < all.n && !code; i += piece) {
		const struct str part = str_sub(all, i, piece);
		char *copy = malloc(part.n);
		memcpy(copy, part.p, part.n);
		code = drill_h2_take(h, (struct str){ copy, part.n });
		free(copy);
	}
	return code;
}

static const struct answer {
	struct str bytes;
	int code, status;
} answers[] = {
	{ BYTES(SETTINGS FRAME("\1", "\1", "\5", "\1") "\x88"), 1, 200 },
	{ BYTES(SETTINGS FRAME("\1", "\1", "\4", "\1") "\x8d" FRAME("\3", "\0", "\1", "\1") "abc"), 1, 404 },
	{ BYTES(FRAME("\5", "\1", "\5", "\1") "\x48\x03"
	                                      "429"),
	  1, 429 },
	{ BYTES(FRAME("\5", "\1", "\5", "\1") "\x08\x03"
	                                      "503"),
	  1, 503 },
	/* 429 and 302 in Huffman's code: 011010 00010 011111, and 011001 00000 00010 */
	{ BYTES(FRAME("\5", "\1", "\5", "\1") "\x48\x83\x68\x4f\xff"), 1, 429 },
	{ BYTES(FRAME("\4", "\1", "\5", "\1") "\x48\x82\x64\x02"), 1, 302 },
	{ BYTES(FRAME("\3", "\1", "\5", "\1") "\x20\x3f\x88"), -EPROTO, 0 },
	{ BYTES(FRAME("\2", "\1", "\5", "\1") "\x20\x88"), 1, 200 },
	{ BYTES(FRAME("\4", "\3", "\0", "\1") "\0\0\0\7"), -ECONNRESET, 0 },
	{ BYTES(FRAME("\10", "\7", "\0", "\0") "\0\0\0\0\0\0\0\0"), -ECONNRESET, 0 },
	{ BYTES(FRAME("\1", "\1", "\5", "\1") "\x41"), -EPROTO, 0 },
	{ BYTES(FRAME("\2", "\1", "\5", "\1") "\x08\x7f"), -EPROTO, 0 },
	{ BYTES("\x7f\xff\xff\0\0\0\0\0\1"), -EPROTO, 0 },
};

static void reads_whatever_the_pieces(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		for (size_t piece = 1; piece <= answers[i].bytes.n; piece++) {
			struct h2 h;
			ask(&h);
			assert_int_equal(take(&h, answers[i].bytes, piece), answers[i].code);
			if (answers[i].code == 1)
				assert_int_equal(h.status, answers[i].status);
		}
}

static void says_what_it_must(void **state)
{
	struct h2 h;
	ask(&h);
	assert_int_equal(drill_h2_take(&h, BYTES(SETTINGS FRAME("\10", "\6", "\0", "\0") "12345678")), 0);
	assert_int_equal(h.n_out, 9 + 17);
	assert_memory_equal(h.out, FRAME("\0", "\4", "\1", "\0"), 9);
	assert_memory_equal(h.out + 9, FRAME("\10", "\6", "\1", "\0") "12345678", 17);
}

static void asks_again(void **state)
{
	struct h2 h;
	ask(&h);
	assert_int_equal(drill_h2_take(&h, BYTES(FRAME("\1", "\1", "\5", "\1") "\x88")), 1);
	assert_int_equal(drill_h2_ask(&h, BYTES("\x82")), 0);
	assert_int_equal(h.stream, 3);
	assert_memory_equal(h.out, FRAME("\1", "\1", "\5", "\3") "\x82", 10);
	/* the one before has nothing more to say */
	assert_int_equal(drill_h2_take(&h, BYTES(FRAME("\1", "\1", "\5", "\1") "\x88")), 0);
	assert_int_equal(drill_h2_take(&h, BYTES(FRAME("\10", "\7", "\0", "\0") "\0\0\0\3\0\0\0\0")), 0);
	assert_int_equal(drill_h2_take(&h, BYTES(FRAME("\1", "\1", "\5", "\3") "\x88")), 1);
	h.n_out = 0;
	assert_int_equal(drill_h2_ask(&h, BYTES("\x82")), -EPIPE);
}

/* A peer that has something to acknowledge without end can't make it write without end. */
static void bounds_what_it_says(void **state)
{
	struct h2 h;
	int code = 0;
	ask(&h);
	for (int i = 0; i < 1000 && !code; i++)
		code = drill_h2_take(&h, BYTES(SETTINGS));
	assert_int_equal(code, -ENOSPC);
	assert_true(h.n_out <= H2_OUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_whatever_the_pieces),
		cmocka_unit_test(says_what_it_must),
		cmocka_unit_test(asks_again),
		cmocka_unit_test(bounds_what_it_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
