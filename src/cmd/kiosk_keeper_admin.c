/* What whoever may open DATA/control asks of the keeper itself: how it stands, and who of two kiosks goes on. */
#include "cmd/kiosk_keeper.h"

#include <errno.h>

static json_t *refusal(const char *word)
{
	return json_pack("{s:s}", "refused", word);
}

void keeper_told(void *arg, const char *refused)
{
	struct keeper *k = arg;
	const struct asker *a = &k->askers[k->asked_by];
	if (!k->asked)
		return;
	k->asked = false;
	if (a->link.fd >= 0 && a->generation == k->asked_generation)
		keeper_answer(k, k->asked_by, k->asked_number, refused ? refusal(refused) : json_object());
}

static json_t *status(struct keeper *k)
{
	const struct kiosk_state *s = &k->state;
	json_t *out = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "database",
	                        db_kind(k->db) == DB_SQLITE ? "sqlite" : "postgresql", "calls", (json_int_t)s->calls,
	                        "changes", (json_int_t)s->changes, "rounds", (json_int_t)s->rounds, "refused",
	                        (json_int_t)s->refused, "given_up", (json_int_t)s->given_up, "seq",
	                        (json_int_t)desk_seq(k->desk), "epoch", (json_int_t)desk_epoch(k->desk), "not_stored",
	                        s->why);
	struct follow_status f = { .state = FOLLOW_SINGLE, .why = "" };
	if (k->follow)
		follow_status(k->follow, &f);
	json_t *follow = json_pack("{s:s, s:s, s:I, s:I, s:b, s:b, s:b, s:I}", "state", follow_state_name(f.state),
	                           "why", f.why ? f.why : "", "confirmed", (json_int_t)f.confirmed, "standby_has",
	                           (json_int_t)f.standby_has, "peer", f.up[FOLLOW_PEER], "register",
	                           f.up[FOLLOW_REGISTER], "copying", f.copying, "copies", (json_int_t)f.copies);
	json_object_set_new(out, "follow", follow);
	return out;
}

/* The answer may come later: one at a time. */
static json_t *decide(struct keeper *k, unsigned asker, uint64_t number, const char *op, bool sure)
{
	struct err err = { 0 };
	if (!k->follow)
		return refusal("no-standby");
	if (strcmp(op, "rejoin") == 0) {
		const int code = follow_rejoin(k->follow, &err);
		return !code             ? json_object()
		       : code == -EINVAL ? refusal("not-stale")
		                         : json_pack("{s:s}", "trouble", err.text);
	}
	if (k->asked)
		return refusal("busy");
	k->asked = true;
	k->asked_by = asker;
	k->asked_generation = k->askers[asker].generation;
	k->asked_number = number;
	if (strcmp(op, "promote") == 0)
		follow_promote(k->follow, sure);
	else
		follow_alone(k->follow, sure);
	return NULL;
}

bool keeper_admin(struct keeper *k, unsigned asker, uint64_t number, json_t *call)
{
	static const char *const ops[] = { "status", "only", "promote", "alone", "rejoin" };
	struct asker *a = &k->askers[asker];
	const char *op = json_string_value(json_object_get(call, "op"));
	size_t i = 0;
	while (op && i < ARRAY_LEN(ops) && strcmp(op, ops[i]) != 0)
		i++;
	if (!op || i == ARRAY_LEN(ops))
		return false;
	json_t *answer;
	if (i == 0) {
		answer = status(k);
	} else if (i == 1) { /* who reads foreign bytes gives up what it doesn't need */
		a->may &= (uint32_t)json_integer_value(json_object_get(call, "roles"));
		answer = json_object();
	} else if (!(a->may & ROLE_KIOSK)) {
		answer = refusal("role");
	} else {
		answer = decide(k, asker, number, op, json_is_true(json_object_get(call, "sure")));
	}
	if (answer)
		keeper_answer(k, asker, number, answer);
	return true;
}
