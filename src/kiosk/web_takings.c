#include "kiosk/web_staff.h"

/* --- what came in on a day, and what went back: for the drawer, and for paper --- */

static const enum kiosk_word heads[][3] = {
	{ KIOSK_WORD_MONEY_METHOD, KIOSK_WORD_MONEY_COUNT, KIOSK_WORD_AMOUNT },
	{ KIOSK_WORD_ROOM, KIOSK_WORD_MONEY_COUNT, KIOSK_WORD_AMOUNT },
	{ KIOSK_WORD_STATE, KIOSK_WORD_MONEY_COUNT, KIOSK_WORD_AMOUNT },
};

static void say_sums(struct page *p, const json_t *sums)
{
	html(p, "</th><td class=\"n\">");
	html_number(p, answer_number(sums, "count"));
	html(p, "</td><td class=\"n\">");
	html_money(p, answer_number(sums, "amount"));
	html(p, "</td></tr>");
}

static void begin_table(struct page *p, unsigned which)
{
	html(p, "<div class=\"scroll\"><table class=\"sums\">");
	staff_heads(p, heads[which], ARRAY_LEN(heads[which]));
	html(p, "<tbody>");
}

static void end_table(struct page *p, int64_t total)
{
	html(p, "</tbody><tfoot><tr><th scope=\"row\">");
	html_word(p, KIOSK_WORD_MONEY_TOTAL);
	html(p, "</th><td></td><td class=\"n\"><b>");
	html_money(p, total);
	html(p, "</b></td></tr></tfoot></table></div>");
}

static void say_banks(struct page *p, const json_t *answer)
{
	size_t i;
	json_t *bank;
	begin_table(p, 0);
	json_array_foreach(answer_part(answer, "banks"), i, bank)
	{
		html(p, "<tr><th scope=\"row\">");
		html_word(p, kiosk_word_find("MONEY_BANK_", answer_text(bank, "bank")));
		say_sums(p, bank);
	}
	end_table(p, answer_number(answer, "total"));
}

static void say_rooms(struct page *p, const json_t *answer)
{
	size_t i;
	json_t *room;
	begin_table(p, 1);
	json_array_foreach(answer_part(answer, "rooms"), i, room)
	{
		html(p, "<tr><th scope=\"row\">");
		if (answer_number(room, "room"))
			html_text(p, answer_text(room, "name"));
		else
			html_word(p, KIOSK_WORD_MONEY_NO_BOOKING);
		say_sums(p, room);
	}
	end_table(p, answer_number(answer, "total"));
}

/* What became of it; with what isn't counted, so without a sum. */
static void say_states(struct page *p, const json_t *answer)
{
	const char *state;
	json_t *sums;
	begin_table(p, 2);
	json_object_foreach((json_t *)(uintptr_t)answer_part(answer, "by_state"), state, sums)
	{
		html(p, "<tr><th scope=\"row\">");
		html_word(p, staff_payment_state(str_from(state)));
		say_sums(p, sums);
	}
	html(p, "</tbody></table></div>");
}

static void say_other_day(struct page *p, struct str day)
{
	html(p, "<p class=\"no-paper\"><button class=\"only-script\" data-print data-key=\"i\">");
	html_word(p, KIOSK_WORD_PRINT);
	html(p, " <kbd>i</kbd></button></p><form method=\"get\" action=\"/staff/takings\">");
	staff_input(p, KIOSK_WORD_LIST_OTHER_DAY, "day", day, "type=\"date\" required");
	staff_button(p, KIOSK_WORD_LIST_SHOW, 0, "second");
	html(p, "</form>");
}

static void show(struct visit *v, const json_t *answer)
{
	const struct str day = answer_text(answer, "day");
	if (answer_refused(answer, NULL)) {
		visit_error(v, 404);
		return;
	}
	struct page *p = staff_page(v, KIOSK_WORD_MONEY_TAKINGS);
	html(p, "<p><strong>");
	html_weekday(p, day);
	html(p, ", ");
	html_day(p, day);
	html(p, "</strong></p>");
	if (json_object_size(answer_part(answer, "by_state"))) {
		say_banks(p, answer);
		say_rooms(p, answer);
		say_states(p, answer);
	} else {
		html(p, "<p>");
		html_word(p, KIOSK_WORD_MONEY_NOTHING);
		html(p, "</p>");
	}
	say_other_day(p, day);
	visit_send(v, 200);
}

static void ask(struct visit *v, struct str day)
{
	json_t *call = staff_call("takings");
	staff_put(call, "day", day);
	visit_ask(v, call, show);
}

static void ask_today(struct visit *v, const json_t *answer)
{
	ask(v, answer_text(answer, "day"));
}

/* Today's, or that of the day that the form names. */
void takings_show(struct visit *v)
{
	const struct str day = visit_argument(v, "day");
	if (day.n)
		ask(v, day);
	else
		visit_ask(v, staff_call("board"), ask_today);
}
