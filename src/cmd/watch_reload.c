/*
 * Rules loaded anew, without losing an event.
 *
 * The worker can read no file, and a compilation takes seconds. So the opener starts a process that reads the rules
 * with the rights it kept, enters the sandbox, compiles and writes the result into a pipe:
 *
 *   struct head, then head.size bytes of engine_pack()
 *
 * Events go on being matched with the old rules until the last byte is here; then the engines change places, between
 * two batches. Whatever goes wrong, the old rules run on, and people are told why.
 */
#include "cmd/watch.h"

#include "cmd/term.h"
#include "os/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const uint64_t MAX_BLOCK = 1ull << 30;

struct head {
	int32_t code; /* 0, or -errno and why */
	uint64_t size;
	char why[sizeof(((struct err *)0)->text)];
};

struct reload {
	struct reload_config c;
	int fd; /* of the pipe; -1: nothing is under way */
	struct head head;
	size_t got; /* bytes, of the head and the block */
	char *block;
};

/* --- the process that compiles --- */

static int compile(const struct engine_config *config, void **block, size_t *size, struct err *err)
{
	const struct engine_config here = { .rules = config->rules, .threads = 1, .no_jit = true };
	struct sandbox_report report;
	struct sandbox *sandbox;
	struct rule_texts texts;
	struct engine *e = NULL;
	int code = rule_read(&texts, &config->rules, err);
	if (code)
		return code;
	code = sandbox_init(&sandbox, NULL, err);
	if (!code) {
		sandbox_enter(sandbox, &report);
		code = engine_open_texts(&e, &here, &texts, err);
	}
	if (!code && engine_ruleset(e)->n_rules == 0)
		code = err_set(err, -ENOENT, "no rule is left in '%s'", config->rules.dirs[0]);
	if (!code)
		code = engine_pack(e, block, size, err);
	engine_free(e);
	rule_texts_free(&texts);
	return code;
}

void reload_work(const void *config, int out)
{
	struct head head = { 0 };
	struct err err = { 0 };
	void *block = NULL;
	size_t size = 0;
	head.code = compile(config, &block, &size, &err);
	head.size = size;
	memcpy(head.why, err.text, sizeof(head.why));
	if (!term_write(out, (struct str){ (const char *)&head, sizeof(head) }) && !head.code)
		term_write(out, (struct str){ block, size });
	free(block);
}

/* --- the worker --- */

int reload_new(struct reload **ret, const struct reload_config *config, struct err *err)
{
	struct reload *r = malloc(sizeof(*r));
	if (!r)
		return err_set(err, -ENOMEM, "%m");
	*r = (struct reload){ .c = *config, .fd = -1 };
	*ret = r;
	return 0;
}

static void give_up(struct reload *r)
{
	if (r->fd >= 0) {
		loop_unwatch(r->c.loop, r->fd);
		close(r->fd);
	}
	if (r->block)
		munmap(r->block, r->head.size);
	r->fd = -1;
	r->block = NULL;
	r->got = 0;
}

void reload_free(struct reload *r)
{
	if (r)
		give_up(r);
	free(r);
}

static int refuse(struct reload *r, const char *why)
{
	give_up(r);
	show_note(r->c.show, LOG_LEVEL_ERROR, WORD_NOT_RELOADED, "not-reloaded", why, NULL);
	return 0;
}

/* All is here. */
static int take(struct reload *r)
{
	struct engine *fresh;
	struct err err = { 0 };
	struct pipe_kept kept;
	void *block = r->block;
	r->block = NULL; /* goes to the engine */
	if (engine_unpack(&fresh, block, r->head.size, &err))
		return refuse(r, err.text);
	int code = pipe_swap(r->c.pipe, fresh, &kept, &err);
	if (code && engine_ruleset(fresh) != r->c.pipe->rs) {
		engine_free(fresh);
		return refuse(r, err.text);
	}
	engine_free(*r->c.engine);
	*r->c.engine = fresh;
	give_up(r);
	struct engine_info info;
	engine_info(fresh, &info);
	show_reloaded(r->c.show, &info, kept.correlations, kept.of);
	return code;
}

/* The head is here: room for what follows. */
static const char *begin_block(struct reload *r)
{
	r->head.why[sizeof(r->head.why) - 1] = '\0';
	if (r->head.code)
		return r->head.why;
	if (!r->head.size || r->head.size > MAX_BLOCK)
		return "the compiled rules are too big";
	void *p = mmap(NULL, r->head.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return "no memory for the compiled rules";
	r->block = p;
	return NULL;
}

static int on_bytes(void *arg, int fd)
{
	struct reload *r = arg;
	const char *why = NULL;
	bool in_head = r->got < sizeof(r->head);
	size_t all = sizeof(r->head) + (in_head ? 0 : r->head.size);
	char *to = in_head ? (char *)&r->head + r->got : r->block + (r->got - sizeof(r->head));
	char extra;
	ssize_t n = r->got < all ? read(fd, to, all - r->got) : read(fd, &extra, 1);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : refuse(r, "the compiled rules can't be read");
	if (n == 0 && !in_head && r->got == all)
		return take(r);
	if (n == 0 || (!in_head && r->got == all))
		return refuse(r, "the process that compiles them ended early");
	r->got += (size_t)n;
	if (in_head && r->got == sizeof(r->head))
		why = begin_block(r);
	return why ? refuse(r, why) : 0;
}

int reload_start(struct reload *r)
{
	struct err err = { 0 };
	int fd = -1;
	give_up(r); /* what is under way is out of date: the opener ends it */
	if (opener_open(r->c.opener, r->c.item, NULL, &fd, &err) <= 0)
		return refuse(r, err.text);
	if (loop_watch(r->c.loop, fd, on_bytes, r, &err)) {
		close(fd);
		return refuse(r, err.text);
	}
	r->fd = fd;
	show_note(r->c.show, LOG_LEVEL_INFO, WORD_RELOADING, "reloading", NULL, NULL);
	return 0;
}
