/* A page as a drill's browsers read it: every part is one of the page's own; where one goes is this site, in bytes that a request may have. */
#include "drill/page.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void within(struct str whole, struct str part)
{
	if (part.n && (part.p < whole.p || part.p + part.n > whole.p + whole.n))
		abort();
}

static void look(void *arg, struct str reference)
{
	char to[PAGE_PATH];
	within(*(struct str *)arg, reference);
	if (!drill_page_resolve("/a/b?c", "127.0.0.1:80", reference, to))
		return;
	if (*to != '/' || strlen(to) >= sizeof(to))
		abort();
	for (const char *p = to; *p; p++)
		if (*p <= ' ' || *p == 127 || *p < 0)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str html = { (const char *)data, n }, where = { 0 }, form, value = { 0 };
	CLEANUP(buf_free) struct buf fields = { 0 };
	if (n > 65536)
		return 0;
	drill_page_references(html, true, look, &html);
	drill_page_references(html, false, look, &html);
	look(&html, html);
	if (drill_page_refresh(html, &where) >= 0)
		within(html, where);
	if (drill_page_form(html, "/book", &form)) {
		within(html, form);
		const size_t inputs = drill_page_inputs(form, "slot", 0, &value);
		if (inputs > form.n / 6)
			abort();
		within(form, value);
	}
	drill_page_add_field(&fields, "a", html);
	if (!fields.failed && fields.n > 2 + 3 * n)
		abort();
	return 0;
}
