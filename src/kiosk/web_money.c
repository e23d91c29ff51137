#include "base/utf8.h"
#include "kiosk/web_staff.h"

#include <stdio.h>

/* --- payments that found no booking, or not the right amount --- */

static void say_settle(struct visit *v, const json_t *receipt)
{
	struct page *p = &v->page;
	html(p, "<details><summary>");
	html_word(p, KIOSK_WORD_MONEY_SETTLE);
	html(p, "</summary>");
	visit_form(v, "/staff/settle");
	staff_hidden_number(p, "id", answer_number(receipt, "id"));
	staff_input(p, KIOSK_WORD_CODE, "code", STR(""), "required maxlength=\"20\" autocomplete=\"off\"");
	staff_input(p, KIOSK_WORD_MONEY_NOTE, "note", STR(""), "maxlength=\"200\"");
	staff_button(p, KIOSK_WORD_MONEY_SETTLE, 0, NULL);
	html(p, "</form>");
	visit_form(v, "/staff/refund");
	staff_hidden_number(p, "id", answer_number(receipt, "id"));
	staff_input(p, KIOSK_WORD_MONEY_NOTE, "note", STR(""), "required maxlength=\"200\"");
	staff_button(p, KIOSK_WORD_MONEY_REFUND, 0, "second");
	html(p, "</form></details>");
}

static void say_receipt(struct visit *v, const json_t *receipt, int64_t zone)
{
	struct page *p = &v->page;
	const json_t *booking = answer_part(receipt, "booking");
	const enum kiosk_word state = staff_payment_state(answer_text(receipt, "state"));
	html(p, "<tr><td>");
	staff_time(p, answer_number(receipt, "at"), zone, true);
	html(p, "</td><td class=\"n\">");
	html_money(p, answer_number(receipt, "amount"));
	html(p, "</td><td>");
	html_text(p, answer_text(receipt, "content"));
	html(p, "<br><small>");
	html_text(p, answer_text(receipt, "bank"));
	html(p, " ");
	html_text(p, answer_text(receipt, "bank_id"));
	html(p, "</small></td><td>");
	if (state)
		html_word(p, state);
	else
		html_text(p, answer_text(receipt, "state"));
	html(p, " ");
	html_text(p, answer_text(receipt, "note"));
	if (booking) {
		html(p, " <a href=\"/staff/booking/");
		html_text(p, answer_text(booking, "ref"));
		html(p, "\">");
		html_text(p, answer_text(booking, "label"));
		html(p, "</a>");
	}
	html(p, "</td><td>");
	say_settle(v, receipt);
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
	html(p, "</p><div class=\"scroll\"><table>");
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

/* What differs, line by line: of each what it has of an id, a line, an amount and words. */
static void say_lines(struct page *p, enum kiosk_word title, const json_t *lines)
{
	size_t i;
	json_t *line;
	if (!json_array_size(lines))
		return;
	html(p, "<h2>");
	html_word(p, title);
	html(p, ": ");
	html_number(p, (int64_t)json_array_size(lines));
	html(p, "</h2><div class=\"scroll\"><table><tbody>");
	json_array_foreach(lines, i, line)
	{
		html(p, "<tr><td>");
		if (answer_number(line, "line"))
			html_number(p, answer_number(line, "line"));
		html_text(p, answer_text(line, "bank_id"));
		html(p, "</td><td class=\"n\">");
		if (answer_part(line, "amount"))
			html_money(p, answer_number(line, "amount"));
		if (answer_part(line, "ours")) {
			html(p, " ≠ ");
			html_money(p, answer_number(line, "ours"));
		}
		html(p, "</td><td>");
		html_text(p, answer_text(line, "reference"));
		html(p, " ");
		html_text(p, answer_text(line, "content"));
		html_text(p, answer_text(line, "why"));
		html(p, "</td></tr>");
	}
	html(p, "</tbody></table></div>");
}

static void show_result(struct visit *v, const json_t *answer)
{
	struct str field;
	const enum kiosk_word refused = answer_refused(answer, &field);
	v->page.kind = "counter";
	struct page *p = staff_page(v, KIOSK_WORD_MONEY_STATEMENT);
	if (refused) {
		html(p, "<p role=\"status\" class=\"note bad\">");
		html_word(p, refused);
		html(p, "</p>");
		say_statement_form(v);
		visit_send(v, 409);
		return;
	}
	html(p, "<p role=\"status\" class=\"note good\">");
	html_word(p, KIOSK_WORD_MONEY_MATCHED);
	html(p, ": ");
	html_number(p, answer_number(answer, "matched"));
	html(p, " / ");
	html_number(p, answer_number(answer, "lines"));
	html(p, "</p>");
	say_lines(p, KIOSK_WORD_MONEY_MISSING, answer_part(answer, "missing"));
	say_lines(p, KIOSK_WORD_MONEY_UNKNOWN, answer_part(answer, "unknown"));
	say_lines(p, KIOSK_WORD_MONEY_DIFFER, answer_part(answer, "differ"));
	say_lines(p, KIOSK_WORD_MONEY_BAD_LINES, answer_part(answer, "bad"));
	html(p, "<p class=\"no-paper\"><button class=\"only-script second\" data-print>");
	html_word(p, KIOSK_WORD_PRINT);
	html(p, "</button></p>");
	say_statement_form(v);
	visit_send(v, 200);
}

/* A file comes before what was pasted. */
void money_statement(struct visit *v)
{
	const struct str file = visit_field(v, "file");
	const struct str csv = file.n ? file : visit_field(v, "csv");
	json_t *call = staff_call("reconcile");
	staff_put_field(call, v, "day");
	if (utf8_valid(csv)) /* else the desk has nothing to read, and says so */
		staff_put(call, "csv", csv);
	visit_ask(v, call, show_result);
}
