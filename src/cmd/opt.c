#include "cmd/opt.h"

#include "cmd/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { NEAREST_MAX = 64, HELP_COLUMN = 26 };

struct parse {
	const struct opt_spec *spec;
	char **argv;
	int argc, at; /* `at`: the next word to look at */
	struct opt_list *operands;
};

void opt_list_done(struct opt_list *l)
{
	free(l->at);
	*l = (struct opt_list){ 0 };
}

/* A list never outgrows argv, so its room is taken once. */
static int list_add(struct opt_list *l, const char *word, int argc)
{
	if (!l->at && !(l->at = calloc((size_t)argc, sizeof(*l->at)))) {
		fprintf(stderr, "khien: out of memory\n");
		return EXIT_TROUBLE;
	}
	l->at[l->n++] = word;
	return -1;
}

/* Edit distance (Levenshtein) of two short words. */
static size_t distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), row[NEAREST_MAX + 1];
	if (n > NEAREST_MAX || m > NEAREST_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t corner = row[0];
		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t best = corner + (a[i - 1] != b[j - 1]);
			corner = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[m];
}

const char *opt_nearest(const char *given, const char *const *words, size_t n)
{
	const char *nearest = NULL;
	size_t least = strlen(given) / 3 + 2;
	for (size_t i = 0; i < n; i++) {
		size_t d = distance(given, words[i]);
		/* "--sum" stands for "--summary": a beginning is near */
		if (strlen(given) > 1 && strncmp(given, words[i], strlen(given)) == 0)
			d = 1;
		if (d < least) {
			least = d;
			nearest = words[i];
		}
	}
	return nearest;
}

static int wrong(const struct opt_spec *spec, const char *what, const char *word, const char *hint)
{
	fprintf(stderr, "khien %s: %s '%s'%s%s%s\nTry 'khien %s --help'.\n", spec->command, what, word,
	        hint ? "; did you mean '--" : "", hint ? hint : "", hint ? "'?" : "", spec->command);
	return EXIT_TROUBLE;
}

static int unknown(const struct opt_spec *spec, const char *word, const char *name)
{
	const char *names[NEAREST_MAX] = { "help", "version" };
	size_t n = 2;
	for (size_t i = 0; i < spec->n_opts && n < NEAREST_MAX; i++)
		names[n++] = spec->opts[i].name;
	return wrong(spec, "unknown option", word, opt_nearest(name, names, n));
}

static int bad_value(const struct opt_spec *spec, const struct opt *o, const char *value, const char *wanted)
{
	fprintf(stderr, "khien %s: --%s: '%s' is not %s\nTry 'khien %s --help'.\n", spec->command, o->name, value,
	        wanted, spec->command);
	return EXIT_TROUBLE;
}

static int set_number(const struct opt_spec *spec, const struct opt *o, const char *value)
{
	char *end, wanted[96];
	errno = 0;
	unsigned long long n = strtoull(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || errno || n < o->min || (o->max && n > o->max)) {
		if (o->max)
			snprintf(wanted, sizeof(wanted), "a number from %llu to %llu", (unsigned long long)o->min,
			         (unsigned long long)o->max);
		else
			snprintf(wanted, sizeof(wanted), "a number of at least %llu", (unsigned long long)o->min);
		return bad_value(spec, o, value, wanted);
	}
	*(uint64_t *)o->to = n;
	return -1;
}

static int set_choice(const struct opt_spec *spec, const struct opt *o, const char *value)
{
	char wanted[128] = "one of";
	for (int i = 0; o->choices[i]; i++) {
		if (strcmp(value, o->choices[i]) == 0) {
			*(int *)o->to = i;
			return -1;
		}
		size_t n = strlen(wanted);
		snprintf(wanted + n, sizeof(wanted) - n, " %s", o->choices[i]);
	}
	return bad_value(spec, o, value, wanted);
}

/* Whether a word is an option; "-" alone is a word: standard input. */
static bool is_option(const char *word)
{
	return word[0] == '-' && word[1];
}

/* `value` is what stood in the same word, or NULL: it is the next word. */
static int take(struct parse *p, const struct opt *o, const char *value)
{
	if (o->kind == OPT_FLAG) {
		if (value)
			return wrong(p->spec, "no value may be given to", o->name, NULL);
		*(bool *)o->to = true;
		return -1;
	}
	if (!value) {
		if (p->at == p->argc || (o->kind == OPT_WORDS && is_option(p->argv[p->at]))) {
			fprintf(stderr, "khien %s: --%s needs a value: %s\nTry 'khien %s --help'.\n", p->spec->command,
			        o->name, o->arg, p->spec->command);
			return EXIT_TROUBLE;
		}
		value = p->argv[p->at++];
	}
	switch (o->kind) {
	case OPT_TEXT: *(const char **)o->to = value; return -1;
	case OPT_NUMBER: return set_number(p->spec, o, value);
	case OPT_CHOICE: return set_choice(p->spec, o, value);
	default: break;
	}
	int status = list_add(o->to, value, p->argc);
	while (o->kind == OPT_WORDS && status < 0 && p->at < p->argc && !is_option(p->argv[p->at]))
		status = list_add(o->to, p->argv[p->at++], p->argc);
	return status;
}

static int print_help(const struct opt_spec *spec)
{
	struct buf out = { 0 };
	opt_help(&out, spec);
	size_t done = fwrite(out.p, 1, out.n, stdout);
	int status = done == out.n && fflush(stdout) == 0 ? EXIT_NOTHING : EXIT_TROUBLE;
	buf_free(&out);
	return status;
}

static int take_long(struct parse *p, const char *word)
{
	const char *name = word + 2, *value = strchr(name, '=');
	size_t n = value ? (size_t)(value - name) : strlen(name);
	if (strcmp(name, "help") == 0)
		return print_help(p->spec);
	if (strcmp(name, "version") == 0)
		return puts("khien " KHIEN_VERSION) < 0 || fflush(stdout) ? EXIT_TROUBLE : EXIT_NOTHING;
	for (size_t i = 0; i < p->spec->n_opts; i++) {
		const struct opt *o = &p->spec->opts[i];
		if (strlen(o->name) == n && memcmp(o->name, name, n) == 0)
			return take(p, o, value ? value + 1 : NULL);
	}
	return unknown(p->spec, word, name);
}

static int take_short(struct parse *p, const char *word)
{
	for (const char *c = word + 1; *c; c++) {
		const struct opt *o = NULL;
		for (size_t i = 0; i < p->spec->n_opts; i++)
			if (p->spec->opts[i].letter == *c)
				o = &p->spec->opts[i];
		if (!o && *c == 'h')
			return print_help(p->spec);
		if (!o)
			return unknown(p->spec, word, word + 1);
		const char *value = o->kind != OPT_FLAG && c[1] ? c + 1 : NULL;
		int status = take(p, o, value);
		if (status >= 0 || o->kind != OPT_FLAG)
			return status;
	}
	return -1;
}

int opt_parse(const struct opt_spec *spec, int argc, char **argv, struct opt_list *operands)
{
	struct parse p = { .spec = spec, .argv = argv, .argc = argc, .at = 1, .operands = operands };
	bool ended = false;
	int status = -1;
	while (status < 0 && p.at < argc) {
		const char *word = argv[p.at++];
		if (!ended && strcmp(word, "--") == 0)
			ended = true;
		else if (!ended && word[0] == '-' && word[1] == '-')
			status = take_long(&p, word);
		else if (!ended && is_option(word))
			status = take_short(&p, word);
		else if (operands)
			status = list_add(operands, word, argc);
		else
			status = wrong(spec, "unexpected word", word, NULL);
	}
	return status;
}

static void help_line(struct buf *out, const struct opt *o)
{
	size_t start = out->n;
	if (o->letter)
		buf_printf(out, "  -%c, --%s", o->letter, o->name);
	else
		buf_printf(out, "      --%s", o->name);
	if (o->arg)
		buf_printf(out, " %s%s", o->arg, o->kind == OPT_WORDS ? "..." : "");
	bool own_line = out->n - start > HELP_COLUMN - 2;
	for (struct str left = str_from(o->help); left.n;) {
		size_t n = str_find(left, '\n');
		if (own_line)
			buf_putc(out, '\n');
		buf_printf(out, "%*s", own_line ? HELP_COLUMN : (int)(HELP_COLUMN - (out->n - start)), "");
		buf_add(out, str_sub(left, 0, n));
		left = str_sub(left, n + 1, left.n);
		own_line = true;
	}
	buf_putc(out, '\n');
}

void opt_help(struct buf *out, const struct opt_spec *spec)
{
	static const struct opt own[] = {
		{ "help", 'h', OPT_FLAG, NULL, "this text", NULL, 0, 0, NULL },
		{ "version", 0, OPT_FLAG, NULL, "the version", NULL, 0, 0, NULL },
	};
	for (size_t i = 0; spec->synopsis[i]; i++)
		buf_printf(out, "%s khien %s %s\n", i ? "      " : "Usage:", spec->command, spec->synopsis[i]);
	buf_printf(out, "\n%s\n\nOptions:\n", spec->what);
	for (size_t i = 0; i < spec->n_opts; i++)
		help_line(out, &spec->opts[i]);
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		help_line(out, &own[i]);
	if (spec->more)
		buf_printf(out, "\n%s\n", spec->more);
}
