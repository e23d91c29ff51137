#include "cmd/term.h"

#include "base/utf8.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

const char *const term_color_choices[] = { "auto", "always", "never", NULL };

bool term_is_tty(int fd)
{
	return isatty(fd) == 1;
}

unsigned term_width(int fd)
{
	struct winsize size;
	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return 80;
}

bool term_color(int fd, int when)
{
	if (when != COLOR_AUTO)
		return when == COLOR_ALWAYS;
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
	return !(no && *no) && term && strcmp(term, "dumb") != 0 && term_is_tty(fd);
}

/* Characters that a terminal acts on, or that make text look like another text. */
static bool is_harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f);
}

static void escape(struct buf *out, uint32_t c)
{
	switch (c) {
	case '\n': buf_add(out, STR("\\n")); break;
	case '\r': buf_add(out, STR("\\r")); break;
	case '\t': buf_add(out, STR("\\t")); break;
	default: buf_printf(out, c < 0x80 ? "\\x%02x" : "\\u{%x}", (unsigned)c);
	}
}

void term_safe(struct buf *out, struct str s)
{
	size_t plain = 0, i = 0;
	while (i < s.n) {
		unsigned char c = (unsigned char)s.p[i];
		size_t n = c < 0x80 ? 1 : utf8_len(str_sub(s, i, s.n - i));
		uint32_t cp = n > 1 ? utf8_get(str_sub(s, i, n)) : c;
		if (n && !is_harmful(cp)) {
			i += n;
			continue;
		}
		buf_add(out, str_sub(s, plain, i - plain));
		if (n)
			escape(out, cp);
		else
			buf_printf(out, "\\x%02x", c);
		i += n ? n : 1;
		plain = i;
	}
	buf_add(out, str_sub(s, plain, i - plain));
}

/* Columns of one character (Unicode 15, East Asian Width W and F, in whole blocks; combining marks of Latin). */
static size_t char_columns(uint32_t c)
{
	if (c >= 0x300 && c < 0x370)
		return 0;
	bool wide = (c >= 0x1100 && c < 0x1160) || (c >= 0x2e80 && c < 0xa4d0) || (c >= 0xac00 && c < 0xd7a4) ||
	            (c >= 0xf900 && c < 0xfb00) || (c >= 0xfe30 && c < 0xfe70) || (c >= 0xff00 && c < 0xff61) ||
	            (c >= 0xffe0 && c < 0xffe7) || (c >= 0x1f300 && c < 0x1f650) || (c >= 0x1f900 && c < 0x1fa00) ||
	            (c >= 0x20000 && c < 0x40000);
	return wide ? 2 : 1;
}

struct str term_cut(struct str s, size_t columns)
{
	size_t i = 0;
	while (i < s.n) {
		size_t n = utf8_len(str_sub(s, i, s.n - i));
		size_t wide = n ? char_columns(utf8_get(str_sub(s, i, n))) : 1;
		if (wide > columns)
			break;
		columns -= wide;
		i += n ? n : 1;
	}
	return str_sub(s, 0, i);
}

size_t term_columns(struct str s)
{
	size_t columns = 0;
	for (size_t i = 0; i < s.n;) {
		size_t n = utf8_len(str_sub(s, i, s.n - i));
		columns += n ? char_columns(utf8_get(str_sub(s, i, n))) : 1;
		i += n ? n : 1;
	}
	return columns;
}

int term_write(int fd, struct str s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);
		if (n >= 0) {
			s = str_sub(s, (size_t)n, s.n);
		} else if (errno == EAGAIN) {
			/* somebody who shares the terminal made it non-blocking */
			struct pollfd p = { .fd = fd, .events = POLLOUT };
			poll(&p, 1, -1);
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

void progress_begin(struct progress *p, int fd, const struct clock *clock)
{
	int64_t now = clock_monotonic(clock);
	/* Work that is over in half a second needs no bar. */
	*p = (struct progress){
		.fd = fd, .clock = clock, .on = term_is_tty(fd), .start = now, .last = now + 400 * CLOCK_MS
	};
}

void progress_update(struct progress *p, uint64_t done, uint64_t total, const char *note)
{
	int64_t now = p->on ? clock_monotonic(p->clock) : 0;
	if (!p->on || now - p->last < 100 * CLOCK_MS)
		return;
	p->last = now;
	p->drawn = true;
	char bar[21];
	struct buf out = { 0 }, line = { 0 };
	uint64_t share = total ? (done < total ? done * 100 / total : 100) : 0;
	if (total) {
		memset(bar, ' ', sizeof(bar) - 1);
		memset(bar, '=', share / 5);
		bar[sizeof(bar) - 1] = '\0';
		buf_printf(&line, "[%s] %3u%%", bar, (unsigned)share);
		int64_t left = share > 2 ? (now - p->start) * (int64_t)(100 - share) / (int64_t)share / CLOCK_S : -1;
		if (left >= 0)
			buf_printf(&line, "  %lld:%02lld left", (long long)left / 60, (long long)left % 60);
	} else {
		buf_printf(&line, "%llu MB", (unsigned long long)(done / 1000000));
	}
	if (note && *note) {
		buf_add(&line, STR("  "));
		term_safe(&line, str_from(note));
	}
	buf_add(&out, STR("\r\033[K"));
	buf_add(&out, term_cut(buf_str(&line), term_width(p->fd) - 1));
	if (term_write(p->fd, buf_str(&out)))
		p->on = false;
	buf_free(&line);
	buf_free(&out);
}

void progress_clear(struct progress *p)
{
	if (p->drawn && term_write(p->fd, STR("\r\033[K")))
		p->on = false;
	p->drawn = false;
}
