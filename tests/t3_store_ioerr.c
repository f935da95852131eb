/* SPDX-License-Identifier: MIT */
/* t3_store_ioerr.c - a device that fails, and a device that is full.
 *
 * Every request of a workload fails in turn, once or from then on: the caller
 * gets EIO or EROFS; after a write or flush of the log has failed nothing is
 * accepted any more, and a sync never succeeds by being asked again; nothing
 * hangs; and what was synced is there when the device works again.
 * Every allocation of a segment fails in turn: the caller gets ENOSPC, the
 * volume stays consistent, deleting and checkpoints go on. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/msg.h"
#include "store/check.h"
#include "store/vol_int.h"
#include "vol_rig.h"

#define SIZE (32u << 20)
#define STEPS 4u

static struct dev *start; /* a killed volume: opening it replays */
static struct snap truth[STEPS + 1]; /* at the start, and after each step's sync */
static uint64_t requests[DEV_FLUSH + 1];
static int64_t now_ns;
static const struct fs_cred cred;

static int64_t steady(void)
{
	return now_ns += 1000;
}

static void hush(enum msg_level level, const char *line)
{
}

/* What a run got to. */
struct run {
	unsigned synced;  /* steps */
	int err;          /* the first error */
	bool opened, closed;
};

static void fail_with(struct run *r, int err)
{
	if (err && !r->err)
		r->err = err;
}

/* After a failure: the log is dead for good, or was not concerned. */
static void probe(struct rig *g, const char *where)
{
	struct fs_attr a;
	int err, err2;

	err = rig_sync(g);
	err2 = rig_sync(g);
	ck_assert_msg(err_errno(err) == 0 || err_errno(err) == EIO || err_errno(err) == EROFS,
		      "%s: sync says %s", where, err_str(err));
	ck_assert_msg(!err == !err2, "%s: a sync that failed succeeds when asked again", where);
	err2 = fs_make(g->fc, &cred, VARVE_ROOT_INO, "probe", S_IFREG, 0, &a);
	if (err)
		ck_assert_msg(err_errno(err2) == EROFS, "%s: after a failed sync: %s", where,
			      err_str(err2));
	if (!err2)
		err2 = fs_unlink(g->fc, &cred, VARVE_ROOT_INO, "probe");
}

static void workload(struct rig *g, const char *where, struct run *r, struct snap *snaps)
{
	int err;

	memset(r, 0, sizeof(*r));
	now_ns = 1800000000000000000;
	r->err = rig_open(g, false);
	if (r->err)
		return;
	r->opened = true;
	for (unsigned n = 0; n < STEPS; n++) {
		err = rig_populate(g, n + 1);
		fail_with(r, err);
		if (!err) {
			err = rig_sync(g);
			fail_with(r, err);
			if (!err)
				r->synced = n + 1;
			if (snaps)
				snap_take(g, &snaps[n + 1]);
		}
		if (n != 1)
			fail_with(r, vol_checkpoint(fs_vol_ctx(g->fc)));
		if (r->err) {
			probe(g, where);
			break;
		}
	}
	err = rig_close(g);
	fail_with(r, err);
	r->closed = !err;
}

static void setup(void)
{
	struct dev_stats before, after;
	struct rig g;
	struct run r;

	clock_set_wall(steady);
	msg_set_hook(hush);
	now_ns = 1700000000000000000;
	ck_assert_int_eq(rig_new(&g, SIZE), 0);
	ck_assert_int_eq(rig_open(&g, false), 0);
	ck_assert_int_eq(rig_populate(&g, 0), 0);
	ck_assert_int_eq(rig_sync(&g), 0);
	snap_take(&g, &truth[0]);
	rig_kill(&g);
	start = g.dev;
	ck_assert_int_eq(dev_mem_copy(start, &g.dev), 0);
	dev_get_stats(g.dev, &before);
	workload(&g, "reference", &r, truth);
	ck_assert_int_eq(r.err, 0);
	dev_get_stats(g.dev, &after);
	requests[DEV_READ] = after.reads - before.reads;
	requests[DEV_WRITE] = after.writes - before.writes;
	requests[DEV_FLUSH] = after.flushes - before.flushes;
	rig_free(&g);
}

static void teardown(void)
{
	msg_set_hook(NULL);
	clock_set_wall(NULL);
	for (unsigned i = 0; i <= STEPS; i++)
		snap_free(&truth[i]);
	dev_close(start);
}

/* The device works again: what was synced is there, and all is consistent. */
static void look_after(struct rig *g, const struct run *r, const char *where)
{
	struct snap now;
	struct snap_diff d;
	struct check_opts o = { .mode = CHECK_ONLY, .force = true, .data = true };
	struct check_result cr;
	struct dev *copy;
	int err;

	ck_assert_int_eq(dev_mem_copy(g->dev, &copy), 0); /* without the faults */
	dev_close(g->dev);
	g->dev = copy;
	err = check_volume(g->dev, &o, &cr);
	ck_assert_msg(!err && !cr.found, "%s: %u findings, %s", where, cr.found, err_str(err));
	err = rig_open(g, false);
	ck_assert_msg(!err, "%s: cannot be opened afterwards: %s", where, err_str(err));
	snap_take(g, &now);
	snap_contains(&truth[r->synced], &now, &d);
	ck_assert_msg(!d.lies && !d.losses, "%s: synced %u steps: %s", where, r->synced, d.why);
	for (unsigned i = 0; i <= STEPS; i++) {
		if (now.op_seq != truth[i].op_seq)
			continue;
		snap_compare(&truth[i], &now, &d);
		ck_assert_msg(!d.lies && !d.losses, "%s: %s", where, d.why);
	}
	snap_free(&now);
	ck_assert_int_eq(rig_populate(g, 77), 0);
	ck_assert_int_eq(vol_verify(fs_vol_ctx(g->fc), NULL, NULL), 0);
	ck_assert_int_eq(rig_close(g), 0);
}

static const struct {
	enum dev_op op;
	unsigned times;
	const char *name;
} faults[] = {
	{ DEV_READ, 1, "read, once" }, { DEV_READ, 0, "read, for ever" },
	{ DEV_WRITE, 1, "write, once" }, { DEV_WRITE, 0, "write, for ever" },
	{ DEV_FLUSH, 1, "flush, once" }, { DEV_FLUSH, 0, "flush, for ever" },
};

START_TEST(each_request_that_fails_gives_eio_or_erofs_and_loses_nothing_synced)
{
	/* Most reads are of the same kinds. */
	unsigned failed = 0, step = faults[_i].op == DEV_READ && !getenv("VARVE_TEST_LONG") ? 7 : 1;
	struct rig g = { 0 };

	ck_assert_int_eq(ring_create(64, 0, &g.ring), 0);
	for (uint64_t n = 0; n < requests[faults[_i].op]; n += step) {
		struct run r;
		char where[64];

		snprintf(where, sizeof(where), "%s, request %llu", faults[_i].name,
			 (unsigned long long)n);
		ck_assert_int_eq(dev_mem_copy(start, &g.dev), 0);
		dev_sim_fail(g.dev, faults[_i].op, n, faults[_i].times, -VE_DEV_IO);
		workload(&g, where, &r, NULL);
		if (r.err) {
			int no = err_errno(r.err);

			ck_assert_msg(no == EIO || no == EROFS, "%s: %s", where, err_str(r.err));
			failed++;
		}
		look_after(&g, &r, where);
		dev_close(g.dev);
	}
	/* A write or flush that fails cannot pass unnoticed. */
	if (faults[_i].op != DEV_READ)
		ck_assert_uint_eq(failed, requests[faults[_i].op]);
	ring_destroy(g.ring);
}
END_TEST

START_TEST(a_mkfs_that_fails_leaves_no_half_volume)
{
	static const enum dev_op ops[] = { DEV_READ, DEV_WRITE, DEV_FLUSH };
	struct vol_format f = { .root_mode = 0755 };
	struct rig g = { 0 };

	ck_assert_int_eq(ring_create(64, 0, &g.ring), 0);
	for (unsigned k = 0; k < 6; k++) {
		for (uint64_t n = 0, err = 1; err && n < 1000; n++) {
			struct dev *d, *copy;

			ck_assert_int_eq(dev_mem_copy(start, &d), 0);
			dev_sim_fail(d, ops[k / 2], n, k % 2, -VE_DEV_IO);
			err = (uint64_t)-vol_mkfs(d, &f);
			ck_assert_int_eq(dev_mem_copy(d, &copy), 0);
			dev_close(d);
			if (err) {
				/* the old one, a whole new one, or none */
				g.dev = copy;
				if (rig_open(&g, false) == 0) {
					ck_assert(vol_op_seq(g.vol) >= truth[0].op_seq ||
						  vol_op_seq(g.vol) == 1);
					ck_assert_int_eq(vol_verify(fs_vol_ctx(g.fc), NULL, NULL),
							 0);
					ck_assert_int_eq(rig_populate(&g, 66), 0);
					ck_assert_int_eq(rig_close(&g), 0);
				}
			}
			dev_close(copy);
		}
	}
	ring_destroy(g.ring);
}
END_TEST

START_TEST(a_check_and_a_repair_of_a_failing_device_end_with_an_error_or_a_finding)
{
	struct check_opts o = { .mode = (enum check_mode)_i, .force = true, .data = true };
	struct check_result r;

	for (unsigned op = DEV_READ; op <= DEV_FLUSH; op++) {
		for (uint64_t n = 0; n < 60; n += op == DEV_READ ? 3 : 1) {
			struct rig g = { 0 };
			struct run all = { 0 };

			ck_assert_int_eq(ring_create(64, 0, &g.ring), 0);
			ck_assert_int_eq(dev_mem_copy(start, &g.dev), 0);
			dev_sim_fail(g.dev, (enum dev_op)op, n, 0, -VE_DEV_IO);
			if (check_volume(g.dev, &o, &r) == 0 && !r.found)
				n = 60; /* it got by without this request */
			look_after(&g, &all, "check");
			dev_close(g.dev);
			ring_destroy(g.ring);
		}
	}
}
END_TEST

/* --- full --- */

static int remove_tree(struct rig *g, unsigned n)
{
	char name[64];
	struct fs_attr dir, sub;
	int err;

	snprintf(name, sizeof(name), "dir-%u", n);
	err = fs_lookup(g->fc, VARVE_ROOT_INO, name, &dir);
	if (err)
		return err == -ENOENT ? 0 : err;
	for (unsigned i = 0; i < 10 && !err; i++) {
		snprintf(name, sizeof(name), "file-%u-%u", n, i);
		err = fs_unlink(g->fc, &cred, dir.ino, name);
		if (err == -ENOENT)
			err = 0;
	}
	if (!err && fs_lookup(g->fc, dir.ino, "sub", &sub) == 0) {
		for (unsigned i = 0; i < 30 && !err; i++) {
			snprintf(name, sizeof(name), "small-%u", i);
			err = fs_unlink(g->fc, &cred, sub.ino, name);
			if (err == -ENOENT)
				err = 0;
		}
		fs_forget(g->fc, sub.ino, 1);
	}
	if (!err)
		err = fs_unlink(g->fc, &cred, dir.ino, "moved");
	if (err == -ENOENT)
		err = 0;
	fs_forget(g->fc, dir.ino, 1);
	snprintf(name, sizeof(name), "link-%u", n);
	if (!err)
		err = fs_unlink(g->fc, &cred, VARVE_ROOT_INO, name);
	return err == -ENOENT ? 0 : err;
}

static const struct {
	unsigned times;
	enum seg_class most;
} fulls[] = { { 1, SEG_SYSTEM }, { 0, SEG_USER }, { 1, SEG_USER } };

START_TEST(each_allocation_that_fails_gives_enospc_and_harms_nothing)
{
	unsigned hits = 0;

	for (uint64_t n = 0; n < 1000; n++) {
		struct rig g = { 0 };
		int err = 0, err2;
		char where[64];

		snprintf(where, sizeof(where), "variant %d allocation %llu", _i,
			 (unsigned long long)n);
		ck_assert_int_eq(ring_create(64, 0, &g.ring), 0);
		ck_assert_int_eq(dev_mem_copy(start, &g.dev), 0);
		ck_assert_int_eq(rig_open(&g, false), 0);
		segs_inject_full(g.vol->segs, n, fulls[_i].times, fulls[_i].most);
		for (unsigned i = 1; i < 8 && !err; i++) {
			err = rig_populate(&g, i);
			err2 = i % 2 && !err ? vol_checkpoint(fs_vol_ctx(g.fc)) : 0;
			err = err ? err : err2;
		}
		ck_assert_msg(!err || err == -ENOSPC, "%s: %s", where, err_str(err));
		ck_assert_msg(!vol_readonly(g.vol), "%s: read-only", where);
		ck_assert_msg(vol_verify(fs_vol_ctx(g.fc), NULL, NULL) == 0, "%s", where);
		err2 = remove_tree(&g, 0);
		ck_assert_msg(!err2, "%s: deleting: %s", where, err_str(err2));
		for (int i = 0; i < 2; i++) {
			err2 = vol_checkpoint(fs_vol_ctx(g.fc));
			ck_assert_msg(!err2, "%s: checkpoint: %s", where, err_str(err2));
		}
		ck_assert_int_eq(rig_sync(&g), 0);
		ck_assert_msg(vol_verify(fs_vol_ctx(g.fc), NULL, NULL) == 0, "%s", where);
		if (n % 2)
			rig_kill(&g);
		else
			ck_assert_int_eq(rig_close(&g), 0);
		ck_assert_int_eq(rig_open(&g, false), 0);
		ck_assert_msg(vol_verify(fs_vol_ctx(g.fc), NULL, NULL) == 0, "%s", where);
		ck_assert_int_eq(rig_populate(&g, 50), 0);
		ck_assert_int_eq(rig_close(&g), 0);
		rig_free(&g);
		if (!err)
			break;
		hits++;
	}
	ck_assert_uint_gt(hits, 1);
}
END_TEST

/* Really full, in all sizes that a small volume can have. */
START_TEST(a_full_small_volume_can_be_emptied_and_used_again)
{
	for (unsigned round = 0; round < 3; round++) {
		struct rig g;
		struct segs_space sp;
		unsigned n = 0;
		uint64_t size = (18u + (unsigned)_i) * (1u << 20) + (unsigned)_i * 333 * 4096;
		int err = 0;

		ck_assert_int_eq(rig_new(&g, size), 0);
		ck_assert_int_eq(rig_open(&g, false), 0);
		for (; !err && n < 500; n++) {
			err = rig_populate(&g, n);
			if (!err && round == 1 && n % 3 == 0)
				err = vol_checkpoint(fs_vol_ctx(g.fc));
			if (!err && round == 2 && n % 4 == 0) {
				ck_assert_int_eq(rig_close(&g), 0);
				ck_assert_int_eq(rig_open(&g, false), 0);
			}
		}
		ck_assert_msg(err == -ENOSPC, "size %llu: %s", (unsigned long long)size,
			      err_str(err));
		ck_assert_int_eq(vol_verify(fs_vol_ctx(g.fc), NULL, NULL), 0);
		for (unsigned k = 0; k < n; k++) {
			err = remove_tree(&g, k);
			ck_assert_msg(!err, "size %llu round %u: deleting tree %u of %u: %s",
				      (unsigned long long)size, round, k, n, err_str(err));
			if (k % 5 == 0)
				ck_assert_int_eq(vol_checkpoint(fs_vol_ctx(g.fc)), 0);
		}
		for (int i = 0; i < 3; i++)
			ck_assert_int_eq(vol_checkpoint(fs_vol_ctx(g.fc)), 0);
		ck_assert_int_eq(vol_verify(fs_vol_ctx(g.fc), NULL, NULL), 0);
		err = rig_populate(&g, 1000);
		segs_get_space(g.vol->segs, &sp);
		ck_assert_msg(!err, "size %llu round %u: emptied, yet %s: %u segments, %u free, "
			      "%u pending, %u log, %u metadata, %u reserve, %llu live",
			      (unsigned long long)size, round, err_str(err), sp.total, sp.free,
			      sp.pending, sp.log, sp.meta, sp.reserve,
			      (unsigned long long)sp.live_bytes);
		ck_assert_int_eq(rig_close(&g), 0);
		ck_assert_int_eq(rig_open(&g, false), 0);
		ck_assert_int_eq(vol_verify(fs_vol_ctx(g.fc), NULL, NULL), 0);
		ck_assert_int_eq(rig_close(&g), 0);
		rig_free(&g);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("store_ioerr");
	TCase *tc = tcase_create("failing");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 600);
	tcase_add_loop_test(tc, each_request_that_fails_gives_eio_or_erofs_and_loses_nothing_synced, 0,
			    ARRAY_LEN(faults));
	tcase_add_test(tc, a_mkfs_that_fails_leaves_no_half_volume);
	tcase_add_loop_test(tc,
			    a_check_and_a_repair_of_a_failing_device_end_with_an_error_or_a_finding,
			    0, 3);
	suite_add_tcase(s, tc);
	tc = tcase_create("full");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 600);
	tcase_add_loop_test(tc, each_allocation_that_fails_gives_enospc_and_harms_nothing, 0,
			    ARRAY_LEN(fulls));
	tcase_add_loop_test(tc, a_full_small_volume_can_be_emptied_and_used_again, 0, 6);
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
