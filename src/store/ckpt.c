/* SPDX-License-Identifier: MIT */
/* ckpt.c - checkpoints: an overlay becomes the next image.
 *
 *   freeze   exclusive lock: the overlay is frozen, the log marked (P), dead
 *            segments released as of checkpoint n, the segment table copied.
 *            Operations go on in a second overlay.
 *   write    without the lock: one SQLite transaction into the page store; its
 *            pages, map and bitmaps; the log up to P; a flush.
 *   slot     slot n % 2 written and flushed: n counts.
 *   switch   exclusive lock: readers go to the new image, the frozen overlay
 *            is dropped.  What checkpoint n-1 gave up becomes free.
 *
 * An error before the slot is written loses nothing: the frozen overlay is
 * merged back and the transaction dropped.  An error while the slot is being
 * written leaves it open which of the two counts, so the volume goes read-only.
 *
 * Reads map under the shared lock and fetch after it.  A segment released at
 * checkpoint n may be under a read that began before n's freeze.  Reads count
 * in one of two eras; the era is flipped at a switch when the other era has
 * run dry, and segments become allocatable only up to the checkpoint after the
 * flip before: every read that could see them has ended. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/msg.h"
#include "store/backup.h"

static void discard_one(void *arg, uint32_t idx)
{
	struct vol *v = arg;
	int err = dev_discard(v->dev, segs_addr(v->segs, idx), segs_size(v->segs));

	if (err && err != -EOPNOTSUPP)
		msg_warn("%s: discard of segment %u: %s", dev_name(v->dev), idx, err_str(err));
}

/* The table for slot n: log segments as of P, metadata segments as the page
 * store left them; what was allocated for the log after P is found by the scan
 * of the tail. */
static void merge_tables(struct seg_disk *at_p, const struct seg_disk *now, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (at_p[i].state == SEG_LOG)
			continue;
		if (now[i].state == SEG_META)
			at_p[i] = now[i];
		else
			memset(&at_p[i], 0, sizeof(at_p[i]));
	}
}

static int write_all(struct vol_ctx *c, struct slot *s)
{
	struct vol *v = c->vol;
	struct meta_counts mc = {
		.ckpt = s->seq, .op_seq = s->count.op_seq, .next_ino = s->count.next_ino,
		.next_piece = s->count.next_piece,
		.log_addr = s->pos.addr, .log_seq = s->pos.seq,
	};
	struct seg_disk *now;
	int err;

	err = state_write_image(v->state, &mc);
	if (err)
		return err;
	err = pstore_prepare(v->ps, s->seq, &s->map);
	if (err)
		return err;
	now = xcalloc(v->sup.seg_count, sizeof(*now));
	segs_snapshot(v->segs, now);
	merge_tables(s->table, now, v->sup.seg_count);
	free(now);
	err = vol_sync_wait(c, s->pos.seq - 1);
	if (!err)
		err = dev_flush(v->dev);
	return err;
}

/* After checkpoint n is durable, exclusive lock held: which may be freed. */
static uint64_t flip_era(struct vol *v, uint64_t n)
{
	unsigned era = atomic_load(&v->era);
	uint64_t upto = 0;

	if (!atomic_load(&v->reads[era ^ 1])) {
		upto = v->flip + 1;
		v->flip = n;
		atomic_store(&v->era, era ^ 1);
	}
	return upto;
}

static int run_locked(struct vol_ctx *c, bool clean)
{
	struct vol *v = c->vol;
	struct slot s = { 0 };
	struct overlay *old;
	uint32_t keep[4];
	unsigned nkeep;
	uint64_t upto;
	int err;

	s.table = xcalloc(v->sup.seg_count, sizeof(*s.table));
	s.seg_count = v->sup.seg_count;
	s.seq = atomic_load(&v->ckpt) + 1;
	s.clean = clean;
	s.epoch = v->epoch;

	vol_wrlock(v);
	log_mark(v->log, c->ring, &s.pos);
	s.time = vol_now(v);
	s.count = v->count;
	state_freeze(v->state);
	space_note_overlay(v);
	nkeep = log_held_segments(v->log, keep);
	segs_release_dead(v->segs, s.seq, s.pos.seq, keep, nkeep);
	segs_snapshot(v->segs, s.table);
	bk_slot(v, &s);
	vol_unlock(v);

	err = write_all(c, &s);
	if (!err) {
		err = slot_write(v->dev, &v->sup, &s);
		if (!err)
			err = dev_flush(v->dev);
		if (err)
			vol_fail(v, err, "the checkpoint slot cannot be written");
	}
	if (err) {
		pstore_abort(v->ps);
		vol_wrlock(v);
		state_unfreeze(v->state);
		space_note_overlay(v);
		vol_unlock(v);
		goto out;
	}

	vol_wrlock(v);
	pstore_committed(v->ps, s.seq);
	old = state_switch(v->state);
	upto = flip_era(v, s.seq);
	atomic_store(&v->ckpt, s.seq);
	v->ckpt_op = s.count.op_seq;
	atomic_store(&v->ckpt_batch, s.pos.seq);
	bk_ckpt_done(v, &s);
	v->slot_is_clean = clean;
	vol_unlock(v);
	overlay_free(old);
	vol_rest_readers(v);
	segs_durable(v->segs, upto, v->opts.discard ? discard_one : NULL, v);
	v->ckpt_log_bytes = log_bytes(v->log);
	atomic_store(&v->ckpt_time, clock_mono());
	space_set_reserve(v);
out:
	slot_free(&s);
	return err;
}

int ckpt_run(struct vol_ctx *c, bool clean)
{
	struct vol *v = c->vol;
	int err = 0;

	pthread_mutex_lock(&v->ckpt_lock);
	if (vol_readonly(v))
		err = -VE_READONLY;
	else if (log_is_dead(v->log))
		err = -VE_LOG_DEAD;
	else
		err = run_locked(c, clean);
	pthread_mutex_unlock(&v->ckpt_lock);
	if (err == -VE_LOG_DEAD)
		vol_fail(v, err, "the log cannot be written");
	return err;
}

/* Segments that the next checkpoints, or giving up a backup, may give back. */
static uint32_t hope(struct vol *v)
{
	uint32_t keep[4];
	unsigned nkeep = log_held_segments(v->log, keep);
	struct segs_space s;

	segs_get_space(v->segs, &s);
	return s.pending + segs_count_dead(v->segs, keep, nkeep) +
	       segs_count_holds(v->segs);
}

bool ckpt_can_reclaim(struct vol *v)
{
	uint32_t n = hope(v);

	return n && n != atomic_load(&v->fruitless);
}

/* --- the thread --- */

static int64_t ms_since(int64_t then)
{
	return (clock_mono() - then) / 1000000;
}

static bool dirty(struct vol *v)
{
	return atomic_load(&v->overlay_rows) > 0;
}

static bool ckpt_due(struct vol *v)
{
	if (!dirty(v))
		return false;
	return ms_since(atomic_load(&v->ckpt_time)) >= v->opts.ckpt_ms ||
	       log_bytes(v->log) - v->ckpt_log_bytes >= v->opts.ckpt_bytes ||
	       atomic_load(&v->overlay_bytes) >= v->opts.overlay_bytes;
}

struct quiet_sync {
	struct log_waiter w;
	struct vol *vol;
};

static void quiet_done(struct log_waiter *w, int err)
{
	struct quiet_sync *q = container_of(w, struct quiet_sync, w);

	if (err)
		vol_fail(q->vol, err, "the log cannot be written");
	free(q);
}

/* Unsynced work becomes durable after the commit interval. */
static void commit_tick(struct vol_ctx *c)
{
	struct vol *v = c->vol;
	int64_t oldest = log_oldest(v->log);
	struct quiet_sync *q;

	if (!oldest || ms_since(oldest) < v->opts.commit_ms)
		return;
	q = xcalloc(1, sizeof(*q));
	q->w.fn = quiet_done;
	q->vol = v;
	log_sync(v->log, c->ring, log_seal(v->log, c->ring), &q->w);
}

/* Those that asked before this checkpoint froze; later ones want the next. */
static struct log_waiter *take_waiters(struct vol *v)
{
	struct log_waiter *w;

	pthread_mutex_lock(&v->wait_lock);
	w = v->ckpt_waiters;
	v->ckpt_waiters = NULL;
	pthread_mutex_unlock(&v->wait_lock);
	return w;
}

static void finish_waiters(struct log_waiter *w, int err)
{
	struct log_waiter *next;

	for (; w; w = next) {
		next = w->next;
		log_waiter_ready(w, NULL, err);
	}
}

/* So many checkpoints in a row for which there was no room: give up. */
#define NOSPACE_MAX 8u

/* Notes a checkpoint that freed nothing, so that nobody waits for the next one
 * in vain. */
static void note_fruit(struct vol *v, uint32_t free_before)
{
	struct segs_space s;

	segs_get_space(v->segs, &s);
	if (s.free > free_before || s.pending) {
		atomic_store(&v->barren, 0);
		atomic_store(&v->fruitless, UINT32_MAX);
	} else if (atomic_fetch_add(&v->barren, 1) >= 2) {
		atomic_store(&v->fruitless, hope(v));
	}
}

/* Operations wait for checkpoints, so a failure that stays must not: out of
 * space may pass, but not while it stops everybody. */
static void ckpt_failed(struct vol *v, int err)
{
	msg_err("%s: checkpoint failed: %s", dev_name(v->dev), err_str(err));
	atomic_store(&v->ckpt_time, clock_mono());
	atomic_store(&v->fruitless, hope(v));
	if (vol_readonly(v))
		return;
	if (err != -ENOSPC || (++v->nospace >= NOSPACE_MAX && vol_overlay_full(v)))
		vol_fail(v, err, "no checkpoint can be made");
}

static void tick(struct vol_ctx *c)
{
	struct vol *v = c->vol;
	bool asked = atomic_exchange(&v->want_ckpt, false);
	struct log_waiter *waiters;
	struct segs_space s;
	int err = 0;

	/* Also when no more changes are accepted: those that were are kept. */
	if (!log_is_dead(v->log))
		commit_tick(c);
	if (vol_readonly(v)) {
		finish_waiters(take_waiters(v), -VE_READONLY);
		vol_wake_admitted(v);
		return;
	}
	if (bk_relieve(v)) {
		asked = true;
		vol_reclaim_more(v);
	}
	if (!asked && !ckpt_due(v))
		return;
	waiters = take_waiters(v);
	segs_get_space(v->segs, &s);
	err = ckpt_run(c, false);
	if (err) {
		ckpt_failed(v, err);
	} else {
		v->nospace = 0;
		note_fruit(v, s.free);
	}
	finish_waiters(waiters, err);
	vol_wake_admitted(v);
}

void vol_tick(struct vol_ctx *c)
{
	if (c->vol->opts.readonly)
		return;
	tick(c);
	bk_tick(c);
}

static void kicked(struct ring_op *op, int res, uint32_t flags)
{
	struct vol *v = container_of(op, struct vol, kick);

	atomic_store(&v->kicked, false);
}

void ckpt_kick(struct vol *v)
{
	if (!v->has_thread || atomic_exchange(&v->kicked, true))
		return;
	ring_post(v->thread_ring, &v->kick, 0);
}

struct thread_start {
	struct vol *vol;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool up;
	int err;
};

static void *ckpt_thread(void *arg)
{
	struct thread_start *start = arg;
	struct vol *v = start->vol;
	struct vol_ctx *c = NULL;
	struct ring *r = NULL;
	int64_t step = MIN(v->opts.commit_ms, v->opts.ckpt_ms), chunk = 0;
	bool busy = false;
	int err = ring_create(64, 0, &r);
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	if (!err)
		err = vol_ctx_open(v, r, &c);
	v->thread_ring = r;
	pthread_mutex_lock(&start->lock);
	start->err = err;
	start->up = true;
	pthread_cond_signal(&start->cond);
	pthread_mutex_unlock(&start->lock);
	if (err)
		return NULL; /* ckpt_thread_start() frees the ring */

	step = MAX(MIN(step / 5, 1000), 10);
	while (!atomic_load(&v->stop)) {
		err = ring_run(r, (busy ? MIN(step, BK_PAUSE_MS) : step) * 1000000);
		if (err < 0) {
			vol_fail(v, err, "the checkpoint thread's ring failed");
			break;
		}
		tick(c);
		/* The ring is also woken by others; a chunk goes at its own pace. */
		if (!busy || clock_mono() - chunk >= BK_PAUSE_MS * 1000000ll) {
			chunk = clock_mono();
			busy = bk_tick(c);
		}
	}
	/* No operation is left that could wait. */
	finish_waiters(take_waiters(v), -ECANCELED);
	vol_ctx_close(c);
	return NULL;
}

int ckpt_thread_start(struct vol *v)
{
	struct thread_start s = { .vol = v };
	int err;

	pthread_mutex_init(&s.lock, NULL);
	pthread_cond_init(&s.cond, NULL);
	v->kick.fn = kicked;
	err = -pthread_create(&v->thread, NULL, ckpt_thread, &s);
	if (!err) {
		pthread_mutex_lock(&s.lock);
		while (!s.up)
			pthread_cond_wait(&s.cond, &s.lock);
		pthread_mutex_unlock(&s.lock);
		err = s.err;
		if (err) {
			pthread_join(v->thread, NULL);
			ring_destroy(v->thread_ring);
			v->thread_ring = NULL;
		} else {
			v->has_thread = true;
		}
	}
	pthread_cond_destroy(&s.cond);
	pthread_mutex_destroy(&s.lock);
	return err;
}

void ckpt_thread_stop(struct vol *v)
{
	if (!v->has_thread)
		return;
	atomic_store(&v->stop, true);
	ckpt_kick(v);
	pthread_join(v->thread, NULL);
	v->has_thread = false;
	ring_destroy(v->thread_ring);
	v->thread_ring = NULL;
}
