/* SPDX-License-Identifier: MIT */
/* recover.c - from what is on the device to an open volume.
 *
 * Newest slot whose page map and image verify, else the other one; then the
 * log tail behind it is found, its segments are marked, and its records go
 * through apply_record() like any operation.  Only then may anything be
 * allocated.  A damaged log (scan.h) is never shortened: the volume is refused
 * for writing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/msg.h"
#include "store/backup.h"

/* Batches behind a damage that is cut off stay on the device.  A log that goes
 * on with numbers far above theirs can never be taken for their successor. */
#define SEQ_JUMP (1ull << 32)
#define SEQ_SANE (1ull << 62)

static int replay_batch(struct vol *v, struct reader *rd, const struct batch *b)
{
	uint32_t *sums = xmalloc(VARVE_PIECE_SUMS * sizeof(*sums));
	struct rec_iter it;
	struct rec rec;
	uint64_t op;
	int r;

	rec_iter_init(&it, b);
	for (;;) {
		op = it.op;
		r = rec_iter_next(&it, sums, &rec);
		if (r <= 0)
			break;
		if (op != v->count.op_seq + 1) {
			r = -VE_BATCH_SEQ;
			break;
		}
		r = apply_record(v, rd, &rec, op);
		if (r)
			break;
	}
	free(sums);
	return r;
}

int vol_replay(struct vol *v, const struct log_pos *from, const struct tail *tail)
{
	struct reader *rd = reader_new(v->state);
	int64_t began = clock_mono(), told = began;
	uint64_t done = 0;
	struct scan *s;
	struct batch b;
	int r = scan_open(v->dev, &v->sup, from, &s);

	if (r) {
		reader_free(rd);
		return r;
	}
	while (done < tail->batches && (r = scan_next(s, &b)) > 0) {
		r = replay_batch(v, rd, &b);
		if (r) {
			msg_err("%s: replay failed at batch %llu (byte %llu), operation %llu: %s",
				dev_name(v->dev), (unsigned long long)b.seq,
				(unsigned long long)b.addr,
				(unsigned long long)v->count.op_seq + 1, err_str(r));
			break;
		}
		done++;
		if (clock_mono() - told > 1000000000) {
			told = clock_mono();
			msg_info("%s: replaying the log: %llu of %llu batches", dev_name(v->dev),
				 (unsigned long long)done, (unsigned long long)tail->batches);
		}
	}
	if (!r && done < tail->batches)
		r = -VE_LOG_DAMAGE;
	scan_close(s);
	reader_free(rd);
	if (r > 0)
		r = 0;
	if (!r && done)
		msg_info("%s: replayed %llu batches (%llu bytes) in %lld ms", dev_name(v->dev),
			 (unsigned long long)done, (unsigned long long)tail->bytes,
			 (long long)((clock_mono() - began) / 1000000));
	return r;
}

/* The image must be the one the slot speaks of. */
static int check_image(struct vol *v, const struct slot *slot)
{
	struct meta_counts mc;
	struct reader *rd;
	uint64_t blocks = 0;
	int err;

	if (!slot->map.addr)
		return 0;
	rd = reader_new(v->state);
	err = state_read_counts(v->state, rd, &mc);
	reader_free(rd);
	if (err)
		return err == -ENOENT ? -VE_DB : err;
	for (uint32_t i = 0; i < slot->seg_count; i++)
		blocks += slot->table[i].state == SEG_META ? v->sup.seg_size / VARVE_BLOCK : 0;
	if (slot->map.pages > blocks) /* every page of an image is there */
		return -VE_SLOT_VALUE;
	if (mc.ckpt != slot->seq || mc.op_seq != slot->count.op_seq ||
	    mc.log_seq != slot->pos.seq || mc.log_addr != slot->pos.addr)
		return -VE_SLOT_VALUE;
	return 0;
}

static void keep_segment(struct segs *segs, uint32_t idx)
{
	struct seg_info info;

	segs_get(segs, idx, &info);
	if (info.state == SEG_FREE || info.state == SEG_PENDING)
		segs_mark_log(segs, idx);
}

/* What the log went on in was free, so it is not the page store's, nor kept for
 * the other slot: a forged chain would overwrite those. */
static int claim_tail(struct segs *segs, const struct tail *t)
{
	struct seg_info info;

	for (uint32_t i = 0; i < t->nsegs; i++) {
		segs_get(segs, t->segs[i], &info);
		if (info.state == SEG_META || info.state == SEG_PENDING)
			return -VE_LOG_DAMAGE;
		segs_mark_log(segs, t->segs[i]);
	}
	return 0;
}

int vol_start(struct vol *v, const struct slot *slot, const struct slot *older)
{
	struct tail tail = { 0 };
	struct log_params lp;
	int err = segs_load(&v->sup, slot, older, &v->segs);

	if (err)
		return err;
	err = pstore_open(v->dev, v->segs, slot, older, v->opts.cache_bytes, &v->ps);
	if (err)
		return err;
	v->state = state_new(pstore_pages(v->ps), v->sup.hash_key);
	err = check_image(v, slot);
	if (err)
		return err;
	v->count = slot->count;
	atomic_store(&v->last_time, slot->time);
	atomic_store(&v->ckpt, slot->seq);
	v->flip = slot->seq;
	v->ckpt_op = slot->count.op_seq;
	atomic_store(&v->ckpt_batch, slot->pos.seq);
	v->slot_is_clean = slot->clean;

	err = scan_tail(v->dev, &v->sup, &slot->pos, &tail);
	if (err)
		return err;
	v->tail = tail;
	v->tail.segs = NULL;
	if (tail.damaged) {
		msg_err("%s: the log is damaged at byte %llu, below what was durable",
			dev_name(v->dev), (unsigned long long)tail.damaged_addr);
		if (!v->opts.readonly && (!v->opts.cut_damage || tail.later_seq > SEQ_SANE)) {
			err = -VE_LOG_DAMAGE;
			goto out;
		}
		tail.end.seq = MAX(tail.end.seq, tail.later_seq) + SEQ_JUMP;
	} else if (tail.torn) {
		msg_info("%s: the log ends in an incomplete batch at byte %llu: "
			 "what it held had not been synced, or it was damaged since",
			 dev_name(v->dev), (unsigned long long)tail.torn_addr);
	}
	err = claim_tail(v->segs, &tail);
	if (!err) {
		bk_open(v, slot, &tail);
		err = vol_replay(v, &slot->pos, &tail);
	}
	space_note_overlay(v);
	if (err)
		goto out;
	v->epoch = MAX(slot->epoch, tail.max_epoch) + 1;
	/* The next checkpoint could not be read back. */
	if ((v->epoch | tail.end.seq | v->count.op_seq) >= NUMBER_MAX / 2)
		err = -VE_SLOT_VALUE;
	if (err)
		goto out;
	if (v->opts.readonly)
		goto out;
	for (uint32_t i = 0; i < v->opts.nkeep; i++)
		keep_segment(v->segs, v->opts.keep[i]);
	v->begun = true;
	lp = (struct log_params){ .sup = &v->sup, .segs = v->segs, .epoch = v->epoch,
				  .first_op = v->count.op_seq + 1,
				  .threads = v->opts.threads + 3 };
	err = log_open(v->dev, &lp, &tail.end, &v->log);
	if (!err)
		space_set_reserve(v);
out:
	tail_free(&tail);
	return err;
}

/* Forgets a start that failed, for the other slot. */
static void unstart(struct vol *v)
{
	log_close(v->log);
	v->log = NULL;
	state_free(v->state);
	v->state = NULL;
	pstore_close(v->ps);
	v->ps = NULL;
	segs_free_table(v->segs);
	v->segs = NULL;
}

int vol_recover(struct vol *v)
{
	struct slot slot[2] = { 0 };
	int got[2], newest, err;

	for (unsigned i = 0; i < 2; i++)
		got[i] = slot_read(v->dev, &v->sup, i, &slot[i]);
	if (got[0] && got[1]) {
		msg_err("%s: checkpoint slot 0: %s; slot 1: %s", dev_name(v->dev),
			err_str(got[0]), err_str(got[1]));
		return -VE_NO_SLOT;
	}
	if (!got[0] && !got[1])
		newest = slot[1].seq > slot[0].seq;
	else
		newest = got[0] ? 1 : 0;
	if (v->opts.older_slot) {
		if (got[!newest]) {
			err = got[!newest];
			goto out;
		}
		got[newest] = -VE_NO_SLOT;
		newest = !newest;
	}
	v->slot = (unsigned)newest;

	err = vol_start(v, &slot[newest], got[!newest] ? NULL : &slot[!newest]);
	/* A log that cannot be written has nothing to do with the image. */
	if (err && err != -VE_LOG_DAMAGE && !v->begun && !got[!newest]) {
		msg_warn("%s: checkpoint %llu cannot be used (%s); trying the one before",
			 dev_name(v->dev), (unsigned long long)slot[newest].seq, err_str(err));
		unstart(v);
		newest = !newest;
		v->slot = (unsigned)newest;
		err = vol_start(v, &slot[newest], NULL);
	}
out:
	slot_free(&slot[0]);
	slot_free(&slot[1]);
	return err;
}
