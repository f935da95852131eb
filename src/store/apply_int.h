/* SPDX-License-Identifier: MIT */
/* apply_int.h - gathering and carrying out the row changes of one record. */
#ifndef VARVE_STORE_APPLY_INT_H
#define VARVE_STORE_APPLY_INT_H

#include "store/vol_int.h"

struct apply {
	struct vol *v;
	struct reader *rd;
	const struct rec *rec;
	uint64_t op;
};

/* Changes to one file's extents and the pieces they refer to.  Gathered by
 * reading (may fail), then carried out (cannot). */
struct piece_delta {
	uint64_t id;
	int64_t delta; /* references */
	uint64_t cut;  /* bytes of it that rows lose */
	bool shared;   /* a clone refers to it from now on: it has no owner */
};

struct edit {
	struct extent_row *del; /* rows to delete: ino and off count */
	size_t ndel, capdel;
	struct extent_row *put;
	size_t nput, capput;
	struct piece_delta *delta;
	size_t ndelta, capdelta;
	/* rows of the pieces whose count changes, in order of id */
	struct piece_row **piece; /* compact copies; NULL: reaches 0 */
	struct piece_change { /* of its segment's live bytes */
		uint64_t addr;
		int64_t live;
	} *change;
	uint64_t cut_bytes;     /* bytes the file loses */
	uint64_t cut_unwritten; /* of which promised */
};

void edit_init(struct edit *e);
void edit_free(struct edit *e);
/* Makes [off, end) of ino a hole. */
int edit_carve(struct apply *a, struct edit *e, uint64_t ino, uint64_t off,
	       uint64_t end) VARVE_MUST_CHECK;
void edit_put(struct edit *e, const struct extent_row *x);
void edit_ref(struct edit *e, struct piece_delta d);
/* After the last gathering call: reads the pieces. */
int edit_ready(struct apply *a, struct edit *e) VARVE_MUST_CHECK;
void edit_do(struct apply *a, struct edit *e);

int apply_write(struct apply *a) VARVE_MUST_CHECK;
int apply_truncate(struct apply *a) VARVE_MUST_CHECK;
int apply_falloc(struct apply *a) VARVE_MUST_CHECK;
int apply_clone(struct apply *a) VARVE_MUST_CHECK;
int apply_drop(struct apply *a) VARVE_MUST_CHECK;
int apply_relocate(struct apply *a) VARVE_MUST_CHECK;

#endif
