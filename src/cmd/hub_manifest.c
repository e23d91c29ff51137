#include "cmd/hub_manifest.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define TAG  "BLAKE2b-256 ("
#define KIND "# khien backup 1\n"

enum { HEX = 2 * MANIFEST_HASH };

void manifest_done(struct manifest *m)
{
	free(m->files);
	*m = (struct manifest){ 0 };
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* Nothing that leads out of the folder, is hidden, or looks like an option. */
static bool is_path(struct str path)
{
	bool begins = true;
	for (size_t i = 0; i < path.n; i++) {
		char c = path.p[i];
		if (!is_alnum(c) && (begins || !strchr("/._-", c) || !c))
			return false;
		begins = c == '/';
	}
	return path.n < MANIFEST_PATH && !begins && !str_eq(path, STR(MANIFEST_NAME));
}

static int add(struct manifest *m, struct str path, const unsigned char *hash, struct err *err)
{
	if (!is_path(path))
		return err_set(err, -EINVAL, "'" STR_FMT "' is no name for a file of a backup", STR_ARG(path));
	if (m->n == MANIFEST_FILES)
		return err_set(err, -E2BIG, "a backup has at most %d files", MANIFEST_FILES);
	if (m->n == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 64;
		struct manifest_file *files = realloc(m->files, cap * sizeof(*files));
		if (!files)
			return err_set(err, -ENOMEM, "%m");
		m->files = files;
		m->cap = cap;
	}
	struct manifest_file *f = &m->files[m->n++];
	*f = (struct manifest_file){ 0 };
	memcpy(f->path, path.p, path.n);
	memcpy(f->hash, hash, MANIFEST_HASH);
	return 0;
}

int manifest_add(struct manifest *m, const char *path, const unsigned char hash[MANIFEST_HASH], struct err *err)
{
	return add(m, str_from(path), hash, err);
}

static void add_hex(struct buf *out, const unsigned char hash[MANIFEST_HASH])
{
	char hex[HEX + 1];
	buf_add(out, str_from(sodium_bin2hex(hex, sizeof(hex), hash, MANIFEST_HASH)));
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct manifest_file *)a)->path, ((const struct manifest_file *)b)->path);
}

void manifest_print(struct manifest *m, struct buf *out)
{
	unsigned char sum[MANIFEST_HASH];
	size_t start = out->n;
	if (m->n)
		qsort(m->files, m->n, sizeof(*m->files), by_path);
	buf_printf(out, KIND "# version %s\n# made %s\n", m->version, m->made);
	for (size_t i = 0; i < m->n; i++) {
		buf_printf(out, TAG "%s) = ", m->files[i].path);
		add_hex(out, m->files[i].hash);
		buf_putc(out, '\n');
	}
	buf_printf(out, "# files %zu, bytes %llu\n", m->n, (unsigned long long)m->bytes);
	if (out->failed)
		return;
	crypto_generichash(sum, sizeof(sum), (const unsigned char *)out->p + start, out->n - start, NULL, 0);
	buf_add(out, STR("# sum "));
	add_hex(out, sum);
	buf_putc(out, '\n');
}

static bool take(struct str *text, struct str what)
{
	if (!str_starts(*text, what))
		return false;
	*text = str_sub(*text, what.n, text->n);
	return true;
}

static bool take_hash(struct str *text, unsigned char hash[MANIFEST_HASH])
{
	size_t n;
	if (text->n < HEX + 1 || text->p[HEX] != '\n' ||
	    sodium_hex2bin(hash, MANIFEST_HASH, text->p, HEX, NULL, &n, NULL) || n != MANIFEST_HASH)
		return false;
	*text = str_sub(*text, HEX + 1, text->n);
	return true;
}

/* "# NAME WORD\n" */
static bool take_word(struct str *text, struct str name, char word[MANIFEST_WORD])
{
	size_t n = 0;
	if (!take(text, name))
		return false;
	while (n < text->n && n + 1 < MANIFEST_WORD && (is_alnum(text->p[n]) || strchr(".:+~-", text->p[n])))
		n++;
	memcpy(word, text->p, n);
	word[n] = '\0';
	*text = str_sub(*text, n, text->n);
	return n && take(text, STR("\n"));
}

static bool take_number(struct str *text, uint64_t *ret)
{
	uint64_t number = 0;
	size_t n = 0;
	for (; n < text->n && n < 18 && text->p[n] >= '0' && text->p[n] <= '9'; n++)
		number = number * 10 + (uint64_t)(text->p[n] - '0');
	*text = str_sub(*text, n, text->n);
	*ret = number;
	return n;
}

static bool take_file(struct manifest *m, struct str *text, struct err *err)
{
	unsigned char hash[MANIFEST_HASH];
	if (!take(text, STR(TAG)))
		return false;
	struct str path = str_sub(*text, 0, str_find(*text, ')'));
	*text = str_sub(*text, path.n, text->n);
	return take(text, STR(") = ")) && take_hash(text, hash) && !add(m, path, hash, err);
}

/* What stands above the sum; the sum is right, so only a khien that writes otherwise gets it wrong. */
static bool parse(struct manifest *m, struct str text, struct err *err)
{
	uint64_t n;
	if (!take(&text, STR(KIND)) || !take_word(&text, STR("# version "), m->version) ||
	    !take_word(&text, STR("# made "), m->made))
		return false;
	while (!str_starts(text, STR("# ")))
		if (!take_file(m, &text, err))
			return false;
	return take(&text, STR("# files ")) && take_number(&text, &n) && n == m->n && take(&text, STR(", bytes ")) &&
	       take_number(&text, &m->bytes) && str_eq(text, STR("\n"));
}

int manifest_parse(struct manifest *m, struct str text, struct err *err)
{
	static const struct str kind = { "# khien backup ", 15 };
	enum { LAST = 6 + HEX + 1 };
	unsigned char sum[MANIFEST_HASH], want[MANIFEST_HASH];
	struct str last = str_sub(text, text.n < LAST ? 0 : text.n - LAST, LAST);
	struct err why = { 0 };
	if (str_starts(text, kind) && !str_starts(text, STR(KIND)))
		return err_set(err, -EPROTO, "the backup was made by a newer khien: restore it with that one");
	if (!str_starts(text, kind) || !take(&last, STR("# sum ")) || !take_hash(&last, want))
		return err_set(err, -EBADMSG, "the manifest is not whole");
	text = str_sub(text, 0, text.n - LAST);
	crypto_generichash(sum, sizeof(sum), (const unsigned char *)text.p, text.n, NULL, 0);
	if (memcmp(sum, want, sizeof(sum)))
		return err_set(err, -EBADMSG, "the manifest is not what was written");
	if (parse(m, text, &why))
		return 0;
	manifest_done(m);
	return err_set(err, -EBADMSG, "the manifest makes no sense%s%s", *why.text ? ": " : "", why.text);
}
