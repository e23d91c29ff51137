/*
 * What a person may write as a patch's regular expression. Whatever it is: what goes into the WAF's configuration can't end a text, begin a macro or a
 * line there; and a text that is quoted matches.
 */
#include "proxy/patch_regex.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool right)
{
	if (!right)
		abort();
}

static void harmless(const struct buf *b)
{
	for (size_t i = 0; i < b->n; i++)
		need(b->p[i] >= ' ' && b->p[i] < 0x7f && !strchr("\"'`%", b->p[i]));
	size_t slashes = 0;
	while (slashes < b->n && b->p[b->n - 1 - slashes] == '\\')
		slashes++;
	need(slashes % 2 == 0); /* the quote behind it isn't escaped */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str text = { (const char *)data, size };
	struct buf written = { 0 }, quoted = { 0 };
	struct err err;
	if (patch_regex_add(&written, text, &err))
		need(!written.n);
	harmless(&written);
	patch_regex_quote(&quoted, str_sub(text, 0, 100));
	harmless(&quoted);
	need(!memchr(quoted.p ? quoted.p : "", '/', quoted.n) && !memchr(quoted.p ? quoted.p : "", '|', quoted.n));
	buf_free(&written);
	buf_free(&quoted);
	return 0;
}
