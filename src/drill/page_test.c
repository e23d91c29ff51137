#include "drill/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define HOST "127.0.0.1:8080"

static void resolves(void **state)
{
	static const struct {
		const char *from, *reference, *to; /* to NULL: nowhere that one may go */
	} cases[] = {
		{ "/a/b?c", "/x", "/x" },
		{ "/a/b?c", "x", "/a/x" },
		{ "/a/b?c", "?d=1&amp;e=2", "/a/b?d=1&e=2" },
		{ "/", "x#y", "/x" },
		{ "/a", "http://" HOST "/x", "/x" },
		{ "/a", "https://" HOST, "/" },
		{ "/a", "//" HOST "/x?y", "/x?y" },
		{ "/a", " /x ", "/x" },
		{ "/a", "", NULL },
		{ "/a", "#top", NULL },
		{ "/a", "http://example.org/", NULL },
		{ "/a", "http://" HOST ".example.org/", NULL },
		{ "/a", "http://" HOST "@example.org/", NULL },
		{ "/a", "http://" HOST "0/", NULL },
		{ "/a", "//example.org/x", NULL },
		{ "/a", "HTTP://EXAMPLE.ORG/", NULL },
		{ "/a", "\\\\example.org\\x", NULL },
		{ "/a", "mailto:a@b", NULL },
		{ "/a", "javascript:alert(1)", NULL },
		{ "/a", "data:text/html,x", NULL },
		{ "/a", "/x\r\nHost: y", NULL },
		{ "/a", "/x y", NULL },
		{ "/a", "/\xc3\xa9", NULL },
		{ "/a", "http:/x", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char to[PAGE_PATH] = "before";
		const bool done = drill_page_resolve(cases[i].from, HOST, str_from(cases[i].reference), to);
		assert_int_equal(done, cases[i].to != NULL);
		assert_string_equal(to, cases[i].to ? cases[i].to : "before");
	}
}

static void bounds_a_reference(void **state)
{
	char to[PAGE_PATH], text[2 * PAGE_PATH];
	memset(text, 'a', sizeof(text));
	*text = '/';
	for (size_t n = 1; n < sizeof(text); n++)
		assert_int_equal(drill_page_resolve("/b", HOST, (struct str){ text, n }, to), n < PAGE_PATH);
	for (size_t n = 1; n < sizeof(text); n++)
		assert_int_equal(drill_page_resolve("/some/where", HOST, (struct str){ text + 1, n }, to),
		                 n + 6 < PAGE_PATH);
}

struct list {
	size_t n;
	struct str at[16];
};

static void add(void *arg, struct str reference)
{
	struct list *l = arg;
	assert_true(l->n < ARRAY_LEN(l->at));
	l->at[l->n++] = reference;
}

static const char page[] =
        "<!doctype html><!-- <a href=/no> --><html><head><meta HTTP-EQUIV='refresh' content='5; URL=/next'>"
        "<link rel=stylesheet href=\"/s.css\"><LINK REL='icon' HREF='/i'><link rel=canonical href=/c>"
        "<script src=/j.js></script></head><body data-x='<a href=/quoted>'><a href=\"/s/1\">1</a><a name=x>2</a>"
        "<img alt=\"a > b\" src='/p.png'/><form action=/book method=post><input name=slot value=1>"
        "<input type=radio name=\"slot\" value='2.30' disabled><input name=slot value=3><input name=token "
        "value=\"t&k\"></form>"
        "<a\nhref = /s/2 >";

static void reads_a_page(void **state)
{
	const struct str html = str_from(page);
	struct list links = { 0 }, parts = { 0 };
	struct str where, form, value = { 0 };
	drill_page_references(html, true, add, &links);
	drill_page_references(html, false, add, &parts);
	assert_int_equal(links.n, 2);
	assert_true(str_eq(links.at[0], STR("/s/1")) && str_eq(links.at[1], STR("/s/2")));
	assert_int_equal(parts.n, 4);
	assert_true(str_eq(parts.at[0], STR("/s.css")) && str_eq(parts.at[1], STR("/i")));
	assert_true(str_eq(parts.at[2], STR("/j.js")) && str_eq(parts.at[3], STR("/p.png")));
	assert_true(drill_page_refresh(html, &where) == 5 && str_eq(where, STR("/next")));
	assert_true(drill_page_form(html, "/book", &form));
	assert_false(drill_page_form(html, "/pay", &form));
	assert_int_equal(drill_page_inputs(form, "slot", 1, &value), 2);
	assert_true(str_eq(value, STR("3")));
	assert_int_equal(drill_page_inputs(form, "name", 0, &value), 0);
}

static void reads_refreshes(void **state)
{
	struct str where;
	assert_true(drill_page_refresh(STR("<meta http-equiv=refresh content=7>"), &where) == 7);
	assert_null(where.p);
	assert_true(drill_page_refresh(STR("<meta http-equiv=refresh content='0;url=\"/x\"'>"), &where) == 0);
	assert_true(str_eq(where, STR("/x")));
	assert_true(drill_page_refresh(STR("<meta http-equiv=refresh content=soon>"), &where) < 0);
	assert_true(drill_page_refresh(STR("<meta name=refresh content=7>"), &where) < 0);
}

/* However it is cut off, and whatever byte is another: it ends, and nothing is read beyond (memory of its own, for the sanitizer). */
static void survives_damage(void **state)
{
	struct str where, form, value;
	for (size_t n = 0; n <= sizeof(page) - 1; n++)
		for (int damage = 0; damage < 4; damage++) {
			char *copy = malloc(n + 1);
			memcpy(copy, page, n);
			if (damage && n)
				copy[n * (size_t)damage / 4] = "<\"'>"[damage];
			const struct str html = { copy, n };
			struct list l = { 0 };
			drill_page_references(html, true, add, &l);
			drill_page_refresh(html, &where);
			if (drill_page_form(html, "/book", &form))
				assert_true(drill_page_inputs(form, "slot", 9, &value) <= 3);
			free(copy);
		}
}

static void writes_fields(void **state)
{
	CLEANUP(buf_free) struct buf b = { 0 };
	drill_page_add_field(&b, "a", STR("x y&z=\r\n"));
	drill_page_add_field(&b, "b", STR("Ng\xe1\xbb\x85"));
	assert_true(str_eq(buf_str(&b), STR("a=x%20y%26z%3D%0D%0A&b=Ng%E1%BB%85")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resolves),        cmocka_unit_test(bounds_a_reference),
		cmocka_unit_test(reads_a_page),    cmocka_unit_test(reads_refreshes),
		cmocka_unit_test(survives_damage), cmocka_unit_test(writes_fields),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
