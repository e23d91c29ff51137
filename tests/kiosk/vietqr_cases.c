/*
 * For vietqr_test.py. Without a word: lines "bin TAB account TAB 0|1 (card) TAB amount TAB purpose" become VietQR texts, or "-" where
 * they can't be. With one: the text on standard input becomes a picture on standard output: "svg", or "png" and pixels a module.
 */
#include "kiosk/pay.h"

#include <stdio.h>
#include <stdlib.h>

static struct str field(struct str *line)
{
	size_t n = str_find(*line, '\t');
	struct str text = str_sub(*line, 0, n);
	*line = str_sub(*line, n + 1, line->n);
	return text;
}

static int write_texts(void)
{
	char *p = NULL;
	size_t room = 0;
	ssize_t n;
	while ((n = getline(&p, &room, stdin)) > 0) {
		struct str line = { p, (size_t)n - (p[n - 1] == '\n') };
		struct vietqr q = { .bin = field(&line), .account = field(&line) };
		char out[VIETQR_MAX];
		q.card = str_eq(field(&line), STR("1"));
		struct str amount = field(&line); /* a tab or the line's end stands behind it */
		q.amount = strtoll(amount.p, NULL, 10);
		q.purpose = line;
		puts(vietqr_write(&q, out, NULL) ? "-" : out);
	}
	free(p);
	return fflush(stdout) ? 1 : 0;
}

static int write_picture(const char *kind, const char *scale)
{
	char text[4096];
	struct buf out = { 0 };
	struct err err = { .text = "" };
	struct str s = { text, fread(text, 1, sizeof(text), stdin) };
	int rc =
	        strcmp(kind, "svg") ? qr_png(s, (unsigned)strtoul(scale, NULL, 10), &out, &err) : qr_svg(s, &out, &err);
	if (rc)
		fprintf(stderr, "%s\n", err.text);
	else if (fwrite(out.p, 1, out.n, stdout) != out.n || fflush(stdout))
		rc = -1;
	buf_free(&out);
	return rc ? 1 : 0;
}

int main(int argc, char **argv)
{
	return argc > 1 ? write_picture(argv[1], argc > 2 ? argv[2] : "4") : write_texts();
}
