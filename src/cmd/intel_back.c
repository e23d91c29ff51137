#include "cmd/intel_back.h"

#include "base/clock.h"
#include "cmd/known.h"
#include "intake/intake.h"

#include <errno.h>
#include <stdlib.h>

enum { ARENA_MAX = 256 << 20 };

/* What a value of the store is held against; read by two threads at once. */
struct probe {
	const struct intel_set *set;
	uint32_t now;
	enum intel_kind kind;
	bool paths; /* the set has URLs: a path may be one of them, with a host that stands elsewhere */
	atomic_bool *covered;
	struct str *fields;
	size_t n_fields;
};

struct run {
	const struct back_config *c;
	struct back *back;
	struct engine *engine;
	struct intel_checker *checker;
	const struct format *json;
	struct event event;
	uint64_t number; /* of the event at hand */
	int64_t time;
	atomic_bool covered[N_BACK_KINDS];
	struct probe probes[N_INTEL_KINDS];
	struct event_expr terms[N_INTEL_KINDS];
	bool failed;
};

const char *back_kind_name(enum back_kind kind)
{
	static const char *const names[N_BACK_KINDS] = { "addresses", "names", "URLs", "hashes" };
	return names[kind];
}

enum back_kind back_kind_of(enum intel_type type)
{
	static const enum back_kind kinds[N_INTEL_TYPES] = {
		[INTEL_ADDRESS] = BACK_ADDRESS, [INTEL_NETWORK] = BACK_ADDRESS, [INTEL_DOMAIN] = BACK_NAME,
		[INTEL_NAME] = BACK_NAME,       [INTEL_URL] = BACK_URL,         [INTEL_BELOW] = BACK_URL,
		[INTEL_HASH] = BACK_HASH,
	};
	return kinds[type];
}

/* --- values of the store --- */

/* That such a value is there at all is noted once. */
static void note_covered(const struct probe *t, struct str text)
{
	uint8_t address[16];
	enum back_kind kind = BACK_NAME;
	if (t->kind == INTEL_OF_HASH)
		kind = BACK_HASH;
	else if (t->kind == INTEL_OF_URL || t->kind == INTEL_OF_PATH)
		kind = BACK_URL;
	else if (t->kind == INTEL_OF_ADDRESS || t->kind == INTEL_OF_TEXT || intel_address(text, address))
		kind = BACK_ADDRESS;
	if (!atomic_load_explicit(&t->covered[kind], memory_order_relaxed))
		atomic_store(&t->covered[kind], true);
	if (kind == BACK_URL && !atomic_load_explicit(&t->covered[BACK_NAME], memory_order_relaxed))
		atomic_store(&t->covered[BACK_NAME], true);
}

static bool probe_value(void *arg, struct str text)
{
	const struct probe *t = arg;
	const struct intel_look look = { .set = t->set, .now = t->now };
	uint32_t n = 0;
	bool path = t->kind == INTEL_OF_PATH && text.n && text.p[0] == '/';
	if (path || intel_look_value(&look, t->kind, text, &n))
		note_covered(t, text);
	return n || (path && t->paths);
}

/* Where the fields of a kind stand in events: all places that the mapping knows, but those with a "*". */
static int gather_fields(struct run *run, const struct ruleset *rs, enum intel_kind kind)
{
	struct probe *t = &run->probes[kind];
	t->fields = calloc(rs->n_paths + 1, sizeof(*t->fields));
	if (!t->fields)
		return -ENOMEM;
	for (uint32_t p = 0; p < rs->n_paths; p++) {
		struct str path = ruleset_text(rs, rs->paths[p].path);
		if (rs->paths[p].field == rs->asked[kind] && str_find(path, '*') == path.n)
			t->fields[t->n_fields++] = path;
	}
	return 0;
}

static int make_terms(struct run *run, struct err *err)
{
	const struct ruleset *rs = engine_ruleset(run->engine);
	struct intel_counts counts = intel_set_counts(run->c->set);
	for (unsigned kind = 0; kind < N_INTEL_KINDS; kind++) {
		run->probes[kind] = (struct probe){
			.set = run->c->set,
			.now = (uint32_t)(run->c->now / CLOCK_S),
			.kind = (enum intel_kind)kind,
			.paths = counts.by_type[INTEL_URL] || counts.by_type[INTEL_BELOW],
			.covered = run->covered,
		};
		if (gather_fields(run, rs, (enum intel_kind)kind))
			return err_set(err, -ENOMEM, "%m");
		run->terms[kind] = (struct event_expr){
			.kind = EXPR_TERM,
			.term = { .kind = TERM_TEST,
			          .fields = run->probes[kind].fields,
			          .n_fields = run->probes[kind].n_fields,
			          .test = probe_value,
			          .arg = &run->probes[kind] },
		};
	}
	return 0;
}

/* --- finds --- */

static uint64_t hash_find(const struct intel_found *f)
{
	uint64_t h = 0xcbf29ce484222325u + f->type;
	for (size_t i = 0; i < f->text.n; i++)
		h = (h ^ (unsigned char)f->text.p[i]) * 0x100000001b3u;
	for (size_t i = 0; i < f->feed.n; i++)
		h = (h ^ (unsigned char)f->feed.p[i]) * 0x100000001b3u;
	return h ^ h >> 32;
}

static uint32_t *slot_of(struct back *b, const struct intel_found *f)
{
	for (uint64_t h = hash_find(f);; h++) {
		uint32_t *slot = &b->slots[h & (b->cap_slots - 1)];
		if (!*slot)
			return slot;
		const struct back_find *at = &b->finds[*slot - 1];
		if (at->type == f->type && str_eq(at->text, f->text) && str_eq(at->feed, f->feed))
			return slot;
	}
}

/* The places of finds are settled beforehand: at most BACK_FINDS_MAX are kept. */
static int make_room(struct back *b, struct err *err)
{
	b->arena.max = ARENA_MAX;
	b->cap_finds = BACK_FINDS_MAX;
	b->cap_slots = 1 << 18;
	b->finds = calloc(b->cap_finds, sizeof(*b->finds));
	b->slots = calloc(b->cap_slots, sizeof(*b->slots));
	return b->finds && b->slots ? 0 : err_set(err, -ENOMEM, "%m");
}

static void add_host(struct run *run, struct back_find *f)
{
	const struct value *v = event_value(&run->event, FIELD_HOST);
	for (uint32_t i = 0; v && i < f->n_hosts && i < BACK_HOSTS; i++)
		if (str_eq(f->hosts[i], v->text))
			return;
	if (!v || f->n_hosts > BACK_HOSTS)
		return;
	if (f->n_hosts < BACK_HOSTS) {
		struct str copy = arena_copy(&run->back->arena, str_sub(v->text, 0, BACK_TEXT_MAX));
		if (!copy.p)
			return;
		f->hosts[f->n_hosts] = copy;
	}
	f->n_hosts++;
}

static void take_find(void *arg, const struct intel_found *found)
{
	struct run *run = arg;
	struct back *b = run->back;
	struct intel_found key = *found;
	key.text = str_sub(key.text, 0, BACK_TEXT_MAX);
	uint32_t *slot = slot_of(b, &key);
	if (!*slot) {
		struct back_find fresh = {
			.type = key.type,
			.text = arena_copy(&b->arena, key.text),
			.feed = arena_copy(&b->arena, key.feed),
			.reference = arena_copy(&b->arena, key.reference),
			.field = arena_copy(&b->arena, str_sub(intel_event_field(run->checker), 0, BACK_TEXT_MAX)),
			.first = run->time,
			.last = run->time,
		};
		if (b->n_finds == b->cap_finds || !fresh.text.p || !fresh.feed.p || !fresh.reference.p) {
			b->shed++;
			return;
		}
		b->finds[b->n_finds] = fresh;
		*slot = (uint32_t)++b->n_finds;
	}
	struct back_find *f = &b->finds[*slot - 1];
	if (f->event == run->number)
		return; /* in another field of the same event */
	f->event = run->number;
	f->events++;
	f->first = run->time < f->first ? run->time : f->first;
	f->last = run->time > f->last ? run->time : f->last;
	add_host(run, f);
}

static int take_event(void *arg, const struct event_row *row)
{
	struct run *run = arg;
	struct err err;
	if (intake_parse(run->json, NULL, row->json, row->time, &run->event, &err))
		return 0;
	run->number++;
	run->time = row->time;
	intel_event(run->checker, &run->event, run->c->now, take_find, run);
	return 0;
}

static int most_first(const void *a, const void *b)
{
	const struct back_find *x = a, *y = b;
	if (x->events != y->events)
		return x->events < y->events ? 1 : -1;
	return x->first < y->first ? -1 : x->first > y->first;
}

static int note_oldest(void *arg, const struct event_usage *u)
{
	struct back *b = arg;
	if (u->events && (!b->oldest || u->oldest < b->oldest))
		b->oldest = u->oldest;
	return 0;
}

static int search(struct run *run, struct err *err)
{
	const struct events_config config = { .dir = run->c->store, .read_only = true, .clock = &clock_system };
	const struct event_expr any = { .kind = EXPR_OR, .of = run->terms, .n = N_INTEL_KINDS };
	const struct event_query q = {
		.from = run->c->from,
		.where = &any,
		.oldest_first = true,
		.cancel = run->c->cancel,
		.progress = run->c->progress,
		.progress_arg = run->c->arg,
	};
	struct events *store;
	int r = events_embedded.open(&store, &config, err);
	if (r)
		return r;
	r = events_embedded.usage(store, note_oldest, run->back, err);
	r = r ? r : events_embedded.find(store, &q, take_event, run, &run->back->found, err);
	events_embedded.close(store);
	for (unsigned i = 0; i < N_BACK_KINDS; i++)
		run->back->covered[i] = atomic_load(&run->covered[i]);
	return r;
}

static int prepare(struct run *run, struct err *err)
{
	struct known known;
	struct engine_config config = { .threads = 1, .no_jit = true };
	known_ask(&known, &config.rules);
	int r = make_room(run->back, err);
	r = r ? r : engine_open(&run->engine, &config, err);
	r = r ? r : known_checker(&run->checker, run->engine, err);
	if (r)
		return r;
	intel_checker_use(run->checker, run->c->set);
	run->json = intake_format(STR("json"));
	r = event_init(&run->event, engine_fields(run->engine));
	return r ? err_set(err, r, "%m") : make_terms(run, err);
}

int back_run(struct back *ret, const struct back_config *config, struct err *err)
{
	struct run *run = calloc(1, sizeof(*run));
	*ret = (struct back){ 0 };
	if (!run)
		return err_set(err, -ENOMEM, "%m");
	run->c = config;
	run->back = ret;
	int r = prepare(run, err);
	r = r ? r : search(run, err);
	for (unsigned i = 0; i < N_INTEL_KINDS; i++)
		free(run->probes[i].fields);
	if (run->engine)
		event_done(&run->event);
	intel_checker_free(run->checker);
	engine_free(run->engine);
	free(run);
	if (r)
		back_done(ret);
	else if (ret->n_finds)
		qsort(ret->finds, ret->n_finds, sizeof(*ret->finds), most_first);
	return r;
}

void back_done(struct back *b)
{
	free(b->finds);
	free(b->slots);
	arena_free(&b->arena);
	*b = (struct back){ 0 };
}
