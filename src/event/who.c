#include "event/who.h"

/* ECS; Sigma taxonomy (Windows: the one acted upon before the one who acts); Linux audit; clouds and proxies. */
static const char *const users[] = { "user.name",
	                             "User",
	                             "TargetUserName",
	                             "SubjectUserName",
	                             "AccountName",
	                             "UserName",
	                             "cs-username",
	                             "username",
	                             "user",
	                             "acct",
	                             "userIdentity.arn",
	                             "ActorUserName",
	                             "actor.email",
	                             "user.id",
	                             "auid",
	                             "properties.userId",
	                             NULL };
static const char *const addresses[] = {
	"source.ip",     "c-ip",      "SourceIp",        "IpAddress", "src_ip",    "SourceAddress",  "sourceIPAddress",
	"ClientAddress", "client.ip", "ClientIPAddress", "ClientIP",  "id.orig_h", "source.address", "src",
	"addr",          NULL
};
static const char *const nobody[] = { "", "-", "?", "(null)", "unset", "4294967295", "::", "0.0.0.0", NULL };

static int find(const char *const *list, struct str s)
{
	for (int i = 0; list[i]; i++)
		if (str_eq(str_from(list[i]), s))
			return i;
	return -1;
}

int who_rank(enum who what, struct str name)
{
	return find(what == WHO_USER ? users : addresses, name);
}

bool who_told(struct str text)
{
	return find(nobody, text) < 0;
}
