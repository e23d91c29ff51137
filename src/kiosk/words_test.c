/* No word is missing in any language, and what is put into one is the same in all. */
#include "base/utf8.h"
#include "kiosk/words.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static unsigned places(struct str s)
{
	unsigned n = 0;
	for (size_t i = 0; i + 1 < s.n; i++)
		n += s.p[i] == '%' && (s.p[i + 1] == 's' || s.p[i + 1] == 'd');
	return n;
}

static void test_whole(void **state)
{
	for (unsigned w = 1; w < N_KIOSK_WORDS; w++) {
		for (unsigned lang = 0; lang < N_KIOSK_LANGUAGES; lang++) {
			const struct str s = kiosk_word(lang, w);
			if (!s.n || !utf8_valid(s) || str_trim(s).n != s.n ||
			    places(s) != places(kiosk_word(KIOSK_VI, w)))
				fail_msg("word %u of language %u: \"" STR_FMT "\"", w, lang, STR_ARG(s));
		}
	}
	assert_int_equal(kiosk_word(KIOSK_EN, KIOSK_WORD_NONE).n, 0);
}

static void test_refusals(void **state)
{
	static const char *const known[] = { "slot-full",   "slot-gone",      "day-closed", "too-soon", "too-many",
		                             "name",        "phone",          "born",       "card",     "unknown",
		                             "too-late",    "state",          "day",        "paused",   "sign-in",
		                             "wait",        "password",       "short",      "login",    "last-admin",
		                             "value",       "signature",      "body",       "busy",     "standby",
		                             "stale-epoch", "no-standby-word" };
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (kiosk_word_of_refusal(str_from(known[i])) == KIOSK_WORD_REFUSED)
			fail_msg("no word for %s", known[i]);
	assert_int_equal(kiosk_word_of_refusal(STR("slot-full")), KIOSK_WORD_REFUSED_SLOT_FULL);
	assert_int_equal(kiosk_word_of_refusal(STR("slot-ful")), KIOSK_WORD_REFUSED);
	assert_int_equal(kiosk_word_of_refusal(STR("slot-fulll")), KIOSK_WORD_REFUSED);
	assert_int_equal(kiosk_word_of_refusal(STR("")), KIOSK_WORD_REFUSED);
	assert_int_equal(kiosk_word_of_refusal((struct str){ 0 }), KIOSK_WORD_REFUSED);
}

static void test_states(void **state)
{
	static const char *const booking[] = { "booked", "arrived", "called", "seen", "missed", "cancelled" };
	static const char *const receipt[] = { "taken", "settled",   "cash",    "over", "refunded", "cancelled",
		                               "back",  "unmatched", "account", "late", "returned", "ignored" };
	static const char *const bank[] = { "sepay", "payos", "cash", "back" };
	static const char *const why[] = { "amount", "time", "number", "twice" };
	static const char *const payment[] = { "open", "paid", "short", "over", "late", "refunded", "void" };
	for (size_t i = 0; i < ARRAY_LEN(booking); i++)
		assert_true(kiosk_word_find("STATE_", str_from(booking[i])));
	for (size_t i = 0; i < ARRAY_LEN(payment); i++)
		assert_true(kiosk_word_find("PAYMENT_", str_from(payment[i])));
	for (size_t i = 0; i < ARRAY_LEN(receipt); i++)
		if (!kiosk_word_find("MONEY_STATE_", str_from(receipt[i])) &&
		    !kiosk_word_find("PAYMENT_", str_from(receipt[i])))
			fail_msg("no word for %s", receipt[i]);
	for (size_t i = 0; i < ARRAY_LEN(bank); i++)
		assert_true(kiosk_word_find("MONEY_BANK_", str_from(bank[i])));
	for (size_t i = 0; i < ARRAY_LEN(why); i++)
		assert_true(kiosk_word_find("MONEY_WHY_", str_from(why[i])));
	assert_int_equal(kiosk_word_find("STATE_", STR("open")), KIOSK_WORD_NONE);
}

static void test_languages(void **state)
{
	enum kiosk_language lang = KIOSK_EN;
	assert_true(kiosk_language_of(STR("zh"), &lang));
	assert_int_equal(lang, KIOSK_ZH);
	assert_false(kiosk_language_of(STR("ZH"), &lang));
	assert_false(kiosk_language_of(STR("vie"), &lang));
	assert_false(kiosk_language_of(STR(""), &lang));
	assert_int_equal(lang, KIOSK_ZH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_languages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
