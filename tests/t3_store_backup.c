/* SPDX-License-Identifier: MIT */
/* t3_store_backup.c - metadata backups (store/backup.h): two are kept, the log that
 * rolls the older one forward stays, and neither costs a user the space. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/msg.h"
#include "log/scan.h"
#include "store/backup.h"
#include "vol_rig.h"

#define SIZE (128u << 20)
static const struct fs_cred root_cred = { .umask = 022 };

static void ok(int err)
{
	ck_assert_msg(!err, "%s", err_str(err));
}

static struct vol_ctx *ctx(struct rig *g)
{
	return fs_vol_ctx(g->fc);
}

static unsigned complete(struct rig *g, struct backup_ref r[SLOT_BACKUPS])
{
	unsigned n = 0;

	vol_backups(g->vol, r);
	for (unsigned k = 0; k < SLOT_BACKUPS; k++)
		n += r[k].id != 0;
	return n;
}

/* Writes a file over and over: log that soon has nothing live. */
static void churn(struct rig *g, unsigned mib)
{
	struct fs_attr a;
	int err = fs_lookup(g->fc, VARVE_ROOT_INO, "churn", &a);

	if (err)
		err = fs_make(g->fc, &root_cred, VARVE_ROOT_INO, "churn", S_IFREG | 0644, 0, &a);
	ok(err);
	for (unsigned i = 0; i < mib; i++)
		ok(rig_write(g, a.ino, 0, 1u << 20, i));
	fs_forget(g->fc, a.ino, 1);
}

static void start(struct rig *g)
{
	ok(rig_new(g, SIZE));
	ok(rig_open(g, false));
	ok(rig_populate(g, 0));
}

/* Batches that follow pos. */
static uint64_t chain_from(struct rig *g, const struct log_pos *pos)
{
	struct scan *s;
	struct batch b;
	uint64_t last = 0;

	ok(scan_open(g->dev, vol_super(g->vol), pos, &s));
	while (scan_next(s, &b) > 0)
		last = b.seq;
	scan_close(s);
	return last;
}

START_TEST(the_newest_backup_and_the_one_before_are_kept)
{
	struct backup_ref r[SLOT_BACKUPS];
	struct bk_found *f;
	uint64_t op[4];
	struct rig g;
	size_t n;

	start(&g);
	for (unsigned i = 0; i < 4; i++) {
		ok(rig_populate(&g, i + 1));
		ok(vol_backup(ctx(&g)));
		op[i] = vol_op_seq(g.vol);
		ck_assert_uint_eq(complete(&g, r), MIN(i + 1, 2));
	}
	ok(bk_find(g.dev, vol_super(g.vol), NULL, NULL, &f, &n));
	ck_assert_uint_ge(n, 2);
	ck_assert_uint_eq(f[0].head.n.op_seq, op[3]);
	ck_assert_uint_eq(f[1].head.n.op_seq, op[2]);
	bk_found_free(f, n);
	rig_kill(&g);
	rig_free(&g);
}
END_TEST

START_TEST(a_backup_holds_the_pages_of_its_image)
{
	struct page_store *ps, *bs;
	struct ps_image *img, *bi;
	struct bk_image *image;
	struct bk_found *f;
	uint8_t a[VARVE_BLOCK], b[VARVE_BLOCK];
	struct rig g;
	size_t n;

	start(&g);
	for (unsigned i = 1; i < 40; i++)
		ok(rig_populate(&g, i));
	ok(vol_backup(ctx(&g)));
	ok(bk_find(g.dev, vol_super(g.vol), NULL, NULL, &f, &n));
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_ge(f[0].chunks, 2);
	ps = pstore_pages(g.vol->ps);
	image = bk_image_open(g.dev, vol_super(g.vol), &f[0]);
	bs = bk_image_pages(image);
	img = ps->ops->acquire(ps);
	bi = bs->ops->acquire(bs);
	for (uint32_t p = 2; p <= f[0].head.pages; p++) {
		ok(ps->ops->read(ps, img, p, a));
		ok(bs->ops->read(bs, bi, p, b));
		/* The checkpoint after it has changed the counts and page 1. */
		if (memcmp(a, b, VARVE_BLOCK) != 0)
			n++;
	}
	ck_assert_uint_le(n, 3);
	ps->ops->release(ps, img);
	bk_image_close(image);
	bk_found_free(f, 1);
	rig_kill(&g);
	rig_free(&g);
}
END_TEST

START_TEST(the_log_since_the_older_backup_stays_also_across_mounts)
{
	struct backup_ref r[SLOT_BACKUPS];
	struct log_pos pos;
	struct bk_found *f;
	struct rig g;
	uint64_t last;
	size_t n;

	start(&g);
	ok(vol_backup(ctx(&g)));
	ok(bk_find(g.dev, vol_super(g.vol), NULL, NULL, &f, &n));
	pos = f[0].head.pos;
	bk_found_free(f, n);
	for (unsigned life = 0; life < 3; life++) {
		churn(&g, 12);
		for (unsigned i = 0; i < 4; i++)
			ok(vol_checkpoint(ctx(&g)));
		if (life == 1)
			ok(vol_backup(ctx(&g)));
		ok(rig_sync(&g));
		last = log_durable_seq(vol_log(g.vol));
		ck_assert_uint_eq(chain_from(&g, &pos), last);
		if (life == 0)
			rig_kill(&g);
		else
			ok(rig_close(&g));
		ok(rig_open(&g, false));
		ck_assert_uint_eq(complete(&g, r), life ? 2 : 1);
	}
	ck_assert_uint_ge(bk_held(g.vol), 20);
	/* Two more, and nobody needs the oldest part any more. */
	ok(vol_backup(ctx(&g)));
	ok(vol_backup(ctx(&g)));
	for (unsigned i = 0; i < 3; i++)
		ok(vol_checkpoint(ctx(&g)));
	ck_assert_uint_le(bk_held(g.vol), 6);
	ok(rig_close(&g));
	rig_free(&g);
}
END_TEST

/* Bytes that can be written until ENOSPC, one file per MiB. */
static unsigned fill_up(struct rig *g)
{
	char name[32];
	unsigned n = 0;
	int err;

	for (;; n++) {
		struct fs_attr a;

		snprintf(name, sizeof(name), "fill-%u", n);
		vol_tick(ctx(g)); /* what waiting for admission would do */
		vol_tick(ctx(g));
		ok(vol_checkpoint(ctx(g)));
		ok(vol_checkpoint(ctx(g)));
		err = fs_make(g->fc, &root_cred, VARVE_ROOT_INO, name, S_IFREG | 0644, 0, &a);
		if (!err) {
			err = rig_write(g, a.ino, 0, 1u << 20, n);
			fs_forget(g->fc, a.ino, 1);
		}
		if (err)
			break;
	}
	ck_assert_int_eq(err, -ENOSPC);
	return n;
}

static int silenced;
static void silence(enum msg_level level, const char *line)
{
	silenced += strstr(line, "no metadata backup any more") != NULL;
}

START_TEST(backups_are_given_up_before_a_user_sees_a_full_volume)
{
	struct backup_ref r[SLOT_BACKUPS];
	unsigned with, without;
	struct rig g;

	start(&g);
	churn(&g, 30);
	without = fill_up(&g);
	rig_kill(&g);
	rig_free(&g);

	msg_set_hook(silence);
	start(&g);
	ok(vol_backup(ctx(&g)));
	churn(&g, 30);
	ck_assert_uint_eq(complete(&g, r), 1);
	with = fill_up(&g);
	ck_assert_uint_eq(complete(&g, r), 0);
	ck_assert_int_ge(silenced, 1);
	msg_set_hook(NULL);
	ck_assert_msg(with + 2 >= without, "%u MiB instead of %u", with, without);
	ok(rig_close(&g));
	rig_free(&g);
}
END_TEST

START_TEST(a_backup_that_was_cut_off_costs_nothing_for_long)
{
	struct segs_space before, after;
	struct rig g;

	start(&g);
	for (unsigned i = 0; i < 3; i++)
		ok(vol_checkpoint(ctx(&g)));
	segs_get_space(vol_segs(g.vol), &before);
	/* The second write fails: after the checkpoint come chunks. */
	ok(vol_checkpoint(ctx(&g)));
	msg_set_hook(silence);
	dev_sim_fail(g.dev, DEV_READ, 0, 1, -VE_DEV_IO);
	ck_assert_int_lt(vol_backup(ctx(&g)), 0);
	msg_set_hook(NULL);
	for (unsigned i = 0; i < 3; i++)
		ok(vol_checkpoint(ctx(&g)));
	segs_get_space(vol_segs(g.vol), &after);
	ck_assert_uint_le(before.free, after.free + 1);
	ck_assert_uint_eq(bk_held(g.vol), 0);
	ok(vol_backup(ctx(&g)));
	ok(rig_close(&g));
	rig_free(&g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("metadata backups");
	TCase *tc = tcase_create("backup");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, the_newest_backup_and_the_one_before_are_kept);
	tcase_add_test(tc, a_backup_holds_the_pages_of_its_image);
	tcase_add_test(tc, the_log_since_the_older_backup_stays_also_across_mounts);
	tcase_add_test(tc, backups_are_given_up_before_a_user_sees_a_full_volume);
	tcase_add_test(tc, a_backup_that_was_cut_off_costs_nothing_for_long);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
