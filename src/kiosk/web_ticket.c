/* The ticket of who booked with this browser: a cookie that only the kiosk can read says which. No code is in an address or a log. */
#include "kiosk/pay.h"
#include "kiosk/web_inside.h"

#include "kiosk/seal.h"

#include <sodium.h>
#include <stdio.h>

enum {
	TICKET_S = 30 * 24 * 3600,
	PNG_SCALE = 8,
	POLL_S = 10,
};

/* What the cookie holds: the code as it is printed, a newline, the phone. */
struct ticket {
	struct buf text;
	struct str code, phone;
};

void ticket_give(struct visit *v, struct str code, struct str phone)
{
	struct buf text = { .max = 256 };
	char plain[CODE_LENGTH + 1];
	if (code_read(code, plain))
		code = str_from(plain);
	buf_add(&text, code);
	buf_putc(&text, '\n');
	buf_add(&text, phone);
	if (!text.failed)
		visit_cookie_sealed(v, COOKIE_TICKET, buf_str(&text), TICKET_S);
	if (text.p)
		sodium_memzero(text.p, text.cap);
	buf_free(&text);
}

static void ticket_done(struct ticket *t)
{
	if (t->text.p)
		sodium_memzero(t->text.p, t->text.cap);
	buf_free(&t->text);
}

static bool ticket_read(const struct visit *v, struct ticket *t)
{
	*t = (struct ticket){ 0 };
	if (!visit_cookie_read(v, COOKIE_TICKET, &t->text))
		return false;
	const struct str all = buf_str(&t->text);
	const size_t line = str_find(all, '\n');
	t->code = str_sub(all, 0, line);
	t->phone = str_sub(all, line + 1, all.n);
	return true;
}

static void note(struct page *p, enum kiosk_word word)
{
	html(p, "<p class=\"note\">");
	html_word(p, word);
	html(p, "</p>\n");
}

/* No ticket here, or none any more. */
static void show_none(struct visit *v)
{
	visit_cookie(v, COOKIE_TICKET, STR(""), 0);
	struct page *p = visit_page(v, KIOSK_WORD_TICKET);
	note(p, KIOSK_WORD_NO_TICKET);
	html(p, "<p><a class=\"button\" href=\"/find\">");
	html_word(p, KIOSK_WORD_FIND);
	html(p, "</a></p>");
	visit_send(v, 200);
}

/* Asks `op` with the cookie's code and phone. */
static void ask_with_ticket(struct visit *v, const char *op, visit_then *then)
{
	struct ticket t;
	if (ticket_read(v, &t))
		visit_ask(v,
		          json_pack("{s:s, s:s%, s:s%}", "op", op, "code", t.code.p, t.code.n, "phone", t.phone.p,
		                    t.phone.n),
		          then);
	else
		show_none(v);
	ticket_done(&t);
}

/* --- the page --- */

static void row(struct page *p, enum kiosk_word term, struct str text)
{
	if (!text.n)
		return;
	html(p, "<dt>");
	html_word(p, term);
	html(p, "</dt><dd>");
	html_text(p, text);
	html(p, "</dd>\n");
}

static void write_when(struct page *p, const json_t *b)
{
	const struct str day = answer_text(b, "day");
	const int64_t start = answer_number(b, "start");
	html(p, "<dt>");
	html_word(p, KIOSK_WORD_DAY);
	html(p, "</dt><dd>");
	html_weekday(p, day);
	html(p, " ");
	html_day(p, day);
	html(p, "</dd>\n<dt>");
	html_word(p, KIOSK_WORD_TIME);
	html(p, "</dt><dd>");
	if (start < 0)
		html_word(p, KIOSK_WORD_WITHOUT_TIME);
	else
		html_time(p, (int)start);
	html(p, "</dd>\n");
}

static bool is_cancelled(const json_t *b)
{
	return str_eq(answer_text(b, "state"), STR("cancelled"));
}

static void write_paper(struct visit *v, const json_t *b, struct str code)
{
	struct page *p = &v->page;
	const bool gone = is_cancelled(b);
	html(p, "<article class=\"ticket\"><p>");
	html_word(p, KIOSK_WORD_YOUR_NUMBER);
	buf_printf(&p->out, "</p><p class=\"number%s\">", gone ? " gone" : "");
	html_text(p, answer_text(b, "label"));
	html(p, "</p>\n<dl>\n");
	row(p, KIOSK_WORD_SPECIALTY, answer_name(b, "specialty", v->lang));
	row(p, KIOSK_WORD_ROOM, answer_text(b, "room_name"));
	write_when(p, b);
	row(p, KIOSK_WORD_NAME, answer_text(b, "name"));
	row(p, KIOSK_WORD_PHONE, answer_text(b, "phone"));
	row(p, KIOSK_WORD_STATE, kiosk_word(v->lang, kiosk_word_find("STATE_", answer_text(b, "state"))));
	html(p, "</dl>\n<p>");
	html_word(p, KIOSK_WORD_CODE);
	html(p, "</p><p class=\"code\">");
	html_text(p, str_sub(code, 0, CODE_LENGTH / 2));
	html(p, "-");
	html_text(p, str_sub(code, CODE_LENGTH / 2, code.n));
	html(p, "</p>");
	if (!gone) {
		html(p, "<p class=\"hint\">");
		html_word(p, KIOSK_WORD_KEEP_TICKET);
		html(p, "</p>");
	}
	html(p, "</article>\n");
}

static void write_ahead(struct page *p, const json_t *b)
{
	char n[24];
	if (!json_is_integer(answer_part(b, "ahead")))
		return;
	snprintf(n, sizeof(n), "%lld", (long long)answer_number(b, "ahead"));
	html(p, "<p class=\"note\">");
	html_words(p, KIOSK_WORD_AHEAD, &(struct str){ n, strlen(n) }, 1);
	html(p, "</p>\n");
}

/* --- what is to pay --- */

static bool is_to_pay(const json_t *pay)
{
	const struct str state = answer_text(pay, "state");
	return str_eq(state, STR("open")) || str_eq(state, STR("short"));
}

/* "words %s" with money in it, as a paragraph. */
static void money_line(struct page *p, enum kiosk_word word, int64_t amount)
{
	char text[MONEY_TEXT];
	const struct str money = money_text(p->lang, amount, text);
	html(p, "<p class=\"note bad\">");
	html_words(p, word, &money, 1);
	html(p, "</p>\n");
}

static void write_qr(struct visit *v, const json_t *pay)
{
	struct page *p = &v->page;
	const struct str qr = answer_text(pay, "qr");
	struct buf svg = { .max = PAGE_MAX };
	if (!qr.n)
		return;
	html(p, "<p>");
	html_word(p, KIOSK_WORD_SCAN);
	html(p, "</p><div class=\"qr\" role=\"img\" aria-label=\"VietQR\">");
	if (!qr_svg(qr, &svg, NULL))
		buf_add(&p->out, buf_str(&svg)); /* ours: squares only */
	buf_free(&svg);
	html(p, "</div><p class=\"no-paper\"><a href=\"/qr.png\" download=\"vietqr.png\">");
	html_word(p, KIOSK_WORD_SAVE_QR);
	html(p, "</a></p>\n<p class=\"hint\">");
	html_word(p, KIOSK_WORD_TRANSFER_NOTE_HINT);
	html(p, "</p>\n");
}

static void write_left(struct visit *v, int64_t ends)
{
	struct page *p = &v->page;
	char n[24];
	const int64_t minutes = (ends - visit_time(v)) / (60 * (int64_t)CLOCK_S);
	if (minutes < 1)
		return;
	snprintf(n, sizeof(n), "%lld", (long long)minutes);
	html(p, "<p>");
	html_words(p, KIOSK_WORD_PAY_WITHIN, &(struct str){ n, strlen(n) }, 1);
	html(p, "</p>\n");
}

static void write_payment(struct visit *v, const json_t *pay)
{
	struct page *p = &v->page;
	const struct str state = answer_text(pay, "state");
	const int64_t amount = answer_number(pay, "amount"), paid = answer_number(pay, "paid");
	const bool open = is_to_pay(pay);
	html(p, "<section id=\"pay\" data-state=\"");
	html_text(p, state);
	html(p, "\"");
	if (open)
		buf_printf(&p->out, " data-poll=\"%d\"", POLL_S);
	html(p, "><h2>");
	html_word(p, KIOSK_WORD_PAYMENT);
	html(p, "</h2>\n");
	if (open && visit_argument(v, "asked").n) {
		html(p, "<p class=\"note\" role=\"status\">");
		html_word(p, KIOSK_WORD_PAID_NOT_YET);
		html(p, "</p>\n");
	}
	html(p, "<dl><dt>");
	html_word(p, KIOSK_WORD_AMOUNT);
	html(p, "</dt><dd>");
	html_money(p, amount);
	html(p, "</dd>\n");
	row(p, KIOSK_WORD_STATE, kiosk_word(v->lang, kiosk_word_find("PAYMENT_", state)));
	if (open)
		row(p, KIOSK_WORD_TRANSFER_NOTE, answer_text(pay, "reference"));
	html(p, "</dl>\n");
	if (open) {
		if (str_eq(state, STR("short")))
			money_line(p, KIOSK_WORD_STILL_TO_PAY, amount - paid);
		write_qr(v, pay);
		write_left(v, answer_number(pay, "ends"));
		visit_form(v, "/paid");
		html(p, "<button class=\"wide\">");
		html_word(p, KIOSK_WORD_PAID_QUESTION);
		html(p, "</button></form><p class=\"hint\">");
		html_word(p, KIOSK_WORD_PAY_COUNTER);
		html(p, "</p>\n");
	}
	html(p, "</section>\n");
}

/* In place of what is to pay: what becomes of what was paid. */
static void write_cancelled(struct visit *v, const json_t *pay)
{
	struct page *p = &v->page;
	const int64_t paid = answer_number(pay, "paid");
	if (paid > 0)
		money_line(p, KIOSK_WORD_CANCELLED_PAID, paid);
	else if (str_eq(answer_text(pay, "state"), STR("refunded")) || str_eq(answer_text(pay, "state"), STR("late")))
		note(p, kiosk_word_find("PAYMENT_", answer_text(pay, "state")));
	html(p, "<p class=\"no-paper\"><a class=\"button\" href=\"/\">");
	html_word(p, KIOSK_WORD_BOOK_TITLE);
	html(p, "</a></p>\n");
}

/* --- what can be done with it --- */

static void write_actions(struct visit *v, const json_t *b)
{
	struct page *p = &v->page;
	if (!is_cancelled(b)) {
		html(p, "<p class=\"no-paper\"><button type=\"button\" class=\"second only-script\" data-print>");
		html_word(p, KIOSK_WORD_PRINT);
		html(p, "</button></p>\n");
	}
	if (str_eq(answer_text(b, "state"), STR("booked"))) {
		html(p, "<details><summary>");
		html_word(p, KIOSK_WORD_CANCEL);
		html(p, "</summary><p>");
		html_word(p, KIOSK_WORD_CANCEL_SURE);
		html(p, "</p>");
		visit_form(v, "/cancel");
		html(p, "<button class=\"danger\">");
		html_word(p, KIOSK_WORD_CANCEL_YES);
		html(p, "</button></form></details>\n");
	}
	html(p, "<details><summary>");
	html_word(p, KIOSK_WORD_FORGET);
	html(p, "</summary><p>");
	html_word(p, KIOSK_WORD_FORGET_HINT);
	html(p, "</p>");
	visit_form(v, "/forget");
	html(p, "<button class=\"second\">");
	html_word(p, KIOSK_WORD_FORGET);
	html(p, "</button></form></details>\n");
}

static void show_ticket(struct visit *v, const json_t *b, enum kiosk_word wrong)
{
	struct ticket t;
	const json_t *pay = answer_part(b, "payment");
	const struct str state = answer_text(b, "state");
	if (!ticket_read(v, &t)) {
		show_none(v);
		return;
	}
	v->page.path = "/ticket";
	struct page *p = visit_page(v, KIOSK_WORD_TICKET);
	if (wrong) {
		html(p, "<p class=\"note bad\" role=\"alert\">");
		html_word(p, wrong);
		html(p, "</p>\n");
	}
	if (is_cancelled(b))
		note(p, KIOSK_WORD_CANCELLED);
	write_paper(v, b, t.code);
	ticket_done(&t);
	write_ahead(p, b);
	if (str_eq(state, STR("booked"))) {
		html(p, "<p>");
		html_word(p, KIOSK_WORD_COME_EARLY);
		html(p, "</p>\n");
	}
	if (is_cancelled(b))
		write_cancelled(v, pay);
	else if (pay)
		write_payment(v, pay);
	write_actions(v, b);
	visit_send(v, wrong ? 409 : 200);
}

static void shown(struct visit *v, const json_t *answer)
{
	if (answer_refused(answer, NULL))
		show_none(v);
	else
		show_ticket(v, answer, KIOSK_WORD_NONE);
}

void ticket_show(struct visit *v)
{
	ask_with_ticket(v, "lookup", shown);
}

/* --- cancelling --- */

/* It wasn't cancelled: v->held says why. */
static void shown_again(struct visit *v, const json_t *answer)
{
	if (answer_refused(answer, NULL))
		show_none(v);
	else
		show_ticket(v, answer, answer_refused(v->held, NULL));
}

static void cancelled(struct visit *v, const json_t *answer)
{
	visit_hold(v, answer);
	if (answer_refused(answer, NULL))
		ask_with_ticket(v, "lookup", shown_again);
	else
		visit_redirect(v, "/ticket");
}

void ticket_cancel(struct visit *v)
{
	ask_with_ticket(v, "cancel", cancelled);
}

void ticket_forget(struct visit *v)
{
	visit_cookie(v, COOKIE_TICKET, STR(""), 0);
	visit_redirect(v, "/");
}

/* --- has it been paid? --- */

static void asked_paid(struct visit *v, const json_t *answer)
{
	visit_redirect(v, is_to_pay(answer_part(answer, "payment")) ? "/ticket?asked=1" : "/ticket");
}

static void ask_paid(struct visit *v, const json_t *answer)
{
	const struct str ref = answer_text(answer, "ref");
	if (answer_refused(answer, NULL))
		show_none(v);
	else
		visit_ask(v, json_pack("{s:s, s:s%}", "op", "paid", "ref", ref.p, ref.n), asked_paid);
}

void ticket_paid(struct visit *v)
{
	ask_with_ticket(v, "lookup", ask_paid);
}

/* --- the picture alone --- */

static void picture(struct visit *v, const json_t *answer, bool png)
{
	const struct str qr = answer_text(answer_part(answer, "payment"), "qr");
	struct buf out = { .max = PAGE_MAX };
	if (qr.n && !(png ? qr_png(qr, PNG_SCALE, &out, NULL) : qr_svg(qr, &out, NULL))) {
		visit_bytes(v, 200, png ? "image/png" : "image/svg+xml", &out);
		return;
	}
	buf_free(&out);
	visit_error(v, 404);
}

static void svg(struct visit *v, const json_t *answer)
{
	picture(v, answer, false);
}

static void png(struct visit *v, const json_t *answer)
{
	picture(v, answer, true);
}

void ticket_svg(struct visit *v)
{
	ask_with_ticket(v, "lookup", svg);
}

void ticket_png(struct visit *v)
{
	ask_with_ticket(v, "lookup", png);
}
