/* Pages for patients, up to the booking: specialties, days, times and the form; looking up. */
#include "kiosk/web_inside.h"

#include <stdio.h>
#include <stdlib.h>

enum { STATUS_FORM_WRONG = 422 };

/* The row with this id in a list of the answer; NULL: none has it. */
static const json_t *row_of(const json_t *answer, const char *list, int64_t id)
{
	size_t i;
	const json_t *row;
	json_array_foreach(answer_part(answer, list), i, row) if (answer_number(row, "id") == id) return row;
	return NULL;
}

static void link_back(struct page *p, const char *href)
{
	buf_printf(&p->out, "<p><a href=\"%s\">", href);
	html_word(p, KIOSK_WORD_BACK);
	html(p, "</a></p>\n");
}

static void words_with_number(struct page *p, enum kiosk_word word, int64_t n)
{
	char text[24];
	snprintf(text, sizeof(text), "%lld", (long long)n);
	html_words(p, word, &(struct str){ text, strlen(text) }, 1);
}

static void write_fee(struct page *p, int64_t fee)
{
	char text[MONEY_TEXT];
	if (fee > 0)
		html_words(p, KIOSK_WORD_FEE, &(struct str){ text, money_text(p->lang, fee, text).n }, 1);
	else
		html_word(p, KIOSK_WORD_FEE_NONE);
}

static void write_help(struct page *p, const json_t *places)
{
	const struct str phone = answer_text(places, "phone");
	if (!phone.n)
		return;
	html(p, "<p class=\"hint\">");
	html_words(p, KIOSK_WORD_HELP_PHONE, &phone, 1);
	html(p, "</p>\n");
}

/* --- specialties --- */

static void show_home(struct visit *v, const json_t *places)
{
	struct page *p = visit_page(v, KIOSK_WORD_BOOK_TITLE);
	const json_t *list = answer_part(places, "specialties"), *s;
	size_t i;
	html(p, "<p><b>");
	html_text(p, answer_text(places, "clinic"));
	html(p, "</b></p>\n<h2>");
	html_word(p, json_array_size(list) ? KIOSK_WORD_CHOOSE_SPECIALTY : KIOSK_WORD_NO_SPECIALTY);
	html(p, "</h2>\n<ul class=\"list\">\n");
	json_array_foreach(list, i, s)
	{
		html(p, "<li><a href=\"/s/");
		html_number(p, answer_number(s, "id"));
		html(p, "\"><b>");
		html_text(p, answer_name(s, "name", v->lang));
		html(p, "</b><span>");
		write_fee(p, answer_number(s, "fee"));
		html(p, "</span></a></li>\n");
	}
	html(p, "</ul>\n");
	write_help(p, places);
	visit_send(v, 200);
}

void patient_home(struct visit *v)
{
	visit_ask(v, json_pack("{s:s}", "op", "places"), show_home);
}

/* --- days --- */

static void write_day(struct visit *v, const json_t *day)
{
	struct page *p = &v->page;
	const struct str date = answer_text(day, "day"), holiday = answer_text(day, "holiday");
	const int64_t free_places = answer_number(day, "free");
	const bool open = free_places > 0 && !holiday.n;
	html(p, "<li>");
	if (open) {
		html(p, "<a href=\"/s/");
		html_number(p, visit_id(v, 0));
		html(p, "/");
		html_text(p, date);
		html(p, "\">");
	} else {
		html(p, "<span class=\"off\">");
	}
	html(p, "<b>");
	html_weekday(p, date);
	html(p, "</b><span>");
	html_day(p, date);
	html(p, "</span><small>");
	if (holiday.n)
		html_text(p, holiday);
	else if (open)
		words_with_number(p, KIOSK_WORD_FREE_PLACES, free_places);
	else
		html_word(p, KIOSK_WORD_FULL);
	html(p, "</small>");
	if (open)
		html(p, "</a>");
	else
		html(p, "</span>");
	html(p, "</li>\n");
}

static void show_days(struct visit *v, const json_t *answer)
{
	const json_t *days = answer_part(answer, "days"), *day, *s = row_of(v->held, "specialties", visit_id(v, 0));
	size_t i;
	if (answer_refused(answer, NULL)) {
		visit_error(v, 404);
		return;
	}
	struct page *p = visit_page(v, KIOSK_WORD_CHOOSE_DAY);
	html(p, "<p><b>");
	html_text(p, answer_name(s, "name", v->lang));
	html(p, "</b> · ");
	write_fee(p, answer_number(s, "fee"));
	html(p, "</p>\n");
	if (!json_array_size(days)) {
		html(p, "<p class=\"note\">");
		html_word(p, KIOSK_WORD_NO_DAYS);
		html(p, "</p>\n");
	}
	html(p, "<ul class=\"list\">\n");
	json_array_foreach(days, i, day) write_day(v, day);
	html(p, "</ul>\n");
	link_back(p, "/");
	write_help(p, v->held);
	visit_send(v, 200);
}

static void ask_days(struct visit *v, const json_t *places)
{
	const int64_t id = visit_id(v, 0);
	visit_hold(v, places);
	if (!row_of(places, "specialties", id))
		visit_error(v, 404);
	else
		visit_ask(v, json_pack("{s:s, s:I}", "op", "days", "specialty", (json_int_t)id), show_days);
}

void patient_days(struct visit *v)
{
	if (visit_id(v, 0))
		visit_ask(v, json_pack("{s:s}", "op", "places"), ask_days);
	else
		visit_error(v, 404);
}

/* --- times, and the form --- */

/* What the page with the form is about, and what was wrong with the form that came. */
struct wanted {
	int64_t specialty;
	char day[11];
	char path[64];
	enum kiosk_word wrong; /* KIOSK_WORD_NONE: it is asked for the first time */
	char field[FORM_NAME]; /* of the form; empty: nothing of it in particular */
};

static struct str wrong_field(const struct wanted *w)
{
	return str_from(w->field);
}

static void write_slot(struct page *p, const json_t *slot, struct str chosen)
{
	char value[48];
	const long long room = answer_number(slot, "room"), start = answer_number(slot, "start");
	snprintf(value, sizeof(value), "%lld.%lld", room, start);
	buf_printf(&p->out, "<label><input type=\"radio\" name=\"slot\" value=\"%s\" required%s><span>", value,
	           str_eq(chosen, str_from(value)) ? " checked" : "");
	html_time(p, (int)start);
	html(p, "<small>");
	words_with_number(p, KIOSK_WORD_FREE_PLACES, answer_number(slot, "free"));
	html(p, "</small></span></label>\n");
}

static bool is_free(const json_t *slot, int64_t room)
{
	return answer_number(slot, "room") == room && answer_number(slot, "free") > 0;
}

/* False: nothing is free. */
static bool write_slots(struct visit *v, const json_t *slots)
{
	struct page *p = &v->page;
	const struct wanted *w = v->own;
	const json_t *room, *slot;
	size_t i, k;
	bool any = false;
	json_array_foreach(answer_part(v->held, "rooms"), i, room)
	{
		const int64_t id = answer_number(room, "id");
		bool here = false;
		if (answer_number(room, "specialty") != w->specialty)
			continue;
		json_array_foreach(slots, k, slot)
		{
			if (!is_free(slot, id))
				continue;
			if (!here) {
				html(p, "<h3>");
				html_text(p, answer_text(room, "name"));
				html(p, "</h3>\n<div class=\"slots\">\n");
			}
			here = any = true;
			write_slot(p, slot, visit_field(v, "slot"));
		}
		if (here)
			html(p, "</div>\n");
	}
	return any;
}

static void write_priority(struct visit *v)
{
	static const struct {
		const char *value;
		enum kiosk_word word;
	} kinds[] = {
		{ "", KIOSK_WORD_PRIORITY_NONE },
		{ "emergency", KIOSK_WORD_PRIORITY_EMERGENCY },
		{ "child", KIOSK_WORD_PRIORITY_CHILD },
		{ "pregnant", KIOSK_WORD_PRIORITY_PREGNANT },
		{ "disabled", KIOSK_WORD_PRIORITY_DISABLED },
		{ "elderly", KIOSK_WORD_PRIORITY_ELDERLY },
		{ "merit", KIOSK_WORD_PRIORITY_MERIT },
	};
	struct page *p = &v->page;
	const struct str chosen = visit_field(v, "priority");
	html(p, "<label for=\"priority\">");
	html_word(p, KIOSK_WORD_PRIORITY);
	html(p, "</label><p class=\"hint\">");
	html_word(p, KIOSK_WORD_PRIORITY_HINT);
	html(p, "</p><select id=\"priority\" name=\"priority\">\n");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		buf_printf(&p->out, "<option value=\"%s\"%s>", kinds[i].value,
		           str_eq(chosen, str_from(kinds[i].value)) ? " selected" : "");
		html_word(p, kinds[i].word);
		html(p, "</option>\n");
	}
	html(p, "</select>\n");
}

static void write_details(struct visit *v)
{
	static const struct input inputs[] = {
		{ "name", KIOSK_WORD_NAME, "autocomplete=\"name\" maxlength=\"100\" required", .optional = false },
		{ "phone", KIOSK_WORD_PHONE, "type=\"tel\" autocomplete=\"tel\" maxlength=\"20\" required",
		  .optional = false },
		{ "born", KIOSK_WORD_BORN, "inputmode=\"numeric\" autocomplete=\"bday-year\" maxlength=\"4\" required",
		  .optional = false },
		{ "card", KIOSK_WORD_CARD, "autocomplete=\"off\" maxlength=\"20\"", .optional = true },
	};
	struct page *p = &v->page;
	const struct wanted *w = v->own;
	html(p, "<fieldset><legend><h2>");
	html_word(p, KIOSK_WORD_YOUR_DETAILS);
	html(p, "</h2></legend>\n");
	for (size_t i = 0; i < ARRAY_LEN(inputs); i++)
		visit_input(v, &inputs[i], w->wrong, wrong_field(w));
	write_priority(v);
	html(p, "</fieldset>\n<p class=\"hint\">");
	html_word(p, KIOSK_WORD_PRIVACY);
	html(p, "</p>\n<button class=\"wide\">");
	html_word(p, KIOSK_WORD_BOOK);
	html(p, "</button></form>\n");
}

static bool is_input(struct str field)
{
	return str_eq(field, STR("name")) || str_eq(field, STR("phone")) || str_eq(field, STR("born")) ||
	       str_eq(field, STR("card"));
}

/* Above the form: what it is for; that it was refused; why, where no field is to blame. */
static void write_wanted(struct visit *v)
{
	struct page *p = &v->page;
	const struct wanted *w = v->own;
	const json_t *s = row_of(v->held, "specialties", w->specialty);
	html(p, "<p><b>");
	html_text(p, answer_name(s, "name", v->lang));
	html(p, "</b> · ");
	html_weekday(p, str_from(w->day));
	html(p, " ");
	html_day(p, str_from(w->day));
	html(p, " · ");
	write_fee(p, answer_number(s, "fee"));
	html(p, "</p>\n");
	if (!w->wrong)
		return;
	html(p, "<p class=\"note bad\" role=\"alert\">");
	html_word(p, is_input(wrong_field(w)) ? KIOSK_WORD_FORM_WRONG : w->wrong);
	html(p, "</p>\n");
}

static void show_slots(struct visit *v, const json_t *answer)
{
	const struct wanted *w = v->own;
	char back[32];
	if (answer_refused(answer, NULL) && !w->wrong) {
		visit_error(v, 404);
		return;
	}
	v->page.path = w->path;
	struct page *p = visit_page(v, KIOSK_WORD_CHOOSE_TIME);
	write_wanted(v);
	visit_form(v, "/book");
	html(p, "<input type=\"hidden\" name=\"specialty\" value=\"");
	html_number(p, w->specialty);
	html(p, "\"><input type=\"hidden\" name=\"day\" value=\"");
	html_text(p, str_from(w->day));
	html(p, "\">\n<fieldset><legend><h2>");
	html_word(p, KIOSK_WORD_TIME);
	html(p, "</h2></legend>\n");
	if (write_slots(v, answer_part(answer, "slots"))) {
		html(p, "</fieldset>\n");
		write_details(v);
	} else {
		html(p, "<p class=\"note\">");
		html_word(p, KIOSK_WORD_NO_SLOTS);
		html(p, "</p></fieldset></form>\n");
	}
	snprintf(back, sizeof(back), "/s/%lld", (long long)w->specialty);
	link_back(p, back);
	write_help(p, v->held);
	visit_send(v, w->wrong ? STATUS_FORM_WRONG : 200);
}

/* Days are texts that sort as they follow each other. */
static bool is_open_day(const json_t *places, struct str day)
{
	const struct str from = answer_text(places, "from"), to = answer_text(places, "to");
	return from.n != day.n || to.n != day.n ||
	       (memcmp(day.p, from.p, day.n) >= 0 && memcmp(day.p, to.p, day.n) <= 0);
}

static void ask_slots(struct visit *v, const json_t *places)
{
	const struct wanted *w = v->own;
	visit_hold(v, places);
	if (!row_of(places, "specialties", w->specialty) || (!w->wrong && !is_open_day(places, str_from(w->day))))
		visit_error(v, 404);
	else
		visit_ask(v,
		          json_pack("{s:s, s:I, s:s}", "op", "slots", "specialty", (json_int_t)w->specialty, "day",
		                    w->day),
		          show_slots);
}

/* False: there are no such specialty and day, or no memory; it is answered. */
static bool want(struct visit *v, int64_t specialty, struct str day)
{
	int y, m, d;
	struct wanted *w = specialty && day_read(day, &y, &m, &d) ? calloc(1, sizeof(*w)) : NULL;
	if (!w) {
		visit_error(v, 404);
		return false;
	}
	w->specialty = specialty;
	memcpy(w->day, day.p, day.n);
	snprintf(w->path, sizeof(w->path), "/s/%lld/%s", (long long)specialty, w->day);
	v->own = w;
	return true;
}

void patient_slots(struct visit *v)
{
	if (want(v, visit_id(v, 0), v->names[1]))
		visit_ask(v, json_pack("{s:s}", "op", "places"), ask_slots);
}

/* --- the booking --- */

static void form_again(struct visit *v, enum kiosk_word wrong, struct str field)
{
	struct wanted *w = v->own;
	w->wrong = wrong;
	snprintf(w->field, sizeof(w->field), STR_FMT, STR_ARG(field));
	visit_ask(v, json_pack("{s:s}", "op", "places"), ask_slots);
}

static void booked(struct visit *v, const json_t *answer)
{
	struct str field;
	const enum kiosk_word refused = answer_refused(answer, &field);
	if (refused) {
		const struct str word = answer_text(answer, "refused");
		form_again(v, refused, is_input(word) ? word : field);
		return;
	}
	ticket_give(v, answer_text(answer, "code"), visit_field(v, "phone"));
	visit_redirect(v, "/ticket");
}

static json_t *text_of(const struct visit *v, const char *name)
{
	const struct str s = visit_field(v, name);
	return json_stringn(s.p, s.n);
}

/* "ROOM.START"; false: it is none. */
static bool slot_of(struct str s, long long *room, long long *start)
{
	char text[32];
	int n = 0;
	if (!s.n || s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	char *dot, *end;
	*room = strtoll(text, &dot, 10);
	if (dot == text || *dot != '.')
		return false;
	*start = strtoll(dot + 1, &end, 10);
	n = *end == '\0' && end != dot + 1;
	return n && *room > 0 && *start >= 0 && *start < 24 * 60;
}

void patient_book(struct visit *v)
{
	const struct str once = visit_once(v);
	long long room, start;
	if (!want(v, visit_field_number(v, "specialty"), visit_field(v, "day")))
		return;
	const struct wanted *w = v->own;
	if (!slot_of(visit_field(v, "slot"), &room, &start)) {
		form_again(v, KIOSK_WORD_REFUSED_SLOT, STR("slot"));
		return;
	}
	visit_ask(v,
	          json_pack("{s:s, s:I, s:s, s:I, s:o, s:o, s:I, s:o, s:o, s:s, s:s%}", "op", "book", "room",
	                    (json_int_t)room, "day", w->day, "start", (json_int_t)start, "name", text_of(v, "name"),
	                    "phone", text_of(v, "phone"), "born", (json_int_t)visit_field_number(v, "born"), "card",
	                    text_of(v, "card"), "priority", text_of(v, "priority"), "lang",
	                    kiosk_language_codes[v->lang], "once", once.p, once.n),
	          booked);
}

/* --- looking up --- */

static void show_find(struct visit *v, enum kiosk_word wrong)
{
	static const struct input inputs[] = {
		{ "code", KIOSK_WORD_CODE,
		  "autocomplete=\"off\" autocapitalize=\"characters\" spellcheck=\"false\" maxlength=\"20\" required",
		  .hint = KIOSK_WORD_CODE_HINT },
		{ "phone", KIOSK_WORD_PHONE, "type=\"tel\" autocomplete=\"tel\" maxlength=\"20\" required",
		  .optional = false },
	};
	struct page *p = visit_page(v, KIOSK_WORD_FIND);
	html(p, "<p>");
	html_word(p, KIOSK_WORD_FIND_HINT);
	html(p, "</p>\n");
	if (wrong) {
		html(p, "<p class=\"note bad\" role=\"alert\">");
		html_word(p, wrong);
		html(p, "</p>\n");
	}
	visit_form(v, "/find");
	for (size_t i = 0; i < ARRAY_LEN(inputs); i++)
		visit_input(v, &inputs[i], KIOSK_WORD_NONE, STR(""));
	html(p, "<button class=\"wide\">");
	html_word(p, KIOSK_WORD_LOOK_UP);
	html(p, "</button></form>\n");
	visit_send(v, wrong ? STATUS_FORM_WRONG : 200);
}

void patient_find(struct visit *v)
{
	show_find(v, KIOSK_WORD_NONE);
}

static void looked_up(struct visit *v, const json_t *answer)
{
	const enum kiosk_word refused = answer_refused(answer, NULL);
	if (refused) {
		v->page.path = "/find";
		show_find(v, refused);
		return;
	}
	ticket_give(v, visit_field(v, "code"), visit_field(v, "phone"));
	visit_redirect(v, "/ticket");
}

void patient_look_up(struct visit *v)
{
	visit_ask(
	        v,
	        json_pack("{s:s, s:o, s:o}", "op", "lookup", "code", text_of(v, "code"), "phone", text_of(v, "phone")),
	        looked_up);
}
