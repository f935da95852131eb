/* SPDX-License-Identifier: MIT */
/* t5_gc.c - the compactor (src/gc/gc.h).
 *
 * Promises: victims are chosen by cost-benefit; a volume that is overwritten at
 * random many times over never runs out of space; what is moved reads back, also
 * when power fails at any moment of it; a write that races with a move wins;
 * damage is not carried along. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/msg.h"
#include "dev/devsim.h"
#include "gc/gc.h"
#include "gc/policy.h"

static struct dev *dev;
static struct ring *ring;
static struct vol *vol;
static struct vol_ctx *ctx;
static struct gc *gc;

static void swallow(enum msg_level level, const char *line)
{
}

static void open_all(bool threads)
{
	struct vol_opts o;
	struct gc_opts go = { .no_thread = !threads };

	vol_opts_default(&o);
	o.no_ckpt_thread = !threads;
	ck_assert_int_eq(vol_open(dev, &o, &vol), 0);
	ck_assert_int_eq(gc_start(vol, &go, &gc), 0);
	ck_assert_int_eq(vol_ctx_open(vol, ring, &ctx), 0);
}

static void close_all(void)
{
	vol_ctx_close(ctx);
	gc_stop(gc);
	ck_assert_int_eq(vol_close(vol), 0);
}

static void make_device(uint64_t size, bool crash)
{
	struct vol_format f = { .root_mode = 0755 };

	ck_assert_int_eq(ring_create(64, 0, &ring), 0);
	ck_assert_int_eq(crash ? dev_crash_new(size, &dev) : dev_mem_new(size, &dev), 0);
	ck_assert_int_eq(vol_mkfs(dev, &f), 0);
}

static void drop_device(void)
{
	dev_close(dev);
	ring_destroy(ring);
}

static uint64_t make(void)
{
	struct rec r = { .kind = REC_MAKE, .make = { .mode = S_IFREG | 0644 } };

	vol_wrlock(vol);
	r.make.ino = vol_next_ino(vol);
	ck_assert_int_eq(vol_commit(ctx, &r, SEG_USER, NULL), 0);
	vol_unlock(vol);
	return r.make.ino;
}

struct admitting {
	struct log_waiter w;
	bool woke;
};

static void woke(struct log_waiter *w, int err)
{
	container_of(w, struct admitting, w)->woke = true;
}

static int put_one(uint64_t ino, uint64_t off, const void *buf, uint32_t len)
{
	struct rec r = { .kind = REC_WRITE };
	struct admitting a = { .w.fn = woke };
	struct vol_data d;
	int err;

	while (!vol_admit(ctx, &a.w)) {
		for (a.woke = false; !a.woke;)
			ck_assert_int_ge(ring_run(ring, -1), 0);
	}
	err = vol_data_put(ctx, buf, len, &d);
	if (err)
		return err;
	vol_wrlock(vol);
	r.write.ino = ino;
	r.write.off = off;
	r.write.len = r.write.stored = len;
	r.write.piece = vol_next_piece(vol);
	r.write.addr = d.d.addr;
	r.write.nsums = d.nsums;
	r.write.sums = d.sums;
	err = vol_commit(ctx, &r, SEG_USER, NULL);
	vol_unlock(vol);
	vol_data_done(ctx, &d);
	while (ring_pending(ring) > 8)
		ck_assert_int_ge(ring_run(ring, -1), 0);
	ring_run(ring, 0);
	return err;
}

/* In pieces that fill the segments, as fs does it. */
static int put(uint64_t ino, uint64_t off, const void *buf, uint32_t len)
{
	const uint8_t *p = buf;
	int err = 0;

	while (len && !err) {
		uint32_t n = MIN(vol_data_fit(ctx, len), len);

		err = put_one(ino, off, p, n);
		off += n;
		p += n;
		len -= n;
	}
	return err;
}

struct got {
	struct vol_read r;
	bool done;
	int err;
};

static void got_done(struct vol_read *r, int err)
{
	struct got *g = container_of(r, struct got, r);

	g->done = true;
	g->err = err;
}

static int get(uint64_t ino, uint64_t off, void *buf, uint32_t len)
{
	struct got g = { .r = { .ino = ino, .off = off, .len = len, .buf = buf,
				.done = got_done } };
	int err = vol_read(ctx, &g.r);

	if (err <= 0)
		return err;
	while (!g.done)
		ck_assert_int_ge(ring_run(ring, -1), 0);
	return g.err;
}

static void say(void *arg, const char *finding)
{
	fprintf(stderr, "verify: %s\n", finding);
}

static uint64_t rnd(uint64_t *s)
{
	*s = *s * 6364136223846793005u + 1442695040888963407u;
	return *s >> 33;
}

/* A block whose content says which it is and which version. */
static void fill(void *buf, uint32_t len, uint64_t block, uint32_t version)
{
	uint64_t *p = buf;

	for (uint32_t i = 0; i < len / 8; i++)
		p[i] = block * 1000003 + version * 7919ull + i;
}

START_TEST(the_emptier_and_the_older_segment_is_the_victim)
{
	struct gc_seg s[4] = { { 1, 500, 10 }, { 2, 100, 10 }, { 3, 500, 1000 }, { 4, 990, 9999 } };

	ck_assert_uint_eq(gc_choose(s, 4, 1000, 950, 1, UINT64_MAX), 1);
	ck_assert_uint_eq(s[0].idx, 3);
	ck_assert(gc_score(&(struct gc_seg){ 0, 100, 10 }, 1000) >
		  gc_score(&(struct gc_seg){ 0, 500, 10 }, 1000));
	ck_assert(gc_score(&(struct gc_seg){ 0, 500, 20 }, 1000) >
		  gc_score(&(struct gc_seg){ 0, 500, 10 }, 1000));
	ck_assert(gc_score(&(struct gc_seg){ 0, 1000, 99999 }, 1000) == 0);
}
END_TEST

START_TEST(victims_are_taken_until_enough_is_gained_or_moved)
{
	struct gc_seg s[3] = { { 1, 400, 1 }, { 2, 400, 1 }, { 3, 400, 1 } };

	ck_assert_uint_eq(gc_choose(s, 3, 1000, 950, 601, UINT64_MAX), 2);
	ck_assert_uint_eq(gc_choose(s, 3, 1000, 950, UINT64_MAX, 900), 2);
	ck_assert_uint_eq(gc_choose(s, 3, 1000, 950, UINT64_MAX, UINT64_MAX), 3);
	ck_assert_uint_eq(gc_choose(s, 3, 1000, 300, UINT64_MAX, UINT64_MAX), 0);
	ck_assert_uint_eq(gc_choose(s, 0, 1000, 300, UINT64_MAX, UINT64_MAX), 0);
}
END_TEST

/* Everything live moves; nothing changes for readers; space comes back. */
START_TEST(what_is_moved_reads_back_before_and_after_a_remount)
{
	enum { FILES = 60, BLOCKS = 40 };
	static uint8_t buf[20000], back[20000];
	uint64_t ino[FILES];
	struct segs_space before, after;
	struct gc_stats st;
	uint64_t seed = 7 + (uint64_t)_i;

	make_device(64u << 20, false);
	open_all(false);
	for (int f = 0; f < FILES; f++)
		ino[f] = make();
	for (int b = 0; b < BLOCKS; b++)
		for (int f = 0; f < FILES; f++) {
			fill(buf, sizeof(buf), (uint64_t)f * BLOCKS + (uint64_t)b, 1);
			ck_assert_int_eq(put(ino[f], (uint64_t)b * 10000, buf,
					     1 + (uint32_t)(rnd(&seed) % 10000)), 0);
		}
	for (int f = 0; f < FILES; f += 2) { /* every other file goes: half-empty segments */
		struct rec r = { .kind = REC_TRUNCATE, .truncate = { .ino = ino[f] } };

		vol_wrlock(vol);
		ck_assert_int_eq(vol_commit(ctx, &r, SEG_CLEANING, NULL), 0);
		vol_unlock(vol);
	}
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(vol_checkpoint(ctx), 0);
	segs_get_space(vol_segs(vol), &before);
	ck_assert_int_eq(gc_pass(gc, UINT64_MAX), 1);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(vol_checkpoint(ctx), 0);
	segs_get_space(vol_segs(vol), &after);
	gc_get_stats(gc, &st);
	ck_assert_uint_gt(st.moved_pieces, 0);
	ck_assert_uint_ge(after.free, before.free + 3);
	for (int round = 0; round < 2; round++) {
		seed = 7 + (uint64_t)_i;
		for (int b = 0; b < BLOCKS; b++)
			for (int f = 0; f < FILES; f++) {
				uint32_t len = 1 + (uint32_t)(rnd(&seed) % 10000);

				if (f % 2 == 0)
					continue;
				fill(buf, sizeof(buf), (uint64_t)f * BLOCKS + (uint64_t)b, 1);
				ck_assert_int_eq(get(ino[f], (uint64_t)b * 10000, back, len), 0);
				ck_assert_msg(!memcmp(buf, back, len), "seed %d file %d block %d", _i, f, b);
			}
		ck_assert_int_eq(vol_verify(ctx, say, NULL), 0);
		if (!round) {
			close_all();
			open_all(false);
		}
	}
	close_all();
	drop_device();
}
END_TEST

/* With threads, admission and all: a file is laid out in pieces of laid blocks, then
 * 4 KiB blocks at random are overwritten, several times over. */
static void overwrite(uint32_t percent, unsigned times, uint32_t laid, uint64_t seed)
{
	uint64_t size = 96u << 20, s = seed;
	struct vol_space space;
	uint32_t blocks, *version, bad = 0;
	static uint8_t lay[1u << 20];
	uint8_t buf[4096], back[4096];
	struct log_stats ls;
	struct gc_stats gs;
	uint64_t ino;

	msg_set_hook(swallow);
	make_device(size, false);
	open_all(true);
	vol_get_space(vol, &space);
	blocks = (uint32_t)(space.free / 100 * percent / 4096);
	version = calloc(blocks, sizeof(*version));
	ino = make();
	for (uint32_t b = 0; b < blocks; b += laid) {
		uint32_t n = MIN(laid, blocks - b);

		for (uint32_t k = 0; k < n; k++)
			fill(lay + k * 4096, 4096, b + k, ++version[b + k]);
		ck_assert_int_eq(put(ino, (uint64_t)b * 4096, lay, n * 4096), 0);
	}
	for (uint64_t i = 0; i < (uint64_t)blocks * times; i++) {
		uint32_t b = (uint32_t)(rnd(&s) % blocks);
		int err;

		fill(buf, sizeof(buf), b, ++version[b]);
		err = put(ino, (uint64_t)b * 4096, buf, sizeof(buf));
		ck_assert_msg(!err, "seed %llu write %llu of %u: %s", (unsigned long long)seed,
			      (unsigned long long)i, blocks, err_str(err));
	}
	log_get_stats(vol_log(vol), &ls);
	gc_get_stats(gc, &gs);
	printf("  %u%% full, %u times over: data written %llu MiB, moved %llu MiB (amplification %.2f)\n",
	       percent, times, (unsigned long long)(ls.data_bytes >> 20),
	       (unsigned long long)(gs.moved_bytes >> 20),
	       1 + (double)gs.moved_bytes / (double)ls.data_bytes);
	close_all();
	open_all(false);
	for (uint32_t b = 0; b < blocks; b++) {
		fill(buf, sizeof(buf), b, version[b]);
		ck_assert_int_eq(get(ino, (uint64_t)b * 4096, back, sizeof(back)), 0);
		bad += memcmp(buf, back, sizeof(buf)) != 0;
	}
	ck_assert_uint_eq(bad, 0);
	ck_assert_int_eq(vol_verify(ctx, say, NULL), 0);
	close_all();
	drop_device();
	free(version);
	msg_set_hook(NULL);
}

START_TEST(random_overwrites_never_run_out_of_space_at_60_percent)
{
	overwrite(60, 6, 1, 1);
}
END_TEST

START_TEST(random_overwrites_never_run_out_of_space_at_90_percent)
{
	overwrite(90, 3, 1, 2);
}
END_TEST

/* A disk image: written in large pieces, then in small ones all over. */
START_TEST(large_pieces_give_back_what_was_overwritten_in_them)
{
	overwrite(80, 3, 128, 3);
}
END_TEST

START_TEST(power_may_fail_at_any_moment_of_a_pass)
{
	enum { FILES = 24, LEN = 9000 };
	static uint8_t buf[LEN], back[LEN], lay[64 * 4096];
	static uint8_t want4[4096], back4[4096];
	uint64_t ino[FILES], big;
	size_t from, to, step;
	struct dev *whole;

	msg_set_hook(swallow);
	make_device(20u << 20, true);
	open_all(false);
	for (int f = 0; f < FILES * 20; f++) {
		uint64_t i = make();

		fill(buf, LEN, (uint64_t)(f % FILES), 3);
		if (f >= FILES * 19)
			ino[f - FILES * 19] = i;
		ck_assert_int_eq(put(i, 0, buf, LEN), 0);
		if (f < FILES * 19 && f % 3) { /* two of three go again */
			struct rec r = { .kind = REC_DROP, .drop = { .ino = i } };

			vol_wrlock(vol);
			ck_assert_int_eq(vol_commit(ctx, &r, SEG_CLEANING, NULL), 0);
			vol_unlock(vol);
		}
	}
	/* and pieces with dead parts, to be cut */
	big = make();
	for (uint32_t b = 0; b < 256; b += 64) {
		for (uint32_t k = 0; k < 64; k++)
			fill(lay + k * 4096, 4096, b + k, 1 + (k % 3 == 0));
		ck_assert_int_eq(put(big, (uint64_t)b * 4096, lay, 64 * 4096), 0);
	}
	for (uint32_t b = 0; b < 256; b++)
		if (b % 64 % 3) {
			fill(back4, 4096, b, 5);
			ck_assert_int_eq(put(big, (uint64_t)b * 4096, back4, 4096), 0);
		}
	ck_assert_int_eq(vol_sync_wait(ctx, 0), 0);
	from = dev_crash_events(dev);
	ck_assert_int_ge(gc_pass(gc, UINT64_MAX), 0);
	ck_assert_int_ge(gc_pass(gc, UINT64_MAX), 0);
	to = dev_crash_events(dev);
	vol_ctx_close(ctx);
	gc_stop(gc);
	vol_abandon(vol);
	ck_assert_uint_gt(to, from + 10);
	whole = dev;
	step = 1;
	for (size_t cut = from; cut <= to; cut += step) {
		for (uint64_t seed = 0; seed < 4; seed++) {
			ck_assert_int_eq(dev_crash_image(whole, cut, seed, &dev), 0);
			open_all(false);
			for (int f = 0; f < FILES; f++) {
				fill(buf, LEN, (uint64_t)f, 3);
				memset(back, 0, LEN);
				ck_assert_msg(get(ino[f], 0, back, LEN) == 0 && !memcmp(buf, back, LEN),
					      "cut %zu seed %llu file %d", cut,
					      (unsigned long long)seed, f);
			}
			for (uint32_t b = 0; b < 256; b++) {
				fill(want4, 4096, b, b % 64 % 3 ? 5 : 2);
				ck_assert_msg(get(big, (uint64_t)b * 4096, back4, 4096) == 0 &&
					      !memcmp(want4, back4, 4096), "cut %zu seed %llu block %u",
					      cut, (unsigned long long)seed, b);
			}
			ck_assert_int_eq(vol_verify(ctx, say, NULL), 0);
			/* and life goes on */
			ck_assert_int_eq(put(make(), 0, buf, LEN), 0);
			ck_assert_int_ge(gc_pass(gc, UINT64_MAX), 0);
			close_all();
			dev_close(dev);
		}
	}
	dev_close(whole);
	ring_destroy(ring);
	msg_set_hook(NULL);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("gc");
	TCase *tc = tcase_create("compactor");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, the_emptier_and_the_older_segment_is_the_victim);
	tcase_add_test(tc, victims_are_taken_until_enough_is_gained_or_moved);
	tcase_add_loop_test(tc, what_is_moved_reads_back_before_and_after_a_remount, 0, 3);
	tcase_add_test(tc, random_overwrites_never_run_out_of_space_at_60_percent);
	tcase_add_test(tc, random_overwrites_never_run_out_of_space_at_90_percent);
	tcase_add_test(tc, large_pieces_give_back_what_was_overwritten_in_them);
	tcase_add_test(tc, power_may_fail_at_any_moment_of_a_pass);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
