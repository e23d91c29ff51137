#include "kiosk/pay.h"
#include "kiosk/web_staff.h"

#include <stdio.h>
#include <stdlib.h>

/* --- one booking --- */

static void say_row(struct page *p, enum kiosk_word word, struct str text)
{
	if (!text.n)
		return;
	html(p, "<dt>");
	html_word(p, word);
	html(p, "</dt><dd>");
	html_text(p, text);
	html(p, "</dd>");
}

static void say_when(struct page *p, const json_t *booked)
{
	html(p, "<dt>");
	html_word(p, KIOSK_WORD_DAY);
	html(p, "</dt><dd>");
	html_day(p, answer_text(booked, "day"));
	html(p, "</dd><dt>");
	html_word(p, KIOSK_WORD_TIME);
	html(p, "</dt><dd>");
	if (answer_number(booked, "start") >= 0)
		html_time(p, (int)answer_number(booked, "start"));
	else
		html_word(p, KIOSK_WORD_WITHOUT_TIME);
	html(p, "</dd>");
}

/* The code to pay with; without it where it can't be drawn: there is the counter. */
static void say_qr(struct page *p, const json_t *payment)
{
	struct buf svg = { .max = 256 << 10 };
	if (answer_text(payment, "qr").n && qr_svg(answer_text(payment, "qr"), &svg, NULL) == 0) {
		html(p, "<div class=\"qr\">");
		buf_add(&p->out, buf_str(&svg));
		html(p, "</div>");
	}
	buf_free(&svg);
}

void list_say_slip(struct page *p, const json_t *booked)
{
	const json_t *payment = answer_part(booked, "payment");
	html(p, "<div class=\"ticket\"><p class=\"number\">");
	html_text(p, answer_text(booked, "label"));
	html(p, "</p><dl>");
	say_row(p, KIOSK_WORD_ROOM, answer_text(booked, "room_name"));
	say_row(p, KIOSK_WORD_SPECIALTY, answer_name(booked, "specialty", p->lang));
	say_when(p, booked);
	if (payment) {
		html(p, "<dt>");
		html_word(p, KIOSK_WORD_PAYMENT);
		html(p, "</dt><dd>");
		html_money(p, answer_number(payment, "amount"));
		html(p, " – ");
		html_word(p, staff_payment_state(answer_text(payment, "state")));
		html(p, "</dd>");
		say_row(p, KIOSK_WORD_TRANSFER_NOTE, answer_text(payment, "reference"));
	}
	html(p, "</dl>");
	if (answer_text(booked, "code").n) {
		html(p, "<p>");
		html_word(p, KIOSK_WORD_CODE);
		html(p, "</p><p class=\"code\">");
		html_text(p, str_sub(answer_text(booked, "code"), 0, 5));
		html(p, "-");
		html_text(p, str_sub(answer_text(booked, "code"), 5, 5));
		html(p, "</p>");
	}
	say_qr(p, payment);
	html(p, "</div>");
}

static void say_act(struct visit *v, const char *action, const json_t *booked, enum kiosk_word word, char key)
{
	visit_form(v, action);
	staff_hidden_number(&v->page, "here", answer_number(booked, "room"));
	staff_hidden(&v->page, "ref", answer_text(booked, "ref"));
	staff_button(&v->page, word, key, "second");
	html(&v->page, "</form>");
}

/* What can be done with a booking in this state. */
static void say_acts(struct visit *v, const json_t *booked)
{
	static const struct {
		struct str state;
		const char *action;
		enum kiosk_word word;
		char key;
	} acts[] = {
		{ { "called", 6 }, "/staff/done", KIOSK_WORD_COUNTER_SEEN, 'd' },
		{ { "called", 6 }, "/staff/again", KIOSK_WORD_COUNTER_AGAIN, 'a' },
		{ { "called", 6 }, "/staff/skip", KIOSK_WORD_COUNTER_SKIP, 's' },
		{ { "missed", 6 }, "/staff/back", KIOSK_WORD_COUNTER_BACK, 'b' },
	};
	struct page *p = &v->page;
	const struct str state = answer_text(booked, "state");
	html(p, "<div class=\"row\">");
	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		if (str_eq(state, acts[i].state))
			say_act(v, acts[i].action, booked, acts[i].word, acts[i].key);
	html(p, "</div>");
	if (!str_eq(state, STR("booked")))
		return;
	visit_form(v, "/staff/arrive");
	staff_hidden_number(p, "here", answer_number(booked, "room"));
	staff_hidden(p, "day", answer_text(booked, "day"));
	staff_hidden_number(p, "code", answer_number(booked, "number"));
	staff_priority(p);
	staff_button(p, KIOSK_WORD_COUNTER_ARRIVE, 'c', NULL);
	html(p, "</form>");
}

static void say_cash(struct visit *v, const json_t *booked)
{
	const json_t *payment = answer_part(booked, "payment");
	const int64_t missing = answer_number(payment, "amount") - answer_number(payment, "paid");
	struct page *p = &v->page;
	if (missing <= 0 || str_eq(answer_text(booked, "state"), STR("cancelled")))
		return; /* the desk takes none */
	html(p, "<h2>");
	html_word(p, KIOSK_WORD_MONEY_CASH);
	html(p, "</h2>");
	visit_form(v, "/staff/cash");
	staff_hidden(p, "ref", answer_text(booked, "ref"));
	staff_input_number(p, KIOSK_WORD_AMOUNT, "amount", missing, "inputmode=\"numeric\" required maxlength=\"12\"");
	staff_input(p, KIOSK_WORD_MONEY_NOTE, "note", STR(""), "maxlength=\"200\"");
	staff_button(p, KIOSK_WORD_MONEY_TAKE, 'm', NULL);
	html(p, "</form>");
}

static void show_booking(struct visit *v, const json_t *answer)
{
	if (!answer_text(answer, "ref").n) {
		visit_error(v, 404);
		return;
	}
	struct page *p = staff_page(v, KIOSK_WORD_TICKET);
	list_say_slip(p, answer);
	html(p, "<dl class=\"no-paper\">");
	say_row(p, KIOSK_WORD_NAME, answer_text(answer, "name"));
	say_row(p, KIOSK_WORD_PHONE, answer_text(answer, "phone"));
	say_row(p, KIOSK_WORD_STATE, kiosk_word(p->lang, staff_state(answer_text(answer, "state"))));
	if (answer_true(answer, "priority"))
		say_row(p, KIOSK_WORD_PRIORITY, kiosk_word(p->lang, KIOSK_WORD_COUNTER_PRIORITY));
	html(p, "</dl>");
	say_acts(v, answer);
	say_cash(v, answer);
	html(p, "<p class=\"row no-paper\"><button class=\"only-script second\" data-print data-key=\"i\">");
	html_word(p, KIOSK_WORD_PRINT);
	html(p, " <kbd>i</kbd></button>");
	staff_link_room(p, answer_number(answer, "room"));
	html(p, "</p>");
	visit_send(v, 200);
}

void list_booking(struct visit *v)
{
	json_t *call = staff_call("ticket");
	staff_put(call, "ref", v->names[0]);
	visit_ask(v, call, show_booking);
}

/* --- a day's list, for paper: when screens are off it is what there is --- */

/* The last three digits are enough to tell two of one name apart. */
static void say_phone(struct page *p, struct str phone, bool whole)
{
	if (!whole && phone.n > 3) {
		html(p, "…");
		phone = str_sub(phone, phone.n - 3, 3);
	}
	html_text(p, phone);
}

/* whole: who has to be told, so the numbers stand in full. */
static void say_line(struct page *p, const json_t *booked, bool whole)
{
	html(p, "<tr><td class=\"tick\">☐</td><th scope=\"row\"><a href=\"/staff/booking/");
	html_text(p, answer_text(booked, "ref"));
	html(p, "\">");
	html_text(p, answer_text(booked, "label"));
	html(p, "</a></th><td>");
	if (answer_number(booked, "start") >= 0)
		html_time(p, (int)answer_number(booked, "start"));
	html(p, "</td><td>");
	html_text(p, answer_text(booked, "name"));
	html(p, "</td><td>");
	if (answer_number(booked, "born"))
		html_number(p, answer_number(booked, "born"));
	html(p, "</td><td>");
	say_phone(p, answer_text(booked, "phone"), whole);
	html(p, "</td><td>");
	html_word(p, answer_true(booked, "priority") ? KIOSK_WORD_COUNTER_PRIORITY : KIOSK_WORD_NONE);
	html(p, "</td><td>");
	html_word(p, staff_state(answer_text(booked, "state")));
	html(p, "</td></tr>");
}

static void say_room(struct page *p, const json_t *room, bool tell)
{
	static const enum kiosk_word heads[] = { KIOSK_WORD_NONE,     KIOSK_WORD_LIST_NUMBER, KIOSK_WORD_TIME,
		                                 KIOSK_WORD_NAME,     KIOSK_WORD_BORN,        KIOSK_WORD_PHONE,
		                                 KIOSK_WORD_PRIORITY, KIOSK_WORD_STATE };
	size_t i;
	json_t *booked;
	html(p, "<h2>");
	html_text(p, answer_text(room, "name"));
	html(p, "</h2><div class=\"scroll\"><table>");
	staff_heads(p, heads, ARRAY_LEN(heads));
	html(p, "<tbody>");
	json_array_foreach(answer_part(room, "bookings"), i, booked)
	{
		if (!tell || str_eq(answer_text(booked, "state"), STR("booked")))
			say_line(p, booked, tell);
	}
	html(p, "</tbody></table></div>");
}

static void say_room_link(struct page *p, struct str day, const json_t *room, bool tell)
{
	html(p, "<p class=\"no-paper\"><a href=\"/staff/list/");
	html_text(p, day);
	html(p, "?room=");
	html_number(p, answer_number(room, "room"));
	if (tell)
		html(p, "&amp;tell=1");
	html(p, "\">");
	html_text(p, answer_text(room, "name"));
	html(p, "</a></p>");
}

static void show_day(struct visit *v, const json_t *answer)
{
	const bool tell = visit_argument(v, "tell").n;
	const struct str day = v->names[0];
	size_t i;
	json_t *room;
	v->page.kind = "counter";
	struct page *p = staff_page(v, tell ? KIOSK_WORD_LIST_TELL : KIOSK_WORD_LIST_TITLE);
	html(p, "<p><strong>");
	html_weekday(p, day);
	html(p, ", ");
	html_day(p, day);
	html(p, "</strong></p>");
	json_array_foreach(answer_part(answer, "rooms"), i, room)
	{
		if (p->out.n > PAGE_MAX / 2) /* what would be too long for a page has one of its own */
			say_room_link(p, day, room, tell);
		else if (json_array_size(answer_part(room, "bookings")))
			say_room(p, room, tell);
	}
	html(p, "<p class=\"no-paper\"><button class=\"only-script\" data-print data-key=\"i\">");
	html_word(p, KIOSK_WORD_PRINT);
	html(p, " <kbd>i</kbd></button></p><form method=\"get\" action=\"/staff/list\">");
	staff_input(p, KIOSK_WORD_LIST_OTHER_DAY, "day", day, "type=\"date\" required");
	staff_button(p, KIOSK_WORD_LIST_SHOW, 0, "second");
	html(p, "</form>");
	visit_send(v, 200);
}

void list_day(struct visit *v)
{
	json_t *call = staff_call("day-list");
	int year, month, mday;
	if (!day_read(v->names[0], &year, &month, &mday)) {
		json_decref(call);
		visit_error(v, 404);
		return;
	}
	const struct str room = visit_argument(v, "room");
	staff_put(call, "day", v->names[0]);
	if (staff_is_number(room))
		json_object_set_new(call, "room", json_integer(strtoll(room.p, NULL, 10)));
	visit_ask(v, call, show_day);
}

static void to_day(struct visit *v, struct str day)
{
	char to[64];
	snprintf(to, sizeof(to), "/staff/list/" STR_FMT, STR_ARG(str_sub(day, 0, 10)));
	visit_redirect(v, to);
}

static void to_today(struct visit *v, const json_t *answer)
{
	to_day(v, answer_text(answer, "day"));
}

/* Today's, or that of the day that the form names. */
void list_today(struct visit *v)
{
	const struct str day = visit_argument(v, "day");
	int year, month, mday;
	if (day_read(day, &year, &month, &mday))
		to_day(v, day);
	else
		visit_ask(v, staff_call("board"), to_today);
}
