/* SPDX-License-Identifier: MIT */
/* rebuild_int.h - shared by rebuild.c and salvage.c. */
#ifndef VARVE_STORE_REBUILD_INT_H
#define VARVE_STORE_REBUILD_INT_H

#include "store/rebuild.h"
#include "store/vol_int.h"

struct rebuild {
	struct dev *dev;
	struct super sup;
	const struct rebuild_opts *o;
	struct rebuild_result *r;
	struct ring *ring;
};

VARVE_PRINTF(3, 4)
void rebuild_say(struct rebuild *rb, enum check_level level, const char *fmt, ...);
int rebuild_progress(struct rebuild *rb, const char *what, uint64_t done, uint64_t total);
/* Neither slot is one any more; flushed. */
int rebuild_wipe_slots(struct rebuild *rb) VARVE_MUST_CHECK;
/* Checks the tables of an open volume and corrects what can be, in the overlay. */
int rebuild_fix(struct rebuild *rb, struct vol_ctx *c) VARVE_MUST_CHECK;

/* salvage.c */
int salvage(struct rebuild *rb) VARVE_MUST_CHECK;

#endif
