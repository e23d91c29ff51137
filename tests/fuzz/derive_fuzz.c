/* intake_derive: what it adds are views into the message, and an address or port is one. */
#include "intake/derive.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { USER = FIELD_FIRST_NAMED, IP, PORT, ACTION, N_FIELDS };

static bool inside(struct str part, struct str whole)
{
	return part.p >= whole.p && part.p + part.n <= whole.p + whole.n;
}

static void check_ip(struct str ip)
{
	char z[INET6_ADDRSTRLEN] = { 0 }, to[16];
	ip.n = str_find(ip, '%');
	assert(ip.n < sizeof(z) && !memchr(ip.p, 0, ip.n));
	memcpy(z, ip.p, ip.n);
	assert(inet_pton(strchr(z, ':') ? AF_INET6 : AF_INET, z, to) == 1);
}

static void check_port(struct str port)
{
	unsigned long n = 0;
	assert(port.n > 0 && port.n <= 5);
	for (size_t i = 0; i < port.n; i++) {
		assert(port.p[i] >= '0' && port.p[i] <= '9');
		n = n * 10 + (unsigned long)(port.p[i] - '0');
	}
	assert(n <= 65535);
}

/* "program: message"; the message is copied to a block of its own size, so that a read behind it is seen. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct field_path paths[] = { { STR("user.name"), USER },
		                            { STR("source.ip"), IP },
		                            { STR("source.port"), PORT },
		                            { STR("event.action"), ACTION } };
	struct str line = { (const char *)data, size };
	struct str program = str_sub(line, 0, str_find(line, ':'));
	struct str rest = str_sub(line, program.n + 1, size);
	char *copy = malloc(rest.n + 1);
	struct fields *fields;
	struct event ev;
	assert(copy && fields_new(&fields, N_FIELDS, paths, ARRAY_LEN(paths), NULL) == 0);
	assert(event_init(&ev, fields) == 0);
	memcpy(copy, rest.p, rest.n);
	struct str message = { copy, rest.n };
	event_reset(&ev);
	bool known = intake_derive(&ev, program, message);
	assert(known == (event_value(&ev, ACTION) != NULL));
	const struct value *user = event_value(&ev, USER), *ip = event_value(&ev, IP), *port = event_value(&ev, PORT);
	assert(!user || (!user->next && inside(user->text, message)));
	assert(!ip || inside(ip->text, message));
	if (ip)
		check_ip(ip->text);
	if (port)
		check_port(port->text);
	event_done(&ev);
	fields_free(fields);
	free(copy);
	return 0;
}
