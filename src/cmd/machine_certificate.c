#include "cmd/machine_certificate.h"

#include "os/atomic.h"
#include "pki/pki.h"

#include <errno.h>
#include <sys/stat.h>

int machine_certificate(const char *ca, const char *own, const struct config_list *names, const struct clock *clock,
                        struct buf *chain, struct buf *key, struct err *err)
{
	CLEANUP(buf_free) struct buf ca_crt = { 0 };
	struct str wanted[PKI_NAMES_MAX];
	struct signer *signer;
	bool renewed = false;
	const size_t n = names->n < PKI_NAMES_MAX ? names->n : PKI_NAMES_MAX;
	for (size_t i = 0; i < n; i++)
		wanted[i] = str_from(names->at[i]);
	int code = pki_load(ca, "ca.crt", &ca_crt, err);
	if (code)
		return code;
	if (mkdir(own, 0700) && errno != EEXIST)
		return err_set(err, -errno, "make the folder '%s': %m", own);
	code = atomic_write(own, "ca.crt", buf_str(&ca_crt), 0644, err);
	if (!code)
		code = signer_start(&signer, ca, clock, err);
	if (code)
		return code;
	code = pki_hub(own, signer, wanted, n, clock, key, chain, &renewed, err);
	signer_free(signer);
	buf_add(chain, buf_str(&ca_crt));
	return code;
}
