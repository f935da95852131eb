/* SPDX-License-Identifier: MIT */
/* scan.h - read the log back: bounded, validated, with named errors.
 *
 * A batch is valid iff (1) it lies inside its segment; (2) magic, uuid,
 * lengths and zero fields are as doc/format.md §5 says; (3) seq is the
 * expected one, epoch not below the previous; (4) prev_crc is the previous
 * batch's crc; (5) crc matches.  It is looked for right behind its
 * predecessor, then at the start of the predecessor's next_seg.
 *
 * scan_tail() finds the end.  Let D be the highest durable_seq in any valid
 * batch.  Batches <= D were durable: a bad one there is damage (reported, never
 * truncated).  In batches > D the data of every WRITE is verified too; the
 * first bad one ends the log. */
#ifndef VARVE_LOG_SCAN_H
#define VARVE_LOG_SCAN_H

#include "dev/dev.h"
#include "log/rec.h"
#include "log/super.h"

struct batch {
	uint64_t addr, seq, epoch, durable_seq, first_op;
	int64_t time;
	uint32_t crc, prev_crc, nrecs, rec_len, data_len, next_seg;
	uint32_t bytes;      /* header, data and records, whole blocks */
	const void *recs;    /* rec_len bytes */
};

/* Parses and validates a header block on its own (rules 1, 2); recs is set only
 * for inline records. */
int batch_decode(const struct super *sup, uint64_t addr, const void *block,
		 struct batch *ret) VARVE_MUST_CHECK;

struct scan;
int scan_open(struct dev *d, const struct super *sup, const struct log_pos *from,
	      struct scan **ret) VARVE_MUST_CHECK;
void scan_close(struct scan *s); /* NULL is allowed */
/* Next batch in sequence: 1 and *ret (valid until the next call), 0 at the end
 * of what is valid, or negative for a device error. */
int scan_next(struct scan *s, struct batch *ret) VARVE_MUST_CHECK;
/* Where the batch after the last one returned would be. */
void scan_pos(const struct scan *s, struct log_pos *ret);

/* Outside any chain, for salvage.  Calls fn for every valid batch in segment idx,
 * wherever in it they start; what cannot be read is passed over. */
void scan_segment(struct dev *d, const struct super *sup, uint32_t idx,
		  void (*fn)(void *arg, const struct batch *b), void *arg);
/* The batch at addr: 1, and fn has been called; 0: there is none. */
int scan_batch_at(struct dev *d, const struct super *sup, uint64_t addr,
		  void (*fn)(void *arg, const struct batch *b), void *arg) VARVE_MUST_CHECK;

/* Iterates the records of a batch.  sums: VARVE_PIECE_SUMS entries. */
struct rec_iter {
	const uint8_t *p, *end;
	uint64_t op;
	uint32_t left;
};
void rec_iter_init(struct rec_iter *it, const struct batch *b);
/* 1 and *ret, 0 at the end, negative if malformed. */
int rec_iter_next(struct rec_iter *it, uint32_t *sums, struct rec *ret) VARVE_MUST_CHECK;

struct tail {
	struct log_pos end; /* replay [from, end); new batches continue here */
	uint64_t batches, bytes, durable_seq;
	uint64_t first_op;  /* op sequence after the tail (0: no batch in it) */
	uint64_t max_epoch;
	bool damaged;          /* a batch <= durable_seq is bad */
	uint64_t damaged_addr; /* where */
	bool torn;             /* the end is a batch that is not whole */
	uint64_t torn_addr;
	/* Good batches behind the damage: how many, the last one's sequence
	 * number and time. */
	uint64_t later_batches, later_seq;
	int64_t later_time;
	uint32_t *segs;        /* malloced: segments touched, in order */
	uint32_t nsegs;
};
int scan_tail(struct dev *d, const struct super *sup, const struct log_pos *from,
	      struct tail *ret) VARVE_MUST_CHECK;
void tail_free(struct tail *t);

/* Everything an inspector wants, also of a damaged image: superblock, slots,
 * segment table, every batch header found and its records.  what is a mask. */
#define DUMP_SUPER 1u
#define DUMP_SLOTS 2u
#define DUMP_SEGS 4u
#define DUMP_BATCHES 8u  /* of the log tail, and any others that parse */
#define DUMP_RECORDS 16u
int log_dump(struct dev *d, unsigned what, FILE *out) VARVE_MUST_CHECK;

#endif
