#include "kiosk/web_staff.h"

/*
 * What boards show: numbers and rooms, never a name. The page and each event hold the same piece of HTML, which replaces the one
 * before, in no language.
 */

enum {
	REFRESH_S = 10,          /* without scripts */
	FRESH_US = 20 * CLOCK_S, /* that long a number that was called stands out */
	NEXT_MAX = 6,            /* of a room */
};

static void say_room(struct page *p, const json_t *room, int64_t at)
{
	size_t i;
	json_t *item;
	bool fresh = false;
	json_array_foreach(answer_part(room, "now"), i, item)
	{
		fresh |= at - answer_number(item, "at") < FRESH_US;
	}
	html(p, "<section");
	if (fresh)
		html(p, " class=\"fresh\"");
	html(p, "><h2>");
	html_text(p, answer_text(room, "name"));
	html(p, "</h2>");
	json_array_foreach(answer_part(room, "now"), i, item)
	{
		html(p, "<p class=\"number\">");
		html_text(p, answer_text(item, "label"));
		html(p, "</p>");
	}
	if (answer_true(room, "paused"))
		html(p, "<p class=\"number\">⏸</p>");
	else if (!i)
		html(p, "<p class=\"number\">–</p>");
	html(p, "<p class=\"next\">");
	json_array_foreach(answer_part(room, "next"), i, item)
	{
		if (i == NEXT_MAX)
			break;
		html_text(p, (struct str){ json_string_value(item), json_string_length(item) });
		html(p, " ");
	}
	if (answer_number(room, "waiting") > (int64_t)i) {
		html(p, "+");
		html_number(p, answer_number(room, "waiting") - (int64_t)i);
	}
	html(p, "</p></section>");
}

/* When a number was last called: who listens hears a tone when this has grown. */
static int64_t last_call(const json_t *rooms)
{
	size_t i, k;
	json_t *room, *item;
	int64_t last = 0;
	json_array_foreach(rooms, i, room)
	{
		json_array_foreach(answer_part(room, "now"), k, item)
		{
			if (answer_number(item, "at") > last)
				last = answer_number(item, "at");
		}
	}
	return last;
}

static void say_rooms(struct page *p, const json_t *answer)
{
	const json_t *rooms = answer_part(answer, "rooms");
	size_t i;
	json_t *room;
	html(p, "<div class=\"board-rooms\" data-seq=\"");
	html_number(p, last_call(rooms));
	html(p, "\">");
	json_array_foreach(rooms, i, room)
	{
		say_room(p, room, answer_number(answer, "at"));
	}
	html(p, "</div>");
}

static void show_board(struct visit *v, const json_t *answer)
{
	v->page.kind = "board";
	v->page.refresh = REFRESH_S;
	struct page *p = visit_page(v, KIOSK_WORD_BOARD_TITLE);
	html(p, "<div data-events=\"/board/events\" aria-live=\"polite\">");
	say_rooms(p, answer);
	html(p, "</div><p><button class=\"only-script second\" data-sound>");
	html_word(p, KIOSK_WORD_BOARD_SOUND);
	html(p, "</button></p>");
	visit_send(v, 200);
}

void board_show(struct visit *v)
{
	visit_ask(v, staff_call("board"), show_board);
}

/* --- events --- */

static void first_event(struct visit *v, const json_t *answer)
{
	struct page p = { .out = { .max = PAGE_MAX } };
	say_rooms(&p, answer);
	visit_stream(v, buf_str(&p.out));
	buf_free(&p.out);
}

void board_events(struct visit *v)
{
	visit_ask(v, staff_call("board"), first_event);
}

static void say_change(struct web *w, const json_t *answer)
{
	struct page p = { .out = { .max = PAGE_MAX } };
	if (!answer)
		return;
	say_rooms(&p, answer);
	if (!p.out.failed)
		web_event(w, buf_str(&p.out));
	buf_free(&p.out);
}

void board_changed(struct web *w)
{
	if (web_has_streams(w))
		web_ask(w, staff_call("board"), ROLE_ANYBODY, say_change);
}
