/* Which account a notice is of. */
#include "kiosk/payment_fixture.h"

static struct fixture *prepare(void **state)
{
	struct fixture *f = fixture_of(state);
	payment_secrets(f);
	payment_bank(f);
	payment_booking(f, "b1", 2, 100000);
	payment_booking(f, "b2", 3, 50000);
	return f;
}

/* A gateway may watch other accounts of the hospital, or somebody else's: what came in there has paid for nothing here. */
static void test_another_account(void **state)
{
	struct fixture *f = prepare(state);
	const char *const ours[] = { NULL, "", "257678859", "2576 78.859" };
	char reference[REFERENCE_LENGTH + 1];
	snprintf(reference, sizeof(reference), "%s", payment_reference(f, "b1"));
	const char *const others[] = { "257678858", "25767885", "2576788590", "x" };
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		payment_expect(f, "notice",
		               payment_notice_to(others[i], (int64_t)i + 1, 100000, reference, "2026-11-23 08:00:30"),
		               json_pack("{s:b}", "taken", 1));
	payment_assert(f, "b1", "open", 0);
	payment_assert_tray(f, "account 1, account 2, account 3, account 4");
	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		payment_expect(f, "notice",
		               payment_notice_to(ours[i], (int64_t)i + 11, 25000, reference, "2026-11-23 08:00:30"),
		               json_pack("{s:b}", "taken", 1));
		payment_assert(f, "b1", i == 3 ? "paid" : "short", 25000 * ((int64_t)i + 1));
	}
	/* a person may know better, or sends it back */
	payment_expect(f, "settle", json_pack("{s:i, s:s, s:s}", "id", 1, "ref", "b2", "note", "our old account"),
	               json_object());
	payment_assert(f, "b2", "over", 100000);
	payment_expect(f, "refund", json_pack("{s:i, s:s}", "id", 2, "note", "x"),
	               json_pack("{s:i}", "amount", 100000));
	payment_assert(f, "b1", "paid", 100000);
	payment_assert_tray(f, "over 1, account 3, account 4");
}

/* The code on the ticket is of a virtual account: the notice names the real one, and that beside. */
static void test_virtual_account(void **state)
{
	struct fixture *f = prepare(state);
	json_t *in = payment_notice_to("1111", 1, 100000, payment_reference(f, "b1"), "2026-11-23 08:00:30");
	json_t *body = json_loads(json_string_value(json_object_get(in, "body")), 0, NULL);
	json_object_set_new(body, "subAccount", json_string("257678859"));
	char *text = json_dumps(body, 0);
	json_object_set_new(in, "body", json_string(text));
	free(text);
	json_decref(body);
	payment_expect(f, "notice", in, json_pack("{s:b}", "taken", 1));
	payment_assert(f, "b1", "paid", 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_another_account),
		BOTH(test_virtual_account),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
