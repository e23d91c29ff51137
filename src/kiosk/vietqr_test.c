#include "kiosk/pay.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* Both npm libraries that tests/kiosk compares with give this one. */
static const char KNOWN[] = "00020101021238530010A0000007270123000697041601092576788590208QRIBFTTA5303704540510000"
                            "5802VN62150811Chuyen tien630453E6";

static const struct vietqr GOOD = {
	.bin = { "970416", 6 }, .account = { "257678859", 9 }, .amount = 10000, .purpose = { "Chuyển tiền", 15 }
};

static void assert_folds(const char *text, const char *folded)
{
	struct buf b = { 0 };
	vietqr_fold(str_from(text), &b);
	buf_putc(&b, 0);
	assert_string_equal(b.p, folded);
	buf_free(&b);
}

static void test_crc(void **state)
{
	assert_int_equal(vietqr_crc(STR("123456789")), 0x29b1);
	assert_int_equal(vietqr_crc(STR("")), 0xffff);
}

static void test_known(void **state)
{
	char out[VIETQR_MAX];
	assert_int_equal(vietqr_write(&GOOD, out, NULL), 0);
	assert_string_equal(out, KNOWN);
	struct vietqr q;
	assert_int_equal(vietqr_read(str_from(out), &q, NULL), 0);
	assert_true(str_eq(q.bin, GOOD.bin) && str_eq(q.account, GOOD.account) && !q.card);
	assert_int_equal(q.amount, 10000);
	assert_true(str_eq(q.purpose, STR("Chuyen tien")));
}

static void test_static_and_card(void **state)
{
	const struct vietqr q = { .bin = STR("970403"), .account = STR("9704031101234567"), .card = true };
	char out[VIETQR_MAX];
	struct vietqr back;
	assert_int_equal(vietqr_write(&q, out, NULL), 0);
	assert_memory_equal(out, "000201010211", 12);
	assert_non_null(strstr(out, "0208QRIBFTTC"));
	assert_null(strstr(out, "5802VN62")); /* no purpose, no object for it */
	assert_int_equal(vietqr_read(str_from(out), &back, NULL), 0);
	assert_true(back.card && back.amount == 0 && back.purpose.n == 0);
}

static void test_folding(void **state)
{
	assert_folds("Nguyễn Thị Đào", "Nguyen Thi Dao");
	assert_folds("ăâđêôơư ĂÂĐÊÔƠƯ ỳỵỷỹý ỲỴỶỸÝ ĩũ ĨŨ Ð", "aadeoou AADEOOU yyyyy YYYYY iu IU D");
	assert_folds("ẠạẶặẸẹỆệỈỉỊịỌọỢợỤụỰựỲỳỸỹ", "AaAaEeEeIiIiOoOoUuUuYyYy"); /* ends of the runs */
	assert_folds("Nguye\xcc\x82\xcc\x83n", "Nguyen");                     /* marks that stand alone */
	assert_folds("a\t\n  b \xe4\xb8\xad\xe6\x96\x87 c\xff\xfe!", "a b c !");
	assert_folds("\xc3\x84\xc3\x87~\x7f", " ~ "); /* no letters of Vietnamese */
	assert_folds("", "");
}

static void test_purpose_is_cut(void **state)
{
	struct vietqr q = GOOD, back;
	char out[VIETQR_MAX];
	q.purpose = STR("  Khám bệnh buổi sáng số 12 phòng 3 ");
	assert_int_equal(vietqr_write(&q, out, NULL), 0);
	assert_int_equal(vietqr_read(str_from(out), &back, NULL), 0);
	assert_true(str_eq(back.purpose, STR("Kham benh buoi sang so 12")));
	q.purpose = STR("Khám bệnh buổi sáng số12 phòng 3"); /* a blank where it is cut */
	assert_int_equal(vietqr_write(&q, out, NULL), 0);
	assert_int_equal(vietqr_read(str_from(out), &back, NULL), 0);
	assert_true(str_eq(back.purpose, STR("Kham benh buoi sang so12")));
	q.purpose = STR(" \t ");
	assert_int_equal(vietqr_write(&q, out, NULL), 0);
	assert_null(strstr(out, "5802VN62"));
}

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *bin, *account;
		int64_t amount;
	} bad[] = { { "97041", "1", 1 },     { "9704160", "1", 1 },
		    { "97041x", "1", 1 },    { "970416", "", 1 },
		    { "970416", "12 3", 1 }, { "970416", "12345678901234567890", 1 },
		    { "970416", "1-2", 1 },  { "970416", "1", -1 },
		    { "970416", "đ", 1 },    { "970416", "1", MONEY_MAX + 1 },
		    { "", "1", 1 } };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err;
		const struct vietqr q = { .bin = str_from(bad[i].bin),
			                  .account = str_from(bad[i].account),
			                  .amount = bad[i].amount };
		char out[VIETQR_MAX] = "as it was";
		assert_int_equal(vietqr_write(&q, out, &err), -EINVAL);
		assert_string_equal(out, "as it was");
	}
	struct vietqr most = { .bin = STR("970416"), .account = STR("ABCDEFGHIJ123456789"), .amount = MONEY_MAX };
	char out[VIETQR_MAX];
	assert_int_equal(vietqr_write(&most, out, NULL), 0);
	assert_non_null(strstr(out, "54139999999999999"));
}

/* Any change of one byte, and any cut, is seen. */
static void test_damage_is_seen(void **state)
{
	char text[sizeof(KNOWN)];
	struct vietqr q;
	for (size_t i = 0; i < sizeof(KNOWN) - 1; i++) {
		memcpy(text, KNOWN, sizeof(KNOWN));
		text[i] ^= 1;
		assert_int_equal(vietqr_read(str_from(text), &q, NULL), -EBADMSG);
		assert_int_equal(vietqr_read((struct str){ KNOWN, i }, &q, NULL), -EBADMSG);
	}
}

static void assert_unreadable(const char *body)
{
	char text[VIETQR_MAX];
	int n = snprintf(text, sizeof(text), "%s6304", body);
	snprintf(text + n, sizeof(text) - (size_t)n, "%04X", vietqr_crc((struct str){ text, (size_t)n }));
	struct vietqr q;
	assert_int_equal(vietqr_read(str_from(text), &q, NULL), -EBADMSG);
}

/* The checksum is right, what stands there isn't. */
static void test_what_is_no_vietqr(void **state)
{
#define PAYEE "38530010A000000727012300069704160109257678859"
#define HEAD  "000201010212" PAYEE
	assert_unreadable("");
	assert_unreadable("000202010212" PAYEE "0208QRIBFTTA53037045802VN");
	assert_unreadable(HEAD "0208QRIBFTTX53037045802VN");
	assert_unreadable(HEAD "0208QRIBFTTA53038405802VN");
	assert_unreadable(HEAD "0208QRIBFTTA53037045802US");
	assert_unreadable(HEAD "0208QRIBFTTA530370454041.505802VN");
	assert_unreadable(HEAD "0208QRIBFTTA5303704"
	                       "5414"
	                       "12345678901234"
	                       "5802VN");
	assert_unreadable(HEAD "0208QRIBFTTA5303704"
	                       "5400"
	                       "5802VN");
	assert_unreadable(HEAD "0208QRIBFTTA53037045802VN"
	                       "62160812abcd"); /* the checksum within the purpose */
	assert_unreadable(HEAD "0208QRIBFTTA530370453037045802VN");
	assert_unreadable(HEAD "0208QRIBFTTA53037045802VN6299x");
	assert_unreadable("00020101021238100010A00000075303704"
	                  "5802VN");
	assert_unreadable("00020101021253037045802VN");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_static_and_card),
		cmocka_unit_test(test_folding),
		cmocka_unit_test(test_purpose_is_cut),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_damage_is_seen),
		cmocka_unit_test(test_what_is_no_vietqr),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
