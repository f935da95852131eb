/* SPDX-License-Identifier: MIT */
/* t5_rebuild.c - a volume whose slots and database are destroyed comes back
 * (store/rebuild.h): all of it with a backup, also if the newest one is damaged; and
 * from the log's batches alone as far as they go. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/msg.h"
#include "gc/gc.h"
#include "log/scan.h"
#include "store/backup.h"
#include "store/rebuild.h"
#include "vol_rig.h"

#define SIZE (192u << 20)
static const struct fs_cred root_cred = { .umask = 022 };

static void ok(int err)
{
	ck_assert_msg(!err, "%s", err_str(err));
}

static struct vol_ctx *ctx(struct rig *g)
{
	return fs_vol_ctx(g->fc);
}

static void spoil(struct rig *g, uint64_t off, uint64_t len)
{
	uint8_t *junk = dev_alloc(65536);

	for (size_t i = 0; i < 65536; i++)
		junk[i] = (uint8_t)(i * 7 + off / 4096);
	for (uint64_t at = 0; at < len; at += 65536)
		ok(dev_write(g->dev, junk, off + at, (uint32_t)MIN(65536, len - at)));
	dev_free(junk);
}

/* Both slots and every segment that was ever metadata. */
static void destroy_metadata(struct rig *g)
{
	struct super sup;
	struct slot s[2] = { 0 };

	ok(super_read(g->dev, &sup, NULL));
	for (unsigned i = 0; i < 2; i++)
		ok(slot_read(g->dev, &sup, i, &s[i]));
	for (uint32_t i = 0; i < sup.seg_count; i++)
		if (s[0].table[i].state == SEG_META || s[1].table[i].state == SEG_META)
			spoil(g, sup.seg_base + (uint64_t)i * sup.seg_size, sup.seg_size);
	spoil(g, sup.slot_off, 2 * sup.slot_size);
	slot_free(&s[0]);
	slot_free(&s[1]);
}

static void damage_backup(struct rig *g, size_t nth)
{
	struct super sup;
	struct bk_found *f;
	size_t n;

	ok(super_read(g->dev, &sup, NULL));
	ok(bk_find(g->dev, &sup, NULL, NULL, &f, &n));
	ck_assert_uint_gt(n, nth);
	spoil(g, f[nth].addr[f[nth].chunks / 2] + VARVE_BLOCK, VARVE_BLOCK);
	bk_found_free(f, n);
}

static void say(void *arg, enum check_level level, const char *text)
{
	if (getenv("VARVE_PRINT"))
		printf("%s\n", text);
}

static void rebuild(struct rig *g, struct rebuild_result *r)
{
	struct rebuild_opts o = { .say = say };

	ok(rebuild_volume(g->dev, &o, r));
}

static void count_finding(void *arg, const char *finding)
{
	printf("%s\n", finding);
}

static void must_be_sound(struct rig *g)
{
	ck_assert_int_eq(vol_verify(ctx(g), count_finding, NULL), 0);
}

static void quiet(enum msg_level level, const char *line)
{
}

static void rewrite(struct rig *g, unsigned mib)
{
	struct fs_attr a;
	int err = fs_lookup(g->fc, VARVE_ROOT_INO, "churn", &a);

	if (err)
		err = fs_make(g->fc, &root_cred, VARVE_ROOT_INO, "churn", S_IFREG | 0644, 0, &a);
	ok(err);
	for (unsigned i = 0; i < mib; i++)
		ok(rig_write(g, a.ino, 0, 1u << 20, i));
	fs_forget(g->fc, a.ino, 1);
	ok(vol_checkpoint(ctx(g)));
	ok(vol_checkpoint(ctx(g)));
}

static void expect_same(const struct snap *truth, struct rig *g)
{
	struct snap_diff d;
	struct snap now;

	snap_take(g, &now);
	snap_compare(truth, &now, &d);
	ck_assert_msg(!d.lies && !d.losses, "%u lies, %u losses: %s", d.lies, d.losses, d.why);
	snap_free(&now);
}

/* Every second file goes, and what is left moves. */
static void compact(struct rig *g)
{
	struct gc_stats st;
	struct fs_attr d;
	struct gc *gc;
	char name[32];

	for (unsigned n = 0; n < 5; n++) {
		snprintf(name, sizeof(name), "dir-%u", n);
		ok(fs_lookup(g->fc, VARVE_ROOT_INO, name, &d));
		for (unsigned i = 0; i < 10; i += 2) {
			snprintf(name, sizeof(name), "file-%u-%u", n, i);
			ok(fs_unlink(g->fc, &root_cred, d.ino, name));
		}
		fs_forget(g->fc, d.ino, 1);
	}
	rewrite(g, 3);
	ok(gc_start(g->vol, &(struct gc_opts){ .no_thread = true }, &gc));
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_ge(gc_pass(gc, 64u << 20), 0);
	gc_get_stats(gc, &st);
	ck_assert_uint_gt(st.moved_pieces, 100);
	gc_stop(gc);
}

/* What is done after the first backup, by case. */
enum { PLAIN, NEWEST_DAMAGED, CHURN, KILLED, REMOUNTED, COMPACTED, CASES };

START_TEST(everything_synced_comes_back_from_a_backup_and_the_log)
{
	struct rebuild_result r;
	struct snap truth;
	struct rig g;

	msg_set_hook(quiet);
	ok(rig_new(&g, SIZE));
	ok(rig_open(&g, false));
	for (unsigned i = 0; i < 5; i++)
		ok(rig_populate(&g, i));
	if (_i == COMPACTED) /* so that the log goes on elsewhere */
		rewrite(&g, 3);
	ok(vol_backup(ctx(&g)));
	if (_i == COMPACTED) /* what the backup does not hold */
		compact(&g);
	if (_i == CHURN)
		rewrite(&g, 20);
	ok(rig_populate(&g, 10));
	ok(vol_backup(ctx(&g)));
	ok(fs_unlink(g.fc, &root_cred, VARVE_ROOT_INO, "link-3"));
	if (_i == CHURN)
		rewrite(&g, 20);
	ok(rig_populate(&g, 11));
	if (_i == REMOUNTED) {
		for (unsigned life = 0; life < 3; life++) {
			if (life == 1)
				rig_kill(&g);
			else
				ok(rig_close(&g));
			ok(rig_open(&g, false));
			ok(rig_populate(&g, 20 + life));
			rewrite(&g, 8);
		}
	}
	ok(rig_sync(&g));
	snap_take(&g, &truth);
	if (_i == KILLED || _i == REMOUNTED)
		rig_kill(&g);
	else
		ok(rig_close(&g));
	destroy_metadata(&g);
	if (_i == NEWEST_DAMAGED)
		damage_backup(&g, 0);

	ck_assert_int_eq(rig_open(&g, true), -VE_NO_SLOT);
	rebuild(&g, &r);
	ck_assert(r.from_backup);
	ck_assert_uint_eq(r.missing, 0);
	ck_assert_uint_eq(r.left, 0);
	ck_assert_uint_eq(r.op_seq, truth.op_seq);
	ok(rig_open(&g, false));
	expect_same(&truth, &g);
	must_be_sound(&g);
	/* It lives on. */
	ok(rig_populate(&g, 50));
	ok(vol_backup(ctx(&g)));
	ok(rig_close(&g));
	ok(rig_open(&g, false));
	must_be_sound(&g);
	ok(rig_close(&g));
	snap_free(&truth);
	rig_free(&g);
	msg_set_hook(NULL);
}
END_TEST

static int so_many_writes(void *arg, uint64_t off, uint32_t len)
{
	unsigned *left = arg;

	if (!*left)
		return -VE_DEV_IO;
	--*left;
	return 0;
}

START_TEST(an_interrupted_rebuild_can_be_run_again)
{
	struct rebuild_opts o = { .say = say };
	struct rebuild_result r;
	struct snap truth;
	struct rig g;
	unsigned tries = 0;

	msg_set_hook(quiet);
	ok(rig_new(&g, SIZE));
	ok(rig_open(&g, false));
	ok(rig_populate(&g, 0));
	ok(vol_backup(ctx(&g)));
	ok(rig_populate(&g, 1));
	snap_take(&g, &truth);
	ok(rig_close(&g));
	destroy_metadata(&g);
	for (int err = -EIO; err; tries++) {
		unsigned left = tries;
		struct dev *front;

		ok(dev_guard_new(g.dev, so_many_writes, &left, &front));
		err = rebuild_volume(front, &o, &r);
		dev_close(front);
		/* Once the slot is written it is a volume after a crash. */
		if (err && !rig_open(&g, true)) {
			expect_same(&truth, &g);
			rig_kill(&g);
		}
		ck_assert_uint_lt(tries, 200);
	}
	ck_assert_uint_ge(tries, 6);
	ok(rig_open(&g, false));
	expect_same(&truth, &g);
	must_be_sound(&g);
	ok(rig_close(&g));
	snap_free(&truth);
	rig_free(&g);
	msg_set_hook(NULL);
}
END_TEST

START_TEST(without_a_backup_all_that_the_log_has_comes_back)
{
	struct rebuild_result r;
	struct snap truth;
	struct rig g;

	msg_set_hook(quiet);
	ok(rig_new(&g, SIZE));
	ok(rig_open(&g, false));
	for (unsigned i = 0; i < 4; i++) {
		ok(rig_populate(&g, i));
		if (i == 1) {
			ok(rig_close(&g));
			ok(rig_open(&g, false));
		}
		if (i == 2)
			ok(vol_checkpoint(ctx(&g)));
	}
	ok(rig_sync(&g));
	snap_take(&g, &truth);
	if (_i)
		rig_kill(&g);
	else
		ok(rig_close(&g));
	destroy_metadata(&g);
	rebuild(&g, &r);
	ck_assert(!r.from_backup);
	ck_assert_uint_eq(r.missing + r.skipped + r.left, 0);
	ok(rig_open(&g, false));
	expect_same(&truth, &g);
	must_be_sound(&g);
	ok(rig_populate(&g, 9));
	ok(rig_close(&g));
	snap_free(&truth);
	rig_free(&g);
	msg_set_hook(NULL);
}
END_TEST

/* --- lost batches --- */

struct lost {
	uint64_t addr;
	uint32_t bytes;
	unsigned n, want;
};

static void nth_batch(void *arg, const struct batch *b)
{
	struct lost *l = arg;

	if (l->n++ == l->want)
		*l = (struct lost){ b->addr, b->bytes, l->n, l->want };
}

static int count_entry(void *arg, const struct fs_dirent *d)
{
	*(unsigned *)arg += d->cookie > 2;
	return 0;
}

START_TEST(files_whose_names_are_lost_go_to_lost_and_found)
{
	struct rebuild_result r;
	struct lost l = { .want = 1 };
	struct fs_attr a, lf;
	char name[32], buf[8192] __attribute__((aligned(4096))), want[8192];
	unsigned found = 0;
	struct rig g;

	msg_set_hook(quiet);
	ok(rig_new(&g, SIZE));
	ok(rig_open(&g, false));
	/* One batch each: the root, the name, the content. */
	ok(fs_make(g.fc, &root_cred, VARVE_ROOT_INO, "precious", S_IFREG | 0644, 0, &a));
	ok(rig_sync(&g));
	ok(rig_write(&g, a.ino, 0, 8192, 5));
	ok(rig_sync(&g));
	ok(rig_read(&g, a.ino, 0, buf, 8192));
	memcpy(want, buf, 8192);
	ok(rig_populate(&g, 0));
	ok(rig_sync(&g));
	for (uint32_t i = 0; i < 4; i++)
		scan_segment(g.dev, vol_super(g.vol), i, nth_batch, &l);
	ck_assert_uint_ne(l.addr, 0);
	ok(rig_close(&g));
	destroy_metadata(&g);
	spoil(&g, l.addr, l.bytes);
	rebuild(&g, &r);
	ck_assert_uint_ge(r.missing, 1);
	ck_assert_uint_eq(r.left, 0);
	ok(rig_open(&g, false));
	must_be_sound(&g);
	ck_assert_int_eq(fs_lookup(g.fc, VARVE_ROOT_INO, "precious", &a), -ENOENT);
	ok(fs_lookup(g.fc, VARVE_ROOT_INO, "lost+found", &lf));
	ok(fs_readdir(g.fc, lf.ino, 0, false, count_entry, &found));
	ck_assert_uint_eq(found, 1);
	snprintf(name, sizeof(name), "#%llu", 2ull);
	ok(fs_lookup(g.fc, lf.ino, name, &a));
	ck_assert_uint_eq(a.size, 8192);
	ok(rig_read(&g, a.ino, 0, buf, 8192));
	ck_assert_mem_eq(buf, want, 8192);
	ok(rig_close(&g));
	rig_free(&g);
	msg_set_hook(NULL);
}
END_TEST

START_TEST(losing_any_batches_gives_a_sound_volume)
{
	struct rebuild_result r;
	struct rig g;

	msg_set_hook(quiet);
	ok(rig_new(&g, SIZE));
	ok(rig_open(&g, false));
	for (unsigned i = 0; i < 12; i++) {
		ok(rig_populate(&g, i));
		ok(rig_sync(&g));
	}
	rig_kill(&g);
	destroy_metadata(&g);
	for (unsigned k = 0; k < 3; k++) {
		struct lost l = { .want = (unsigned)_i * 2 + k * 5 };
		struct super sup;

		ok(super_read(g.dev, &sup, NULL));
		for (uint32_t i = 0; i < 32; i++)
			scan_segment(g.dev, &sup, i, nth_batch, &l);
		if (l.addr)
			spoil(&g, l.addr, VARVE_BLOCK);
	}
	rebuild(&g, &r);
	ck_assert_uint_eq(r.left, 0);
	ok(rig_open(&g, false));
	must_be_sound(&g);
	ok(rig_populate(&g, 99));
	ok(rig_close(&g));
	rig_free(&g);
	msg_set_hook(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rebuilding");
	TCase *tc = tcase_create("rebuild");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, everything_synced_comes_back_from_a_backup_and_the_log, 0, CASES);
	tcase_add_test(tc, an_interrupted_rebuild_can_be_run_again);
	tcase_add_loop_test(tc, without_a_backup_all_that_the_log_has_comes_back, 0, 2);
	tcase_add_test(tc, files_whose_names_are_lost_go_to_lost_and_found);
	tcase_add_loop_test(tc, losing_any_batches_gives_a_sound_volume, 0, 8);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
