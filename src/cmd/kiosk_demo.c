/*
 * The demo: a hospital's day, lived through the same calls that visitors and staff make. People book, come without, wait, are
 * called, pay; some pay too little, or don't come. All of it is invented, and the clinic's name on every page says so.
 */
#include "cmd/kiosk_demo.h"
#include "os/become.h"

#include <errno.h>
#include <pwd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { AHEAD = 90 /* bookings for days to come */, MORNING = 70 /* who came without */, TODAY = 60, ROOMS_MAX = 64 };
static const int64_t TURN = 3LL * CLOCK_S, UNPAID = 12LL * CLOCK_S;

json_t *demo_ask(struct demo *d, json_t *call)
{
	json_t *answer = NULL;
	struct err err;
	if (!d->line)
		json_decref(call);
	else if (kiosk_ask(d->line, call, &answer, &err) && err.code != -EREMOTEIO) {
		kiosk_line_close(d->line); /* it was started anew */
		d->line = NULL;
	}
	if (json_object_get(answer, "refused")) {
		json_decref(answer);
		return NULL;
	}
	return answer;
}

/* SplitMix64: a demo needs no better. */
unsigned demo_chance(struct demo *d, unsigned n)
{
	uint64_t z = d->chance += 0x9e3779b97f4a7c15U;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return (unsigned)((z ^ (z >> 31)) % n);
}

static bool open_line(struct demo *d)
{
	struct err err;
	return d->line || !kiosk_line_open(&d->line, d->k->c->data, &err);
}

/* --- people --- */

static json_int_t any_room(struct demo *d)
{
	const json_t *rooms = json_object_get(d->places, "rooms");
	const size_t n = json_array_size(rooms);
	return n ? json_integer_value(json_object_get(json_array_get(rooms, demo_chance(d, (unsigned)n)), "id")) : 0;
}

static json_int_t specialty_of(struct demo *d, json_int_t room)
{
	size_t i;
	json_t *r;
	json_array_foreach(json_object_get(d->places, "rooms"), i, r)
	{
		if (json_integer_value(json_object_get(r, "id")) == room)
			return json_integer_value(json_object_get(r, "specialty"));
	}
	return 0;
}

/* Somebody books on the i-th day that is open; the answer is the caller's, or NULL. */
static json_t *book(struct demo *d, unsigned day)
{
	char once[33];
	unsigned char bytes[16];
	const json_int_t room = any_room(d);
	json_t *days = demo_ask(
	        d, json_pack("{s:s, s:I, s:I}", "op", "days", "specialty", specialty_of(d, room), "room", room));
	const json_t *open = json_array_get(json_object_get(days, "days"), day);
	json_t *slots =
	        !open ? NULL
	              : demo_ask(d, json_pack("{s:s, s:I, s:I, s:O}", "op", "slots", "specialty", specialty_of(d, room),
	                                      "room", room, "day", json_object_get(open, "day")));
	const json_t *all = json_object_get(slots, "slots");
	const size_t n = json_array_size(all);
	const json_t *slot = n ? json_array_get(all, demo_chance(d, (unsigned)n)) : NULL;
	json_t *answer = NULL;
	if (slot && json_integer_value(json_object_get(slot, "free")) > 0) {
		randombytes_buf(bytes, sizeof(bytes));
		sodium_bin2hex(once, sizeof(once), bytes, sizeof(bytes));
		json_t *call =
		        json_pack("{s:s, s:I, s:O, s:O, s:s}", "op", "book", "room", room, "day",
		                  json_object_get(open, "day"), "start", json_object_get(slot, "start"), "once", once);
		demo_person(d, call);
		answer = demo_ask(d, call);
	}
	json_decref(slots);
	json_decref(days);
	return answer;
}

static void walk_in(struct demo *d)
{
	json_t *call = json_pack("{s:s, s:I}", "op", "walk-in", "room", any_room(d));
	demo_person(d, call);
	json_decref(demo_ask(d, call));
}

static void maybe_pay(struct demo *d, const json_t *booked)
{
	const json_t *payment = json_object_get(booked, "payment");
	const char *state = json_string_value(json_object_get(payment, "state"));
	if (!state || strcmp(state, "open") != 0)
		return;
	const unsigned luck = demo_chance(d, 20);
	if (luck < 14)
		demo_pay(d, payment, luck == 0 ? 50 : luck == 1 ? 110 : 100);
}

static void arrive(struct demo *d, const json_t *booked)
{
	json_decref(demo_ask(d, json_pack("{s:s, s:O}", "op", "arrive", "code", json_object_get(booked, "code"))));
}

/* The counter of a room: who is inside goes, the next one is called. */
static void counter(struct demo *d, json_int_t room)
{
	char key[24];
	snprintf(key, sizeof(key), "%lld", (long long)room);
	json_t *inside = json_object_get(d->called, key);
	const char *how = demo_chance(d, 12) ? "done" : "skip";
	if (inside)
		json_decref(demo_ask(d, json_pack("{s:s, s:O}", "op", how, "ref", inside)));
	json_object_del(d->called, key);
	json_t *answer = demo_ask(d, json_pack("{s:s, s:I}", "op", "next", "room", room));
	json_t *ref = json_object_get(json_object_get(answer, "called"), "ref");
	if (ref)
		json_object_set(d->called, key, ref);
	json_decref(answer);
}

/* --- the day --- */

static void fill(struct demo *d)
{
	for (unsigned i = 0; i < AHEAD; i++) {
		json_t *b = book(d, 1 + demo_chance(d, 6));
		maybe_pay(d, b);
		json_decref(b);
	}
	for (unsigned i = 0; i < TODAY; i++) {
		json_t *b = book(d, 0);
		maybe_pay(d, b);
		if (b && demo_chance(d, 3) == 0)
			arrive(d, b);
		json_decref(b);
	}
	for (unsigned i = 0; i < MORNING; i++)
		walk_in(d);
	const size_t rooms = json_array_size(json_object_get(d->places, "rooms"));
	for (unsigned turn = 0; turn < 3; turn++)
		for (size_t i = 0; i < rooms; i++)
			counter(d, json_integer_value(json_object_get(
			                   json_array_get(json_object_get(d->places, "rooms"), i), "id")));
}

struct unpaid {
	json_t *payment;
	int64_t at;
};

/* What visitors book is paid by somebody a little later: so that they see it happen. */
static void pay_for_visitors(struct demo *d, struct unpaid *seen, size_t most, size_t turn)
{
	const int64_t now = clock_monotonic(d->k->clock);
	json_t *days = demo_ask(d, json_pack("{s:s, s:i}", "op", "days", "specialty", 1));
	json_t *all = json_object_get(days, "days");
	json_t *day = json_array_size(all) ? json_array_get(all, turn % json_array_size(all)) : NULL;
	json_t *list =
	        !day ? NULL
	             : demo_ask(d, json_pack("{s:s, s:O}", "op", "day-list", "day", json_object_get(day, "day")));
	size_t i, k;
	json_t *room, *b;
	json_array_foreach(json_object_get(list, "rooms"), i, room)
	{
		json_array_foreach(json_object_get(room, "bookings"), k, b)
		{
			json_t *payment = json_object_get(b, "payment");
			const char *state = json_string_value(json_object_get(payment, "state"));
			const char *phone = json_string_value(json_object_get(b, "phone"));
			size_t at = 0;
			if (!state || strcmp(state, "open") != 0 || (phone && strstr(phone, "9000")))
				continue;
			while (at < most && seen[at].payment && !json_equal(seen[at].payment, payment))
				at++;
			if (at == most)
				continue;
			if (!seen[at].payment) {
				seen[at] = (struct unpaid){ json_incref(payment), now };
			} else if (seen[at].at && now - seen[at].at > UNPAID) {
				demo_pay(d, payment, 100);
				seen[at].at = 0;
			}
		}
	}
	json_decref(list);
	json_decref(days);
}

static void live(struct demo *d)
{
	struct unpaid seen[256] = { 0 };
	for (size_t turn = 0;; turn++) {
		usleep((useconds_t)TURN);
		if (!open_line(d))
			continue;
		if (demo_chance(d, 3) == 0)
			walk_in(d);
		if (demo_chance(d, 4) == 0) {
			json_t *b = book(d, demo_chance(d, 5));
			maybe_pay(d, b);
			json_decref(b);
		}
		counter(d, any_room(d));
		for (size_t day = 0; day < 3; day++)
			pay_for_visitors(d, seen, ARRAY_LEN(seen), turn * 3 + day);
	}
}

static int prepare(struct demo *d, struct err *err)
{
	const struct passwd *pw = geteuid() == 0 && d->k->user ? getpwnam(d->k->user) : NULL;
	int code = demo_bank_open(d, d->k->c->data, err);
	if (!code && pw)
		code = become_user(pw->pw_uid, pw->pw_gid, err);
	for (int i = 0; !code && !open_line(d); i++) {
		usleep(100 * CLOCK_MS);
		code = i > 300 ? err_set(err, -ETIMEDOUT, "the kiosk doesn't answer") : 0;
	}
	if (code)
		return code;
	d->places = demo_ask(d, json_pack("{s:s}", "op", "places"));
	if (json_array_size(json_object_get(d->places, "specialties")))
		return 0; /* it was here before */
	json_decref(d->places);
	code = demo_hospital(d, err);
	if (code)
		return code;
	d->places = demo_ask(d, json_pack("{s:s}", "op", "places"));
	log_say(&d->k->log, LOG_LEVEL_INFO, "demo", LOG_TEXT("what", "nothing here is real"),
	        LOG_TEXT("address", d->k->c->http.n ? d->k->c->http.at[0] : "see above"), LOG_TEXT("admin", "admin"),
	        LOG_TEXT("admin_password", d->admin), LOG_TEXT("clerk", "quay1"), LOG_TEXT("clerk_password", d->clerk));
	fill(d);
	log_say(&d->k->log, LOG_LEVEL_INFO, "demo-filled", LOG_TEXT("what", "the hospital's day is under way"));
	return 0;
}

int kiosk_demo(const struct kiosk *k)
{
	struct demo d = { .k = k, .called = json_object() };
	struct err err = { 0 };
	prctl(PR_SET_NAME, "khien: kiosk-demo", 0, 0, 0);
	randombytes_buf(&d.chance, sizeof(d.chance));
	if (prepare(&d, &err)) {
		log_say(&k->log, LOG_LEVEL_ERROR, "demo-ended", LOG_TEXT("why", err.text));
		return EXIT_FAILURE;
	}
	live(&d);
	return EXIT_SUCCESS;
}
