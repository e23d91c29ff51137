#include "kiosk/web_staff.h"

#include <stdio.h>

/*
 * Specialties, rooms, hours: each page is a list that folds out into forms, and one form more for a new one. All of it is one
 * answer of the desk, "settings".
 */

static struct str text_of_name(const json_t *row, const char *language)
{
	return answer_text(answer_part(row, "name"), language);
}

static void say_id(struct page *p, const json_t *row)
{
	if (row)
		staff_hidden_number(p, "id", answer_number(row, "id"));
}

static json_t *put_call(const struct visit *v, const char *op)
{
	json_t *call = staff_call(op);
	staff_put_number(call, v, "id");
	return call;
}

/* --- specialties --- */

static void say_specialty(struct visit *v, const json_t *row)
{
	struct page *p = &v->page;
	staff_fold(p, row ? answer_name(row, "name", p->lang) : kiosk_word(p->lang, KIOSK_WORD_ADMIN_NEW),
	           !row || answer_true(row, "active"));
	visit_form(v, "/admin/specialty");
	say_id(p, row);
	staff_input(p, KIOSK_WORD_ADMIN_NAME_VI, "vi", text_of_name(row, "vi"),
	            "required maxlength=\"120\" lang=\"vi\"");
	staff_input(p, KIOSK_WORD_ADMIN_NAME_EN, "en", text_of_name(row, "en"), "maxlength=\"120\" lang=\"en\"");
	staff_input(p, KIOSK_WORD_ADMIN_NAME_ZH, "zh", text_of_name(row, "zh"), "maxlength=\"120\" lang=\"zh\"");
	staff_input_number(p, KIOSK_WORD_ADMIN_FEE, "fee", answer_number(row, "fee"),
	                   "required inputmode=\"numeric\" pattern=\"[0-9]*\"");
	staff_input_number(p, KIOSK_WORD_ADMIN_PLACE, "place", answer_number(row, "place"),
	                   "required inputmode=\"numeric\" pattern=\"[0-9]*\"");
	staff_box(p, KIOSK_WORD_ADMIN_ACTIVE, "active", !row || answer_true(row, "active"));
	staff_button(p, KIOSK_WORD_STAFF_SAVE, 0, NULL);
	html(p, "</form></details>");
}

static void show_specialties(struct visit *v, const json_t *answer)
{
	size_t i;
	json_t *row;
	staff_page(v, KIOSK_WORD_ADMIN_SPECIALTIES);
	json_array_foreach(answer_part(answer, "specialties"), i, row)
	{
		say_specialty(v, row);
	}
	say_specialty(v, NULL);
	visit_send(v, 200);
}

void admin_specialties(struct visit *v)
{
	visit_ask(v, staff_call("settings"), show_specialties);
}

static void specialty_done(struct visit *v, const json_t *answer)
{
	staff_done(v, "/admin", answer);
}

void admin_specialty_put(struct visit *v)
{
	json_t *call = put_call(v, "specialty-put"), *name = json_object();
	staff_put_field(name, v, "vi");
	staff_put_field(name, v, "en");
	staff_put_field(name, v, "zh");
	json_object_set_new(call, "name", name);
	staff_put_number(call, v, "fee");
	staff_put_number(call, v, "place");
	staff_put_box(call, v, "active");
	visit_ask(v, call, specialty_done);
}

/* --- rooms --- */

static void say_room(struct visit *v, const json_t *row, const json_t *specialties)
{
	struct page *p = &v->page;
	size_t i;
	json_t *specialty;
	visit_form(v, "/admin/room");
	say_id(p, row);
	staff_input(p, KIOSK_WORD_ADMIN_ROOM_NAME, "name", answer_text(row, "name"), "required maxlength=\"120\"");
	staff_input(p, KIOSK_WORD_ADMIN_LETTER, "letter", answer_text(row, "letter"),
	            "required maxlength=\"3\" pattern=\"[A-Z]{1,3}\" autocapitalize=\"characters\"");
	html(p, "<label>");
	html_word(p, KIOSK_WORD_SPECIALTY);
	html(p, " <select name=\"specialty\">");
	json_array_foreach(specialties, i, specialty)
	{
		staff_option(p, answer_number(specialty, "id"),
		             answer_number(specialty, "id") == answer_number(row, "specialty"),
		             answer_name(specialty, "name", p->lang));
	}
	html(p, "</select></label>");
	staff_input_number(p, KIOSK_WORD_ADMIN_PLACE, "place", answer_number(row, "place"),
	                   "required inputmode=\"numeric\" pattern=\"[0-9]*\"");
	staff_box(p, KIOSK_WORD_ADMIN_ACTIVE, "active", !row || answer_true(row, "active"));
	staff_button(p, KIOSK_WORD_STAFF_SAVE, 0, NULL);
	html(p, "</form>");
}

/* Links to a page for each room. */
static void say_rooms(struct page *p, const char *path, const json_t *rooms)
{
	size_t i;
	json_t *room;
	html(p, "<ul class=\"list\">");
	json_array_foreach(rooms, i, room)
	{
		html(p, "<li><a href=\"");
		html_text(p, str_from(path));
		html_number(p, answer_number(room, "id"));
		html(p, "\"><b>");
		html_text(p, answer_text(room, "name"));
		html(p, "</b> ");
		html_text(p, answer_text(room, "letter"));
		if (!answer_true(room, "active")) {
			html(p, " – ");
			html_word(p, KIOSK_WORD_ADMIN_CLOSED);
		}
		html(p, "</a></li>");
	}
	html(p, "</ul>");
}

static void show_rooms(struct visit *v, const json_t *answer)
{
	struct page *p = staff_page(v, KIOSK_WORD_ADMIN_ROOMS);
	say_rooms(p, "/admin/rooms/", answer_part(answer, "rooms"));
	html(p, "<h2>");
	html_word(p, KIOSK_WORD_ADMIN_NEW);
	html(p, "</h2>");
	say_room(v, NULL, answer_part(answer, "specialties"));
	visit_send(v, 200);
}

void admin_rooms(struct visit *v)
{
	visit_ask(v, staff_call("settings"), show_rooms);
}

static void show_room(struct visit *v, const json_t *answer)
{
	size_t i;
	json_t *room;
	staff_page(v, KIOSK_WORD_ADMIN_ROOMS);
	json_array_foreach(answer_part(answer, "rooms"), i, room)
	{
		if (answer_number(room, "id") != visit_id(v, 0))
			continue;
		say_room(v, room, answer_part(answer, "specialties"));
		visit_send(v, 200);
		return;
	}
	visit_error(v, 404);
}

void admin_room(struct visit *v)
{
	visit_ask(v, staff_call("settings"), show_room);
}

static void room_done(struct visit *v, const json_t *answer)
{
	staff_done(v, "/admin/rooms", answer);
}

void admin_room_put(struct visit *v)
{
	json_t *call = put_call(v, "room-put");
	staff_put_number(call, v, "specialty");
	staff_put_number(call, v, "place");
	staff_put_field(call, v, "name");
	staff_put_field(call, v, "letter");
	staff_put_box(call, v, "active");
	visit_ask(v, call, room_done);
}

/* --- hours --- */

static struct str weekday(enum kiosk_language lang, int64_t day)
{
	return day >= 1 && day <= 7 ? kiosk_word(lang, KIOSK_WORD_MONDAY + (enum kiosk_word)(day - 1)) : STR("");
}

/* "07:30" as <input type="time"> has it. */
static void say_clock(struct page *p, enum kiosk_word label, const char *name, int64_t minutes)
{
	char text[16];
	snprintf(text, sizeof(text), "%02d:%02d", (int)(minutes / 60) % 24, (int)(minutes % 60));
	staff_input(p, label, name, str_from(text), "type=\"time\" required");
}

static void put_clock(json_t *call, const struct visit *v, const char *name)
{
	const struct str t = visit_field(v, name);
	bool good = t.n == 5 && t.p[2] == ':';
	for (size_t i = 0; i < 5 && good; i++)
		good = i == 2 || (t.p[i] >= '0' && t.p[i] <= '9');
	const int minutes = good ? ((t.p[0] - '0') * 10 + t.p[1] - '0') * 60 + (t.p[3] - '0') * 10 + t.p[4] - '0' : -1;
	json_object_set_new(call, name, json_integer(minutes));
}

static void say_hours(struct visit *v, const json_t *row)
{
	struct page *p = &v->page;
	visit_form(v, "/admin/hours");
	say_id(p, row);
	staff_hidden_number(p, "room", visit_id(v, 0));
	html(p, "<label>");
	html_word(p, KIOSK_WORD_DAY);
	html(p, " <select name=\"weekday\">");
	for (int64_t day = 1; day <= 7; day++)
		staff_option(p, day, day == answer_number(row, "weekday"), weekday(p->lang, day));
	html(p, "</select></label>");
	say_clock(p, KIOSK_WORD_ADMIN_BEGINS, "begins", row ? answer_number(row, "begins") : 450);
	say_clock(p, KIOSK_WORD_ADMIN_ENDS, "ends", row ? answer_number(row, "ends") : 690);
	staff_input_number(p, KIOSK_WORD_ADMIN_MINUTES, "minutes", row ? answer_number(row, "minutes") : 30,
	                   "required inputmode=\"numeric\" pattern=\"[0-9]*\"");
	staff_input_number(p, KIOSK_WORD_ADMIN_PLACES, "places", row ? answer_number(row, "places") : 5,
	                   "required inputmode=\"numeric\" pattern=\"[0-9]*\"");
	staff_button(p, KIOSK_WORD_STAFF_SAVE, 0, NULL);
	html(p, "</form>");
	if (!row)
		return;
	visit_form(v, "/admin/hours/remove");
	say_id(p, row);
	staff_hidden_number(p, "room", visit_id(v, 0));
	staff_button(p, KIOSK_WORD_ADMIN_REMOVE, 0, "danger");
	html(p, "</form>");
}

static void show_hours(struct visit *v, const json_t *answer)
{
	struct page *p = staff_page(v, KIOSK_WORD_ADMIN_HOURS);
	say_rooms(p, "/admin/hours/", answer_part(answer, "rooms"));
	visit_send(v, 200);
}

void admin_hours(struct visit *v)
{
	visit_ask(v, staff_call("settings"), show_hours);
}

static void say_hours_title(struct page *p, const json_t *row)
{
	html(p, "<details><summary>");
	html_text(p, weekday(p->lang, answer_number(row, "weekday")));
	html(p, " ");
	html_time(p, (int)answer_number(row, "begins"));
	html(p, "–");
	html_time(p, (int)answer_number(row, "ends"));
	html(p, "</summary>");
}

static void show_room_hours(struct visit *v, const json_t *answer)
{
	const struct str kept = visit_argument(v, "kept");
	const struct str name = staff_room_name(answer_part(answer, "rooms"), "id", visit_id(v, 0));
	struct page *p = staff_page(v, KIOSK_WORD_ADMIN_HOURS);
	size_t i;
	json_t *row;
	if (!name.n) {
		visit_error(v, 404);
		return;
	}
	if (staff_is_number(kept)) {
		html(p, "<p class=\"note bad\">");
		html_words(p, KIOSK_WORD_ADMIN_KEPT, &kept, 1);
		html(p, "</p>");
	}
	html(p, "<h2>");
	html_text(p, name);
	html(p, "</h2><p>");
	html_word(p, KIOSK_WORD_ADMIN_HOURS_HINT);
	html(p, "</p>");
	json_array_foreach(answer_part(answer, "hours"), i, row)
	{
		if (answer_number(row, "room") != visit_id(v, 0))
			continue;
		say_hours_title(p, row);
		say_hours(v, row);
		html(p, "</details>");
	}
	staff_fold(p, kiosk_word(p->lang, KIOSK_WORD_ADMIN_NEW), true);
	say_hours(v, NULL);
	html(p, "</details>");
	visit_send(v, 200);
}

void admin_room_hours(struct visit *v)
{
	visit_ask(v, staff_call("settings"), show_room_hours);
}

static void hours_done(struct visit *v, const json_t *answer)
{
	const long long room = (long long)visit_field_number(v, "room");
	char to[96];
	if (answer_number(answer, "kept") > 0)
		snprintf(to, sizeof(to), "/admin/hours/%lld?kept=%lld", room, (long long)answer_number(answer, "kept"));
	else
		snprintf(to, sizeof(to), "/admin/hours/%lld", room);
	staff_done(v, to, answer);
}

void admin_hours_put(struct visit *v)
{
	json_t *call = put_call(v, "hours-put");
	staff_put_number(call, v, "room");
	staff_put_number(call, v, "weekday");
	put_clock(call, v, "begins");
	put_clock(call, v, "ends");
	staff_put_number(call, v, "minutes");
	staff_put_number(call, v, "places");
	visit_ask(v, call, hours_done);
}

void admin_hours_remove(struct visit *v)
{
	visit_ask(v, put_call(v, "hours-remove"), hours_done);
}
