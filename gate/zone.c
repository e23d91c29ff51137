#include "gate.h"

#include <sodium.h>
#include <sys/random.h>
#include <time.h>

enum { SIZE_MIN = 16 << 20, SIZE_MAX_HERE = 48 << 20, ALIGN = 64, SLAB_OWN = 64 << 10 };

/* --- the clock, and chance --- */

struct flood_time gate_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	const ngx_time_t *wall = ngx_timeofday();
	return (struct flood_time){ .now_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000,
		                    .wall_s = wall->sec,
		                    .zone_s = (int32_t)wall->gmtoff * 60 };
}

uint64_t gate_entropy(struct gate *g)
{
	if (!g->entropy_left) {
		randombytes_buf(g->entropy, sizeof(g->entropy));
		g->entropy_left = GATE_ENTROPY;
	}
	const uint64_t ret = g->entropy[--g->entropy_left];
	g->entropy[g->entropy_left] = 0; /* what became a pass's id isn't left lying about */
	return ret;
}

/* --- the memory --- */

/* The most that fits: a finer sketch is wrong less often, and with what is left more is remembered. */
static struct flood_limits limits_for(size_t size)
{
	const size_t room =
	        size - size / 128 - SLAB_OWN - sizeof(struct gate_shared) - ALIGN; /* nginx's own pages' heads */
	struct flood_limits ret = { .cells = 1 << 20 };
	do {
		ret.cells /= 2;
		ret.records = ret.cells / 4;
		ret.events = ret.cells / 16;
	} while (ret.cells > 1024 && flood_size(&ret) > room);
	for (struct flood_limits more = ret; more.records *= 2, flood_size(&more) <= room;)
		ret = more;
	return ret;
}

static void *flood_memory(struct gate_shared *shared)
{
	return (u_char *)shared + ((sizeof(*shared) + ALIGN - 1) & ~(size_t)(ALIGN - 1));
}

static int make_seats(struct gate_shared *shared)
{
	pthread_mutexattr_t kind;
	int code = pthread_mutexattr_init(&kind);
	if (code)
		return -code;
	code = pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
	if (!code)
		code = pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
	for (unsigned i = 0; i < FLOOD_WORKERS && !code; i++)
		code = pthread_mutex_init(&shared->seats[i], &kind);
	pthread_mutexattr_destroy(&kind);
	return -code;
}

static ngx_int_t make_new(ngx_shm_zone_t *zone, struct gate *g)
{
	ngx_slab_pool_t *pool = (ngx_slab_pool_t *)zone->shm.addr;
	uint8_t seed[16], name[GATE_ZONE_NAME / 2];
	/* a piece of whole pages: fresh memory of the system's, and so zeroed */
	g->shared = ngx_slab_alloc(pool,
	                           ((sizeof(*g->shared) + ALIGN - 1) & ~(size_t)(ALIGN - 1)) + flood_size(&g->limits));
	if (!g->shared || make_seats(g->shared))
		return NGX_ERROR;
	randombytes_buf(seed, sizeof(seed));
	randombytes_buf(name, sizeof(name));
	sodium_bin2hex(g->shared->name, sizeof(g->shared->name), name, sizeof(name));
	if (flood_init(&g->worker.f, flood_memory(g->shared), &g->limits, seed))
		return NGX_ERROR;
	struct err err = { 0 };
	if (g->normal.n && flood_normal_load(g->worker.f, g->normal, &err)) /* it learns anew: no reason to stay away */
		ngx_log_error(NGX_LOG_ERR, zone->shm.log, 0, "%V isn't used: %s", &g->normal_file, err.text);
	return NGX_OK;
}

/* nginx calls it at each start and reload, when all of the configuration is read. before: what ran until now. */
static ngx_int_t zone_begins(ngx_shm_zone_t *zone, void *before)
{
	struct gate *g = zone->data;
	if (!before)
		return make_new(zone, g);
	const struct gate *old = before;
	g->shared = old->shared;
	return flood_attach(&g->worker.f, flood_memory(g->shared), &g->limits) ? NGX_ERROR : NGX_OK;
}

char *gate_zone_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
	struct gate *g = conf;
	ngx_str_t *value = cf->args->elts, name = ngx_string("khien");
	const ssize_t size = ngx_parse_size(&value[1]);
	if (g->zone)
		return "is duplicate";
	if (size < SIZE_MIN || size > SIZE_MAX_HERE)
		return "takes a size from 16m to 48m: khien_zone 32m;";
	if (sodium_init() < 0)
		return "found no randomness";
	g->size = (size_t)size;
	g->limits = limits_for(g->size);
	g->zone = ngx_shared_memory_add(cf, &name, g->size, &ngx_http_khien_module);
	if (!g->zone)
		return NGX_CONF_ERROR;
	g->zone->init = zone_begins;
	g->zone->data = g;
	return NGX_CONF_OK;
}

/* --- a worker's own --- */

bool gate_zone_seat(struct gate *g)
{
	if (g->seated)
		return true;
	for (unsigned i = 0; i < FLOOD_WORKERS; i++) {
		pthread_mutex_t *seat = &g->shared->seats[i];
		const int code = pthread_mutex_trylock(seat);
		if (code && code != EOWNERDEAD)
			continue;
		struct flood_worker w = { .f = g->worker.f, .slot = i };
		if (code)
			pthread_mutex_consistent(seat);
		if (code || !g->seated)
			flood_worker_begins(&w);
		if (g->seated) {
			pthread_mutex_unlock(seat); /* another's, who was killed: only tidied */
			continue;
		}
		g->worker.slot = i;
		g->seated = true;
	}
	return g->seated;
}

/*
 * How long this process ran or was ready to since it was last asked: what it had to do, be there other work on its core or not.
 * Where the kernel doesn't count that, how long it ran.
 */
static uint64_t wanted_ns(struct gate *g)
{
	char text[64];
	unsigned long long ran, ready;
	const ssize_t n = g->schedstat < 0 ? -1 : pread(g->schedstat, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	if (sscanf(text, "%llu %llu", &ran, &ready) == 2)
		return ran + ready;
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Of what was let through, what the upstream has nothing to do with now. */
static uint32_t count_waiting(const struct gate *g)
{
	uint32_t n = 0;
	for (const ngx_queue_t *q = ngx_queue_head(&g->open); q != ngx_queue_sentinel(&g->open);
	     q = ngx_queue_next(q)) {
		const struct gate_asked *a = ngx_queue_data(q, struct gate_asked, queue);
		n += a->answer.ticket.open && !(a->r->upstream && a->r->upstream->peer.connection);
	}
	return n;
}

static void tick(ngx_event_t *event)
{
	struct gate *g = event->data;
	const struct flood_time now = gate_now();
	const int64_t lag = now.now_us - g->tick_due_us;
	const uint64_t before = g->wanted_ns;
	g->wanted_ns = wanted_ns(g);
	const struct flood_load load = {
		.lag_us = lag <= 0           ? 0
		          : lag > UINT32_MAX ? UINT32_MAX
		                             : (uint32_t)lag,
		.busy = (float)(g->wanted_ns - before) / (float)((lag + GATE_TICK_MS * 1000) * 1000),
		.waiting = count_waiting(g),
	};
	flood_tick(&g->worker, now, &load);
	if (!gate_zone_seat(g) && !g->told_no_seat) {
		g->told_no_seat = true;
		ngx_log_error(NGX_LOG_ALERT, event->log, 0,
		              "%d workers ask khien already: this one lets everything through until one of them ends",
		              FLOOD_WORKERS);
	}
	g->tick_due_us = now.now_us + GATE_TICK_MS * 1000;
	ngx_add_timer(event, GATE_TICK_MS);
}

ngx_int_t gate_zone_begins(ngx_cycle_t *cycle, struct gate *g)
{
	g->tick = (ngx_event_t){ .handler = tick, .data = g, .log = cycle->log, .cancelable = 1 };
	g->tick_due_us = gate_now().now_us + GATE_TICK_MS * 1000;
	g->schedstat = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
	g->wanted_ns = wanted_ns(g);
	ngx_queue_init(&g->open);
	gate_zone_seat(g);
	ngx_add_timer(&g->tick, GATE_TICK_MS);
	return NGX_OK;
}
