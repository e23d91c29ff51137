#include "order/invite.h"

#include "order/order_inside.h"

#include <errno.h>
#include <sodium.h>

static const char HEAD[] = "khien1.";
enum { VARIANT = sodium_base64_VARIANT_URLSAFE_NO_PADDING };
enum { RAW_MAX = 1 + INVITE_HUBS * (1 + INVITE_HUB) + INVITE_PRINT + INVITE_SECRET };

/* "HOST:PORT": letters that an address or a name has, and a port. */
static bool is_hub(struct str s)
{
	size_t colon = s.n;
	unsigned port = 0;
	while (colon > 0 && s.p[colon - 1] != ':')
		colon--;
	if (colon < 2 || s.n > INVITE_HUB || s.n - colon < 1 || s.n - colon > 5)
		return false;
	for (size_t i = colon; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		port = port * 10 + (unsigned)(s.p[i] - '0');
	}
	struct str host = str_sub(s, 0, colon - 1);
	const bool bracket = host.p[0] == '[' && host.n > 2 && host.p[host.n - 1] == ']';
	for (size_t i = bracket ? 1 : 0; i < host.n - (bracket ? 1 : 0); i++) {
		const char c = host.p[i], low = (char)(c | 0x20);
		if (!((low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '.' || (!bracket && c == '-') ||
		      (bracket && c == ':')))
			return false;
	}
	return port > 0 && port < 65536;
}

int invite_print(const struct invite *i, struct buf *out, struct err *err)
{
	unsigned char raw[RAW_MAX];
	size_t n = 0;
	if (!i->n_hubs || i->n_hubs > INVITE_HUBS)
		return err_set(err, -EINVAL, "a token for a post names 1 to %d addresses of hubs", INVITE_HUBS);
	raw[n++] = (unsigned char)i->n_hubs;
	for (size_t k = 0; k < i->n_hubs; k++) {
		struct str hub = str_from(i->hubs[k]);
		if (!is_hub(hub))
			return err_set(err, -EINVAL, "'%s' is no HOST:PORT", i->hubs[k]);
		raw[n++] = (unsigned char)hub.n;
		memcpy(raw + n, hub.p, hub.n);
		n += hub.n;
	}
	memcpy(raw + n, i->fingerprint, INVITE_PRINT);
	memcpy(raw + n + INVITE_PRINT, i->secret, INVITE_SECRET);
	n += INVITE_PRINT + INVITE_SECRET;
	const size_t len = sodium_base64_encoded_len(n, VARIANT), before = out->n;
	buf_add(out, str_from(HEAD));
	char *to = buf_room(out, len);
	if (to) {
		sodium_bin2base64(to, len, raw, n, VARIANT);
		out->n += len - 1;
	} else {
		out->n = before;
	}
	sodium_memzero(raw, sizeof(raw));
	return to ? 0 : err_set(err, -ENOMEM, "%m");
}

static bool take(struct invite *i, const unsigned char *raw, size_t n)
{
	size_t at = 1;
	i->n_hubs = n ? raw[0] : 0;
	if (!i->n_hubs || i->n_hubs > INVITE_HUBS)
		return false;
	for (size_t k = 0; k < i->n_hubs; k++) {
		const size_t len = at < n ? raw[at] : 0;
		if (!len || len > n - at - 1)
			return false;
		memcpy(i->hubs[k], raw + at + 1, len);
		if (!is_hub((struct str){ i->hubs[k], len }))
			return false;
		at += 1 + len;
	}
	if (n - at != INVITE_PRINT + INVITE_SECRET)
		return false;
	memcpy(i->fingerprint, raw + at, INVITE_PRINT);
	memcpy(i->secret, raw + at + INVITE_PRINT, INVITE_SECRET);
	return true;
}

int invite_read(struct invite *ret, struct str text, struct err *err)
{
	unsigned char raw[RAW_MAX];
	struct invite i = { 0 };
	size_t n = 0;
	bool good = false;
	text = str_trim(text);
	if (str_starts(text, str_from(HEAD)) && order_is_ascii(text)) {
		text = str_sub(text, strlen(HEAD), text.n);
		good = !sodium_base642bin(raw, sizeof(raw), text.p, text.n, NULL, &n, NULL, VARIANT) &&
		       take(&i, raw, n);
	}
	if (good)
		*ret = i;
	sodium_memzero(raw, sizeof(raw));
	sodium_memzero(&i, sizeof(i));
	return good ? 0
	            : err_set(err, -EINVAL,
	                      "that is no token for a post: 'khien hub token --post' prints one, it begins "
	                      "with khien1.");
}

void invite_secret(const struct invite *i, char text[INVITE_SECRET_TEXT + 1])
{
	sodium_bin2base64(text, INVITE_SECRET_TEXT + 1, i->secret, INVITE_SECRET, VARIANT);
}
