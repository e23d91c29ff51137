/*
 * sample: one record a line, "sample TIME HOST ACTION MESSAGE", TIME as RFC 3339 has it. Say here which product writes
 * it, and where the product's documentation tells the form.
 */
#include "intake/formats.h"
#include "intake/text.h"

#include <errno.h>

struct line {
	struct str time, host, action, message;
};

static bool cut(struct str record, struct line *l)
{
	struct str rest = record;
	if (!str_eq(text_word(&rest), STR("sample")))
		return false;
	l->time = text_word(&rest);
	l->host = text_word(&rest);
	l->action = text_word(&rest);
	l->message = str_trim(rest);
	return l->action.n != 0;
}

static int parse(struct str record, const struct columns *columns, int64_t now, struct event *ev, struct err *err)
{
	struct line l;
	if (!cut(record, &l))
		return err_set(err, -EBADMSG, "no line of sample: TIME HOST ACTION is missing");
	text_event(ev);
	event_parse_time(l.time, &ev->time);
	text_put(ev, STR("host.name"), l.host);
	text_put(ev, STR("event.action"), l.action);
	text_put(ev, STR("message"), l.message);
	return 0;
}

static bool fits(struct str line)
{
	struct line l;
	int64_t time;
	return cut(line, &l) && event_parse_time(l.time, &time);
}

static int score(struct str head)
{
	return text_score(head, fits, 90);
}

const struct format intake_sample = {
	.name = "sample",
	.what = "what it is, in one line",
	.framing = FRAME_LINE,
	.score = score,
	.parse = parse,
};
