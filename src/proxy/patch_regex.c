#include "proxy/patch_regex.h"

#include "proxy/waf.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>

enum { PUMPED = 256, PREFIXES = 16 };

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

void patch_regex_quote(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.n; i++)
		if (is_word(text.p[i]))
			buf_putc(out, text.p[i]);
		else
			buf_printf(out, "\\x%02x", (unsigned char)text.p[i]);
}

/*
 * What means something to ModSecurity's parser is written as \xNN, which is the same to PCRE2 within and without a class. The few places where it
 * is not, \Q...\E, \c and names in quotes, are refused.
 */
static int rewrite(struct buf *out, struct str regex, struct err *err)
{
	static const char plain[] = " !$&()*+,-./:;<=>?@[]^_{|}~#";
	for (size_t i = 0; i < regex.n; i++) {
		char c = regex.p[i];
		const bool escaped = c == '\\' && i + 1 < regex.n;
		c = escaped ? regex.p[++i] : c;
		if ((unsigned char)c < ' ' || c == 0x7f)
			return err_set(err, -EINVAL, "it has a control character: write \\n, \\r, \\t or \\x%02x",
			               (unsigned char)c);
		if (escaped && (c == 'Q' || c == 'E'))
			return err_set(err, -EINVAL, "\\%c is not for patches: write \\ before each character", c);
		if (escaped && c == 'c')
			return err_set(err, -EINVAL, "\\c is not for patches: write \\xNN");
		if (is_word(c) || c == '\\' || strchr(plain, c))
			buf_printf(out, "%s%c", escaped ? "\\" : "", c);
		else
			buf_printf(out, "\\x%02x", (unsigned char)c);
	}
	return 0;
}

/* Its plain characters up to a place, as the beginning of what it may match. */
static size_t beginning(struct str regex, size_t to, char *at)
{
	size_t n = 0;
	for (size_t i = 0; i < to; i++)
		if (is_word(regex.p[i]) || strchr("/:.-@=, <>&", regex.p[i]))
			at[n++] = regex.p[i];
	return n;
}

static bool gives_up(const pcre2_code *code, pcre2_match_data *data, pcre2_match_context *limits, struct str text)
{
	const int r = pcre2_match(code, (PCRE2_SPTR)text.p, text.n, 0, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data, limits);
	return r == PCRE2_ERROR_MATCHLIMIT || r == PCRE2_ERROR_HEAPLIMIT || r == PCRE2_ERROR_DEPTHLIMIT;
}

/*
 * A beginning, one piece again and again, and an end that fits nothing: what a bad expression can't let go of. And the same with each of its
 * characters at the end, apart: PCRE2 looks for some of those first, and is done at once where one is missing.
 */
static bool is_dear(const pcre2_code *code, pcre2_match_data *data, pcre2_match_context *limits, struct str begin,
                    struct str piece, struct str regex)
{
	char text[3 * PATCH_REGEX_MAX + PUMPED + 2];
	size_t n = begin.n;
	memcpy(text, begin.p, begin.n);
	while (n - begin.n + piece.n <= PUMPED) {
		memcpy(text + n, piece.p, piece.n);
		n += piece.n;
	}
	text[n++] = '\x01';
	text[n++] = '!';
	const size_t without = n;
	for (size_t i = 0; i < regex.n; i++) {
		text[n++] = '\x01';
		text[n++] = regex.p[i];
	}
	return gives_up(code, data, limits, (struct str){ text, without }) ||
	       gives_up(code, data, limits, (struct str){ text, n });
}

static bool any_is_dear(const pcre2_code *code, pcre2_match_data *data, pcre2_match_context *limits, struct str regex)
{
	static const char *const usual[] = { "a", "A1", "0", " ", "/", "<", "=", "\n", "a ", "a." };
	char begin[PATCH_REGEX_MAX];
	unsigned prefixes = 0;
	for (size_t i = 0; i <= regex.n && prefixes < PREFIXES; i++) {
		if (i && i < regex.n && !strchr("([.\\", regex.p[i]))
			continue;
		const struct str b = { begin, beginning(regex, i, begin) };
		prefixes++;
		for (size_t u = 0; u < ARRAY_LEN(usual); u++)
			if (is_dear(code, data, limits, b, str_from(usual[u]), regex))
				return true;
		for (size_t at = 0; i == 0 && at < regex.n; at++)
			for (size_t n = 1; n <= 3 && at + n <= regex.n; n++)
				if (is_dear(code, data, limits, b, str_sub(regex, at, n), regex))
					return true;
	}
	return false;
}

static int check(struct str written, struct str regex, struct err *err)
{
	int why = 0;
	PCRE2_SIZE at = 0;
	pcre2_code *code =
	        pcre2_compile((PCRE2_SPTR)written.p, written.n, PCRE2_DOTALL | PCRE2_MULTILINE, &why, &at, NULL);
	if (!code) {
		PCRE2_UCHAR words[128] = "";
		pcre2_get_error_message(why, words, sizeof(words));
		return err_set(err, -EINVAL, "%s", (char *)words);
	}
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	pcre2_match_context *limits = pcre2_match_context_create(NULL);
	int code_of = 0;
	if (data && limits) {
		pcre2_set_match_limit(limits, WAF_MATCH_LIMIT);
		pcre2_set_heap_limit(limits, 1 << 12); /* KiB */
		if (any_is_dear(code, data, limits, regex))
			code_of = err_set(
			        err, -EINVAL,
			        "it takes far too long on some texts: write no repeat within a repeat, as in (a+)+");
	} else {
		code_of = err_set(err, -ENOMEM, "%m");
	}
	pcre2_match_context_free(limits);
	pcre2_match_data_free(data);
	pcre2_code_free(code);
	return code_of;
}

int patch_regex_add(struct buf *out, struct str regex, struct err *err)
{
	CLEANUP(buf_free) struct buf written = { 0 };
	if (!regex.n || regex.n > PATCH_REGEX_MAX)
		return err_set(err, -EINVAL, "it has %zu bytes: write 1 to %d", regex.n, PATCH_REGEX_MAX);
	if (str_starts(regex, STR("(*")))
		return err_set(err, -EINVAL, "(*...) at its beginning is not for patches: leave it out");
	buf_add(&written, STR("(?i)"));
	int code = rewrite(&written, regex, err);
	if (!code && written.failed)
		code = err_set(err, -ENOMEM, "%m");
	if (!code)
		code = check(buf_str(&written), regex, err);
	if (!code)
		buf_add(out, buf_str(&written));
	return code;
}
