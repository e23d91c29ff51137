/*
 * The handlers of staff, counter, board, admin, webhooks and FHIR, their lines in the table of routes (web_routes.c), and what their
 * pages share.
 */
#ifndef KHIEN_KIOSK_WEB_STAFF_H
#define KHIEN_KIOSK_WEB_STAFF_H

#include "kiosk/web_inside.h"

/* web_staff.c: who signs in, and the rooms to choose from */
visit_fn staff_home, staff_sign_in_show, staff_sign_in, staff_sign_out, staff_password_show, staff_password;
/* web_counter.c: one room's counter */
visit_fn counter_show, counter_arrive, counter_next, counter_one, counter_transfer, counter_pause, counter_walk_in_show,
        counter_walk_in;
/* web_list.c: one booking, its slip, and a day's list to print */
visit_fn list_booking, list_day, list_today;
/* The slip of a BOOKED: what is printed. */
void list_say_slip(struct page *p, const json_t *booked);
/* web_money.c: payments that found no booking, cash, a bank's statement */
visit_fn money_tray, money_settle, money_refund, money_cash, money_statement_show, money_statement;
/* web_takings.c: a day's sums */
visit_fn takings_show;
/* web_board.c */
visit_fn board_show, board_events;
/* web_admin.c, web_people.c: what the clinic is */
visit_fn admin_specialties, admin_specialty_put, admin_rooms, admin_room, admin_room_put, admin_hours, admin_room_hours,
        admin_hours_put, admin_hours_remove;
visit_fn admin_holidays, admin_holiday_put, admin_holiday_remove, admin_people, admin_person_put, admin_settings,
        admin_set;
/* web_hook.c: banks and the hospital's system */
visit_fn hook_notice, fhir_slots, fhir_appointments, fhir_appointment_sent;

#define ROLE_STAFF (ROLE_CLERK | ROLE_ADMIN)

/* { path, method, handler, roles, .kept .limited .large }, each with a comma behind it. */
#define STAFF_ROUTES                                                                                                   \
	{ "/staff", METHOD_GET, staff_home, .roles = ROLE_STAFF },                                                     \
	        { "/staff/sign-in", METHOD_GET, staff_sign_in_show, .roles = ROLE_ANYBODY },                           \
	        { "/staff/sign-in", METHOD_POST, staff_sign_in, .roles = ROLE_ANYBODY, .limited = SIGN_INS_A_MINUTE,   \
		  .dear = true },                                                                                      \
	        { "/staff/sign-out", METHOD_POST, staff_sign_out, .roles = ROLE_STAFF },                               \
	        { "/staff/password", METHOD_GET, staff_password_show, .roles = ROLE_STAFF },                           \
	        { "/staff/password", METHOD_POST, staff_password, .roles = ROLE_STAFF, .limited = SIGN_INS_A_MINUTE }, \
	        { "/staff/room/*", METHOD_GET, counter_show, .roles = ROLE_CLERK },                                    \
	        { "/staff/arrive", METHOD_POST, counter_arrive, .roles = ROLE_CLERK },                                 \
	        { "/staff/next", METHOD_POST, counter_next, .roles = ROLE_CLERK },                                     \
	        { "/staff/again", METHOD_POST, counter_one, .roles = ROLE_CLERK },                                     \
	        { "/staff/skip", METHOD_POST, counter_one, .roles = ROLE_CLERK },                                      \
	        { "/staff/done", METHOD_POST, counter_one, .roles = ROLE_CLERK },                                      \
	        { "/staff/back", METHOD_POST, counter_one, .roles = ROLE_CLERK },                                      \
	        { "/staff/transfer", METHOD_POST, counter_transfer, .roles = ROLE_CLERK },                             \
	        { "/staff/pause", METHOD_POST, counter_pause, .roles = ROLE_CLERK },                                   \
	        { "/staff/walk-in/*", METHOD_GET, counter_walk_in_show, .roles = ROLE_CLERK },                         \
	        { "/staff/walk-in", METHOD_POST, counter_walk_in, .roles = ROLE_CLERK },                               \
	        { "/staff/booking/*", METHOD_GET, list_booking, .roles = ROLE_CLERK },                                 \
	        { "/staff/list", METHOD_GET, list_today, .roles = ROLE_CLERK },                                        \
	        { "/staff/list/*", METHOD_GET, list_day, .roles = ROLE_CLERK },                                        \
	        { "/staff/cash", METHOD_POST, money_cash, .roles = ROLE_CLERK },                                       \
	        { "/staff/tray", METHOD_GET, money_tray, .roles = ROLE_CLERK },                                        \
	        { "/staff/settle", METHOD_POST, money_settle, .roles = ROLE_CLERK },                                   \
	        { "/staff/refund", METHOD_POST, money_refund, .roles = ROLE_CLERK },                                   \
	        { "/staff/statement", METHOD_GET, money_statement_show, .roles = ROLE_CLERK },                         \
	        { "/staff/statement", METHOD_POST, money_statement, .roles = ROLE_CLERK, .large = true },              \
	        { "/staff/takings", METHOD_GET, takings_show, .roles = ROLE_STAFF },                                   \
	        { "/board", METHOD_GET, board_show, .roles = ROLE_ANYBODY, .kept = true },                             \
	        { "/board/events", METHOD_GET, board_events, .roles = ROLE_ANYBODY },                                  \
	        { "/admin", METHOD_GET, admin_specialties, .roles = ROLE_ADMIN },                                      \
	        { "/admin/specialty", METHOD_POST, admin_specialty_put, .roles = ROLE_ADMIN },                         \
	        { "/admin/rooms", METHOD_GET, admin_rooms, .roles = ROLE_ADMIN },                                      \
	        { "/admin/rooms/*", METHOD_GET, admin_room, .roles = ROLE_ADMIN },                                     \
	        { "/admin/room", METHOD_POST, admin_room_put, .roles = ROLE_ADMIN },                                   \
	        { "/admin/hours", METHOD_GET, admin_hours, .roles = ROLE_ADMIN },                                      \
	        { "/admin/hours/*", METHOD_GET, admin_room_hours, .roles = ROLE_ADMIN },                               \
	        { "/admin/hours", METHOD_POST, admin_hours_put, .roles = ROLE_ADMIN },                                 \
	        { "/admin/hours/remove", METHOD_POST, admin_hours_remove, .roles = ROLE_ADMIN },                       \
	        { "/admin/holidays", METHOD_GET, admin_holidays, .roles = ROLE_ADMIN },                                \
	        { "/admin/holidays", METHOD_POST, admin_holiday_put, .roles = ROLE_ADMIN },                            \
	        { "/admin/holidays/remove", METHOD_POST, admin_holiday_remove, .roles = ROLE_ADMIN },                  \
	        { "/admin/people", METHOD_GET, admin_people, .roles = ROLE_ADMIN },                                    \
	        { "/admin/people", METHOD_POST, admin_person_put, .roles = ROLE_ADMIN },                               \
	        { "/admin/settings", METHOD_GET, admin_settings, .roles = ROLE_ADMIN },                                \
	        { "/admin/settings", METHOD_POST, admin_set, .roles = ROLE_ADMIN },                                    \
	        { "/hook/sepay", METHOD_POST, hook_notice, .roles = ROLE_BANK },                                       \
	        { "/hook/payos", METHOD_POST, hook_notice, .roles = ROLE_BANK },                                       \
	        { "/fhir/Slot", METHOD_POST, fhir_slots, .roles = ROLE_HOSPITAL, .large = true },                      \
	        { "/fhir/Appointment", METHOD_GET, fhir_appointments, .roles = ROLE_HOSPITAL },                        \
	        { "/fhir/Appointment/*", METHOD_POST, fhir_appointment_sent, .roles = ROLE_HOSPITAL },

/* web_board_changed(): what boards show is to be asked for and sent. */
void board_changed(struct web *w);

/* --- what their pages share: web_staff.c --- */

/* Begins a page with the menu, and with what became of the change before it ("?said="). */
struct page *staff_page(struct visit *v, enum kiosk_word title);
/* A change is over: 303 to `path`, which then says so, or what it was refused for. */
void staff_done(struct visit *v, const char *path, const json_t *answer);
/* The same to "/staff/room/ID", for the room whose counter the form was on. */
void staff_done_room(struct visit *v, const json_t *answer);

/* For the calls: a field of the form goes in as it is, under the same name. Where it is empty it isn't put. */
json_t *staff_call(const char *op);
void staff_put(json_t *call, const char *name, struct str text);
void staff_put_field(json_t *call, const struct visit *v, const char *name);
/* -1 where it isn't a whole number: which is refused, and never taken for none. */
void staff_put_number(json_t *call, const struct visit *v, const char *name);
/* Of a list of rooms whose number is called `id`; empty: it isn't there. */
struct str staff_room_name(const json_t *rooms, const char *id, int64_t room);
bool staff_is_number(struct str text);
/* Of a box: always put. */
void staff_put_box(json_t *call, const struct visit *v, const char *name);

/* <button>; `key` presses it, with the browser's access key, and with scripts alone; 0: none. kind: "second", "danger" or NULL. */
void staff_button(struct page *p, enum kiosk_word word, char key, const char *kind);
/* The way back to a room's counter. */
void staff_link_room(struct page *p, int64_t room);
void staff_hidden(struct page *p, const char *name, struct str value);
void staff_hidden_number(struct page *p, const char *name, int64_t value);
/* A labelled <input>; `more` are further attributes, a literal. */
void staff_input(struct page *p, enum kiosk_word label, const char *name, struct str value, const char *more);
void staff_input_number(struct page *p, enum kiosk_word label, const char *name, int64_t value, const char *more);
void staff_box(struct page *p, enum kiosk_word label, const char *name, bool set);
/* Of who checks somebody in: field "priority" is "yes", "no" or empty: as it was booked. */
void staff_priority(struct page *p);
/* An <option> of a <select>. */
void staff_option(struct page *p, int64_t value, bool chosen, struct str text);
/* <details> of a row in a list of the admin: its title, and whether it is in use. Ends with </details>. */
void staff_fold(struct page *p, struct str title, bool active);
/* <th> for each, between <thead><tr> and </tr></thead>. */
void staff_heads(struct page *p, const enum kiosk_word *words, size_t n);
/* The word of a booking's or a payment's state. */
enum kiosk_word staff_state(struct str state);
enum kiosk_word staff_payment_state(struct str state);
/* "7:30" of a time, on the clinic's clock; behind its day, where `day` says so. zone: minutes east of UTC. */
void staff_time(struct page *p, int64_t time, int64_t zone, bool day);

#endif
