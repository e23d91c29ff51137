/*
 * Errors. A function that can fail returns 0 or -errno and, where the caller handed in a `struct err`, leaves words
 * for a person in it: which path, line or peer, why, and what to do. Outputs are written only on success.
 */
#ifndef KHIEN_BASE_ERR_H
#define KHIEN_BASE_ERR_H

struct err {
	int code;       /* the -errno that was returned */
	char text[512]; /* one line, no newline at its end */
};

/* Fills err (which may be NULL) and returns code. %m is strerror(-code). */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
