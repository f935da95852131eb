/* SPDX-License-Identifier: MIT */
/* devsim.h - devices for tests: plain RAM, and one that loses power.
 *
 * The crash device records every write, flush and discard, in the order of
 * submission.  dev_crash_power_cycle() builds what a disk may hold after power
 * loss at a chosen point: all writes completed before the last completed flush,
 * and of the later ones any subset, whole or torn at 512 bytes (reordering is
 * a subset applied in another order).  Also the place where I/O errors are
 * injected. */
#ifndef VARVE_DEV_DEVSIM_H
#define VARVE_DEV_DEVSIM_H

#include "dev/dev.h"

/* Sparse: memory is used only for blocks written. */
int dev_mem_new(uint64_t size, struct dev **ret) VARVE_MUST_CHECK;

/* A device that starts as a copy of nothing (zeroes) and records. */
int dev_crash_new(uint64_t size, struct dev **ret) VARVE_MUST_CHECK;
/* The same, starting as a copy of d, all of which is durable: for cuts inside
 * recovery. */
int dev_crash_from(struct dev *d, struct dev **ret) VARVE_MUST_CHECK;
/* Writes, flushes and discards recorded so far: the cut points are 0..n. */
size_t dev_crash_events(const struct dev *d);
/* A new dev_mem device holding a state the disk may have if power fails after
 * the first cut events: chosen by seed.  seed 0: every write kept, whole. */
int dev_crash_image(struct dev *d, size_t cut, uint64_t seed,
		    struct dev **ret) VARVE_MUST_CHECK;
/* From now on every request fails with -VE_DEV_GONE and changes nothing. */
void dev_crash_cut(struct dev *d);
/* A new dev_mem device with the same content as d (mem or crash), as after a
 * kill of the process: every submitted write has happened. */
int dev_mem_copy(struct dev *d, struct dev **ret) VARVE_MUST_CHECK;

/* Fails the nth (from now, 0 is the next) request of kind op on a simulated
 * device with err; times = 0: for ever. */
void dev_sim_fail(struct dev *d, enum dev_op op, uint64_t nth, unsigned times,
		  int err);

#endif
