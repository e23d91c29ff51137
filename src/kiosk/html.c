#include "kiosk/html.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

void html_text(struct page *p, struct str text)
{
	size_t plain = 0;
	for (size_t i = 0; i < text.n; i++) {
		struct str as;
		switch (text.p[i]) {
		case '&': as = STR("&amp;"); break;
		case '<': as = STR("&lt;"); break;
		case '>': as = STR("&gt;"); break;
		case '"': as = STR("&quot;"); break;
		case '\'': as = STR("&#39;"); break;
		default: continue;
		}
		buf_add(&p->out, str_sub(text, plain, i - plain));
		buf_add(&p->out, as);
		plain = i + 1;
	}
	buf_add(&p->out, str_sub(text, plain, text.n));
}

void html_number(struct page *p, int64_t n)
{
	buf_printf(&p->out, "%" PRId64, n);
}

void html_word(struct page *p, enum kiosk_word word)
{
	html_text(p, kiosk_word(p->lang, word));
}

void html_words(struct page *p, enum kiosk_word word, const struct str *values, size_t n)
{
	struct str rest = kiosk_word(p->lang, word);
	for (size_t i = 0; rest.n;) {
		const size_t at = str_find(rest, '%');
		const bool place = at + 1 < rest.n && (rest.p[at + 1] == 's' || rest.p[at + 1] == 'd');
		html_text(p, str_sub(rest, 0, place ? at : at + 1));
		if (place && i < n)
			html_text(p, values[i++]);
		rest = str_sub(rest, place ? at + 2 : at + 1, rest.n);
	}
}

/* --- time, money --- */

void html_time(struct page *p, int start_minutes)
{
	buf_printf(&p->out, "%d:%02d", start_minutes / 60, start_minutes % 60);
}

static bool digits(struct str s, int *ret)
{
	*ret = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		*ret = *ret * 10 + (s.p[i] - '0');
	}
	return s.n > 0;
}

bool day_read(struct str day, int *year, int *month, int *mday)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int y, m, d;
	if (day.n != 10 || day.p[4] != '-' || day.p[7] != '-' || !digits(str_sub(day, 0, 4), &y) ||
	    !digits(str_sub(day, 5, 2), &m) || !digits(str_sub(day, 8, 2), &d) || m < 1 || m > 12 || d < 1 || y < 1)
		return false;
	const bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	if (d > days[m - 1] + (m == 2 && leap))
		return false;
	*year = y;
	*month = m;
	*mday = d;
	return true;
}

void html_day(struct page *p, struct str day)
{
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
		                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	int y, m, d;
	if (!day_read(day, &y, &m, &d))
		html_text(p, day);
	else if (p->lang == KIOSK_EN)
		buf_printf(&p->out, "%d %s %d", d, months[m - 1], y);
	else if (p->lang == KIOSK_ZH)
		buf_printf(&p->out, "%d年%d月%d日", y, m, d);
	else
		buf_printf(&p->out, "%02d/%02d/%d", d, m, y);
}

/* Sakamoto's method: 0 is Sunday. */
void html_weekday(struct page *p, struct str day)
{
	static const int shift[] = { 0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4 };
	static const enum kiosk_word names[] = { KIOSK_WORD_SUNDAY,    KIOSK_WORD_MONDAY,   KIOSK_WORD_TUESDAY,
		                                 KIOSK_WORD_WEDNESDAY, KIOSK_WORD_THURSDAY, KIOSK_WORD_FRIDAY,
		                                 KIOSK_WORD_SATURDAY };
	int y, m, d;
	if (!day_read(day, &y, &m, &d))
		return;
	y -= m < 3;
	html_word(p, names[(y + y / 4 - y / 100 + y / 400 + shift[m - 1] + d) % 7]);
}

struct str money_text(enum kiosk_language lang, int64_t amount, char out[MONEY_TEXT])
{
	char plain[24];
	const char mark = lang == KIOSK_VI ? '.' : ',';
	const int n = snprintf(plain, sizeof(plain), "%" PRIu64, amount < 0 ? -(uint64_t)amount : (uint64_t)amount);
	size_t at = 0;
	if (amount < 0)
		out[at++] = '-';
	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			out[at++] = mark;
		out[at++] = plain[i];
	}
	memcpy(out + at, " ₫", sizeof(" ₫"));
	return (struct str){ out, at + sizeof(" ₫") - 1 };
}

void html_money(struct page *p, int64_t amount)
{
	char text[MONEY_TEXT];
	html_text(p, money_text(p->lang, amount, text));
}

/* --- the page around --- */

static void asset(struct page *p, struct str before, struct str after)
{
	buf_add(&p->out, before);
	if (p->version)
		buf_printf(&p->out, "?%s", p->version);
	buf_add(&p->out, after);
}

static void languages(struct page *p)
{
	static const char *const names[N_KIOSK_LANGUAGES] = { "Tiếng Việt", "English", "中文" };
	html(p, "<nav class=\"lang\" aria-label=\"");
	html_word(p, KIOSK_WORD_LANGUAGE);
	html(p, "\">");
	for (unsigned i = 0; i < N_KIOSK_LANGUAGES; i++) {
		const char *code = kiosk_language_codes[i];
		if (i == p->lang) {
			buf_printf(&p->out, "<b lang=\"%s\">%s</b>", code, names[i]);
			continue;
		}
		html(p, "<a href=\"");
		html_text(p, str_from(p->path));
		buf_printf(&p->out, "?lang=%s\" lang=\"%s\" hreflang=\"%s\" rel=\"nofollow\">%s</a>", code, code, code,
		           names[i]);
	}
	html(p, "</nav>");
}

void html_begin(struct page *p, enum kiosk_word title)
{
	html(p, "<!doctype html>\n<html lang=\"");
	buf_add(&p->out, str_from(kiosk_language_codes[p->lang]));
	html(p, "\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,"
	        "initial-scale=1\"><title>");
	html_word(p, title);
	html(p, "</title>");
	html(p, "<link rel=\"icon\" href=\"data:,\">");
	asset(p, STR("<link rel=\"stylesheet\" href=\"/kiosk.css"), STR("\">"));
	asset(p, STR("<script src=\"/kiosk.js"), STR("\" defer></script>"));
	if (p->refresh)
		buf_printf(&p->out, "<noscript><meta http-equiv=\"refresh\" content=\"%u\"></noscript>", p->refresh);
	html(p, "</head>\n<body");
	if (p->kind) {
		html(p, " class=\"");
		html_text(p, str_from(p->kind));
		html(p, "\"");
	}
	html(p, ">\n");
	if (p->demo) {
		html(p, "<p class=\"note\"><b>DEMO</b> · ");
		html_word(p, KIOSK_WORD_DEMO);
		html(p, "</p>\n");
	}
	html(p, "<a class=\"skip\" href=\"#main\">");
	html_word(p, KIOSK_WORD_SKIP);
	html(p, "</a>\n<header><nav><a href=\"/\">");
	html_word(p, KIOSK_WORD_HOME);
	html(p, "</a><a href=\"/find\">");
	html_word(p, KIOSK_WORD_FIND);
	html(p, "</a>");
	if (p->session.n) {
		html(p, "<a href=\"/staff\">");
		html_word(p, KIOSK_WORD_FOR_STAFF);
		html(p, "</a>");
	}
	html(p, "</nav>");
	if (p->path)
		languages(p);
	html(p, "</header>\n<main id=\"main\">\n<h1>");
	html_word(p, title);
	html(p, "</h1>\n");
}

void html_end(struct page *p)
{
	html(p, "\n</main>\n<footer><p>");
	html_word(p, KIOSK_WORD_EMERGENCY);
	html(p, "</p>");
	if (!p->session.n) {
		html(p, "<p><a href=\"/staff\">");
		html_word(p, KIOSK_WORD_FOR_STAFF);
		html(p, "</a></p>");
	}
	html(p, "</footer>\n</body></html>\n");
}

size_t html_form(struct page *p, const char *action, struct str token)
{
	html(p, "<form method=\"post\" action=\"");
	html_text(p, str_from(action));
	html(p, "\"><input type=\"hidden\" name=\"token\" value=\"");
	const size_t at = p->out.n;
	html_text(p, token);
	html(p, "\">");
	return at;
}

void html_version(char version[HTML_VERSION + 1])
{
	unsigned char hash[HTML_VERSION / 2];
	crypto_generichash_state state;
	crypto_generichash_init(&state, NULL, 0, crypto_generichash_BYTES_MIN);
	crypto_generichash_update(&state, (const unsigned char *)html_css.p, html_css.n);
	crypto_generichash_update(&state, (const unsigned char *)html_js.p, html_js.n);
	unsigned char full[crypto_generichash_BYTES_MIN];
	crypto_generichash_final(&state, full, sizeof(full));
	memcpy(hash, full, sizeof(hash));
	sodium_bin2hex(version, HTML_VERSION + 1, hash, sizeof(hash));
}
