/* SPDX-License-Identifier: MIT */
/* t2_log_chain.c - a batch is believed only as the successor of the one before
 * it; a segment stays while data in it waits for its record. */
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

static void sync_all(struct rig *g)
{
	struct wait w = { .w = { .fn = wait_done } };

	log_sync(g->log, g->ring, UINT64_MAX, &w.w);
	while (!w.done)
		ck_assert_int_ge(ring_run(g->ring, -1), 0);
	ck_assert_int_eq(w.err, 0);
}

static void rig_start(struct rig *g)
{
	struct dev *d;

	ck_assert_int_eq(dev_mem_new(RIG_SIZE, &d), 0);
	rig_new(g, d, 1, 1);
}

static int batches_from(struct rig *g, const struct log_pos *pos)
{
	struct scan *s;
	struct batch b;
	int n = 0, r;

	ck_assert_int_eq(scan_open(g->dev, &g->sup, pos, &s), 0);
	while ((r = scan_next(s, &b)) > 0)
		n++;
	ck_assert_int_eq(r, 0);
	scan_close(s);
	return n;
}

/* A batch of an earlier life may lie right where a checkpoint's position is,
 * with the right number: only its predecessor's checksum tells it apart. */
START_TEST(a_batch_with_another_predecessor_is_not_taken)
{
	struct log_pos pos;
	uint64_t batch;
	struct rig g;

	rig_start(&g);
	ck_assert_int_eq(op_append(&g, 1, 1, &batch), 0);
	log_mark(g.log, g.ring, &pos);
	for (uint64_t op = 2; op <= 4; op++) {
		ck_assert_int_eq(op_append(&g, 1, op, &batch), 0);
		sync_all(&g);
	}
	ck_assert_int_eq(batches_from(&g, &pos), 3);
	pos.prev_crc ^= 1;
	ck_assert_int_eq(batches_from(&g, &pos), 0);
	pos.prev_crc ^= 1;
	pos.seq++;
	ck_assert_int_eq(batches_from(&g, &pos), 0);
	rig_free(&g);
}
END_TEST

static enum seg_state state_at(struct rig *g, uint64_t addr)
{
	struct seg_info info;

	segs_get(g->segs, segs_index(g->segs, addr), &info);
	return info.state;
}

static void release_dead(struct rig *g, uint64_t ckpt)
{
	uint32_t keep[4];
	unsigned n = log_held_segments(g->log, keep);

	segs_release_dead(g->segs, ckpt, log_open_seq(g->log), keep, n);
}

START_TEST(a_segment_is_not_given_up_while_data_in_it_waits_for_its_record)
{
	struct log_data d, more;
	struct rig g;

	rig_start(&g);
	ck_assert_int_eq(log_data_begin(g.log, g.ring, 4096, SEG_USER, &d), 0);
	memset(d.mem, 1, 4096);
	log_data_end(g.log, g.ring, &d);
	/* Two segments further, all of it durable and without a live byte. */
	for (uint64_t n = 0; n < 3 * (g.sup.seg_size / 65536); n++) {
		ck_assert_int_eq(log_data_begin(g.log, g.ring, 65536, SEG_USER, &more), 0);
		memset(more.mem, 2, 65536);
		log_data_end(g.log, g.ring, &more);
		log_data_done(g.log, &more);
		sync_all(&g);
	}
	release_dead(&g, 2);
	ck_assert_int_eq(state_at(&g, d.addr), SEG_LOG);
	ck_assert_int_eq(state_at(&g, d.addr + g.sup.seg_size), SEG_PENDING);
	log_data_done(g.log, &d);
	release_dead(&g, 3);
	ck_assert_int_eq(state_at(&g, d.addr), SEG_PENDING);
	rig_free(&g);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("log chain");
	TCase *tc = tcase_create("chain");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, a_batch_with_another_predecessor_is_not_taken);
	tcase_add_test(tc, a_segment_is_not_given_up_while_data_in_it_waits_for_its_record);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
