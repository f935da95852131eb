/* SPDX-License-Identifier: MIT */
/* t2_log_append.c - appending, sealing, syncing and reading back (log.h,
 * scan.h) on a RAM device, from one thread and from several. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "t2_log_rig.h"

struct wait {
	struct log_waiter w;
	bool done;
	int err;
};

static void wait_done(struct log_waiter *w, int err)
{
	struct wait *wt = container_of(w, struct wait, w);

	wt->done = true;
	wt->err = err;
}

static int sync_wait(struct log *l, struct ring *r, uint64_t seq)
{
	struct wait w = { .w = { .fn = wait_done } };

	log_sync(l, r, seq, &w.w);
	while (!w.done)
		ck_assert_int_ge(ring_run(r, -1), 0);
	return w.err;
}

static void drain(struct ring *r)
{
	while (ring_pending(r))
		ck_assert_int_ge(ring_run(r, -1), 0);
}

static struct dev *new_ram(void)
{
	struct dev *d;

	ck_assert_int_eq(dev_mem_new(RIG_SIZE, &d), 0);
	return d;
}

START_TEST(what_was_appended_is_read_back_in_order)
{
	uint64_t seed = seed_or_env((uint64_t)_i), s = seed, batch = 0;
	struct tail t;
	struct rig g;

	rig_new(&g, new_ram(), seed, 1);
	for (uint64_t op = 1; op <= 80; op++) {
		ck_assert_int_eq(op_append(&g, seed, op, &batch), 0);
		if (rnd(&s) % 8 == 0)
			log_seal(g.log, g.ring);
		if (rnd(&s) % 16 == 0)
			ck_assert_int_eq(sync_wait(g.log, g.ring, batch), 0);
		if (rnd(&s) % 4 == 0)
			ring_run(g.ring, 0);
	}
	ck_assert_int_eq(sync_wait(g.log, g.ring, batch), 0);
	ck_assert_uint_ge(log_durable_seq(g.log), batch);
	drain(g.ring);
	ck_assert_int_eq(log_check(g.dev, &g.sup, &g.from, seed, &t), 80);
	ck_assert(!t.damaged);
	ck_assert_uint_eq(t.first_op, 81);
	ck_assert_uint_eq(t.end.seq, log_open_seq(g.log));
	tail_free(&t);
	rig_free(&g);
}
END_TEST

START_TEST(a_mark_is_where_the_next_batch_is_found)
{
	uint64_t seed = seed_or_env((uint64_t)_i) + 500, s = seed, batch;
	struct log_pos mark = { 0 };
	struct tail t, t2;
	struct rig g;
	uint64_t at = 0;

	rig_new(&g, new_ram(), seed, 1);
	for (uint64_t op = 1; op <= 60; op++) {
		if (op == 1 + rnd(&s) % 40 || op == 41) {
			log_mark(g.log, g.ring, &mark);
			at = op;
		}
		ck_assert_int_eq(op_append(&g, seed, op, &batch), 0);
		ring_run(g.ring, 0);
	}
	ck_assert_int_eq(sync_wait(g.log, g.ring, UINT64_MAX), 0);
	drain(g.ring);
	ck_assert_int_eq(scan_tail(g.dev, &g.sup, &mark, &t), 0);
	ck_assert_int_eq(scan_tail(g.dev, &g.sup, &g.from, &t2), 0);
	ck_assert_msg(t.first_op == 61 && t.end.addr == t2.end.addr, "seed %lu mark at %lu",
		      seed, at);
	ck_assert_mem_eq(&t.end, &t2.end, sizeof t.end);
	tail_free(&t);
	tail_free(&t2);
	rig_free(&g);
}
END_TEST

START_TEST(small_data_shares_blocks_and_large_data_is_aligned)
{
	struct log_data d[6];
	static const uint32_t len[6] = { 100, 200, 5000, 3000, 4096, 3900 };
	struct rig g;

	rig_new(&g, new_ram(), 1, 1);
	for (unsigned i = 0; i < 6; i++) {
		ck_assert_int_eq(log_data_begin(g.log, g.ring, len[i], SEG_USER, &d[i]), 0);
		memset(d[i].mem, (int)i + 1, len[i]);
	}
	ck_assert_uint_eq(d[1].addr, d[0].addr + 100);
	ck_assert_uint_eq(d[2].addr % VARVE_BLOCK, 0);
	ck_assert_uint_eq(d[4].addr % VARVE_BLOCK, 0);
	ck_assert_msg(align_down(d[3].addr, 4096) == align_down(d[3].addr + 2999, 4096),
		      "a small piece straddles two blocks");
	/* 300 in the first block, 3000 behind them or behind the 5000. */
	ck_assert_uint_eq(d[4].addr, d[2].addr + 8192);
	for (unsigned i = 0; i < 6; i++) {
		log_data_end(g.log, g.ring, &d[i]);
		log_data_done(g.log, &d[i]);
	}
	log_close(g.log);
	g.log = NULL;
	rig_free(&g);
}
END_TEST

START_TEST(data_is_readable_from_memory_until_it_is_on_the_device)
{
	struct log_data d;
	uint8_t got[20000], want[20000];
	struct rig g;

	rig_new(&g, new_ram(), 1, 1);
	ck_assert(!log_read_mem(g.log, g.sup.seg_base, 1, got));
	ck_assert_int_eq(log_data_begin(g.log, g.ring, sizeof want, SEG_USER, &d), 0);
	fill(want, sizeof want, 9);
	memcpy(d.mem, want, sizeof want);
	log_data_end(g.log, g.ring, &d);
	ck_assert(log_read_mem(g.log, d.addr, sizeof got, got));
	ck_assert_mem_eq(got, want, sizeof got);
	ck_assert(log_read_mem(g.log, d.addr + 7, 10, got));
	ck_assert_mem_eq(got, want + 7, 10);
	ck_assert(!log_read_mem(g.log, d.addr - 1, 10, got));
	ck_assert(!log_read_mem(g.log, d.addr + 20480, 1, got));
	log_seal(g.log, g.ring);
	ck_assert(log_read_mem(g.log, d.addr, sizeof got, got));
	drain(g.ring);
	ck_assert(!log_read_mem(g.log, d.addr, sizeof got, got));
	log_data_done(g.log, &d);
	rig_free(&g);
}
END_TEST

START_TEST(a_batch_waits_for_its_data_and_the_next_one_for_it)
{
	struct log_data d;
	struct dev_stats st;
	uint64_t batch;
	struct tail t;
	struct rig g;

	rig_new(&g, new_ram(), 1, 1);
	ck_assert_int_eq(op_append(&g, 1, 1, &batch), 0);
	ck_assert_int_eq(log_data_begin(g.log, g.ring, 5000, SEG_USER, &d), 0);
	ck_assert_uint_eq(log_seal(g.log, g.ring), 1);
	ck_assert_int_eq(op_append(&g, 1, 2, &batch), 0);
	ck_assert_uint_eq(log_seal(g.log, g.ring), 2);
	while (ring_run(g.ring, 0) > 0)
		continue;
	dev_get_stats(g.dev, &st);
	ck_assert_uint_eq(st.writes, 0);
	memset(d.mem, 7, 5000);
	log_data_end(g.log, g.ring, &d);
	ck_assert_int_eq(sync_wait(g.log, g.ring, 2), 0);
	dev_get_stats(g.dev, &st);
	ck_assert_uint_eq(st.writes, 2);
	ck_assert_int_eq(log_check(g.dev, &g.sup, &g.from, 1, &t), 2);
	tail_free(&t);
	log_data_done(g.log, &d);
	rig_free(&g);
}
END_TEST

/* The record is announced, the batch is sealed under it, then it is withdrawn:
 * the next batch has been placed already. */
START_TEST(a_cancelled_record_in_a_sealed_batch_leaves_no_hole_in_the_chain)
{
	uint64_t batch, op;
	struct tail t;
	struct rig g;

	rig_new(&g, new_ram(), 1, 1);
	ck_assert_int_eq(op_append(&g, 1, 1, &batch), 0);
	ck_assert_int_eq(log_rec_begin(g.log, g.ring, 8000, SEG_USER, &op), 0);
	log_seal(g.log, g.ring);
	log_rec_cancel(g.log, g.ring);
	ck_assert_int_eq(op_append(&g, 1, 2, &batch), 0);
	ck_assert_int_eq(sync_wait(g.log, g.ring, batch), 0);
	drain(g.ring);
	ck_assert_int_eq(log_check(g.dev, &g.sup, &g.from, 1, &t), 2);
	ck_assert_uint_eq(t.batches, 2);
	tail_free(&t);
	rig_free(&g);
}
END_TEST

START_TEST(many_syncs_share_few_flushes)
{
	static struct wait w[200];
	struct log_stats st;
	uint64_t batch;
	unsigned done = 0;
	struct rig g;

	rig_new(&g, new_ram(), 1, 1);
	memset(w, 0, sizeof w);
	for (unsigned i = 0; i < 200; i++) {
		struct rec r;
		char name[256];
		uint64_t op;

		op_rec(1, i + 1, name, &r);
		ck_assert_int_eq(log_rec_begin(g.log, g.ring, rec_size(&r), SEG_USER, &op), 0);
		batch = log_rec_end(g.log, g.ring, &r);
		w[i].w.fn = wait_done;
		log_sync(g.log, g.ring, batch, &w[i].w);
	}
	while (done < 200) {
		ck_assert_int_gt(ring_run(g.ring, 1000000000), 0);
		done = 0;
		for (unsigned i = 0; i < 200; i++)
			done += w[i].done;
	}
	log_get_stats(g.log, &st);
	ck_assert_uint_eq(st.syncs, 200);
	ck_assert_uint_le(st.flushes, 6);
	ck_assert_uint_le(st.batches, 6);
	rig_free(&g);
}
END_TEST

START_TEST(a_failed_write_or_flush_ends_the_log_for_ever)
{
	enum dev_op kind = _i ? DEV_FLUSH : DEV_WRITE;
	struct wait w = { .w = { .fn = wait_done } };
	uint64_t batch, op, lost;
	struct log_data d;
	uint8_t got[100];
	struct tail t;
	struct rig g;

	rig_new(&g, new_ram(), 1, 1);
	ck_assert_int_eq(op_append(&g, 1, 1, &batch), 0);
	ck_assert_int_eq(sync_wait(g.log, g.ring, batch), 0);
	ck_assert_int_eq(log_data_begin(g.log, g.ring, 100, SEG_USER, &d), 0);
	memset(d.mem, 5, 100);
	log_data_end(g.log, g.ring, &d);
	log_data_done(g.log, &d);
	ck_assert_int_eq(op_append(&g, 1, 2, &lost), 0);
	dev_sim_fail(g.dev, kind, 0, 1, -VE_INJECTED);
	ck_assert_int_eq(sync_wait(g.log, g.ring, lost), -VE_INJECTED);
	ck_assert(log_is_dead(g.log));
	/* The device works again: nothing may pretend that nothing happened. */
	ck_assert_int_eq(sync_wait(g.log, g.ring, lost), -VE_LOG_DEAD);
	ck_assert_int_eq(sync_wait(g.log, g.ring, batch), 0);
	ck_assert_int_eq(log_rec_begin(g.log, g.ring, 100, SEG_USER, &op), -VE_LOG_DEAD);
	ck_assert(log_admit(g.log, g.ring, &w.w));
	if (kind == DEV_WRITE) {
		ck_assert(log_read_mem(g.log, d.addr, 100, got));
		ck_assert_int_eq(got[99], 5);
		ck_assert_int_eq(log_check(g.dev, &g.sup, &g.from, 1, &t), 1);
		tail_free(&t);
	}
	rig_free(&g);
}
END_TEST

START_TEST(admission_holds_back_until_batches_are_written)
{
	struct wait w = { .w = { .fn = wait_done } };
	struct log_data d;
	unsigned n = 0;
	struct rig g;

	rig_new(&g, new_ram(), 1, 2);
	while (log_admit(g.log, g.ring, &w.w)) {
		ck_assert_int_lt(n++, 100);
		ck_assert_int_eq(log_data_begin(g.log, g.ring, 8192, SEG_USER, &d), 0);
		log_data_end(g.log, g.ring, &d);
		log_data_done(g.log, &d);
		log_seal(g.log, g.ring);
	}
	ck_assert(!w.done);
	while (!w.done)
		ck_assert_int_gt(ring_run(g.ring, 1000000000), 0);
	ck_assert_int_eq(w.err, 0);
	drain(g.ring);
	rig_free(&g);
}
END_TEST

START_TEST(a_full_volume_refuses_users_but_not_cleaning)
{
	uint64_t op, seqs = 0;
	struct log_data d;
	struct segs_space sp;
	int err;
	struct rig g;

	rig_new(&g, new_ram(), 1, 1);
	segs_set_reserve(g.segs, 6);
	while ((err = log_data_begin(g.log, g.ring, log_data_fit(g.log, VARVE_PIECE_MAX),
				     SEG_USER, &d)) == 0) {
		log_data_end(g.log, g.ring, &d);
		log_data_done(g.log, &d);
		ck_assert_int_lt(++seqs, 1000);
		drain(g.ring);
	}
	ck_assert_int_eq(err, -ENOSPC);
	segs_get_space(g.segs, &sp);
	ck_assert_uint_eq(sp.free, 6);
	/* Down to the last 64 KiB of the last segment it was usable. */
	for (unsigned i = 0; i < 20; i++) {
		err = log_data_begin(g.log, g.ring, 1000000, SEG_CLEANING, &d);
		if (err)
			break;
		log_data_end(g.log, g.ring, &d);
		log_data_done(g.log, &d);
		drain(g.ring);
	}
	ck_assert_int_eq(err, -ENOSPC);
	segs_get_space(g.segs, &sp);
	ck_assert_uint_eq(sp.free, 3);
	ck_assert_int_eq(log_rec_begin(g.log, g.ring, 90000, SEG_SYSTEM, &op), 0);
	log_rec_cancel(g.log, g.ring);
	rig_free(&g);
}
END_TEST

START_TEST(sequential_pieces_fill_segments_to_their_end)
{
	struct segs_space sp;
	struct log_data d;
	uint64_t total = 0;
	struct rig g;

	rig_new(&g, new_ram(), 1, 1);
	for (;;) {
		uint32_t left = VARVE_PIECE_MAX;
		int err = 0;

		while (left && !err) {
			uint32_t n = log_data_fit(g.log, left);

			ck_assert_uint_gt(n, 0);
			err = log_data_begin(g.log, g.ring, n, SEG_USER, &d);
			if (err)
				break;
			log_data_end(g.log, g.ring, &d);
			log_data_done(g.log, &d);
			total += n;
			left -= n;
			drain(g.ring);
		}
		if (err)
			break;
	}
	segs_get_space(g.segs, &sp);
	/* All but the segment that must stay preallocated, and headers. */
	ck_assert_msg(total > (uint64_t)(sp.total - 1) * g.sup.seg_size * 97 / 100,
		      "%lu bytes in %u segments", total, sp.total);
	rig_free(&g);
}
END_TEST

/* --- several threads --- */

#define THREADS 4
#define OPS 150u

static struct rig shared;
static pthread_mutex_t volume = PTHREAD_MUTEX_INITIALIZER;
static _Atomic unsigned bad;

static void thread_write(struct ring *r, uint64_t *s, uint64_t *ret_batch, bool *ok)
{
	uint32_t len = 1 + (uint32_t)(rnd(s) % (rnd(s) % 4 ? 5000 : 100000));
	uint32_t sums[VARVE_PIECE_SUMS];
	uint8_t *copy = malloc(len), *got = dev_alloc(128u << 10);
	struct log_data d;
	struct rec rec;
	uint64_t op, start;

	*ok = log_data_begin(shared.log, r, len, SEG_USER, &d) == 0;
	if (!*ok)
		goto out;
	fill(copy, len, rnd(s));
	memcpy(d.mem, copy, len);
	piece_sum(copy, len, sums);
	log_data_end(shared.log, r, &d);
	pthread_mutex_lock(&volume);
	op_write_rec(7, 1, d.addr, len, sums, &rec);
	*ok = log_rec_begin(shared.log, r, rec_size(&rec), SEG_USER, &op) == 0;
	if (*ok && rnd(s) % 16 == 0) {
		log_rec_cancel(shared.log, r);
		*ok = log_rec_begin(shared.log, r, rec_size(&rec), SEG_USER, &op) == 0;
	}
	rec.write.piece = op;
	if (*ok)
		*ret_batch = log_rec_end(shared.log, r, &rec);
	pthread_mutex_unlock(&volume);
	log_data_done(shared.log, &d);
	start = align_down(d.addr, VARVE_BLOCK);
	if (!log_read_mem(shared.log, d.addr, len, got + (d.addr - start)))
		*ok &= dev_read(shared.dev, got, start,
				(uint32_t)(align_up(d.addr + len, 4096) - start)) == 0;
	*ok &= memcmp(got + (d.addr - start), copy, len) == 0;
out:
	free(copy);
	dev_free(got);
}

static bool thread_wait(struct ring *r, struct wait *w)
{
	while (!w->done)
		if (ring_run(r, -1) < 0)
			return false;
	return w->err == 0;
}

static void *thread_main(void *arg)
{
	uint64_t s = (uintptr_t)arg, batch = 0;
	struct ring *r;
	bool ok = ring_create(64, 0, &r) == 0;

	for (unsigned i = 0; ok && i < OPS; i++) {
		struct wait w = { .w = { .fn = wait_done } };

		while (!log_admit(shared.log, r, &w.w)) {
			ok = thread_wait(r, &w);
			w.done = false;
		}
		thread_write(r, &s, &batch, &ok);
		if (ok && rnd(&s) % 5 == 0) {
			w.done = false;
			log_sync(shared.log, r, batch, &w.w);
			ok = thread_wait(r, &w) && log_durable_seq(shared.log) >= batch;
		}
		if (rnd(&s) % 64 == 0) {
			struct log_pos pos;

			pthread_mutex_lock(&volume);
			log_mark(shared.log, r, &pos);
			pthread_mutex_unlock(&volume);
			ok &= pos.seq > batch;
		}
		ring_run(r, 0);
	}
	while (ok && ring_pending(r))
		ok = ring_run(r, -1) >= 0;
	if (!ok)
		atomic_fetch_add(&bad, 1);
	ring_destroy(r);
	return NULL;
}

START_TEST(several_threads_append_one_log)
{
	static uint32_t sums[VARVE_PIECE_SUMS];
	pthread_t th[THREADS];
	struct dev *d;
	struct scan *s;
	struct batch b;
	struct tail t;
	uint64_t ops = 0;

	ck_assert_int_eq(dev_mem_new(96u << 20, &d), 0);
	rig_new(&shared, d, 3, THREADS);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&th[i], NULL, thread_main, (void *)(i + 1 + 10 * (uintptr_t)_i));
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(th[i], NULL);
	ck_assert_uint_eq(atomic_load(&bad), 0);
	ck_assert_int_eq(sync_wait(shared.log, shared.ring, UINT64_MAX), 0);
	drain(shared.ring);
	ck_assert_int_eq(scan_tail(d, &shared.sup, &shared.from, &t), 0);
	ck_assert_uint_eq(t.first_op, THREADS * OPS + 1);
	ck_assert_uint_eq(log_next_op(shared.log), THREADS * OPS + 1);
	ck_assert(!t.damaged);
	ck_assert_int_eq(scan_open(d, &shared.sup, &shared.from, &s), 0);
	while (scan_next(s, &b) > 0) {
		struct rec_iter it;
		struct rec r;

		rec_iter_init(&it, &b);
		while (rec_iter_next(&it, sums, &r) > 0)
			ck_assert_uint_eq(r.write.piece, ++ops);
	}
	ck_assert_uint_eq(ops, THREADS * OPS);
	scan_close(s);
	tail_free(&t);
	rig_free(&shared);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log append");
	TCase *tc = tcase_create("append");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_set_timeout(tc, 240);
	tcase_add_loop_test(tc, what_was_appended_is_read_back_in_order, 0, 20);
	tcase_add_loop_test(tc, a_mark_is_where_the_next_batch_is_found, 0, 20);
	tcase_add_test(tc, small_data_shares_blocks_and_large_data_is_aligned);
	tcase_add_test(tc, data_is_readable_from_memory_until_it_is_on_the_device);
	tcase_add_test(tc, a_batch_waits_for_its_data_and_the_next_one_for_it);
	tcase_add_test(tc, a_cancelled_record_in_a_sealed_batch_leaves_no_hole_in_the_chain);
	tcase_add_test(tc, many_syncs_share_few_flushes);
	tcase_add_loop_test(tc, a_failed_write_or_flush_ends_the_log_for_ever, 0, 2);
	tcase_add_test(tc, admission_holds_back_until_batches_are_written);
	tcase_add_test(tc, a_full_volume_refuses_users_but_not_cleaning);
	tcase_add_test(tc, sequential_pieces_fill_segments_to_their_end);
	tcase_add_loop_test(tc, several_threads_append_one_log, 0, 4);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
