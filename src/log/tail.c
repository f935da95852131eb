/* SPDX-License-Identifier: MIT */
/* tail.c - find the end of the log, and tell a torn tail from damage.
 *
 * Pass 1 follows the chain as far as headers and records are good, and then
 * searches past its end, block by block, for later batches.  Every header says
 * what was durable when it was written; D is the highest of these.  A chain
 * that ends at or below D has lost a durable batch.
 * Pass 2 verifies the data of every batch above D: a batch is one unordered
 * write, so a good header does not vouch for its data until a flush was seen.
 */
#include <stdlib.h>

#include "base/err.h"
#include "base/msg.h"
#include "log/codec.h"
#include "log/piece.h"

/* Segments that are searched past the end of the chain. */
#define SEARCH_SEGS 8u

struct step { /* one batch of the chain */
	struct log_pos pos; /* where it was asked for */
	uint64_t addr, first_op;
	uint32_t bytes, nrecs;
};

struct walk {
	struct dev *dev;
	const struct super *sup;
	struct tail *t;
	struct step *step;
	size_t n, room;
	uint64_t missing; /* sequence number at which the chain ends */
	uint64_t missing_addr;
	uint64_t last_epoch; /* of the chain */
	uint64_t malformed; /* batch with good checksum and bad records, or 0 */
	uint64_t malformed_addr;
	uint32_t search[SEARCH_SEGS];
	unsigned nsearch;
	uint32_t sums[VARVE_PIECE_SUMS];
	uint8_t *data; /* for verification */
};

/* --- pass 1 --- */

static void add_step(struct walk *w, const struct log_pos *pos, const struct batch *b)
{
	if (w->n == w->room) {
		w->room = w->room ? 2 * w->room : 64;
		w->step = xrealloc(w->step, w->room * sizeof *w->step);
	}
	w->step[w->n++] = (struct step){
		.pos = *pos,
		.addr = b->addr,
		.first_op = b->first_op,
		.bytes = b->bytes,
		.nrecs = b->nrecs,
	};
}

static bool records_good(struct walk *w, const struct batch *b)
{
	const struct step *last = w->n ? &w->step[w->n - 1] : NULL;
	struct rec_iter it;
	struct rec rec;
	int r;

	if (last && b->first_op != last->first_op + last->nrecs)
		return false;
	rec_iter_init(&it, b);
	while ((r = rec_iter_next(&it, w->sums, &rec)) > 0)
		continue;
	return r == 0;
}

static int follow_chain(struct walk *w, struct scan *s)
{
	struct log_pos pos;
	struct batch b;
	int r;

	for (;;) {
		scan_pos(s, &pos);
		w->missing = pos.seq;
		w->missing_addr = pos.addr;
		r = scan_next(s, &b);
		if (r <= 0)
			break;
		w->last_epoch = b.epoch;
		w->t->max_epoch = MAX(w->t->max_epoch, b.epoch);
		w->t->durable_seq = MAX(w->t->durable_seq, b.durable_seq);
		if (!records_good(w, &b)) {
			w->malformed = b.seq;
			w->malformed_addr = b.addr;
			break;
		}
		add_step(w, &pos, &b);
	}
	w->t->end = pos;
	return r < 0 ? r : 0;
}

static void want_search(struct walk *w, uint32_t seg)
{
	for (unsigned i = 0; i < w->nsearch; i++)
		if (w->search[i] == seg)
			return;
	if (w->nsearch < SEARCH_SEGS && seg < w->sup->seg_count)
		w->search[w->nsearch++] = seg;
}

static void found_later(void *arg, const struct batch *b)
{
	struct walk *w = arg;

	w->t->max_epoch = MAX(w->t->max_epoch, b->epoch);
	/* An earlier life's leftovers, or what the chain has passed. */
	if (b->seq <= w->missing || b->epoch < w->last_epoch)
		return;
	w->t->durable_seq = MAX(w->t->durable_seq, b->durable_seq);
	w->t->later_batches++;
	w->t->later_seq = MAX(w->t->later_seq, b->seq);
	w->t->later_time = MAX(w->t->later_time, b->time);
	want_search(w, b->next_seg);
}

static void search_past_end(struct walk *w)
{
	const struct log_pos *end = &w->t->end;
	struct batch_buf buf;

	want_search(w, super_seg_index(w->sup, end->addr));
	want_search(w, end->next_seg);
	batch_buf_init(&buf);
	for (unsigned i = 0; i < w->nsearch; i++) {
		uint64_t start = super_seg_addr(w->sup, w->search[i]);

		batch_search(w->dev, w->sup, i == 0 ? end->addr : start,
			     start + w->sup->seg_size, &buf, found_later, w);
	}
	batch_buf_free(&buf);
}

/* --- pass 2 --- */

/* 1 good, 0 bad, negative: device error. */
static int piece_good(struct walk *w, const struct batch *b, const struct rec *r,
		      bool *loaded)
{
	uint64_t data = b->addr + VARVE_BLOCK, start, end;
	uint64_t addr = r->write.addr;
	uint32_t stored = r->write.stored;
	uint8_t *buf = w->data;
	int err;

	if (super_seg_index(w->sup, addr) == UINT32_MAX ||
	    super_seg_index(w->sup, addr) != super_seg_index(w->sup, addr + stored - 1))
		return 0;
	if (addr >= data && addr - data < b->data_len &&
	    stored <= b->data_len - (addr - data)) {
		/* Mostly so: one read for all pieces of the batch. */
		start = data;
		end = data + b->data_len;
	} else {
		start = align_down(addr, VARVE_BLOCK);
		end = align_up(addr + stored, VARVE_BLOCK);
		buf += BATCH_MAX;
	}
	if (buf != w->data || !*loaded) {
		err = dev_read(w->dev, buf, start, (uint32_t)(end - start));
		if (err)
			return err;
		*loaded |= buf == w->data;
	}
	return piece_verify(buf + (addr - start), stored, r->write.sums,
			    r->write.nsums) == 0;
}

static int data_good(struct walk *w, const struct batch *b)
{
	bool loaded = false;
	struct rec_iter it;
	struct rec rec;
	int r = 1;

	rec_iter_init(&it, b);
	while (r > 0 && rec_iter_next(&it, w->sums, &rec) > 0)
		if (rec.kind == REC_WRITE)
			r = piece_good(w, b, &rec, &loaded);
	return r;
}

/* Cuts the chain at the first batch above D whose data is bad. */
static int verify_data(struct walk *w)
{
	size_t i = 0;
	struct scan *s;
	struct batch b;
	int r;

	while (i < w->n && w->step[i].pos.seq <= w->t->durable_seq)
		i++;
	if (i == w->n)
		return 0;
	r = scan_open(w->dev, w->sup, &w->step[i].pos, &s);
	if (r)
		return r;
	w->data = dev_alloc(BATCH_MAX + VARVE_PIECE_MAX + 2 * VARVE_BLOCK);
	while (i < w->n) {
		r = scan_next(s, &b);
		if (r > 0)
			r = data_good(w, &b);
		if (r <= 0)
			break;
		i++;
	}
	if (i < w->n && r >= 0) {
		w->t->torn = true;
		w->t->torn_addr = w->step[i].addr;
		w->t->end = w->step[i].pos;
		w->n = i;
	}
	dev_free(w->data);
	scan_close(s);
	return r < 0 ? r : 0;
}

/* Was this block meant to be the header of the batch at pos?  Three of four
 * marks, so that a single flipped bit or a torn sector does not hide it. */
static bool resembles(const struct walk *w, const struct log_pos *pos, const void *block)
{
	const struct batch_disk *d = block;
	int marks = 0;

	marks += get64(&d->magic) == BATCH_MAGIC;
	marks += memcmp(d->uuid, w->sup->uuid, sizeof d->uuid) == 0;
	marks += get64(&d->seq) == pos->seq;
	marks += get32(&d->prev_crc) == pos->prev_crc;
	return marks >= 3;
}

/* A bad batch at the end is no damage, but worth a word: a torn write and a
 * batch damaged later look the same. */
static int look_for_torn(struct walk *w)
{
	const struct log_pos *end = &w->t->end;
	uint64_t at[2] = { end->addr, end->addr };
	uint8_t *block;
	int err = 0;

	if (w->t->torn || w->t->damaged)
		return 0;
	if (end->next_seg < w->sup->seg_count)
		at[1] = super_seg_addr(w->sup, end->next_seg);
	block = dev_alloc(VARVE_BLOCK);
	for (int i = 0; i < 2 && !err && !w->t->torn; i++) {
		err = dev_read(w->dev, block, at[i], VARVE_BLOCK);
		if (!err && resembles(w, end, block)) {
			w->t->torn = true;
			w->t->torn_addr = at[i];
		}
	}
	dev_free(block);
	return err;
}

/* --- the whole --- */

static void add_seg(struct tail *t, uint32_t seg)
{
	for (uint32_t i = t->nsegs; i-- > 0;)
		if (t->segs[i] == seg)
			return;
	t->segs = xrealloc(t->segs, (t->nsegs + 1) * sizeof *t->segs);
	t->segs[t->nsegs++] = seg;
}

static void sum_up(struct walk *w)
{
	struct tail *t = w->t;

	for (size_t i = 0; i < w->n; i++) {
		t->batches++;
		t->bytes += w->step[i].bytes;
		t->first_op = w->step[i].first_op + w->step[i].nrecs;
		add_seg(t, super_seg_index(w->sup, w->step[i].addr));
	}
	/* The next batches go there: nobody else may take it. */
	if (t->end.next_seg < w->sup->seg_count)
		add_seg(t, t->end.next_seg);
}

int scan_tail(struct dev *d, const struct super *sup, const struct log_pos *from,
	      struct tail *ret)
{
	struct tail t = { .durable_seq = from->seq - 1 };
	struct walk w = { .dev = d, .sup = sup, .t = &t };
	struct scan *s;
	int err = scan_open(d, sup, from, &s);

	if (err)
		return err;
	err = follow_chain(&w, s);
	scan_close(s);
	if (!err)
		search_past_end(&w);
	if (!err && w.malformed) {
		/* Its checksum is right: whatever this is, it is no torn write. */
		t.damaged = true;
		t.damaged_addr = w.malformed_addr;
	} else if (!err && w.missing <= t.durable_seq) {
		t.damaged = true;
		t.damaged_addr = w.missing_addr;
	}
	if (!err)
		err = verify_data(&w);
	if (!err)
		err = look_for_torn(&w);
	if (!err) {
		sum_up(&w);
		*ret = t;
	} else {
		tail_free(&t);
	}
	free(w.step);
	return err;
}

void tail_free(struct tail *t)
{
	free(t->segs);
	t->segs = NULL;
	t->nsegs = 0;
}
