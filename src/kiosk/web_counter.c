#include "kiosk/seal.h"
#include "kiosk/web_staff.h"

#include <ctype.h>
#include <stdio.h>

/*
 * One room's counter. Its page is made of up to four answers: the board (rooms, today), who has just arrived, who waits, and the one
 * that was called last, whose name alone is shown in full. Until all are here the visit holds them, by name.
 */

static void remember(struct visit *v, const char *name, const json_t *answer)
{
	json_t *all = v->held ? json_incref(v->held) : json_object();
	json_object_set_new(all, name, json_deep_copy(answer));
	visit_hold(v, all);
	json_decref(all);
}

/* --- those who wait --- */

static void say_tag(struct page *p, enum kiosk_word word)
{
	if (!word)
		return;
	html(p, " <span class=\"tag\">");
	html_word(p, word);
	html(p, "</span>");
}

/* "A012", to its page; priority, payment. */
static void say_number(struct page *p, const json_t *booked)
{
	html(p, "<a href=\"/staff/booking/");
	html_text(p, answer_text(booked, "ref"));
	html(p, "\">");
	html_text(p, answer_text(booked, "label"));
	html(p, "</a>");
	say_tag(p, answer_true(booked, "priority") ? KIOSK_WORD_COUNTER_PRIORITY : KIOSK_WORD_NONE);
	say_tag(p, staff_payment_state(answer_text(answer_part(booked, "payment"), "state")));
}

/* "/staff/done" and the like: literals. */
static void say_act(struct visit *v, const char *action, const json_t *booked, enum kiosk_word word, char key,
                    const char *kind)
{
	visit_form(v, action);
	staff_hidden_number(&v->page, "here", visit_id(v, 0));
	staff_hidden(&v->page, "ref", answer_text(booked, "ref"));
	staff_button(&v->page, word, key, kind);
	html(&v->page, "</form>");
}

/* now: the desk's */
static void say_waiting(struct visit *v, const json_t *waiting, int64_t now)
{
	static const enum kiosk_word heads[] = { KIOSK_WORD_LIST_NUMBER, KIOSK_WORD_NAME, KIOSK_WORD_TIME,
		                                 KIOSK_WORD_COUNTER_MINUTES };
	struct page *p = &v->page;
	size_t i;
	json_t *booked;
	html(p, "<h2>");
	html_word(p, KIOSK_WORD_COUNTER_WAITING);
	html(p, ": ");
	html_number(p, (int64_t)json_array_size(waiting));
	html(p, "</h2>");
	if (!json_array_size(waiting))
		return;
	html(p, "<div class=\"scroll\"><table>");
	staff_heads(p, heads, ARRAY_LEN(heads));
	html(p, "<tbody>");
	json_array_foreach(waiting, i, booked)
	{
		html(p, "<tr><th scope=\"row\">");
		say_number(p, booked);
		html(p, "</th><td>");
		html_text(p, answer_text(booked, "name"));
		html(p, "</td><td>");
		if (answer_number(booked, "start") >= 0)
			html_time(p, (int)answer_number(booked, "start"));
		html(p, "</td><td>");
		html_number(p, (now - answer_number(booked, "since")) / (60 * (int64_t)CLOCK_S));
		html(p, "</td></tr>");
	}
	html(p, "</tbody></table></div>");
}

/* Those who were called and didn't come, and those called before the last one. */
static void say_others(struct visit *v, const json_t *missed, const json_t *called)
{
	struct page *p = &v->page;
	size_t i;
	json_t *booked;
	if (!json_array_size(missed) && json_array_size(called) < 2)
		return;
	html(p, "<h2>");
	html_word(p, KIOSK_WORD_COUNTER_OTHERS);
	html(p, "</h2><ul class=\"list\">");
	json_array_foreach(called, i, booked)
	{
		if (!i) /* the last one, who stands above */
			continue;
		html(p, "<li class=\"row\">");
		say_number(p, booked);
		say_tag(p, KIOSK_WORD_COUNTER_STATE_CALLED);
		say_act(v, "/staff/done", booked, KIOSK_WORD_COUNTER_SEEN, 0, "second");
		say_act(v, "/staff/skip", booked, KIOSK_WORD_COUNTER_SKIP, 0, "second");
		html(p, "</li>");
	}
	json_array_foreach(missed, i, booked)
	{
		html(p, "<li class=\"row\">");
		say_number(p, booked);
		say_tag(p, KIOSK_WORD_COUNTER_STATE_MISSED);
		say_act(v, "/staff/back", booked, KIOSK_WORD_COUNTER_BACK, i ? 0 : 'b', "second");
		html(p, "</li>");
	}
	html(p, "</ul>");
}

/* --- the forms of a room --- */

static void say_next(struct visit *v, bool paused)
{
	struct page *p = &v->page;
	html(p, "<div class=\"row\">");
	visit_form(v, "/staff/next");
	staff_hidden_number(p, "here", visit_id(v, 0));
	staff_button(p, KIOSK_WORD_COUNTER_NEXT, 'n', NULL);
	html(p, "</form>");
	visit_form(v, "/staff/pause");
	staff_hidden_number(p, "here", visit_id(v, 0));
	if (!paused)
		staff_hidden(p, "paused", STR("1"));
	staff_button(p, paused ? KIOSK_WORD_COUNTER_GO_ON : KIOSK_WORD_COUNTER_PAUSE, 'p', "second");
	html(p, "</form></div>");
}

static void say_check_in(struct visit *v, struct str day)
{
	struct page *p = &v->page;
	html(p, "<h2>");
	html_word(p, KIOSK_WORD_COUNTER_CHECK_IN);
	html(p, "</h2>");
	visit_form(v, "/staff/arrive");
	staff_hidden_number(p, "here", visit_id(v, 0));
	staff_hidden(p, "day", day);
	/* Who checks people in goes on with the next one. */
	const bool again = visit_argument(v, "arrived").n || visit_argument(v, "again").n;
	staff_input(p, KIOSK_WORD_COUNTER_CODE, "code", STR(""),
	            again ? "required maxlength=\"20\" autocomplete=\"off\" accesskey=\"c\" autofocus"
	                  : "required maxlength=\"20\" autocomplete=\"off\" accesskey=\"c\"");
	staff_priority(p);
	staff_button(p, KIOSK_WORD_COUNTER_ARRIVE, 0, NULL);
	html(p, "</form><p><a accesskey=\"w\" data-key=\"w\" href=\"/staff/walk-in/");
	html_number(p, visit_id(v, 0));
	html(p, "\">");
	html_word(p, KIOSK_WORD_COUNTER_WALK_IN);
	html(p, " <kbd>w</kbd></a></p>");
}

static void say_transfer(struct visit *v, const json_t *booked, const json_t *rooms)
{
	struct page *p = &v->page;
	size_t i;
	json_t *room;
	if (json_array_size(rooms) < 2)
		return;
	visit_form(v, "/staff/transfer");
	staff_hidden_number(p, "here", visit_id(v, 0));
	staff_hidden(p, "ref", answer_text(booked, "ref"));
	html(p, "<label>");
	html_word(p, KIOSK_WORD_COUNTER_TO_ROOM);
	html(p, " <select name=\"room\" accesskey=\"t\">");
	json_array_foreach(rooms, i, room)
	{
		if (answer_number(room, "room") != visit_id(v, 0))
			staff_option(p, answer_number(room, "room"), false, answer_text(room, "name"));
	}
	html(p, "</select></label>");
	staff_button(p, KIOSK_WORD_COUNTER_TRANSFER, 0, "second");
	html(p, "</form>");
}

/* The one who was called last: the name in full, and what can be done. */
static void say_called(struct visit *v, const json_t *booked, const json_t *rooms)
{
	struct page *p = &v->page;
	if (!answer_text(booked, "ref").n)
		return;
	html(p, "<section class=\"note\"><h2>");
	say_number(p, booked);
	html(p, " <strong>");
	html_text(p, answer_text(booked, "name"));
	html(p, "</strong></h2><div class=\"row\">");
	say_act(v, "/staff/done", booked, KIOSK_WORD_COUNTER_SEEN, 'd', NULL);
	say_act(v, "/staff/again", booked, KIOSK_WORD_COUNTER_AGAIN, 'a', "second");
	say_act(v, "/staff/skip", booked, KIOSK_WORD_COUNTER_SKIP, 's', "second");
	html(p, "</div>");
	say_transfer(v, booked, rooms);
	html(p, "</section>");
}

static void say_arrived(struct page *p, const json_t *booked)
{
	const struct str what[] = { answer_text(booked, "label"), answer_text(booked, "name"),
		                    answer_text(booked, "room_name") };
	if (!answer_text(booked, "ref").n)
		return;
	html(p, "<p role=\"status\" class=\"note good\">");
	html_words(p, KIOSK_WORD_COUNTER_ARRIVED, what, ARRAY_LEN(what));
	html(p, "</p>");
}

/* --- the page --- */

static void show(struct visit *v)
{
	const json_t *all = v->held;
	const json_t *board = answer_part(all, "board"), *waiting = answer_part(all, "waiting");
	v->page.kind = "counter";
	struct page *p = staff_page(v, KIOSK_WORD_COUNTER_TITLE);
	html(p, "<p><strong>");
	html_text(p, staff_room_name(answer_part(board, "rooms"), "room", visit_id(v, 0)));
	html(p, "</strong></p>");
	say_arrived(p, answer_part(all, "arrived"));
	say_called(v, answer_part(all, "called"), answer_part(board, "rooms"));
	say_next(v, answer_true(waiting, "paused"));
	say_check_in(v, answer_text(board, "day"));
	say_others(v, answer_part(waiting, "missed"), answer_part(waiting, "called"));
	say_waiting(v, answer_part(waiting, "waiting"), answer_number(board, "at"));
	visit_send(v, 200);
}

static void got_called(struct visit *v, const json_t *answer)
{
	remember(v, "called", answer);
	show(v);
}

static void ask_ticket(struct visit *v, struct str ref, visit_then *then)
{
	json_t *call = staff_call("ticket");
	staff_put(call, "ref", ref);
	visit_ask(v, call, then);
}

static void got_waiting(struct visit *v, const json_t *answer)
{
	const json_t *called = answer_part(answer, "called");
	if (answer_text(answer, "refused").n) {
		visit_error(v, 404);
		return;
	}
	remember(v, "waiting", answer);
	if (json_array_size(called))
		ask_ticket(v, answer_text(json_array_get(called, 0), "ref"), got_called);
	else
		show(v);
}

static void ask_waiting(struct visit *v)
{
	visit_ask(v, json_pack("{s:s, s:I}", "op", "waiting", "room", (json_int_t)visit_id(v, 0)), got_waiting);
}

static void got_arrived(struct visit *v, const json_t *answer)
{
	remember(v, "arrived", answer);
	ask_waiting(v);
}

static void got_board(struct visit *v, const json_t *answer)
{
	const struct str arrived = visit_argument(v, "arrived");
	if (!staff_room_name(answer_part(answer, "rooms"), "room", visit_id(v, 0)).n) {
		visit_error(v, 404);
		return;
	}
	remember(v, "board", answer);
	if (arrived.n)
		ask_ticket(v, arrived, got_arrived);
	else
		ask_waiting(v);
}

void counter_show(struct visit *v)
{
	visit_ask(v, staff_call("board"), got_board);
}

/* --- changes --- */

void counter_next(struct visit *v)
{
	json_t *call = staff_call("next");
	json_object_set_new(call, "room", json_integer(visit_field_number(v, "here")));
	visit_ask(v, call, staff_done_room);
}

/* again, skip, done, back: what the path ends with. */
void counter_one(struct visit *v)
{
	json_t *call = staff_call(strrchr(v->route->path, '/') + 1);
	staff_put_field(call, v, "ref");
	visit_ask(v, call, staff_done_room);
}

void counter_transfer(struct visit *v)
{
	json_t *call = staff_call("transfer");
	staff_put_field(call, v, "ref");
	staff_put_number(call, v, "room");
	visit_ask(v, call, staff_done_room);
}

void counter_pause(struct visit *v)
{
	json_t *call = staff_call("pause");
	json_object_set_new(call, "room", json_integer(visit_field_number(v, "here")));
	staff_put_box(call, v, "paused");
	visit_ask(v, call, staff_done_room);
}

/* --- checking in --- */

static void arrived(struct visit *v, const json_t *answer)
{
	char to[128];
	if (answer_text(answer, "refused").n) {
		snprintf(to, sizeof(to), "/staff/room/%lld?again=1", (long long)visit_field_number(v, "here"));
		staff_done(v, to, answer);
		return;
	}
	snprintf(to, sizeof(to), "/staff/room/%lld?arrived=" STR_FMT, (long long)visit_field_number(v, "here"),
	         STR_ARG(answer_text(answer, "ref")));
	visit_redirect(v, to);
}

static json_t *arrive_call(const struct visit *v)
{
	json_t *call = staff_call("arrive");
	const struct str priority = visit_field(v, "priority");
	if (priority.n)
		json_object_set_new(call, "priority", json_boolean(str_eq(priority, STR("yes"))));
	return call;
}

static void arrive_number(struct visit *v, int64_t room, int64_t number)
{
	json_t *call = arrive_call(v);
	staff_put_field(call, v, "day");
	json_object_set_new(call, "room", json_integer(room));
	json_object_set_new(call, "number", json_integer(number));
	visit_ask(v, call, arrived);
}

static bool same_label(struct str a, struct str b)
{
	size_t i = 0;
	while (i < a.n && i < b.n && toupper((unsigned char)a.p[i]) == toupper((unsigned char)b.p[i]))
		i++;
	return i == a.n && i == b.n;
}

/* The number as it is printed, with its room's letter: of whichever room it is. */
static void find_label(struct visit *v, const json_t *answer)
{
	size_t i, k;
	json_t *room, *booked;
	json_array_foreach(answer_part(answer, "rooms"), i, room)
	{
		json_array_foreach(answer_part(room, "bookings"), k, booked)
		{
			if (!same_label(answer_text(booked, "label"), visit_field(v, "code")))
				continue;
			arrive_number(v, answer_number(booked, "room"), answer_number(booked, "number"));
			return;
		}
	}
	char to[64];
	snprintf(to, sizeof(to), "/staff/room/%lld?again=1&said=unknown", (long long)visit_field_number(v, "here"));
	visit_redirect(v, to);
}

void counter_arrive(struct visit *v)
{
	const struct str text = visit_field(v, "code");
	char code[CODE_LENGTH + 1];
	json_t *call;
	if (code_read(text, code)) {
		call = arrive_call(v);
		staff_put(call, "code", str_from(code));
		visit_ask(v, call, arrived);
	} else if (visit_field_number(v, "code")) {
		arrive_number(v, visit_field_number(v, "here"), visit_field_number(v, "code"));
	} else {
		call = staff_call("day-list");
		staff_put_field(call, v, "day");
		visit_ask(v, call, find_label);
	}
}

/* --- who comes without a booking --- */

void counter_walk_in_show(struct visit *v)
{
	static const struct {
		const char *value;
		enum kiosk_word word;
	} reasons[] = {
		{ "", KIOSK_WORD_PRIORITY_NONE },
		{ "emergency", KIOSK_WORD_PRIORITY_EMERGENCY },
		{ "child", KIOSK_WORD_PRIORITY_CHILD },
		{ "pregnant", KIOSK_WORD_PRIORITY_PREGNANT },
		{ "disabled", KIOSK_WORD_PRIORITY_DISABLED },
		{ "elderly", KIOSK_WORD_PRIORITY_ELDERLY },
		{ "merit", KIOSK_WORD_PRIORITY_MERIT },
	};
	struct page *p = staff_page(v, KIOSK_WORD_COUNTER_WALK_IN);
	if (!visit_id(v, 0)) {
		visit_error(v, 404);
		return;
	}
	visit_form(v, "/staff/walk-in");
	staff_hidden_number(p, "here", visit_id(v, 0));
	staff_input(p, KIOSK_WORD_NAME, "name", STR(""), "maxlength=\"80\" autocomplete=\"off\" autofocus");
	staff_input(p, KIOSK_WORD_PHONE, "phone", STR(""), "type=\"tel\" maxlength=\"20\" autocomplete=\"off\"");
	staff_input(p, KIOSK_WORD_BORN, "born", STR(""), "inputmode=\"numeric\" maxlength=\"4\" autocomplete=\"off\"");
	html(p, "<label>");
	html_word(p, KIOSK_WORD_PRIORITY);
	html(p, " <select name=\"priority\">");
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		html(p, "<option value=\"");
		html_text(p, str_from(reasons[i].value));
		html(p, "\">");
		html_word(p, reasons[i].word);
		html(p, "</option>");
	}
	html(p, "</select></label>");
	staff_button(p, KIOSK_WORD_COUNTER_GIVE_NUMBER, 'g', NULL);
	html(p, "</form><p>");
	staff_link_room(p, visit_id(v, 0));
	html(p, "</p>");
	visit_send(v, 200);
}

/*
 * The slip is the answer: its code is told once. To load it anew is to send the form anew, which by its token means the same.
 */
static void walked_in(struct visit *v, const json_t *answer)
{
	char to[64];
	if (answer_text(answer, "refused").n) {
		snprintf(to, sizeof(to), "/staff/walk-in/%lld", (long long)visit_field_number(v, "here"));
		staff_done(v, to, answer);
		return;
	}
	struct page *p = staff_page(v, KIOSK_WORD_TICKET);
	list_say_slip(p, answer);
	html(p, "<p class=\"row no-paper\">");
	html(p, "<button class=\"only-script\" data-print data-key=\"i\" autofocus>");
	html_word(p, KIOSK_WORD_PRINT);
	html(p, " <kbd>i</kbd></button>");
	staff_link_room(p, visit_field_number(v, "here"));
	html(p, "</p>");
	visit_send(v, 200);
}

void counter_walk_in(struct visit *v)
{
	json_t *call = staff_call("walk-in");
	json_object_set_new(call, "room", json_integer(visit_field_number(v, "here")));
	staff_put_field(call, v, "priority");
	staff_put_field(call, v, "name");
	staff_put_field(call, v, "phone");
	staff_put_number(call, v, "born");
	staff_put(call, "lang", str_from(kiosk_language_codes[v->lang]));
	staff_put(call, "once", visit_once(v)); /* a button pressed twice is one number */
	visit_ask(v, call, walked_in);
}
