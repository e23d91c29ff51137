/*
 * Who comes: name, phone, year of birth, card, reason for priority, and the lookup code; sealed in the booking's row. They are
 * plain in a call on its way in, until ready() has been over it, and in an answer to who may see them.
 */
#ifndef KHIEN_KIOSK_PERSON_H
#define KHIEN_KIOSK_PERSON_H

#include "base/buf.h"
#include "kiosk/desk.h"

struct person {
	json_t *held; /* what the views are of */
	struct str name, phone /* digits with the country */, card, reason, code;
	int64_t born; /* year; 0: not known */
};

/*
 * For ready() of "book" and "walk-in": checks name, phone, born, card and priority of the call and takes them out of it. Put in
 * are "ref" (random, names the booking), "person" (sealed), "code_hash", "phone_hash" ("" without a phone), and "priority" (1: by
 * what was said, or by age: under 6, or 75 and over; 2: an emergency, which only the counter can say). "once" becomes a keyed
 * hash, with name and phone in it: the same form for somebody else is another booking. needed: name, phone and born may not be
 * missing. Refuses name, phone, born, card.
 */
int person_ready(struct call *c, bool needed, struct err *err);
/* For ready() of what looks up: "code" and "phone" become "code_hash" and "phone_hash". What can't be one becomes a hash of nothing. */
int person_hide(struct call *c, struct err *err);
/* The two hashes for a question, which has no ready(). Takes the same time whatever stands in the call. */
enum { PERSON_HASHES = 2 * SEAL_HASH };
void person_hashes(const struct call *c, unsigned char hashes[PERSON_HASHES]);

/* Of the booking's column: empty (purged, or came without a name): all of it is empty. -EBADMSG: not sealed for it. */
int person_open(struct person *ret, const struct seal *seal, struct str ref, struct str sealed, struct err *err);
/* Wipes it. */
void person_done(struct person *p);
/* As people here write it: 84912345678 -> 0912345678, 8613812345678 -> +8613812345678. Appended. */
void person_phone(struct str phone, struct buf *out);

/*
 * At most max bytes, of nothing that moves or hides the letters beside it on a list: no control characters, and none for direction
 * or width.
 */
enum { PERSON_NAME = 120 };
bool text_right(struct str text, size_t max);

/* Bytes in a call are base64. Appended; -EBADMSG: they are none. "" is none, too. */
int call_bytes(const struct call *c, const char *name, struct buf *out, struct err *err);
int call_put_bytes(struct call *c, const char *name, struct str bytes, struct err *err);

#endif
