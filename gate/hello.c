#include "gate.h"

enum { CLIENT_HELLO = 1, HEAD = 4 };

/* How a fingerprint is found in its connection's pool: HTTP/2's streams have connections of their own, but this one pool. */
static void hello_gone(void *hello)
{
}

static const struct hello *find(const ngx_connection_t *c)
{
	for (const ngx_pool_cleanup_t *p = c->pool->cleanup; p; p = p->next) {
		if (p->handler == hello_gone)
			return p->data;
	}
	return NULL;
}

/* Of OpenSSL's ways to see a ClientHello the only one that shows its extensions as they came. */
static void see_message(int sent, int version, int type, const void *bytes, size_t n, SSL *ssl, void *arg)
{
	ngx_connection_t *c = ngx_ssl_get_connection(ssl);
	struct hello hello;
	if (sent || type != SSL3_RT_HANDSHAKE || n < HEAD || *(const uint8_t *)bytes != CLIENT_HELLO)
		return;
	/* a second one, after HelloRetryRequest, or of a renegotiation, says no more */
	if (!c || !c->pool || find(c) || hello_read((struct str){ bytes, n }, &hello))
		return;
	ngx_pool_cleanup_t *place = ngx_pool_cleanup_add(c->pool, sizeof(hello));
	if (!place)
		return;
	*(struct hello *)place->data = hello;
	place->handler = hello_gone;
}

const struct hello *gate_hello_of(const ngx_connection_t *c)
{
	if (!c->ssl)
		return NULL;
	const ngx_connection_t *main = ngx_ssl_get_connection(c->ssl->connection);
	return main ? find(main) : NULL;
}

ngx_int_t gate_hello_begins(ngx_conf_t *cf)
{
	ngx_http_core_main_conf_t *core = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
	ngx_http_core_srv_conf_t **servers = core->servers.elts;
	for (ngx_uint_t i = 0; i < core->servers.nelts; i++) {
		const ngx_http_ssl_srv_conf_t *s = servers[i]->ctx->srv_conf[ngx_http_ssl_module.ctx_index];
		if (s && s->ssl.ctx)
			SSL_CTX_set_msg_callback(s->ssl.ctx, see_message);
	}
	return NGX_OK;
}
