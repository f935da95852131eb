/* SPDX-License-Identifier: MIT */
/* crash.c - the power-cut oracle. */
#include "crash.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/msg.h"

void crash_init(struct crash *k, uint64_t seed)
{
	memset(k, 0, sizeof(*k));
	k->rng.s = seed ^ 0xc4a5;
	k->cuts_per_run = 60;
	k->images_per_cut = 2;
	k->nest_one_in = 12;
	k->go_on_one_in = 4;
	sut_init(&k->t, NULL);
}

void crash_free(struct crash *k)
{
	sut_free(&k->t);
}

/* What must have survived a cut: the last sync that had returned by then. */
static uint64_t floor_at(const struct run *r, size_t cut)
{
	uint64_t seq = r->base_floor;

	for (size_t k = 0; k < r->nsyncs && r->sync[k].ev <= cut; k++)
		seq = MAX(seq, r->sync[k].seq);
	return seq;
}

/* The state that operation seq left: how many steps, and is it exact? */
static bool find_state(struct run *r, size_t cut, uint64_t seq, size_t *ret_n,
		       bool *ret_exact)
{
	uint64_t floor = floor_at(r, cut);
	size_t by;

	*ret_n = 0;
	*ret_exact = false;
	if (seq < floor)
		return run_fail(r, "lost what was synced: operation %" PRIu64
				" recovered, %" PRIu64 " was durable", seq, floor);
	if (seq < r->base_seq)
		return true; /* orphans not yet reaped: the same to see */
	*ret_exact = run_prefix(r, seq, ret_n);
	if (!*ret_exact && ++*ret_n > r->nlog)
		return run_fail(r, "recovered operation %" PRIu64 ", which was never done", seq);
	/* The step that did it, behind which others may have changed nothing. */
	for (by = *ret_n; by > 1 && r->log[by - 2].seq == r->log[by - 1].seq;)
		by--;
	if (by && seq > r->base_seq && r->log[by - 1].ev_from > cut)
		return run_fail(r, "recovered operation %" PRIu64 " from the future", seq);
	return true;
}

static bool go_on(struct crash *k, struct run *x)
{
	struct op op = { .kind = OP_SYNC };
	int64_t wall = x->g.wall;
	int err;

	gen_init(&x->g, rng_next(&k->rng));
	x->g.wall = wall;
	x->g.control = 0;
	if (!run_random(x, 25))
		return false;
	op.wall = x->g.wall;
	x->quiet = true;
	if (!run_step(x, &op))
		return false;
	err = sut_unmount(&x->s);
	if (!err)
		err = sut_mount(&x->s, false);
	if (err)
		return run_fail(x, "remounting what was recovered: %s", err_str(err));
	model_forget_all(x->m);
	return run_check_tree(x);
}

/* Works on x, a recovered volume on a recording device, and cuts that. */
static bool nest(struct crash *k, struct run *x, unsigned depth)
{
	uint64_t cuts = k->cuts_per_run;
	unsigned nest_one_in = k->nest_one_in;
	struct sut keep = k->t;
	int64_t wall = x->g.wall;
	bool ok;

	k->nested++;
	gen_init(&x->g, rng_next(&k->rng));
	x->g.wall = wall;
	x->g.control = 5;
	x->g.compacts = x->s.compacts;
	x->g.remounts = false;
	x->check_every = 0;
	ok = run_random(x, 5 + rng_below(&k->rng, 25));
	/* The images of this run are mounted by a sut of their own. */
	k->cuts_per_run = 8;
	k->nest_one_in = depth < 2 ? 8 : 0;
	sut_init(&k->t, NULL);
	ok = ok && crash_cuts(k, x, depth + 1);
	sut_free(&k->t);
	k->t = keep;
	k->cuts_per_run = (unsigned)cuts;
	k->nest_one_in = nest_one_in;
	return ok;
}

static bool recovered(struct crash *k, struct run *r, struct run *x, size_t cut,
		      unsigned depth, bool recording)
{
	uint64_t seq = sut_op_seq(&x->s);
	int64_t slot_time = x->slot_time;
	bool exact, ok = true;
	char *rows = NULL;
	struct model *m;
	size_t n, len;
	int err;

	if (!find_state(r, cut, seq, &n, &exact))
		return false;
	if (exact) {
		if (sut_rows(&x->s, &rows, &len))
			return run_fail(r, "the recovered tables cannot be read");
		ok = rows_same(r, n ? r->log[n - 1].rows : r->base_rows, rows, "after a cut");
		free(rows);
	}
	if (!ok)
		return false;
	err = sut_open_fs(&x->s);
	if (err)
		return run_fail(r, "reaping orphans: %s", err_str(err));
	m = run_model_at(r, n, seq);
	run_settle(x, m, seq, slot_time, x->g.wall);
	if (recording) {
		x->crash = true;
		x->quiet = false;
		run_log_reset(x, seq);
	}
	ok = run_check_tree(x);
	if (ok && recording)
		ok = nest(k, x, depth);
	else if (ok && k->go_on_one_in && rng_one_in(&k->rng, k->go_on_one_in))
		ok = go_on(k, x);
	return ok;
}

static bool one_image(struct crash *k, struct run *r, size_t cut, uint64_t seed,
		      unsigned depth)
{
	bool recording = k->nest_one_in && rng_one_in(&k->rng, k->nest_one_in);
	struct dev *image, *rec;
	struct run x;
	bool ok = true;
	int err;

	if (dev_crash_image(r->s.dev, cut, seed, &image))
		return run_fail(r, "no image");
	if (recording) {
		if (dev_crash_from(image, &rec))
			return run_fail(r, "no copy");
		dev_close(image);
		image = rec;
	}
	k->t.dev = image;
	k->t.compacts = r->s.compacts && recording;
	k->t.vo.no_backup = r->s.vo.no_backup;
	run_scratch(&x, &k->t, NULL, r->g.wall);
	x.slot_time = sut_slot_time(&x.s);
	x.trace_from = k->only ? 1 : 0;
	err = sut_open_vol(&x.s, false);
	if (err && (depth || cut >= k->ev_formatted))
		ok = run_fail(r, "cannot be mounted: %s", err_str(err));
	if (!err) {
		k->opened++;
		ok = recovered(k, r, &x, cut, depth, recording);
		if (x.failed) {
			fprintf(stderr, "  steps on the recovered volume:\n");
			run_report(&x, stderr);
			run_fail(r, "recovered volume: %s", x.why);
			ok = false;
		}
		sut_kill(&x.s);
	}
	x.quiet = true; /* the ring and buffer are ours */
	run_close(&x);
	dev_close(image);
	k->cuts++;
	if (!ok) {
		char text[sizeof(r->why)];

		snprintf(text, sizeof(text), "%s", r->why);
		snprintf(r->why, sizeof(r->why), "cut %zu of %zu, image seed %" PRIu64
			 ", depth %u: %.1900s", cut, r->ev_end, seed, depth, text);
	}
	return ok;
}

bool crash_cuts(struct crash *k, struct run *r, unsigned depth)
{
	size_t n, want;

	r->ev_end = n = dev_crash_events(r->s.dev);
	if (r->failed)
		return false;
	if (k->only && !depth)
		return one_image(k, r, k->only_cut, k->only_seed, 0);
	want = k->cuts_per_run ? MIN((size_t)k->cuts_per_run, n + 1) : n + 1;
	for (size_t c = 0; c < want; c++) {
		/* One in each stretch of equal length: ascending, all if want
		 * is n + 1. */
		size_t from = (n + 1) * c / want, to = (n + 1) * (c + 1) / want;
		size_t cut = from + rng_below(&k->rng, MAX(to - from, 1u));

		for (unsigned i = 0; i < k->images_per_cut; i++) {
			uint64_t seed = i ? 1 + rng_below(&k->rng, 1u << 30) :
				rng_one_in(&k->rng, 3) ? 0 : 1 + rng_below(&k->rng, 1u << 30);

			if (!one_image(k, r, cut, seed, depth))
				return false;
		}
	}
	return true;
}

bool crash_random(struct crash *k, uint64_t seed, uint64_t n)
{
	struct dev *dev;
	struct run r;
	bool ok;
	bool churn = seed % 2 == 0;
	int err = dev_crash_new(churn ? CHURN_DEV_SIZE : CRASH_DEV_SIZE, &dev);

	if (!err)
		err = run_open(&r, dev, seed, churn || seed % 3 == 0);
	r.replay = k->replay;
	if (err) {
		run_fail(&r, "mkfs and mount: %s", err_str(err));
		run_report(&r, stderr);
		return false;
	}
	k->ev_formatted = r.ev_formatted;
	r.crash = true;
	run_log_reset(&r, sut_op_seq(&r.s));
	r.trace_from = k->trace_from;
	r.check_every = 0;
	r.g.control = 14;
	r.g.inodes = 40;
	r.g.bytes = 2u << 20;
	r.g.max_write = 200000;
	if (churn) {
		r.g.churn = true;
		r.g.bytes = 1u << 20;
		r.g.control = 8;
	}
	ok = run_random(&r, n) && crash_cuts(k, &r, 0);
	if (!ok)
		run_report(&r, stderr);
	run_unmount(&r);
	k->moved += r.s.gone.moved_pieces;
	run_close(&r);
	dev_close(dev);
	return ok;
}
