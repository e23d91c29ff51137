#include "kiosk/fixture.h"
#include "kiosk/person.h"

/* A call's ready(), and who comes of it. */
struct one {
	struct call c;
	struct person p;
	struct buf sealed;
};

static int make(struct one *o, struct fixture *f, bool needed, json_t *in)
{
	struct err err = { .text = "no reason" };

	*o = (struct one){
		.c = { .db = f->db, .seal = f->seal, .now = FIXTURE_NOW, .in = in, .out = json_object() },
	};
	int r = person_ready(&o->c, needed, &err);
	if (r < 0)
		fail_msg("%s", err.text);
	if (r == 0) {
		assert_int_equal(call_bytes(&o->c, "person", &o->sealed, &err), 0);
		assert_int_equal(person_open(&o->p, f->seal, call_text(&o->c, "ref"), buf_str(&o->sealed), &err), 0);
	}
	return r;
}

static void done(struct one *o)
{
	person_done(&o->p);
	buf_free(&o->sealed);
	json_decref(o->c.in);
	json_decref(o->c.out);
}

#define assert_str(s, literal) assert_true(str_eq(s, STR(literal)))

static void test_there_and_back(void **state)
{
	static const char *const gone[] = { "name", "phone", "born", "card", "code" };
	struct fixture *f = fixture_of(state);
	struct one o;

	assert_int_equal(make(&o, f, true,
	                      json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:s}", "name", "  Trần Thị Bé ", "phone",
	                                "0912-345.678", "born", 1990, "card", "dn 4-79-79 15071245", "priority",
	                                "disabled", "once", "form", "person", "mine")),
	                 0);
	assert_str(o.p.name, "Trần Thị Bé");
	assert_str(o.p.phone, "84912345678");
	assert_int_equal(o.p.born, 1990);
	assert_str(o.p.card, "DN4797915071245");
	assert_str(o.p.reason, "disabled");
	assert_int_equal(o.p.code.n, CODE_LENGTH);
	for (size_t i = 0; i < ARRAY_LEN(gone); i++)
		assert_null(json_object_get(o.c.in, gone[i]));
	assert_int_equal(call_number(&o.c, "priority"), 1);
	assert_false(str_eq(call_text(&o.c, "once"), STR("form")));

	/* the hashes are those that looking up comes to */
	unsigned char hashes[PERSON_HASHES];
	CLEANUP(buf_free) struct buf put = { 0 };
	json_t *in = json_pack("{s:s%, s:s}", "code", o.p.code.p, o.p.code.n, "phone", "+84 912 345 678");
	struct call c = { .seal = f->seal, .in = in };
	person_hashes(&c, hashes);
	assert_int_equal(call_bytes(&o.c, "code_hash", &put, NULL), 0);
	assert_int_equal(call_bytes(&o.c, "phone_hash", &put, NULL), 0);
	assert_int_equal(put.n, PERSON_HASHES);
	assert_memory_equal(put.p, hashes, PERSON_HASHES);
	assert_int_equal(person_hide(&c, NULL), 0);
	assert_null(json_object_get(in, "code"));
	assert_null(json_object_get(in, "phone"));
	assert_string_equal(json_string_value(json_object_get(in, "code_hash")), call_text(&o.c, "code_hash").p);
	json_decref(in);
	done(&o);
}

static void test_forms(void **state)
{
	struct fixture *f = fixture_of(state);
	struct one a, b;

#define FORM(name, phone, once)                                                                                        \
	json_pack("{s:s, s:s, s:i, s:s}", "name", name, "phone", phone, "born", 1990, "once", once)
	make(&a, f, true, FORM("An", "0912345678", "f1"));
	make(&b, f, true, FORM("An ", "+84912345678", "f1"));
	assert_true(str_eq(call_text(&a.c, "once"), call_text(&b.c, "once")));
	assert_false(str_eq(call_text(&a.c, "ref"), call_text(&b.c, "ref")));
	assert_false(str_eq(a.p.code, b.p.code));
	done(&b);
	const char *const others[][3] = { { "An", "0912345678", "f2" },
		                          { "An", "0912345679", "f1" },
		                          { "Anh", "0912345678", "f1" } };
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		make(&b, f, true, FORM(others[i][0], others[i][1], others[i][2]));
		assert_false(str_eq(call_text(&a.c, "once"), call_text(&b.c, "once")));
		done(&b);
	}
	done(&a);
	make(&a, f, true, FORM("An", "0912345678", ""));
	make(&b, f, true, FORM("An", "0912345678", ""));
	assert_false(str_eq(call_text(&a.c, "once"), call_text(&b.c, "once")));
	done(&a);
	done(&b);
}

static void test_at_the_counter(void **state)
{
	struct fixture *f = fixture_of(state);
	struct one o;

	assert_int_equal(make(&o, f, false, json_object()), 0); /* who says nothing is let in, too */
	assert_int_equal(o.p.name.n, 0);
	assert_int_equal(o.p.phone.n, 0);
	assert_int_equal(o.p.code.n, CODE_LENGTH);
	assert_string_equal(json_string_value(json_object_get(o.c.in, "phone_hash")), "");
	assert_int_equal(call_number(&o.c, "priority"), 0);
	done(&o);
	make(&o, f, false, json_pack("{s:s}", "priority", "emergency"));
	assert_int_equal(call_number(&o.c, "priority"), 2);
	done(&o);
	make(&o, f, false, json_pack("{s:i}", "priority", 2)); /* a reason is a word */
	assert_int_equal(call_number(&o.c, "priority"), 0);
	done(&o);
	assert_int_equal(make(&o, f, false, json_pack("{s:s}", "phone", "12")), CALL_REFUSED);
	done(&o);
	assert_int_equal(make(&o, f, false, json_pack("{s:i}", "born", 1800)), CALL_REFUSED);
	assert_non_null(json_object_get(o.c.out, "refused"));
	done(&o);
}

static void test_cards(void **state)
{
	static const char *const right[] = { "0123456789", "001099012345", "DN4797915071245", "012 345 6789" };
	static const char *const wrong[] = { "012345678",      "01234567890",    "0010990123456",    "DNX797915071245",
		                             "DN479791507124", "D4797915071245", "D147979150712450", "DN47979150712451",
		                             "٠١٢٣٤٥٦٧٨٩",     "01234567 8A" };
	struct fixture *f = fixture_of(state);
	struct one o;

	for (size_t i = 0; i < ARRAY_LEN(right); i++) {
		assert_int_equal(make(&o, f, false, json_pack("{s:s}", "card", right[i])), 0);
		assert_true(o.p.card.n == 10 || o.p.card.n == 12 || o.p.card.n == 15);
		done(&o);
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		int r = make(&o, f, false, json_pack("{s:s}", "card", wrong[i]));
		if (r == 0)
			fail_msg("'%s' is a card", wrong[i]);
		done(&o);
	}
}

static void test_texts(void **state)
{
	static const char *const wrong[] = {
		"a\tb", "a\x7f", "\xc2\x85", "\xe2\x80\x8e", "\xe2\x80\xae", "\xe2\x81\xa6"
	};

	assert_true(text_right(STR("Đặng Thị Ngọc Ánh"), 120));
	assert_true(text_right(STR("王小明"), 9));
	assert_false(text_right(STR("王小明"), 8));
	assert_true(text_right(STR("a\xe2\x80\x94z\xc2\xa0\xe2"), 120)); /* a dash; and cut at its end */
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_false(text_right(str_from(wrong[i]), 120));
}

static void test_phone(void **state)
{
	CLEANUP(buf_free) struct buf out = { 0 };

	person_phone(STR("84912345678"), &out);
	buf_putc(&out, ' ');
	person_phone(STR("8613812345678"), &out);
	person_phone(STR(""), &out);
	assert_str(buf_str(&out), "0912345678 +8613812345678");
}

static void test_bytes(void **state)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct call c = { .in = json_object() };
	char bytes[256];

	for (size_t n = 1; n <= sizeof(bytes); n++) {
		bytes[n - 1] = (char)n;
		assert_int_equal(call_put_bytes(&c, "x", (struct str){ bytes, n }, NULL), 0);
		out.n = 0;
		assert_int_equal(call_bytes(&c, "x", &out, NULL), 0);
		assert_true(str_eq(buf_str(&out), (struct str){ bytes, n }));
	}
	assert_int_equal(call_put_bytes(&c, "x", STR(""), NULL), 0);
	assert_int_equal(call_bytes(&c, "x", &out, NULL), -EBADMSG);
	json_object_set_new(c.in, "x", json_string("no base64!"));
	assert_int_equal(call_bytes(&c, "x", &out, NULL), -EBADMSG);
	assert_int_equal(call_bytes(&c, "y", &out, NULL), -EBADMSG);
	assert_int_equal(out.n, sizeof(bytes));
	json_decref(c.in);
}

static void test_of_its_row_only(void **state)
{
	struct fixture *f = fixture_of(state);
	struct person p = { .born = 7 };
	struct one o;

	make(&o, f, false, json_pack("{s:s}", "name", "An"));
	assert_int_equal(person_open(&p, f->seal, STR("another"), buf_str(&o.sealed), NULL), -EBADMSG);
	o.sealed.p[o.sealed.n / 2] ^= 1;
	assert_int_equal(person_open(&p, f->seal, call_text(&o.c, "ref"), buf_str(&o.sealed), NULL), -EBADMSG);
	assert_int_equal(p.born, 7);
	assert_int_equal(person_open(&p, f->seal, STR("purged"), STR(""), NULL), 0);
	assert_int_equal(p.born, 0);
	person_done(&p);
	done(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_there_and_back),    BOTH(test_forms),
		BOTH(test_at_the_counter),    BOTH(test_cards),
		cmocka_unit_test(test_texts), cmocka_unit_test(test_phone),
		cmocka_unit_test(test_bytes), BOTH(test_of_its_row_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
