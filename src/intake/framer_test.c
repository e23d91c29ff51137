#include "intake/formats.h"
#include "intake/show_test.h"

/* What came out: "LINE:record|", and "!LINE:reason|", which stands behind all records at the end. */
struct out {
	struct buf text, skips;
	size_t batches;
};

static int take_batch(void *arg, struct batch *b)
{
	struct out *out = arg;
	out->batches++;
	assert_string_equal(b->origin, "test");
	for (size_t i = 0; i < b->n_records; i++)
		buf_printf(&out->text, "%d:" STR_FMT "|", (int)b->records[i].line, STR_ARG(b->records[i].bytes));
	batch_free(b);
	return 0;
}

static void take_skip(void *arg, const char *origin, uint64_t line, const char *reason)
{
	struct out *out = arg;
	buf_printf(&out->skips, "!%d:%s|", (int)line, reason);
}

static void close_out(struct out *out)
{
	buf_add(&out->text, buf_str(&out->skips));
	buf_free(&out->skips);
	buf_putc(&out->text, '\0');
}

static struct framer *make(const struct format *format, struct out *out, size_t max_record, size_t batch_bytes)
{
	struct framer *f;
	struct err err;
	const struct framer_config config = {
		.origin = "test",
		.format = format,
		.max_record = max_record,
		.batch_bytes = batch_bytes,
		.sink = take_batch,
		.skip = take_skip,
		.arg = out,
	};
	assert_int_equal(framer_new(&f, &config, &err), 0);
	return f;
}

/* Feeds input in pieces of `cut` bytes. */
static void run(const struct format *format, struct str input, size_t cut, size_t max_record, size_t batch_bytes,
                struct out *out, struct intake_counts *counts)
{
	struct framer *f = make(format, out, max_record, batch_bytes);
	for (size_t i = 0; i < input.n; i += cut)
		assert_int_equal(framer_feed(f, str_sub(input, i, cut), 0), 0);
	assert_int_equal(framer_end(f), 0);
	*counts = *framer_counts(f);
	framer_free(f);
	close_out(out);
}

static void check_bytes(const struct format *format, struct str input, size_t max_record, const char *want)
{
	static const size_t cuts[] = { 1, 2, 3, 5, 7, 11, 64, 1 << 20 };
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
		struct out out = { 0 };
		struct intake_counts counts;
		run(format, input, cuts[i], max_record, i % 2 ? 1 : 0, &out, &counts);
		assert_string_equal(out.text.p, want);
		assert_int_equal(counts.bytes, input.n);
		size_t bars = 0, skips = 0;
		for (size_t k = 0; k + 1 < out.text.n; k++) {
			bars += out.text.p[k] == '|';
			skips += out.text.p[k] == '!' && (!k || out.text.p[k - 1] == '|');
		}
		assert_int_equal(counts.records + counts.skipped, bars);
		assert_int_equal(counts.skipped, skips);
		buf_free(&out.text);
	}
}

static void check(const struct format *format, const char *input, const char *want)
{
	check_bytes(format, str_from(input), 0, want);
}

static void lines(void **state)
{
	const struct format *f = &intake_syslog;
	check(f, "", "");
	check(f, "\n\n  \n", "");
	check(f, "a\nb\r\n\nc", "1:a|2:b|4:c|");
	check(f,
	      "\xef\xbb\xbf"
	      "a\n",
	      "1:a|");
	check_bytes(f, STR("12345\n123456\n1\n"), 5, "1:12345|3:1|!2:longer than a record may be|");
	check_bytes(f, STR("123456"), 5, "!1:longer than a record may be|");
}

static void json_lines(void **state)
{
	const struct format *f = &intake_json;
	check(f, "{\"a\":1}\n{\"a\":2}\r\n{\"a\":3}", "1:{\"a\":1}|2:{\"a\":2}|3:{\"a\":3}|");
	check(f, "{\"a\":\"}{\"}\n{}\n", "1:{\"a\":\"}{\"}|2:{}|");
	/* several in a line, blank lines, blanks and commas */
	check(f, "{\"a\":1}{\"b\":{\"c\":2}}  {\"d\":[{},{}]},\n\n {}\n",
	      "1:{\"a\":1}|1:{\"b\":{\"c\":2}}|1:{\"d\":[{},{}]}|3:{}|");
}

static void json_documents(void **state)
{
	const struct format *f = &intake_json;
	check(f, "{\n \"a\": \"x\\\"}\"\n}\n{\n \"b\": {}\n}", "1:{\n \"a\": \"x\\\"}\"\n}|4:{\n \"b\": {}\n}|");
	check(f, "[{\"a\":1},{\"a\":2},\n{\"a\":3}]\n", "1:{\"a\":1}|1:{\"a\":2}|2:{\"a\":3}|");
	check(f, "[\n]\n[{}]", "3:{}|");
	check(f, "{\"Records\":[{\"a\":1},{\"a\":[]}],\"next\":{\"x\":\"]}\"}}\n{\"b\":1}",
	      "1:{\"a\":1}|1:{\"a\":[]}|2:{\"b\":1}|");
	check(f, "{ \"value\" : [ {\"a\":1} ] }", "1:{\"a\":1}|");
	check(f, "{\"value\":[1]}\n{\"valued\":[{}]}\n", "1:{\"value\":[1]}|2:{\"valued\":[{}]}|");
}

static void json_broken(void **state)
{
	const struct format *f = &intake_json;
	/* cut off within a string, and between values: what follows is found again */
	check(f, "{\"a\":\"tru\n{\"b\":1}\n{\"c\":2}\n", "2:{\"b\":1}|3:{\"c\":2}|!1:JSON value that is broken off|");
	check(f, "{\"a\":\n{\"b\":1}\n{\"c\":2}\n", "2:{\"b\":1}|3:{\"c\":2}|!1:JSON value that is broken off|");
	check(f, "{\"a\":1}\n{\"b\":", "1:{\"a\":1}|!2:JSON value without an end|");
	check(f, "what\n{\"a\":1}\n\"x\"\n{}\n", "2:{\"a\":1}|4:{}|!1:no JSON object|!3:no JSON object|");
	check(f, "[{\"a\":1},{\"b\":", "1:{\"a\":1}|!1:JSON value without an end|");
	check(f, "[{\"a\":1},", "1:{\"a\":1}|!1:JSON array without an end|");
	check(f, "{\"Records\":[{\"a\":1}],\"x\":\"", "1:{\"a\":1}|!1:JSON document without an end|");
	check(f, "{\"Records\":[{\"a\":1}]", "1:{\"a\":1}|!1:JSON document without an end|");
	check(f, "{\"a\":\"x,\n{\"b\":1}\n{\"c\":\"\t{\\\n\"}",
	      "2:{\"b\":1}|3:{\"c\":\"\t{\\\n\"}|!1:JSON value that is broken off|");
	check(f, "[{\"a\":\"\n{\"b\":1},\n{\"c\":1}]\n", "2:{\"b\":1}|3:{\"c\":1}|!1:JSON value that is broken off|");
	check_bytes(f, STR("{\"a\":1}\n{\"a\":123456}\n{\"b\":2}\n"), 8,
	            "1:{\"a\":1}|3:{\"b\":2}|!2:longer than a record may be|");
	check_bytes(f, STR("{\"a\":[\n1,2,3,4,5,6]}\n{\"b\":2}\n"), 8, "3:{\"b\":2}|!1:longer than a record may be|");
}

static void audit_groups(void **state)
{
	const struct format *f = &intake_audit;
#define LINE(type, time, serial) "type=" type " msg=audit(" time ":" serial "): x=1"
	check(f,
	      LINE("SYSCALL", "1.000", "1") "\n" LINE("SYSCALL", "1.001", "2") "\n" LINE("CWD", "1.000", "1") "\n" LINE(
	              "PROCTITLE", "1.001", "2") "\n" LINE("EOE", "1.000", "1") "\n",
	      "2:" LINE("SYSCALL", "1.001", "2") "\n" LINE(
	              "PROCTITLE", "1.001", "2") "|"
	                                         "1:" LINE("SYSCALL", "1.000", "1") "\n" LINE("CWD", "1.000", "1") "|");
	/* one that nothing ends goes two seconds later, or at the end; the serial of another node is another event */
	check(f,
	      LINE("SYSCALL", "1.000", "1") "\n" LINE("SYSCALL", "3.001", "2") "\nnode=b " LINE("CWD", "3.001",
	                                                                                        "2") "\n",
	      "1:" LINE("SYSCALL", "1.000", "1") "|2:" LINE("SYSCALL", "3.001", "2") "|3:node=b " LINE("CWD", "3.001",
	                                                                                               "2") "|");
	check(f, "rubbish\n", "!1:no audit record|");
	check_bytes(f, STR(LINE("SYSCALL", "1.000", "1") "\n" LINE("CWD", "1.000", "1") "\n"), 40,
	            "!1:longer than a record may be|");
#undef LINE
}

static void audit_bound(void **state)
{
	struct out out = { 0 };
	struct framer *f = make(&intake_audit, &out, 0, 0);
	for (int i = 0; i < 100; i++) {
		char line[80];
		int n = snprintf(line, sizeof(line), "type=SYSCALL msg=audit(1.000:%d): x=1\n", i);
		assert_int_equal(framer_feed(f, (struct str){ line, (size_t)n }, 0), 0);
	}
	assert_int_equal(framer_counts(f)->records, 100 - 64);
	assert_int_equal(framer_flush(f, false), 0);
	assert_int_equal(framer_counts(f)->records, 100 - 64);
	assert_int_equal(framer_flush(f, true), 0);
	assert_int_equal(framer_counts(f)->records, 100);
	framer_free(f);
	buf_free(&out.text);
}

static void csv(void **state)
{
	const struct format *f = &intake_csv;
	check(f, "a,b\n1,2\r\n\n\"x\ny\",\"\"\"\"\n5\" disk,2\n", "2:1,2|4:\"x\ny\",\"\"\"\"|6:5\" disk,2|");
	check(f, "a,b\n\"x,1\ny,2\n", "3:y,2|!2:quoted field without an end|");
	check_bytes(f, STR("a,b\n\"x,1\ny,2\n1,2\n"), 5, "3:y,2|4:1,2|!2:longer than a record may be|");
	check_bytes(f, STR("a,b\n123456\n1,2\n"), 5, "3:1,2|!2:longer than a record may be|");
	check(f, "#separator \\x09\n#fields\ta\tb\n1\t\"2\n3\t4\n#close\t2020\n", "3:1\t\"2|4:3\t4|");
}

/* Batches carry the header that stood before their records. */
static int check_columns(void *arg, struct batch *b)
{
	struct fields *fields;
	struct event ev;
	struct err err;
	struct buf *text = arg;
	assert_int_equal(fields_new(&fields, FIELD_FIRST_NAMED, NULL, 0, &err), 0);
	assert_int_equal(event_init(&ev, fields), 0);
	for (size_t i = 0; i < b->n_records; i++) {
		assert_int_equal(batch_parse(b, i, &ev, &err), 0);
		buf_printf(text, STR_FMT "=" STR_FMT "|", STR_ARG(ev.pairs[0].name), STR_ARG(ev.pairs[0].text));
	}
	event_done(&ev);
	fields_free(fields);
	batch_free(b);
	return 0;
}

static void csv_columns_change(void **state)
{
	struct buf text = { 0 };
	struct framer *f;
	struct err err;
	const struct framer_config config = {
		.origin = "test", .format = &intake_csv, .sink = check_columns, .arg = &text
	};
	assert_int_equal(framer_new(&f, &config, &err), 0);
	assert_int_equal(framer_feed(f, STR("#fields\ta\n1\n#close\t1\n2\n#fields\tb\n3\n"), 0), 0);
	assert_int_equal(framer_end(f), 0);
	framer_free(f);
	buf_putc(&text, '\0');
	assert_string_equal(text.p, "a=1|a=2|b=3|");
	buf_free(&text);
}

static void counts(void **state)
{
	struct out out = { 0 };
	struct intake_counts c;
	run(&intake_syslog, STR("a\0b\nv\xc3\xa9\n\xff\nplain\n"), 3, 0, 0, &out, &c);
	assert_int_equal(c.records, 4);
	assert_int_equal(c.nul, 1);
	assert_int_equal(c.invalid_utf8, 1);
	buf_free(&out.text);
}

static void flush(void **state)
{
	struct out out = { 0 };
	struct framer *f = make(&intake_json, &out, 0, 0);
	assert_int_equal(framer_feed(f, STR("{\"a\":1}\n{\"b\":"), 0), 0);
	assert_int_equal(out.batches, 0);
	assert_int_equal(framer_flush(f, false), 0);
	assert_int_equal(framer_counts(f)->records, 1);
	assert_int_equal(out.batches, 1);
	assert_int_equal(framer_feed(f, STR("2}\n"), 0), 0);
	assert_int_equal(framer_flush(f, false), 0);
	assert_int_equal(framer_counts(f)->records, 2);
	framer_free(f);
	buf_free(&out.text);
}

static int refuse(void *arg, struct batch *b)
{
	batch_free(b);
	return -EPIPE;
}

static void errors(void **state)
{
	struct out out = { 0 };
	struct framer *f = make(NULL, &out, 0, 0);
	assert_int_equal(framer_feed(f, STR("no log at all\n"), 0), 0);
	assert_int_equal(framer_end(f), -ENOMSG);
	assert_null(framer_format(f));
	framer_free(f);
	f = make(NULL, &out, 0, 0);
	assert_int_equal(framer_feed(f, STR("\xff\xfe{\0}\0"), 0), 0);
	assert_int_equal(framer_end(f), -EILSEQ);
	framer_free(f);
	close_out(&out);
	assert_string_equal(out.text.p, "!1:no known log format: name it with --format|"
	                                "!1:UTF-16 text: convert it first: iconv -f UTF-16 -t UTF-8|");
	buf_free(&out.text);

	const struct framer_config config = { .origin = "test", .format = &intake_json, .sink = refuse };
	struct err err;
	assert_int_equal(framer_new(&f, &config, &err), 0);
	assert_int_equal(framer_feed(f, STR("{}\n{}\n"), 0), 0);
	assert_int_equal(framer_flush(f, false), -EPIPE);
	assert_int_equal(framer_feed(f, STR("{}\n"), 0), -EPIPE);
	framer_free(f);
}

/* A line of 100 MB is passed over in memory that a record may take. */
static void huge_line(void **state)
{
	static char chunk[1 << 16];
	struct out out = { 0 };
	memset(chunk, 'x', sizeof(chunk));
	struct framer *f = make(&intake_json, &out, 0, 0);
	assert_int_equal(framer_feed(f, STR("{\"a\":\""), 0), 0);
	for (int i = 0; i < 1600; i++)
		assert_int_equal(framer_feed(f, (struct str){ chunk, sizeof(chunk) }, 0), 0);
	assert_true(f->b->cap_bytes <= 4 << 20);
	assert_int_equal(framer_feed(f, STR("\"}\n{\"b\":1}\n"), 0), 0);
	assert_int_equal(framer_end(f), 0);
	assert_int_equal(framer_counts(f)->too_long, 1);
	framer_free(f);
	close_out(&out);
	assert_string_equal(out.text.p, "2:{\"b\":1}|!1:longer than a record may be|");
	buf_free(&out.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(json_lines),
		cmocka_unit_test(json_documents),
		cmocka_unit_test(json_broken),
		cmocka_unit_test(audit_groups),
		cmocka_unit_test(audit_bound),
		cmocka_unit_test(csv),
		cmocka_unit_test(csv_columns_change),
		cmocka_unit_test(counts),
		cmocka_unit_test(flush),
		cmocka_unit_test(errors),
		cmocka_unit_test(huge_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
