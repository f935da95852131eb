/* SPDX-License-Identifier: MIT */
/* log.c - the appending side: open, admission, data, records.
 *
 * A batch is opened by the first reservation that needs one, at the place
 * where the previous one ends.  It grows in memory: data behind the header
 * block, records in an area of their own that goes behind the data when the
 * batch is finished (or into the header block if short).  Every reservation
 * checks that both still fit, so that sealing cannot fail. */
#include "log/log.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/msg.h"
#include "log/logint.h"

/* Rather than a batch of less room than this, start the next segment. */
#define BATCH_WORTH (16u << 10)

/* --- open and close --- */

/* The place right behind the end must not hold a header: a batch of the
 * previous life that was dropped for its data would carry the sequence number
 * and the chain of the one that is written next, elsewhere (doc/format.md §8).
 * The flush also makes durable what recovery has read, which a killed daemon
 * may have left in the device's cache: durable_seq will say so. */
static int close_old_end(struct dev *d, const struct log_params *p,
			 const struct log_pos *at)
{
	uint32_t seg = super_seg_index(p->sup, at->addr);
	struct batch_disk *block;
	struct seg_info info;
	int err = 0;

	segs_get(p->segs, seg, &info);
	/* The first batch goes there anyway; or it is not ours any more. */
	if (at->addr == super_seg_addr(p->sup, at->next_seg) || info.state != SEG_LOG)
		return dev_flush(d);
	block = dev_alloc(VARVE_BLOCK);
	if (dev_read(d, block, at->addr, VARVE_BLOCK) || block->magic != 0) {
		memset(block, 0, VARVE_BLOCK);
		err = dev_write(d, block, at->addr, VARVE_BLOCK);
	}
	dev_free(block);
	return err ? err : dev_flush(d);
}

static int first_segments(struct log *l, const struct log_pos *at)
{
	struct seg_info info;
	uint32_t seg = at->next_seg;
	int err;

	if (seg < segs_count(l->segs)) {
		segs_get(l->segs, seg, &info);
		if (info.state == SEG_META || info.state == SEG_PENDING)
			return -VE_SLOT_VALUE;
		segs_mark_log(l->segs, seg);
	} else {
		err = segs_alloc(l->segs, SEG_LOG, SEG_SYSTEM, &seg);
		if (err)
			return err;
	}
	l->seg = seg;
	l->pos = segs_addr(l->segs, seg);
	return segs_alloc(l->segs, SEG_LOG, SEG_SYSTEM, &l->next_seg);
}

int log_open(struct dev *d, const struct log_params *p, const struct log_pos *at,
	     struct log **ret)
{
	struct log *l;
	int err = 0;

	if (at->seq == 0)
		return -VE_SLOT_VALUE;
	if (at->next_seg != UINT32_MAX) {
		err = pos_check(p->sup, at);
		if (!err)
			err = close_old_end(d, p, at);
		if (err)
			return err;
	}
	l = xcalloc(1, sizeof *l);
	l->dev = d;
	l->segs = p->segs;
	l->sup = *p->sup;
	l->epoch = p->epoch;
	l->threads = MAX(p->threads, 1u);
	l->buf_size = MIN(BATCH_MAX, p->sup->seg_size);
	l->first_seq = at->seq;
	l->finished = at->seq - 1;
	l->written = at->seq - 1;
	l->prev_crc = at->prev_crc;
	l->fin_op = p->first_op;
	atomic_init(&l->sealed, at->seq - 1);
	atomic_init(&l->durable, at->seq - 1);
	atomic_init(&l->next_op, p->first_op);
	err = first_segments(l, at);
	if (err) {
		free(l);
		return err;
	}
	pthread_mutex_init(&l->mutex, NULL);
	pthread_cond_init(&l->finish_cond, NULL);
	pool_init(l);
	*ret = l;
	return 0;
}

void log_close(struct log *l)
{
	if (!l)
		return;
	pool_free(l);
	pthread_cond_destroy(&l->finish_cond);
	pthread_mutex_destroy(&l->mutex);
	free(l);
}

bool log_admit(struct log *l, struct ring *r, struct log_waiter *w)
{
	bool ok = atomic_load(&l->nfree) >= 2 * l->threads || atomic_load(&l->dead);

	if (ok)
		return true;
	pthread_mutex_lock(&l->mutex);
	ok = atomic_load(&l->nfree) >= 2 * l->threads || atomic_load(&l->dead);
	if (!ok) {
		w->ring = r;
		w->next = l->admits;
		l->admits = w;
	}
	pthread_mutex_unlock(&l->mutex);
	return ok;
}

/* --- room --- */

static uint64_t seg_end(const struct log *l)
{
	return segs_addr(l->segs, l->seg) + segs_size(l->segs);
}

/* Makes the open batch one in which data and rec bytes fit.  On -ENOSPC
 * nothing has changed. */
static int make_room(struct log *l, struct ring *r, enum seg_class cls, uint32_t data,
		     size_t rec)
{
	uint32_t need = VARVE_BLOCK + (uint32_t)align_up(data, VARVE_BLOCK) +
		batch_rec_area((uint32_t)rec);
	uint32_t next_next;
	bool move = false;
	uint64_t pos;
	int err;

	if (atomic_load(&l->dead))
		return -VE_LOG_DEAD;
	if (need > l->buf_size)
		return -EINVAL;
	if (l->open && batch_fits(l->open, data, rec))
		return 0;
	pos = l->pos + (l->open ? batch_bytes(l->open) : 0);
	if (pos + MAX(need, BATCH_WORTH) > seg_end(l)) {
		err = segs_alloc(l->segs, SEG_LOG, cls, &next_next);
		move = err == 0;
		if (err && pos + need > seg_end(l))
			return err;
	}
	if (l->open) {
		log_seal_open(l);
		log_pump(l, r);
		/* The mutex was dropped: others may have been here. */
		if (atomic_load(&l->dead) || l->open || l->pos != pos) {
			if (move)
				segs_unalloc(l->segs, next_next);
			return make_room(l, r, cls, data, rec);
		}
	}
	if (move) {
		l->seg = l->next_seg;
		l->next_seg = next_next;
		l->pos = segs_addr(l->segs, l->seg);
	}
	l->open = batch_new(l);
	return 0;
}

/* --- data --- */

static uint32_t data_max(const struct log *l)
{
	return MIN(VARVE_PIECE_MAX, l->buf_size - VARVE_BLOCK);
}

uint32_t log_data_fit(struct log *l, uint32_t len)
{
	uint64_t left;

	len = MIN(len, data_max(l));
	if (len <= 4 * BATCH_WORTH)
		return len;
	pthread_mutex_lock(&l->mutex);
	left = seg_end(l) - l->pos - (l->open ? batch_bytes(l->open) : 0);
	/* What does not fit the open batch goes behind it, with a header. */
	if (!l->open || !batch_fits(l->open, len, 0))
		left = left > VARVE_BLOCK ? left - VARVE_BLOCK : 0;
	pthread_mutex_unlock(&l->mutex);
	if (left >= len || left < 4 * BATCH_WORTH)
		return len;
	return (uint32_t)align_down(left, VARVE_BLOCK);
}

int log_data_begin(struct log *l, struct ring *r, uint32_t len, enum seg_class cls,
		   struct log_data *ret)
{
	struct lbatch *b;
	uint32_t at;
	int err;

	if (len == 0 || len > VARVE_PIECE_MAX)
		return -EINVAL;
	pthread_mutex_lock(&l->mutex);
	err = make_room(l, r, cls, len, 0);
	if (!err) {
		b = l->open;
		at = batch_place(b, len);
		b->fills++;
		*ret = (struct log_data){
			.addr = b->addr + at, .mem = b->buf + at, .len = len, .batch = b,
		};
		segs_pin(l->segs, ret->addr);
		atomic_fetch_add(&l->bytes, len);
		l->stats.data_bytes += len;
	}
	pthread_mutex_unlock(&l->mutex);
	return err;
}

/* One less that the batch waits for. */
static void fill_done(struct log *l, struct ring *r, struct lbatch *b)
{
	if (--b->fills == 0 && b->state == BS_SEALED)
		log_pump(l, r);
}

void log_data_end(struct log *l, struct ring *r, struct log_data *d)
{
	pthread_mutex_lock(&l->mutex);
	fill_done(l, r, d->batch);
	pthread_mutex_unlock(&l->mutex);
	d->mem = NULL;
	d->batch = NULL;
}

void log_data_done(struct log *l, struct log_data *d)
{
	segs_unpin(l->segs, d->addr);
}

/* --- records --- */

int log_rec_begin(struct log *l, struct ring *r, size_t size, enum seg_class cls,
		  uint64_t *ret_op)
{
	struct lbatch *b;
	int err;

	if (size < REC_HDR || size > REC_MAX)
		return -EINVAL;
	pthread_mutex_lock(&l->mutex);
	if (l->rec_batch)
		msg_panic("two records begun at once");
	err = make_room(l, r, cls, 0, size);
	if (!err) {
		b = l->open;
		batch_need_recs(b, size);
		b->rec_room = (uint32_t)size;
		b->fills++;
		l->rec_batch = b;
		*ret_op = atomic_load(&l->next_op);
	}
	pthread_mutex_unlock(&l->mutex);
	return err;
}

size_t log_rec_room(const struct log *l)
{
	return l->rec_batch->rec_room;
}

uint64_t log_rec_put(struct log *l, const struct rec *rec)
{
	struct lbatch *b = l->rec_batch;
	uint32_t size = (uint32_t)rec_size(rec);

	if (size > b->rec_room)
		msg_panic("record of %u bytes in room for %u", size, b->rec_room);
	/* The batch is not finished before the room is given up. */
	rec_encode(rec, b->recs + b->rec_len);
	pthread_mutex_lock(&l->mutex);
	b->rec_len += size;
	b->rec_room -= size;
	b->nrecs++;
	l->stats.records++;
	atomic_fetch_add(&l->next_op, 1);
	atomic_fetch_add(&l->bytes, size);
	if (b->state == BS_OPEN && atomic_load(&l->oldest) == 0)
		atomic_store(&l->oldest, clock_mono());
	pthread_mutex_unlock(&l->mutex);
	return b->seq;
}

void log_rec_cancel(struct log *l, struct ring *r)
{
	struct lbatch *b;

	pthread_mutex_lock(&l->mutex);
	b = l->rec_batch;
	b->rec_room = 0;
	l->rec_batch = NULL;
	fill_done(l, r, b);
	pthread_mutex_unlock(&l->mutex);
}

uint64_t log_rec_end(struct log *l, struct ring *r, const struct rec *rec)
{
	uint64_t seq = log_rec_put(l, rec);

	log_rec_cancel(l, r);
	return seq;
}

/* --- asking --- */

uint64_t log_durable_seq(const struct log *l)
{
	return atomic_load(&l->durable);
}

uint64_t log_open_seq(const struct log *l)
{
	return atomic_load(&l->sealed) + 1;
}

uint64_t log_next_op(const struct log *l)
{
	return atomic_load(&l->next_op);
}

uint64_t log_bytes(const struct log *l)
{
	return atomic_load(&l->bytes);
}

int64_t log_oldest(const struct log *l)
{
	return atomic_load(&l->oldest);
}

bool log_is_dead(const struct log *l)
{
	return atomic_load(&l->dead);
}

unsigned log_held_segments(struct log *l, uint32_t keep[4])
{
	pthread_mutex_lock(&l->mutex);
	keep[0] = l->seg;
	keep[1] = l->next_seg;
	pthread_mutex_unlock(&l->mutex);
	return 2;
}

void log_get_stats(struct log *l, struct log_stats *ret)
{
	pthread_mutex_lock(&l->mutex);
	*ret = l->stats;
	pthread_mutex_unlock(&l->mutex);
}
