#include "intake/formats.h"
#include "intake/show_test.h"

static void check(const char *header, const struct example *examples, size_t n)
{
	struct columns *c;
	struct err err;
	assert_int_equal(columns_new(&c, str_from(header), header[0] == '#', &err), 0);
	check_examples(&intake_csv, c, examples, n);
	columns_unref(c);
}

static void rfc4180(void **state)
{
	static const struct example examples[] = {
		{ "1,x,", "a b=1\nc,d=x\ne=" },
		{ "\"q \"\"r\"\",\n,s\",5\" disk", "a b=q \"r\",\n,s\nc,d=5\" disk" }, /* fewer: as far as it goes */
		{ "\"\",\"\"\"\",\"open", "a b=\nc,d=\"\ne=\"open" },
		{ "1,2,3,4", "!more fields than the 3 columns of the header" },
	};
	check("a b,\"c,d\", e", examples, ARRAY_LEN(examples));
	static const struct example semicolons[] = { { "1,5;2", "a=1,5\nb=2" } };
	check("a;b", semicolons, ARRAY_LEN(semicolons));
	static const struct example tabs[] = { { "1\t\t3", "a=1\nc=3" } }; /* a column without a name is passed over */
	check("a\t\tc", tabs, ARRAY_LEN(tabs));
}

static void zeek(void **state)
{
	static const struct example examples[] = {
		{ "1588316619.797806\t-\ta,b\\x09c\t\"x",
		  "ts=1588316619.797806\nanswers=a\nanswers=b\tc\nnote=\"x\n_path=dns", 1588316619 },
		{ "1588316619.797806\t(empty)\t(empty)\t\\x09",
		  "ts=1588316619.797806\nuid=\nanswers=\nnote=\t\n_path=dns" },
	};
	check("#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n"
	      "#fields\tts\tuid\tanswers\tnote\n#types\ttime\tstring\tvector[string]\tstring\n",
	      examples, ARRAY_LEN(examples));
	struct columns *c = NULL;
	struct err err;
	assert_int_equal(columns_new(&c, STR("#separator \\x09\n#close\t2020\n"), true, &err), -ENOENT);
	assert_null(c);
}

static void too_many_columns(void **state)
{
	struct buf header = { 0 };
	struct columns *c = NULL;
	struct err err;
	for (int i = 0; i < 4096; i++)
		buf_printf(&header, "%sc%d", i ? "," : "", i);
	assert_int_equal(columns_new(&c, buf_str(&header), false, &err), 0);
	columns_unref(c);
	buf_printf(&header, ",more");
	assert_int_equal(columns_new(&c, buf_str(&header), false, &err), -E2BIG);
	assert_string_equal(err.text, "CSV header with more than 4096 columns");
	buf_free(&header);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc4180),
		cmocka_unit_test(zeek),
		cmocka_unit_test(too_many_columns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
