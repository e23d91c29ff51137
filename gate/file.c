#include "gate.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_TEXT = 1024 };

static void forget(void *text)
{
	struct buf *b = text;
	sodium_memzero(b->p, b->n);
	buf_free(b);
}

/* A whole file. -ENOENT; -EFBIG. to: forget() it. */
static int read_whole(const char *path, size_t max, struct buf *to)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	int code = fd < 0 ? -errno : 0;
	*to = (struct buf){ .max = max + 1 };
	char *room = buf_room(to, max + 1); /* once: what grows leaves its old places behind, with a key in them */
	for (ssize_t n = 1; !code && n > 0 && to->n <= max;) {
		n = room ? read(fd, room + to->n, max + 1 - to->n) : -1;
		code = !room ? -ENOMEM : n < 0 ? -errno : 0;
		to->n += n > 0 ? (size_t)n : 0;
	}
	if (!code && to->n > max)
		code = -EFBIG;
	if (fd >= 0)
		close(fd);
	return code;
}

/* The directive's file; the name by which nginx knows it goes to path. absent: it may be, and is empty then. */
static char *read_named(ngx_conf_t *cf, bool absent, size_t max, ngx_str_t *path, struct buf *to)
{
	const ngx_str_t *value = cf->args->elts;
	*path = value[1];
	if (ngx_conf_full_name(cf->cycle, path, 1) != NGX_OK)
		return NGX_CONF_ERROR;
	const int code = read_whole((char *)path->data, max, to);
	if (!code || (code == -ENOENT && absent))
		return NGX_CONF_OK;
	if (code == -EFBIG)
		ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" is no such file: it has more than %uz bytes", path,
		                   max);
	else
		ngx_conf_log_error(NGX_LOG_EMERG, cf, -code, "can't read \"%V\"", path);
	return NGX_CONF_ERROR;
}

static char *wrong(ngx_conf_t *cf, const ngx_str_t *path, const struct err *err)
{
	ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%V: %s", path, err->text);
	return NGX_CONF_ERROR;
}

char *gate_file_key(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
	struct gate *g = conf;
	ngx_str_t path;
	struct err err = { 0 };
	CLEANUP(forget) struct buf text = { 0 };
	if (g->worker.now.there)
		return "is duplicate";
	if (read_named(cf, false, KEY_TEXT, &path, &text) != NGX_CONF_OK)
		return NGX_CONF_ERROR;
	return pass_keys_read(buf_str(&text), &g->worker.now, &g->worker.before, &err) ? wrong(cf, &path, &err)
	                                                                               : NGX_CONF_OK;
}

static void drop_lists(void *gate)
{
	struct gate *g = gate;
	free(g->lists);
	g->lists = NULL;
}

char *gate_file_lists(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
	struct gate *g = conf;
	struct err err = { 0 };
	CLEANUP(forget) struct buf text = { 0 };
	if (g->lists_file.data)
		return "is duplicate";
	if (read_named(cf, true, LIST_TEXT, &g->lists_file, &text) != NGX_CONF_OK)
		return NGX_CONF_ERROR;
	ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(cf->pool, 0);
	g->lists = calloc(LIST_MAX, sizeof(*g->lists));
	if (!g->lists || !cleanup)
		return NGX_CONF_ERROR;
	cleanup->handler = drop_lists;
	cleanup->data = g;
	if (list_read(buf_str(&text), g->lists, LIST_MAX, &g->n_lists, &err))
		return wrong(cf, &g->lists_file, &err);
	list_sort(g->lists, g->n_lists);
	return NGX_CONF_OK;
}

char *gate_file_normal(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
	struct gate *g = conf;
	CLEANUP(forget) struct buf text = { 0 };
	if (g->normal_file.data)
		return "is duplicate";
	if (read_named(cf, true, FLOOD_NORMAL_MAX, &g->normal_file, &text) != NGX_CONF_OK)
		return NGX_CONF_ERROR;
	char *copy = ngx_pnalloc(cf->pool, text.n + 1);
	if (!copy)
		return NGX_CONF_ERROR;
	if (text.n)
		memcpy(copy, text.p, text.n);
	g->normal = (struct str){ copy, text.n };
	return NGX_CONF_OK;
}
