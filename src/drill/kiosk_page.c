/* The kiosk's pages, as a patient reads them; and his bank's word that he has paid. */
#include "drill/patient.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* --- links --- */

struct choice {
	struct visits *v;
	const struct browser *b;
	const char *shape;
	uint64_t n;
	char *to;
};

/* "/s/#/#": a # stands for digits and dashes. An empty shape is everything. */
static bool fits(const char *path, const char *shape)
{
	if (!*shape)
		return true;
	while (*shape) {
		if (*shape == '#') {
			const size_t n = strspn(path, "0123456789-");
			if (!n)
				return false;
			path += n;
			shape++;
		} else if (*path++ != *shape++)
			return false;
	}
	return !*path;
}

/* Each as likely as the others, in one pass. */
static void choose(void *arg, struct str reference)
{
	struct choice *c = arg;
	char path[PAGE_PATH];
	if (drill_page_resolve(c->b->path, c->b->way->host, reference, path) && fits(path, c->shape) &&
	    drill_visits_chance(c->v, ++c->n) == 0)
		memcpy(c->to, path, sizeof(path));
}

void drill_patient_link(struct visits *v, struct str html, const struct browser *b, const char *shape,
                        char to[PAGE_PATH])
{
	struct choice c = { .v = v, .b = b, .shape = shape, .to = to };
	*to = '\0';
	drill_page_references(html, true, choose, &c);
}

/* --- the form --- */

bool drill_patient_fill(struct visits *v, struct str html, uint64_t number, struct buf *to)
{
	static const char *const hidden[] = { "token", "specialty", "day" };
	struct str form, value;
	char text[64];
	to->n = 0;
	if (!drill_page_form(html, "/book", &form))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(hidden); i++) {
		if (!drill_page_inputs(form, hidden[i], 0, &value))
			return false;
		drill_page_add_field(to, hidden[i], value);
	}
	const size_t places = drill_page_inputs(form, "slot", SIZE_MAX, &value);
	if (!places)
		return false;
	drill_page_inputs(form, "slot", drill_visits_chance(v, places), &value);
	drill_page_add_field(to, "slot", value);
	snprintf(text, sizeof(text), "Nguyễn Văn %c%c", (char)('A' + number % 26), (char)('a' + number / 26 % 26));
	drill_page_add_field(to, "name", str_from(text));
	snprintf(text, sizeof(text), "09%08llu", (unsigned long long)(number % 100000000));
	drill_page_add_field(to, "phone", str_from(text));
	drill_page_add_field(to, "born", STR("1980"));
	return !to->failed;
}

/* --- money --- */

static void copy(char *to, size_t room, struct str from)
{
	snprintf(to, room, STR_FMT, STR_ARG(from));
}

/* What stands in the i-th <dd> of the part of a page. */
static struct str definition(struct str part, unsigned i)
{
	struct page_tag t;
	size_t at = 0;
	while (drill_page_tag(part, &at, &t))
		if (drill_page_tag_is(&t, "dd") && i-- == 0) {
			const struct str rest = str_sub(part, at, part.n);
			return str_sub(rest, 0, str_find(rest, '<'));
		}
	return (struct str){ 0 };
}

bool drill_patient_bill(struct str html, struct patient_bill *ret)
{
	struct patient_bill bill = { 0 };
	struct page_tag t;
	size_t at = 0;
	while (drill_page_tag(html, &at, &t)) {
		if (!drill_page_tag_is(&t, "section") || !str_eq(drill_page_attribute(&t, "id"), STR("pay")))
			continue;
		const struct str part = str_sub(html, at, html.n), amount = definition(part, 0);
		copy(bill.state, sizeof(bill.state), drill_page_attribute(&t, "data-state"));
		for (size_t i = 0; i < amount.n && bill.amount < 1000000000; i++)
			if (amount.p[i] >= '0' && amount.p[i] <= '9')
				bill.amount = bill.amount * 10 + (uint64_t)(amount.p[i] - '0');
		copy(bill.reference, sizeof(bill.reference), definition(part, 2));
		*ret = bill;
		return true;
	}
	return false;
}

static void hex_text(const uint8_t *bytes, size_t n, char *to)
{
	for (size_t i = 0; i < n; i++)
		snprintf(to + 2 * i, 3, "%02x", bytes[i]);
}

int drill_patient_notice(const struct patient_bill *bill, const char *secret, const char *account, uint64_t number,
                         int64_t wall_s, char headers[256], struct buf *body)
{
	enum { VIETNAM_S = 7 * 3600, MAC = 32 };
	CLEANUP(buf_free) struct buf signed_text = { .max = 4096 };
	const time_t there = (time_t)(wall_s + VIETNAM_S);
	uint8_t mac[MAC];
	char when[32], hex[2 * MAC + 1];
	struct tm tm;
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", gmtime_r(&there, &tm));
	body->n = 0;
	buf_printf(body, "{\"id\":%llu,\"gateway\":\"DRILL\",\"transactionDate\":\"%s\",\"accountNumber\":",
	           (unsigned long long)number, when);
	buf_add_json(body, str_from(account));
	buf_printf(body,
	           ",\"transferType\":\"in\",\"transferAmount\":%llu,\"content\":", (unsigned long long)bill->amount);
	buf_add_json(body, str_from(bill->reference));
	buf_putc(body, '}');
	buf_printf(&signed_text, "%lld." STR_FMT, (long long)wall_s, STR_ARG(buf_str(body)));
	if (body->failed || signed_text.failed ||
	    gnutls_hmac_fast(GNUTLS_MAC_SHA256, secret, strlen(secret), signed_text.p, signed_text.n, mac))
		return -EINVAL;
	hex_text(mac, sizeof(mac), hex);
	snprintf(headers, 256,
	         "Content-Type: application/json\r\nX-SePay-Timestamp: %lld\r\nX-SePay-Signature: sha256=%s\r\n",
	         (long long)wall_s, hex);
	return 0;
}
