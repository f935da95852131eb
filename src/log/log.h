/* SPDX-License-Identifier: MIT */
/* log.h - append to the hot log: reserve, fill, record, seal, sync.
 *
 * The open batch collects data and records in memory; sealing gives it its
 * place for good and writes it as one request.  The address of data is known
 * when it is reserved.  Batches are numbered without gaps.
 *
 * Promise: after log_sync() for batch n has completed with 0, every batch <= n
 *   survives power loss.  One flush serves all waiters that came before it;
 *   it is submitted only after the writes of all batches <= n completed.
 * Locking: any thread with its own ring; internal mutex rank 50, never held
 *   across a device wait or a callback.  Records must be appended in the order
 *   they are applied: the caller holds the volume's lock exclusively around
 *   log_rec_begin .. log_rec_end.  A batch is written on the ring of the
 *   thread that completed it; that thread must run its ring.
 * Errors: -ENOSPC when a new segment is needed and the class may not have
 *   one; after a failed write or flush -VE_LOG_DEAD for ever: a failed flush is
 *   never retried as if it had succeeded. */
#ifndef VARVE_LOG_LOG_H
#define VARVE_LOG_LOG_H

#include "dev/dev.h"
#include "log/rec.h"
#include "log/seg.h"

struct log;

struct log_params {
	const struct super *sup;
	struct segs *segs;
	uint64_t epoch;
	uint64_t first_op; /* sequence of the next operation */
	unsigned threads;  /* how many threads append: sizes the admission */
};

/* Starts a fresh segment (never appends to an interrupted one): batch
 * sequence at->seq, chained to at->prev_crc.  Recovery finds it because the
 * previous batch's next_seg (at->next_seg) names it; at->next_seg UINT32_MAX:
 * a new volume, any segment. */
int log_open(struct dev *d, const struct log_params *p, const struct log_pos *at,
	     struct log **ret) VARVE_MUST_CHECK;
/* Drops what is not sealed; waits for nothing: the caller has synced, or
 * means to lose it.  No I/O may be in flight, and the rings that were attached
 * to the device meanwhile must be detached (dev_del_buffer). */
void log_close(struct log *l); /* NULL is allowed */

/* --- admission (back-pressure) --- */
struct log_waiter {
	void (*fn)(struct log_waiter *w, int err); /* on the waiter's ring */
	/* private */
	struct ring *ring;
	struct ring_op op;
	uint64_t seq;
	struct log_waiter *next;
};
/* Runs w->fn(w, err) on w->ring, later.  r: the calling thread's, or NULL. */
void log_waiter_ready(struct log_waiter *w, struct ring *r, int err);
/* True: one operation of this thread may go ahead (at most VARVE_PIECE_MAX of
 * data and one record).  False: w->fn runs once it is worth trying again. */
bool log_admit(struct log *l, struct ring *r, struct log_waiter *w);

/* --- data --- */
struct log_data {
	uint64_t addr; /* where the data will be on the device, bytes */
	void *mem;     /* len bytes to fill (any thread, no lock held) */
	uint32_t len;
	void *batch;   /* private */
};
/* How many of len bytes to ask for as one piece, so that segments are filled
 * to their end: at most VARVE_PIECE_MAX and what a segment can hold (a segment
 * of 1 MiB takes one block less), less when the open segment is nearly full.
 * Never 0.  Advice: another thread may take the room first. */
uint32_t log_data_fit(struct log *l, uint32_t len);
/* Room for len (1..VARVE_PIECE_MAX) bytes.  Block-aligned if len >= 4 KiB,
 * packed byte-granularly within one block otherwise.  Pins the segment.
 * Between begin and end the thread only fills: it neither waits nor takes the
 * volume's lock.  -EINVAL: more than a segment can hold (log_data_fit). */
int log_data_begin(struct log *l, struct ring *r, uint32_t len,
		   enum seg_class cls, struct log_data *ret) VARVE_MUST_CHECK;
/* mem is filled; the batch may be written once all its data are. */
void log_data_end(struct log *l, struct ring *r, struct log_data *d);
/* The record that refers to d has been applied, or never will be: unpin. */
void log_data_done(struct log *l, struct log_data *d);

/* --- records --- */
/* Makes room for one record of size bytes; *ret_op is its op sequence. */
int log_rec_begin(struct log *l, struct ring *r, size_t size,
		  enum seg_class cls, uint64_t *ret_op) VARVE_MUST_CHECK;
/* Appends it (cannot fail); returns the batch it is in. */
uint64_t log_rec_end(struct log *l, struct ring *r, const struct rec *rec);
/* Gives the room, or what is left of it, back instead. */
void log_rec_cancel(struct log *l, struct ring *r);
/* Appends one of several that share the room, and so the batch: they survive a
 * crash together or not at all.  The first has *ret_op, each next one more;
 * log_rec_cancel() after the last. */
uint64_t log_rec_put(struct log *l, const struct rec *rec);
size_t log_rec_room(const struct log *l);

/* --- order --- */
/* Seals the open batch if it has anything in it.  Returns the newest sealed
 * batch (0: none yet in this life: what was before is durable). */
uint64_t log_seal(struct log *l, struct ring *r);
/* w->fn runs (never inside this call) when all batches <= seq are durable, or
 * with the error.  Seals the open batch if it is <= seq; a seq beyond what has
 * been appended stands for all of it. */
void log_sync(struct log *l, struct ring *r, uint64_t seq, struct log_waiter *w);
/* Seals, and gives the position after everything appended so far: what a
 * checkpoint's slot will name.  The caller holds the volume lock.  Waits for
 * other threads that are just filling data (not for the device). */
void log_mark(struct log *l, struct ring *r, struct log_pos *ret);

uint64_t log_durable_seq(const struct log *l); /* atomic */
uint64_t log_open_seq(const struct log *l);    /* the open batch's number */
uint64_t log_next_op(const struct log *l);     /* op sequence of the next record */
/* Bytes appended since log_open: for checkpoint policy. */
uint64_t log_bytes(const struct log *l);
/* When the oldest unsealed record was appended (clock_mono), 0: none. */
int64_t log_oldest(const struct log *l);
bool log_is_dead(const struct log *l);
/* Segments that the log holds now (open and next), for segs_release_dead. */
unsigned log_held_segments(struct log *l, uint32_t keep[4]);

/* Copies [addr, addr+len) if it is in a batch still in memory.  False: read
 * the device. */
bool log_read_mem(struct log *l, uint64_t addr, uint32_t len, void *buf);

struct log_stats {
	uint64_t batches, records, data_bytes, written_bytes, flushes, syncs;
};
void log_get_stats(struct log *l, struct log_stats *ret);

#endif
