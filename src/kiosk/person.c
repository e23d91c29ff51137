#include "kiosk/person.h"
#include "kiosk/schema.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

enum {
	REF_BYTES = 10,
	BORN_FIRST = 1900,
	CHILD_UNDER = 6,
	ELDERLY_FROM = 75,
};

/* --- bytes in a call --- */

int call_put_bytes(struct call *c, const char *name, struct str bytes, struct err *err)
{
	size_t room = sodium_base64_ENCODED_LEN(bytes.n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	CLEANUP(buf_free) struct buf text = { 0 };
	char *p = buf_room(&text, room);

	if (!p)
		return err_set(err, -ENOMEM, "%s of a call: %m", name);
	sodium_bin2base64(p, room, (const unsigned char *)bytes.p, bytes.n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	if (json_object_set_new(c->in, name, json_string(p)))
		return err_set(err, -ENOMEM, "%s of a call: %m", name);
	return 0;
}

int call_bytes(const struct call *c, const char *name, struct buf *out, struct err *err)
{
	struct str text = call_text(c, name);
	size_t n;
	char *p = buf_room(out, text.n + 1);

	if (!p)
		return err_set(err, -ENOMEM, "%s of a call: %m", name);
	if (text.n == 0 || sodium_base642bin((unsigned char *)p, text.n, text.p, text.n, NULL, &n, NULL,
	                                     sodium_base64_VARIANT_URLSAFE_NO_PADDING))
		return err_set(err, -EBADMSG, "%s of a call isn't base64", name);
	out->n += n;
	return 0;
}

/* --- what people write --- */

bool text_right(struct str text, size_t max)
{
	if (text.n > max)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		unsigned char a = (unsigned char)text.p[i];
		unsigned char b = i + 1 < text.n ? (unsigned char)text.p[i + 1] : 0;
		unsigned char d = i + 2 < text.n ? (unsigned char)text.p[i + 2] : 0;

		if (a < ' ' || a == 0x7f || (a == 0xc2 && b < 0xa0))
			return false;
		/* U+200B-200F, U+2028-202E, U+2060-206F */
		if (a == 0xe2 && b == 0x80 && ((d >= 0x8b && d <= 0x8f) || (d >= 0xa8 && d <= 0xae)))
			return false;
		if (a == 0xe2 && b == 0x81 && d >= 0xa0 && d <= 0xaf)
			return false;
	}
	return true;
}

static bool name_right(struct str name)
{
	bool letter = false;

	for (size_t i = 0; i < name.n; i++) {
		unsigned char a = (unsigned char)name.p[i];

		letter |= a >= 0x80 || (a >= 'A' && a <= 'Z') || (a >= 'a' && a <= 'z');
	}
	return letter && text_right(name, PERSON_NAME);
}

/* Health insurance: its 10-digit code or all 15 characters of the card; a citizen's number: 12 digits. Made even. */
static bool card_read(struct str text, char card[16])
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

		if (c == ' ' || c == '-' || c == '.')
			continue;
		if (n == 15 || (!letter && (c < '0' || c > '9')))
			return false;
		card[n++] = letter ? (char)(c & ~0x20) : c;
	}
	card[n] = '\0';
	size_t letters = strcspn(card, "0123456789");
	size_t digits = strspn(card + letters, "0123456789");
	return letters + digits == n && ((letters == 0 && (n == 10 || n == 12)) || (letters == 2 && n == 15));
}

static bool reason_right(struct str reason)
{
	static const char *const reasons[] = { "", "emergency", "child", "pregnant", "disabled", "elderly", "merit" };

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		if (str_eq(reason, str_from(reasons[i])))
			return true;
	}
	return false;
}

/* --- what ready() makes of it --- */

static int put_hash(struct call *c, const char *name, const unsigned char hash[SEAL_HASH], struct err *err)
{
	return call_put_bytes(c, name, (struct str){ (const char *)hash, SEAL_HASH }, err);
}

void person_hashes(const struct call *c, unsigned char hashes[PERSON_HASHES])
{
	char code[CODE_LENGTH + 1] = "", phone[16] = "";

	/* one by one: a wrong code must not be answered sooner */
	if (!code_read(call_text(c, "code"), code))
		code[0] = '\0';
	if (!phone_read(call_text(c, "phone"), phone))
		phone[0] = '\0';
	seal_hash(c->seal, "code", str_from(code), hashes);
	seal_hash(c->seal, "phone", str_from(phone), hashes + SEAL_HASH);
}

int person_hide(struct call *c, struct err *err)
{
	unsigned char hashes[PERSON_HASHES];

	person_hashes(c, hashes);
	json_object_del(c->in, "code");
	json_object_del(c->in, "phone");
	int r = put_hash(c, "code_hash", hashes, err);
	return r ? r : put_hash(c, "phone_hash", hashes + SEAL_HASH, err);
}

/* What was checked: NUL-terminated, of the stack. */
struct checked {
	char phone[16], card[16], code[CODE_LENGTH + 1];
	struct str name, reason;
	int64_t born;
	int priority;
};

static int check(struct call *c, bool needed, struct checked *k)
{
	struct str phone = str_trim(call_text(c, "phone")), card = str_trim(call_text(c, "card"));
	char today[11];
	int minute, weekday;

	clinic_time(c->db, c->now, today, &minute, &weekday);
	int64_t year = strtol(today, NULL, 10);

	*k = (struct checked){
		.name = str_trim(call_text(c, "name")),
		.reason = call_text(c, "priority"),
		.born = call_number(c, "born"),
	};
	if (k->name.n ? !name_right(k->name) : needed)
		return call_refuse(c, "name", "name");
	if (phone.n ? !phone_read(phone, k->phone) : needed)
		return call_refuse(c, "phone", "phone");
	if (k->born || needed) {
		if (k->born < BORN_FIRST || k->born > year)
			return call_refuse(c, "born", "born");
		k->priority = year - k->born < CHILD_UNDER || year - k->born >= ELDERLY_FROM;
	}
	if (card.n && !card_read(card, k->card))
		return call_refuse(c, "card", "card");
	if (!reason_right(k->reason))
		k->reason = STR("");
	k->priority |= k->reason.n > 0;
	if (!needed && str_eq(k->reason, STR("emergency")))
		k->priority = 2; /* somebody stands at the counter and sees it */
	code_make(k->code);
	return 0;
}

static int seal_person(struct call *c, const struct checked *k, const char *ref, struct err *err)
{
	CLEANUP(buf_free) struct buf sealed = { 0 };
	json_t *person = json_pack("{s:s%, s:s, s:I, s:s, s:s%, s:s}", "name", k->name.p ? k->name.p : "", k->name.n,
	                           "phone", k->phone, "born", (json_int_t)k->born, "card", k->card, "reason",
	                           k->reason.p ? k->reason.p : "", k->reason.n, "code", k->code);
	char *text = person ? json_dumps(person, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	int r = -ENOMEM;

	if (text) {
		seal_text(c->seal, "person", str_from(ref), str_from(text), &sealed);
		sodium_memzero(text, strlen(text));
		r = sealed.failed ? -ENOMEM : call_put_bytes(c, "person", buf_str(&sealed), err);
	}
	free(text);
	json_decref(person);
	return r ? err_set(err, r, "seal a person: %m") : 0;
}

/* Of the form, for this person: somebody else on the same form, as a parent's second child, is another booking. */
static int put_once(struct call *c, const struct checked *k, struct err *err)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	unsigned char hash[SEAL_HASH];
	struct str once = call_text(c, "once");

	if (once.n == 0) /* no form of ours: never the same again */
		randombytes_buf(hash, sizeof(hash));
	else {
		buf_printf(&text, STR_FMT "\n%s\n" STR_FMT, STR_ARG(once), k->phone, STR_ARG(k->name));
		if (text.failed)
			return err_set(err, -ENOMEM, "a form's mark: %m");
		seal_hash(c->seal, "once", buf_str(&text), hash);
	}
	return put_hash(c, "once", hash, err);
}

int person_ready(struct call *c, bool needed, struct err *err)
{
	static const char *const plain[] = { "name", "phone", "born", "card" };
	unsigned char hash[SEAL_HASH], random[REF_BYTES];
	char ref[2 * REF_BYTES + 1];
	struct checked k;
	int r = check(c, needed, &k);

	if (r)
		return r;
	randombytes_buf(random, sizeof(random));
	sodium_bin2hex(ref, sizeof(ref), random, sizeof(random));
	r = seal_person(c, &k, ref, err);
	r = r ? r : put_once(c, &k, err);
	seal_hash(c->seal, "code", str_from(k.code), hash);
	r = r ? r : put_hash(c, "code_hash", hash, err);
	seal_hash(c->seal, "phone", str_from(k.phone), hash);
	r = r ? r : k.phone[0] ? put_hash(c, "phone_hash", hash, err) : call_put_bytes(c, "phone_hash", STR(""), err);
	if (!r && (json_object_set_new(c->in, "ref", json_string(ref)) ||
	           json_object_set_new(c->in, "priority", json_integer(k.priority))))
		r = err_set(err, -ENOMEM, "a booking's call: %m");
	for (size_t i = 0; i < ARRAY_LEN(plain); i++) /* only now: k borrows of them */
		json_object_del(c->in, plain[i]);
	sodium_memzero(&k, sizeof(k));
	return r;
}

/* --- and back --- */

static struct str text_of(const json_t *person, const char *name)
{
	const json_t *text = json_object_get(person, name);

	return (struct str){ text ? json_string_value(text) : NULL, json_string_length(text) };
}

int person_open(struct person *ret, const struct seal *seal, struct str ref, struct str sealed, struct err *err)
{
	struct buf text = { 0 };
	json_t *person = NULL;

	if (sealed.n == 0) {
		*ret = (struct person){ 0 };
		return 0;
	}
	int r = seal_read(seal, "person", ref, sealed, &text);
	if (r == 0 && !(person = json_loadb(text.p, text.n, 0, NULL)))
		r = -EBADMSG;
	if (text.p)
		sodium_memzero(text.p, text.n);
	buf_free(&text);
	if (r)
		return err_set(err, r, "who comes with booking " STR_FMT " can't be read: %m", STR_ARG(ref));
	*ret = (struct person){
		.held = person,
		.name = text_of(person, "name"),
		.phone = text_of(person, "phone"),
		.card = text_of(person, "card"),
		.reason = text_of(person, "reason"),
		.code = text_of(person, "code"),
		.born = json_integer_value(json_object_get(person, "born")),
	};
	return 0;
}

static void wipe(struct str s)
{
	if (s.n)
		sodium_memzero((char *)s.p, s.n);
}

void person_done(struct person *p)
{
	if (!p->held)
		return;
	wipe(p->name);
	wipe(p->phone);
	wipe(p->card);
	wipe(p->code);
	json_decref(p->held);
	*p = (struct person){ 0 };
}

void person_phone(struct str phone, struct buf *out)
{
	bool here = str_starts(phone, STR("84"));

	if (phone.n == 0)
		return;
	buf_putc(out, here ? '0' : '+');
	buf_add(out, here ? str_sub(phone, 2, phone.n) : phone);
}
