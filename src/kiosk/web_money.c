#include "base/utf8.h"
#include "kiosk/pay.h"
#include "kiosk/web_staff.h"

#include <stdio.h>

/* --- payments that found no booking, or not the right amount --- */

/* What is too much, or was paid for a booking that was cancelled, has its booking already: it can be paid back alone. */
static bool has_booking(const json_t *receipt)
{
	const struct str state = answer_text(receipt, "state");
	return str_eq(state, STR("over")) || str_eq(state, STR("cancelled"));
}

static void say_settle(struct visit *v, const json_t *receipt)
{
	struct page *p = &v->page;
	visit_form(v, "/staff/settle");
	staff_hidden_number(p, "id", answer_number(receipt, "id"));
	staff_input(p, KIOSK_WORD_CODE, "code", STR(""), "required maxlength=\"20\" autocomplete=\"off\"");
	staff_input(p, KIOSK_WORD_MONEY_NOTE, "note", STR(""), "maxlength=\"200\"");
	staff_button(p, KIOSK_WORD_MONEY_SETTLE, 0, NULL);
	html(p, "</form>");
}

static void say_decide(struct visit *v, const json_t *receipt)
{
	struct page *p = &v->page;
	html(p, "<details><summary>");
	html_word(p, has_booking(receipt) ? KIOSK_WORD_MONEY_REFUND : KIOSK_WORD_MONEY_SETTLE);
	html(p, "</summary>");
	if (!has_booking(receipt))
		say_settle(v, receipt);
	visit_form(v, "/staff/refund");
	staff_hidden_number(p, "id", answer_number(receipt, "id"));
	staff_input(p, KIOSK_WORD_MONEY_NOTE, "note", STR(""), "required maxlength=\"200\"");
	staff_button(p, KIOSK_WORD_MONEY_REFUND, 0, "second");
	html(p, "</form></details>");
}

/* As the desk will have it, see payment_refund(). */
static void say_to_pay_back(struct page *p, const json_t *receipt)
{
	const json_t *payment = answer_part(answer_part(receipt, "booking"), "payment");
	const int64_t paid = answer_number(payment, "paid"), amount = answer_number(receipt, "amount");
	const bool over = str_eq(answer_text(receipt, "state"), STR("over"));
	const int64_t back = over ? paid - answer_number(payment, "amount") : paid;
	char text[MONEY_TEXT];
	if (!has_booking(receipt) || back <= 0)
		return;
	const struct str money = money_text(p->lang, back < amount ? back : amount, text);
	html(p, "<br>");
	html_words(p, KIOSK_WORD_MONEY_TO_PAY_BACK, &money, 1);
}

static void say_receipt(struct visit *v, const json_t *receipt, int64_t zone)
{
	struct page *p = &v->page;
	const json_t *booking = answer_part(receipt, "booking");
	html(p, "<tr><td>");
	staff_time(p, answer_number(receipt, "at"), zone, true);
	html(p, "</td><td class=\"n\">");
	html_money(p, answer_number(receipt, "amount"));
	html(p, "</td><td>");
	html_text(p, answer_text(receipt, "content"));
	html(p, "<br><small>");
	html_word(p, kiosk_word_find("MONEY_BANK_", answer_text(receipt, "bank")));
	html(p, " ");
	html_text(p, answer_text(receipt, "bank_id"));
	html(p, "</small></td><td>");
	html_word(p, staff_payment_state(answer_text(receipt, "state")));
	html(p, " ");
	html_text(p, answer_text(receipt, "note"));
	if (booking) {
		html(p, " <a href=\"/staff/booking/");
		html_text(p, answer_text(booking, "ref"));
		html(p, "\">");
		html_text(p, answer_text(booking, "label"));
		html(p, "</a>");
	}
	say_to_pay_back(p, receipt);
	html(p, "</td><td>");
	say_decide(v, receipt);
	html(p, "</td></tr>");
}

static void show_tray(struct visit *v, const json_t *answer)
{
	static const enum kiosk_word heads[] = { KIOSK_WORD_DAY, KIOSK_WORD_AMOUNT, KIOSK_WORD_TRANSFER_NOTE,
		                                 KIOSK_WORD_STATE, KIOSK_WORD_NONE };
	const json_t *receipts = answer_part(answer, "receipts");
	size_t i;
	json_t *receipt;
	v->page.kind = "counter";
	struct page *p = staff_page(v, KIOSK_WORD_MONEY_TRAY);
	html(p, "<p>");
	html_word(p, json_array_size(receipts) ? KIOSK_WORD_MONEY_TRAY_HINT : KIOSK_WORD_MONEY_TRAY_EMPTY);
	html(p, "</p><div class=\"scroll\"><table class=\"cards\">");
	if (json_array_size(receipts))
		staff_heads(p, heads, ARRAY_LEN(heads));
	html(p, "<tbody>");
	json_array_foreach(receipts, i, receipt)
	{
		say_receipt(v, receipt, answer_number(answer, "zone"));
	}
	html(p, "</tbody></table></div>");
	if (answer_number(answer, "waiting") > (int64_t)i) { /* those behind come when these are settled */
		html(p, "<p>+");
		html_number(p, answer_number(answer, "waiting") - (int64_t)i);
		html(p, "</p>");
	}
	visit_send(v, 200);
}

void money_tray(struct visit *v)
{
	visit_ask(v, staff_call("tray"), show_tray);
}

static void tray_done(struct visit *v, const json_t *answer)
{
	staff_done(v, "/staff/tray", answer);
}

void money_settle(struct visit *v)
{
	json_t *call = staff_call("settle");
	staff_put_number(call, v, "id");
	staff_put_field(call, v, "code");
	staff_put_field(call, v, "note");
	visit_ask(v, call, tray_done);
}

void money_refund(struct visit *v)
{
	json_t *call = staff_call("refund");
	staff_put_number(call, v, "id");
	staff_put_field(call, v, "note");
	visit_ask(v, call, tray_done);
}

/* --- cash --- */

static void cash_done(struct visit *v, const json_t *answer)
{
	char to[128];
	snprintf(to, sizeof(to), "/staff/booking/" STR_FMT, STR_ARG(str_sub(visit_field(v, "ref"), 0, 64)));
	staff_done(v, to, answer);
}

void money_cash(struct visit *v)
{
	json_t *call = staff_call("cash");
	staff_put_field(call, v, "ref");
	staff_put_number(call, v, "amount");
	staff_put_field(call, v, "note");
	visit_ask(v, call, cash_done);
}

/* --- a day's statement of the bank --- */

static void say_statement_form(struct visit *v)
{
	struct page *p = &v->page;
	html(p, "<p>");
	html_word(p, KIOSK_WORD_MONEY_STATEMENT_HINT);
	html(p, "</p>");
	visit_form(v, "/staff/statement");
	staff_input(p, KIOSK_WORD_DAY, "day", visit_field(v, "day"), "type=\"date\" required");
	html(p, "<label>");
	html_word(p, KIOSK_WORD_MONEY_PASTE);
	html(p, " <textarea name=\"csv\" rows=\"8\" spellcheck=\"false\"></textarea></label>");
	staff_input(p, KIOSK_WORD_MONEY_FILE, "file", STR(""), "type=\"file\" accept=\".csv,text/csv,text/plain\"");
	html(p, "<button formenctype=\"multipart/form-data\">");
	html_word(p, KIOSK_WORD_MONEY_COMPARE);
	html(p, "</button></form>");
}

void money_statement_show(struct visit *v)
{
	staff_page(v, KIOSK_WORD_MONEY_STATEMENT);
	say_statement_form(v);
	visit_send(v, 200);
}

static void say_line(struct page *p, const json_t *line)
{
	html(p, "<tr><td class=\"n\">");
	if (answer_number(line, "line"))
		html_number(p, answer_number(line, "line"));
	html(p, "</td><td>");
	html_text(p, answer_text(line, "bank_id"));
	html(p, "</td><td class=\"n\">");
	html_money(p, answer_number(line, "amount"));
	html(p, "</td><td class=\"n\">");
	if (answer_part(line, "ours"))
		html_money(p, answer_number(line, "ours"));
	html(p, "</td><td>");
	html_text(p, answer_text(line, "reference"));
	html(p, "</td></tr>");
}

static void say_bad_line(struct page *p, const json_t *line)
{
	html(p, "<tr><td class=\"n\">");
	html_number(p, answer_number(line, "line"));
	html(p, "</td><td>");
	html_word(p, kiosk_word_find("MONEY_WHY_", answer_text(line, "why")));
	html(p, "</td></tr>");
}

static const enum kiosk_word line_heads[] = { KIOSK_WORD_MONEY_LINE, KIOSK_WORD_MONEY_NUMBER, KIOSK_WORD_AMOUNT,
	                                      KIOSK_WORD_MONEY_OURS, KIOSK_WORD_TRANSFER_NOTE };
static const enum kiosk_word bad_heads[] = { KIOSK_WORD_MONEY_LINE, KIOSK_WORD_MONEY_WHY };

/* What differs: how many lines of the answer's list "missing" there are says its "missing_n". */
static void say_lines(struct page *p, enum kiosk_word title, const json_t *answer, const char *list)
{
	const json_t *lines = answer_part(answer, list);
	const bool bad = !strcmp(list, "bad");
	char name[16], text[24];
	size_t i;
	json_t *line;
	snprintf(name, sizeof(name), "%s_n", list);
	snprintf(text, sizeof(text), "%zu", json_array_size(lines));
	if (!json_array_size(lines))
		return;
	html(p, "<h2>");
	html_word(p, title);
	html(p, ": ");
	html_number(p, answer_number(answer, name));
	html(p, "</h2>");
	if (answer_number(answer, name) > (int64_t)json_array_size(lines)) {
		html(p, "<p>");
		html_words(p, KIOSK_WORD_MONEY_FIRST, &(struct str){ text, strlen(text) }, 1);
		html(p, "</p>");
	}
	html(p, "<div class=\"scroll\"><table>");
	staff_heads(p, bad ? bad_heads : line_heads, bad ? ARRAY_LEN(bad_heads) : ARRAY_LEN(line_heads));
	html(p, "<tbody>");
	json_array_foreach(lines, i, line)(bad ? say_bad_line : say_line)(p, line);
	html(p, "</tbody></table></div>");
}

static void show_refused(struct visit *v, enum kiosk_word refused)
{
	struct page *p = staff_page(v, KIOSK_WORD_MONEY_STATEMENT);
	html(p, "<p role=\"status\" class=\"note bad\">");
	html_word(p, refused);
	html(p, "</p>");
	say_statement_form(v);
	visit_send(v, 409);
}

static void show_result(struct visit *v, const json_t *answer)
{
	const enum kiosk_word refused = answer_refused(answer, NULL);
	v->page.kind = "counter";
	if (refused) {
		show_refused(v, refused);
		return;
	}
	struct page *p = staff_page(v, KIOSK_WORD_MONEY_STATEMENT);
	html(p, "<p role=\"status\" class=\"note good\">");
	html_word(p, KIOSK_WORD_MONEY_MATCHED);
	html(p, ": ");
	html_number(p, answer_number(answer, "matched"));
	html(p, " / ");
	html_number(p, answer_number(answer, "lines"));
	html(p, "</p>");
	say_lines(p, KIOSK_WORD_MONEY_MISSING, answer, "missing");
	say_lines(p, KIOSK_WORD_MONEY_UNKNOWN, answer, "unknown");
	say_lines(p, KIOSK_WORD_MONEY_DIFFER, answer, "differ");
	say_lines(p, KIOSK_WORD_MONEY_BAD_LINES, answer, "bad");
	html(p, "<p class=\"no-paper\"><button class=\"only-script second\" data-print>");
	html_word(p, KIOSK_WORD_PRINT);
	html(p, "</button></p>");
	say_statement_form(v);
	visit_send(v, 200);
}

/*
 * A file comes before what was pasted. What is no statement isn't taken to the desk: megabytes as JSON, there and back, would have
 * everybody wait.
 */
void money_statement(struct visit *v)
{
	const struct str file = visit_field(v, "file");
	const struct str csv = file.n ? file : visit_field(v, "csv");
	v->page.kind = "counter";
	if (!utf8_valid(csv) || !statement_looks_right(csv)) {
		show_refused(v, KIOSK_WORD_REFUSED_BODY);
		return;
	}
	json_t *call = staff_call("reconcile");
	staff_put_field(call, v, "day");
	staff_put(call, "csv", csv);
	visit_ask(v, call, show_result);
}
