/* khien gate why: which signal, since when, until when, and what an operator can do now. */
#include "cmd/gate_ask.h"

#include "cmd/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { NUMBER = 14 /* ABCD-EFGH-JKMN */ };

/* As people read it off a page and type it: any case, with other dashes or none, O for 0, I and L for 1. */
static bool read_number(struct str text, char ret[NUMBER + 1])
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	size_t n = 0;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c == '-' || c == ' ' || c == '.')
			continue;
		c = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
		c = c == 'O' ? '0' : c == 'I' || c == 'L' ? '1' : c;
		if (n == NUMBER || !c || !strchr(digits, c))
			return false;
		ret[n++] = c;
		if (n == 4 || n == 9)
			ret[n++] = '-';
	}
	ret[n] = '\0';
	return n == NUMBER;
}

static void line(struct buf *out, const char *text)
{
	buf_printf(out, "%s\n", text);
}

static void add_errors(const json_t *o, char to[16])
{
	snprintf(to, 16, "%.0f %%", 100 * json_number_value(json_object_get(o, "errors")));
}

/* What it had, and how much of that it was allowed. */
static void add_had(struct buf *out, enum language l, const json_t *had, const json_t *share)
{
	CLEANUP(buf_free) struct buf allowed = { 0 };
	if (json_is_number(share))
		words_add(&allowed, l, WORD_GATE_EACH_SECOND, json_number_value(share));
	else
		buf_add(&allowed, str_from(words(l, WORD_GATE_NO_BOUND)));
	buf_putc(&allowed, '\0');
	words_add(out, l, WORD_GATE_HAD, json_number_value(had), allowed.p ? allowed.p : "");
	buf_putc(out, '\n');
}

static void add_command(struct buf *out, const struct gate_args *a, enum word word, const char *job, const char *prefix,
                        const char *more)
{
	CLEANUP(buf_free) struct buf command = { 0 };
	gate_command(&command, a, job, prefix);
	buf_add(&command, str_from(more));
	buf_putc(&command, '\0');
	words_add(out, a->language, word, command.p ? command.p : "");
	buf_putc(out, '\n');
}

/* What operators said. */
static void add_list(struct buf *out, const struct gate_args *a, const json_t *list)
{
	char until[GATE_TIME];
	const char *prefix = json_string_value(json_object_get(list, "prefix"));
	const char *action = json_string_value(json_object_get(list, "action"));
	const char *by = json_string_value(json_object_get(list, "by"));
	const char *text = json_string_value(json_object_get(list, "why"));
	const json_t *end = json_object_get(list, "until");
	if (!prefix || !action)
		return;
	words_add(out, a->language, WORD_GATE_LISTED, prefix, by ? by : "?",
	          json_is_string(end) ? gate_time_of(end, until) : words(a->language, WORD_GATE_NEVER),
	          text ? text : "");
	buf_putc(out, '\n');
	add_command(out, a, WORD_GATE_TO_UNBLOCK, "unblock", prefix, "");
}

static void tell_address(struct buf *out, const struct gate_args *a, const char *address, const json_t *s)
{
	char when[GATE_TIME], errors[16];
	const enum language l = a->language;
	const json_t *last = json_object_get(s, "last");
	const char *number = json_string_value(json_object_get(last, "id"));
	const char *reason = json_string_value(json_object_get(s, "reason"));
	words_add(out, l, WORD_GATE_NEXT, address, gate_verdict(s, l));
	buf_putc(out, '\n');
	line(out, gate_reason(s, l));
	if (json_is_string(json_object_get(s, "since"))) {
		words_add(out, l, WORD_GATE_SINCE, gate_time_of(json_object_get(s, "since"), when));
		buf_putc(out, '\n');
	}
	if (json_is_string(json_object_get(s, "until"))) {
		words_add(out, l, WORD_GATE_UNTIL, gate_time_of(json_object_get(s, "until"), when));
		buf_putc(out, '\n');
	}
	add_had(out, l, json_object_get(s, "rate"), json_object_get(s, "share"));
	add_errors(s, errors);
	words_add(out, l, WORD_GATE_AROUND, json_number_value(json_object_get(s, "network_rate")), errors,
	          json_number_value(json_object_get(s, "cost")), json_number_value(json_object_get(s, "people")));
	buf_putc(out, '\n');
	if (json_is_true(json_object_get(s, "shared")))
		line(out, words(l, WORD_GATE_SHARED));
	if (number) {
		words_add(out, l, WORD_GATE_LAST, number, gate_time_of(json_object_get(last, "time"), when));
		buf_putc(out, '\n');
	}
	add_list(out, a, json_object_get(s, "list"));
	if (!reason || strcmp(reason, "allowed") != 0)
		add_command(out, a, WORD_GATE_TO_ALLOW, "allow", address, " --for 1d --why 'WHY'");
}

static void tell_request(struct buf *out, const struct gate_args *a, const char *number, const json_t *r)
{
	char when[GATE_TIME];
	const enum language l = a->language;
	const char *address = json_string_value(json_object_get(r, "address"));
	const double wait = json_number_value(json_object_get(r, "wait_ms"));
	address = address ? address : "?";
	words_add(out, l, WORD_GATE_THEN, number, gate_time_of(json_object_get(r, "time"), when), address,
	          gate_verdict(r, l));
	buf_putc(out, '\n');
	line(out, gate_reason(r, l));
	line(out, words(l, json_is_true(json_object_get(r, "known")) ? WORD_GATE_WITH_PASS : WORD_GATE_WITHOUT_PASS));
	add_had(out, l, json_object_get(r, "used"), json_object_get(r, "share"));
	if (wait > 0) {
		words_add(out, l, WORD_GATE_COME_BACK, wait / 1000);
		buf_putc(out, '\n');
	}
	add_command(out, a, WORD_GATE_TO_SEE, "why", address, "");
	add_command(out, a, WORD_GATE_TO_ALLOW, "allow", address, " --for 1d --why 'WHY'");
}

int gate_why(const struct gate *g, const struct gate_args *a, struct err *err)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	char target[128], name[LIST_PREFIX_TEXT];
	struct flood_addr addr;
	uint8_t bits;
	json_t *o = NULL;
	const struct str word = str_from(a->words.at[0]);
	const bool by_number = read_number(word, name);
	int code = by_number ? 0 : list_prefix(word, &addr, &bits, err);
	if (!code && !by_number && bits < 128)
		code = err_set(err, -EINVAL, "one address is wanted, or a number such as ABCD-EFGH-JKMN");
	if (code)
		return code;
	if (!by_number)
		list_prefix_text(&addr, bits, name);
	snprintf(target, sizeof(target), "/why?%s=%s", by_number ? "id" : "address", name);
	code = gate_get(g, target, &o, err);
	if (code < 0)
		return code;
	if (code) {
		words_add(&out, a->language, WORD_GATE_NOT_KNOWN, name);
		buf_putc(&out, '\n');
	} else if (a->json) {
		gate_print(o);
	} else if (by_number) {
		tell_request(&out, a, name, o);
	} else {
		tell_address(&out, a, name, o);
	}
	json_decref(o);
	gate_show(code ? STDERR_FILENO : STDOUT_FILENO, &out);
	return code ? EXIT_FOUND : EXIT_NOTHING;
}
