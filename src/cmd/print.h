/* One match, or what became of an alert, for people and as JSON. Used by `khien match` and `khien watch`. */
#ifndef KHIEN_CMD_PRINT_H
#define KHIEN_CMD_PRINT_H

#include "alert/group.h"
#include "base/buf.h"
#include "cmd/words.h"
#include "match/match.h"

struct print_options {
	bool color;
	bool block;      /* several lines with tags and advice, and an empty one; else one line */
	bool local_time; /* the machine's time zone; else UTC, marked Z */
	bool recording;  /* marked as played from a recording */
	enum language language;
	size_t width; /* block: lines are folded at so many columns; 0: 100 */
};

/* Text of foreign origin is made safe for a terminal. Ends with a newline. */
void print_match_text(struct buf *out, const struct print_options *o, const struct ruleset *rs, const struct match *m);

/*
 * {"rule":{"id","title","level","tags"},"at":{"file","line"},"fields":{name: value}} without a newline. A field with
 * several values stands once, with the value that matched.
 */
void print_match_json(struct buf *out, const struct ruleset *rs, const struct match *m);

/* What has become of an alert that was shown, in one line with a newline. news: GROUP_MORE or GROUP_OVER. */
void print_group_text(struct buf *out, const struct print_options *o, const struct ruleset *rs, const struct group *g,
                      enum group_news news);
/* {"id","news","rule":{...},"host","user","address","count","first","last"}; what isn't known is left out. */
void print_group_json(struct buf *out, const struct ruleset *rs, const struct group *g, enum group_news news);

/* "2026-11-22T03:40:00.120000Z", as JSON output writes a time; the fraction is left out when it is zero. */
void print_time_utc(struct buf *out, int64_t us);

/* "critical" ...; "" for none. */
const char *print_level(unsigned level);
/* The colour of a level as a terminal sequence; "" when colour is off. */
const char *print_level_color(unsigned level, bool color);

#endif
