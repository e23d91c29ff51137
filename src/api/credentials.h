/*
 * What a caller shows in Authorization: "Bearer ID.SECRET" (RFC 6750), "ApiKey base64(ID:SECRET)" (as Elasticsearch's
 * clients send it), "Basic base64(ID:SECRET)" (RFC 7617).
 */
#ifndef KHIEN_API_CREDENTIALS_H
#define KHIEN_API_CREDENTIALS_H

#include "base/str.h"

enum { CREDENTIALS_MAX = 512 };

/* "ID.SECRET". Wipe it when it was looked at; never log it. */
struct credentials {
	size_t n;
	char text[CREDENTIALS_MAX];
};

/*
 * 0; -ENOENT: the value is empty; -EBADMSG: another scheme, base64 that isn't canonical, an ID or SECRET that is empty
 * or has other bytes than printable ASCII, an ID with a dot in it, or too long.
 */
int credentials_parse(struct str authorization, struct credentials *ret);
void credentials_wipe(struct credentials *c);

#endif
