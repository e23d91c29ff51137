/*
 * What libmodsecurity is told: CRS in blocking mode behind our verdict, tuned so that ordinary sites work, without a log of what people
 * wrote (SecAuditEngine Off); and virtual patches: a known hole closed in front of an application that can't be changed today.
 *
 *   id: his-2026-11-upload
 *   owner: an@benhvien.example
 *   expires: 2027-01-31
 *   why: "HIS 4.2 runs what is uploaded as an avatar; the vendor mends it in January"
 *   when:                       # all have to hold
 *     path: /profile/avatar     # exact; or path_prefix, path_regex: of the path after decoding, as an application sees it
 *     method: [POST, PUT]
 *     argument: { name: file, regex: '\.(php|jsp|aspx)$' }   # or header, cookie: { name, regex }; body_regex
 *                               # argument: of the query or a form, of a JSON body at any depth, or the name of a file that is sent
 *   do: deny                    # or: watch
 *
 * Paths and regular expressions are without regard to case: ".PHP" is the same hole.
 * An expired patch is left out and said to be: a patch nobody owns any more is how a gate rots.
 */
#ifndef KHIEN_PROXY_WAF_H
#define KHIEN_PROXY_WAF_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct patch {
	const char *file, *id, *owner, *why; /* in the arena */
	int64_t expires_s;                   /* the end of that day, UTC */
	bool denies, expired;
	bool of_plain;    /* it may be about a request without argument and body */
	const char *rule; /* SecRule text */
	uint32_t number;  /* of its rules: 9,100,000 and up, from the id's hash; unique among those read */
};
struct patches {
	struct arena arena;
	struct patch *at;
	size_t n;
};

/*
 * All *.yaml of a folder (which need not exist), 256 at most, 64 KB each; or the one file that `from` names. 0; -EINVAL: problems has
 * "FILE:LINE:COLUMN: what, what to write" for each thing that is wrong; nothing is to be used then. now_s: what has expired,
 * which 0 leaves a line in problems for, too.
 */
int patches_read(struct patches *ret, const char *from, int64_t now_s, struct buf *problems);
void patches_done(struct patches *p);

struct waf {
	bool blocks;                   /* else DetectionOnly */
	unsigned level;                /* 1 to 4 */
	const char *crs;               /* folder of CRS: /usr/share/modsecurity-crs */
	const char *own;               /* folder of khien's own rules (gate/waf), for khien.conf; NULL: CRS's alone */
	const char *const *exclusions; /* whole paths of rule files; ends with NULL */
	const char *unicode_map;       /* NULL: none */
	const char *temp;              /* folder for bodies that don't fit into memory */
	uint64_t body_max;
};
/*
 * What a regular expression may cost for one value: what CRS's own need for the longest forms, and what nobody pays a second for. A patch that
 * needs more is refused by patches_read().
 */
enum { WAF_MATCH_LIMIT = 100000 };
/* Bytes of all arguments of a request, names of files among them and their contents not; with more it is answered with 413. */
enum { WAF_TEXT_MAX = 256 << 10 };
/*
 * A configuration for modsecurity_rules_file. Paths are absolute and of letters, digits and "/._+@-" alone; out->failed else: ModSecurity expands
 * them as a shell does.
 */
void waf_write(const struct waf *w, const struct patches *patches, struct buf *out);

/*
 * A line of nginx's error log that ModSecurity wrote: which rule, on what address and path; never what was matched, which may
 * be a patient's. false: it is another line. What the line leaves in doubt is empty: it was cut (nginx ends it at 2,048 bytes), or the visitor
 * sent a text that looks like one of its marks, to have somebody else's address stand there. ModSecurity tells single rules at level info,
 * a denial at level error.
 */
struct waf_hit {
	char rule[16], address[48], path[256]; /* path: without query and parameters */
	char id[48];                           /* of the request, see modsecurity_transaction_id */
	char message[128];                     /* of the rule; a patch's: "Patch ID" */
	char severity[16];                     /* "critical" */
	bool denied;
	unsigned score; /* of a denial by CRS's score (rule 949110); else 0 */
};
bool waf_hit_read(struct str line, struct waf_hit *ret);

#endif
