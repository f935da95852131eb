/* SPDX-License-Identifier: MIT */
/* vol_int.h - the inside of a volume, shared by the files of this directory. */
#ifndef VARVE_STORE_VOL_INT_H
#define VARVE_STORE_VOL_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "log/log.h"
#include "log/scan.h"
#include "store/pstore.h"
#include "store/vol.h"

struct vol {
	struct dev *dev;
	struct super sup;
	struct vol_opts opts;
	struct segs *segs;
	struct pstore *ps;
	struct state *state;
	struct log *log; /* NULL: read-only open */

	pthread_rwlock_t lock; /* rank 10 */
	/* under lock */
	struct counters count; /* as of the last operation applied */
	uint64_t epoch;

	_Atomic int64_t last_time;
	/* Size of the active overlay as its last change left it: what decides
	 * on admission and checkpoints must not wait for the lock. */
	_Atomic size_t overlay_bytes, overlay_rows;
	_Atomic(const char *) failed; /* why it is read-only */

	/* Reads in flight by era, so that a segment is not reused under a
	 * read that was mapped before it died (ckpt.c). */
	_Atomic uint32_t reads[2];
	_Atomic unsigned era;

	/* checkpoint: under ckpt_lock (rank 5), taken before the volume lock */
	pthread_mutex_t ckpt_lock;
	_Atomic uint64_t ckpt;    /* newest durable checkpoint */
	uint64_t flip;            /* checkpoint at which the era changed */
	_Atomic uint64_t ckpt_batch; /* first batch not in it */
	uint64_t ckpt_op;         /* op sequence in it */
	_Atomic uint64_t ckpt_log_bytes; /* log_bytes() then */
	_Atomic int64_t ckpt_time; /* clock_mono() then */
	bool slot_is_clean;

	/* waiting operations and checkpoint requests: wait_lock, rank 70 */
	pthread_mutex_t wait_lock;
	struct log_waiter *admit_waiters;
	struct log_waiter *ckpt_waiters;
	struct vol_ctx *contexts;
	_Atomic(struct vol_reclaimer *) reclaimer; /* set and called under wait_lock */
	_Atomic uint32_t fruitless; /* reclaimable segments that do not come */
	_Atomic uint32_t barren;    /* checkpoints in a row that freed nothing */

	/* checkpoint thread */
	bool has_thread;
	pthread_t thread;
	struct ring *thread_ring;
	struct ring_op kick;
	_Atomic bool kicked, stop, want_ckpt;
	unsigned nospace; /* checkpoints in a row that found no room */

	struct bk *bk; /* backup.h */

	/* What recovery found (segs: NULL). */
	struct tail tail;
	unsigned slot;
	bool begun; /* has gone on to prepare the log for writing */
};

/* apply.c: rd is the calling thread's reader; the exclusive lock is held (or
 * nobody else is there yet).  All reads come before the first change, so an
 * error leaves the state as it was. */
int apply_record(struct vol *v, struct reader *rd, const struct rec *rec,
		 uint64_t op) VARVE_MUST_CHECK;

/* recover.c */
int vol_recover(struct vol *v) VARVE_MUST_CHECK;
/* The tail's batches from a position on; the state is that position's. */
int vol_replay(struct vol *v, const struct log_pos *from, const struct tail *tail) VARVE_MUST_CHECK;
int vol_start(struct vol *v, const struct slot *slot, const struct slot *older) VARVE_MUST_CHECK;

/* commit.c: tells the compactor. */
void vol_reclaim_more(struct vol *v);

/* ckpt.c */
int ckpt_run(struct vol_ctx *c, bool clean) VARVE_MUST_CHECK;
int ckpt_thread_start(struct vol *v) VARVE_MUST_CHECK;
void ckpt_thread_stop(struct vol *v);
void ckpt_kick(struct vol *v);
bool ckpt_can_reclaim(struct vol *v);
/* Operations wait until a checkpoint has taken the overlay (commit.c). */
bool vol_overlay_full(struct vol *v);

/* space.c */
/* After the overlay has changed; the exclusive lock is held. */
void space_note_overlay(struct vol *v);
/* Sizes the standing reserve for what the overlay would need now. */
void space_set_reserve(struct vol *v);

/* open.c */
/* vol_new makes the bare volume; vol_free takes it in any state. */
/* Every context's reader goes to the newest image when its ring next runs. */
void vol_rest_readers(struct vol *v);
int vol_new(struct dev *d, const struct super *sup, const struct vol_opts *o,
	    struct vol **ret) VARVE_MUST_CHECK;
void vol_free(struct vol *v);

#endif
