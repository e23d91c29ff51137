/* What the text formats share: words, numbers, dates, escapes, and how well lines fit a format. */
#ifndef KHIEN_INTAKE_TEXT_H
#define KHIEN_INTAKE_TEXT_H

#include "base/err.h"
#include "event/event.h"

/* Cuts the next line, without its line break, off *s. False at the end. */
bool text_line(struct str *s, struct str *line);
/* Cuts the next word off *s, and the blanks before it. Empty at the end. */
struct str text_word(struct str *s);
/* Cuts a run of at most `digits` digits off *s. False when there is none. */
bool text_number(struct str *s, unsigned digits, unsigned *value);
/* Cuts one given character off *s. */
bool text_take(struct str *s, char c);
/* Whether s is a number as JSON writes it, so that its type is VALUE_NUMBER. */
enum value_type text_type(struct str s);

static inline bool text_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool text_is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* 0..15, or -1. */
int text_hex_digit(char c);
/* Bytes of an even run of hexadecimal digits, in the arena; {NULL, 0} when it is none, or memory is exhausted. */
struct str text_unhex(struct arena *a, struct str hex);

/* "Jan".."Dec" -> 1..12; 0: none of them. */
unsigned text_month(struct str s);
bool text_date_valid(int year, unsigned month, unsigned day);
/* Days since 1970-01-01 (proleptic Gregorian), and the year such a day is in. */
int64_t text_days(int year, unsigned month, unsigned day);
int text_year(int64_t days);

/*
 * The inside of a quoted text: where the closing quote stands, s.n if nowhere. s begins behind the opening quote; a
 * backslash hides the byte that follows it.
 */
size_t text_quote_end(struct str s, char quote);
/*
 * Undoes backslash escapes: \" \\ \n \r \t \b \f \v \/ and \xHH; any other backslash stays. s itself when there is
 * none; {NULL, 0} when memory is exhausted.
 */
struct str text_unescape(struct arena *a, struct str s);

/* `most` scaled by the share of whole lines at the start of head that fit; the last counts when it ends in head. */
int text_score(struct str head, bool (*fits)(struct str line), int most);

/* Starts an event of a text format: every pair is known, and keywords are looked for in the whole record. */
static inline void text_event(struct event *ev)
{
	ev->keyword_raw = true;
	ev->has_pairs = true;
}

/* event_put_named() for a value that may be absent. What is shed is counted in the event. */
static inline void text_put(struct event *ev, struct str name, struct str text)
{
	if (text.p)
		event_put_named(ev, name, text, VALUE_TEXT);
}

static inline void text_put_number(struct event *ev, struct str name, struct str text)
{
	if (text.p)
		event_put_named(ev, name, text, text_type(text));
}

#endif
