/*
 * Pages: HTML 5 that works without JavaScript, on an old phone, and on paper. What comes from people goes through html_text(), and
 * only literals through html(): so nothing that somebody wrote can be markup.
 *
 *   html(p, "<h1>");
 *   html_word(p, KIOSK_WORD_BOOK);
 *   html(p, "</h1><input name=\"name\" value=\"");
 *   html_text(p, name);
 *   html(p, "\">");
 */
#ifndef KHIEN_KIOSK_HTML_H
#define KHIEN_KIOSK_HTML_H

#include "base/buf.h"
#include "kiosk/words.h"

enum { PAGE_MAX = 1 << 20 };

struct page {
	struct buf out; /* bounded: PAGE_MAX */
	enum kiosk_language lang;
	const char *path;   /* of this page, for the links to the other languages */
	struct str session; /* of staff; empty: nobody signed in */
	/* set before html_begin(), where they are wanted */
	const char *kind;    /* class of <body>: "board", "paper"; NULL: none */
	unsigned refresh;    /* without scripts the page is asked for anew after so many seconds; 0: it isn't */
	bool demo;           /* says so above everything */
	const char *version; /* of style and scripts, see html_version(); NULL: none */
};

/* A literal. */
#define html(page, literal) buf_add(&(page)->out, STR(literal))
/* Escapes & < > " ' */
void html_text(struct page *p, struct str text);
void html_number(struct page *p, int64_t n);
void html_word(struct page *p, enum kiosk_word word);
/* With its %s, %d replaced in order by what is given, each escaped; n values. */
void html_words(struct page *p, enum kiosk_word word, const struct str *values, size_t n);
/* "7:30", "22/11/2026" (vi), "22 Nov 2026" (en), "2026年11月22日" (zh); money "150.000 ₫". */
void html_time(struct page *p, int start_minutes);
void html_day(struct page *p, struct str day);
void html_money(struct page *p, int64_t amount);
/* "Thứ Hai", "Monday", "星期一"; nothing where it is no day. */
void html_weekday(struct page *p, struct str day);
/* The same money as text, NUL-terminated. */
enum { MONEY_TEXT = 40 };
struct str money_text(enum kiosk_language lang, int64_t amount, char out[MONEY_TEXT]);
/* "2026-11-22" -> year, month, day; false: it is none. */
bool day_read(struct str day, int *year, int *month, int *mday);

/* Up to <main>, and from </main> on. title: shown in <title> and as the page's <h1>. */
void html_begin(struct page *p, enum kiosk_word title);
void html_end(struct page *p);
/* <form method="post" action=...> with its token (web_form.h) in a hidden field. Returns where in p->out the token stands. */
size_t html_form(struct page *p, const char *action, struct str token);

/* The one style sheet, under /kiosk.css; the few scripts under /kiosk.js: bytes and a version for their address. */
extern const struct str html_css, html_js;
enum { HTML_VERSION = 16 };
void html_version(char version[HTML_VERSION + 1]);

#endif
