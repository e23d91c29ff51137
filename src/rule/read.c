/* Rule files, mapping and placeholder files -> memory. */
#include "base/arena.h"
#include "rule/compile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 1 << 20, WALK_MAX_DEPTH = 64 };

extern const char rule_mapping_default[], rule_mapping_default_end[];

struct paths {
	struct str *at;
	size_t n, cap;
};

struct reader {
	struct arena *arena;
	struct err *err;
	const char *const *suffixes; /* of the files wanted; ends with NULL */
};

static int no_memory(struct reader *r)
{
	return err_set(r->err, -ENOMEM, "read rules: %m");
}

static int add_path(struct reader *r, struct paths *ps, struct str path)
{
	if (ps->n == ps->cap) {
		size_t cap = ps->cap ? ps->cap * 2 : 256;
		struct str *at = realloc(ps->at, cap * sizeof(*at));
		if (!at)
			return no_memory(r);
		ps->at = at;
		ps->cap = cap;
	}
	if (!path.p)
		return no_memory(r);
	ps->at[ps->n++] = path;
	return 0;
}

static bool is_wanted(const struct reader *r, const char *name)
{
	for (const char *const *s = r->suffixes; *s; s++)
		if (str_ends(str_from(name), str_from(*s)))
			return true;
	return false;
}

static bool is_folder(int dir, const struct dirent *e)
{
	struct stat st;
	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_DIR;
	return fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Adds the wanted files of a folder, in no order. Hidden ones and linked folders are passed over. */
static int walk(struct reader *r, struct paths *ps, struct str folder, unsigned depth)
{
	DIR *dir = opendir(folder.p);
	if (!dir)
		return err_set(r->err, -errno, "open folder '%s': %m", folder.p);
	int e = 0;
	for (struct dirent *entry; !e && (entry = readdir(dir));) {
		if (entry->d_name[0] == '.')
			continue;
		const char *slash = str_ends(folder, STR("/")) ? "" : "/";
		bool deeper = is_folder(dirfd(dir), entry);
		if (!deeper && !is_wanted(r, entry->d_name))
			continue;
		struct str path = arena_printf(r->arena, "%s%s%s", folder.p, slash, entry->d_name);
		if (!deeper)
			e = add_path(r, ps, path);
		else if (!path.p)
			e = no_memory(r);
		else if (depth == WALK_MAX_DEPTH)
			e = err_set(r->err, -ELOOP, "folder '%s': nested too deeply", path.p);
		else
			e = walk(r, ps, path, depth + 1);
	}
	closedir(dir);
	return e;
}

static int by_bytes(const void *a, const void *b)
{
	const struct str *x = a, *y = b;
	int d = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
	return d ? d : x->n < y->n ? -1 : x->n > y->n;
}

/* 0, or -errno. A file over FILE_MAX_BYTES is -EFBIG. */
static int read_file(struct arena *arena, const char *path, struct str *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	struct stat st;
	int e = fstat(fd, &st) ? -errno : !S_ISREG(st.st_mode) ? -EINVAL : st.st_size > FILE_MAX_BYTES ? -EFBIG : 0;
	size_t size = e ? 0 : (size_t)st.st_size, n = 0;
	char *p = e ? NULL : arena_alloc(arena, size + 1);
	if (!e && !p)
		e = -ENOMEM;
	while (!e && n < size) {
		ssize_t got = read(fd, p + n, size - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			e = -errno;
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	close(fd);
	if (!e) {
		p[n] = '\0';
		*ret = (struct str){ p, n };
	}
	return e;
}

static int is_dir(const char *path)
{
	struct stat st;
	return stat(path, &st) ? -errno : S_ISDIR(st.st_mode);
}

/* One word of the caller: a file, or a folder with files. */
static int gather(struct reader *r, struct paths *ps, const char *word, bool *folder)
{
	size_t from = ps->n;
	int e = is_dir(word);
	if (e < 0)
		return err_set(r->err, e, "open rules '%s': %m", word);
	*folder = e;
	struct str path = arena_copy(r->arena, str_from(word));
	if (!path.p)
		return no_memory(r);
	e = *folder ? walk(r, ps, path, 0) : add_path(r, ps, path);
	if (!e && ps->n > from)
		qsort(ps->at + from, ps->n - from, sizeof(*ps->at), by_bytes);
	return e;
}

static int read_all(struct reader *r, const char *const *words, size_t n_words, struct rule_file **ret, size_t *n)
{
	struct paths ps = { 0 };
	int e = 0;
	struct rule_file *files = NULL;
	for (size_t i = 0; !e && i < n_words; i++) {
		size_t from = ps.n;
		bool folder = false;
		e = gather(r, &ps, words[i], &folder);
		if (!e && !(files = realloc(*ret, (ps.n + 1) * sizeof(*files))))
			e = no_memory(r);
		if (e)
			break;
		*ret = files;
		for (size_t k = from; !e && k < ps.n; k++) {
			files[k] = (struct rule_file){ .path = ps.at[k] };
			e = read_file(r->arena, ps.at[k].p, &files[k].text);
			if (e && e != -ENOMEM && folder)
				e = 0; /* text.p stays NULL: refused alone */
			else if (e)
				err_set(r->err, e, "read '%s': %m", ps.at[k].p);
		}
	}
	*n = ps.n;
	free(ps.at);
	return e;
}

static int read_mapping(struct reader *r, const char *path, struct rule_file *ret)
{
	if (!path) {
		*ret = (struct rule_file){ STR("mapping.yaml (built in)"),
			                   { rule_mapping_default,
			                     (size_t)(rule_mapping_default_end - rule_mapping_default) } };
		return 0;
	}
	ret->path = arena_copy(r->arena, str_from(path));
	int e = ret->path.p ? read_file(r->arena, path, &ret->text) : -ENOMEM;
	return e ? err_set(r->err, e, "read mapping '%s': %m", path) : 0;
}

static int add_built_in(struct reader *r, struct rule_texts *t, struct str text)
{
	struct rule_file *files = realloc(t->files, (t->n_files + 1) * sizeof(*files));
	if (!files)
		return no_memory(r);
	t->files = files;
	files[t->n_files++] = (struct rule_file){ STR("built in"), text };
	return 0;
}

int rule_read(struct rule_texts *ret, const struct rule_config *config, struct err *err)
{
	static const char *const rules[] = { ".yml", ".yaml", NULL }, *const lists[] = { ".txt", NULL };
	struct rule_texts t = { .all_rules = config->all_rules, .asked = config->asked, .n_asked = config->n_asked };
	struct arena *arena = calloc(1, sizeof(*arena));
	struct reader r = { .arena = arena, .err = err, .suffixes = rules };
	if (!arena)
		return no_memory(&r);
	t.arena = arena;
	int e = read_all(&r, config->dirs, config->n_dirs, &t.files, &t.n_files);
	if (!e && config->built_in.n)
		e = add_built_in(&r, &t, config->built_in);
	r.suffixes = lists;
	if (!e && config->placeholders)
		e = read_all(&r, &config->placeholders, 1, &t.placeholders, &t.n_placeholders);
	if (!e)
		e = read_mapping(&r, config->mapping, &t.mapping);
	if (e)
		rule_texts_free(&t);
	else
		*ret = t;
	return e;
}

void rule_texts_free(struct rule_texts *texts)
{
	if (texts->arena)
		arena_free(texts->arena);
	free(texts->arena);
	free(texts->files);
	free(texts->placeholders);
	*texts = (struct rule_texts){ 0 };
}
