/* Bots that take their time: heads without an end, bodies byte by byte; and what the others ask. */
#include "drill/crowd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

/* --- requests --- */

static void write_slow(struct buf *to, const char *path, const char *host, bool body)
{
	if (body)
		buf_printf(to,
		           "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: "
		           "application/x-www-form-urlencoded\r\nContent-Length: 65536\r\n\r\nname=",
		           path, host);
	else
		buf_printf(to, "GET %s HTTP/1.1\r\nHost: %s\r\nX-", path, host);
}

static void write_plain(struct buf *to, const struct group *g, const char *path, const char *host, unsigned i)
{
	const struct http_browser *browser = drill_http_browser(i);
	const bool closes = g->b->kind == DRILL_NEW || g->b->kind == DRILL_TLS;
	buf_printf(to, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nAccept: text/html,*/*;q=0.8\r\n", path, host,
	           browser->agent);
	if (*g->cookie)
		buf_printf(to, "Cookie: %s\r\n", g->cookie);
	buf_add(to, closes ? STR("Connection: close\r\n\r\n") : STR("\r\n"));
}

int drill_crowd_requests(struct crowd *c, struct group *g, struct err *err)
{
	const char *host = c->d->host;
	unsigned n_paths = 0, n = 0;
	int code = 0;
	while (n_paths < CROWD_PATHS && g->b->paths[n_paths])
		n_paths++;
	if (!n_paths)
		return err_set(err, -EINVAL, "bots need a path to ask for");
	/* slow ones are of two kinds, whatever the number of paths */
	for (; n < n_paths || (g->b->kind == DRILL_SLOW && n < 2); n++) {
		const char *path = g->b->paths[n % n_paths];
		struct buf to = { .max = 16 << 10 };
		if (g->b->kind == DRILL_H2)
			code = drill_h2_block(&to, g->way.credentials != NULL, host, path,
			                      drill_http_browser(n)->agent);
		else if (g->b->kind == DRILL_SLOW)
			write_slow(&to, path, host, n % 2 == 1);
		else
			write_plain(&to, g, path, host, n);
		if (to.failed || code) {
			buf_free(&to);
			return err_set(err, -EMSGSIZE, "a bot's path is too long: '%.80s'", path);
		}
		buf_free(&g->requests[n]);
		g->requests[n] = to;
	}
	g->n_requests = n;
	return 0;
}

/* --- who takes his time --- */

static void cut(struct crowd *c, struct bot *b)
{
	c->result.slow_cut += b->line.at == LINE_OPEN;
	c->result.refused += b->line.at != LINE_OPEN && b->line.at != LINE_CLOSED;
	drill_line_close(&b->line);
}

/* One byte; of a head it is a name's, of a body a value's: neither ends. */
static void send_byte(struct crowd *c, struct bot *b)
{
	const ssize_t n = drill_line_send(&b->line, STR("a"));
	if (n < 0 && n != -EAGAIN)
		cut(c, b);
}

void drill_crowd_slow(struct crowd *c, struct group *g)
{
	for (unsigned i = c->turns % 10; i < g->b->connections; i += 10) {
		struct bot *b = &g->bots[i];
		if (b->line.at == LINE_OPEN) {
			send_byte(c, b);
		} else if (b->line.at == LINE_CLOSED) {
			b->request = (uint16_t)(i % g->n_requests);
			if (drill_crowd_open(c, b))
				c->result.refused++;
		}
	}
}

void drill_crowd_slow_event(struct crowd *c, struct bot *b, uint32_t events)
{
	struct group *g = &c->groups[b->group];
	if (b->line.at == LINE_CLOSED)
		return;
	if (b->line.at != LINE_OPEN) {
		const int code = drill_line_go(&b->line, &g->way);
		if (code == -EAGAIN)
			return;
		if (code || drill_line_send(&b->line, buf_str(&g->requests[b->request])) < 0) {
			cut(c, b);
			return;
		}
		c->result.connections++;
		c->result.handshakes += b->line.tls != NULL;
	}
	/* whatever is said to it, an answer or nothing: it was found out */
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
		const ssize_t n = drill_line_recv(&b->line, c->in, sizeof(c->in));
		if (n != -EAGAIN)
			cut(c, b);
	}
}
