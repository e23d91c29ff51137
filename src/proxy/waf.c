#include "proxy/waf.h"

/* Of CRS, without REQUEST-910 and 912: who comes how often is decided before the WAF. No rules on responses: their bodies aren't read. */
static const char *const rule_files[] = {
	"901-INITIALIZATION",
	"903.9001-DRUPAL-EXCLUSION-RULES",
	"903.9002-WORDPRESS-EXCLUSION-RULES",
	"903.9003-NEXTCLOUD-EXCLUSION-RULES",
	"903.9004-DOKUWIKI-EXCLUSION-RULES",
	"903.9005-CPANEL-EXCLUSION-RULES",
	"903.9006-XENFORO-EXCLUSION-RULES",
	"905-COMMON-EXCEPTIONS",
	"911-METHOD-ENFORCEMENT",
	"913-SCANNER-DETECTION",
	"920-PROTOCOL-ENFORCEMENT",
	"921-PROTOCOL-ATTACK",
	"922-MULTIPART-ATTACK",
	"930-APPLICATION-ATTACK-LFI",
	"931-APPLICATION-ATTACK-RFI",
	"932-APPLICATION-ATTACK-RCE",
	"933-APPLICATION-ATTACK-PHP",
	"934-APPLICATION-ATTACK-NODEJS",
	"941-APPLICATION-ATTACK-XSS",
	"942-APPLICATION-ATTACK-SQLI",
	"943-APPLICATION-ATTACK-SESSION-FIXATION",
	"944-APPLICATION-ATTACK-JAVA",
	"949-BLOCKING-EVALUATION",
};

/*
 * ModSecurity hands the paths of Include to wordexp(), which knows $(...), and has no way to write a quote: a path is plain or it fails.
 */
static void add_path(struct buf *out, const char *path)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+@-";
	if (!path || path[0] != '/' || path[strspn(path, plain)])
		out->failed = true;
	else
		buf_printf(out, "%s", path);
}

static void add_line(struct buf *out, const char *directive, const char *path, const char *behind)
{
	buf_printf(out, "%s ", directive);
	add_path(out, path);
	buf_printf(out, "%s\n", behind);
}

static void add_engine(const struct waf *w, struct buf *out)
{
	buf_printf(out,
	           "# Written by khien: changed here, it is lost.\n"
	           "SecRuleEngine %s\n"
	           "SecRequestBodyAccess On\n"
	           "# Pages hold what patients may see: neither read nor kept in memory.\n"
	           "SecResponseBodyAccess Off\n"
	           "# What is larger nginx has answered with 413 before; without it, this refuses.\n"
	           "SecRequestBodyLimit %llu\n"
	           "SecRequestBodyNoFilesLimit %d\n"
	           "SecRequestBodyLimitAction Reject\n"
	           "SecRequestBodyJsonDepthLimit 64\n"
	           "SecArgumentsLimit 1000\n"
	           "SecPcreMatchLimit %d\n"
	           "SecPcreMatchLimitRecursion %d\n"
	           "SecArgumentSeparator &\n"
	           "SecCookieFormat 0\n"
	           "SecUploadKeepFiles Off\n"
	           "# An audit log would hold whole requests: who is ill, and with what.\n"
	           "SecAuditEngine Off\n"
	           "SecStatusEngine Off\n",
	           w->blocks ? "On" : "DetectionOnly", (unsigned long long)w->body_max,
	           w->body_max < WAF_TEXT_MAX ? (int)w->body_max : WAF_TEXT_MAX, WAF_MATCH_LIMIT, WAF_MATCH_LIMIT);
	if (w->temp) {
		add_line(out, "SecTmpDir", w->temp, "");
		add_line(out, "SecDataDir", w->temp, "");
		add_line(out, "SecUploadDir", w->temp, "");
	}
	if (w->unicode_map)
		add_line(out, "SecUnicodeMapFile", w->unicode_map, " 20127");
	buf_printf(
	        out,
	        "SecDefaultAction \"phase:1,log,auditlog,pass\"\n"
	        "SecDefaultAction \"phase:2,log,auditlog,pass\"\n"
	        "\n"
	        "# Bodies by what they say they are; one that can't be read can't be judged.\n"
	        "SecRule REQUEST_HEADERS:Content-Type \"@rx ^(?:application(?:/soap\\+|/)|text/)xml\" "
	        "\"id:9000000,phase:1,pass,nolog,t:none,t:lowercase,ctl:requestBodyProcessor=XML\"\n"
	        "SecRule REQUEST_HEADERS:Content-Type \"@rx ^application/(?:[a-z0-9.-]+\\+)?json\" "
	        "\"id:9000001,phase:1,pass,nolog,t:none,t:lowercase,ctl:requestBodyProcessor=JSON\"\n"
	        "# CRS takes two seconds for a megabyte of text, and the worker serves nobody meanwhile. Files that "
	        "are sent don't count.\n"
	        "SecRule REQBODY_ERROR \"!@eq 0\" "
	        "\"id:9000007,phase:2,deny,status:413,log,severity:CRITICAL,msg:'More text than forms have',chain\"\n"
	        "SecRule REQUEST_BODY_LENGTH \"@gt %d\" \"t:none\"\n"
	        "SecRule ARGS_COMBINED_SIZE \"@gt %d\" "
	        "\"id:9000006,phase:2,deny,status:413,log,severity:CRITICAL,msg:'More text than forms have'\"\n"
	        "SecRule REQBODY_ERROR \"!@eq 0\" "
	        "\"id:9000002,phase:2,deny,status:400,log,severity:CRITICAL,msg:'Body can not be read'\"\n"
	        "SecRule MULTIPART_STRICT_ERROR \"!@eq 0\" "
	        "\"id:9000003,phase:2,deny,status:400,log,severity:CRITICAL,msg:'Multipart body is not as it should "
	        "be'\"\n"
	        "SecRule &ARGS \"@ge 1000\" "
	        "\"id:9000004,phase:2,deny,status:400,log,severity:CRITICAL,msg:'Too many arguments'\"\n"
	        "SecRule TX:/^MSC_/ \"!@streq 0\" "
	        "\"id:9000005,phase:2,deny,status:403,log,severity:CRITICAL,msg:'A limit of the WAF was reached'\"\n",
	        WAF_TEXT_MAX, WAF_TEXT_MAX);
}

/* What crs-setup.conf says elsewhere: here a file that somebody may have changed for another server has no part in it. */
static void add_setup(const struct waf *w, struct buf *out)
{
	buf_printf(out,
	           "\n# CRS: levels, and what ordinary sites and their programs use.\n"
	           "SecAction \"id:9000010,phase:1,pass,nolog,t:none,"
	           "setvar:tx.crs_setup_version=334,setvar:tx.paranoia_level=%u,setvar:tx.executing_paranoia_level=%u,"
	           "setvar:tx.inbound_anomaly_score_threshold=5,setvar:tx.outbound_anomaly_score_threshold=4,"
	           "setvar:tx.enforce_bodyproc_urlencoded=1,"
	           "setvar:'tx.allowed_methods=GET HEAD POST OPTIONS PUT PATCH DELETE',"
	           "setvar:'tx.allowed_request_content_type=|application/x-www-form-urlencoded| |multipart/form-data| "
	           "|multipart/related| |text/xml| |application/xml| |application/soap+xml| |application/json| "
	           "|application/fhir+json| |application/csp-report| |application/reports+json| |text/plain|'\"\n",
	           w->level, w->level);
	if (w->own)
		add_line(out, "Include", w->own, "/khien.conf");
	for (const char *const *e = w->exclusions; e && *e; e++)
		add_line(out, "Include", *e, "");
}

/* Before CRS: what is known to be a hole needs no score. */
static void add_patches(const struct patches *p, struct buf *out)
{
	for (size_t i = 0; p && i < p->n; i++) {
		const struct patch *at = &p->at[i];
		buf_printf(out, "\n# patch %s of %s%s\n%s", at->id, at->file, at->expired ? ": expired, left out" : "",
		           at->expired ? "" : at->rule);
	}
}

void waf_write(const struct waf *w, const struct patches *patches, struct buf *out)
{
	add_engine(w, out);
	add_setup(w, out);
	add_patches(patches, out);
	buf_printf(out, "\n");
	for (size_t i = 0; i < ARRAY_LEN(rule_files); i++) {
		buf_printf(out, "Include ");
		add_path(out, w->crs);
		buf_printf(out, "/rules/REQUEST-%s.conf\n", rule_files[i]);
	}
}
