/*
 * A line of nginx's error log. Whatever it is: fields end and are plain; the address is one of those that stand in the line; and what follows the
 * path's "?" changes nothing of what is told.
 */
#include "proxy/waf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool right)
{
	if (!right)
		abort();
}

static void plain(const char *text, size_t size)
{
	const char *end = memchr(text, '\0', size);
	need(end);
	for (; text < end; text++)
		need((unsigned char)*text >= ' ' && (unsigned char)*text < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str line = { (const char *)data, size };
	struct waf_hit h;
	if (!waf_hit_read(line, &h))
		return 0;
	plain(h.rule, sizeof(h.rule));
	plain(h.address, sizeof(h.address));
	plain(h.path, sizeof(h.path));
	plain(h.id, sizeof(h.id));
	plain(h.message, sizeof(h.message));
	plain(h.severity, sizeof(h.severity));
	need(!*h.address || memmem(line.p, line.n, h.address, strlen(h.address)));
	need(!*h.path || h.path[0] == '/');
	need(!strpbrk(h.path, "?;#\" "));
	need(strspn(h.rule, "0123456789") == strlen(h.rule));
	return 0;
}
