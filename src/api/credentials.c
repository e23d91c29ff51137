#include "api/credentials.h"

#include <errno.h>
#include <sodium.h>
#include <strings.h>

/* ID, one separator, SECRET. */
static bool is_token(const char *p, size_t n, char separator)
{
	const char *at = n ? memchr(p, separator, n) : NULL;
	if (!at || at == p || at + 1 == p + n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (p[i] <= ' ' || p[i] > '~' || (p[i] == '.' && p + i < at))
			return false;
	return true;
}

int credentials_parse(struct str authorization, struct credentials *ret)
{
	if (!authorization.n)
		return -ENOENT;
	struct credentials c = { 0 };
	size_t n = str_find(authorization, ' ');
	struct str scheme = str_sub(authorization, 0, n), value = str_sub(authorization, n + 1, authorization.n);
	bool bearer = scheme.n == 6 && !strncasecmp(scheme.p, "Bearer", 6);
	bool basic = scheme.n == 5 && !strncasecmp(scheme.p, "Basic", 5);
	bool key = scheme.n == 6 && !strncasecmp(scheme.p, "ApiKey", 6);
	while (value.n && value.p[0] == ' ')
		value = str_sub(value, 1, value.n);
	if (!(bearer || basic || key) || !value.n)
		return -EBADMSG;
	if (bearer && value.n <= sizeof(c.text)) {
		memcpy(c.text, value.p, value.n);
		c.n = value.n;
	} else if (bearer || sodium_base642bin((unsigned char *)c.text, sizeof(c.text), value.p, value.n, NULL, &c.n,
	                                       NULL, sodium_base64_VARIANT_ORIGINAL)) {
		c.n = 0;
	}
	char separator = bearer ? '.' : ':';
	bool good = is_token(c.text, c.n, separator);
	if (good) {
		*(char *)memchr(c.text, separator, c.n) = '.';
		*ret = c;
	}
	credentials_wipe(&c);
	return good ? 0 : -EBADMSG;
}

void credentials_wipe(struct credentials *c)
{
	sodium_memzero(c, sizeof(*c));
}
