#include "kiosk/pay.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void take(void *arg, const struct statement_line *l)
{
	buf_printf(arg, "%u:" STR_FMT ":%" PRId64 ":%" PRId64 ":" STR_FMT "|", l->line, STR_ARG(l->bank_id), l->amount,
	           l->at / 1000000, STR_ARG(l->content));
}

static void bad(void *arg, unsigned line, const char *why)
{
	buf_printf(arg, "%u bad %s|", line, why);
}

static void expect(const char *csv, const char *seen)
{
	struct buf b = { 0 };
	struct err err;
	if (statement_read(str_from(csv), take, bad, &b, &err))
		fail_msg("%s", err.text);
	buf_putc(&b, 0);
	assert_string_equal(b.p, seen);
	buf_free(&b);
}

static void test_forms(void **state)
{
	expect("Transaction ID,Amount,Description\nA1,50000,kh22222222\nA2,-7,x\n",
	       "2:A1:50000:0:kh22222222|3:A2:-7:0:x|");
	/* a letterhead, both languages in a heading, the numbers of this country, a sum below */
	expect("\xef\xbb\xbfNGÂN HÀNG;;;;\r\n;;;;\r\nSTT;Ngày giao dịch/ Transaction date;Số tham chiếu;Ghi "
	       "nợ/Debit;Ghi có/ "
	       "Credit;Số dư/Balance;Diễn giải\r\n1;25/03/2023 14:02:37;FT1;;1.234.567;9.000.000;Chuyển "
	       "tiền\r\n2;26/03/2023;FT2;10.000,00;0;8.990.000;phi\r\n;Tổng cộng;;10.000;1.234.567;;\r\n",
	       "4:FT1:1234567:1679727757:Chuyển tiền|5:FT2:-10000:1679763600:phi|");
	expect("Ngày\tNội dung\tCó\tNợ\n2023-03-25\ta\t5,000.00 VND\t\n2023-03-25\tb\t\t(6,000)\n",
	       "2::5000:1679677200:a|3::-6000:1679677200:b|");
	expect("id,amount,content\n1,+5đ,\n", "2:1:5:0:|");
	expect("Ngày ghi có,Số GD,Tài khoản ghi có,Số tiền ghi có\n25/03/2023,1,99,5\n", "2:1:5:1679677200:|");
}

static void test_quotes(void **state)
{
	expect("\"Mã giao dịch\",\"Số tiền\",\"Nội dung\"\n\"A,1\",\"5,000\",\"two\nlines, \"\"said\"\"\"\nA2,6,x\n",
	       "2:A,1:5000:0:two\nlines, \"said\"|4:A2:6:0:x|");
	expect("id,amount,content\n1,5,\"never ends\n2,6,x\n", "2:1:5:0:never ends\n2,6,x|");
	expect("id,amount,content\n1,5,\"a\"b\n2,6", "2:1:5:0:ab|3:2:6:0:|");
}

static void test_amounts(void **state)
{
	static const struct {
		const char *text;
		int64_t amount; /* 0: bad */
	} cases[] = { { "5", 5 },
		      { "9999999999999", MONEY_MAX },
		      { "9.999.999.999.999", MONEY_MAX },
		      { "10000000000000", 0 },
		      { "99.999.999.999.999", 0 },
		      { "10.000.000.000.000", 0 },
		      { "50.000", 50000 },
		      { "50.00", 50 },
		      { "50.5", 0 },
		      { "1.234.567", 1234567 },
		      { "1,234,567.00", 1234567 },
		      { "1,234,567.01", 0 },
		      { "1.2345", 0 },
		      { "12..3", 0 },
		      { "50.", 0 },
		      { ".5", 0 },
		      { "5e3", 0 },
		      { "5 000", 0 },
		      { "x", 0 },
		      { "0", 0 },
		      { "", 0 },
		      { "-", 0 },
		      { "--5", 0 },
		      { "()", 0 },
		      { "(5)", -5 },
		      { "- 5.000 VND", -5000 } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf csv = { 0 }, want = { 0 };
		buf_printf(&csv, "id;amount;content\n1;%s;c\n", cases[i].text);
		buf_putc(&csv, 0);
		if (cases[i].amount)
			buf_printf(&want, "2:1:%" PRId64 ":0:c|", cases[i].amount);
		else
			buf_printf(&want, "2 bad amount|");
		buf_putc(&want, 0);
		expect(csv.p, want.p);
		buf_free(&csv);
		buf_free(&want);
	}
}

static void test_bad_lines(void **state)
{
	expect("date,reference,credit,debit,description\n"
	       "25/03/2023,a,5,6,both\n"
	       "tomorrow,b,5,,time\n"
	       "25/03/2023,0123456789012345678901234567890123456789012345678901234567890123,5,,long\n"
	       "25/03/2023,c\n"
	       "\n,,,,\n"
	       "25/03/2023,d,-5,,taken back\n",
	       "2 bad amount|3 bad time|4 bad number|5 bad amount|8:d:-5:1679677200:taken back|");
}

/* Of two columns of a kind the first one counts; what is beyond the last column is dropped. */
static void test_columns(void **state)
{
	struct buf csv = { 0 };
	expect("id,reference,amount,amount in USD,content\n1,9,5,6,x\n", "2:1:5:0:x|");
	buf_add(&csv, STR("id,amount"));
	for (int i = 2; i < STATEMENT_COLUMNS; i++)
		buf_add(&csv, STR(",other"));
	buf_add(&csv, STR(",content\n1,5"));
	for (int i = 2; i < 3 * STATEMENT_COLUMNS; i++)
		buf_add(&csv, STR(",x"));
	buf_putc(&csv, 0);
	expect(csv.p, "2:1:5:0:|");
	buf_free(&csv);
}

static void test_no_statement(void **state)
{
	static const char *const none[] = { "",
		                            "a,b,c\n1,2,3\n",
		                            "id,content\n1,x\n",     /* no amount */
		                            "amount,balance\n1,2\n", /* nothing that tells lines apart */
		                            "\xff\xfei\0d\0",
		                            "id amount content\n1 5 x\n" };
	struct buf b = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		assert_int_equal(statement_read(str_from(none[i]), take, bad, &b, NULL), -EBADMSG);
	struct buf late = { 0 };
	for (int i = 0; i < 40; i++)
		buf_add(&late, STR("letterhead\n"));
	buf_add(&late, STR("id,amount,content\n1,5,x\n"));
	assert_int_equal(statement_read(buf_str(&late), take, bad, &b, NULL), -EBADMSG);
	assert_int_equal(statement_read(str_sub(buf_str(&late), 11, late.n), take, bad, &b, NULL), 0);
	assert_true(str_eq(buf_str(&b), STR("41:1:5:0:x|")));
	buf_free(&late);
	buf_free(&b);
}

static void test_too_many(void **state)
{
	struct buf csv = { 0 }, b = { 0 };
	buf_add(&csv, STR("id,amount,content\n"));
	for (int i = 0; i < STATEMENT_LINES; i++)
		buf_printf(&csv, "%d,5,x\n", i);
	assert_int_equal(statement_read(buf_str(&csv), take, bad, &b, NULL), 0);
	buf_add(&csv, STR("more,5,x\n"));
	assert_int_equal(statement_read(buf_str(&csv), take, bad, &b, NULL), -E2BIG);
	buf_free(&csv);
	buf_free(&b);
}

static int read_rc(struct str csv)
{
	struct buf b = { 0 };
	struct err err;
	const int rc = statement_read(csv, take, bad, &b, &err);
	buf_free(&b);
	return rc;
}

/* Whatever the short look turns away is refused by who reads all of it. */
static void test_short_look(void **state)
{
	struct buf b = { 0 };
	assert_true(statement_looks_right(STR("\xef\xbb\xbfid,amount\n")));
	assert_true(statement_looks_right(STR("x\n\nMã giao dịch;Ghi có\n")));
	assert_false(statement_looks_right(STR("")));
	assert_false(statement_looks_right(STR("a,b\n1,2\n")));
	assert_false(statement_looks_right((struct str){ 0 }));
	/* beyond the file's beginning nobody looks for headings, whatever it is made of */
	static const char fill[] = "a,;\"\t ";
	for (const char *c = fill; *c; c++) {
		b.n = 0;
		for (size_t i = 0; i < 64 << 10; i++)
			buf_putc(&b, *c);
		buf_add(&b, STR("\nid,amount\n1,5\n"));
		assert_false(statement_looks_right(buf_str(&b)));
		assert_int_equal(read_rc(buf_str(&b)), -EBADMSG);
	}
	b.n = 0;
	buf_add(&b, STR("id,amount,content\n1,5,x\n"));
	for (unsigned i = 0; i < 300000; i++) /* empty rows below the last one are none */
		buf_add(&b, STR(",,\r\n"));
	assert_true(statement_looks_right(buf_str(&b)));
	assert_int_equal(read_rc(buf_str(&b)), 0);
	b.n = 0;
	buf_add(&b, STR("id,amount,content\n"));
	for (unsigned i = 0; i < STATEMENT_LINES; i++)
		buf_printf(&b, "%u,5,\"a\nb\"\n", i);
	assert_true(statement_looks_right(buf_str(&b)));
	assert_int_equal(read_rc(buf_str(&b)), 0);
	for (unsigned i = 0; i < 4 * STATEMENT_LINES; i++)
		buf_printf(&b, "x%u,5,c\n", i);
	assert_false(statement_looks_right(buf_str(&b)));
	assert_int_equal(read_rc(buf_str(&b)), -E2BIG);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),    cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_amounts),  cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_columns),  cmocka_unit_test(test_no_statement),
		cmocka_unit_test(test_too_many), cmocka_unit_test(test_short_look),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
