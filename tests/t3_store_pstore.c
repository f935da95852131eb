/* SPDX-License-Identifier: MIT */
/* t3_store_pstore.c - the page store against a model: transactions, images,
 * space.  Replay one seed: CK_FORK=no VARVE_SEED=17 ./t3_store_pstore */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "pstore_rig.h"

#define MIB (1u << 20)

static uint64_t seed_or_env(int i)
{
	const char *s = getenv("VARVE_SEED");

	return s ? strtoull(s, NULL, 0) : (uint64_t)i + 1;
}

static struct rig rig; /* large: not on the stack */

static void start(uint32_t mib)
{
	struct dev *d;

	rig_quiet();
	ck_assert_int_eq(dev_mem_new((uint64_t)mib * MIB, &d), 0);
	rig_new(&rig, d);
}

/* Both slots, each as if the other were lost, and as recovery opens them. */
static void check_slots(struct rig *r, uint64_t seed, unsigned step)
{
	struct slot *newest = &r->slot[r->ckpt % 2], *older = &r->slot[(r->ckpt + 1) % 2];
	struct dev *copy;
	int rc = 0, rc2 = 0;

	if (!r->ckpt)
		return;
	ck_assert_int_eq(dev_mem_copy(r->dev, &copy), 0);
	rc = try_slot(copy, &r->sup, newest, older->table ? older : NULL,
		      &r->image[r->ckpt % 2]);
	if (older->table)
		rc2 = try_slot(copy, &r->sup, older, NULL, &r->image[(r->ckpt + 1) % 2]);
	ck_assert_msg(!rc && !rc2, "seed %llu, step %u: newest: %s, older: %s",
		      (unsigned long long)seed, step, err_str(rc), err_str(rc2));
	dev_close(copy);
}

START_TEST(images_hold_what_was_committed_and_both_slots_stay_readable_all_along)
{
	uint64_t seed = seed_or_env(_i), s = seed;
	uint32_t max = _i % 2 ? 300 : 1500;

	start(64);
	for (unsigned step = 0; step < 24; step++) {
		unsigned ops = (unsigned)(rnd(&s) % 60);

		rig_begin(&rig);
		for (unsigned i = 0; i < ops; i++) {
			rig_step(&rig, &s, max);
			if (i == ops / 2)
				check_slots(&rig, seed, step);
		}
		check_image(rig.pages, NULL, &rig.now, "transaction");
		check_slots(&rig, seed, step);
		switch (rnd(&s) % 8) {
		case 0:
			rig_abort(&rig);
			break;
		case 1: { /* given up when all but the slot was written */
			struct map_root root;

			ck_assert_int_eq(pstore_prepare(rig.ps, rig.ckpt + 1, &root), 0);
			check_slots(&rig, seed, step);
			rig_abort(&rig);
			break;
		}
		default:
			rig_commit(&rig);
			check_live(rig.segs, rig.ps);
		}
		check_slots(&rig, seed, step);
		if (rig.ckpt && rnd(&s) % 6 == 0)
			rig_reopen(&rig);
		struct ps_image *img = rig.pages->ops->acquire(rig.pages);

		check_image(rig.pages, img, &rig.now, "image");
		rig.pages->ops->release(rig.pages, img);
	}
	rig_free(&rig);
}
END_TEST

START_TEST(a_transaction_reads_its_own_writes_before_they_are_on_the_device)
{
	uint8_t buf[VARVE_BLOCK];

	start(64);
	rig_begin(&rig);
	/* More than the write buffer holds, each page twice at a distance. */
	for (unsigned round = 0; round < 2; round++)
		for (uint32_t i = 1; i <= 1200; i++) {
			ck_assert_int_eq(rig_write(&rig, i), 0);
			if (i > 300) {
				ck_assert_int_eq(rig.pages->ops->txn_read(rig.pages, i - 300, buf), 0);
				ck_assert(page_is(i - 300, rig.now.ver[i - 300], buf));
			}
		}
	rig_commit(&rig);

	struct pstore_stats st;

	/* Rewriting took no further blocks: 1200 pages, 5 leaves, 1 root. */
	pstore_get_stats(rig.ps, &st);
	ck_assert_uint_eq(st.blocks_used, 1206);
	ck_assert_uint_eq(st.segments, (1206 + 253) / 254);
	ck_assert_uint_eq(st.pages, 1200);
	check_slots(&rig, 0, 0);
	rig_free(&rig);
}
END_TEST

START_TEST(space_is_used_again_over_a_thousand_checkpoints)
{
	uint64_t s = seed_or_env(_i);
	struct pstore_stats st;
	uint64_t after_load;

	start(64);
	rig_begin(&rig);
	for (uint32_t i = 1; i <= 1500; i++)
		ck_assert_int_eq(rig_write(&rig, i), 0);
	rig_commit(&rig);
	pstore_get_stats(rig.ps, &st);
	after_load = st.segments;
	for (unsigned i = 0; i < 1000; i++) {
		rig_churn(&rig, &s, 300, 1500);
		pstore_get_stats(rig.ps, &st);
		ck_assert_msg(st.segments <= 3 * after_load, "checkpoint %u: %llu segments", i,
			      (unsigned long long)st.segments);
	}
	check_slots(&rig, s, 0);
	rig_free(&rig);
}
END_TEST

START_TEST(segments_come_back_after_truncation)
{
	struct segs_space before, after;
	struct pstore_stats st;

	start(64);
	rig_begin(&rig);
	for (uint32_t i = 1; i <= 100; i++)
		ck_assert_int_eq(rig_write(&rig, i), 0);
	rig_commit(&rig);
	segs_get_space(rig.segs, &before);
	rig_begin(&rig);
	for (uint32_t i = 101; i <= 4000; i++)
		ck_assert_int_eq(rig_write(&rig, i), 0);
	rig_commit(&rig);
	rig_begin(&rig);
	ck_assert_int_eq(rig_truncate(&rig, 100), 0);
	rig_commit(&rig);
	/* n+1: pending blocks are free; n+2: the slot says so; n+3: free. */
	for (unsigned i = 0; i < 3; i++) {
		segs_get_space(rig.segs, &after);
		ck_assert_uint_lt(after.free, before.free - 1);
		rig_begin(&rig);
		rig_commit(&rig);
		check_slots(&rig, 0, i);
	}
	segs_get_space(rig.segs, &after);
	ck_assert_uint_ge(after.free + 1, before.free);
	rig_begin(&rig);
	ck_assert_int_eq(rig_truncate(&rig, 0), 0);
	rig_commit(&rig);
	for (unsigned i = 0; i < 3; i++) {
		rig_begin(&rig);
		rig_commit(&rig);
	}
	segs_get_space(rig.segs, &after);
	pstore_get_stats(rig.ps, &st);
	ck_assert_uint_eq(st.segments, 0);
	ck_assert_uint_eq(after.free, after.total);
	/* And from nothing again. */
	uint64_t s = 1;

	rig_churn(&rig, &s, 10, 100);
	check_slots(&rig, 0, 9);
	rig_free(&rig);
}
END_TEST

/* Leaves n free segments, the others held by the log. */
static void squeeze(struct rig *r, uint32_t n)
{
	struct segs_space sp;
	uint32_t idx;

	for (segs_get_space(r->segs, &sp); sp.free > n; segs_get_space(r->segs, &sp))
		ck_assert_int_eq(segs_alloc(r->segs, SEG_LOG, SEG_SYSTEM, &idx), 0);
}

START_TEST(without_space_the_transaction_fails_and_abort_restores_everything)
{
	struct segs_space before, after;
	struct pstore_stats st, st2;
	struct map_root root;
	uint64_t s = (uint64_t)_i + 1;
	int rc = 0;

	start(32);
	for (unsigned i = 0; i < 4; i++)
		rig_churn(&rig, &s, 200, 300);
	squeeze(&rig, (uint32_t)_i / 8);
	segs_get_space(rig.segs, &before);
	pstore_get_stats(rig.ps, &st);

	/* 64 lengths of transaction, so that it is sometimes a page, sometimes a
	 * map node that finds no block. */
	rig_begin(&rig);
	for (uint32_t i = 1; i <= 254u * ((uint32_t)_i / 8 + 1) + (uint32_t)_i % 8 * 34 && !rc; i++)
		rc = rig_write(&rig, i);
	/* After a failed write nothing can be prepared. */
	ck_assert_int_eq(rc ? pstore_prepare(rig.ps, rig.ckpt + 1, &root) : 0, rc);
	if (!rc)
		rc = pstore_prepare(rig.ps, rig.ckpt + 1, &root);
	ck_assert(rc == 0 || rc == -ENOSPC);
	rig_abort(&rig);
	segs_get_space(rig.segs, &after);
	ck_assert_mem_eq(&before, &after, sizeof(before));
	/* The next transaction updates the numbers. */
	rig_begin(&rig);
	rig_commit(&rig);
	pstore_get_stats(rig.ps, &st2);
	ck_assert_uint_eq(st.blocks_used, st2.blocks_used);
	ck_assert_uint_ge(st.segments, st2.segments);
	check_live(rig.segs, rig.ps);
	check_slots(&rig, s, 0);
	/* What fits, works. */
	rig_begin(&rig);
	ck_assert_int_eq(rig_write(&rig, 5), 0);
	rig_commit(&rig);
	check_slots(&rig, s, 1);
	rig_free(&rig);
}
END_TEST

START_TEST(a_shrunken_database_is_gathered_and_gives_its_segments_back_even_without_space)
{
	uint64_t s = seed_or_env(_i);
	struct pstore_stats st;
	struct segs_space sp;
	unsigned n;

	start(64);
	rig_begin(&rig);
	for (uint32_t i = 1; i <= 4000; i++)
		ck_assert_int_eq(rig_write(&rig, i), 0);
	rig_commit(&rig);
	for (unsigned i = 0; i < 10; i++) /* now nothing lies in order */
		rig_churn(&rig, &s, 2000, 4000);
	squeeze(&rig, _i % 2 ? 0 : 20);
	rig_begin(&rig);
	ck_assert_int_eq(rig_truncate(&rig, 300), 0);
	rig_commit(&rig);
	pstore_get_stats(rig.ps, &st);
	ck_assert_uint_ge(st.segments, 16);
	for (n = 0; n < 8; n++) {
		rig_begin(&rig);
		if (n % 3 == 1)
			ck_assert_int_eq(rig_write(&rig, (uint32_t)(rnd(&s) % 300) + 1), 0);
		if (n % 4 == 2)
			rig_abort(&rig);
		else
			rig_commit(&rig);
		check_live(rig.segs, rig.ps);
		check_slots(&rig, s, n);
	}
	pstore_get_stats(rig.ps, &st);
	segs_get_space(rig.segs, &sp);
	ck_assert_uint_le(st.segments, 6);
	ck_assert_uint_ge(sp.free, 10);
	rig_free(&rig);
}
END_TEST

START_TEST(a_held_image_stays_and_holds_back_nothing_younger)
{
	struct ps_image *img;
	static struct model held;
	struct pstore_stats st;
	uint64_t s = 1, most = 0;

	start(64);
	rig_churn(&rig, &s, 2000, 400);
	img = rig.pages->ops->acquire(rig.pages);
	held = rig.now;
	for (unsigned i = 0; i < 200; i++) {
		rig_churn(&rig, &s, 300, 400);
		pstore_get_stats(rig.ps, &st);
		most = MAX(most, st.segments);
		if (i % 20 == 0)
			check_image(rig.pages, img, &held, "held");
	}
	check_image(rig.pages, img, &held, "held");
	/* One image more than without it: 3 generations plus this one. */
	ck_assert_uint_le(most, 9);
	ck_assert_uint_ge(st.blocks_pending, 400);
	rig.pages->ops->release(rig.pages, img);
	for (unsigned i = 0; i < 3; i++) {
		rig_begin(&rig);
		rig_commit(&rig);
	}
	pstore_get_stats(rig.ps, &st);
	ck_assert_uint_eq(st.blocks_pending, 0);
	rig_free(&rig);
}
END_TEST

START_TEST(the_map_grows_to_four_levels_and_shrinks_again)
{
	static const uint32_t far[] = { 1, 256, 257, 65536, 65537, 1u << 24, (1u << 24) + 1,
					UINT32_MAX };
	uint8_t buf[VARVE_BLOCK];
	struct pstore_stats st;

	start(32);
	rig_begin(&rig);
	for (unsigned i = 0; i < ARRAY_LEN(far); i++) {
		fill_page(far[i], i + 1, buf);
		ck_assert_int_eq(rig.pages->ops->txn_write(rig.pages, far[i], buf), 0);
		ck_assert_uint_eq(rig.pages->ops->txn_npages(rig.pages), far[i]);
	}
	rig_commit(&rig);
	ck_assert_uint_eq(rig.slot[1].map.depth, 4);
	rig_reopen(&rig);
	for (unsigned i = ARRAY_LEN(far); i-- > 0;) {
		struct ps_image *img = rig.pages->ops->acquire(rig.pages);

		for (unsigned k = 0; k <= i; k++) {
			ck_assert_int_eq(rig.pages->ops->read(rig.pages, img, far[k], buf), 0);
			ck_assert(page_is(far[k], k + 1, buf));
		}
		if (far[i] > 3) {
			ck_assert_int_eq(rig.pages->ops->read(rig.pages, img, far[i] - 2, buf), 0);
			ck_assert(page_is(far[i] - 2, 0, buf));
		}
		rig.pages->ops->release(rig.pages, img);
		rig_begin(&rig);
		ck_assert_int_eq(rig.pages->ops->txn_truncate(rig.pages, far[i] - 1), 0);
		rig_commit(&rig);
		check_live(rig.segs, rig.ps);
		rig_reopen(&rig);
	}
	pstore_get_stats(rig.ps, &st);
	ck_assert_uint_eq(st.blocks_used, 0);
	ck_assert_uint_eq(st.pages, 0);
	rig_free(&rig);
}
END_TEST

START_TEST(no_transaction_needs_more_segments_than_the_stated_worst_case)
{
	uint64_t s = seed_or_env(_i);
	struct segs_space before, after;

	start(64);
	for (unsigned round = 0; round < 20; round++) {
		uint32_t n = (uint32_t)(rnd(&s) % 800), changed = 0;
		uint32_t worst = pstore_worst_segments(rig.ps, n);

		segs_get_space(rig.segs, &before);
		rig_begin(&rig);
		while (changed < n) {
			uint32_t pgno = (uint32_t)(rnd(&s) % RIG_PAGES) + 1;

			if (pgno > rig.now.n + (n - changed))
				pgno = rig.now.n + 1;
			if (pgno > RIG_PAGES)
				break;
			ck_assert_int_eq(rig_write(&rig, pgno), 0);
			changed++;
		}
		ck_assert_int_eq(rig_prepare(&rig), 0);
		segs_get_space(rig.segs, &after);
		ck_assert_msg(before.free - after.free <= worst, "seed %llu round %u: %u > %u",
			      (unsigned long long)s, round, before.free - after.free, worst);
		rig.ckpt++;
		pstore_committed(rig.ps, rig.ckpt);
		segs_durable(rig.segs, rig.ckpt, NULL, NULL);
	}
	rig_free(&rig);
}
END_TEST

START_TEST(checkpoint_numbers_that_would_overwrite_the_current_slot_are_refused)
{
	struct map_root root;
	uint64_t s = 1;

	start(32);
	rig_churn(&rig, &s, 10, 20);
	rig_begin(&rig);
	ck_assert_int_eq(rig_write(&rig, 1), 0);
	ck_assert_int_eq(pstore_prepare(rig.ps, rig.ckpt, &root), -EINVAL);
	ck_assert_int_eq(pstore_prepare(rig.ps, rig.ckpt + 2, &root), -EINVAL);
	ck_assert_int_eq(rig.pages->ops->txn_begin(rig.pages), -EBUSY);
	rig_commit(&rig);
	check_slots(&rig, 1, 0);
	rig_free(&rig);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("t3_store_pstore");
	TCase *tc = tcase_create("pstore");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc,
		images_hold_what_was_committed_and_both_slots_stay_readable_all_along,
			    0, 12);
	tcase_add_test(tc, a_transaction_reads_its_own_writes_before_they_are_on_the_device);
	tcase_add_loop_test(tc, space_is_used_again_over_a_thousand_checkpoints, 0, 1);
	tcase_add_test(tc, segments_come_back_after_truncation);
	tcase_add_loop_test(tc, without_space_the_transaction_fails_and_abort_restores_everything,
			    0, 32);
	tcase_add_loop_test(tc,
		a_shrunken_database_is_gathered_and_gives_its_segments_back_even_without_space,
			    0, 4);
	tcase_add_test(tc, a_held_image_stays_and_holds_back_nothing_younger);
	tcase_add_test(tc, the_map_grows_to_four_levels_and_shrinks_again);
	tcase_add_loop_test(tc,
		no_transaction_needs_more_segments_than_the_stated_worst_case, 0, 4);
	tcase_add_test(tc, checkpoint_numbers_that_would_overwrite_the_current_slot_are_refused);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
