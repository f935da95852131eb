/* SPDX-License-Identifier: MIT */
/* gen.h - random steps, chosen with the model in view so that most of them
 * succeed, names collide and directories nest.  The same seed and the same model
 * give the same steps. */
#ifndef VARVE_TESTS_GEN_H
#define VARVE_TESTS_GEN_H

#include "op.h"

struct gen {
	struct rng rng;
	size_t inodes;      /* aim at so many */
	uint64_t bytes;     /* and so many allocated bytes */
	uint64_t max_write; /* longest write */
	unsigned control;   /* one in so many is a sync, remount, ...; 0: none */
	bool remounts;      /* REMOUNT, KILL, ROMOUNT among them */
	bool compacts;      /* COMPACT among them */
	bool churn;         /* long writes and many checkpoints: space is reused */
	bool shrink;        /* the volume is full: rather delete */
	int64_t wall;
	uint8_t acl[4 + 8 * 8];
	uint64_t last_dir;
};

void gen_init(struct gen *g, uint64_t seed);
/* The next step; op->value may point into g. */
void gen_op(struct gen *g, const struct model *m, struct op *op);

#endif
