/* SPDX-License-Identifier: MIT */
/* op.h - one step of a test: an operation of fs.h, or something that happens
 * to the volume; its outcome; and the model's answer to it. */
#ifndef VARVE_TESTS_OP_H
#define VARVE_TESTS_OP_H

#include <stdio.h>

#include "model.h"

#define OP_KINDS(X) \
	X(LOOKUP) X(IGET) X(FORGET) X(MAKE) X(SYMLINK) X(TMPFILE) X(LINK) X(UNLINK) \
	X(RMDIR) X(RENAME) X(READLINK) X(READDIR) X(GETATTR) X(SETATTR) X(SETFLAGS) \
	X(OPEN) X(RELEASE) X(READ) X(WRITE) X(FALLOC) X(CLONE) X(SEEK) X(FSYNC) \
	X(GETX) X(SETX) X(RMX) X(LISTX) X(STATFS) \
	X(CURSOR) X(SYNC) X(TICK) X(CHECKPOINT) X(COMPACT) X(BACKUP) X(REMOUNT) X(KILL) X(ROMOUNT)

enum op_kind {
#define X(name) OP_##name,
	OP_KINDS(X)
#undef X
	OP_KIND_COUNT
};
/* From here on: not for the model. */
#define OP_FIRST_CONTROL OP_CURSOR

/* Longer than allowed by one, to be refused. */
#define OP_NAME (VARVE_NAME_MAX + 2)

struct op {
	enum op_kind kind;
	bool kill, keep, osync;
	uint64_t ino, dir, dir2;
	char name[OP_NAME], name2[OP_NAME];
	uint64_t off, off2, len;
	int mode;            /* of an inode, or of fallocate */
	int flags;           /* rename, open, xattr, whence */
	uint64_t rdev;
	uint64_t seed;       /* of data, of a value */
	const void *value;   /* xattr value instead of one from seed: borrowed */
	struct fs_cred cred;
	struct fs_setattr sa;
	int64_t wall;        /* the clock when it is done */
	/* What the model cannot know. */
	uint64_t new_ino;
	bool no_atime;  /* the volume was too full to note a read */
};

struct dirent_seen {
	char name[VARVE_NAME_MAX + 1];
	uint64_t ino;
	uint8_t type;
	bool has_attr;
	struct fs_attr attr;
};

struct result {
	int err;
	bool has_attr;
	struct fs_attr attr;
	uint64_t num;  /* clone: length; seek: offset */
	void *data;    /* bytes read, value, target, sorted names, dirent_seen[] */
	size_t len;
};
void result_free(struct result *r);

void op_print(const struct op *op, FILE *out);
/* The bytes an operation writes: the same for the same seed. */
void op_fill(void *buf, size_t len, uint64_t seed);

/* Does it to the model; ret->data is malloced. */
void op_model(struct model *m, const struct op *op, struct result *ret);
/* NULL if they agree; otherwise a sentence (static) for which times counts. */
const char *result_differs(const struct op *op, const struct result *fs,
			   const struct result *model, bool times);
const char *attr_differs(const struct fs_attr *fs, const struct fs_attr *model,
			 bool times);
int dirent_cmp(const void *a, const void *b); /* by name */

/* --- random numbers (splitmix64) --- */
struct rng {
	uint64_t s;
};
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* 0 .. n-1 */
bool rng_one_in(struct rng *r, unsigned n);

#endif
