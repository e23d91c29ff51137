#include "intake/framer.h"

bool frame_skip_line(struct framer *f)
{
	struct str rest = framer_rest(f);
	size_t n = str_find(rest, '\n');
	f->skipping = n == rest.n;
	framer_use(f, f->skipping ? n : n + 1);
	return !f->skipping;
}

size_t frame_next_line(struct framer *f, enum frame_when when, struct str *line)
{
	for (;;) {
		if (f->skipping && !frame_skip_line(f))
			return 0;
		struct str rest = framer_rest(f);
		size_t from = f->looked - f->pos;
		size_t n = from + str_find(str_sub(rest, from, rest.n), '\n');
		bool whole = n < rest.n;
		if (n > f->c.max_record) {
			framer_skip_long(f, f->line);
			f->skipping = true;
			continue;
		}
		if (!whole && (when != FRAME_END || !n)) {
			f->looked = f->pos + n;
			return 0;
		}
		*line = str_sub(rest, 0, n && rest.p[n - 1] == '\r' ? n - 1 : n);
		return whole ? n + 1 : n;
	}
}

int frame_lines(struct framer *f, enum frame_when when)
{
	struct str line;
	for (size_t n; (n = frame_next_line(f, when, &line)); f->pos += n, f->looked = f->pos, f->line++) {
		if (!str_trim(line).n)
			continue;
		int r = framer_emit(f, f->b, line, f->line);
		if (r)
			return r;
	}
	return 0;
}
