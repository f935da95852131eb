/* SPDX-License-Identifier: MIT */
/* t4_fs_sync.c - what each way to sync promises (doc/durability.md), and costs.
 *
 * Promises: after power loss that takes any part of what was not flushed, a
 * synced change is there, and so is every change acknowledged before it; what
 * was not synced may be lost (or the test would show nothing); an fsync is one
 * write and one flush, and no database page; fsyncs that wait together share
 * them. */
#include "t4_util.h"

#include <fcntl.h>

#include "base/clock.h"
#include "log/log.h"

#define SIZE (32 * MIB)
#define SEEDS 12u

static struct t4 t;

/* --- costs --- */

struct cost {
	uint64_t writes, write_bytes, flushes, batches, log_bytes, log_flushes;
};

static struct cost cost_now(void)
{
	struct log_stats ls;
	struct dev_stats ds;

	dev_get_stats(t.d, &ds);
	log_get_stats(vol_log(t.v), &ls);
	return (struct cost){ ds.writes, ds.write_bytes, ds.flushes, ls.batches,
			      ls.written_bytes, ls.flushes };
}

static void one_append_one_flush(const struct cost *a, const char *what)
{
	struct cost b = cost_now();

	ck_assert_msg(b.writes - a->writes == 1 && b.flushes - a->flushes == 1 &&
		      b.batches - a->batches == 1, "%s: %d writes, %d flushes, %d batches", what,
		      (int)(b.writes - a->writes), (int)(b.flushes - a->flushes),
		      (int)(b.batches - a->batches));
	/* All that was written was the log's. */
	ck_assert_msg(b.write_bytes - a->write_bytes == b.log_bytes - a->log_bytes,
		      "%s: %d bytes written, %d of them by the log", what,
		      (int)(b.write_bytes - a->write_bytes), (int)(b.log_bytes - a->log_bytes));
}

/* --- changes, each with what shows that it is there --- */

/* Present from the start: directory d with file old; files f, other. */
static uint64_t d, f, other;

static void begin_with(void)
{
	struct fs_attr a;

	d = t4_make(&t, ROOT, "d", S_IFDIR | 0755);
	f = t4_make(&t, ROOT, "f", S_IFREG | 0644);
	other = t4_make(&t, ROOT, "other", S_IFREG | 0644);
	t4_make(&t, d, "old", S_IFREG | 0644);
	ok(fs_lookup(t.c, d, "old", &a));
	t4_write(&t, f, "first", 5, 0);
	ok(fs_sync_wait(t.c, 0));
}

/* After a mount: the numbers again. */
static void find_again(void)
{
	d = t4_lookup(&t, ROOT, "d");
	f = t4_lookup(&t, ROOT, "f");
	other = t4_lookup(&t, ROOT, "other");
}

static bool content_is(uint64_t ino, const char *want)
{
	char buf[64];
	uint32_t n = t4_read(&t, ino, buf, sizeof(buf), 0);

	return n == strlen(want) && memcmp(buf, want, n) == 0;
}

static uint64_t do_write(void)
{
	t4_write(&t, f, "second", 6, 0);
	return f;
}

static bool see_write(void)
{
	return content_is(f, "second");
}

static uint64_t do_create(void)
{
	return t4_make(&t, d, "new", S_IFREG | 0600);
}

static uint64_t do_create_in(void)
{
	do_create();
	return d;
}

static bool see_create(void)
{
	return t4_has(&t, d, "new");
}

static uint64_t do_mkdir(void)
{
	t4_make(&t, d, "new", S_IFDIR | 0700);
	return d;
}

static uint64_t do_symlink(void)
{
	struct fs_attr a;

	t4_admit(&t);
	ok(fs_symlink(t.c, &t4_root, d, "new", "target", &a));
	return d;
}

static uint64_t do_unlink(void)
{
	t4_admit(&t);
	ok(fs_unlink(t.c, &t4_root, d, "old"));
	return d;
}

static bool see_unlink(void)
{
	return !t4_has(&t, d, "old");
}

static uint64_t do_rename(void)
{
	t4_admit(&t);
	ok(fs_rename(t.c, &t4_root, d, "old", ROOT, "moved", 0));
	return d;
}

static uint64_t do_rename_to(void)
{
	do_rename();
	return ROOT;
}

static uint64_t do_rename_file(void)
{
	uint64_t ino = t4_lookup(&t, d, "old");

	do_rename();
	return ino;
}

static bool see_rename(void)
{
	return !t4_has(&t, d, "old") && t4_has(&t, ROOT, "moved");
}

static uint64_t do_link(void)
{
	struct fs_attr a;

	t4_admit(&t);
	ok(fs_link(t.c, &t4_root, f, d, "new", &a));
	return f;
}

static uint64_t do_truncate(void)
{
	t4_admit(&t);
	t4_truncate(&t, f, 2);
	return f;
}

static bool see_truncate(void)
{
	return t4_attr(&t, f).size == 2;
}

static uint64_t do_chmod(void)
{
	t4_admit(&t);
	t4_chmod(&t, f, 0751);
	return f;
}

static bool see_chmod(void)
{
	return (t4_attr(&t, f).mode & 07777) == 0751;
}

static uint64_t do_setxattr(void)
{
	t4_admit(&t);
	ok(fs_setxattr(t.c, &t4_root, f, "user.a", "b", 1, 0, false));
	return f;
}

static bool see_setxattr(void)
{
	size_t n;
	void *v;
	int err = fs_getxattr(t.c, f, "user.a", &v, &n);

	if (!err)
		free(v);
	return !err;
}

static uint64_t do_fallocate(void)
{
	t4_admit(&t);
	ok(fs_fallocate(t.c, &t4_root, f, 0, 0, 100000));
	return f;
}

static bool see_fallocate(void)
{
	return t4_attr(&t, f).size == 100000;
}

static uint64_t do_clone(void)
{
	uint64_t n;

	t4_admit(&t);
	ok(fs_clone(t.c, &t4_root, f, 0, other, 0, 5, &n));
	return other;
}

static bool see_clone(void)
{
	return content_is(other, "first");
}

static const struct change {
	const char *what;
	uint64_t (*make)(void); /* returns what is to be synced */
	bool (*see)(void);
} changes[] = {
	{ "write, fsync", do_write, see_write },
	{ "create, fsync of the file", do_create, see_create },
	{ "create, fsync of the directory", do_create_in, see_create },
	{ "mkdir, fsync of its parent", do_mkdir, see_create },
	{ "symlink, fsync of the directory", do_symlink, see_create },
	{ "unlink, fsync of the directory", do_unlink, see_unlink },
	{ "rename, fsync of the old directory", do_rename, see_rename },
	{ "rename, fsync of the new directory", do_rename_to, see_rename },
	{ "rename, fsync of the file", do_rename_file, see_rename },
	{ "link, fsync of the file", do_link, see_create },
	{ "truncate, fsync", do_truncate, see_truncate },
	{ "chmod, fsync", do_chmod, see_chmod },
	{ "setxattr, fsync", do_setxattr, see_setxattr },
	{ "fallocate, fsync", do_fallocate, see_fallocate },
	{ "clone, fsync", do_clone, see_clone },
};
#define CHANGES ((int)(sizeof(changes) / sizeof(changes[0])))

START_TEST(an_fsync_costs_one_append_and_one_flush_and_no_database_page)
{
	const struct change *c = &changes[_i];
	struct cost before;
	uint64_t ino;

	t4_start(&t, SIZE);
	begin_with();
	before = cost_now();
	ino = c->make();
	ck_assert_msg(cost_now().flushes == before.flushes, "%s flushed by itself", c->what);
	ok(fs_sync_wait(t.c, ino));
	one_append_one_flush(&before, c->what);
	/* and once more: nothing is left to do */
	before = cost_now();
	ok(fs_sync_wait(t.c, ino));
	ck_assert_uint_eq(cost_now().flushes, before.flushes);
	t4_stop(&t);
}
END_TEST

struct waiting {
	struct log_waiter w;
	int *left;
};

static void waited(struct log_waiter *w, int err)
{
	struct waiting *x = container_of(w, struct waiting, w);

	ok(err);
	--*x->left;
}

START_TEST(fsyncs_that_wait_together_share_writes_and_flushes)
{
	enum { N = 100 };
	static struct waiting w[N];
	uint64_t ino[N];
	struct cost a, b;
	int left = N;
	char name[16];

	t4_start(&t, SIZE);
	begin_with();
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		ino[i] = t4_make(&t, d, name, S_IFREG | 0644);
	}
	ok(fs_sync_wait(t.c, 0));
	a = cost_now();
	for (int i = 0; i < N; i++) {
		/* no t4_write(): it would let the ring run */
		ok(fs_write(t.c, &t4_root, ino[i], "x", 1, 0, 0, false, NULL));
		w[i].w.fn = waited;
		w[i].left = &left;
		fs_sync(t.c, ino[i], &w[i].w);
	}
	while (left)
		ck_assert_int_ge(ring_run(t.ring, -1), 0);
	b = cost_now();
	/* One by one it would be 100 of each. */
	ck_assert_uint_le(b.flushes - a.flushes, 4);
	ck_assert_uint_le(b.writes - a.writes, 4);
	ck_assert_uint_eq(b.write_bytes - a.write_bytes, b.log_bytes - a.log_bytes);
	t4_stop(&t);
}
END_TEST

/* --- power loss --- */

static void mount_image(struct dev *crash, size_t cut, uint64_t seed)
{
	struct vol_opts o;
	struct dev *image;

	vol_opts_default(&o);
	o.no_ckpt_thread = true;
	o.threads = 1;
	ok(dev_crash_image(crash, cut, seed, &image));
	t4_mount_with(&t, image, &o);
	find_again();
}

/* In how many of the states that the disk may have is the change there, and
 * what was done before it?  Every image is checked and closed. */
static unsigned seen_in(struct dev *crash, const struct change *c, bool need_earlier)
{
	size_t cut = dev_crash_events(crash);
	unsigned seen = 0;

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		bool there;

		mount_image(crash, cut, seed);
		there = c->see();
		if (need_earlier || there)
			ck_assert_msg(t4_has(&t, ROOT, "earlier"),
				      "%s: seed %d: there, but not what was done before", c->what,
				      (int)seed);
		seen += there;
		t4_stop(&t);
	}
	return seen;
}

enum how { FSYNC, SYNCFS, O_SYNC_WRITE, CHECKPOINT, UNMOUNT, NOTHING, HOWS };

static void sync_by(enum how how, uint64_t ino)
{
	uint64_t batch = 0;

	switch (how) {
	case FSYNC:
		ok(fs_sync_wait(t.c, ino));
		break;
	case SYNCFS:
		ok(fs_sync_wait(t.c, 0));
		break;
	case O_SYNC_WRITE:
		/* as the FUSE layer serves O_SYNC and O_DSYNC */
		t4_admit(&t);
		ok(fs_write(t.c, &t4_root, other, "synced", 6, 0, 0, false, &batch));
		ok(vol_sync_wait(fs_vol_ctx(t.c), batch));
		break;
	case CHECKPOINT:
		t4_checkpoint(&t);
		break;
	default:
		break;
	}
}

static void run_change(const struct change *c, enum how how)
{
	struct dev *crash;
	unsigned seen;
	uint64_t ino;

	ok(dev_crash_new(SIZE, &crash));
	t4_start_on(&t, crash);
	begin_with();
	t4_make(&t, ROOT, "earlier", S_IFREG | 0644);
	ino = c->make();
	sync_by(how, ino);
	/* From here on nothing more reaches the device. */
	if (how == UNMOUNT) {
		fs_ctx_close(t.c);
		fs_close_volume(t.fs);
		ok(vol_close(t.v));
		ring_destroy(t.ring);
	} else {
		dev_crash_cut(crash);
		fs_ctx_close(t.c);
		fs_close_volume(t.fs);
		vol_abandon(t.v);
		ring_destroy(t.ring);
	}
	seen = seen_in(crash, c, how != NOTHING);
	if (how == NOTHING)
		ck_assert_msg(seen < SEEDS, "%s: not synced, and yet never lost", c->what);
	else
		ck_assert_msg(seen == SEEDS, "%s (way %d): lost in %u of %u states", c->what,
			      (int)how, SEEDS - seen, SEEDS);
	dev_close(crash);
}

START_TEST(a_synced_change_and_all_before_it_survive_power_loss)
{
	const struct change *c = &changes[_i / HOWS];

	/* O_SYNC is a write of its own; clone would overwrite it. */
	if (_i % HOWS == O_SYNC_WRITE && c->make == do_clone)
		return;
	run_change(c, _i % HOWS);
}
END_TEST

/* --- the commit interval --- */

static void tick_until_durable(uint64_t batch, int64_t until)
{
	while (!vol_is_durable(t.v, batch) && clock_mono() < until) {
		vol_tick(fs_vol_ctx(t.c));
		ck_assert_int_ge(ring_run(t.ring, 0), 0);
	}
}

START_TEST(unsynced_work_survives_power_loss_after_the_commit_interval)
{
	bool soon = _i;
	struct vol_opts o;
	struct dev *crash;
	uint64_t batch = 0;
	unsigned seen;

	ok(dev_crash_new(SIZE, &crash));
	t4_start_on(&t, crash);
	begin_with();
	t4_make(&t, ROOT, "earlier", S_IFREG | 0644);
	fs_ctx_close(t.c);
	fs_close_volume(t.fs);
	ok(vol_close(t.v));
	ring_destroy(t.ring);

	vol_opts_default(&o);
	o.no_ckpt_thread = true;
	o.threads = 1;
	o.commit_ms = soon ? 10 : 3600000;
	o.ckpt_ms = 3600000;
	t4_mount_with(&t, crash, &o);
	find_again();
	t4_admit(&t);
	ok(fs_write(t.c, &t4_root, f, "second", 6, 0, 0, false, &batch));
	ck_assert(!vol_is_durable(t.v, batch));
	/* Far more than 10 ms only if it does not come at all. */
	tick_until_durable(batch, clock_mono() + (soon ? 20000000000ll : 30000000ll));
	ck_assert_int_eq(vol_is_durable(t.v, batch), soon);
	dev_crash_cut(crash);
	fs_ctx_close(t.c);
	fs_close_volume(t.fs);
	vol_abandon(t.v);
	ring_destroy(t.ring);
	seen = seen_in(crash, &changes[0], true);
	if (soon)
		ck_assert_uint_eq(seen, SEEDS);
	else
		ck_assert_uint_eq(seen, 0);
	dev_close(crash);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fs sync");
	TCase *tc = tcase_create("sync");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, an_fsync_costs_one_append_and_one_flush_and_no_database_page, 0,
			    CHANGES);
	tcase_add_test(tc, fsyncs_that_wait_together_share_writes_and_flushes);
	tcase_add_loop_test(tc, a_synced_change_and_all_before_it_survive_power_loss, 0,
			    CHANGES * HOWS);
	tcase_add_loop_test(tc, unsynced_work_survives_power_loss_after_the_commit_interval, 0, 2);
	suite_add_tcase(s, tc);
	return t4_run(s);
}
