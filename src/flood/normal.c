/* The site's normal: by hour of the week, and which TLS clients come. See inside.h; kept as text over restarts. */
#include "flood/inside.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define TINT_USUAL    0.002f   /* of all: less is one of the rare ones, which are judged together */
#define TINT_KEPT     0.00025f /* over restarts */
#define TINT_LITTLE   0.02f
#define TINT_TIMES    3.0f
#define TINT_WEIGHT   256.0f
#define TINT_KNOWN    1000 /* requests seen at rest before anything is said */
#define TINT_MEMORY_S 100000.0
#define PEAK_S        10
#define HOUR_ENOUGH   600 /* seconds seen of an hour */
#define WEEK_WEIGHT   0.3f

static int64_t week_hour(struct flood_time t)
{
	int64_t hours = (t.wall_s + t.zone_s) / 3600; /* 1970 began on a Thursday: hour 0 is Monday's first */
	return ((hours + 72) % HOURS + HOURS) % HOURS;
}

/* --- fingerprints --- */

float flood_tint(struct flood *f, uint64_t hello)
{
	if (!hello)
		return 1;
	struct tint *set = &f->tints[hello % (TINTS / TINT_WAYS) * TINT_WAYS], *least = NULL;
	for (unsigned i = 0; i < TINT_WAYS; i++) {
		struct tint *t = &set[i];
		if (GET(t->hash) == hello) {
			ADD(t->seen, 1);
			return get_float(&t->weight);
		}
		if (get_float(&t->normal) < TINT_USUAL && (!least || GET(t->seen) < GET(least->seen)))
			least = t;
	}
	ADD(f->tint_others, 1);
	if (least && get_float(&least->now) < TINT_USUAL && GET(least->seen) < 2) {
		PUT(least->hash, hello);
		put_float(&least->weight, get_float(&f->t.other_weight));
	}
	return get_float(&f->t.other_weight);
}

static float tint_weight(float now, float normal)
{
	float times = now / (normal + TINT_LITTLE);
	return times <= TINT_TIMES ? 1 : fminf(TINT_WEIGHT, times * times / (TINT_TIMES * TINT_TIMES));
}

/* Once a second: shares of what came, and what that makes a stranger's request weigh. */
void flood_tint_tick(struct flood *f, int64_t now_us, bool rest)
{
	if (now_us - f->t.tint_us < 1000000)
		return;
	f->t.tint_us = now_us;
	float total = (float)__atomic_exchange_n(&f->tint_others, 0, __ATOMIC_RELAXED);
	uint32_t seen[TINTS];
	for (unsigned i = 0; i < TINTS; i++)
		total += (float)(seen[i] = __atomic_exchange_n(&f->tints[i].seen, 0, __ATOMIC_RELAXED));
	if (total < 1)
		return;
	if (rest)
		f->t.tint_n += total;
	/* By time, not by requests: a flood's first second is one second. */
	float slow = rest ? 1 / (float)fmin(fmax(f->t.rest_s, 1), TINT_MEMORY_S) : 0, quick = fminf(0.2f, total / 50);
	float usual_now = 0, usual_normal = 0;
	bool says = f->t.tint_n >= TINT_KNOWN && !(f->without & FLOOD_WITHOUT_FINGERPRINT);
	for (unsigned i = 0; i < TINTS; i++) {
		struct tint *t = &f->tints[i];
		float share = (float)seen[i] / total;
		put_float(&t->now, t->now + (share - t->now) * quick);
		put_float(&t->normal, t->normal + (share - t->normal) * slow);
		if (t->normal >= TINT_USUAL) {
			usual_now += t->now;
			usual_normal += t->normal;
		}
	}
	f->t.other_now = fmaxf(0, 1 - usual_now);
	f->t.other_normal = fmaxf(0, 1 - usual_normal);
	float other = says ? tint_weight(f->t.other_now, f->t.other_normal) : 1;
	put_float(&f->t.other_weight, other);
	for (unsigned i = 0; i < TINTS; i++) {
		struct tint *t = &f->tints[i];
		float weight = says ? tint_weight(t->now, t->normal) : 1;
		put_float(&t->weight, t->normal < TINT_USUAL ? fmaxf(weight, other) : weight);
	}
}

/* --- hours of the week --- */

static void fold(struct hour *h, float peak, float rate, float latency)
{
	float weight = h->weeks ? WEEK_WEIGHT : 1;
	put_float(&h->peak, h->peak + (peak - h->peak) * weight);
	put_float(&h->rate, h->rate + (rate - h->rate) * weight);
	put_float(&h->latency_us, h->latency_us + (latency - h->latency_us) * weight);
	PUT(h->weeks, h->weeks + 1);
}

/* The same hour of the day before or after says more than nothing. */
static const struct hour *hour_like(const struct flood *f, int64_t hour)
{
	static const int ways[] = { 0, -24, 24, -48, 48 };
	for (unsigned i = 0; i < ARRAY_LEN(ways); i++) {
		const struct hour *h = &f->hours[(hour + ways[i] + HOURS) % HOURS];
		if (GET(h->weeks))
			return h;
	}
	return NULL;
}

/* What was admitted is learned, not what came: a flood doesn't become a habit. */
void flood_hour_tick(struct flood *f, struct flood_time time, double seconds, bool rest)
{
	struct ticker *t = &f->t;
	int32_t hour = (int32_t)week_hour(time);
	double admitted = get_double(&f->c.admitted), site = get_double(&f->c.normal_us);
	if (hour != t->hour) {
		if (t->hour >= 0 && t->hour_s >= HOUR_ENOUGH)
			fold(&f->hours[t->hour], (float)t->hour_peak, (float)(t->hour_rate / t->hour_s),
			     (float)(t->hour_took / t->hour_s));
		t->hour_rate = t->hour_took = t->hour_peak = t->hour_s = t->hour_ten = 0;
		t->hour = hour;
		const struct hour *h = hour_like(f, hour);
		put_double(&f->c.expected, h ? (double)h->peak : 0);
		double slower = h && site > 0 ? (double)h->latency_us / site - 1 : 0;
		PUT(f->c.hour_slow, (uint32_t)(1024 * fmin(fmax(slower, 0), 3)));
	}
	t->hour_ten += (admitted - t->hour_ten) * (1 - exp(-seconds / PEAK_S));
	t->hour_peak = fmax(t->hour_peak, t->hour_ten);
	if (!rest)
		return;
	t->hour_s += seconds;
	t->hour_rate += admitted * seconds;
	t->hour_took += get_double(&f->c.took_us) * seconds;
}

/* --- as text --- */

size_t flood_normal_save(const struct flood *f, char *ret, size_t room)
{
	size_t n = 0;
#define LINE(...) n += (size_t)snprintf(n < room ? ret + n : NULL, n < room ? room - n : 0, __VA_ARGS__)
	LINE("normal 1\nsite %.0f %.0f %.0f\n", f->t.rest_s, get_double(&f->c.normal_us), f->t.tint_n);
	for (unsigned i = 0; i < HOURS; i++) {
		struct hour h = f->hours[i];
		if (h.weeks)
			LINE("hour %u %.3f %.3f %.0f %u\n", i, (double)h.peak, (double)h.rate, (double)h.latency_us,
			     h.weeks);
	}
	for (unsigned i = 0; i < TINTS; i++) {
		uint64_t hash = GET(f->tints[i].hash);
		float normal = get_float(&f->tints[i].normal);
		if (hash && normal >= TINT_KEPT)
			LINE("hello %016lx %.5f\n", (unsigned long)hash, (double)normal);
	}
#undef LINE
	return n < room ? n : 0;
}

struct loaded {
	double rest_s, normal_us, tint_n;
	struct hour hours[HOURS];
	struct tint tints[TINTS];
	bool version;
};

/* Numbers parted by single blanks; how many there were, 0: something else. */
static unsigned numbers(struct str s, double *ret, unsigned most)
{
	unsigned n = 0;
	while (s.n && n < most) {
		size_t end = str_find(s, ' ');
		char text[32], *rest;
		if (end == 0 || end >= sizeof(text) || !strchr("0123456789", s.p[0]))
			return 0;
		memcpy(text, s.p, end);
		text[end] = '\0';
		ret[n++] = strtod(text, &rest);
		if (*rest || !isfinite(ret[n - 1]) || ret[n - 1] > 1e15)
			return 0;
		s = str_sub(s, end + 1, s.n);
	}
	return s.n ? 0 : n;
}

static bool load_hello(struct loaded *l, struct str s)
{
	char text[17];
	double normal;
	if (s.n < 18 || s.p[16] != ' ' || numbers(str_sub(s, 17, s.n), &normal, 1) != 1 || normal > 1)
		return false;
	memcpy(text, s.p, 16);
	text[16] = '\0';
	char *rest;
	uint64_t hash = strtoull(text, &rest, 16);
	if (*rest || !hash || strspn(text, "0123456789abcdef") != 16)
		return false;
	struct tint *set = &l->tints[hash % (TINTS / TINT_WAYS) * TINT_WAYS];
	for (unsigned i = 0; i < TINT_WAYS; i++) {
		if (!set[i].hash) {
			set[i] = (struct tint){ .hash = hash, .normal = (float)normal, .weight = 1 };
			return true;
		}
	}
	return true; /* more of them than there is room for: the first ones stay */
}

static bool load_line(struct loaded *l, struct str s)
{
	double d[5];
	if (!l->version)
		return l->version = str_eq(s, STR("normal 1"));
	if (str_starts(s, STR("site "))) {
		if (numbers(str_sub(s, 5, s.n), d, 3) != 3)
			return false;
		l->rest_s = d[0], l->normal_us = d[1], l->tint_n = d[2];
		return true;
	}
	if (str_starts(s, STR("hello ")))
		return load_hello(l, str_sub(s, 6, s.n));
	if (!str_starts(s, STR("hour ")) || numbers(str_sub(s, 5, s.n), d, 5) != 5 || d[0] >= HOURS ||
	    d[0] != floor(d[0]) || d[4] < 1 || d[4] > 1e6)
		return false;
	l->hours[(unsigned)d[0]] = (struct hour){ (float)d[1], (float)d[2], (float)d[3], (uint32_t)d[4] };
	return true;
}

int flood_normal_load(struct flood *f, struct str text, struct err *err)
{
	struct loaded l = { 0 };
	unsigned line = 0;
	if (text.n > FLOOD_NORMAL_MAX)
		return err_set(err, -EINVAL, "longer than %d bytes", FLOOD_NORMAL_MAX);
	while (text.n) {
		struct str s = str_sub(text, 0, str_find(text, '\n'));
		text = str_sub(text, s.n + 1, text.n);
		line++;
		if (s.n && !load_line(&l, s))
			return err_set(err, -EINVAL,
			               "%u: expected 'normal 1' first, then 'site REST_S NORMAL_US SEEN', 'hour 0-167 "
			               "PEAK RATE LATENCY_US WEEKS', 'hello HASH SHARE'",
			               line);
	}
	if (!l.version)
		return err_set(err, -EINVAL, "1: empty; expected 'normal 1'");
	f->t.rest_s = l.rest_s;
	f->t.tint_n = l.tint_n;
	f->t.normal_mean = l.normal_us;
	f->t.normal_n = l.normal_us > 0 ? 1000 : 0;
	put_double(&f->c.normal_us, fmin(l.normal_us, 4e6));
	memcpy(f->hours, l.hours, sizeof(f->hours));
	memcpy(f->tints, l.tints, sizeof(f->tints));
	f->t.hour = -1;
	return 0;
}
