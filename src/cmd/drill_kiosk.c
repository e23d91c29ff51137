/* The hospital of a drill: large enough that nobody is turned away for want of a place. */
#include "cmd/drill_site.h"
#include "cmd/kiosk.h"

#include <errno.h>
#include <stdio.h>

enum { SPECIALTIES = 3, ROOMS = 4, PLACES = 500 };

static int ask(struct kiosk_line *line, json_t *call, json_t **ret, struct err *err)
{
	json_t *answer = NULL;
	int code = kiosk_ask(line, call, &answer, err);
	const json_t *refused = json_object_get(answer, "refused");
	if (!code && refused)
		code = err_set(err, -EINVAL, "the drill's kiosk refused: %s",
		               json_string_value(refused) ? json_string_value(refused) : "?");
	if (ret && !code)
		*ret = answer;
	else
		json_decref(answer);
	return code;
}

/* Puts it, and takes the number that it got. */
static int put(struct kiosk_line *line, json_t *call, json_int_t *id, struct err *err)
{
	json_t *answer = NULL;
	const int code = ask(line, call, &answer, err);
	if (!code)
		*id = json_integer_value(json_object_get(answer, "id"));
	json_decref(answer);
	return code;
}

static int put_room(struct kiosk_line *line, json_int_t specialty, int number, struct err *err)
{
	const char letter[2] = { (char)('A' + number), 0 };
	char name[32];
	json_int_t room = 0, hours;
	snprintf(name, sizeof(name), "Phòng %d", number + 1);
	int code = put(line,
	               json_pack("{s:s, s:I, s:i, s:s, s:s, s:b}", "op", "room-put", "specialty", specialty, "place",
	                         number, "name", name, "letter", letter, "active", 1),
	               &room, err);
	for (int weekday = 1; weekday <= 7 && !code; weekday++)
		code = put(line,
		           json_pack("{s:s, s:I, s:i, s:i, s:i, s:i, s:i}", "op", "hours-put", "room", room, "weekday",
		                     weekday, "begins", 420, "ends", 1020, "minutes", 30, "places", PLACES),
		           &hours, err);
	return code;
}

static int put_all(struct kiosk_line *line, struct err *err)
{
	static const char *const names[SPECIALTIES][3] = { { "Nội tổng quát", "General medicine", "内科" },
		                                           { "Nhi", "Paediatrics", "儿科" },
		                                           { "Mắt", "Ophthalmology", "眼科" } };
	int number = 0;
	json_t *values = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "clinic", "DIỄN TẬP", "lead_minutes", "0",
	                           "per_phone", "100", "per_address", "0", "bank_bin", "999999", "bank_account",
	                           "DRILL0000", "open_days", "7");
	int code = ask(line, json_pack("{s:s, s:o}", "op", "set", "values", values), NULL, err);
	for (int i = 0; i < SPECIALTIES && !code; i++) {
		json_int_t id = 0;
		code = put(line,
		           json_pack("{s:s, s:i, s:{s:s, s:s, s:s}, s:i, s:b}", "op", "specialty-put", "place", i,
		                     "name", "vi", names[i][0], "en", names[i][1], "zh", names[i][2], "fee", 150000,
		                     "active", 1),
		           &id, err);
		for (int r = 0; r < ROOMS && !code; r++)
			code = put_room(line, id, number++, err);
	}
	return code ? code : ask(line, json_pack("{s:s}", "op", "upkeep"), NULL, err);
}

int drill_hospital(const char *data, char path[SITE_DAY * 2], struct err *err)
{
	struct kiosk_line *line;
	json_t *days = NULL;
	int code = kiosk_line_open(&line, data, err);
	if (code)
		return code;
	code = put_all(line, err);
	if (!code)
		code = ask(line, json_pack("{s:s, s:i}", "op", "days", "specialty", 1), &days, err);
	const char *day = json_string_value(json_object_get(json_array_get(json_object_get(days, "days"), 1), "day"));
	if (!code && !day)
		code = err_set(err, -EPROTO, "the drill's kiosk has no day to book");
	if (!code)
		snprintf(path, SITE_DAY * 2, "/s/1/%.10s", day);
	json_decref(days);
	kiosk_line_close(line);
	return code;
}
