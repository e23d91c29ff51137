/* The table behind khien.yaml. Inside of config: keys.c has it, value.c reads values by it, config.c reads files. */
#ifndef KHIEN_CMD_CONFIG_KEY_H
#define KHIEN_CMD_CONFIG_KEY_H

#include "base/yaml.h"
#include "cmd/config.h"

enum config_kind {
	CONFIG_TITLE,   /* const char *: a name for people */
	CONFIG_NAME,    /* const char *: a host name or address */
	CONFIG_FOLDER,  /* const char *: an absolute path; exists as a folder or can be made */
	CONFIG_PATH,    /* const char *: an absolute path that exists */
	CONFIG_PATTERN, /* const char *: an absolute path, or many (glob(7)) */
	CONFIG_ADDRESS, /* const char *: ADDR:PORT or [ADDR6]:PORT */
	CONFIG_BOOL,    /* bool */
	CONFIG_CHOICE,  /* int */
	CONFIG_SIZE,    /* uint64_t, bytes */
	CONFIG_SPAN,    /* int64_t, µs */
	CONFIG_PEER,    /* const char *: HOST:PORT or [ADDR6]:PORT of another machine */
	CONFIG_FILE,    /* const char *: an absolute path; need not exist yet */
	CONFIG_NETWORK, /* const char *: an address, or ADDRESS/BITS */
	CONFIG_URL,     /* const char *: http:// or https:// */
	CONFIG_BASE,    /* const char *: sqlite:PATH or postgresql:// without a password */
	CONFIG_AGES,    /* ages and n_ages of struct config_hub */
};

struct config_key {
	const char *name; /* "hub.listen.https" */
	enum config_kind kind;
	bool list;            /* struct config_list of that kind; one value may stand for a list of one */
	size_t at;            /* where in struct config */
	const char *fallback; /* the default as the file would have it; NULL: it depends on the machine */
	const char *found;    /* then: which, in words */
	const char *help;     /* a line or more */
	const char *const *choices;
	int first;           /* what the first choice stands for, the next is one more */
	size_t max;          /* of a list; 0: CONFIG_LIST_MAX */
	bool or_auto;        /* a size may be "auto" */
	const char *example; /* instead of the default in the example file, where that would say little */
};

enum { CONFIG_KEYS_MAX = 96 };
extern const struct config_key config_keys[];
extern const size_t n_config_keys;

/* What is read, and where its problems go. */
struct config_reader {
	struct config *config;
	const char *path; /* as problems name it */
	struct buf *problems;
	unsigned n_errors;
};

/* A line about a node (or, NULL, about the file). Warnings don't count as errors. */
void config_wrong(struct config_reader *r, const struct yaml_node *node, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
void config_warn(struct config_reader *r, const struct yaml_node *node, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

/* Sets the key in r->config, or says what is wrong. */
void config_set(struct config_reader *r, const struct config_key *key, const struct yaml_node *node);

/* ADDR:PORT taken apart. false: it is none. */
bool config_address(const char *text, bool *loopback, bool *any);

#endif
