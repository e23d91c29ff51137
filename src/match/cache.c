#include "base/block.h"
#include "match/engine.h"
#include "os/atomic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A cache file is one block: the key, a checksum over the rest, the ruleset's block, the prefilter's block. Its name is
 * the key, so rules that change get another file; the oldest files beyond CACHE_KEEP go.
 */
#define CACHE_KIND   "khien-cache-1"
#define CACHE_SUFFIX ".rules"
enum { CACHE_KEEP = 4, CACHE_NAME = 2 * CACHE_KEY + sizeof(CACHE_SUFFIX) };
enum { PART_KEY, PART_SUM, PART_RULESET, PART_PREFILTER, N_PARTS };

static void hash_str(crypto_generichash_state *h, struct str s)
{
	uint64_t n = s.p ? s.n : UINT64_MAX;
	crypto_generichash_update(h, (const unsigned char *)&n, sizeof(n));
	if (s.n)
		crypto_generichash_update(h, (const unsigned char *)s.p, s.n);
}

static void hash_files(crypto_generichash_state *h, const struct rule_file *files, size_t n)
{
	crypto_generichash_update(h, (const unsigned char *)&n, sizeof(n));
	for (size_t i = 0; i < n; i++) {
		hash_str(h, files[i].path);
		hash_str(h, files[i].text);
	}
}

static void hash_asked(crypto_generichash_state *h, const struct rule_asked *a)
{
	hash_str(h, str_from(a->name));
	crypto_generichash_update(h, (const unsigned char *)&a->n_also, sizeof(a->n_also));
	for (size_t i = 0; i < a->n_also; i++)
		hash_str(h, str_from(a->also[i]));
}

/* What the linker noted of the program, its build id among it: another build may compile rules in another way. */
static int hash_build(struct dl_phdr_info *program, size_t size, void *hash)
{
	for (int i = 0; i < program->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &program->dlpi_phdr[i];
		if (p->p_type == PT_NOTE)
			crypto_generichash_update(hash, (const unsigned char *)program->dlpi_addr + p->p_vaddr,
			                          p->p_memsz);
	}
	return 1; /* the program comes first, libraries behind it */
}

void cache_key(unsigned char key[CACHE_KEY], const struct rule_texts *texts)
{
	crypto_generichash_state h;
	hs_platform_info_t cpu = { 0 };
	uint64_t shapes[] = { texts->all_rules,
#define X(ID, name, type) sizeof(type),
		              RULESET_SECTIONS(X) PREFILTER_SECTIONS(X)
#undef X
	};
	hs_populate_platform(&cpu);
	crypto_generichash_init(&h, NULL, 0, CACHE_KEY);
	hash_str(&h, STR(CACHE_KIND " " PREFILTER_KIND " " KHIEN_VERSION));
	dl_iterate_phdr(hash_build, &h);
	hash_str(&h, str_from(hs_version()));
	crypto_generichash_update(&h, (const unsigned char *)&cpu, sizeof(cpu));
	crypto_generichash_update(&h, (const unsigned char *)shapes, sizeof(shapes));
	hash_files(&h, texts->files, texts->n_files);
	hash_files(&h, &texts->mapping, 1);
	hash_files(&h, texts->placeholders, texts->n_placeholders);
	for (size_t i = 0; i < texts->n_asked; i++)
		hash_asked(&h, &texts->asked[i]);
	crypto_generichash_final(&h, key, CACHE_KEY);
}

static void file_name(char name[CACHE_NAME], const unsigned char key[CACHE_KEY])
{
	sodium_bin2hex(name, 2 * CACHE_KEY + 1, key, CACHE_KEY);
	memcpy(name + 2 * CACHE_KEY, CACHE_SUFFIX, sizeof(CACHE_SUFFIX));
}

static void checksum(unsigned char sum[CACHE_KEY], struct str ruleset, struct str prefilter)
{
	crypto_generichash_state h;
	crypto_generichash_init(&h, NULL, 0, CACHE_KEY);
	hash_str(&h, ruleset);
	hash_str(&h, prefilter);
	crypto_generichash_final(&h, sum, CACHE_KEY);
}

/* Only a file that nobody else could have written is trusted. */
static int open_trusted(const char *dir, const char *name, struct stat *st, struct err *err)
{
	char path[4096];
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "cache '%s': %m", dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_set(err, -errno, "cache '%s': %m", path);
	if (fstat(fd, st) || !S_ISREG(st->st_mode) || st->st_uid != geteuid() || (st->st_mode & 022)) {
		close(fd);
		return err_set(err, -EBADMSG, "cache '%s': others may write it", path);
	}
	return fd;
}

static int take_apart(struct engine *e, const unsigned char key[CACHE_KEY], struct err *err)
{
	struct block_part part[N_PARTS] = {
		[PART_KEY] = { .record = CACHE_KEY },
		[PART_SUM] = { .record = CACHE_KEY },
		[PART_RULESET] = { .record = 1 },
		[PART_PREFILTER] = { .record = 1 },
	};
	unsigned char sum[CACHE_KEY];
	int r = block_parts(e->mapping, e->mapping_size, CACHE_KIND, part, N_PARTS, err);
	if (r)
		return r;
	checksum(sum, part[PART_RULESET].bytes, part[PART_PREFILTER].bytes);
	if (part[PART_KEY].bytes.n != CACHE_KEY || part[PART_SUM].bytes.n != CACHE_KEY ||
	    (key && memcmp(part[PART_KEY].bytes.p, key, CACHE_KEY) != 0) ||
	    memcmp(part[PART_SUM].bytes.p, sum, CACHE_KEY) != 0)
		return err_set(err, -EBADMSG, "cache: checksum differs");
	r = ruleset_open(&e->rs, (void *)(uintptr_t)part[PART_RULESET].bytes.p, part[PART_RULESET].bytes.n, false, err);
	if (r)
		return r;
	e->rs.block = NULL; /* it stands in the mapping */
	return prefilter_open(&e->pf, &e->rs, part[PART_PREFILTER].bytes.p, part[PART_PREFILTER].bytes.n, err);
}

int cache_load(struct engine *e, const char *dir, const unsigned char key[CACHE_KEY], struct err *err)
{
	char name[CACHE_NAME];
	struct stat st;
	file_name(name, key);
	int fd = open_trusted(dir, name, &st, err);
	if (fd < 0)
		return fd;
	void *p = st.st_size > 0 ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0)
	                         : MAP_FAILED;
	close(fd);
	if (p == MAP_FAILED)
		return err_set(err, -EBADMSG, "cache '%s/%s': can't map it", dir, name);
	return cache_unpack(e, key, p, (size_t)st.st_size, err);
}

int cache_unpack(struct engine *e, const unsigned char key[CACHE_KEY], void *block, size_t size, struct err *err)
{
	e->mapping = block;
	e->mapping_size = size;
	int r = take_apart(e, key, err);
	if (r) {
		prefilter_free(&e->pf);
		e->rs = (struct ruleset){ 0 };
		munmap(e->mapping, e->mapping_size);
		e->mapping = NULL;
	}
	return r;
}

struct old_file {
	char name[CACHE_NAME];
	struct timespec used;
};

static int newest_first(const void *x, const void *y)
{
	const struct old_file *a = x, *b = y;
	if (a->used.tv_sec != b->used.tv_sec)
		return a->used.tv_sec < b->used.tv_sec ? 1 : -1;
	return (a->used.tv_nsec < b->used.tv_nsec) - (a->used.tv_nsec > b->used.tv_nsec);
}

static void prune(const char *dir)
{
	struct old_file old[64];
	size_t n = 0;
	DIR *d = opendir(dir);
	struct dirent *de;
	while (d && n < ARRAY_LEN(old) && (de = readdir(d))) {
		struct stat st;
		if (strlen(de->d_name) != CACHE_NAME - 1 || !str_ends(str_from(de->d_name), STR(CACHE_SUFFIX)) ||
		    fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		memcpy(old[n].name, de->d_name, CACHE_NAME);
		old[n++].used = st.st_mtim;
	}
	qsort(old, n, sizeof(old[0]), newest_first);
	for (size_t i = CACHE_KEEP; i < n; i++)
		unlinkat(dirfd(d), old[i].name, 0);
	if (d)
		closedir(d);
}

int cache_pack(const struct engine *e, const unsigned char key[CACHE_KEY], void **block, size_t *size, struct err *err)
{
	unsigned char sum[CACHE_KEY];
	const struct block_part parts[N_PARTS] = {
		[PART_KEY] = { { (const char *)key, CACHE_KEY }, CACHE_KEY },
		[PART_SUM] = { { (const char *)sum, CACHE_KEY }, CACHE_KEY },
		[PART_RULESET] = { ruleset_block(&e->rs), 1 },
		[PART_PREFILTER] = { { e->pf.block, e->pf.block_size }, 1 },
	};
	checksum(sum, parts[PART_RULESET].bytes, parts[PART_PREFILTER].bytes);
	int r = block_pack(block, size, CACHE_KIND, parts, N_PARTS);
	return r ? err_set(err, r, "compiled rules: %m") : 0;
}

int cache_save(const struct engine *e, const char *dir, const unsigned char key[CACHE_KEY], struct err *err)
{
	char name[CACHE_NAME];
	void *block;
	size_t size;
	int r = cache_pack(e, key, &block, &size, err);
	if (r)
		return r;
	file_name(name, key);
	if (mkdir(dir, 0700) && errno != EEXIST)
		r = err_set(err, -errno, "cache '%s': %m", dir);
	else
		r = atomic_write(dir, name, (struct str){ block, size }, 0600, err);
	free(block);
	if (!r)
		prune(dir);
	return r;
}
