/* SPDX-License-Identifier: MIT */
/* t3_store_pstore_harm.c - the page store under power loss and failing requests,
 * and with readers beside the writer.
 * Replay one seed: CK_FORK=no VARVE_SEED=17 ./t3_store_pstore_harm */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
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

static struct rig rig;

static void start(uint32_t mib)
{
	struct dev *d;

	rig_quiet();
	ck_assert_int_eq(dev_mem_new((uint64_t)mib * MIB, &d), 0);
	rig_new(&rig, d);
}

/* --- power loss --- */

/* As recovery does it: the newest slot that is valid, else the older one. */
static uint64_t recover(struct dev *d, const struct super *sup, const struct model *model)
{
	struct slot slot[2];
	bool ok[2];
	uint64_t seq = 0;

	for (unsigned i = 0; i < 2; i++)
		ok[i] = slot_read(d, sup, i, &slot[i]) == 0;

	unsigned newest = ok[0] && (!ok[1] || slot[0].seq > slot[1].seq) ? 0 : 1;

	if (ok[newest]) {
		const struct slot *older = ok[!newest] ? &slot[!newest] : NULL;

		/* The model is by slot; an old slot 0 or 1 holds what it says. */
		if (!try_slot(d, sup, &slot[newest], older, &model[slot[newest].seq]))
			seq = slot[newest].seq;
	}
	for (unsigned i = 0; i < 2; i++)
		if (ok[i])
			slot_free(&slot[i]);
	return seq;
}

#define CUT_CKPTS 6

START_TEST(after_a_power_cut_at_any_moment_the_last_durable_image_or_the_next_is_there)
{
	uint64_t seed = seed_or_env(_i), s = seed;
	struct model *model = calloc(CUT_CKPTS + 2, sizeof(*model));
	size_t begun[CUT_CKPTS + 2], done[CUT_CKPTS + 2];
	struct dev *d, *cut;

	rig_quiet();
	ck_assert_int_eq(dev_crash_new(24u * MIB, &d), 0);
	rig_new(&rig, d);
	for (uint64_t n = 1; n <= CUT_CKPTS; n++) {
		begun[n] = dev_crash_events(d);
		rig_begin(&rig);
		for (unsigned i = 0; i < 8; i++)
			rig_step(&rig, &s, 500);
		if (n > 1 && rnd(&s) % 3 == 0) { /* a first try is given up */
			struct map_root root;

			ck_assert_int_eq(pstore_prepare(rig.ps, rig.ckpt + 1, &root), 0);
			rig_abort(&rig);
			rig_begin(&rig);
			rig_step(&rig, &s, 500);
		}
		rig_commit(&rig);
		model[n] = rig.now;
		done[n] = dev_crash_events(d);
	}
	for (uint64_t n = 2; n <= CUT_CKPTS; n++)
		for (size_t at = begun[n]; at <= done[n]; at++)
			for (uint64_t k = 0; k < 6; k++) {
				uint64_t seq;

				ck_assert_int_eq(dev_crash_image(d, at, k ? seed * 97 + k : 0, &cut), 0);
				seq = recover(cut, &rig.sup, model);
				ck_assert_msg((seq == n - 1 && at < done[n]) || seq == n,
					      "seed %llu: cut at %zu of %zu..%zu (choice %llu) in "
					      "checkpoint %llu: recovered %llu",
					      (unsigned long long)seed, at, begun[n], done[n],
					      (unsigned long long)k, (unsigned long long)n,
					      (unsigned long long)seq);
				dev_close(cut);
			}
	rig_free(&rig);
	free(model);
}
END_TEST

/* After a crash in checkpoint n, life goes on, and the slot of n-2 still stands
 * until n is written after all. */
START_TEST(after_a_crash_the_older_image_is_spared_until_the_checkpoint_is_done)
{
	uint64_t seed = seed_or_env(_i), s = seed;
	struct map_root root;

	start(24);
	for (unsigned i = 0; i < 3; i++)
		rig_churn(&rig, &s, 150, 200);
	rig_begin(&rig);
	for (unsigned i = 0; i < 150; i++)
		ck_assert_int_eq(rig_write(&rig, (uint32_t)(rnd(&s) % 200) + 1), 0);
	ck_assert_int_eq(pstore_prepare(rig.ps, 4, &root), 0); /* and never a slot */
	rig_reopen(&rig);

	rig_begin(&rig);
	for (unsigned i = 0; i < 150; i++)
		ck_assert_int_eq(rig_write(&rig, (uint32_t)(rnd(&s) % 200) + 1), 0);
	ck_assert_int_eq(pstore_prepare(rig.ps, 4, &root), 0);
	/* Slot 3 is lost: slot 2 with its overwritten bitmaps must do. */
	ck_assert_int_eq(try_slot(rig.dev, &rig.sup, &rig.slot[0], NULL, &rig.image[0]), 0);
	ck_assert_uint_gt(rig_messages, 0);
	ck_assert_int_eq(try_slot(rig.dev, &rig.sup, &rig.slot[1], &rig.slot[0],
				  &rig.image[1]), 0);
	rig_abort(&rig);
	for (unsigned i = 0; i < 4; i++) {
		rig_churn(&rig, &s, 150, 200);
		ck_assert_int_eq(try_slot(rig.dev, &rig.sup, &rig.slot[rig.ckpt % 2], NULL,
					  &rig.image[rig.ckpt % 2]), 0);
	}
	rig_free(&rig);
}
END_TEST

/* --- requests that fail --- */

START_TEST(a_write_that_fails_fails_the_checkpoint_and_the_next_one_succeeds)
{
	uint64_t s = 1, writes;
	struct map_root root;
	uint8_t *buf;
	int rc = 0;

	start(32);
	rig_churn(&rig, &s, 300, 300);
	rig_churn(&rig, &s, 300, 300);
	for (writes = 0; writes < 400; writes++) {
		rc = 0;
		dev_sim_fail(rig.dev, DEV_WRITE, writes, 1, -VE_DEV_IO);
		rig_begin(&rig);
		for (uint32_t i = 1; i <= 200 && !rc; i++)
			rc = rig_write(&rig, i);
		if (!rc)
			rc = pstore_prepare(rig.ps, rig.ckpt + 1, &root);
		rig_abort(&rig);
		if (!rc)
			break;
		ck_assert_int_eq(rc, -VE_DEV_IO);
		check_live(rig.segs, rig.ps);
	}
	/* All of them were met: pages, nodes and bitmaps. */
	ck_assert_uint_ge(writes, 6);
	/* Exactly one rule is left: the next write meets it. */
	buf = dev_alloc(VARVE_BLOCK);
	ck_assert_int_eq(dev_read(rig.dev, buf, 0, VARVE_BLOCK), 0);
	ck_assert_int_eq(dev_write(rig.dev, buf, 0, VARVE_BLOCK), -VE_DEV_IO);
	dev_free(buf);
	rig_churn(&rig, &s, 300, 300);
	ck_assert_int_eq(try_slot(rig.dev, &rig.sup, &rig.slot[rig.ckpt % 2], NULL,
				  &rig.image[rig.ckpt % 2]), 0);
	rig_free(&rig);
}
END_TEST

START_TEST(a_read_that_fails_is_reported_and_harms_nothing)
{
	uint8_t buf[VARVE_BLOCK];
	uint64_t s = 1;
	struct ps_image *img;

	start(32);
	rig_churn(&rig, &s, 600, 600);
	rig_reopen(&rig);
	img = rig.pages->ops->acquire(rig.pages);
	dev_sim_fail(rig.dev, DEV_READ, 0, 2, -VE_DEV_IO);
	/* The leaf, then the page, then neither. */
	ck_assert_int_eq(rig.pages->ops->read(rig.pages, img, rig.now.n, buf), -VE_DEV_IO);
	ck_assert_int_eq(rig.pages->ops->read(rig.pages, img, rig.now.n, buf), -VE_DEV_IO);
	ck_assert_int_eq(rig.pages->ops->read(rig.pages, img, rig.now.n, buf), 0);
	ck_assert(page_is(rig.now.n, rig.now.ver[rig.now.n], buf));
	rig.pages->ops->release(rig.pages, img);
	rig_free(&rig);
}
END_TEST

/* --- readers beside the writer --- */

#define READERS 3

struct reader {
	pthread_t thread;
	uint64_t seed;
	unsigned images, bad;
};

static _Atomic bool stop;
static struct page_store *shared;

/* Every page carries the number of its checkpoint in its version, and page 1 is
 * written last in each: an image is consistent if no page is younger. */
static uint32_t version_of(const void *buf, uint32_t pgno)
{
	for (uint32_t v = 0; v < 400; v++)
		if (page_is(pgno, v, buf))
			return v;
	return UINT32_MAX;
}

static void *read_images(void *arg)
{
	struct reader *rd = arg;
	uint8_t buf[VARVE_BLOCK];

	while (!atomic_load(&stop) || rd->images < 3) {
		struct ps_image *img = shared->ops->acquire(shared);
		uint32_t newest, n = shared->ops->npages(shared, img);

		rd->images++;
		rd->bad += shared->ops->read(shared, img, 1, buf) != 0;
		newest = version_of(buf, 1);
		for (unsigned i = 0; i < 30; i++) {
			uint32_t pgno = (uint32_t)(rnd(&rd->seed) % n) + 1, v;

			rd->bad += shared->ops->read(shared, img, pgno, buf) != 0;
			v = version_of(buf, pgno);
			rd->bad += v > newest;
		}
		rd->bad += shared->ops->read(shared, img, 1, buf) != 0;
		rd->bad += version_of(buf, 1) != newest;
		shared->ops->release(shared, img);
	}
	return NULL;
}

START_TEST(readers_on_other_threads_see_whole_images_while_a_transaction_runs)
{
	struct reader rd[READERS] = { 0 };
	uint64_t s = 5;
	uint8_t buf[VARVE_BLOCK];

	start(32);
	rig_churn(&rig, &s, 2000, 700);
	rig_begin(&rig);
	for (uint32_t i = 1; i <= 700; i++) {
		fill_page(i, 0, buf);
		ck_assert_int_eq(rig.pages->ops->txn_write(rig.pages, i, buf), 0);
	}
	rig_commit(&rig);
	rig_reopen(&rig); /* nodes and pages must be loaded by the readers */
	shared = rig.pages;
	atomic_store(&stop, false);
	for (unsigned i = 0; i < READERS; i++) {
		rd[i].seed = i + 1;
		ck_assert_int_eq(pthread_create(&rd[i].thread, NULL, read_images, &rd[i]), 0);
	}
	for (uint32_t v = 1; v <= 60; v++) {
		rig_begin(&rig);
		for (unsigned i = 0; i < 150; i++) {
			uint32_t pgno = (uint32_t)(rnd(&s) % 700) + 1;

			fill_page(pgno, v, buf);
			ck_assert_int_eq(rig.pages->ops->txn_write(rig.pages, pgno, buf), 0);
		}
		fill_page(1, v, buf);
		ck_assert_int_eq(rig.pages->ops->txn_write(rig.pages, 1, buf), 0);
		if (v % 7 == 0) {
			rig.pages->ops->txn_abort(rig.pages);
			continue;
		}
		rig_commit(&rig);
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < READERS; i++) {
		pthread_join(rd[i].thread, NULL);
		ck_assert_uint_eq(rd[i].bad, 0);
		ck_assert_uint_ge(rd[i].images, 3);
	}
	check_live(rig.segs, rig.ps);
	rig_free(&rig);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("t3_store_pstore_harm");
	TCase *tc = tcase_create("harm");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc,
		after_a_power_cut_at_any_moment_the_last_durable_image_or_the_next_is_there,
			    0, 12);
	tcase_add_loop_test(tc,
		after_a_crash_the_older_image_is_spared_until_the_checkpoint_is_done,
			    0, 4);
	tcase_add_test(tc, a_write_that_fails_fails_the_checkpoint_and_the_next_one_succeeds);
	tcase_add_test(tc, a_read_that_fails_is_reported_and_harms_nothing);
	tcase_add_test(tc, readers_on_other_threads_see_whole_images_while_a_transaction_runs);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
