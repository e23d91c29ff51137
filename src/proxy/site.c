/* nginx.conf, part by part. Each says in the file why it is there: whoever opens it is to understand his gate. */
#include "proxy/site.h"

#include <inttypes.h>
#include <strings.h>

#define ADD(out, text) buf_add(out, STR(text))

static bool any(const char *const *list)
{
	return list && *list;
}

static bool has_waf(const struct site *s)
{
	return s->waf != SITE_OFF && s->waf_module;
}

static const char *mode(const struct site *s)
{
	static const char *const words[] = { [SITE_ON] = "on", [SITE_WATCH] = "watch", [SITE_OFF] = "off" };
	return words[s->mode];
}

/* Under which names nginx sees an address: IPv6 in brackets. */
static void add_name(struct buf *out, const char *name)
{
	buf_printf(out, strchr(name, ':') ? " [%s]" : " %s", name);
}

/* --- outside of http --- */

static void modules(const struct site *s, struct buf *out)
{
	if (s->module)
		buf_printf(out, "load_module \"%s\";\n", s->module);
	if (has_waf(s))
		buf_printf(out, "load_module \"%s\";\n", s->waf_module);
}

static void process(const struct site *s, struct buf *out)
{
	ADD(out, "# Written by khien gate, anew at each start and reload: change khien.yaml, not this.\n\n");
	modules(s, out);
	if (s->user)
		buf_printf(out, "user %s %s;\n", s->user, s->group ? s->group : s->user);
	buf_printf(
	        out,
	        "pid \"%s/nginx.pid\";\n"
	        "daemon off;\n"
	        "error_log stderr error;\n"
	        "pcre_jit on;\n\n"
	        "# As many as processors; each connection of a visitor may need one to the site.\n"
	        "worker_processes %u;\n"
	        "worker_rlimit_nofile %u;\n"
	        "# Who has a page open that never ends (a board, a socket) doesn't hold up a reload or the end for "
	        "longer.\n"
	        "worker_shutdown_timeout 10s;\n"
	        "events {\n"
	        "\tworker_connections %u;\n"
	        "\t# All that wait at the door come in at once: else one at a time, between two rounds of those who\n"
	        "\t# are in, and in a flood a patient stands before the door.\n"
	        "\tmulti_accept on;\n"
	        "}\n\n",
	        s->run, s->workers, s->connections + 512, s->connections);
}

/* --- http: what holds for all --- */

/* Of the WAF's lines only the one that refuses is an error; which rules found something is told at `info`. */
static void error_log(const struct site *s, const char *indent, bool of_waf, struct buf *out)
{
	if (s->log_socket)
		buf_printf(out, "%serror_log \"syslog:server=unix:%s,nohostname,tag=khien\" %s;\n", indent,
		           s->log_socket, of_waf ? "info" : "error");
}

static void logs(const struct site *s, struct buf *out)
{
	ADD(out, "\t# A flood must not fill the disk: what was turned away is counted, not written down line by line. "
	         "Errors go to the\n"
	         "\t# gate's agent, which keeps what the WAF found in a request out of logs.\n");
	error_log(s, "\t", false, out);
	if (!s->access_log) {
		ADD(out, "\taccess_log off;\n\n");
		return;
	}
	if (s->mode != SITE_OFF)
		ADD(out, "\tmap $khien_verdict $khien_logged { deny 0; drop 0; default 1; }\n");
	buf_printf(out, "\taccess_log \"%s\" combined buffer=64k flush=5s%s; # gate.access_log\n\n", s->access_log,
	           s->mode != SITE_OFF ? " if=$khien_logged" : "");
}

static void folders(const struct site *s, struct buf *out)
{
	static const char *const temps[] = { "client_body", "proxy", "fastcgi", "uwsgi", "scgi" };
	for (size_t i = 0; i < ARRAY_LEN(temps); i++)
		buf_printf(out, "\t%s_temp_path \"%s/temp/%s\";\n", temps[i], s->folder, temps[i]);
	ADD(out, "\n");
}

static void time_outs(const struct site *s, struct buf *out)
{
	buf_printf(out,
	           "\t# Who is slow on purpose holds a connection, not the gate: a header within 10 s, then something "
	           "at least every 15 s.\n"
	           "\tclient_header_timeout 10s;\n"
	           "\tclient_body_timeout 15s;\n"
	           "\tsend_timeout 15s;\n"
	           "\tkeepalive_timeout 30s;\n"
	           "\tkeepalive_requests 1000;\n"
	           "\tlingering_time 10s;\n"
	           "\tlingering_timeout 3s;\n"
	           "\t# What is dropped leaves no socket behind that waits for an answer.\n"
	           "\treset_timedout_connection on;\n\n"
	           "\tclient_header_buffer_size 1k;\n"
	           "\tlarge_client_header_buffers 4 8k;\n"
	           "\tclient_max_body_size %" PRIu64 "; # gate.body_max\n"
	           "\tclient_body_buffer_size 32k;\n"
	           "\thttp2_max_concurrent_streams 64;\n\n"
	           "\t# A whole hospital may be behind one address: this bounds what a single one can hold open at "
	           "once, no more. Who\n"
	           "\t# gets how much is the verdict's matter.\n"
	           "\tlimit_conn_zone $binary_remote_addr zone=khien_open:4m;\n"
	           "\tlimit_conn khien_open 4096;\n"
	           "\tlimit_conn_status 429;\n"
	           "\tlimit_conn_log_level info;\n\n"
	           "\tserver_tokens off;\n"
	           "\tserver_names_hash_bucket_size 256;\n"
	           "\tserver_names_hash_max_size 1024;\n"
	           "\ttcp_nodelay on;\n"
	           "\tport_in_redirect off;\n\n",
	           s->body_max);
}

/* Whose request it is, where proxies stand in front. */
static void proxies(const struct site *s, struct buf *out)
{
	if (!any(s->proxies)) {
		ADD(out,
		    "\t# No proxy stands in front: what a visitor says of himself in X-Forwarded-For is not believed.\n"
		    "\tmap $scheme $khien_scheme { default $scheme; }\n\n");
		return;
	}
	ADD(out,
	    "\t# These proxies, and nobody else, are believed whose request it is, and whether it came over TLS.\n");
	for (const char *const *p = s->proxies; *p; p++)
		buf_printf(out, "\tset_real_ip_from %s; # gate.proxies\n", *p);
	buf_printf(out,
	           "\treal_ip_header %s; # gate.header\n\treal_ip_recursive on;\n\tgeo $realip_remote_addr "
	           "$khien_proxied {\n",
	           s->header ? s->header : "X-Forwarded-For");
	for (const char *const *p = s->proxies; *p; p++)
		buf_printf(out, "\t\t%s 1; # gate.proxies\n", *p);
	ADD(out, "\t\tdefault 0;\n\t}\n"
	         "\tmap $khien_proxied:$http_x_forwarded_proto $khien_scheme { 1:https https; 1:http http; default "
	         "$scheme; }\n\n");
}

static void verdict(const struct site *s, struct buf *out)
{
	if (s->mode == SITE_OFF)
		return;
	buf_printf(out,
	           "\t# Who passes, before anything dear is done. See khien-gate(1).\n"
	           "\tkhien_zone 40m;\n"
	           "\tkhien_key \"%s\";\n"
	           "\tkhien_lists \"%s\";\n"
	           "\tkhien_normal \"%s\";\n",
	           s->key_file, s->lists, s->normal);
	if (s->contact)
		buf_printf(out, "\tkhien_contact \"%s\"; # gate.contact\n", s->contact);
}

static void control(const struct site *s, struct buf *out)
{
	if (s->mode == SITE_OFF)
		return;
	buf_printf(out,
	           "\n\t# 'khien gate status' and the like ask here: nobody else may enter the folder.\n"
	           "\tserver {\n"
	           "\t\tlisten \"unix:%s/control\";\n"
	           "\t\taccess_log off;\n"
	           "\t\tclient_max_body_size 5m;\n"
	           "\t\tclient_body_buffer_size 64k;\n"
	           "%s"
	           "\t\tlocation / {\n"
	           "\t\t\tkhien_control;\n"
	           "\t\t}\n"
	           "\t}\n",
	           s->run, has_waf(s) ? "\t\tmodsecurity off;\n" : "");
}

static void waf(const struct site *s, struct buf *out)
{
	if (!has_waf(s))
		return;
	ADD(out, "\t# Behind the verdict: it costs as much as a hundred verdicts.\n");
	buf_printf(out, "\tmodsecurity_rules_file \"%s\"; # gate.waf\n\n", s->waf_conf);
}

/* Headers that are only set where the site didn't say it itself; and what is asked of the upstream. */
static void maps(const struct site *s, struct buf *out)
{
	ADD(out, "\t# Where the site says nothing itself, browsers are told not to guess kinds, not to be framed by "
	         "others, and not to tell\n"
	         "\t# others the whole address of a page.\n"
	         "\tmap $upstream_http_x_content_type_options $khien_nosniff { \"\" nosniff; default \"\"; }\n"
	         "\tmap $upstream_http_x_frame_options$upstream_http_content_security_policy $khien_frame { \"\" "
	         "SAMEORIGIN; "
	         "default \"\"; }\n"
	         "\tmap $upstream_http_referrer_policy $khien_referrer { \"\" strict-origin-when-cross-origin; default "
	         "\"\"; }\n");
	if (s->hsts)
		ADD(out, "\tmap $upstream_http_strict_transport_security $khien_hsts { \"\" max-age=15768000; default "
		         "\"\"; }\n");
	ADD(out,
	    "\tadd_header X-Content-Type-Options $khien_nosniff always;\n"
	    "\tadd_header X-Frame-Options $khien_frame always;\n"
	    "\tadd_header Referrer-Policy $khien_referrer always;\n"
	    "\tproxy_hide_header X-Powered-By;\n\n"
	    "\t# The name as nginx checked it, with the port as it was asked for.\n"
	    "\tmap $http_host $khien_port { ~(?<khien_p>:[0-9]+)$ $khien_p; default \"\"; }\n"
	    "\t# Of protocols to change to, only websocket: others would lead past the gate.\n"
	    "\tmap $http_upgrade $khien_upgrade { ~*^websocket$ websocket; default \"\"; }\n"
	    "\tmap $khien_upgrade $khien_connection { \"\" \"\"; default upgrade; }\n"
	    "\t# Events as they come (EventSource) are not to wait until a buffer is full.\n"
	    "\tmap $request_method:$http_accept $khien_events { ~^GET:.*text/event-stream 1; default 0; }\n"
	    "\tmap $request_method $khien_again { GET \"<meta http-equiv=refresh content=20>\"; default \"\"; }\n\n");
}

static void cache(const struct site *s, struct buf *out)
{
	if (!s->cache)
		return;
	buf_printf(out,
	           "\t# Styles, scripts and pictures that the site itself permits to keep; never what sets a cookie, "
	           "depends on one, or isn't\n"
	           "\t# of such a kind: a page under the name of a picture stays with whom it is for.\n"
	           "\tproxy_cache_path \"%s/cache\" levels=1:2 keys_zone=khien_static:2m max_size=256m inactive=1h "
	           "use_temp_path=off;\n"
	           "\tmap $upstream_http_content_type $khien_page {\n"
	           "\t\t~*^(text/css|text/javascript|application/javascript|application/json|image/|font/|application/"
	           "font) 0;\n"
	           "\t\tdefault 1;\n"
	           "\t}\n"
	           "\tmap $upstream_http_vary $khien_varies { ~*(cookie|authorization|\\*) 1; default 0; }\n\n",
	           s->folder);
}

/* --- the upstream --- */

static void upstream(const struct site *s, struct buf *out)
{
	struct str host = { "", 0 }, port = { "", 0 };
	bool tls = false;
	site_url(s->upstream, &tls, &host, &port);
	buf_printf(out,
	           "\tupstream khien_site {\n"
	           "\t\tserver " STR_FMT ":" STR_FMT " max_fails=0; # gate.upstream\n"
	           "\t\t# Kept for less long than servers keep them: a request on a connection that just ends would be "
	           "lost.\n"
	           "\t\tkeepalive 128;\n"
	           "\t\tkeepalive_timeout 1500ms;\n"
	           "\t}\n",
	           STR_ARG(host),
	           STR_ARG(port.n ? port
	                   : tls  ? STR("443")
	                          : STR("80")));
	if (tls) {
		const struct str name = host.p[0] == '[' ? str_sub(host, 1, host.n - 2) : host;
		buf_printf(out,
		           "\tproxy_ssl_protocols TLSv1.2 TLSv1.3;\n"
		           "\tproxy_ssl_server_name on;\n"
		           "\tproxy_ssl_name " STR_FMT "; # gate.upstream\n"
		           "\tproxy_ssl_verify on;\n"
		           "\tproxy_ssl_verify_depth 4;\n"
		           "\tproxy_ssl_trusted_certificate \"%s\"; # gate.upstream_ca\n",
		           STR_ARG(name), s->upstream_ca ? s->upstream_ca : "/etc/ssl/certs/ca-certificates.crt");
	}
	ADD(out, "\tproxy_http_version 1.1;\n"
	         "\tproxy_connect_timeout 5s;\n"
	         "\tproxy_send_timeout 15s;\n"
	         "\tproxy_read_timeout 60s;\n"
	         "\tproxy_buffer_size 8k;\n"
	         "\tproxy_buffers 16 8k;\n"
	         "\tproxy_max_temp_file_size 64m;\n"
	         "\t# A booking isn't sent twice: only what may be asked for again is.\n"
	         "\tproxy_next_upstream error timeout;\n\n");
	ADD(out,
	    "\t# What says who the visitor is comes from here alone; what he sent under these names is not handed on.\n"
	    "\tproxy_set_header Host $host$khien_port;\n"
	    "\tproxy_set_header X-Forwarded-For $remote_addr;\n"
	    "\tproxy_set_header X-Forwarded-Proto $khien_scheme;\n"
	    "\tproxy_set_header X-Forwarded-Host $host$khien_port;\n"
	    "\tproxy_set_header X-Real-IP $remote_addr;\n"
	    "\tproxy_set_header Forwarded \"\";\n"
	    "\tproxy_set_header X-Original-URL \"\";\n"
	    "\tproxy_set_header X-Rewrite-URL \"\";\n"
	    "\tproxy_set_header Proxy \"\";\n"
	    "\tproxy_set_header Upgrade $khien_upgrade;\n"
	    "\tproxy_set_header Connection $khien_connection;\n");
	if (s->header && strcmp(s->header, "proxy_protocol") != 0 && strcasecmp(s->header, "X-Forwarded-For") != 0)
		buf_printf(out, "\tproxy_set_header %s $remote_addr; # gate.header\n", s->header);
	ADD(out, "\n");
}

static void tls(const struct site *s, struct buf *out)
{
	if (!any(s->https))
		return;
	buf_printf(out,
	           "\t# Elliptic curves, which cost a fifth of RSA at each new visitor; sessions are resumed, keys of "
	           "past ones can't be had.\n"
	           "\tssl_certificate \"%s\"; # gate.tls.certificate\n"
	           "\tssl_certificate_key \"%s\"; # gate.tls.key\n"
	           "\tssl_protocols TLSv1.2 TLSv1.3;\n"
	           "\tssl_ciphers "
	           "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
	           "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305;\n"
	           "\tssl_prefer_server_ciphers off;\n"
	           "\tssl_ecdh_curve X25519:prime256v1;\n"
	           "\tssl_session_cache shared:khien_tls:4m;\n"
	           "\tssl_session_timeout 1h;\n"
	           "\tssl_session_tickets off;\n"
	           "\tssl_buffer_size 8k;\n\n",
	           s->certificate, s->key);
}

/* --- servers --- */

/*
 * The backlog is the machine's own bound, or this. No reuseport: a worker that is busy with the WAF would leave those waiting that the
 * kernel gave to it. No deferred: connections that send nothing would wait in the kernel, where no time-out of ours reaches them.
 */
static void listen(const char *const *list, bool secure, bool first, const struct site *s, struct buf *out)
{
	const bool protocol = s->header && strcmp(s->header, "proxy_protocol") == 0;
	for (; list && *list; list++)
		buf_printf(out, "\t\tlisten %s%s%s%s; # gate.listen.%s\n", *list, secure ? " ssl http2" : "",
		           protocol ? " proxy_protocol" : "", first ? " default_server backlog=65535" : "",
		           secure ? "https" : "http");
}

static void strangers(const struct site *s, struct buf *out)
{
	if (!any(s->names))
		return;
	ADD(out, "\n\t# Who asks for another name isn't a visitor of this site.\n\tserver {\n");
	listen(s->http, false, true, s, out);
	ADD(out, "\t\treturn 444;\n\t}\n");
	if (!any(s->https))
		return;
	ADD(out, "\tserver {\n");
	listen(s->https, true, true, s, out);
	ADD(out, "\t\tssl_reject_handshake on;\n\t}\n");
}

static void name(const struct site *s, struct buf *out)
{
	ADD(out, "\t\tserver_name");
	for (const char *const *n = s->names; n && *n; n++)
		add_name(out, *n);
	buf_printf(out, "%s; # gate.names\n", any(s->names) ? "" : " _");
}

static void verdict_of(const struct site *s, struct buf *out)
{
	if (s->mode != SITE_OFF)
		buf_printf(out, "\t\tkhien %s; # gate.mode\n", mode(s));
}

static void redirect(const struct site *s, struct buf *out)
{
	const char *port = s->https ? strrchr(s->https[0], ':') : NULL;
	ADD(out, "\n\t# To https, but for who comes to renew the certificate.\n\tserver {\n");
	listen(s->http, false, !any(s->names), s, out);
	name(s, out);
	verdict_of(s, out);
	buf_printf(out,
	           "\t\tlocation / {\n"
	           "\t\t\treturn 308 https://$host%s$request_uri;\n"
	           "\t\t}\n"
	           "\t\tlocation ^~ /.well-known/acme-challenge/ {\n"
	           "\t\t\tproxy_pass %s://khien_site;\n"
	           "\t\t}\n"
	           "\t}\n",
	           port && strcmp(port, ":443") != 0 ? port : "",
	           str_starts(str_from(s->upstream), STR("https://")) ? "https" : "http");
}

static void site_waf(const struct site *s, struct buf *out)
{
	if (!has_waf(s))
		return;
	ADD(out, "\t\t\tmodsecurity on;\n");
	error_log(s, "\t\t\t", true, out);
}

/* What nginx itself would say in English alone. what: a line a language. */
static void page(const struct site *s, const char *name, const char *status, const char *head, const char *what,
                 struct buf *out)
{
	buf_printf(out,
	           "\t\tlocation @khien_%s {\n"
	           "\t\t\tdefault_type \"text/html; charset=utf-8\";\n"
	           "\t\t\tadd_header Cache-Control no-store always;\n"
	           "\t\t\tadd_header X-Content-Type-Options nosniff always;\n"
	           "\t\t\treturn %s \"<!doctype html><html lang=vi><meta charset=utf-8><meta name=viewport "
	           "content='width=device-width'>%s<title>$status</title><body style='font:1.2em/1.5 "
	           "sans-serif;max-width:34em;"
	           "margin:3em auto;padding:0 1em'>%s",
	           name, status, head, what);
	if (s->contact)
		buf_printf(out, "<p><b>%s</b>", s->contact);
	ADD(out, "</html>\";\n\t\t}\n");
}

static void pages(const struct site *s, struct buf *out)
{
	ADD(out, "\t\t# Nobody is left alone with nginx's own pages. Who only looked at something is brought back by "
	         "itself.\n"
	         "\t\terror_page 502 504 @khien_away;\n");
	page(s, "away", "502", "$khien_again",
	     "<p>Trang này lúc này chưa trả lời được. Xin thử lại sau ít phút.<p lang=en>This site can't answer right "
	     "now. Please try "
	     "again in a few minutes.<p lang=zh>网站暂时无法响应，请几分钟后再试。",
	     out);
	if (!has_waf(s))
		return;
	ADD(out, "\t\terror_page 403 @khien_refused;\n");
	page(s, "refused", "403", "",
	     "<p>Nội dung vừa gửi giống một cuộc tấn công nên không được chuyển đi. Xin quay lại và viết khác đi.<p "
	     "lang=en>What was "
	     "sent looks like an attack and was not handed on. Please go back and write it differently.<p lang=zh>"
	     "所发送的内容类似攻击，未被转发。请返回并换一种写法。",
	     out);
}

static void kept(struct buf *out)
{
	ADD(out, "\t\t\tproxy_cache khien_static;\n"
	         "\t\t\tproxy_cache_key $khien_scheme://$host$khien_port$request_uri;\n"
	         "\t\t\tproxy_cache_bypass $http_authorization $http_range;\n"
	         "\t\t\tproxy_no_cache $http_authorization $http_range $khien_page $khien_varies;\n"
	         "\t\t\t# One asks the site, the others wait for it; while the site fails, what was kept will do.\n"
	         "\t\t\tproxy_cache_lock on;\n"
	         "\t\t\tproxy_cache_lock_timeout 3s;\n"
	         "\t\t\tproxy_cache_background_update on;\n"
	         "\t\t\tproxy_cache_use_stale error timeout updating http_500 http_502 http_503 http_504;\n");
}

static void plain(const struct site *s, const char *scheme, struct buf *out)
{
	static const char *const kinds[] = { "page", "file" };
	if (!s->plain || !has_waf(s) || s->mode == SITE_OFF)
		return;
	ADD(out,
	    "\t\t# In a plain request the WAF has nothing to look at, and would take ten times as long as the site.\n");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		buf_printf(out,
		           "\t\tif ($khien_plain = %s) {\n\t\t\trewrite ^ /.khien/%s last;\n\t\t}\n"
		           "\t\tlocation = /.khien/%s {\n\t\t\tinternal;\n",
		           kinds[i], kinds[i], kinds[i]);
		if (i == 1 && s->cache)
			kept(out);
		buf_printf(out, "\t\t\tproxy_pass %s://khien_site$request_uri;\n\t\t}\n", scheme);
	}
}

static void locations(const struct site *s, struct buf *out)
{
	const char *scheme = str_starts(str_from(s->upstream), STR("https://")) ? "https" : "http";
	ADD(out, "\t\tif ($khien_events) {\n\t\t\trewrite ^ /.khien/events last;\n\t\t}\n");
	plain(s, scheme, out);
	ADD(out, "\t\tlocation / {\n");
	site_waf(s, out);
	buf_printf(out,
	           "\t\t\tproxy_pass %s://khien_site;\n"
	           "\t\t}\n"
	           "\t\tlocation = /.khien/events {\n"
	           "\t\t\tinternal;\n",
	           scheme);
	site_waf(s, out);
	buf_printf(out,
	           "\t\t\tproxy_buffering off;\n"
	           "\t\t\tproxy_read_timeout 5m;\n"
	           "\t\t\tproxy_pass %s://khien_site$request_uri;\n"
	           "\t\t}\n",
	           scheme);
	pages(s, out);
	if (!s->cache)
		return;
	ADD(out, "\t\tlocation ~* \\.(?:css|js|mjs|png|jpe?g|gif|svg|ico|webp|avif|woff2?|ttf)$ {\n");
	site_waf(s, out);
	kept(out);
	buf_printf(out, "\t\t\tproxy_pass %s://khien_site;\n\t\t}\n", scheme);
}

static void site(const struct site *s, struct buf *out)
{
	const bool leads = s->hsts && any(s->http);
	if (leads)
		redirect(s, out);
	ADD(out, "\n\t# The site.\n\tserver {\n");
	if (!leads)
		listen(s->http, false, !any(s->names), s, out);
	listen(s->https, true, !any(s->names), s, out);
	name(s, out);
	verdict_of(s, out);
	if (s->hsts) /* headers of a server stand instead of those above it */
		ADD(out, "\t\tadd_header X-Content-Type-Options $khien_nosniff always;\n"
		         "\t\tadd_header X-Frame-Options $khien_frame always;\n"
		         "\t\tadd_header Referrer-Policy $khien_referrer always;\n"
		         "\t\tadd_header Strict-Transport-Security $khien_hsts always; # gate.tls.only\n");
	locations(s, out);
	ADD(out, "\t}\n");
}

void site_write(const struct site *s, struct buf *out)
{
	process(s, out);
	ADD(out, "http {\n");
	logs(s, out);
	folders(s, out);
	time_outs(s, out);
	proxies(s, out);
	verdict(s, out);
	if (s->mode != SITE_OFF)
		ADD(out, "\tkhien_dies_with_master;\n\n");
	waf(s, out);
	maps(s, out);
	cache(s, out);
	upstream(s, out);
	tls(s, out);
	control(s, out);
	strangers(s, out);
	site(s, out);
	ADD(out, "}\n");
}

void site_write_include(const struct site *s, struct buf *out)
{
	ADD(out, "# Written by khien gate install; 'khien gate uninstall' takes it away. Change khien.yaml, not this.\n"
	         "# What is called a server's own in here is http's: it holds for every site of this nginx.\n\n");
	if (any(s->proxies))
		proxies(s, out);
	verdict(s, out);
	if (s->mode != SITE_OFF)
		buf_printf(out, "\tkhien %s; # gate.mode\n\n", mode(s));
	error_log(s, "\t", has_waf(s), out);
	waf(s, out);
	if (has_waf(s))
		ADD(out, "\tmodsecurity on;\n\n");
	control(s, out);
}

struct str site_key(struct str conf, unsigned line)
{
	for (; conf.n && line > 1; line--)
		conf = str_sub(conf, str_find(conf, '\n') + 1, conf.n);
	conf = str_sub(conf, 0, str_find(conf, '\n'));
	for (size_t i = conf.n; i > 7; i--)
		if (memcmp(conf.p + i - 7, "# gate.", 7) == 0)
			return str_sub(conf, i, conf.n);
	return (struct str){ "", 0 };
}
