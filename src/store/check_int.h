/* SPDX-License-Identifier: MIT */
/* check_int.h - the parts of a check, private to check*.c. */
#ifndef VARVE_STORE_CHECK_INT_H
#define VARVE_STORE_CHECK_INT_H

#include "store/check.h"
#include "store/vol_int.h"

struct chk {
	struct dev *dev;
	const struct check_opts *o;
	struct check_result *r;
	struct ring *ring;

	int super_err[2]; /* of each copy */
	int slot_err[2];
	unsigned newest;  /* slot */
	bool clean;       /* closed cleanly, and nothing written since */

	/* the volume, when open */
	struct vol *v;
	struct vol_ctx *c;

	/* what it takes to open it for writing */
	bool older, cut, hopeless;
	uint32_t *keep;
	uint32_t nkeep;
	unsigned simple; /* findings that opening and closing repairs */

	/* findings of the last verification that can be repaired */
	struct finding *find;
	size_t nfind, cap_find;
	unsigned stuck;  /* those that cannot */
	bool quiet;      /* do not say them again */
	unsigned named;  /* paths looked up */
};

VARVE_PRINTF(3, 4)
void check_say(struct chk *k, enum check_level level, const char *fmt, ...);
/* -ECANCELED to stop. */
int check_progress(struct chk *k, const char *what, uint64_t done, uint64_t total, bool bytes);

/* check_pages.c: map, bitmaps and pages of the open volume's image.  *ret_bad:
 * what is damaged, *ret_bitmaps: of the bitmaps.  say false: only count. */
int check_pages(struct chk *k, bool say, unsigned *ret_bad, unsigned *ret_bitmaps) VARVE_MUST_CHECK;

/* check_data.c: every piece of the open volume. */
int check_data(struct chk *k) VARVE_MUST_CHECK;

/* check_fix.c */
bool fix_can(const struct finding *f);
/* Corrects rows in the overlay of a volume opened for writing: those of the first
 * stage (names, lost inodes, other rows, accounting) that has any. */
int fix_rows(struct vol_ctx *c, const struct finding *f, size_t n) VARVE_MUST_CHECK;
/* Drops inodes without names. */
int fix_orphans(struct vol_ctx *c, unsigned *ret_dropped) VARVE_MUST_CHECK;

#endif
