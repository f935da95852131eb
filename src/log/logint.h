/* SPDX-License-Identifier: MIT */
/* logint.h - private to log.c, batch.c and sync.c: the log's state.
 *
 * A batch in memory goes through
 *
 *   OPEN -> SEALED -> WRITING -> WRITTEN -> (back to the pool)
 *
 * OPEN takes data and records; SEALED has its final place and size, but data
 * may still be being filled (fills); once it is complete and its predecessor's
 * checksum is known (the chain), the pump gives it its header and submits it.
 * Writes complete in any order; WRITTEN batches leave the list in sequence,
 * which is what written_seq counts.  After an error everything stays where it
 * is, readable, until log_close().
 *
 * Invariants (mutex held):
 *   durable <= written <= finished <= sealed; the open batch is sealed + 1.
 *   The list holds exactly the batches written + 1 .. the newest, in order.
 *   next_seg is allocated and marked LOG, so sealing needs nothing. */
#ifndef VARVE_LOG_LOGINT_H
#define VARVE_LOG_LOGINT_H

#include <pthread.h>
#include <stdatomic.h>

#include "log/codec.h"
#include "log/log.h"

enum batch_state { BS_OPEN, BS_SEALED, BS_WRITING, BS_WRITTEN };

struct lbatch {
	struct lbatch *next; /* in sequence; or the next free one */
	struct log *log;
	enum batch_state state;
	bool pooled;   /* false: an emergency allocation */
	bool left;     /* off the list; the last reader gives it back */
	unsigned refs; /* readers that copy outside the mutex */
	unsigned fills; /* data being filled, and a record being encoded */

	uint64_t addr, seq;
	uint32_t cap;      /* bytes it may take on the device */
	uint32_t bytes;    /* SEALED: bytes it does take */
	uint32_t next_seg;
	uint32_t data_used; /* whole blocks, behind the header */
	uint32_t gap, gap_end; /* [gap, gap_end) of the data area: for small data */
	uint32_t rec_len;  /* bytes of complete records */
	uint32_t rec_room; /* bytes promised to the one being encoded */
	uint32_t nrecs;
	uint32_t crc;
	int64_t time;

	uint8_t *buf;  /* header, data, then records when finished */
	uint8_t *recs; /* records until then */
	size_t recs_size;
	struct ring *ring; /* WRITING: whose */
	struct dev_req req;
};

struct log {
	struct dev *dev;
	struct segs *segs;
	struct super sup;
	uint64_t epoch;
	unsigned threads;
	uint32_t buf_size; /* of a batch buffer: longest batch */
	uint64_t first_seq; /* of this life */

	pthread_mutex_t mutex; /* rank 50: guards everything below */
	pthread_cond_t finish_cond; /* finished moved, or the log died */

	struct lbatch *head, *tail; /* in memory, oldest first */
	struct lbatch *open;        /* the last one, or NULL */
	struct lbatch *unsub;       /* the first not yet submitted, or NULL */
	struct lbatch *rec_batch;   /* between log_rec_begin and _end */
	struct lbatch *pool;
	bool pumping; /* one thread at a time finishes batches, in order */
	bool flushing;
	uint64_t flush_target;
	uint64_t want_seal; /* a sync waits for the open batch if it is <= this */
	struct ring *flush_ring;
	struct dev_req flush_req;

	uint32_t seg, next_seg;
	uint64_t pos;      /* where the open batch is, or the next one would be */
	uint64_t finished; /* last batch with header and checksum */
	uint64_t written;
	uint32_t prev_crc; /* of batch finished */
	uint64_t fin_op;   /* first op of the next batch to finish */
	int err;           /* why it died */

	struct log_waiter *syncs;
	struct log_waiter *admits;
	struct log_stats stats;

	/* Written with the mutex held, read by anyone. */
	_Atomic uint64_t sealed, durable, next_op, bytes;
	_Atomic int64_t oldest;
	_Atomic bool dead;
	_Atomic unsigned nfree;  /* pooled batches */
	_Atomic unsigned inmem;  /* batches on the list */

	void *area; /* all pooled buffers */
	unsigned npool;
};

/* --- batch.c --- */
void pool_init(struct log *l);
void pool_free(struct log *l);
/* A batch at l->pos, appended to the list.  cap: room up to the segment's end. */
struct lbatch *batch_new(struct log *l);
/* Off the list (it is the head). */
void batch_leave(struct log *l);
uint32_t batch_bytes(const struct lbatch *b);
/* Whether data and a record of these lengths still fit. */
bool batch_fits(const struct lbatch *b, uint32_t data, size_t rec);
/* Room for data, zero-filled up to whole blocks; offset in the batch. */
uint32_t batch_place(struct lbatch *b, uint32_t len);
void batch_need_recs(struct lbatch *b, size_t room);

/* --- sync.c; mutex held on entry and return, dropped meanwhile --- */
/* Writes every batch that is complete, in order. */
void log_pump(struct log *l, struct ring *r);
/* Seals for waiting syncs, starts a flush if one is due, wakes who is served. */
void log_step(struct log *l, struct ring *r);
void log_seal_open(struct log *l);
bool log_has_content(const struct log *l);

/* The operations that wait for buffers, if there are enough again. */
struct log_waiter *admits_due(struct log *l);

/* log_waiter_ready() for each; no mutex needed. */
void waiters_ready(struct log_waiter *list, struct ring *r, int err);

#endif
