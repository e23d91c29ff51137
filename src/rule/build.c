#include "rule/build.h"

#include "base/block.h"

#include <errno.h>
#include <stdlib.h>

void build_init(struct build *b)
{
	*b = (struct build){ 0 };
#define X(ID, name, type) b->name = (struct pool){ .size = sizeof(type), .failed = &b->failed };
	RULESET_SECTIONS(X)
#undef X
	b->bytes.nul = true;
	pool_append(&b->bytes, ""); /* the empty text is {0, 0} */
}

void build_free(struct build *b)
{
#define X(ID, name, type) pool_free(&b->name);
	RULESET_SECTIONS(X)
#undef X
}

struct text build_text(struct build *b, struct str s)
{
	if (s.n > POOL_MAX_BYTES) {
		b->failed = true;
		s.n = 0;
	}
	struct span run = pool_put(&b->bytes, s.p, (uint32_t)s.n);
	return (struct text){ run.at, run.n };
}

static uint32_t put(struct build *b, enum node_op op, uint32_t arg, struct span kids)
{
	struct node n = { .op = op, .arg = arg, .kids = kids };
	return pool_put_one(&b->nodes, &n, NULL);
}

static const struct node *at(const struct build *b, uint32_t node)
{
	return (const struct node *)b->nodes.p + node;
}

uint32_t build_const(struct build *b, bool value)
{
	return put(b, value ? NODE_TRUE : NODE_FALSE, 0, (struct span){ 0 });
}

uint32_t build_not(struct build *b, uint32_t kid)
{
	if (b->failed)
		return 0;
	enum node_op op = build_op(b, kid);
	if (op == NODE_TRUE || op == NODE_FALSE)
		return build_const(b, op == NODE_FALSE);
	if (op == NODE_NOT)
		return ((const uint32_t *)b->numbers.p)[at(b, kid)->kids.at];
	return put(b, NODE_NOT, 0, pool_put(&b->numbers, &kid, 1));
}

/* Kids of a join, in order and each once. */
struct kids {
	uint32_t *at;
	uint32_t n;
};

static void add_kid(struct kids *k, uint32_t kid)
{
	enum { LOOK_BACK = 64 }; /* a double further back costs time at most */
	for (uint32_t i = k->n; i > 0 && k->n - i < LOOK_BACK; i--)
		if (k->at[i - 1] == kid)
			return;
	k->at[k->n++] = kid;
}

uint32_t build_join(struct build *b, enum node_op and_or, const uint32_t *kids, uint32_t n)
{
	if (b->failed)
		return 0;
	enum node_op neutral = and_or == NODE_AND ? NODE_TRUE : NODE_FALSE;
	enum node_op decides = and_or == NODE_AND ? NODE_FALSE : NODE_TRUE;
	size_t room = n;
	for (uint32_t i = 0; i < n; i++)
		room += at(b, kids[i])->kids.n;
	struct kids all = { malloc((room + 1) * sizeof(*all.at)), 0 };
	if (!all.at) {
		b->failed = true;
		return 0;
	}
	bool decided = false;
	for (uint32_t i = 0; i < n; i++) {
		const struct node *kid = at(b, kids[i]);
		decided |= kid->op == decides;
		if (kid->op == and_or) {
			const uint32_t *grand = (const uint32_t *)b->numbers.p + kid->kids.at;
			for (uint32_t j = 0; j < kid->kids.n; j++)
				add_kid(&all, grand[j]);
		} else if (kid->op != neutral) {
			add_kid(&all, kids[i]);
		}
	}
	uint32_t node;
	if (decided || all.n == 0)
		node = build_const(b, decided ? decides == NODE_TRUE : neutral == NODE_TRUE);
	else if (all.n == 1)
		node = all.at[0];
	else
		node = put(b, and_or, 0, pool_put(&b->numbers, all.at, all.n));
	free(all.at);
	return node;
}

uint32_t build_at_least(struct build *b, uint32_t need, const uint32_t *kids, uint32_t n)
{
	if (b->failed)
		return 0;
	if (need == 0 || need > n)
		return build_const(b, need == 0);
	if (need == 1 || need == n)
		return build_join(b, need == n ? NODE_AND : NODE_OR, kids, n);
	return put(b, NODE_AT_LEAST, need, pool_put(&b->numbers, kids, n));
}

uint32_t build_test(struct build *b, const struct test *t)
{
	return put(b, NODE_TEST, pool_put_one(&b->tests, t, NULL), (struct span){ 0 });
}

int build_finish(struct build *b, struct ruleset *ret, struct err *err)
{
	if (b->failed)
		return err_set(err, -ENOMEM, "compile rules: %m");
	const struct block_part parts[] = {
#define X(ID, name, type) { { (const char *)b->name.p, b->name.n * sizeof(type) }, sizeof(type) },
		RULESET_SECTIONS(X)
#undef X
	};
	void *block;
	size_t size;
	int r = block_pack(&block, &size, RULESET_KIND, parts, ARRAY_LEN(parts));
	if (r)
		return err_set(err, r, "compile rules: %m");
	r = ruleset_open(ret, block, size, false, err);
	if (r)
		free(block);
	return r;
}
