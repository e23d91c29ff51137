#include "match/engine.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int make_fields(struct engine *e, struct err *err)
{
	const struct ruleset *rs = &e->rs;
	struct field_path *paths = malloc((rs->n_paths + 1) * sizeof(*paths));
	if (!paths)
		return err_set(err, -ENOMEM, "fields: %m");
	for (uint32_t i = 0; i < rs->n_paths; i++)
		paths[i] = (struct field_path){ ruleset_text(rs, rs->paths[i].path), rs->paths[i].field };
	int r = fields_new(&e->fields, rs->n_fields, paths, rs->n_paths, err);
	free(paths);
	return r;
}

static int compile(struct engine *e, const struct rule_texts *texts, int threads, struct err *err)
{
	int r = rule_compile(&e->rs, texts, err);
	if (!r && e->rs.n_sources > UINT16_MAX)
		r = err_set(err, -E2BIG, "rules: more than %d different log sources", UINT16_MAX);
	if (threads <= 0)
		threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
	return r ? r : prefilter_build(&e->pf, &e->rs, threads > 0 ? threads : 1, err);
}

static void count(struct engine *e)
{
	const struct ruleset *rs = &e->rs;
	e->info.n_rules = rs->n_rules;
	for (uint32_t i = 0; i < rs->n_diagnostics; i++)
		e->info.n_refused += rs->diagnostics[i].refused != 0;
	for (uint32_t i = 0; i < e->pf.n_groups; i++)
		e->info.n_always += e->pf.groups[i].always.n;
	e->info.prefilter_bytes = prefilter_bytes(&e->pf);
}

static int engine_new(struct engine **ret, struct err *err)
{
	if (hs_valid_platform() != HS_SUCCESS)
		return err_set(err, -ENOTSUP, "this processor lacks SSE4.2, which pattern matching needs");
	if (sodium_init() < 0)
		return err_set(err, -EIO, "can't start libsodium");
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : err_set(err, -ENOMEM, "rules: %m");
}

/* What is made of the compiled rules each time. */
static int engine_ready(struct engine *e, bool jit, double begin, struct err *err)
{
	int r = make_fields(e, err);
	r = r ? r : regexes_new(&e->regexes, &e->rs, jit, err);
	if (!r)
		count(e);
	e->info.load_s = seconds() - begin;
	return r;
}

int engine_open_texts(struct engine **ret, const struct engine_config *config, const struct rule_texts *texts,
                      struct err *err)
{
	double begin = seconds();
	unsigned char key[CACHE_KEY];
	struct engine *e;
	int r = engine_new(&e, err);
	if (r)
		return r;
	cache_key(key, texts);
	e->info.cached = config->cache_dir && cache_load(e, config->cache_dir, key, NULL) == 0;
	if (!e->info.cached)
		r = compile(e, texts, config->threads, err);
	if (!r && !e->info.cached && config->cache_dir)
		cache_save(e, config->cache_dir, key, &e->info.not_cached);
	r = r ? r : engine_ready(e, !config->no_jit, begin, err);
	if (r)
		engine_free(e);
	else
		*ret = e;
	return r;
}

int engine_open(struct engine **ret, const struct engine_config *config, struct err *err)
{
	double begin = seconds();
	struct rule_texts texts;
	int r = rule_read(&texts, &config->rules, err);
	if (r)
		return r;
	r = engine_open_texts(ret, config, &texts, err);
	rule_texts_free(&texts);
	if (!r)
		(*ret)->info.load_s = seconds() - begin;
	return r;
}

int engine_pack(const struct engine *e, void **block, size_t *size, struct err *err)
{
	static const unsigned char no_key[CACHE_KEY];
	if (!e->mapping) /* else it stands packed already */
		return cache_pack(e, no_key, block, size, err);
	*block = malloc(e->mapping_size);
	if (!*block)
		return err_set(err, -ENOMEM, "compiled rules: %m");
	memcpy(*block, e->mapping, e->mapping_size);
	*size = e->mapping_size;
	return 0;
}

int engine_unpack(struct engine **ret, void *block, size_t size, struct err *err)
{
	double begin = seconds();
	struct engine *e;
	int r = engine_new(&e, err);
	if (r) {
		munmap(block, size);
		return r;
	}
	r = cache_unpack(e, NULL, block, size, err);
	r = r ? r : engine_ready(e, false, begin, err);
	if (r)
		engine_free(e);
	else
		*ret = e;
	return r;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	regexes_free(e->regexes);
	fields_free(e->fields);
	prefilter_free(&e->pf);
	ruleset_free(&e->rs);
	if (e->mapping)
		munmap(e->mapping, e->mapping_size);
	free(e);
}

const struct ruleset *engine_ruleset(const struct engine *e)
{
	return &e->rs;
}

const struct fields *engine_fields(const struct engine *e)
{
	return e->fields;
}

void engine_info(const struct engine *e, struct engine_info *ret)
{
	*ret = e->info;
}
