/* SPDX-License-Identifier: MIT */
/* gc.h - the compactor: live data leaves sparse segments, space comes back.
 *
 * A pass picks victims (policy.h), copies their live pieces into segments of
 * its own (one head for data moved for the first time, one for data that has
 * been moved before), flushes them, and commits RELOCATE records.  A victim then
 * has no live bytes left; the next checkpoint releases it and the one after that
 * makes it free, so no slot ever points into reused space (I6).
 *
 * Safe at any instant: the copy counts only by its record, which comes after the
 *   copy's flush; until the checkpoints, the source is untouched.  A write that
 *   replaces a piece meanwhile wins.  A piece that fails its checksum is not
 *   moved: its segment is left alone, with a message.
 * Pacing: works when free segments fall below the soft mark, the faster the
 *   fewer there are; at the hard mark writers wait for it (vol_admit).
 * Locking: the volume lock is held shared for at most GC_GATHER rows and
 *   exclusively for one record (16 pieces) at a time.
 * Errors: 0 or negative; the thread logs its own and tries again later. */
#ifndef VARVE_GC_GC_H
#define VARVE_GC_GC_H

#include "store/vol.h"

struct gc;

struct gc_opts {
	uint32_t soft_percent; /* of all segments, free: start; 0: 20 */
	uint64_t rate;         /* bytes moved per second at most; 0: no limit */
	bool no_thread;        /* tests: only gc_pass() works */
};

/* Borrows v.  Start after vol_open and before contexts are opened; stop before
 * vol_close, when no context is left that could wait for it. */
int gc_start(struct vol *v, const struct gc_opts *o, struct gc **ret) VARVE_MUST_CHECK;
void gc_stop(struct gc *g); /* NULL is allowed */

/* One pass now, whatever the marks say: moves up to move_max bytes and makes
 * checkpoints until what it emptied is free.  1: something was gained, 0:
 * nothing to gain.  Without the thread, or from no thread that has a context. */
int gc_pass(struct gc *g, uint64_t move_max) VARVE_MUST_CHECK;

struct gc_stats {
	uint64_t passes, victims, moved_bytes, moved_pieces, skipped;
	uint64_t used; /* bytes of segments that the heads took */
};
void gc_get_stats(struct gc *g, struct gc_stats *ret);

#endif
