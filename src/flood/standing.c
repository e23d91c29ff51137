/* What a flood says of itself and of an address. See flood.h. */
#include "flood/inside.h"

#include <math.h>

const char *flood_reason_name(enum flood_reason r)
{
	static const char *const names[] = { "free",       "allowed", "blocked", "stranger",    "share",     "network",
		                             "new-people", "cost",    "errors",  "fingerprint", "persistent" };
	_Static_assert(ARRAY_LEN(names) == N_FLOOD_REASONS, "a name for each reason");
	return r < N_FLOOD_REASONS ? names[r] : "?";
}

const char *flood_verdict_name(enum flood_verdict v)
{
	static const char *const names[] = { "pass", "slow", "deny", "drop" };
	_Static_assert(ARRAY_LEN(names) == N_FLOOD_VERDICTS, "a name for each verdict");
	return v < N_FLOOD_VERDICTS ? names[v] : "?";
}

void flood_state(const struct flood *f, struct flood_time t, struct flood_state *ret)
{
	const struct control *c = &f->c;
	struct slot sum;
	flood_sums(f, &sum);
	*ret = (struct flood_state){ .pressure = get_double(&c->pressure),
		                     .share = get_double(&c->share),
		                     .stranger = get_double(&c->stranger),
		                     .latency_ms = get_double(&c->took_us) / 1000,
		                     .normal_ms = get_double(&c->normal_us) / 1000,
		                     .errors = get_double(&c->errors),
		                     .busy = fmax(0, (double)(sum.open - (int64_t)sum.waiting)),
		                     .lag_ms = get_double(&c->lag_ms),
		                     .gate_busy = get_double(&c->gate_busy),
		                     .rate = get_double(&c->rate),
		                     .normal_rate = get_double(&c->expected),
		                     .strict_since_us = GET(c->strict_us),
		                     .asked = sum.asked,
		                     .passes_given = sum.given,
		                     .passes_valid = sum.valid,
		                     .passes_bad = sum.bad,
		                     .records_shed = GET(f->records_shed),
		                     .events_shed = GET(f->events_shed) };
	memcpy(ret->verdicts, sum.verdicts, sizeof(ret->verdicts));
	memcpy(ret->reasons, sum.reasons, sizeof(ret->reasons));
}

void flood_standing(const struct flood *f, const struct flood_addr *a, struct flood_time t, struct flood_standing *ret)
{
	struct sketch use = flood_use(f), slow = flood_slow(f), noise = flood_noise(f);
	struct flood_keys k;
	struct sketch_key people, away;
	struct judged j;
	unsigned bits;
	struct flood_addr whole = flood_whole(a, &bits);
	struct flood_standing s = { 0 };
	flood_keys_of(f, a, &k);
	sketch_find(&slow, k.addr, &people);
	sketch_find(&noise, k.addr, &away);
	s.rate = (double)(sketch_level(&use, &k.use_addr, USE_COST, t.now_us) / TAU_S);
	s.network_rate = (double)(sketch_level(&use, &k.use_network, USE_COST, t.now_us) / TAU_S);
	s.errors = (double)(sketch_level(&slow, &people, SLOW_ERRORS, t.now_us) / TAU_SLOW_S);
	s.people = (double)sketch_level(&slow, &people, SLOW_PEOPLE, t.now_us);
	s.turned_away = (double)(flood_offence(f, sketch_level(&noise, &away, NOISE_OFFENCE, t.now_us)) / TAU_S);
	s.shared = flood_is_shared(f, k.addr, t.now_us);
	flood_judge_stranger(f, &k, 1, 1, 0.5f, false, t.now_us, &j);
	s.verdict = j.verdict;
	s.reason = j.reason;
	s.share = (double)j.share;
	float done = sketch_level(&slow, &people, SLOW_DONE, t.now_us);
	s.cost = done > 0 ? (double)(sketch_level(&slow, &people, SLOW_COST, t.now_us) / done) : 0;
	flood_record_last(f, a, &s.last);
	int64_t since_us;
	if (flood_offender_since(f, &whole, &since_us)) {
		s.since_s = t.wall_s - (t.now_us - since_us) / 1000000;
		if (s.verdict == FLOOD_DENY && !s.shared && s.last.verdict == FLOOD_DROP &&
		    flood_is_persistent((float)s.turned_away * TAU_S)) {
			s.verdict = FLOOD_DROP;
			s.reason = FLOOD_PERSISTENT;
		}
	}
	if (s.verdict == FLOOD_DROP) /* until so much has faded that it is only turned away */
		s.until_s = t.wall_s + (int64_t)(TAU_S * logf(fmaxf(1, (float)s.turned_away * TAU_S / 300))) + 1;
	if (flood_listed(f, a, t.wall_s, &s.list)) {
		bool allowed = s.list.action == LIST_ALLOW;
		s.verdict = allowed ? FLOOD_PASS : FLOOD_DROP;
		s.reason = allowed ? FLOOD_ALLOWED : FLOOD_BLOCKED;
		s.until_s = s.list.until_s == INT64_MAX ? 0 : s.list.until_s;
	}
	*ret = s;
}
