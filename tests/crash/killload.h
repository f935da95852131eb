/* SPDX-License-Identifier: MIT */
/* killload.h - the pieces of killload: a model of what one worker did. */
#ifndef VARVE_TESTS_KILLLOAD_H
#define VARVE_TESTS_KILLLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { DIRS = 4, NAMES = 6 }; /* directory 0 is the worker's own */
enum { FILE_MAX = 128 << 10, WRITE_MAX = 60 << 10 };

struct kfile {
	uint32_t len;
	uint32_t change; /* last operation of this cycle that touched it; 0: none */
	uint64_t hash;
	uint8_t *data; /* FILE_MAX bytes */
};

struct kdir {
	bool there, moved; /* moved: it has its other name */
	uint32_t change;
	struct kfile *name[NAMES]; /* NULL: no such file */
};

struct kmodel {
	struct kdir dir[DIRS];
};

enum kkind {
	K_CREATE, K_WRITE, K_TRUNC, K_RENAME, K_UNLINK, K_MKDIR, K_RMDIR, K_MOVEDIR,
	K_FSYNC, K_FDATASYNC, K_FSYNCDIR, K_SYNCFS,
};

/* How a cycle is run. */
struct kopts {
	bool syncfs; /* syncfs is a promise here (block device) */
	bool sync;   /* mounted with -o sync */
};

struct kop {
	enum kkind kind;
	int flags; /* of open, for K_WRITE */
	unsigned dir, name, dir2, name2;
	uint32_t off, len;
	uint64_t fill;
};

struct krng {
	uint64_t s;
};
uint64_t krand(struct krng *r);
uint32_t kbelow(struct krng *r, uint32_t n);

void model_init(struct kmodel *m);
void model_free(struct kmodel *m);
void model_copy(struct kmodel *to, const struct kmodel *from);
/* A new cycle: what is there is durable. */
void model_settle(struct kmodel *m);
/* The next operation; the same for the same model and rng. */
struct kop model_choose(const struct kmodel *m, struct krng *r, const struct kopts *o);
/* Operation number n of the cycle; returns the number up to which everything is
 * durable once it has been acknowledged, 0 if it promises nothing. */
uint32_t model_apply(struct kmodel *m, const struct kop *op, uint32_t n,
		     const struct kopts *o);
/* A write is more than one message to the file system, hence more than one
 * operation, where the kernel cut it: at page boundaries.  Applies the first of
 * several steps of op, if it has that many; false: it has not. */
bool model_apply_part(struct kmodel *m, const struct kop *op, uint32_t n, unsigned steps);
uint64_t model_hash(const struct kmodel *m);
/* Path below the worker's directory; name NAMES: the directory itself. */
void model_path(const struct kmodel *m, unsigned dir, unsigned name, char *path, size_t size);
/* The bytes that op writes. */
void kfill(uint8_t *buf, uint32_t len, uint64_t fill);
void kop_print(FILE *f, const struct kmodel *m, const struct kop *op);

/* --- tree.c: the real thing --- */
/* 0 or -errno.  root: the worker's directory. */
int tree_do(const char *root, const struct kmodel *m, const struct kop *op);
/* What is in root, as model_hash() of a model that has it; -1: it could not be
 * read (said on stderr). */
int tree_hash(const char *root, uint64_t *ret);
/* Says on stderr how root differs from m. */
void tree_compare(const char *root, const struct kmodel *m);

uint64_t khash(const void *p, size_t len, uint64_t h);
uint64_t kentry(const char *path, bool is_dir, uint32_t len, uint64_t hash);

#endif
