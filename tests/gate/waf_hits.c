/* Lines of nginx's error log on standard input -> what khien takes from them, a line of JSON each, for the tests beside this file. */
#include "base/buf.h"
#include "proxy/waf.h"

#include <stdio.h>
#include <stdlib.h>

static void put(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, "\"%s\":", name);
	buf_add_json(out, str_from(text));
	buf_putc(out, ',');
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	while ((n = getline(&line, &size, stdin)) > 0) {
		struct waf_hit h;
		struct buf out = { 0 };
		if (!waf_hit_read((struct str){ line, (size_t)n - (line[n - 1] == '\n') }, &h))
			continue;
		buf_putc(&out, '{');
		put(&out, "rule", h.rule);
		put(&out, "address", h.address);
		put(&out, "path", h.path);
		put(&out, "id", h.id);
		put(&out, "message", h.message);
		put(&out, "severity", h.severity);
		printf("%.*s\"denied\":%s,\"score\":%u}\n", STR_ARG(buf_str(&out)), h.denied ? "true" : "false",
		       h.score);
		buf_free(&out);
	}
	free(line);
	return 0;
}
