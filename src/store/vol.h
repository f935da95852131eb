/* SPDX-License-Identifier: MIT */
/* vol.h - an open volume: log + metadata + page store on one device.
 *
 * Every change goes the same way: under the volume lock (exclusive) the caller
 * checks POSIX rules against the state, builds a struct rec, and calls
 * vol_commit(), which makes room in the log, applies the record to the overlay
 * with the very functions that replay uses, and appends it to the open batch.
 * Nothing is applied that is not logged, nothing logged that is not applied.
 *
 * Threads: each thread that works on a volume has its own vol_ctx, with a ring
 *   and a reader, and must run that ring (ring_run) so that the batches it
 *   completed get written.  One checkpoint thread belongs to the volume.
 * Locking: the volume lock is a readers-writer lock, rank 10.  Never held while
 *   waiting for the device (except a cold database page) or replying.
 * Errors: 0 or negative.  After the log died every change gives -VE_LOG_DEAD
 *   (EROFS); reads go on. */
#ifndef VARVE_STORE_VOL_H
#define VARVE_STORE_VOL_H

#include "dev/dev.h"
#include "log/log.h"
#include "meta/state.h"

struct vol;

struct vol_opts {
	bool readonly;         /* no log, no checkpoint; tail is replayed in core */
	unsigned threads;      /* contexts that will be opened; 0: 4 */
	uint32_t commit_ms;    /* seal and flush unsynced work this often: 5000 */
	uint32_t ckpt_ms;      /* checkpoint at least this often if dirty: 30000 */
	uint64_t ckpt_bytes;   /* ... or after so much log: 1 GiB, or 1/8 volume */
	size_t overlay_bytes;  /* ... or overlay size: 96 MiB */
	size_t cache_bytes;    /* database page cache: 64 MiB */
	bool no_ckpt_thread;   /* tests: only vol_checkpoint() makes checkpoints,
				* and only vol_tick() runs the commit interval */
	bool discard;          /* discard freed segments */
	uint32_t backup_ms;    /* a metadata backup at most this often: 1 h */
	bool no_backup;        /* none; those that are there are dropped */
	/* fsck only */
	bool older_slot;       /* as if the newest slot were damaged */
	bool cut_damage;       /* a damaged log ends where the damage begins */
	const uint32_t *keep;  /* segments that hold data, whatever the slot says */
	uint32_t nkeep;
};
void vol_opts_default(struct vol_opts *o);

/* Writes an empty file system: superblocks, slots, and a root directory owned
 * by uid:gid with mode.  Everything is durable when it returns. */
struct vol_format {
	const char *label;   /* may be NULL */
	uint32_t seg_size;   /* 0: by device size */
	const uint8_t *uuid; /* 16 bytes; NULL: random */
	uint32_t root_mode, root_uid, root_gid;
	bool discard;        /* discard the whole device first */
};
int vol_mkfs(struct dev *d, const struct vol_format *f) VARVE_MUST_CHECK;

/* Opens and, after an unclean end, replays the log.  Borrows d. */
int vol_open(struct dev *d, const struct vol_opts *o, struct vol **ret) VARVE_MUST_CHECK;
/* Last checkpoint, clean flag, everything durable.  All contexts are closed.
 * Frees vol also on error. */
int vol_close(struct vol *v) VARVE_MUST_CHECK;
/* As if the process were killed now: nothing more is written (what has been
 * submitted is waited for).  All contexts are closed. */
void vol_abandon(struct vol *v);

struct vol_ctx {
	struct vol *vol;
	struct ring *ring;
	struct reader *rd;
	/* private: after a checkpoint the reader lets go of the old image, whose
	 * blocks could not be freed otherwise */
	struct ring_op rest;
	bool rest_posted; /* under the volume's wait_lock */
	struct vol_ctx *next;
	bool group; /* between vol_group_begin and _end */
};
/* r: the thread's ring, borrowed. */
int vol_ctx_open(struct vol *v, struct ring *r, struct vol_ctx **ret) VARVE_MUST_CHECK;
/* Runs the ring until nothing of this context is in flight. */
void vol_ctx_close(struct vol_ctx *c); /* NULL is allowed */

void vol_rdlock(struct vol *v);
void vol_wrlock(struct vol *v);
void vol_unlock(struct vol *v);

struct state *vol_state(struct vol *v);
const struct super *vol_super(const struct vol *v);
bool vol_readonly(const struct vol *v); /* asked for, or after a failure */
/* Why it became read-only, NULL if it did not. */
const char *vol_readonly_why(const struct vol *v);

/* New numbers, exclusive lock held.  A number is used up only by a committed
 * record; asking again before that gives the same one. */
uint64_t vol_next_ino(struct vol *v);
uint64_t vol_next_piece(struct vol *v);
/* Wall clock that never steps back within a volume (ns). */
int64_t vol_now(struct vol *v);

/* Exclusive lock held.  Fills rec->time if 0.  Applies and logs; on error
 * nothing has changed.  *ret_batch (may be NULL): vol_sync() for it makes the
 * operation durable.  cls: SEG_USER, or SEG_CLEANING for what frees space. */
int vol_commit(struct vol_ctx *c, struct rec *rec, enum seg_class cls,
	       uint64_t *ret_batch) VARVE_MUST_CHECK;

/* The commits until vol_group_end() survive a crash together or not at all, as
 * far as their records take at most room (<= REC_MAX) bytes.  The exclusive lock is
 * held all the while. */
int vol_group_begin(struct vol_ctx *c, size_t room, enum seg_class cls) VARVE_MUST_CHECK;
void vol_group_end(struct vol_ctx *c);

/* True: one operation may go ahead.  False: w->fn runs (on the context's ring)
 * when it is worth asking again: the log's buffers are full or the overlay is
 * at its bound.  Operations that only read need no admission. */
bool vol_admit(struct vol_ctx *c, struct log_waiter *w);

/* Waits, running the context's ring, until the log takes one operation: for the
 * compactor, which must not wait for space that it is there to make. */
int vol_admit_system(struct vol_ctx *c) VARVE_MUST_CHECK;

/* Who can make space out of half-empty segments.  hopeful: is it worth waiting
 * for; kick: somebody waits.  Any thread; NULL: nobody. */
struct vol_reclaimer {
	bool (*hopeful)(struct vol_reclaimer *r);
	void (*kick)(struct vol_reclaimer *r);
	/* Segments that were kept from compaction are no longer. */
	void (*more)(struct vol_reclaimer *r);
};
void vol_set_reclaimer(struct vol *v, struct vol_reclaimer *r);
/* Operations that wait for admission ask again. */
void vol_wake_admitted(struct vol *v);
/* First batch that is not in the newest image. */
uint64_t vol_image_batch(struct vol *v);

/* --- file data --- */
/* One piece to be: room in the log, filled and summed by vol_data_fill. */
struct vol_data {
	struct log_data d;
	uint32_t nsums;
	uint32_t sums[VARVE_PIECE_SUMS];
};
/* How many of len bytes to put as one piece, so that segments are filled to
 * their end; never 0.  Advice, not a promise. */
uint32_t vol_data_fit(struct vol_ctx *c, uint32_t len);
/* No lock held.  Reserves room for len bytes, copies buf there and computes the
 * sums.  Then, under the exclusive lock, a WRITE record refers to
 * data->d.addr, len, sums; vol_data_done() afterwards in any case. */
int vol_data_put(struct vol_ctx *c, const void *buf, uint32_t len,
		 struct vol_data *data) VARVE_MUST_CHECK;
void vol_data_done(struct vol_ctx *c, struct vol_data *data);

/* Reads [off, off+len) of a file into buf; the caller has clipped len to the
 * file's size.  Maps extents under the shared lock (taken inside), reads the
 * device asynchronously, verifies every checksum, zero-fills holes; done runs on
 * the context's ring, or was not called if the return value is not 1.
 * Returns 1: under way; 0: complete already (done not called); negative: error.
 * buf should be 4 KiB-aligned (then block-aligned data is read straight into
 * it); it needs room only for len bytes. */
struct vol_read {
	uint64_t ino, off;
	uint32_t len;
	void *buf;
	void (*done)(struct vol_read *r, int err);
	void *arg;
	/* private */
	struct vol_ctx *ctx;
	unsigned era;
};
int vol_read(struct vol_ctx *c, struct vol_read *r) VARVE_MUST_CHECK;

/* --- durability --- */
/* w->fn runs on the context's ring when all operations up to batch are
 * durable (0: everything so far). */
void vol_sync(struct vol_ctx *c, uint64_t batch, struct log_waiter *w);
/* Waits, running the context's ring. */
int vol_sync_wait(struct vol_ctx *c, uint64_t batch) VARVE_MUST_CHECK;
bool vol_is_durable(struct vol *v, uint64_t batch);
/* Makes a checkpoint now and waits for it (from any thread but a callback;
 * runs c's ring meanwhile). */
int vol_checkpoint(struct vol_ctx *c) VARVE_MUST_CHECK;
/* What the checkpoint thread does when its time comes, for tests without it. */
void vol_tick(struct vol_ctx *c);
/* Makes a metadata backup of what is there now, with a checkpoint before and one
 * after, and waits for it.  -EOPNOTSUPP: the volume's format has none. */
int vol_backup(struct vol_ctx *c) VARVE_MUST_CHECK;
/* The checkpoint thread makes one as soon as it can.  -EOPNOTSUPP, -VE_READONLY. */
int vol_want_backup(struct vol *v) VARVE_MUST_CHECK;
/* Those that are complete (id not 0).  Waits for no checkpoint. */
void vol_backups(struct vol *v, struct backup_ref ret[SLOT_BACKUPS]);

/* Marks the volume read-only because of a failure; says so once. */
void vol_fail(struct vol *v, int err, const char *what);

struct vol_space {
	uint64_t total;     /* bytes that data and metadata can have */
	uint64_t free;      /* could be allocated by root-like users: the
			     * system's reserve is not in it */
	uint64_t inodes;    /* present */
	uint64_t data_bytes, reserved_bytes;
	uint64_t small_file_cost; /* bytes charged per small file for metadata */
};
/* The volume lock is held, shared at least. */
void vol_get_space(struct vol *v, struct vol_space *ret);
/* May live data grow by so many bytes?  Overwriting is always allowed; this is
 * what keeps room for it.  The volume lock is held. */
bool vol_may_grow(struct vol *v, uint64_t bytes);
/* Sequence number of the last operation applied; needs no lock. */
uint64_t vol_op_seq(struct vol *v);
struct segs *vol_segs(struct vol *v);
struct log *vol_log(struct vol *v);   /* NULL when read-only */
struct dev *vol_dev(struct vol *v);
/* Discards every free segment (FITRIM): bytes discarded. */
int vol_trim(struct vol_ctx *c, uint64_t *ret_bytes) VARVE_MUST_CHECK;

/* Checks log, database, link counts, extents, pieces and segment accounting
 * against each other: calls say for each finding; returns how many, or
 * negative.  Exclusive use of the volume (no concurrent changes). */
typedef void (*vol_say)(void *arg, const char *finding);
int vol_verify(struct vol_ctx *c, vol_say say, void *arg) VARVE_MUST_CHECK;

#endif
