#include "kiosk/setting.h"
#include "kiosk/web_staff.h"

#include <stdio.h>

/* --- holidays --- */

/* The list is the counter's: names and phones are not an admin's business. */
static void say_tell(struct visit *v, struct str day)
{
	struct page *p = &v->page;
	if (!(v->staff.roles & ROLE_CLERK))
		return;
	html(p, " <a href=\"/staff/list/");
	html_text(p, day);
	html(p, "?tell=1\">");
	html_word(p, KIOSK_WORD_LIST_TELL);
	html(p, "</a>");
}

static void say_holiday(struct visit *v, const json_t *holiday, const json_t *rooms)
{
	struct page *p = &v->page;
	html(p, "<li class=\"row\"><strong>");
	html_day(p, answer_text(holiday, "day"));
	html(p, "</strong> ");
	html_text(p, answer_text(holiday, "name"));
	if (answer_number(holiday, "room")) {
		html(p, " – ");
		html_text(p, staff_room_name(rooms, "id", answer_number(holiday, "room")));
	}
	say_tell(v, answer_text(holiday, "day"));
	visit_form(v, "/admin/holidays/remove");
	staff_hidden(p, "day", answer_text(holiday, "day"));
	staff_hidden_number(p, "room", answer_number(holiday, "room"));
	staff_button(p, KIOSK_WORD_ADMIN_REMOVE, 0, "second");
	html(p, "</form></li>");
}

/* After a holiday was put: how many have a place on that day. */
static void say_booked(struct visit *v)
{
	struct page *p = &v->page;
	const struct str booked = visit_argument(v, "booked"), day = visit_argument(v, "day");
	int year, month, mday;
	if (!staff_is_number(booked) || !day_read(day, &year, &month, &mday))
		return;
	html(p, "<p class=\"note bad\">");
	html_words(p, KIOSK_WORD_ADMIN_BOOKED, &booked, 1);
	say_tell(v, day);
	html(p, "</p>");
}

static void show_holidays(struct visit *v, const json_t *answer)
{
	const json_t *rooms = answer_part(answer, "rooms");
	struct page *p = staff_page(v, KIOSK_WORD_ADMIN_HOLIDAYS);
	size_t i;
	json_t *row;
	say_booked(v);
	html(p, "<ul class=\"list\">");
	json_array_foreach(answer_part(answer, "holidays"), i, row)
	{
		say_holiday(v, row, rooms);
	}
	html(p, "</ul>");
	visit_form(v, "/admin/holidays");
	staff_input(p, KIOSK_WORD_DAY, "day", STR(""), "type=\"date\" required");
	staff_input(p, KIOSK_WORD_ADMIN_HOLIDAY_NAME, "name", STR(""), "required maxlength=\"120\"");
	html(p, "<label>");
	html_word(p, KIOSK_WORD_ROOM);
	html(p, " <select name=\"room\">");
	staff_option(p, 0, true, kiosk_word(p->lang, KIOSK_WORD_ADMIN_ALL_ROOMS));
	json_array_foreach(rooms, i, row)
	{
		staff_option(p, answer_number(row, "id"), false, answer_text(row, "name"));
	}
	html(p, "</select></label>");
	staff_button(p, KIOSK_WORD_STAFF_SAVE, 0, NULL);
	html(p, "</form>");
	visit_send(v, 200);
}

void admin_holidays(struct visit *v)
{
	visit_ask(v, staff_call("settings"), show_holidays);
}

static void holiday_done(struct visit *v, const json_t *answer)
{
	char to[96] = "/admin/holidays";
	if (answer_number(answer, "booked") > 0)
		snprintf(to, sizeof(to), "/admin/holidays?booked=%lld&day=" STR_FMT,
		         (long long)answer_number(answer, "booked"), STR_ARG(str_sub(visit_field(v, "day"), 0, 10)));
	staff_done(v, to, answer);
}

static void put_holiday(struct visit *v, const char *op)
{
	json_t *call = staff_call(op);
	staff_put_field(call, v, "day");
	staff_put_number(call, v, "room");
	staff_put_field(call, v, "name");
	visit_ask(v, call, holiday_done);
}

void admin_holiday_put(struct visit *v)
{
	put_holiday(v, "holiday-put");
}

void admin_holiday_remove(struct visit *v)
{
	put_holiday(v, "holiday-remove");
}

/* --- people --- */

static void say_person(struct visit *v, const json_t *row)
{
	struct page *p = &v->page;
	const int64_t roles = row ? answer_number(row, "roles") : ROLE_CLERK;
	staff_fold(p, row ? answer_text(row, "name") : kiosk_word(p->lang, KIOSK_WORD_ADMIN_NEW),
	           !row || answer_true(row, "active"));
	visit_form(v, "/admin/people");
	if (row)
		staff_hidden_number(p, "id", answer_number(row, "id"));
	staff_input(p, KIOSK_WORD_STAFF_LOGIN, "login", answer_text(row, "login"),
	            "required maxlength=\"32\" autocomplete=\"off\" autocapitalize=\"none\"");
	staff_input(p, KIOSK_WORD_NAME, "name", answer_text(row, "name"),
	            "required maxlength=\"100\" autocomplete=\"off\"");
	staff_input(
	        p, row ? KIOSK_WORD_ADMIN_PASSWORD_ANEW : KIOSK_WORD_STAFF_PASSWORD, "password", STR(""),
	        row ? "type=\"password\" minlength=\"10\" maxlength=\"128\" autocomplete=\"new-password\""
	            : "type=\"password\" required minlength=\"10\" maxlength=\"128\" autocomplete=\"new-password\"");
	staff_box(p, KIOSK_WORD_ADMIN_IS_CLERK, "clerk", roles & ROLE_CLERK);
	staff_box(p, KIOSK_WORD_ADMIN_IS_ADMIN, "admin", roles & ROLE_ADMIN);
	staff_box(p, KIOSK_WORD_ADMIN_MAY_SIGN_IN, "active", !row || answer_true(row, "active"));
	staff_button(p, KIOSK_WORD_STAFF_SAVE, 0, NULL);
	html(p, "</form></details>");
}

static void show_people(struct visit *v, const json_t *answer)
{
	size_t i;
	json_t *row;
	staff_page(v, KIOSK_WORD_ADMIN_PEOPLE);
	json_array_foreach(answer_part(answer, "staff"), i, row)
	{
		say_person(v, row);
	}
	say_person(v, NULL);
	visit_send(v, 200);
}

void admin_people(struct visit *v)
{
	visit_ask(v, staff_call("staff"), show_people);
}

static void person_done(struct visit *v, const json_t *answer)
{
	staff_done(v, "/admin/people", answer);
}

void admin_person_put(struct visit *v)
{
	json_t *call = staff_call("staff-put");
	const int64_t roles =
	        (visit_field(v, "clerk").n ? ROLE_CLERK : 0) | (visit_field(v, "admin").n ? ROLE_ADMIN : 0);
	staff_put_number(call, v, "id");
	staff_put_field(call, v, "login");
	staff_put_field(call, v, "name");
	staff_put(call, "password", form_field(&v->form, STR("password")));
	json_object_set_new(call, "roles", json_integer(roles));
	staff_put_box(call, v, "active");
	visit_ask(v, call, person_done);
}

/* --- settings --- */

/* How a setting is called; its own name where it has none here. */
static struct str setting_label(enum kiosk_language lang, struct str name)
{
	static const struct {
		const char *name;
		enum kiosk_word word;
	} words[] = {
		{ "clinic", KIOSK_WORD_SETTING_CLINIC },
		{ "phone", KIOSK_WORD_SETTING_PHONE },
		{ "zone", KIOSK_WORD_SETTING_ZONE },
		{ "open_days", KIOSK_WORD_SETTING_OPEN_DAYS },
		{ "lead_minutes", KIOSK_WORD_SETTING_LEAD_MINUTES },
		{ "per_phone", KIOSK_WORD_SETTING_PER_PHONE },
		{ "per_phone_ahead", KIOSK_WORD_SETTING_PER_PHONE_AHEAD },
		{ "per_address", KIOSK_WORD_SETTING_PER_ADDRESS },
		{ "priority_weight", KIOSK_WORD_SETTING_PRIORITY_WEIGHT },
		{ "wait_cap_minutes", KIOSK_WORD_SETTING_WAIT_CAP_MINUTES },
		{ "slot_fee_hold_minutes", KIOSK_WORD_SETTING_SLOT_FEE_HOLD_MINUTES },
		{ "bank_bin", KIOSK_WORD_SETTING_BANK_BIN },
		{ "bank_account", KIOSK_WORD_SETTING_BANK_ACCOUNT },
		{ "bank_name", KIOSK_WORD_SETTING_BANK_NAME },
		{ "keep_days", KIOSK_WORD_SETTING_KEEP_DAYS },
		{ "change_days", KIOSK_WORD_SETTING_CHANGE_DAYS },
	};
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq(str_from(words[i].name), name))
			return kiosk_word(lang, words[i].word);
	return name;
}

static void show_settings(struct visit *v, const json_t *answer)
{
	struct page *p = staff_page(v, KIOSK_WORD_ADMIN_SETTINGS);
	visit_form(v, "/admin/settings");
	for (const struct setting_kind *kind = setting_kinds; kind->name.n; kind++) {
		html(p, "<label>");
		html_text(p, setting_label(p->lang, kind->name));
		html(p, " <input name=\"");
		html_text(p, kind->name);
		html(p, "\" value=\"");
		html_text(p, answer_text(answer_part(answer, "values"), kind->name.p));
		if (kind->number)
			buf_printf(&p->out, "\" type=\"number\" required min=\"%lld\" max=\"%lld\"></label>",
			           (long long)kind->min, (long long)kind->max);
		else
			buf_printf(&p->out, "\" maxlength=\"%lld\"></label>", (long long)kind->max);
	}
	staff_button(p, KIOSK_WORD_STAFF_SAVE, 's', NULL);
	html(p, "</form>");
	visit_send(v, 200);
}

void admin_settings(struct visit *v)
{
	visit_ask(v, staff_call("settings"), show_settings);
}

static void set_done(struct visit *v, const json_t *answer)
{
	staff_done(v, "/admin/settings", answer);
}

/* All that the form has; an empty text is a value. */
void admin_set(struct visit *v)
{
	json_t *call = staff_call("set"), *values = json_object();
	for (const struct setting_kind *kind = setting_kinds; kind->name.n; kind++) {
		const struct str text = visit_field(v, kind->name.p);
		if (form_field(&v->form, kind->name).p)
			json_object_set_new(values, kind->name.p, json_stringn(text.n ? text.p : "", text.n));
	}
	json_object_set_new(call, "values", values);
	visit_ask(v, call, set_done);
}
