#include "cmd/term.h"

#include "cmd/words.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void check_safe(struct str raw, const char *shown)
{
	struct buf out = { 0 };
	term_safe(&out, raw);
	buf_putc(&out, '\0');
	assert_string_equal(out.p, shown);
	buf_free(&out);
}

static void test_safe(void **state)
{
	check_safe(STR("C:\\Windows\\x.exe -a \"b\""), "C:\\Windows\\x.exe -a \"b\"");
	check_safe(STR("bệnh viện 医院 😀"), "bệnh viện 医院 😀");
	check_safe(STR("a\033[2Jb\a\x7f"), "a\\x1b[2Jb\\x07\\x7f");
	check_safe(STR("a\r\n\tb\0c"), "a\\r\\n\\tb\\x00c");
	check_safe(STR("\xff\xc3(\xe2\x82"), "\\xff\\xc3(\\xe2\\x82");
	check_safe(STR("\xc2\x9b"
	               "31m"),
	           "\\u{9b}31m"); /* CSI as one character of C1 */
	check_safe(STR("gpj\xe2\x80\xae"
	               "exe"),
	           "gpj\\u{202e}exe"); /* turns the writing direction */
	check_safe(STR("a\xe2\x80\xa8"
	               "b\xe2\x80\x8b"),
	           "a\\u{2028}b\\u{200b}");
	check_safe(STR(""), "");
}

/* Whatever comes in, nothing that a terminal acts on goes out. */
static void test_safe_for_any_bytes(void **state)
{
	uint32_t seed = 1;
	for (int round = 0; round < 2000; round++) {
		char raw[40];
		for (size_t i = 0; i < sizeof(raw); i++)
			raw[i] = (char)((seed = seed * 1664525 + 1013904223) >> 24);
		struct buf out = { 0 };
		term_safe(&out, (struct str){ raw, sizeof(raw) });
		for (size_t i = 0; i < out.n; i++) {
			unsigned char c = (unsigned char)out.p[i];
			assert_true(c >= 0x20 && c != 0x7f);
			assert_false(c == 0xc2 && (unsigned char)out.p[i + 1] < 0xa0);
		}
		buf_free(&out);
	}
}

static void test_columns(void **state)
{
	assert_int_equal(term_columns(STR("abc")), 3);
	assert_int_equal(term_columns(STR("việc")), 4);
	assert_int_equal(term_columns(STR("处置：")), 6);
	assert_int_equal(term_columns(STR("e\xcc\x81")), 1);
	assert_int_equal(term_cut(STR("处置"), 3).n, 3);
	assert_int_equal(term_cut(STR("abc"), 2).n, 2);
	assert_int_equal(term_cut(STR("việc"), 3).n, 5);
	assert_int_equal(term_cut(STR("abc"), 9).n, 3);
}

static void test_color(void **state)
{
	unsetenv("NO_COLOR");
	setenv("TERM", "xterm", 1);
	int p[2];
	assert_int_equal(pipe(p), 0);
	assert_false(term_is_tty(p[1]));
	assert_false(term_color(p[1], COLOR_AUTO));
	assert_true(term_color(p[1], COLOR_ALWAYS));
	assert_int_equal(term_width(p[1]), 80);
	int pty = posix_openpt(O_RDWR | O_NOCTTY);
	if (pty >= 0 && term_is_tty(pty)) {
		assert_true(term_color(pty, COLOR_AUTO));
		assert_false(term_color(pty, COLOR_NEVER));
		setenv("NO_COLOR", "1", 1);
		assert_false(term_color(pty, COLOR_AUTO));
		assert_true(term_color(pty, COLOR_ALWAYS));
		unsetenv("NO_COLOR");
		setenv("TERM", "dumb", 1);
		assert_false(term_color(pty, COLOR_AUTO));
	}
	close(pty);
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(term_write(p[1], STR("x")), -EPIPE);
	close(p[1]);
}

static void test_progress(void **state)
{
	struct clock clock;
	clock_test(&clock, 0);
	char text[256];
	int p[2];
	assert_int_equal(pipe2(p, O_NONBLOCK), 0);
	struct progress bar;
	progress_begin(&bar, p[1], &clock);
	assert_false(bar.on); /* a pipe is no terminal */
	bar.on = true;
	progress_update(&bar, 1, 2, NULL); /* work that is over soon needs none */
	assert_int_equal(read(p[0], text, sizeof(text)), -1);
	clock_advance(&clock, CLOCK_S);
	progress_update(&bar, 1, 2, "a\033b");
	progress_update(&bar, 2, 2, NULL); /* too soon for the next */
	ssize_t n = read(p[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "[==========          ]  50%  0:01 left  a\\x1bb"));
	assert_null(strstr(text, "100%"));
	progress_clear(&bar);
	assert_int_equal(read(p[0], text, sizeof(text)), 4);
	progress_clear(&bar); /* nothing is there to clear */
	assert_int_equal(read(p[0], text, sizeof(text)), -1);
	close(p[0]);
	close(p[1]);
}

/* The conversions of a printf format, in order. */
static void conversions(const char *format, char *to, size_t size)
{
	size_t n = 0;
	for (const char *c = format; *c && n + 1 < size; c++) {
		if (*c != '%')
			continue;
		do
			to[n++] = *c++;
		while (n + 1 < size && *c && !strchr("sufd", *c));
		to[n++] = *c;
	}
	to[n] = '\0';
}

static void test_every_language_says_the_same(void **state)
{
	for (int w = 0; w < N_WORDS; w++) {
		char english[64], other[64];
		assert_non_null(words(LANG_EN, (enum word)w));
		conversions(words(LANG_EN, (enum word)w), english, sizeof(english));
		for (int l = 0; l < N_LANGUAGES; l++) {
			const char *text = words((enum language)l, (enum word)w);
			assert_non_null(text);
			assert_true(*text);
			conversions(text, other, sizeof(other));
			assert_string_equal(other, english);
		}
	}
}

static void test_language_from_environment(void **state)
{
	unsetenv("LC_ALL");
	unsetenv("LC_MESSAGES");
	setenv("LANG", "vi_VN.UTF-8", 1);
	assert_int_equal(words_from_environment(), LANG_VI);
	setenv("LC_MESSAGES", "zh_CN.UTF-8", 1);
	assert_int_equal(words_from_environment(), LANG_ZH);
	setenv("LC_ALL", "C", 1);
	assert_int_equal(words_from_environment(), LANG_EN);
	setenv("LC_ALL", "", 1);
	assert_int_equal(words_from_environment(), LANG_ZH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_safe),
		cmocka_unit_test(test_safe_for_any_bytes),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_color),
		cmocka_unit_test(test_progress),
		cmocka_unit_test(test_every_language_says_the_same),
		cmocka_unit_test(test_language_from_environment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
