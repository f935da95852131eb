/* SPDX-License-Identifier: MIT */
/* t3_store_pstore_damage.c - the page store on damaged and forged blocks.
 * Replay one seed: CK_FORK=no VARVE_SEED=17 ./t3_store_pstore_damage */
#include "config.h"

#include <check.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
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

/* --- damage --- */

static struct blocks blocks;

START_TEST(a_flipped_bit_in_any_page_or_node_is_found_and_only_there)
{
	uint64_t s = 7;
	uint8_t buf[VARVE_BLOCK];

	start(32);
	rig_churn(&rig, &s, 900, 600);
	blocks.n = 0;
	ck_assert_int_eq(pstore_walk(rig.ps, collect, &blocks), 0);
	for (unsigned i = 0; i < blocks.n; i++) {
		struct slot *slot = &rig.slot[rig.ckpt % 2];
		struct segs *segs;
		struct pstore *ps;
		unsigned bad = 0;
		uint32_t bit = (uint32_t)(rnd(&s) % (VARVE_BLOCK * 8));
		int rc;

		flip(rig.dev, blocks.addr[i], bit);
		ck_assert_int_eq(segs_load(&rig.sup, slot, NULL, &segs), 0);
		rc = pstore_open(rig.dev, segs, slot, NULL, 0, &ps);
		if (rc) {
			ck_assert_int_eq(rc, -VE_PAGE_MAP);
			ck_assert_uint_eq(blocks.addr[i], slot->map.addr);
			bad = UINT32_MAX;
		} else {
			struct page_store *pages = pstore_pages(ps);
			struct ps_image *img = pages->ops->acquire(pages);

			for (uint32_t pg = 1; pg <= rig.now.n; pg++) {
				rc = pages->ops->read(pages, img, pg, buf);
				if (!rc) {
					ck_assert(page_is(pg, rig.now.ver[pg], buf));
					continue;
				}
				bad++;
				ck_assert_int_eq(rc, blocks.pgno[i] ? -VE_PAGE_CRC : -VE_PAGE_MAP);
				if (blocks.pgno[i])
					ck_assert_uint_eq(pg, blocks.pgno[i]);
			}
			pages->ops->release(pages, img);
			pstore_close(ps);
		}
		ck_assert_msg(blocks.pgno[i] ? bad == 1 : bad > 1, "block %u: %u bad", i, bad);
		segs_free_table(segs);
		flip(rig.dev, blocks.addr[i], bit);
	}
	ck_assert_uint_gt(rig_messages, blocks.n - 1);
	rig_free(&rig);
}
END_TEST

START_TEST(damaged_bitmaps_are_rebuilt_from_the_map)
{
	uint64_t s = seed_or_env(_i);

	start(32);
	for (unsigned i = 0; i < 4; i++)
		rig_churn(&rig, &s, 700, 700);
	for (uint32_t i = 0; i < rig.sup.seg_count; i++)
		for (unsigned b = 0; b < META_BITMAP_BLOCKS; b++)
			if (rig.slot[0].table[i].state == SEG_META && rnd(&s) % 2)
				flip(rig.dev, segs_addr(rig.segs, i) + b * VARVE_BLOCK,
				     (uint32_t)(rnd(&s) % 8192));
	rig_messages = 0;
	rig_reopen(&rig);
	check_live(rig.segs, rig.ps);
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned k = 0; k < 2 && i == 0; k++)
			ck_assert_int_eq(try_slot(rig.dev, &rig.sup, &rig.slot[k], NULL,
						  &rig.image[k]), 0);
		rig_churn(&rig, &s, 700, 700);
		check_live(rig.segs, rig.ps);
	}
	/* The repaired bitmaps have been written: no more complaints. */
	rig_messages = 0;
	rig_reopen(&rig);
	ck_assert_uint_eq(rig_messages, 0);
	rig_free(&rig);
}
END_TEST

START_TEST(with_map_and_bitmaps_damaged_nothing_that_is_left_gets_overwritten)
{
	uint64_t s = 3;
	uint8_t buf[VARVE_BLOCK];
	struct ps_image *img;
	unsigned bad = 0;

	start(32);
	rig_churn(&rig, &s, 1500, 1000);
	blocks.n = 0;
	ck_assert_int_eq(pstore_walk(rig.ps, collect, &blocks), 0);
	/* blocks[0] is the root, blocks[1] the first leaf. */
	ck_assert_uint_eq(blocks.pgno[1], 0);
	flip(rig.dev, blocks.addr[1], 5);
	for (uint32_t i = 0; i < rig.sup.seg_count; i++)
		if (rig.slot[1].table[i].state == SEG_META)
			flip(rig.dev, segs_addr(rig.segs, i) + VARVE_BLOCK, 77);
	rig_reopen(&rig);
	rig_begin(&rig);
	for (uint32_t i = 300; i < 900; i++)
		ck_assert_int_eq(rig_write(&rig, i), 0);
	ck_assert_int_eq(rig.pages->ops->txn_read(rig.pages, 1, buf), -VE_PAGE_MAP);
	rig_commit(&rig);
	/* The leaf comes back, and with it all its pages. */
	flip(rig.dev, blocks.addr[1], 5);
	img = rig.pages->ops->acquire(rig.pages);
	for (uint32_t i = 1; i <= rig.now.n; i++)
		bad += rig.pages->ops->read(rig.pages, img, i, buf) ||
		       !page_is(i, rig.now.ver[i], buf);
	ck_assert_uint_eq(bad, 0);
	rig.pages->ops->release(rig.pages, img);
	rig_free(&rig);
}
END_TEST

START_TEST(a_damaged_page_does_not_keep_a_shrunken_database_from_its_checkpoints)
{
	uint64_t s = 3;
	uint8_t buf[VARVE_BLOCK];

	start(64);
	for (unsigned i = 0; i < 10; i++)
		rig_churn(&rig, &s, 3000, 3000);
	rig_begin(&rig);
	ck_assert_int_eq(rig_truncate(&rig, 400), 0);
	rig_commit(&rig);
	blocks.n = 0;
	ck_assert_int_eq(pstore_walk(rig.ps, collect, &blocks), 0);
	for (unsigned i = 0; i < blocks.n; i++)
		if (blocks.pgno[i] && blocks.pgno[i] % 20 == 0)
			flip(rig.dev, blocks.addr[i], 1);
	rig_reopen(&rig);
	rig_messages = 0;
	for (unsigned i = 0; i < 6; i++) {
		rig_begin(&rig);
		rig_commit(&rig);
	}
	/* Cleaning met one of them and let it be. */
	ck_assert_uint_ge(rig_messages, 1);
	for (uint32_t i = 1; i <= 400; i++) {
		struct ps_image *img = rig.pages->ops->acquire(rig.pages);
		int rc = rig.pages->ops->read(rig.pages, img, i, buf);

		if (i % 20 || !rig.now.ver[i])
			ck_assert(!rc && page_is(i, rig.now.ver[i], buf));
		else
			ck_assert_int_eq(rc, -VE_PAGE_CRC);
		rig.pages->ops->release(rig.pages, img);
	}
	check_live(rig.segs, rig.ps);
	rig_free(&rig);
}
END_TEST

/* --- forged maps --- */

/* A node at addr whose entry i is (target[i % n], crc of the block there). */
static uint32_t forge(struct rig *r, uint64_t addr, const uint64_t *target, unsigned n)
{
	struct map_disk *d = dev_alloc(VARVE_BLOCK);
	uint8_t *buf = dev_alloc(VARVE_BLOCK);
	uint32_t crc;

	memset(d, 0, VARVE_BLOCK);
	for (unsigned i = 0; i < MAP_FANOUT; i++) {
		uint64_t t = target[i % n];

		d[i].addr = htole64(t);
		if (t % VARVE_BLOCK == 0 && t <= dev_size(r->dev) - VARVE_BLOCK) {
			ck_assert_int_eq(dev_read(r->dev, buf, t, VARVE_BLOCK), 0);
			d[i].crc = htole32(crc32c(0, buf, VARVE_BLOCK));
		}
	}
	ck_assert_int_eq(dev_write(r->dev, d, addr, VARVE_BLOCK), 0);
	crc = crc32c(0, d, VARVE_BLOCK);
	dev_free(buf);
	dev_free(d);
	return crc;
}

static int open_forged(struct rig *r, const struct map_root *root, struct segs **segs,
		       struct pstore **ps)
{
	struct slot s = r->slot[r->ckpt % 2];

	s.map = *root;
	ck_assert_int_eq(segs_load(&r->sup, &s, NULL, segs), 0);
	return pstore_open(r->dev, *segs, &s, NULL, RIG_CACHE, ps);
}

START_TEST(forged_addresses_in_the_map_are_errors_and_nothing_else)
{
	uint64_t s = 1, meta, other, bad[8];
	uint8_t buf[VARVE_BLOCK];
	struct segs *segs;
	struct pstore *ps;
	int rc;

	start(32);
	rig_churn(&rig, &s, 20, 20);
	meta = rig.slot[1].map.addr; /* a good place for our node */
	other = segs_addr(rig.segs, rig.sup.seg_count - 1) + 8 * VARVE_BLOCK; /* a free one */
	bad[0] = 1;
	bad[1] = meta + 512;
	bad[2] = UINT64_MAX;
	bad[3] = UINT64_MAX - VARVE_BLOCK + 1;
	bad[4] = VARVE_BLOCK;                            /* before the segments */
	bad[5] = other;                                  /* not metadata */
	bad[6] = segs_addr(rig.segs, segs_index(rig.segs, meta)); /* a bitmap */
	bad[7] = dev_size(rig.dev) - VARVE_BLOCK;        /* behind them */
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		for (uint32_t depth = 1; depth <= 4; depth++) {
			struct map_root root = {
				.addr = meta, .crc = forge(&rig, meta, &bad[i], 1),
				.depth = depth, .pages = 256,
			};

			rc = open_forged(&rig, &root, &segs, &ps);
			if (!rc) {
				struct page_store *pages = pstore_pages(ps);
				struct ps_image *img = pages->ops->acquire(pages);

				rc = pages->ops->read(pages, img, 3, buf);
				ck_assert_int_eq(pages->ops->txn_begin(pages), 0);
				ck_assert_int_eq(pages->ops->txn_truncate(pages, 1),
						 depth == 1 ? 0 : rc);
				pages->ops->txn_abort(pages);
				ck_assert_int_eq(pstore_walk(ps, collect, &blocks), -VE_PAGE_MAP);
				blocks.n = 0;
				pages->ops->release(pages, img);
				pstore_close(ps);
			}
			ck_assert_int_eq(rc, -VE_PAGE_MAP);
			segs_free_table(segs);

			/* As a root. */
			root.addr = bad[i];
			ck_assert_int_eq(open_forged(&rig, &root, &segs, &ps), -VE_PAGE_MAP);
			segs_free_table(segs);
		}
	rig_free(&rig);
}
END_TEST

START_TEST(a_map_of_an_impossible_shape_is_refused)
{
	uint64_t s = 1;
	struct segs *segs;
	struct pstore *ps;
	static const uint32_t shape[][2] = { /* depth, pages */
		{ 0, 1 }, { 5, 1 }, { UINT32_MAX, 1 }, { 1, 0 }, { 1, 257 },
		{ 2, 65537 }, { 3, (1u << 24) + 1 }, { 1, UINT32_MAX },
	};

	start(32);
	rig_churn(&rig, &s, 20, 20);
	for (unsigned i = 0; i < ARRAY_LEN(shape); i++) {
		struct map_root root = rig.slot[1].map;

		root.depth = shape[i][0];
		root.pages = shape[i][1];
		ck_assert_int_eq(open_forged(&rig, &root, &segs, &ps), -VE_PAGE_MAP);
		segs_free_table(segs);
	}
	rig_free(&rig);
}
END_TEST

START_TEST(a_small_map_that_pretends_to_be_vast_ends_soon)
{
	uint64_t s = 1, at[4];
	struct map_root root = { .depth = 4, .pages = UINT32_MAX };
	uint8_t buf[VARVE_BLOCK];
	struct page_store *pages;
	struct ps_image *img;
	struct segs *segs;
	struct pstore *ps;
	int rc = 0;

	start(32);
	rig_churn(&rig, &s, 20, 20);
	/* Four nodes, each 256 times the one below: 4 billion pages in one. */
	blocks.n = 0;
	ck_assert_int_eq(pstore_walk(rig.ps, collect, &blocks), 0);
	for (unsigned i = 0; i < 4; i++)
		at[i] = blocks.addr[i + 1];
	forge(&rig, at[0], &blocks.addr[8], 1);
	for (unsigned i = 1; i < 4; i++)
		root.crc = forge(&rig, at[i], &at[i - 1], 1);
	root.addr = at[3];
	ck_assert_int_eq(open_forged(&rig, &root, &segs, &ps), 0);
	pages = pstore_pages(ps);
	img = pages->ops->acquire(pages);
	ck_assert_int_eq(pages->ops->read(pages, img, 123456789, buf), 0);
	ck_assert_int_eq(pstore_walk(ps, collect, &blocks), -VE_PAGE_MAP);
	for (uint32_t pg = 1; pg < UINT32_MAX - 256 && !rc; pg += 256)
		rc = pages->ops->read(pages, img, pg, buf);
	ck_assert_int_eq(rc, -VE_PAGE_MAP);
	pages->ops->release(pages, img);
	ck_assert_int_eq(pages->ops->txn_begin(pages), 0);
	ck_assert_int_eq(pages->ops->txn_truncate(pages, 0), -VE_PAGE_MAP);
	pages->ops->txn_abort(pages);
	pstore_close(ps);
	segs_free_table(segs);
	/* The same with bitmaps that must be rebuilt. */
	flip(rig.dev, segs_addr(rig.segs, segs_index(rig.segs, at[0])) + VARVE_BLOCK, 9);
	ck_assert_int_eq(open_forged(&rig, &root, &segs, &ps), 0);
	pstore_close(ps);
	segs_free_table(segs);
	rig_free(&rig);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("t3_store_pstore_damage");
	TCase *tc = tcase_create("damage");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, a_flipped_bit_in_any_page_or_node_is_found_and_only_there);
	tcase_add_loop_test(tc, damaged_bitmaps_are_rebuilt_from_the_map, 0, 4);
	tcase_add_test(tc, with_map_and_bitmaps_damaged_nothing_that_is_left_gets_overwritten);
	tcase_add_test(tc, a_damaged_page_does_not_keep_a_shrunken_database_from_its_checkpoints);
	tcase_add_test(tc, forged_addresses_in_the_map_are_errors_and_nothing_else);
	tcase_add_test(tc, a_map_of_an_impossible_shape_is_refused);
	tcase_add_test(tc, a_small_map_that_pretends_to_be_vast_ends_soon);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
