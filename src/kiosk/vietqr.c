#include "kiosk/pay.h"

#include "base/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* EMVCo's ids of data objects, and those within NAPAS's template */
enum {
	ID_FORMAT = 0,
	ID_METHOD = 1,
	ID_NAPAS = 38,
	ID_CURRENCY = 53,
	ID_AMOUNT = 54,
	ID_COUNTRY = 58,
	ID_MORE = 62,
	ID_CRC = 63,
	NAPAS_GUID = 0,
	NAPAS_PAYEE = 1,
	NAPAS_SERVICE = 2,
	PAYEE_BIN = 0,
	PAYEE_ACCOUNT = 1,
	MORE_PURPOSE = 8,
	BIN_LENGTH = 6,
	ACCOUNT_MAX = 19,
	CRC_LENGTH = 4,
};

static const char GUID[] = "A000000727", TO_ACCOUNT[] = "QRIBFTTA", TO_CARD[] = "QRIBFTTC";

uint16_t vietqr_crc(struct str text)
{
	uint16_t crc = 0xffff;
	for (size_t i = 0; i < text.n; i++) {
		crc ^= (uint16_t)((unsigned char)text.p[i] << 8);
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
	}
	return crc;
}

/* --- folding --- */

/* The letter under the marks, 0 for a mark that stands alone, ' ' for what is no letter of Vietnamese. */
static char base_letter(uint32_t cp)
{
	/* U+00C0 on; old texts have U+00D0 for U+0110 */
	static const char latin1[] = "AAAA    EEE II  D OOOO   UU  Y  aaaa    eee ii  d oooo   uu  y  ";
	/* U+1EA0 on, where capital and small letter take turns: how many of each */
	static const struct {
		char letters[3];
		unsigned char n;
	} runs[] = { { "Aa", 24 }, { "Ee", 16 }, { "Ii", 4 }, { "Oo", 24 }, { "Uu", 14 }, { "Yy", 8 } };
	_Static_assert(sizeof(latin1) == 64 + 1, "U+00C0 to U+00FF");
	if (cp < 0x80)
		return cp > ' ' && cp < 0x7f ? (char)cp : ' ';
	if (cp >= 0xc0 && cp <= 0xff)
		return latin1[cp - 0xc0];
	if (cp >= 0x300 && cp <= 0x36f)
		return 0;
	uint32_t at = cp - 0x1ea0;
	for (size_t i = 0; cp >= 0x1ea0 && i < ARRAY_LEN(runs); at -= runs[i++].n)
		if (at < runs[i].n)
			return runs[i].letters[at & 1];
	switch (cp) {
	case 0x102: return 'A';
	case 0x103: return 'a';
	case 0x110: return 'D';
	case 0x111: return 'd';
	case 0x128: return 'I';
	case 0x129: return 'i';
	case 0x168: return 'U';
	case 0x169: return 'u';
	case 0x1a0: return 'O';
	case 0x1a1: return 'o';
	case 0x1af: return 'U';
	case 0x1b0: return 'u';
	default: return ' ';
	}
}

void vietqr_fold(struct str text, struct buf *out)
{
	bool blank = false;
	while (text.n) {
		size_t n = utf8_len(text);
		char c = n ? base_letter(utf8_get(text)) : ' ';
		text = str_sub(text, n ? n : 1, text.n);
		if (c && !(c == ' ' && blank)) {
			buf_putc(out, c);
			blank = c == ' ';
		}
	}
}

/* --- writing --- */

static void put(struct buf *b, unsigned id, struct str value)
{
	buf_printf(b, "%02u%02zu" STR_FMT, id, value.n, STR_ARG(value));
}

static bool is_digits(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0;
}

static bool is_account(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
			return false;
	}
	return s.n > 0 && s.n <= ACCOUNT_MAX;
}

static void put_payee(struct buf *b, const struct vietqr *q)
{
	CLEANUP(buf_free) struct buf payee = { .max = VIETQR_MAX }, napas = { .max = VIETQR_MAX };
	put(&payee, PAYEE_BIN, q->bin);
	put(&payee, PAYEE_ACCOUNT, q->account);
	put(&napas, NAPAS_GUID, str_from(GUID));
	put(&napas, NAPAS_PAYEE, buf_str(&payee));
	put(&napas, NAPAS_SERVICE, str_from(q->card ? TO_CARD : TO_ACCOUNT));
	b->failed |= payee.failed || napas.failed;
	put(b, ID_NAPAS, buf_str(&napas));
}

static void put_purpose(struct buf *b, struct str purpose)
{
	CLEANUP(buf_free) struct buf folded = { 0 }, more = { .max = VIETQR_MAX };
	vietqr_fold(purpose, &folded);
	struct str text = str_trim(str_sub(str_trim(buf_str(&folded)), 0, VIETQR_PURPOSE));
	put(&more, MORE_PURPOSE, text);
	b->failed |= folded.failed || more.failed;
	if (text.n)
		put(b, ID_MORE, buf_str(&more));
}

int vietqr_write(const struct vietqr *q, char out[VIETQR_MAX], struct err *err)
{
	if (q->bin.n != BIN_LENGTH || !is_digits(q->bin))
		return err_set(err, -EINVAL, "VietQR: a bank's number (BIN) has six digits");
	if (!is_account(q->account))
		return err_set(err, -EINVAL, "VietQR: an account has up to 19 letters and digits");
	if (q->amount < 0 || q->amount > MONEY_MAX)
		return err_set(err, -EINVAL, "VietQR: an amount has up to 13 digits");
	CLEANUP(buf_free) struct buf b = { .max = VIETQR_MAX };
	char amount[24];
	int n = snprintf(amount, sizeof(amount), "%" PRId64, q->amount);
	put(&b, ID_FORMAT, STR("01"));
	put(&b, ID_METHOD, q->amount ? STR("12") : STR("11"));
	put_payee(&b, q);
	put(&b, ID_CURRENCY, STR("704"));
	if (q->amount)
		put(&b, ID_AMOUNT, (struct str){ amount, (size_t)n });
	put(&b, ID_COUNTRY, STR("VN"));
	put_purpose(&b, q->purpose);
	buf_printf(&b, "%02d%02d", ID_CRC, CRC_LENGTH);
	if (!b.failed)
		buf_printf(&b, "%04X", vietqr_crc(buf_str(&b)));
	if (b.failed) /* what is put in has bounds: only memory can be short */
		return err_set(err, -ENOMEM, "VietQR: %m");
	memcpy(out, b.p, b.n);
	out[b.n] = 0;
	return 0;
}

/* --- reading --- */

/* The next object of a template; its id, -1 at the end, -2 where it is cut off or no object. */
static int take(struct str *rest, struct str *value)
{
	if (!rest->n)
		return -1;
	if (rest->n < 4 || !is_digits(str_sub(*rest, 0, 4)))
		return -2;
	int id = (rest->p[0] - '0') * 10 + rest->p[1] - '0';
	size_t n = (size_t)((rest->p[2] - '0') * 10 + rest->p[3] - '0');
	if (n > rest->n - 4)
		return -2;
	*value = str_sub(*rest, 4, n);
	*rest = str_sub(*rest, 4 + n, rest->n);
	return id;
}

/* Objects 0 to 99 of a template; one that isn't there is {NULL, 0}. False: malformed, or one stands twice. */
static bool take_all(struct str template, struct str objects[100])
{
	memset(objects, 0, 100 * sizeof(objects[0]));
	struct str value;
	int id;
	while ((id = take(&template, &value)) >= 0) {
		if (objects[id].p)
			return false;
		objects[id] = value;
	}
	return id == -1;
}

static bool read_payee(struct str napas, struct vietqr *q)
{
	struct str of[100], payee[100];
	if (!take_all(napas, of) || !str_eq(of[NAPAS_GUID], str_from(GUID)) || !take_all(of[NAPAS_PAYEE], payee))
		return false;
	q->bin = payee[PAYEE_BIN];
	q->account = payee[PAYEE_ACCOUNT];
	q->card = str_eq(of[NAPAS_SERVICE], str_from(TO_CARD));
	return (q->card || str_eq(of[NAPAS_SERVICE], str_from(TO_ACCOUNT))) && q->bin.n == BIN_LENGTH &&
	       is_digits(q->bin) && is_account(q->account);
}

static bool read_amount(struct str text, int64_t *amount)
{
	*amount = 0;
	if (!text.p)
		return true;
	if (!is_digits(text) || text.n > 13)
		return false;
	for (size_t i = 0; i < text.n; i++)
		*amount = *amount * 10 + (text.p[i] - '0');
	return true;
}

int vietqr_read(struct str text, struct vietqr *ret, struct err *err)
{
	static const struct str crc_head = { "6304", 4 };
	struct str of[100], more[100];
	struct vietqr q = { 0 };
	char crc[CRC_LENGTH + 1];
	if (text.n >= VIETQR_MAX || text.n < CRC_LENGTH + crc_head.n)
		return err_set(err, -EBADMSG, "VietQR: %zu bytes are none", text.n);
	struct str signed_part = str_sub(text, 0, text.n - CRC_LENGTH);
	snprintf(crc, sizeof(crc), "%04X", vietqr_crc(signed_part));
	if (!str_ends(signed_part, crc_head) || !str_ends(text, (struct str){ crc, CRC_LENGTH }))
		return err_set(err, -EBADMSG, "VietQR: the checksum is wrong");
	if (!str_starts(text, STR("000201")) || !take_all(text, of) || of[ID_CRC].n != CRC_LENGTH)
		return err_set(err, -EBADMSG, "VietQR: not of EMVCo's form");
	if (!read_payee(of[ID_NAPAS], &q))
		return err_set(err, -EBADMSG, "VietQR: no account of a bank in Vietnam");
	if (!str_eq(of[ID_CURRENCY], STR("704")) || !str_eq(of[ID_COUNTRY], STR("VN")) ||
	    !read_amount(of[ID_AMOUNT], &q.amount))
		return err_set(err, -EBADMSG, "VietQR: not an amount of whole đồng");
	if (!take_all(of[ID_MORE], more))
		return err_set(err, -EBADMSG, "VietQR: a purpose that can't be read");
	q.purpose = more[MORE_PURPOSE];
	*ret = q;
	return 0;
}
