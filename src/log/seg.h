/* SPDX-License-Identifier: MIT */
/* seg.h - the segment table: states, allocation, live bytes.
 *
 * States.  FREE -> LOG or META by allocation.  LOG or META -> PENDING(n) when
 *   the checkpoint n that is being made no longer needs the segment: slot n
 *   shows it FREE, but slot n-1 may still need it; it is FREE (allocatable)
 *   only after checkpoint n+1 is durable (I6).
 * A pin keeps a LOG segment from being released while data that was reserved
 *   in it has no record yet.
 * Locking: any thread; one internal mutex, rank 60 (doc/locking.md). */
#ifndef VARVE_LOG_SEG_H
#define VARVE_LOG_SEG_H

#include "log/super.h"

enum seg_state { SEG_FREE = 0, SEG_LOG = 1, SEG_META = 2, SEG_PENDING = 3 };

/* Who may take the last segments (I5). */
enum seg_class {
	SEG_USER,     /* ordinary writes: stops at the reserve */
	SEG_CLEANING, /* unlink, truncate, ...: may use half the reserve */
	SEG_SYSTEM,   /* checkpoint, page store: may use all of it */
};

/* last_seq of a LOG segment that was allocated and not touched yet: whoever
 * allocated it is about to write there, so it is never dead. */
#define SEG_UNTOUCHED UINT64_MAX

struct segs;
struct seg_info {
	enum seg_state state;
	uint32_t live;
	uint32_t sum;
	uint32_t stamp;
	uint32_t pins;
	uint8_t holds;     /* HOLD_* */
	uint64_t last_seq; /* LOG: last batch in it, as far as known; 0 unknown */
};

/* All free. */
struct segs *segs_new(const struct super *sup);
/* From a slot; older (may be NULL) is the other slot: what is free in newest
 * but not in older starts as PENDING(newest->seq). */
int segs_load(const struct super *sup, const struct slot *newest,
	      const struct slot *older, struct segs **ret) VARVE_MUST_CHECK;
void segs_free_table(struct segs *t); /* NULL is allowed */

uint32_t segs_count(const struct segs *t);
uint32_t segs_size(const struct segs *t);          /* bytes of one segment */
uint64_t segs_addr(const struct segs *t, uint32_t idx);
/* UINT32_MAX if addr is in no segment. */
uint32_t segs_index(const struct segs *t, uint64_t addr);

/* Segments kept back from SEG_USER. */
void segs_set_reserve(struct segs *t, uint32_t n);
uint32_t segs_reserve(struct segs *t);
/* Lowest free segment at or after the last one given out (a moving hand).
 * -ENOSPC when the class may not have another. */
int segs_alloc(struct segs *t, enum seg_state to, enum seg_class cls,
	       uint32_t *ret_idx) VARVE_MUST_CHECK;
/* Recovery: marks a segment as found in the log tail. */
void segs_mark_log(struct segs *t, uint32_t idx);
/* As of checkpoint ckpt the segment is not needed any more. */
void segs_release(struct segs *t, uint32_t idx, uint64_t ckpt);
/* A segment that never went into any slot (aborted transaction): FREE now. */
void segs_unalloc(struct segs *t, uint32_t idx);
/* Checkpoint n is durable: PENDING(<= n-1) become FREE.  Calls freed (may be
 * NULL) for each, with the mutex dropped: the place to discard. */
void segs_durable(struct segs *t, uint64_t n,
		  void (*freed)(void *arg, uint32_t idx), void *arg);

void segs_live_add(struct segs *t, uint64_t addr, int64_t bytes);
void segs_set_live(struct segs *t, uint32_t idx, uint32_t live);
void segs_set_sum(struct segs *t, uint32_t idx, uint32_t sum);
void segs_touch(struct segs *t, uint32_t idx, uint32_t stamp, uint64_t last_seq);
/* As segs_touch, by the hot log: what holds the log holds the segment. */
void segs_touch_log(struct segs *t, uint32_t idx, uint32_t stamp, uint64_t last_seq);
void segs_pin(struct segs *t, uint64_t addr);
void segs_unpin(struct segs *t, uint64_t addr);
/* Pins the segment if it is LOG and holds live bytes; false: nothing to keep. */
bool segs_pin_live(struct segs *t, uint32_t idx);
void segs_get(struct segs *t, uint32_t idx, struct seg_info *ret);
/* A hold keeps a LOG segment from being released although nothing live is in it:
 * metadata backups need it.  A segment that is given up loses its holds. */
void segs_hold(struct segs *t, uint32_t idx, uint8_t bits);
/* Every segment that the hot log has written to since batch from_seq in this life,
 * those in keep, and from now on each one that it writes to. */
void segs_hold_log(struct segs *t, uint8_t bits, uint64_t from_seq, const uint32_t *keep,
		   unsigned nkeep);
/* Everywhere, and from now on. */
void segs_unhold(struct segs *t, uint8_t bits);
/* As the slot stores them: seg_count bytes, of these bits only. */
void segs_holds(struct segs *t, uint8_t bits, uint8_t *ret);
/* Segments that nothing but a hold of one of these bits keeps. */
uint32_t segs_count_held(struct segs *t, uint8_t bits);
/* Segments with any hold, live bytes or not: what the compactor leaves alone. */
uint32_t segs_count_holds(struct segs *t);
/* The table as a slot stores it (PENDING shows as FREE): seg_count entries. */
void segs_snapshot(struct segs *t, struct seg_disk *table);
/* LOG segments with no live bytes, no pins, no holds, and last_seq < before_seq that
 * are none of the nkeep segments in keep: released as of ckpt in one step.
 * Returns how many.  The caller then takes segs_snapshot. */
uint32_t segs_release_dead(struct segs *t, uint64_t ckpt, uint64_t before_seq,
			   const uint32_t *keep, unsigned nkeep);

/* How many segments segs_release_dead would find, whatever their last_seq. */
uint32_t segs_count_dead(struct segs *t, const uint32_t *keep, unsigned nkeep);

/* For tests: from the nth allocation from now (0: the next) on, times (0: for
 * ever) allocations of a class up to most fail with -ENOSPC. */
void segs_inject_full(struct segs *t, uint64_t nth, unsigned times, enum seg_class most);

struct segs_space {
	uint32_t total, free, pending, log, meta, reserve;
	uint64_t live_bytes; /* in LOG segments */
};
void segs_get_space(struct segs *t, struct segs_space *ret);

#endif
