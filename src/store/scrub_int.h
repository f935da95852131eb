/* SPDX-License-Identifier: MIT */
/* scrub_int.h - the inside of the scrub. */
#ifndef VARVE_STORE_SCRUB_INT_H
#define VARVE_STORE_SCRUB_INT_H

#include "store/scrub.h"
#include "store/vol_int.h"

struct scrub_bad { /* one unit of a piece */
	uint64_t piece, addr;
	uint32_t unit;
	bool named;
};
#define SCRUB_BAD_MAX 4096u /* then they are named before going on */

struct scrub_item {
	uint64_t id, addr;
	uint32_t stored, nsums, sum_at;
};

struct scrub {
	struct vol *v;
	struct ring *ring;
	struct vol_ctx *c;

	pthread_mutex_t mu; /* rank 65: st, pos, end, changed */
	struct scrub_status st;
	uint64_t pos, end; /* page, or piece: done up to; end of the pieces */
	bool changed;      /* to be saved now */

	/* the thread's */
	struct scrub_item *item;
	uint32_t nitems, cap_items;
	uint32_t *sums, nsums, cap_sums;
	uint8_t *buf;
	struct scrub_bad *bad;
	size_t nbad, cap_bad;
	int64_t saved;

	pthread_t thread;
	bool has_thread;
	struct ring_op kick;
	_Atomic bool kicked, stop;
};

/* scrub_name.c: says which ranges of which files the damaged units are, and forgets
 * them.  Stops, and forgets nothing, when s->stop is set. */
int scrub_name_bad(struct scrub *s) VARVE_MUST_CHECK;

#endif
