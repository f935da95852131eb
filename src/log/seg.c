/* SPDX-License-Identifier: MIT */
/* seg.c - the segment table in core.
 *
 * A plain array under one mutex: allocation moves a hand over it, everything
 * else addresses one entry.  Counts per state are kept so that admission and
 * statfs need no pass. */
#include "log/seg.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/msg.h"
#include "log/codec.h"

struct seg {
	uint8_t state;
	uint8_t holds;
	bool hot; /* batches of the hot log have been written there */
	uint32_t sum;
	uint32_t stamp;
	uint32_t pins;
	int64_t live; /* negative only if the accounting is wrong: never "dead" */
	uint64_t last_seq;
	uint64_t ckpt; /* PENDING: as of which checkpoint it shows as free */
};

struct segs {
	pthread_mutex_t mutex; /* rank 60: guards everything below */
	uint64_t base;
	uint32_t size;
	uint32_t count;
	uint32_t hand; /* where the search for a free segment starts */
	uint32_t reserve;
	uint32_t by_state[4];
	/* segs_inject_full */
	uint64_t full_nth;
	unsigned full_times;
	bool full;
	enum seg_class full_most;
	uint8_t log_holds; /* for every segment that a batch is written to */
	int64_t live_bytes; /* in LOG segments */
	struct seg seg[];
};

static void set_state(struct segs *t, uint32_t idx, enum seg_state to)
{
	struct seg *s = &t->seg[idx];

	t->by_state[s->state]--;
	t->by_state[to]++;
	if (s->state == SEG_LOG)
		t->live_bytes -= s->live;
	s->state = (uint8_t)to;
	if (to == SEG_LOG)
		t->live_bytes += s->live;
}

/* Forgets what it held. */
static void wipe(struct seg *s)
{
	s->live = 0;
	s->sum = 0;
	s->pins = 0;
	s->holds = 0;
	s->hot = false;
	s->last_seq = 0;
}

static void check_index(const struct segs *t, uint32_t idx)
{
	if (idx >= t->count)
		msg_panic("segment %u of %u", idx, t->count);
}

struct segs *segs_new(const struct super *sup)
{
	struct segs *t = xcalloc(1, sizeof *t + sup->seg_count * sizeof t->seg[0]);

	pthread_mutex_init(&t->mutex, NULL);
	t->base = sup->seg_base;
	t->size = sup->seg_size;
	t->count = sup->seg_count;
	t->by_state[SEG_FREE] = t->count;
	return t;
}

int segs_load(const struct super *sup, const struct slot *newest,
	      const struct slot *older, struct segs **ret)
{
	struct segs *t;

	if (newest->seg_count != sup->seg_count)
		return -VE_SLOT_VALUE;
	for (uint32_t i = 0; i < sup->seg_count; i++)
		if (newest->table[i].state > SEG_META ||
		    newest->table[i].live > sup->seg_size)
			return -VE_SLOT_VALUE;
	t = segs_new(sup);
	for (uint32_t i = 0; i < t->count; i++) {
		const struct seg_disk *e = &newest->table[i];
		struct seg *s = &t->seg[i];

		s->live = e->live;
		s->sum = e->sum;
		s->stamp = e->stamp;
		set_state(t, i, e->state);
		if (e->state != SEG_FREE || !older || i >= older->seg_count ||
		    older->table[i].state == SEG_FREE)
			continue;
		wipe(s);
		s->ckpt = newest->seq;
		set_state(t, i, SEG_PENDING);
	}
	*ret = t;
	return 0;
}

void segs_free_table(struct segs *t)
{
	if (!t)
		return;
	pthread_mutex_destroy(&t->mutex);
	free(t);
}

uint32_t segs_count(const struct segs *t)
{
	return t->count;
}

uint32_t segs_size(const struct segs *t)
{
	return t->size;
}

uint64_t segs_addr(const struct segs *t, uint32_t idx)
{
	return t->base + (uint64_t)idx * t->size;
}

uint32_t segs_index(const struct segs *t, uint64_t addr)
{
	uint64_t i;

	if (addr < t->base)
		return UINT32_MAX;
	i = (addr - t->base) / t->size;
	return i < t->count ? (uint32_t)i : UINT32_MAX;
}

void segs_set_reserve(struct segs *t, uint32_t n)
{
	pthread_mutex_lock(&t->mutex);
	t->reserve = n;
	pthread_mutex_unlock(&t->mutex);
}

uint32_t segs_reserve(struct segs *t)
{
	uint32_t n;

	pthread_mutex_lock(&t->mutex);
	n = t->reserve;
	pthread_mutex_unlock(&t->mutex);
	return n;
}

/* Free segments that this class must leave alone. */
static uint32_t kept_back(const struct segs *t, enum seg_class cls)
{
	switch (cls) {
	case SEG_USER:
		return t->reserve;
	case SEG_CLEANING:
		return t->reserve / 2;
	case SEG_SYSTEM:
		break;
	}
	return 0;
}

void segs_inject_full(struct segs *t, uint64_t nth, unsigned times, enum seg_class most)
{
	pthread_mutex_lock(&t->mutex);
	t->full = true;
	t->full_nth = nth;
	t->full_times = times;
	t->full_most = most;
	pthread_mutex_unlock(&t->mutex);
}

static bool injected(struct segs *t, enum seg_class cls)
{
	if (!t->full || (t->full_nth && t->full_nth--) || cls > t->full_most)
		return false;
	if (t->full_times && !--t->full_times)
		t->full = false;
	return true;
}

int segs_alloc(struct segs *t, enum seg_state to, enum seg_class cls, uint32_t *ret_idx)
{
	int err = -ENOSPC;

	pthread_mutex_lock(&t->mutex);
	if (t->by_state[SEG_FREE] > kept_back(t, cls) && !injected(t, cls)) {
		uint32_t i = t->hand;

		while (t->seg[i].state != SEG_FREE)
			i = i + 1 < t->count ? i + 1 : 0;
		t->hand = i;
		wipe(&t->seg[i]);
		set_state(t, i, to);
		if (to == SEG_LOG)
			t->seg[i].last_seq = SEG_UNTOUCHED;
		*ret_idx = i;
		err = 0;
	}
	pthread_mutex_unlock(&t->mutex);
	return err;
}

void segs_mark_log(struct segs *t, uint32_t idx)
{
	check_index(t, idx);
	pthread_mutex_lock(&t->mutex);
	if (t->seg[idx].state != SEG_LOG)
		set_state(t, idx, SEG_LOG);
	pthread_mutex_unlock(&t->mutex);
}

static void release(struct segs *t, uint32_t idx, uint64_t ckpt)
{
	set_state(t, idx, SEG_PENDING);
	wipe(&t->seg[idx]);
	t->seg[idx].ckpt = ckpt;
}

void segs_release(struct segs *t, uint32_t idx, uint64_t ckpt)
{
	check_index(t, idx);
	pthread_mutex_lock(&t->mutex);
	if (t->seg[idx].state == SEG_LOG || t->seg[idx].state == SEG_META)
		release(t, idx, ckpt);
	pthread_mutex_unlock(&t->mutex);
}

void segs_unalloc(struct segs *t, uint32_t idx)
{
	check_index(t, idx);
	pthread_mutex_lock(&t->mutex);
	set_state(t, idx, SEG_FREE);
	wipe(&t->seg[idx]);
	pthread_mutex_unlock(&t->mutex);
}

void segs_durable(struct segs *t, uint64_t n, void (*freed)(void *arg, uint32_t idx),
		  void *arg)
{
	for (uint32_t i = 0; i < t->count; i++) {
		struct seg *s = &t->seg[i];
		bool due;

		pthread_mutex_lock(&t->mutex);
		due = s->state == SEG_PENDING && s->ckpt < n;
		/* With a callback it stays PENDING meanwhile: a discard must
		 * not hit what its next owner writes. */
		if (due && !freed)
			set_state(t, i, SEG_FREE);
		pthread_mutex_unlock(&t->mutex);
		if (!due || !freed)
			continue;
		freed(arg, i);
		pthread_mutex_lock(&t->mutex);
		if (s->state == SEG_PENDING)
			set_state(t, i, SEG_FREE);
		pthread_mutex_unlock(&t->mutex);
	}
}

static void change_live(struct segs *t, struct seg *s, int64_t by)
{
	s->live += by;
	if (s->state == SEG_LOG)
		t->live_bytes += by;
}

void segs_live_add(struct segs *t, uint64_t addr, int64_t bytes)
{
	uint32_t idx = segs_index(t, addr);

	if (idx == UINT32_MAX)
		return;
	pthread_mutex_lock(&t->mutex);
	change_live(t, &t->seg[idx], bytes);
	pthread_mutex_unlock(&t->mutex);
}

void segs_set_live(struct segs *t, uint32_t idx, uint32_t live)
{
	check_index(t, idx);
	pthread_mutex_lock(&t->mutex);
	change_live(t, &t->seg[idx], (int64_t)live - t->seg[idx].live);
	pthread_mutex_unlock(&t->mutex);
}

void segs_set_sum(struct segs *t, uint32_t idx, uint32_t sum)
{
	check_index(t, idx);
	pthread_mutex_lock(&t->mutex);
	t->seg[idx].sum = sum;
	pthread_mutex_unlock(&t->mutex);
}

void segs_touch(struct segs *t, uint32_t idx, uint32_t stamp, uint64_t last_seq)
{
	check_index(t, idx);
	pthread_mutex_lock(&t->mutex);
	t->seg[idx].stamp = stamp;
	if (t->seg[idx].last_seq == SEG_UNTOUCHED)
		t->seg[idx].last_seq = 0;
	t->seg[idx].last_seq = MAX(t->seg[idx].last_seq, last_seq);
	pthread_mutex_unlock(&t->mutex);
}

void segs_touch_log(struct segs *t, uint32_t idx, uint32_t stamp, uint64_t last_seq)
{
	segs_touch(t, idx, stamp, last_seq);
	pthread_mutex_lock(&t->mutex);
	t->seg[idx].hot = true;
	t->seg[idx].holds |= t->log_holds;
	pthread_mutex_unlock(&t->mutex);
}

void segs_pin(struct segs *t, uint64_t addr)
{
	uint32_t idx = segs_index(t, addr);

	check_index(t, idx);
	pthread_mutex_lock(&t->mutex);
	t->seg[idx].pins++;
	pthread_mutex_unlock(&t->mutex);
}

bool segs_pin_live(struct segs *t, uint32_t idx)
{
	bool live;

	check_index(t, idx);
	pthread_mutex_lock(&t->mutex);
	live = t->seg[idx].state == SEG_LOG && t->seg[idx].live > 0;
	t->seg[idx].pins += live;
	pthread_mutex_unlock(&t->mutex);
	return live;
}

void segs_unpin(struct segs *t, uint64_t addr)
{
	uint32_t idx = segs_index(t, addr);

	check_index(t, idx);
	pthread_mutex_lock(&t->mutex);
	if (t->seg[idx].pins == 0)
		msg_panic("segment %u unpinned twice", idx);
	t->seg[idx].pins--;
	pthread_mutex_unlock(&t->mutex);
}

static uint32_t clamp_live(const struct segs *t, const struct seg *s)
{
	return s->live < 0 ? 0 : (uint32_t)MIN(s->live, (int64_t)t->size);
}

void segs_get(struct segs *t, uint32_t idx, struct seg_info *ret)
{
	const struct seg *s;

	check_index(t, idx);
	s = &t->seg[idx];
	pthread_mutex_lock(&t->mutex);
	ret->state = s->state;
	ret->live = clamp_live(t, s);
	ret->sum = s->sum;
	ret->stamp = s->stamp;
	ret->pins = s->pins;
	ret->holds = s->holds;
	ret->last_seq = s->last_seq;
	pthread_mutex_unlock(&t->mutex);
}

void segs_snapshot(struct segs *t, struct seg_disk *table)
{
	pthread_mutex_lock(&t->mutex);
	for (uint32_t i = 0; i < t->count; i++) {
		const struct seg *s = &t->seg[i];

		table[i] = (struct seg_disk){ .stamp = s->stamp };
		if (s->state == SEG_FREE || s->state == SEG_PENDING)
			continue;
		table[i].state = s->state;
		table[i].live = clamp_live(t, s);
		table[i].sum = s->sum;
	}
	pthread_mutex_unlock(&t->mutex);
}

static bool in_list(uint32_t idx, const uint32_t *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (list[i] == idx)
			return true;
	return false;
}

static bool is_dead(const struct seg *s)
{
	return s->state == SEG_LOG && s->live == 0 && s->pins == 0 &&
		!s->holds && s->last_seq != SEG_UNTOUCHED;
}

void segs_hold(struct segs *t, uint32_t idx, uint8_t bits)
{
	check_index(t, idx);
	pthread_mutex_lock(&t->mutex);
	if (t->seg[idx].state == SEG_LOG)
		t->seg[idx].holds |= bits;
	pthread_mutex_unlock(&t->mutex);
}

void segs_hold_log(struct segs *t, uint8_t bits, uint64_t from_seq, const uint32_t *keep,
		   unsigned nkeep)
{
	pthread_mutex_lock(&t->mutex);
	for (uint32_t i = 0; i < t->count; i++) {
		struct seg *s = &t->seg[i];

		if (s->state == SEG_LOG &&
		    ((s->hot && s->last_seq >= from_seq) || in_list(i, keep, nkeep)))
			s->holds |= bits;
	}
	t->log_holds |= bits;
	pthread_mutex_unlock(&t->mutex);
}

void segs_unhold(struct segs *t, uint8_t bits)
{
	pthread_mutex_lock(&t->mutex);
	for (uint32_t i = 0; i < t->count; i++)
		t->seg[i].holds &= (uint8_t)~bits;
	t->log_holds &= (uint8_t)~bits;
	pthread_mutex_unlock(&t->mutex);
}

void segs_holds(struct segs *t, uint8_t bits, uint8_t *ret)
{
	pthread_mutex_lock(&t->mutex);
	for (uint32_t i = 0; i < t->count; i++)
		ret[i] = t->seg[i].state == SEG_LOG ? t->seg[i].holds & bits : 0;
	pthread_mutex_unlock(&t->mutex);
}

uint32_t segs_count_holds(struct segs *t)
{
	uint32_t n = 0;

	pthread_mutex_lock(&t->mutex);
	for (uint32_t i = 0; i < t->count; i++)
		n += t->seg[i].state == SEG_LOG && t->seg[i].holds;
	pthread_mutex_unlock(&t->mutex);
	return n;
}

uint32_t segs_count_held(struct segs *t, uint8_t bits)
{
	uint32_t n = 0;

	pthread_mutex_lock(&t->mutex);
	for (uint32_t i = 0; i < t->count; i++) {
		const struct seg *s = &t->seg[i];

		n += s->state == SEG_LOG && s->live == 0 && s->pins == 0 && (s->holds & bits);
	}
	pthread_mutex_unlock(&t->mutex);
	return n;
}

uint32_t segs_count_dead(struct segs *t, const uint32_t *keep, unsigned nkeep)
{
	uint32_t n = 0;

	pthread_mutex_lock(&t->mutex);
	for (uint32_t i = 0; i < t->count; i++)
		n += is_dead(&t->seg[i]) && !in_list(i, keep, nkeep);
	pthread_mutex_unlock(&t->mutex);
	return n;
}

uint32_t segs_release_dead(struct segs *t, uint64_t ckpt, uint64_t before_seq,
			   const uint32_t *keep, unsigned nkeep)
{
	uint32_t n = 0;

	pthread_mutex_lock(&t->mutex);
	for (uint32_t i = 0; i < t->count; i++) {
		const struct seg *s = &t->seg[i];

		if (!is_dead(s) || s->last_seq >= before_seq || in_list(i, keep, nkeep))
			continue;
		release(t, i, ckpt);
		n++;
	}
	pthread_mutex_unlock(&t->mutex);
	return n;
}

void segs_get_space(struct segs *t, struct segs_space *ret)
{
	pthread_mutex_lock(&t->mutex);
	ret->total = t->count;
	ret->free = t->by_state[SEG_FREE];
	ret->pending = t->by_state[SEG_PENDING];
	ret->log = t->by_state[SEG_LOG];
	ret->meta = t->by_state[SEG_META];
	ret->reserve = t->reserve;
	ret->live_bytes = t->live_bytes < 0 ? 0 : (uint64_t)t->live_bytes;
	pthread_mutex_unlock(&t->mutex);
}
