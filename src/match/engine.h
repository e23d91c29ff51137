/* What an engine is made of; for the files of match/ only. */
#ifndef KHIEN_MATCH_ENGINE_H
#define KHIEN_MATCH_ENGINE_H

#include "match/match.h"
#include "match/prefilter.h"
#include "match/regex.h"

struct engine {
	struct ruleset rs;
	struct prefilter pf;
	struct fields *fields;
	struct regexes *regexes;
	void *mapping; /* the cache file that rs and pf stand in, or NULL */
	size_t mapping_size;
	struct engine_info info;
};

enum { CACHE_KEY = 32 };

/* What the compiled rules depend on: every file read, this build of khien, Vectorscan and the CPU. */
void cache_key(unsigned char key[CACHE_KEY], const struct rule_texts *texts);
/* Fills rs, pf and mapping from the cache. -ENOENT: nothing there; -EBADMSG: damaged or not ours to trust. */
int cache_load(struct engine *e, const char *dir, const unsigned char key[CACHE_KEY], struct err *err);
/* The bytes of such a file, malloc'ed; and back: takes the block, which is mmap'ed, also when it is refused. key NULL: any. */
int cache_pack(const struct engine *e, const unsigned char key[CACHE_KEY], void **block, size_t *size, struct err *err);
int cache_unpack(struct engine *e, const unsigned char key[CACHE_KEY], void *block, size_t size, struct err *err);
int cache_save(const struct engine *e, const char *dir, const unsigned char key[CACHE_KEY], struct err *err);

#endif
