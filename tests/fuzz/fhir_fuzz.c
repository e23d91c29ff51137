/* Slots and times as a hospital's system sends them. */
#include "kiosk/fhir_slot.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hold(bool what)
{
	if (!what)
		abort();
}

static const int64_t MINUTE = (int64_t)60 * 1000000;

struct told {
	size_t n;
};

/* A Slot's id is safe to be shown; without one it is its number among the entries. */
static void hold_id(const char *id)
{
	size_t n = strlen(id);
	hold(n > 0 && n <= FHIR_ID);
	hold(strspn(id + (id[0] == '#'), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") ==
	     n - (id[0] == '#'));
}

static void take(void *arg, const struct fhir_slot *slot)
{
	struct told *t = arg;
	char text[FHIR_INSTANT];
	int64_t back;
	hold(++t->n <= FHIR_SLOTS_MAX);
	hold_id(slot->id);
	hold(slot->room >= 1 && slot->room <= 999999999);
	hold(slot->status == FHIR_FREE || slot->status == FHIR_BUSY || slot->status == FHIR_NONE);
	hold(slot->start >= 0 && slot->start % MINUTE == 0 && slot->end % MINUTE == 0 && slot->end > slot->start);
	fhir_instant_write(slot->start, 420, text);
	if (text[0])
		hold(fhir_instant_read(str_from(text), &back) && back == slot->start);
}

static void refuse(void *arg, const char *id, const char *why)
{
	struct told *t = arg;
	hold(++t->n <= FHIR_SLOTS_MAX);
	hold_id(id);
	hold(why[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct told t = { 0 };
	char again[FHIR_INSTANT];
	int64_t us, back;
	int code = fhir_slots_read(text, &(const struct fhir_reader){ take, refuse, &t }, NULL);
	hold(code <= 0 && (code == 0 || t.n == 0));
	if (!fhir_instant_read(text, &us) || us < 0)
		return 0;
	fhir_instant_write(us, 0, again);
	hold(!again[0] || (fhir_instant_read(str_from(again), &back) && back == us - us % 1000000));
	return 0;
}
