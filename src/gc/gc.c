/* SPDX-License-Identifier: MIT */
/* gc.c - when to compact, and how hard. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/msg.h"
#include "gc/gc_int.h"

#define SOFT_PERCENT 20u
/* Fuller segments are not worth moving. */
#define GC_LIVE_MAX(size) ((size) - (size) / 16)
#define PASS_MOVE (64u << 20) /* bytes one pass of the thread moves at most */

/* Segments that may be victims: written by the log or by us, closed before the
 * newest image was taken (so that its index knows what is in them). */
static size_t candidates(struct gc *g, struct gc_seg *out, uint64_t *ret_garbage)
{
	struct segs *segs = vol_segs(g->v);
	uint64_t before = vol_image_batch(g->v);
	uint32_t now = (uint32_t)time(NULL), keep[4], size = segs_size(segs);
	unsigned nkeep = log_held_segments(vol_log(g->v), keep);
	size_t n = 0;

	*ret_garbage = 0;
	for (uint32_t i = 0; i < segs_count(segs); i++) {
		struct seg_info s;
		bool held = g->shun[i];

		segs_get(segs, i, &s);
		held |= s.holds != 0; /* emptied, it would still not be free */
		for (unsigned k = 0; k < nkeep; k++)
			held |= keep[k] == i;
		if (s.state != SEG_LOG || s.pins || held || !s.live)
			continue;
		/* What a move cannot gain (headers, tables) is no garbage. */
		if (s.live > GC_LIVE_MAX(size))
			continue;
		*ret_garbage += size - s.live;
		if (s.last_seq >= before)
			continue;
		out[n++] = (struct gc_seg){ i, s.live, now > s.stamp ? now - s.stamp : 0 };
	}
	return n;
}

/* Twice: the first checkpoint releases what was emptied, the second frees it. */
static int settle(struct gc *g)
{
	struct segs_space s;
	int err = 0;

	for (unsigned i = 0; i < 2 && !err; i++) {
		err = vol_checkpoint(g->ctx);
		segs_get_space(vol_segs(g->v), &s);
		if (!s.pending)
			break;
	}
	return err;
}

/* Moving takes from the compactor's half of the reserve before it gives back:
 * no more than fits there. */
static uint64_t move_limit(struct gc *g, uint64_t move_max)
{
	struct segs_space s;
	uint64_t room;

	segs_get_space(vol_segs(g->v), &s);
	room = s.free > s.reserve / 2 + 3 ? s.free - s.reserve / 2 - 3 : 0;
	return MIN(move_max, room * segs_size(vol_segs(g->v)));
}

static size_t choose(struct gc *g, struct gc_seg *c, uint64_t move_max)
{
	uint32_t size = segs_size(vol_segs(g->v));
	uint64_t garbage;
	size_t n = candidates(g, c, &garbage);

	return gc_choose(c, n, size, GC_LIVE_MAX(size), UINT64_MAX, move_limit(g, move_max));
}

static int move_all(struct gc *g, const struct gc_seg *c, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err && !atomic_load(&g->stop); i++) {
		struct seg_info s;

		segs_get(vol_segs(g->v), c[i].idx, &s);
		err = gc_move_segment(g, c[i].idx, s.stamp);
		if (g->opts.rate && !err)
			ring_run(g->ring, (int64_t)((double)s.live * 1e9 / (double)g->opts.rate));
	}
	if (!err || err == -ENOSPC) {
		int err2 = gc_flush_heads(g);

		err = err ? err : err2;
	}
	return err;
}

static int pass(struct gc *g, uint64_t move_max)
{
	struct gc_seg *c = xmalloc(segs_count(vol_segs(g->v)) * sizeof(*c));
	uint64_t emptied = g->stats.victims, used = g->stats.used;
	size_t take = choose(g, c, move_max);
	int err = 0;

	if (!take) { /* what has been closed since the image is a candidate then */
		err = vol_checkpoint(g->ctx);
		if (!err)
			take = choose(g, c, move_max);
	}
	if (!err)
		err = move_all(g, c, take);
	/* Out of room for copies: what has been moved so far gives some. */
	if (!err || err == -ENOSPC)
		err = settle(g);
	g->stats.passes++;
	free(c);
	return err ? err : (g->stats.victims - emptied) * segs_size(vol_segs(g->v)) >
			       g->stats.used - used;
}

int gc_pass(struct gc *g, uint64_t move_max)
{
	int err = vol_checkpoint(g->ctx); /* so that everything closed is a candidate */

	return err ? err : pass(g, move_max);
}

/* --- the thread --- */

static bool below_soft(struct gc *g)
{
	struct segs_space s;
	uint32_t soft;

	segs_get_space(vol_segs(g->v), &s);
	soft = MAX(s.total * g->opts.soft_percent / 100, s.reserve + 4);
	return s.free + s.pending < soft;
}

/* Between passes: the less is free, the shorter. */
static int64_t pause_ns(struct gc *g)
{
	struct segs_space s;
	uint32_t soft, low;

	segs_get_space(vol_segs(g->v), &s);
	low = s.reserve + 3;
	soft = MAX(s.total * g->opts.soft_percent / 100, low + 1);
	if (s.free <= low)
		return 0;
	return (int64_t)1000000000 * (s.free - low) / (soft - low);
}

static uint64_t garbage_now(struct gc *g)
{
	struct gc_seg *c = xmalloc(segs_count(vol_segs(g->v)) * sizeof(*c));
	uint64_t garbage;

	candidates(g, c, &garbage);
	free(c);
	return garbage;
}

/* All bytes of log segments that are not live: cheap, and grows with what there
 * is to gain. */
static uint64_t dead_bytes(struct gc *g)
{
	struct segs_space s;

	segs_get_space(vol_segs(g->v), &s);
	return (uint64_t)s.log * segs_size(vol_segs(g->v)) - s.live_bytes;
}

static bool hook_hopeful(struct vol_reclaimer *r)
{
	struct gc *g = container_of(r, struct gc, hook);

	return !atomic_load(&g->hopeless) ||
		dead_bytes(g) >= atomic_load(&g->vain) + segs_size(vol_segs(g->v)) / 2;
}

static void hook_more(struct vol_reclaimer *r)
{
	struct gc *g = container_of(r, struct gc, hook);

	atomic_store(&g->barren, 0);
	atomic_store(&g->hopeless, false);
}

static void hook_kick(struct vol_reclaimer *r)
{
	struct gc *g = container_of(r, struct gc, hook);

	if (!atomic_exchange(&g->kicked, true))
		ring_post(g->ring, &g->kick, 0);
}

static void kicked(struct ring_op *op, int res, uint32_t flags)
{
	struct gc *g = container_of(op, struct gc, kick);

	atomic_store(&g->kicked, false);
}

static bool is_low(struct gc *g)
{
	struct segs_space s;

	segs_get_space(vol_segs(g->v), &s);
	return s.free <= s.reserve + 3;
}

/* A pass that can gain nothing is not made until there is more to gain. */
static void work(struct gc *g)
{
	uint64_t enough = (is_low(g) ? 1ull : 2ull) * segs_size(vol_segs(g->v));
	bool tried = garbage_now(g) >= enough;
	int got = 0;

	if (tried) {
		got = pass(g, PASS_MOVE);
		if (got < 0 && !vol_readonly(g->v))
			msg_err("%s: compaction: %s", dev_name(vol_dev(g->v)), err_str(got));
	}
	/* One pass may only have begun a segment: two in a row are in vain. */
	atomic_store(&g->barren, got > 0 ? 0 : tried ? atomic_load(&g->barren) + 1 : 2);
	atomic_store(&g->vain, dead_bytes(g));
	atomic_store(&g->hopeless, atomic_load(&g->barren) >= 2);
	vol_wake_admitted(g->v);
}

static void *gc_thread(void *arg)
{
	struct gc *g = arg;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	while (!atomic_load(&g->stop)) {
		int64_t wait = 1000000000;

		/* Writers that wait for us are woken by work(). */
		if (!vol_readonly(g->v) && (below_soft(g) || is_low(g))) {
			work(g);
			wait = atomic_load(&g->hopeless) ? 1000000000 : pause_ns(g);
		}
		if (ring_run(g->ring, wait) < 0)
			break;
	}
	return NULL;
}

/* The ring belongs to the thread that creates it. */
static int open_context(struct gc *g)
{
	int err = ring_create(64, 0, &g->ring);

	if (!err)
		err = vol_ctx_open(g->v, g->ring, &g->ctx);
	return err;
}

struct starting {
	struct gc *g;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool up;
	int err;
};

static void close_context(struct gc *g)
{
	vol_ctx_close(g->ctx);
	g->ctx = NULL;
}

static void *gc_main(void *arg)
{
	struct starting *s = arg;
	struct gc *g = s->g;
	int err = open_context(g);

	pthread_mutex_lock(&s->lock);
	s->err = err;
	s->up = true;
	pthread_cond_signal(&s->cond);
	pthread_mutex_unlock(&s->lock);
	if (!err)
		gc_thread(g);
	close_context(g);
	return NULL;
}

static int start_thread(struct gc *g)
{
	struct starting s = { .g = g };
	int err;

	pthread_mutex_init(&s.lock, NULL);
	pthread_cond_init(&s.cond, NULL);
	err = -pthread_create(&g->thread, NULL, gc_main, &s);
	if (!err) {
		pthread_mutex_lock(&s.lock);
		while (!s.up)
			pthread_cond_wait(&s.cond, &s.lock);
		pthread_mutex_unlock(&s.lock);
		err = s.err;
		if (err)
			pthread_join(g->thread, NULL);
		else
			g->has_thread = true;
	}
	pthread_cond_destroy(&s.cond);
	pthread_mutex_destroy(&s.lock);
	return err;
}

int gc_start(struct vol *v, const struct gc_opts *o, struct gc **ret)
{
	struct gc *g = xcalloc(1, sizeof(*g));
	uint32_t n = segs_count(vol_segs(v));
	int err;

	g->v = v;
	g->opts = *o;
	if (!g->opts.soft_percent)
		g->opts.soft_percent = SOFT_PERCENT;
	g->heat = xcalloc(n, 1);
	g->shun = xcalloc(n, 1);
	g->kick.fn = kicked;
	gc_heads_init(g);
	err = o->no_thread ? open_context(g) : start_thread(g);
	if (err) {
		gc_stop(g);
		return err;
	}
	if (!o->no_thread) {
		g->hook = (struct vol_reclaimer){ hook_hopeful, hook_kick, hook_more };
		vol_set_reclaimer(v, &g->hook);
	}
	*ret = g;
	return 0;
}

void gc_stop(struct gc *g)
{
	if (!g)
		return;
	vol_set_reclaimer(g->v, NULL);
	if (g->has_thread) {
		atomic_store(&g->stop, true);
		hook_kick(&g->hook);
		pthread_join(g->thread, NULL);
	} else {
		close_context(g);
	}
	ring_destroy(g->ring);
	gc_heads_free(g);
	free(g->heat);
	free(g->shun);
	free(g);
}

void gc_get_stats(struct gc *g, struct gc_stats *ret)
{
	*ret = g->stats;
}
