/* SPDX-License-Identifier: MIT */
/* scrub.h - reads everything that is live, while the volume is in use, and compares
 * it with its checksums.
 *
 * First the pages of the database and the nodes of its map, then the pieces of data
 * in order of their numbers, up to the newest when the scrub began.  What a write
 * or the compactor moves meanwhile has been verified by that or will be by this.
 * Damage is a message with path, range of the file and byte of the device; a block
 * counts as damaged if it is so twice in a row.
 *
 * How far it has got is an attribute of the system on the root directory
 * ("varve.scrub", which nobody sees), written by a record every SCRUB_SAVE_MS: a
 * scrub goes on after a remount, also after a crash.
 * Rate: at most limit bytes a second, with a bounded step between pauses.
 * Locking: the volume lock is held shared for the gathering of one step.
 * Errors: 0 or negative; the thread logs its own. */
#ifndef VARVE_STORE_SCRUB_H
#define VARVE_STORE_SCRUB_H

#include "store/vol.h"

#define SCRUB_LIMIT (64ull << 20) /* default, bytes per second */
#define SCRUB_SAVE_MS 30000
#define SCRUB_XATTR "varve.scrub"

struct scrub;

enum scrub_state { SCRUB_NEVER, SCRUB_RUNNING, SCRUB_FINISHED, SCRUB_CANCELED };

struct scrub_status {
	enum scrub_state state;
	bool data;             /* second half */
	uint64_t done, total;  /* bytes read, and to be read by a guess */
	uint64_t errors;       /* damaged blocks */
	uint64_t limit;        /* bytes per second; 0: none */
	int64_t started, ended; /* wall clock, ns; 0: not yet */
	uint64_t spent;        /* ns of work, pauses included, unmounted time not */
};

struct scrub_opts {
	bool no_thread; /* tests: scrub_step() works */
};

/* Goes on with what was interrupted.  Borrows v; closed before it. */
int scrub_open(struct vol *v, const struct scrub_opts *o, struct scrub **ret) VARVE_MUST_CHECK;
/* Stops where it is.  NULL is allowed. */
void scrub_close(struct scrub *s);

/* --- any thread; take effect at once, are on the device a little later --- */
/* -EBUSY: runs already; -VE_READONLY. */
int scrub_begin(struct scrub *s) VARVE_MUST_CHECK;
/* -ENOTCONN: does not run. */
int scrub_cancel(struct scrub *s) VARVE_MUST_CHECK;
void scrub_set_limit(struct scrub *s, uint64_t bytes_per_second);
void scrub_get(struct scrub *s, struct scrub_status *ret);

/* Without the thread: one step.  1: more to do; 0: nothing; or an error. */
int scrub_step(struct scrub *s) VARVE_MUST_CHECK;

#endif
