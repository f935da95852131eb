/* SPDX-License-Identifier: MIT */
/* policy.h - which segments to compact: a pure function.
 *
 * Cost-benefit (Rosenblum, Ousterhout 1991): moving the live part u of a
 * segment costs reading 1 and writing u, and yields 1 - u of free space that
 * stays free the longer the data has been stable:
 *
 *     score = (1 - u) * age / (1 + u)
 */
#ifndef VARVE_GC_POLICY_H
#define VARVE_GC_POLICY_H

#include "base/defs.h"

struct gc_seg {
	uint32_t idx;
	uint32_t live; /* bytes */
	uint32_t age;  /* seconds since it was last written to */
};

double gc_score(const struct gc_seg *s, uint32_t seg_size);
/* Sorts segs so that the best victims come first, and returns how many of the
 * first to take: until want_free bytes net are gained or move_max bytes would
 * be moved, but at least one; none whose live bytes exceed live_max. */
size_t gc_choose(struct gc_seg *segs, size_t n, uint32_t seg_size, uint32_t live_max,
		 uint64_t want_free, uint64_t move_max);

#endif
