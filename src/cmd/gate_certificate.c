/* The gate's own certificate, where nobody gave it one: of the hub's CA on this machine, else of a CA that only this gate knows. */
#include "cmd/gate.h"
#include "cmd/kiosk.h"
#include "cmd/machine_certificate.h"
#include "os/atomic.h"
#include "pki/pki.h"

#include <errno.h>
#include <stdio.h>

/* Under which it is reached: as the person wrote, else as it listens. */
static struct config_list find_names(const struct gate *g, const char **room)
{
	size_t n = 0;
	if (g->c->names.n)
		return g->c->names;
	for (size_t i = 0; i < g->config.hub.names.n && n < PKI_NAMES_MAX; i++)
		room[n++] = g->config.hub.names.at[i];
	return (struct config_list){ room, n };
}

static int own_ca(const struct gate *g, const char *folder, struct err *err)
{
	bool made;
	int code = pki_ca_init(folder, STR("khien gate"), g->clock, &made, err);
	if (!code)
		log_say(&g->log, LOG_LEVEL_WARNING, "certificate-of-its-own",
		        LOG_TEXT("what", "browsers warn of it: nobody they trust has signed it"),
		        LOG_TEXT("instead",
		                 "write gate.tls.certificate and gate.tls.key (certbot makes such for a name)"));
	return code;
}

/* Whether bytes aren't what lies there; an error is a difference. */
static bool differs(const char *path, const struct buf *bytes)
{
	CLEANUP(kiosk_wipe) struct buf there = { 0 };
	return kiosk_file(path, &there, NULL) || !str_eq(buf_str(&there), buf_str(bytes));
}

int gate_certificate(const struct gate *g, bool *changed, struct err *err)
{
	CLEANUP(kiosk_wipe) struct buf key = { 0 };
	CLEANUP(buf_free) struct buf chain = { 0 };
	const char *names[PKI_NAMES_MAX];
	char ca[4200], own[4200], path[4300];
	*changed = false;
	if (!g->c->https.n || g->c->certificate)
		return 0;
	const struct config_list list = find_names(g, names);
	snprintf(own, sizeof(own), "%s/pki", g->paths.data);
	snprintf(ca, sizeof(ca), "%s/pki", g->config.hub.data);
	int code = machine_certificate(ca, own, &list, g->clock, &chain, &key, err);
	if (code == -ENOENT || code == -EACCES) {
		chain.n = key.n = 0;
		snprintf(ca, sizeof(ca), "%s/pki/ca", g->paths.data);
		code = own_ca(g, ca, err);
		if (!code)
			code = machine_certificate(ca, own, &list, g->clock, &chain, &key, err);
	}
	snprintf(path, sizeof(path), "%s/site.crt", own);
	if (code || !differs(path, &chain))
		return code;
	code = atomic_write(own, "site.key", buf_str(&key), 0600, err);
	if (!code)
		code = atomic_write(own, "site.crt", buf_str(&chain), 0644, err);
	*changed = !code;
	return code;
}
