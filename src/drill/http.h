/*
 * Answers of HTTP/1.1 (RFC 9112), as they come in pieces: as much as a drill has to know, and nothing that it believes. A head of up to
 * 16 KB; chunked, by length, or to the connection's end.
 */
#ifndef KHIEN_DRILL_HTTP_H
#define KHIEN_DRILL_HTTP_H

#include "base/str.h"

#include <sys/types.h>

enum { HTTP_HEAD_MAX = 16 << 10 };
enum http_at {
	HTTP_HEAD,
	HTTP_LENGTH,
	HTTP_CHUNK_SIZE,
	HTTP_CHUNK,
	HTTP_CHUNK_END,
	HTTP_TRAILER,
	HTTP_TO_END,
	HTTP_DONE
};

struct http_answer {
	char *head; /* what came of it so far, where it came in pieces; of malloc */
	uint64_t left;
	uint16_t n_head, status;
	uint8_t at; /* enum http_at */
	bool closes;
	uint8_t digits; /* of a chunk's size; and of a trailer: bytes of its line */
};

/* Called with what was read; NULL: not wanted. Pieces are borrowed. */
struct http_sink {
	void (*head)(void *arg, struct str head);
	void (*body)(void *arg, struct str piece);
	void *arg;
};

/* Zeroed is the beginning; this after one that was DONE, or was given up. */
void drill_http_again(struct http_answer *a);
/*
 * Takes bytes that came. How many of them were this answer's: fewer than all only when it is DONE. -EPROTO: it isn't HTTP; -EMSGSIZE.
 */
ssize_t drill_http_take(struct http_answer *a, struct str in, const struct http_sink *sink);
/* The connection ended: was that the answer's end? */
bool drill_http_ended(struct http_answer *a);

/* The value of a header, blanks around taken away; {NULL, 0}: there is none (any more). *at: where to look from; 0 at first. */
struct str drill_http_header(struct str head, const char *name, size_t *at);

/* How browsers call themselves: User-Agent and Accept-Language; any number is one of them. Bots and patients take from the same. */
struct http_browser {
	const char *agent, *language;
};
const struct http_browser *drill_http_browser(uint64_t n);

#endif
