/*
 * What can be asked of the desk, and what it answers. Every call is {"op": NAME, ...}; staff add "session". Every answer is an
 * object; {"refused": WORD, "field": NAME} says why not (words.h has the words in three languages), {"trouble": TEXT} that the
 * database can't. Types: n whole number, t text, b boolean, [] list, ? may be missing. DAY is "2026-11-22", TIME µs since
 * 1970 UTC, START minutes since midnight. C: changes something.
 *
 * NAME is {"vi": t, "en": t, "zh": t}. BOOKED, what a patient sees of a booking:
 *   { ref t, room n, room_name t, specialty NAME, day DAY, start START (-1: came without), number n, label t ("A012": the room's
 *     letter and the number), priority b, state t, name t (masked), phone t (masked), ahead n? (how many are before, once arrived),
 *     payment { reference t, amount n, paid n, state t, ends TIME, qr t (the text of the VietQR code; "" where nothing is to pay) }? }
 * states of a booking: booked, arrived, called, seen, missed, cancelled. Of a payment: open, paid, short, over, late, refunded, void.
 *
 * --- booking.c: ROLE_ANYBODY ---
 *   places       {} -> { clinic t, phone t, specialties [{ id n, name NAME, fee n }], rooms [{ id n, specialty n, name t }],
 *                from DAY, to DAY }
 *   days         { specialty n, room n? } -> { days [{ day DAY, places n, free n, holiday t? }] }
 *   slots        { specialty n, room n?, day DAY } -> { slots [{ room n, start START, minutes n, free n }] }
 *   book       C { room n, day DAY, start START, name t, phone t, born n (year), card t?, priority t?, lang t, once t }
 *                -> BOOKED + { code t }. `once` is a random text of the form: the same again gives the same answer.
 *                Reasons: "" | "emergency" "child" "pregnant" "disabled" "elderly" "merit" | checked at the counter.
 *                refused: slot-full slot-gone day-closed too-soon too-many name phone born card
 *   lookup       { code t, phone t } -> BOOKED                            refused: unknown
 *   cancel     C { code t, phone t } -> BOOKED                            refused: unknown too-late
 *   ticket       { ref t } -> BOOKED: for staff, with name and phone unmasked, { born n, card t, reason t }; never the code    (clerk)
 * --- queue.c: ROLE_CLERK, unless said ---
 *   arrive     C { code t | day DAY, room n, number n; priority b? } -> BOOKED + { name t }           refused: unknown state day
 *   walk-in    C { room n, priority t?, name t?, phone t?, born n?, lang t } -> BOOKED + { code t }          refused: day-closed
 *   next       C { room n } -> { called BOOKED? }                  (nobody waits: called is absent)   refused: paused, state (8 are called)
 *   again      C { ref t } -> { called BOOKED }    skip C { ref t }    done C { ref t }    back C { ref t } (a missed one waits again)
 *   transfer   C { ref t, room n } -> { called BOOKED }             keeps its number's label; goes in as one who has waited since it arrived
 *   pause      C { room n, paused b } -> {}
 *   waiting      { room n } -> { waiting [BOOKED + { since TIME }], called [BOOKED], missed [BOOKED], paused b }
 *   day-list     { day DAY, room n? } -> { rooms [{ room n, name t, bookings [BOOKED + { name t, phone t, born n }] }] }
 *   board        { } -> { day DAY, at TIME, rooms [{ room n, name t, specialty NAME, now [{ label t, at TIME, calls n }], next [t],
 *                waiting n, paused b }], seq n }                                              (anybody; numbers only, never a name)
 * --- staff.c ---
 *   sign-in    C { login t, password t } -> { session t, name t, login t, roles n, ends TIME }              refused: sign-in wait   (anybody)
 *   sign-out   C { } -> {}           who { } -> { name t, login t, roles n }
 *   password   C { old t, new t } -> {}                                                               refused: password short wait
 *   staff        { } -> { staff [{ id n, login t, name t, roles n, active b }] }                                            (admin)
 *   staff-put  C { id n?, login t, name t, roles n, password t?, active b } -> { id n }           refused: login short value unknown last-admin
 *   first      C { login t, name t, password t } -> { id n }: the first admin, while there is none, else refused: state (by the command line)   (kiosk)
 * --- setting.c: ROLE_ADMIN ---
 *   settings     { } -> { values { name: t }, specialties [...], rooms [...], hours [...], holidays [...] }: rows as in schema.c
 *   set        C { values { name: t } } -> {}                                                                  refused: value
 *                clinic phone zone open_days lead_minutes per_phone per_phone_ahead per_address priority_weight wait_cap_minutes slot_fee_hold_minutes
 *                bank_bin bank_account bank_name keep_days ...: the table in setting.c has default, bounds and meaning
 *   specialty-put C { id n?, place n, name NAME, fee n, active b } -> { id n }
 *   room-put   C { id n?, specialty n, place n, name t, letter t, active b } -> { id n }
 *   hours-put  C { id n?, room n, weekday n, begins START, ends START, minutes n, places n } -> { id n, kept n }   hours-remove C { id n } -> { kept n }
 *   holiday-put C { day DAY, room n (0: all), name t } -> { booked n: who has to be told }    holiday-remove C { day DAY, room n }
 *   slot-put   C { room n, day DAY, start START, places n, closed b } -> {}
 * --- payment.c ---
 *   notice     C { bank t ("sepay", "payos"), authorization t, body t (as it came) } -> { taken b (it is new), known b }    (bank)
 *                                                                                       refused: signature body
 *   paid         { ref t } -> { payment }                                                                            (anybody)
 *   tray         { } -> { receipts [{ id n, bank t, bank_id t, at TIME, amount n, content t, reference t, state t, note t, booking BOOKED? }],
 *                waiting n (receipts has the first 200), zone n }                                                     (clerk)
 *                states in it: unmatched account late (not counted), over cancelled (counted, to be paid back)
 *   settle     C { id n, code t? ref t?, note t } -> {}      a receipt put to a booking by hand         refused: unknown state value
 *   refund     C { id n, note t } -> { amount n }             noted as paid back: of "over" what is too much   refused: unknown state value
 *   cash       C { ref t, amount n, note t } -> { payment }   at most what is still to be paid           refused: unknown state value
 *   reconcile  C { day DAY, csv t } -> { matched n, lines n (that came in), bad [{ line n, why t }],     refused: body value
 *                missing [{ line n, bank_id t, amount n, at TIME, reference t }] (there, not here), differ [as missing + { id n, ours n }],
 *                unknown [{ id n, bank t, bank_id t, amount n, at TIME, reference t }] (here, not there), missing_n n, differ_n n,
 *                unknown_n n, bad_n n: the lists have the first 1,000; why: amount time number twice }
 *   takings      { day DAY } -> { day DAY, total n (less what was paid back), by_state { t: { count n, amount n } },       refused: value
 *                banks [{ bank t ("back": what was paid back), count n, amount n }], rooms [{ room n, name t, count n, amount n }]:
 *                either adds up to total; room 0: no booking has it, or none yet }
 * --- fhir.c: ROLE_HOSPITAL or ROLE_KIOSK ---
 *   fhir-slots C { bundle t } -> { taken n, refused [{ id t, why t }] }     Slot: room by schedule reference "Schedule/room-3"
 *   outbox       { n n } -> { items [{ id n, what t, appointment t (JSON), tries n }], waiting n }
 *   outbox-sent C { id n } -> {}          outbox-failed C { id n, why t } -> { next TIME }
 * --- upkeep.c: ROLE_KIOSK, once a minute ---
 *   upkeep     C { } -> { opened n (slots), voided n (payments), missed n, purged n }
 */
#ifndef KHIEN_KIOSK_OPS_H
#define KHIEN_KIOSK_OPS_H

#include "kiosk/desk.h"
#include "kiosk/schema.h"

/* BOOKED of one booking, into `out`. plain: name and phone as they are. -ENOENT. For all that answer with one. */
int booked_say(struct call *c, struct str ref, bool plain, json_t *out, struct err *err);
/* A row for the hospital's system; what: "booked", "arrived", "cancelled", "seen", "missed". Called wherever a booking's state changes. */
int outbox_put(struct call *c, struct str ref, const char *what, struct err *err);
/* The payment of a booking that was just made; fee 0: none. And of one that was cancelled. */
int payment_open(struct call *c, struct str ref, int64_t fee, struct err *err);
int payment_void(struct call *c, struct str ref, struct err *err);
/* What payers wrote goes, of receipts that were made before: for upkeep. Number of them, at most 5,000 at once, or -errno. */
int64_t payment_purge(struct call *c, int64_t before, struct err *err);
/* {"payment": ...} of BOOKED; nothing where there is none. */
int payment_say(struct call *c, struct str ref, json_t *out, struct err *err);

#endif
