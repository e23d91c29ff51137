/* The demo's hospital and the people who come to it. Names are put together by chance; the phone numbers are nobody's. */
#include "cmd/kiosk_demo.h"
#include "kiosk/desk.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>

static const char *pick(struct demo *d, const char *const *from, unsigned n)
{
	return from[demo_chance(d, n)];
}

void demo_person(struct demo *d, json_t *call)
{
	static const char *const family[] = {
		"Nguyễn", "Trần", "Lê",  "Phạm",  "Hoàng", "Vũ",  "Võ",   "Đặng", "Bùi",
		"Đỗ",     "Hồ",   "Ngô", "Dương", "Lý",    "Mai", "Đinh", "Phan", "Trịnh"
	};
	static const char *const middle[] = {
		"Văn", "Thị", "Ngọc", "Minh", "Thanh", "Hữu", "Thu", "Quang", "Kim", "Đức"
	};
	static const char *const given[] = { "An",   "Bình", "Châu", "Dũng", "Giang", "Hà",   "Hải",  "Hạnh",
		                             "Hiếu", "Hoa",  "Khôi", "Lan",  "Linh",  "Long", "Mai",  "Nam",
		                             "Nga",  "Oanh", "Phúc", "Quân", "Sơn",   "Tâm",  "Thảo", "Yến" };
	static const char *const reasons[] = { "elderly", "child", "pregnant", "disabled", "merit" };
	char name[96], phone[16];
	snprintf(name, sizeof(name), "%s %s %s", pick(d, family, ARRAY_LEN(family)), pick(d, middle, ARRAY_LEN(middle)),
	         pick(d, given, ARRAY_LEN(given)));
	snprintf(phone, sizeof(phone), "09000%05u", demo_chance(d, 100000));
	json_object_set_new(call, "name", json_string(name));
	json_object_set_new(call, "phone", json_string(phone));
	json_object_set_new(call, "born", json_integer(1938 + (json_int_t)demo_chance(d, 80)));
	json_object_set_new(call, "lang", json_string("vi"));
	json_object_set_new(call, "priority",
	                    json_string(demo_chance(d, 6) ? "" : pick(d, reasons, ARRAY_LEN(reasons))));
}

/* --- the hospital --- */

static const struct specialty {
	const char *vi, *en, *zh;
	int fee, rooms;
} specialties[] = {
	{ "Nội tổng quát", "General medicine", "内科", 150000, 3 },
	{ "Nhi", "Paediatrics", "儿科", 150000, 2 },
	{ "Sản phụ khoa", "Obstetrics and gynaecology", "妇产科", 200000, 2 },
	{ "Tim mạch", "Cardiology", "心内科", 250000, 1 },
	{ "Tai Mũi Họng", "Ear, nose and throat", "耳鼻喉科", 150000, 1 },
	{ "Mắt", "Ophthalmology", "眼科", 150000, 1 },
	{ "Da liễu", "Dermatology", "皮肤科", 120000, 1 },
	{ "Răng Hàm Mặt", "Dentistry", "口腔科", 0, 1 },
};

/* "id" of what was put; 0: it wasn't. */
static json_int_t put(struct demo *d, json_t *call)
{
	json_t *answer = demo_ask(d, call);
	const json_int_t id = json_integer_value(json_object_get(answer, "id"));
	json_decref(answer);
	return id;
}

/*
 * It is always in its morning when it starts: its clock, and nothing else, is that of some place where it is 9:40 now. Money is
 * sent to a bank that there isn't.
 */
static bool put_settings(struct demo *d)
{
	enum { DAY = 1440, MORNING = 9 * 60 + 40, EAST = 840 };
	const int utc = (int)(clock_wall(d->k->clock) / CLOCK_S / 60 % DAY);
	int zone = (MORNING - utc + 2 * DAY) % DAY;
	char text[16];
	zone = (zone > EAST ? zone - DAY : zone) / 15 * 15;
	snprintf(text, sizeof(text), "%d", zone);
	json_t *values = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "clinic",
	                           "DEMO · Bệnh viện Đa khoa Sông Xanh (không có thật)", "phone", "09000 00000", "zone",
	                           text, "lead_minutes", "0", "bank_bin", "999999", "bank_account", "DEMO0000",
	                           "bank_name", "DEMO BENH VIEN SONG XANH", "open_days", "14");
	json_t *answer = demo_ask(d, json_pack("{s:s, s:o}", "op", "set", "values", values));
	json_decref(answer);
	return answer;
}

static bool put_room(struct demo *d, json_int_t specialty, int number)
{
	static const int sessions[][2] = { { 420, 690 }, { 780, 1020 } };
	char name[32], letter[2] = { (char)('A' + number), 0 };
	snprintf(name, sizeof(name), "Phòng %d", 101 + number % 6 + number / 6 * 100);
	const json_int_t room =
	        put(d, json_pack("{s:s, s:I, s:i, s:s, s:s, s:b}", "op", "room-put", "specialty", specialty, "place",
	                         number, "name", name, "letter", letter, "active", 1));
	bool done = room > 0;
	for (int weekday = 1; weekday <= 7 && done; weekday++)
		for (size_t i = 0; i < ARRAY_LEN(sessions) && done; i++)
			done = put(d, json_pack("{s:s, s:I, s:i, s:i, s:i, s:i, s:i}", "op", "hours-put", "room", room,
			                        "weekday", weekday, "begins", sessions[i][0], "ends", sessions[i][1],
			                        "minutes", 30, "places", 6)) > 0;
	return done;
}

static bool put_staff(struct demo *d)
{
	char *const passwords[] = { d->admin, d->clerk };
	for (size_t i = 0; i < ARRAY_LEN(passwords); i++) {
		unsigned char bytes[8];
		randombytes_buf(bytes, sizeof(bytes));
		sodium_bin2hex(passwords[i], 2 * sizeof(bytes) + 1, bytes, sizeof(bytes));
	}
	return put(d, json_pack("{s:s, s:s, s:s, s:s}", "op", "first", "login", "admin", "name", "DEMO Admin",
	                        "password", d->admin)) > 0 &&
	       put(d, json_pack("{s:s, s:s, s:s, s:i, s:s, s:b}", "op", "staff-put", "login", "quay1", "name",
	                        "DEMO Quầy 1", "roles", ROLE_CLERK, "password", d->clerk, "active", 1)) > 0;
}

int demo_hospital(struct demo *d, struct err *err)
{
	int number = 0;
	bool done = put_settings(d);
	for (size_t i = 0; i < ARRAY_LEN(specialties) && done; i++) {
		const struct specialty *s = &specialties[i];
		const json_int_t id = put(d, json_pack("{s:s, s:i, s:{s:s, s:s, s:s}, s:i, s:b}", "op", "specialty-put",
		                                       "place", (int)i, "name", "vi", s->vi, "en", s->en, "zh", s->zh,
		                                       "fee", s->fee, "active", 1));
		done = id > 0;
		for (int r = 0; r < s->rooms && done; r++)
			done = put_room(d, id, number++);
	}
	done = done && put_staff(d);
	if (done)
		json_decref(demo_ask(d, json_pack("{s:s}", "op", "upkeep")));
	return done ? 0 : err_set(err, -EREMOTEIO, "the demo's hospital could not be set up");
}
