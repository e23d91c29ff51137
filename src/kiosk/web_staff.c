#include "kiosk/web_staff.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ZONE = 7 * 60 /* where the desk doesn't say */ };

/* --- calls --- */

json_t *staff_call(const char *op)
{
	return json_pack("{s:s}", "op", op);
}

void staff_put(json_t *call, const char *name, struct str text)
{
	if (text.n)
		json_object_set_new(call, name, json_stringn(text.p, text.n));
}

void staff_put_field(json_t *call, const struct visit *v, const char *name)
{
	staff_put(call, name, visit_field(v, name));
}

struct str staff_room_name(const json_t *rooms, const char *id, int64_t room)
{
	size_t i;
	json_t *one;
	json_array_foreach(rooms, i, one)
	{
		if (answer_number(one, id) == room)
			return answer_text(one, "name");
	}
	return STR("");
}

bool staff_is_number(struct str text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
	return text.n > 0 && text.n <= 15;
}

void staff_put_number(json_t *call, const struct visit *v, const char *name)
{
	const struct str text = visit_field(v, name);
	if (text.n)
		json_object_set_new(call, name, json_integer(staff_is_number(text) ? visit_field_number(v, name) : -1));
}

void staff_put_box(json_t *call, const struct visit *v, const char *name)
{
	json_object_set_new(call, name, json_boolean(visit_field(v, name).n));
}

/* --- pieces of pages --- */

void staff_button(struct page *p, enum kiosk_word word, char key, const char *kind)
{
	html(p, "<button");
	if (kind) {
		html(p, " class=\"");
		html_text(p, str_from(kind));
		html(p, "\"");
	}
	if (key)
		buf_printf(&p->out, " accesskey=\"%c\" data-key=\"%c\"", key, key);
	html(p, ">");
	html_word(p, word);
	if (key)
		buf_printf(&p->out, " <kbd>%c</kbd>", key);
	html(p, "</button>");
}

void staff_link_room(struct page *p, int64_t room)
{
	html(p, "<a accesskey=\"r\" data-key=\"r\" href=\"/staff/room/");
	html_number(p, room);
	html(p, "\">");
	html_word(p, KIOSK_WORD_COUNTER_TITLE);
	html(p, " <kbd>r</kbd></a>");
}

void staff_hidden(struct page *p, const char *name, struct str value)
{
	html(p, "<input type=\"hidden\" name=\"");
	html_text(p, str_from(name));
	html(p, "\" value=\"");
	html_text(p, value);
	html(p, "\">");
}

void staff_hidden_number(struct page *p, const char *name, int64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%lld", (long long)value);
	staff_hidden(p, name, str_from(text));
}

void staff_input(struct page *p, enum kiosk_word label, const char *name, struct str value, const char *more)
{
	html(p, "<label>");
	html_word(p, label);
	html(p, " <input name=\"");
	html_text(p, str_from(name));
	html(p, "\" value=\"");
	html_text(p, value);
	html(p, "\" ");
	buf_add(&p->out, str_from(more));
	html(p, "></label>");
}

void staff_input_number(struct page *p, enum kiosk_word label, const char *name, int64_t value, const char *more)
{
	char text[24];
	snprintf(text, sizeof(text), "%lld", (long long)value);
	staff_input(p, label, name, str_from(text), more);
}

void staff_box(struct page *p, enum kiosk_word label, const char *name, bool set)
{
	html(p, "<label class=\"box\"><input type=\"checkbox\" value=\"1\" name=\"");
	html_text(p, str_from(name));
	html(p, "\"");
	if (set)
		html(p, " checked");
	html(p, "> ");
	html_word(p, label);
	html(p, "</label>");
}

void staff_priority(struct page *p)
{
	html(p, "<label>");
	html_word(p, KIOSK_WORD_PRIORITY);
	html(p, " <select name=\"priority\"><option value=\"\">");
	html_word(p, KIOSK_WORD_COUNTER_AS_BOOKED);
	html(p, "</option><option value=\"yes\">");
	html_word(p, KIOSK_WORD_COUNTER_CHECKED);
	html(p, "</option><option value=\"no\">");
	html_word(p, KIOSK_WORD_PRIORITY_NONE);
	html(p, "</option></select></label>");
}

void staff_option(struct page *p, int64_t value, bool chosen, struct str text)
{
	html(p, "<option value=\"");
	html_number(p, value);
	html(p, "\"");
	if (chosen)
		html(p, " selected");
	html(p, ">");
	html_text(p, text);
	html(p, "</option>");
}

void staff_fold(struct page *p, struct str title, bool active)
{
	html(p, "<details><summary>");
	html_text(p, title);
	if (!active) {
		html(p, " – ");
		html_word(p, KIOSK_WORD_ADMIN_CLOSED);
	}
	html(p, "</summary>");
}

void staff_heads(struct page *p, const enum kiosk_word *words, size_t n)
{
	html(p, "<thead><tr>");
	for (size_t i = 0; i < n; i++) {
		html(p, "<th scope=\"col\">");
		html_word(p, words[i]);
		html(p, "</th>");
	}
	html(p, "</tr></thead>");
}

/* What a patient is told to do isn't for staff: where they have a word of their own it comes first. */
enum kiosk_word staff_state(struct str state)
{
	const enum kiosk_word own = kiosk_word_find("COUNTER_STATE_", state);
	return own ? own : kiosk_word_find("STATE_", state);
}

enum kiosk_word staff_payment_state(struct str state)
{
	const enum kiosk_word own = kiosk_word_find("MONEY_STATE_", state);
	return own ? own : kiosk_word_find("PAYMENT_", state);
}

void staff_time(struct page *p, int64_t time, int64_t zone, bool day)
{
	const time_t seconds = (time_t)(time / CLOCK_S + (zone ? zone : ZONE) * 60);
	struct tm tm;
	char text[16];
	if (!gmtime_r(&seconds, &tm))
		return;
	if (day && strftime(text, sizeof(text), "%Y-%m-%d", &tm)) {
		html_day(p, str_from(text));
		html(p, " ");
	}
	html_time(p, tm.tm_hour * 60 + tm.tm_min);
}

/* --- pages of staff --- */

static void link_to(struct page *p, struct str here, const char *path, enum kiosk_word word)
{
	html(p, "<a href=\"");
	html_text(p, str_from(path));
	html(p, "\"");
	if (str_eq(here, str_from(path)))
		html(p, " aria-current=\"page\"");
	html(p, ">");
	html_word(p, word);
	html(p, "</a> ");
}

static void say_menu(struct visit *v)
{
	static const struct {
		const char *path;
		enum kiosk_word word;
		uint32_t roles;
	} links[] = {
		{ "/staff", KIOSK_WORD_STAFF_ROOMS, ROLE_STAFF },
		{ "/staff/list", KIOSK_WORD_LIST_TITLE, ROLE_CLERK },
		{ "/staff/tray", KIOSK_WORD_MONEY_TRAY, ROLE_CLERK },
		{ "/staff/statement", KIOSK_WORD_MONEY_STATEMENT, ROLE_CLERK },
		{ "/staff/takings", KIOSK_WORD_MONEY_TAKINGS, ROLE_STAFF },
		{ "/admin", KIOSK_WORD_ADMIN_SPECIALTIES, ROLE_ADMIN },
		{ "/admin/rooms", KIOSK_WORD_ADMIN_ROOMS, ROLE_ADMIN },
		{ "/admin/hours", KIOSK_WORD_ADMIN_HOURS, ROLE_ADMIN },
		{ "/admin/holidays", KIOSK_WORD_ADMIN_HOLIDAYS, ROLE_ADMIN },
		{ "/admin/people", KIOSK_WORD_ADMIN_PEOPLE, ROLE_ADMIN },
		{ "/admin/settings", KIOSK_WORD_ADMIN_SETTINGS, ROLE_ADMIN },
	};
	struct page *p = &v->page;
	html(p, "<nav class=\"menu no-paper\">");
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		if (v->staff.roles & links[i].roles)
			link_to(p, v->path, links[i].path, links[i].word);
	html(p, "</nav>");
}

struct page *staff_page(struct visit *v, enum kiosk_word title)
{
	struct page *p = visit_page(v, title);
	const struct str said = visit_argument(v, "said");
	if (v->staff.name.n)
		say_menu(v);
	if (said.n) {
		const bool good = str_eq(said, STR("done"));
		html(p, "<p role=\"status\" class=\"");
		buf_add(&p->out, good ? STR("note good") : STR("note bad"));
		html(p, "\">");
		html_word(p, good ? KIOSK_WORD_STAFF_DONE : kiosk_word_of_refusal(said));
		html(p, "</p>");
	}
	return p;
}

void staff_done(struct visit *v, const char *path, const json_t *answer)
{
	const struct str refused = answer_text(answer, "refused");
	char to[256];
	snprintf(to, sizeof(to), "%s%csaid=" STR_FMT, path, strchr(path, '?') ? '&' : '?',
	         STR_ARG(refused.n ? str_sub(refused, 0, 32) : STR("done")));
	visit_redirect(v, to);
}

void staff_done_room(struct visit *v, const json_t *answer)
{
	char to[64];
	snprintf(to, sizeof(to), "/staff/room/%lld", (long long)visit_field_number(v, "here"));
	if (answer_text(answer, "refused").n)
		staff_done(v, to, answer);
	else
		visit_redirect(v, to);
}

/* --- signing in and out --- */

void staff_sign_in_show(struct visit *v)
{
	struct page *p = staff_page(v, KIOSK_WORD_STAFF_SIGN_IN);
	visit_form(v, "/staff/sign-in");
	staff_input(p, KIOSK_WORD_STAFF_LOGIN, "login", STR(""),
	            "required autofocus autocomplete=\"username\" autocapitalize=\"none\" maxlength=\"64\"");
	staff_input(p, KIOSK_WORD_STAFF_PASSWORD, "password", STR(""),
	            "type=\"password\" required autocomplete=\"current-password\" maxlength=\"128\"");
	staff_button(p, KIOSK_WORD_STAFF_SIGN_IN, 0, NULL);
	html(p, "</form>");
	visit_send(v, 200);
}

static void signed_in(struct visit *v, const json_t *answer)
{
	enum { SHIFT_S = 12 * 3600 }; /* the desk says when it ends; the browser may forget it then, at the latest */
	if (answer_text(answer, "refused").n) {
		staff_done(v, "/staff/sign-in", answer);
		return;
	}
	visit_cookie(v, COOKIE_SESSION, answer_text(answer, "session"), SHIFT_S);
	visit_redirect(v, answer_number(answer, "roles") & ROLE_CLERK ? "/staff" : "/admin");
}

void staff_sign_in(struct visit *v)
{
	json_t *call = staff_call("sign-in");
	staff_put_field(call, v, "login");
	/* A password may begin with a blank. */
	staff_put(call, "password", form_field(&v->form, STR("password")));
	visit_ask(v, call, signed_in);
}

static void signed_out(struct visit *v, const json_t *answer)
{
	visit_cookie(v, COOKIE_SESSION, STR(""), 0);
	visit_redirect(v, "/staff/sign-in");
}

void staff_sign_out(struct visit *v)
{
	visit_ask(v, staff_call("sign-out"), signed_out);
}

void staff_password_show(struct visit *v)
{
	struct page *p = staff_page(v, KIOSK_WORD_STAFF_NEW_PASSWORD);
	visit_form(v, "/staff/password");
	staff_input(p, KIOSK_WORD_STAFF_OLD, "old", STR(""),
	            "type=\"password\" required autocomplete=\"current-password\" maxlength=\"128\"");
	staff_input(p, KIOSK_WORD_STAFF_NEW, "new", STR(""),
	            "type=\"password\" required autocomplete=\"new-password\" minlength=\"10\" maxlength=\"128\"");
	staff_button(p, KIOSK_WORD_STAFF_SAVE, 's', NULL);
	html(p, "</form>");
	visit_send(v, 200);
}

static void password_set(struct visit *v, const json_t *answer)
{
	staff_done(v, "/staff/password", answer);
}

void staff_password(struct visit *v)
{
	json_t *call = staff_call("password");
	staff_put(call, "old", form_field(&v->form, STR("old")));
	staff_put(call, "new", form_field(&v->form, STR("new")));
	visit_ask(v, call, password_set);
}

/* --- the rooms --- */

static void say_rooms(struct page *p, const json_t *rooms)
{
	size_t i;
	json_t *room;
	html(p, "<ul class=\"list\">");
	json_array_foreach(rooms, i, room)
	{
		html(p, "<li><a href=\"/staff/room/");
		html_number(p, answer_number(room, "room"));
		html(p, "\"");
		if (i < 9)
			buf_printf(&p->out, " accesskey=\"%zu\" data-key=\"%zu\"", i + 1, i + 1);
		html(p, "><b>");
		html_text(p, answer_text(room, "name"));
		html(p, "</b> ");
		html_text(p, answer_name(room, "specialty", p->lang));
		html(p, " <span>");
		html_word(p, KIOSK_WORD_COUNTER_WAITING);
		html(p, ": ");
		html_number(p, answer_number(room, "waiting"));
		if (answer_true(room, "paused")) {
			html(p, " – ");
			html_word(p, KIOSK_WORD_COUNTER_PAUSED);
		}
		html(p, "</span></a></li>");
	}
	html(p, "</ul>");
}

static void home_show(struct visit *v, const json_t *answer)
{
	struct page *p = staff_page(v, KIOSK_WORD_STAFF_ROOMS);
	const json_t *rooms = answer_part(answer, "rooms");
	if (json_array_size(rooms)) {
		say_rooms(p, rooms);
	} else {
		html(p, "<p>");
		html_word(p, KIOSK_WORD_STAFF_NO_ROOM);
		html(p, "</p>");
	}
	html(p, "<p>");
	html_words(p, KIOSK_WORD_STAFF_AS, &v->staff.name, 1);
	html(p, " <a href=\"/staff/password\">");
	html_word(p, KIOSK_WORD_STAFF_NEW_PASSWORD);
	html(p, "</a></p>");
	visit_form(v, "/staff/sign-out");
	staff_button(p, KIOSK_WORD_STAFF_SIGN_OUT, 0, "second");
	html(p, "</form>");
	visit_send(v, 200);
}

void staff_home(struct visit *v)
{
	visit_ask(v, staff_call("board"), home_show);
}
