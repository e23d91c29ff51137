#include "kiosk/fhir_slot.h"

#include "kiosk/schema.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

enum { DAY_MINUTES = 24 * 60, ZONE_MAX = 14 * 60 };
static const int64_t SECOND_US = 1000000, MINUTE_US = 60 * (int64_t)1000000;

/* --- times --- */

static bool take_two(struct str *s, char before, int most, int *ret)
{
	if (before && (!s->n || s->p[0] != before))
		return false;
	*s = str_sub(*s, before != 0, s->n);
	if (s->n < 2 || s->p[0] < '0' || s->p[0] > '9' || s->p[1] < '0' || s->p[1] > '9')
		return false;
	*ret = (s->p[0] - '0') * 10 + (s->p[1] - '0');
	*s = str_sub(*s, 2, s->n);
	return *ret <= most;
}

static size_t digits(struct str s)
{
	size_t n = 0;
	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return n;
}

static bool take_zone(struct str s, int64_t *minutes)
{
	int h, m;
	if (str_eq(s, STR("Z"))) {
		*minutes = 0;
		return true;
	}
	char sign = s.n ? s.p[0] : '\0';
	if ((sign != '+' && sign != '-') || !take_two(&s, sign, 14, &h) || !take_two(&s, ':', 59, &m) || s.n)
		return false;
	*minutes = (sign == '-' ? -1 : 1) * (h * 60 + m);
	return h * 60 + m <= ZONE_MAX;
}

bool fhir_instant_read(struct str s, int64_t *us)
{
	int64_t day = day_number(str_sub(s, 0, 10)), part = 0, zone, unit = SECOND_US;
	int hour, minute, second;
	s = str_sub(s, 10, s.n);
	if (day < 0 || !take_two(&s, 'T', 23, &hour) || !take_two(&s, ':', 59, &minute) ||
	    !take_two(&s, ':', 59, &second))
		return false;
	if (s.n && s.p[0] == '.') {
		size_t n = digits(str_sub(s, 1, s.n));
		if (n == 0 || n > 9)
			return false;
		for (size_t i = 1; i <= n; i++)
			part += (s.p[i] - '0') * (unit /= 10);
		s = str_sub(s, 1 + n, s.n);
	}
	if (!take_zone(s, &zone))
		return false;
	*us = (day * DAY_MINUTES + hour * 60 + minute - zone) * MINUTE_US + second * SECOND_US + part;
	return true;
}

void fhir_instant_write(int64_t us, int64_t zone, char text[FHIR_INSTANT])
{
	int64_t seconds = us / SECOND_US + zone * 60;
	unsigned of_day = (unsigned)(seconds % 86400), east = (unsigned)(zone < 0 ? -zone : zone);
	char day[11] = "";
	text[0] = '\0';
	if (us < 0 || seconds < 0 || east > ZONE_MAX)
		return;
	day_text(seconds / 86400, day);
	if (day[0])
		snprintf(text, FHIR_INSTANT, "%.10sT%02u:%02u:%02u%c%02u:%02u", day, of_day / 3600 % 24,
		         of_day / 60 % 60, of_day % 60, zone < 0 ? '-' : '+', east / 60 % 24, east % 60);
}

/* --- slots --- */

static struct str text_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	return (struct str){ json_is_string(value) ? json_string_value(value) : "", json_string_length(value) };
}

/* R4's id: letters, digits, "-" and ".": nothing that would need care when it is shown. */
static void id_of(const json_t *slot, size_t entry, char id[FHIR_ID + 1])
{
	struct str s = text_of(slot, "id");
	bool right = s.n > 0 && s.n <= FHIR_ID;
	for (size_t i = 0; i < s.n && right; i++) {
		char c = s.p[i];
		right = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
		        c == '.';
	}
	if (right)
		snprintf(id, FHIR_ID + 1, STR_FMT, STR_ARG(s));
	else
		snprintf(id, FHIR_ID + 1, "#%zu", entry);
}

/* "Schedule/room-3", also behind an address, also with "/_history/1" behind it. */
static bool room_of(struct str reference, int64_t *room)
{
	static const struct str prefix = { "Schedule/room-", 14 }, history = { "/_history/", 10 };
	const char *at = NULL;
	struct str s = reference;
	while (s.n && (at = memmem(s.p, s.n, prefix.p, prefix.n)) != NULL && at > reference.p && at[-1] != '/')
		s = str_sub(s, (size_t)(at - s.p) + 1, s.n);
	if (!s.n || !at)
		return false;
	s = str_sub(s, (size_t)(at - s.p) + prefix.n, s.n);
	size_t n = digits(s);
	int64_t number = 0;
	if (n == 0 || n > 9 || s.p[0] == '0' || (n < s.n && !str_starts(str_sub(s, n, s.n), history)))
		return false;
	for (size_t i = 0; i < n; i++)
		number = number * 10 + (s.p[i] - '0');
	*room = number;
	return true;
}

static bool status_of(struct str word, enum fhir_status *ret)
{
	static const struct {
		struct str word;
		enum fhir_status status;
	} words[] = {
		{ { "free", 4 }, FHIR_FREE },
		{ { "busy", 4 }, FHIR_BUSY },
		{ { "busy-unavailable", 16 }, FHIR_BUSY },
		{ { "busy-tentative", 14 }, FHIR_BUSY },
		{ { "entered-in-error", 16 }, FHIR_NONE },
	};
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!str_eq(word, words[i].word))
			continue;
		*ret = words[i].status;
		return true;
	}
	return false;
}

/* NULL, or what is wrong. */
static const char *read_slot(const json_t *slot, struct fhir_slot *ret)
{
	if (!str_eq(text_of(slot, "resourceType"), STR("Slot")))
		return "resource";
	if (!room_of(text_of(json_object_get(slot, "schedule"), "reference"), &ret->room))
		return "schedule";
	if (!status_of(text_of(slot, "status"), &ret->status))
		return "status";
	if (!fhir_instant_read(text_of(slot, "start"), &ret->start) || ret->start < 0 || ret->start % MINUTE_US)
		return "start";
	if (!fhir_instant_read(text_of(slot, "end"), &ret->end) || ret->end % MINUTE_US || ret->end <= ret->start)
		return "end";
	return NULL;
}

static void tell(const struct fhir_reader *reader, const json_t *slot, size_t entry)
{
	struct fhir_slot s;
	id_of(slot, entry, s.id);
	const char *why = read_slot(slot, &s);
	if (why)
		reader->refuse(reader->arg, s.id, why);
	else
		reader->take(reader->arg, &s);
}

static int read_bundle(const json_t *bundle, const struct fhir_reader *reader, struct err *err)
{
	const json_t *entries = json_object_get(bundle, "entry");
	size_t n = json_array_size(entries);
	if (entries && !json_is_array(entries))
		return err_set(err, -EBADMSG, "a Bundle's entry is no list");
	if (n > FHIR_SLOTS_MAX)
		return err_set(err, -E2BIG, "a Bundle of %zu entries: at most %d at once", n, FHIR_SLOTS_MAX);
	for (size_t i = 0; i < n; i++)
		tell(reader, json_object_get(json_array_get(entries, i), "resource"), i + 1);
	return 0;
}

int fhir_slots_read(struct str json, const struct fhir_reader *reader, struct err *err)
{
	json_error_t why;
	json_t *root = json_loadb(json.n ? json.p : "", json.n, JSON_REJECT_DUPLICATES, &why);
	struct str type = text_of(root, "resourceType");
	int code = 0;
	if (str_eq(type, STR("Bundle")))
		code = read_bundle(root, reader, err);
	else if (str_eq(type, STR("Slot")))
		tell(reader, root, 1);
	else
		code = err_set(err, -EBADMSG, "neither a Bundle nor a Slot in JSON");
	json_decref(root);
	return code;
}
