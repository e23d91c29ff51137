/* What the tests of pki/ share: a folder of their own, files in it, and the tools of others to check with. */
#ifndef KHIEN_PKI_FIXTURE_H
#define KHIEN_PKI_FIXTURE_H

#include "pki/x509.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const int64_t DAY_US = (int64_t)X509_DAY_S * CLOCK_S;

struct fixture {
	char dir[64];
	struct clock clock; /* the time now, standing still */
};

static inline int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	snprintf(f->dir, sizeof(f->dir), "/tmp/khien-pki-XXXXXX");
	clock_test(&f->clock, clock_wall(&clock_system));
	*state = f;
	return mkdtemp(f->dir) ? 0 : -1;
}

static inline int fixture_teardown(void **state)
{
	static const char *const names[] = { "ca.key",   "ca.crt",    "hub.key",   "hub.crt",  "leaf.crt",
		                             "leaf.key", "order.key", "order.pub", "approvers" };
	struct fixture *f = *state;
	char path[128];
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
		unlink(path);
	}
	int code = rmdir(f->dir); /* nothing else was left behind */
	free(f);
	return code;
}

static inline const char *fixture_path(const struct fixture *f, const char *name)
{
	static char path[4][128];
	static unsigned next;
	char *p = path[next++ % 4];
	snprintf(p, sizeof(path[0]), "%s/%s", f->dir, name);
	return p;
}

static inline void fixture_write(const struct fixture *f, const char *name, struct str text, mode_t mode)
{
	unlink(fixture_path(f, name));
	int fd = open(fixture_path(f, name), O_WRONLY | O_CREAT | O_EXCL, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text.p, text.n), text.n);
	close(fd);
}

/* The caller frees it. */
static inline struct buf fixture_read(const struct fixture *f, const char *name)
{
	struct buf b = { 0 };
	struct err err = { 0 };
	if (x509_file(f->dir, name, false, &b, &err))
		fail_msg("%s", err.text);
	return b;
}

static inline void fixture_ca(struct fixture *f)
{
	struct err err = { 0 };
	bool made = false;
	if (pki_ca_init(f->dir, STR("Bệnh viện"), &f->clock, &made, &err))
		fail_msg("%s", err.text);
	assert_true(made);
}

#endif
