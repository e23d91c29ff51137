#include "cmd/hunt_print.h"

#include "cmd/print.h"
#include "cmd/term.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

enum { ROWS_MEASURED = 200, LEAST_WIDTH = 8, GAP = 2 };

/* --- cells as text --- */

static void add_number(struct buf *out, double v)
{
	if (v == floor(v) && fabs(v) < 1e15)
		buf_printf(out, "%.0f", v);
	else
		buf_printf(out, "%.15g", v);
}

static void add_local(struct buf *out, int64_t us)
{
	const time_t s = us / CLOCK_S;
	struct tm tm;
	char date[64];
	if (localtime_r(&s, &tm) && strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm))
		buf_add(out, str_from(date));
}

static void add_plain(struct buf *out, const struct hunt_cell *c)
{
	switch (c->kind) {
	case CELL_NONE: break;
	case CELL_TEXT: buf_add(out, c->text); break;
	case CELL_NUMBER: add_number(out, c->number); break;
	case CELL_TIME: print_time_utc(out, c->time); break;
	}
}

/* --- JSON, CSV --- */

static void add_json(struct hunt_printer *p, const struct hunt_line *row, struct buf *out)
{
	const char *mark = "{";
	for (size_t i = 0; i < row->n; i++) {
		const struct hunt_cell *c = &row->cells[i];
		struct buf text = { 0 };
		buf_add(out, str_from(mark));
		buf_add_json(out, p->names[i]);
		buf_putc(out, ':');
		add_plain(&text, c);
		if (c->kind == CELL_NONE)
			buf_add(out, STR("null"));
		else if (c->kind == CELL_NUMBER)
			buf_add(out, buf_str(&text));
		else
			buf_add_json(out, text.n ? buf_str(&text) : STR(""));
		out->failed |= text.failed;
		buf_free(&text);
		mark = ",";
	}
	buf_add(out, STR("}\n"));
}

static void add_csv_text(struct buf *out, struct str s, bool foreign)
{
	bool quotes = false;
	/* Not a formula, whatever stands in the logs. */
	if (foreign && s.n && strchr("=+-@\t\r", s.p[0]))
		buf_putc(out, '\'');
	for (size_t i = 0; i < s.n; i++)
		quotes |= strchr(",\"\r\n", s.p[i]) && s.p[i];
	if (!quotes) {
		buf_add(out, s);
		return;
	}
	buf_putc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			buf_putc(out, '"');
		buf_putc(out, s.p[i]);
	}
	buf_putc(out, '"');
}

static void add_csv(const struct hunt_line *row, struct buf *out)
{
	for (size_t i = 0; i < row->n; i++) {
		struct buf text = { 0 };
		if (i)
			buf_putc(out, ',');
		add_plain(&text, &row->cells[i]);
		add_csv_text(out, buf_str(&text), row->cells[i].kind == CELL_TEXT);
		out->failed |= text.failed;
		buf_free(&text);
	}
	buf_add(out, STR("\r\n"));
}

/* --- the table --- */

/* A cell as it is shown, in the arena. p NULL: no memory. */
static struct str shown(struct hunt_printer *p, const struct hunt_cell *c)
{
	struct buf text = { 0 };
	if (c->kind == CELL_NONE)
		buf_putc(&text, '-');
	else if (c->kind == CELL_TEXT)
		term_safe(&text, c->text);
	else if (c->kind == CELL_TIME)
		add_local(&text, c->time);
	else
		add_number(&text, c->number);
	struct str ret = text.failed ? (struct str){ 0 } : arena_copy(&p->arena, text.n ? buf_str(&text) : STR(""));
	buf_free(&text);
	return ret;
}

static void add_spaces(struct buf *out, size_t n)
{
	while (n--)
		buf_putc(out, ' ');
}

static void add_cell(const struct hunt_printer *p, size_t i, struct str s, struct buf *out)
{
	const bool cut = term_columns(s) > p->widths[i];
	const struct str part = cut ? term_cut(s, p->widths[i] - 1) : s;
	const size_t used = term_columns(part) + cut, left = p->widths[i] > used ? p->widths[i] - used : 0;
	if (p->right[i])
		add_spaces(out, left);
	buf_add(out, part);
	buf_add(out, cut ? STR("…") : STR(""));
	if (!p->right[i] && i + 1 < p->n)
		add_spaces(out, left);
	if (i + 1 < p->n)
		add_spaces(out, GAP);
}

static void add_line(const struct hunt_printer *p, const struct str *cells, struct buf *out)
{
	for (size_t i = 0; i < p->n; i++)
		add_cell(p, i, cells[i], out);
	buf_putc(out, '\n');
}

/* The widest column gives way until all fit. */
static void fit(struct hunt_printer *p)
{
	for (;;) {
		size_t whole = (p->n - 1) * GAP, widest = 0;
		for (size_t i = 0; i < p->n; i++) {
			whole += p->widths[i];
			if (p->widths[i] > p->widths[widest])
				widest = i;
		}
		if (!p->width || whole <= p->width || p->widths[widest] <= LEAST_WIDTH)
			return;
		const size_t over = whole - p->width, most = p->widths[widest] - LEAST_WIDTH;
		p->widths[widest] -= over < most ? (over + 1) / 2 : (most + 1) / 2;
	}
}

static void start(struct hunt_printer *p, struct buf *out)
{
	for (size_t i = 0; i < p->n; i++)
		p->widths[i] = term_columns(p->names[i]);
	for (size_t k = 0; k < p->n_waiting; k++) {
		const size_t columns = term_columns(p->waiting[k]);
		if (columns > p->widths[k % p->n])
			p->widths[k % p->n] = columns;
	}
	fit(p);
	p->started = true;
	buf_add(out, p->color ? STR("\033[1m") : STR(""));
	add_line(p, p->names, out);
	if (p->color) {
		out->n -= out->n > 0; /* the colour ends before the line does */
		buf_add(out, STR("\033[0m\n"));
	}
	for (size_t k = 0; k < p->n_waiting; k += p->n)
		add_line(p, p->waiting + k, out);
	p->n_waiting = 0;
}

static int add_row(struct hunt_printer *p, const struct hunt_line *row, struct buf *out)
{
	if (p->started)
		arena_reset(&p->arena);
	for (size_t i = 0; i < p->n; i++) {
		p->waiting[p->n_waiting + i] = shown(p, &row->cells[i]);
		if (!p->waiting[p->n_waiting + i].p)
			return -ENOMEM;
		p->right[i] |= row->cells[i].kind == CELL_NUMBER;
	}
	if (p->started) {
		add_line(p, p->waiting, out);
		return 0;
	}
	p->n_waiting += p->n;
	if (p->n_waiting == p->cap_waiting)
		start(p, out);
	return 0;
}

/* --- all three --- */

static int keep_names(struct hunt_printer *p, const struct str *names, size_t n)
{
	p->names = calloc(n, sizeof(*p->names));
	p->right = calloc(n, sizeof(*p->right));
	p->widths = calloc(n, sizeof(*p->widths));
	p->cap_waiting = n * ROWS_MEASURED;
	p->waiting = calloc(p->cap_waiting, sizeof(*p->waiting));
	if (!p->names || !p->right || !p->widths || !p->waiting)
		return -ENOMEM;
	p->n = n;
	for (size_t i = 0; i < n; i++) {
		char *own = malloc(names[i].n + 1);
		if (!own)
			return -ENOMEM;
		memcpy(own, names[i].p, names[i].n);
		p->names[i] = (struct str){ own, names[i].n };
	}
	return 0;
}

int hunt_print_columns(struct hunt_printer *p, const struct str *names, size_t n, struct buf *out)
{
	int r = n ? keep_names(p, names, n) : 0;
	for (size_t i = 0; !r && p->format == HUNT_CSV && i < n; i++) {
		if (i)
			buf_putc(out, ',');
		add_csv_text(out, names[i], false);
	}
	if (!r && n && p->format == HUNT_CSV)
		buf_add(out, STR("\r\n"));
	return r;
}

int hunt_print_row(struct hunt_printer *p, const struct hunt_line *row, struct buf *out)
{
	int r = 0;
	if (!p->n && row->event && p->format == HUNT_JSON) {
		buf_add(out, row->event->json);
		buf_putc(out, '\n');
	} else if (!p->n && row->event) {
		find_print(&p->events, row->event, out);
	} else if (p->format == HUNT_JSON) {
		add_json(p, row, out);
	} else if (p->format == HUNT_CSV) {
		add_csv(row, out);
	} else {
		r = add_row(p, row, out);
	}
	return r ? r : out->failed ? -ENOMEM : 0;
}

int hunt_print_end(struct hunt_printer *p, struct buf *out)
{
	if (p->format == HUNT_TABLE && p->n && !p->started && p->n_waiting)
		start(p, out);
	return out->failed ? -ENOMEM : 0;
}

void hunt_printer_done(struct hunt_printer *p)
{
	for (size_t i = 0; i < p->n; i++)
		free((char *)p->names[i].p);
	free(p->names);
	free(p->right);
	free(p->widths);
	free(p->waiting);
	arena_free(&p->arena);
}
