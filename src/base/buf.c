#include "base/buf.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const size_t BUF_MAX = 64u << 20;

char *buf_room(struct buf *b, size_t n)
{
	size_t max = b->max ? b->max : BUF_MAX;
	if (b->failed || n > max || b->n > max - n) {
		b->failed = true;
		return NULL;
	}
	if (b->cap - b->n < n) {
		size_t cap = b->cap ? b->cap : 256;
		while (cap - b->n < n)
			cap *= 2;
		char *p = realloc(b->p, cap);
		if (!p) {
			b->failed = true;
			return NULL;
		}
		b->p = p;
		b->cap = cap;
	}
	return b->p + b->n;
}

void buf_add(struct buf *b, struct str s)
{
	char *at = s.n ? buf_room(b, s.n) : NULL;
	if (!at)
		return;
	memcpy(at, s.p, s.n);
	b->n += s.n;
}

void buf_putc(struct buf *b, char c)
{
	buf_add(b, (struct str){ &c, 1 });
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	char *at = n < 0 ? NULL : buf_room(b, (size_t)n + 1);
	if (at) {
		vsnprintf(at, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}

void buf_add_json(struct buf *b, struct str s)
{
	static const char short_form[32] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r',
	};
	buf_putc(b, '"');
	for (size_t i = 0; i < s.n;) {
		unsigned char c = (unsigned char)s.p[i];
		size_t plain = i;
		while (plain < s.n && (c = (unsigned char)s.p[plain]) >= ' ' && c < 0x7f && c != '"' && c != '\\')
			plain++;
		buf_add(b, str_sub(s, i, plain - i));
		if ((i = plain) == s.n)
			break;
		if (c >= 0x80) {
			size_t n = utf8_len(str_sub(s, i, s.n - i));
			buf_add(b, n ? str_sub(s, i, n) : STR("\xef\xbf\xbd"));
			i += n ? n : 1;
			continue;
		}
		if (c == '"' || c == '\\')
			buf_printf(b, "\\%c", c);
		else if (c < ' ' && short_form[c])
			buf_printf(b, "\\%c", short_form[c]);
		else
			buf_printf(b, "\\u%04x", c);
		i++;
	}
	buf_putc(b, '"');
}

void buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ .max = b->max };
}
