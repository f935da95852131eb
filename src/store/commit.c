/* SPDX-License-Identifier: MIT */
/* commit.c - the one way of a change: room in the log, apply, append. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/err.h"
#include "base/msg.h"
#include "store/vol_int.h"

void vol_rdlock(struct vol *v)
{
	pthread_rwlock_rdlock(&v->lock);
}

void vol_wrlock(struct vol *v)
{
	pthread_rwlock_wrlock(&v->lock);
}

void vol_unlock(struct vol *v)
{
	pthread_rwlock_unlock(&v->lock);
}

struct state *vol_state(struct vol *v)
{
	return v->state;
}

const struct super *vol_super(const struct vol *v)
{
	return &v->sup;
}

bool vol_readonly(const struct vol *v)
{
	return v->opts.readonly || atomic_load_explicit(&v->failed, memory_order_relaxed);
}

const char *vol_readonly_why(const struct vol *v)
{
	return atomic_load(&v->failed);
}

void vol_fail(struct vol *v, int err, const char *what)
{
	const char *none = NULL;

	if (atomic_compare_exchange_strong(&v->failed, &none, what))
		msg_err("%s: %s: %s; the volume is read-only from now on",
			dev_name(v->dev), what, err_str(err));
	vol_wake_admitted(v);
}

uint64_t vol_next_ino(struct vol *v)
{
	return v->count.next_ino;
}

uint64_t vol_next_piece(struct vol *v)
{
	return v->count.next_piece;
}

int64_t vol_now(struct vol *v)
{
	int64_t last = atomic_load_explicit(&v->last_time, memory_order_relaxed);

	return MAX(clock_wall(), last);
}

uint64_t vol_image_batch(struct vol *v)
{
	return atomic_load(&v->ckpt_batch);
}

uint64_t vol_op_seq(struct vol *v)
{
	return __atomic_load_n(&v->count.op_seq, __ATOMIC_RELAXED);
}

struct segs *vol_segs(struct vol *v)
{
	return v->segs;
}

struct log *vol_log(struct vol *v)
{
	return v->log;
}

struct dev *vol_dev(struct vol *v)
{
	return v->dev;
}

static int rec_begin(struct vol_ctx *c, size_t size, enum seg_class cls, uint64_t *ret_op)
{
	struct vol *v = c->vol;
	int err;

	if (vol_readonly(v))
		return -VE_READONLY;
	err = log_rec_begin(v->log, c->ring, size, cls, ret_op);
	if (err == -VE_LOG_DEAD)
		vol_fail(v, err, "the log cannot be written");
	return err;
}

int vol_group_begin(struct vol_ctx *c, size_t room, enum seg_class cls)
{
	uint64_t op;
	int err = rec_begin(c, room, cls, &op);

	c->group = !err;
	return err;
}

void vol_group_end(struct vol_ctx *c)
{
	if (c->group)
		log_rec_cancel(c->vol->log, c->ring);
	c->group = false;
}

int vol_commit(struct vol_ctx *c, struct rec *rec, enum seg_class cls, uint64_t *ret_batch)
{
	struct vol *v = c->vol;
	uint64_t op, batch;
	int err = 0;

	if (!rec->time)
		rec->time = vol_now(v);
	if (c->group && rec_size(rec) > log_rec_room(v->log))
		vol_group_end(c);
	if (c->group)
		op = log_next_op(v->log);
	else
		err = rec_begin(c, rec_size(rec), cls, &op);
	if (err)
		return err;
	err = apply_record(v, c->rd, rec, op);
	if (!err) {
		space_note_overlay(v);
		batch = log_rec_put(v->log, rec);
		if (ret_batch)
			*ret_batch = batch;
	}
	if (!c->group)
		log_rec_cancel(v->log, c->ring);
	return err;
}

uint32_t vol_data_fit(struct vol_ctx *c, uint32_t len)
{
	return c->vol->log ? log_data_fit(c->vol->log, len) : len;
}

int vol_data_put(struct vol_ctx *c, const void *buf, uint32_t len, struct vol_data *data)
{
	const uint8_t *p = buf;
	uint8_t *mem;
	int err;

	if (vol_readonly(c->vol))
		return -VE_READONLY;
	err = log_data_begin(c->vol->log, c->ring, len, SEG_USER, &data->d);
	if (err) {
		if (err == -VE_LOG_DEAD)
			vol_fail(c->vol, err, "the log cannot be written");
		return err;
	}
	mem = data->d.mem;
	data->nsums = 0;
	for (uint32_t at = 0; at < len; at += VARVE_BLOCK)
		data->sums[data->nsums++] =
			crc32c_copy(0, mem + at, p + at, MIN(VARVE_BLOCK, len - at));
	log_data_end(c->vol->log, c->ring, &data->d);
	return 0;
}

void vol_data_done(struct vol_ctx *c, struct vol_data *data)
{
	log_data_done(c->vol->log, &data->d);
}

/* --- admission --- */

static void wait_on(struct vol *v, struct log_waiter **list, struct log_waiter *w,
		    struct ring *r)
{
	w->ring = r;
	pthread_mutex_lock(&v->wait_lock);
	w->next = *list;
	*list = w;
	pthread_mutex_unlock(&v->wait_lock);
}

void vol_wake_admitted(struct vol *v)
{
	struct log_waiter *w, *next, *back = NULL;

	pthread_mutex_lock(&v->wait_lock);
	w = v->admit_waiters;
	v->admit_waiters = NULL;
	pthread_mutex_unlock(&v->wait_lock);
	for (; w; w = next) { /* first come, first served */
		next = w->next;
		w->next = back;
		back = w;
	}
	for (w = back; w; w = next) {
		next = w->next;
		log_waiter_ready(w, NULL, 0);
	}
}

void vol_set_reclaimer(struct vol *v, struct vol_reclaimer *r)
{
	pthread_mutex_lock(&v->wait_lock);
	atomic_store(&v->reclaimer, r);
	pthread_mutex_unlock(&v->wait_lock);
}

void vol_reclaim_more(struct vol *v)
{
	struct vol_reclaimer *r;

	pthread_mutex_lock(&v->wait_lock);
	r = atomic_load(&v->reclaimer);
	if (r)
		r->more(r);
	pthread_mutex_unlock(&v->wait_lock);
}

static bool compactor_helps(struct vol *v)
{
	struct vol_reclaimer *r;
	bool hopeful = false;

	pthread_mutex_lock(&v->wait_lock);
	r = atomic_load(&v->reclaimer);
	if (r && r->hopeful(r)) {
		hopeful = true;
		r->kick(r);
	}
	pthread_mutex_unlock(&v->wait_lock);
	return hopeful;
}

/* Space that is dead but not yet free comes back with the next checkpoints, and
 * what is scattered with compaction: an operation that would hit ENOSPC waits
 * for them instead. */
static bool space_short(struct vol *v, bool *ret_ckpt)
{
	struct segs_space s;

	segs_get_space(v->segs, &s);
	*ret_ckpt = false;
	if (s.free > s.reserve + 2)
		return false;
	*ret_ckpt = ckpt_can_reclaim(v);
	return *ret_ckpt || compactor_helps(v);
}

bool vol_overlay_full(struct vol *v)
{
	return atomic_load_explicit(&v->overlay_bytes, memory_order_relaxed) >=
	       2 * v->opts.overlay_bytes;
}

bool vol_admit(struct vol_ctx *c, struct log_waiter *w)
{
	struct vol *v = c->vol;
	bool ckpt = false;

	if (vol_readonly(v))
		return true; /* the operation sees the error */
	if (v->has_thread && (vol_overlay_full(v) || space_short(v, &ckpt))) {
		wait_on(v, &v->admit_waiters, w, c->ring);
		/* Only now: whoever makes the space then finds the waiter. */
		if (ckpt || vol_overlay_full(v)) {
			atomic_store(&v->want_ckpt, true);
			ckpt_kick(v);
		} else if (!compactor_helps(v)) {
			vol_wake_admitted(v);
		}
		return false;
	}
	return log_admit(v->log, c->ring, w);
}

struct admit_wait {
	struct log_waiter w;
	bool done;
};

static void admit_woke(struct log_waiter *w, int err)
{
	struct admit_wait *a = container_of(w, struct admit_wait, w);

	a->done = true;
}

int vol_admit_system(struct vol_ctx *c)
{
	struct admit_wait a = { .w.fn = admit_woke };

	while (!log_admit(c->vol->log, c->ring, &a.w)) {
		a.done = false;
		while (!a.done) {
			int n = ring_run(c->ring, -1);

			if (n < 0)
				return n;
		}
	}
	return 0;
}

/* --- durability --- */

void vol_sync(struct vol_ctx *c, uint64_t batch, struct log_waiter *w)
{
	struct vol *v = c->vol;

	if (v->log && !batch)
		batch = log_seal(v->log, c->ring);
	if (!v->log || (!log_is_dead(v->log) && log_durable_seq(v->log) >= batch)) {
		w->ring = c->ring;
		log_waiter_ready(w, c->ring, 0);
		return;
	}
	log_sync(v->log, c->ring, batch, w);
}

struct sync_wait {
	struct log_waiter w;
	bool done;
	int err;
};

static void sync_woke(struct log_waiter *w, int err)
{
	struct sync_wait *s = container_of(w, struct sync_wait, w);

	s->done = true;
	s->err = err;
}

int vol_sync_wait(struct vol_ctx *c, uint64_t batch)
{
	struct sync_wait s = { .w.fn = sync_woke };

	vol_sync(c, batch, &s.w);
	while (!s.done) {
		int n = ring_run(c->ring, -1);

		if (n < 0)
			return n;
	}
	return s.err;
}

bool vol_is_durable(struct vol *v, uint64_t batch)
{
	return !v->log || (!log_is_dead(v->log) && log_durable_seq(v->log) >= batch);
}

int vol_checkpoint(struct vol_ctx *c)
{
	struct vol *v = c->vol;
	struct sync_wait s = { .w.fn = sync_woke };

	if (vol_readonly(v))
		return -VE_READONLY;
	if (!v->has_thread)
		return ckpt_run(c, false);
	wait_on(v, &v->ckpt_waiters, &s.w, c->ring);
	atomic_store(&v->want_ckpt, true);
	ckpt_kick(v);
	while (!s.done) {
		int n = ring_run(c->ring, -1);

		if (n < 0)
			return n;
	}
	return s.err;
}
