/* SPDX-License-Identifier: MIT */
/* t4_fs_threads.c - several threads in the same directories, with checkpoints
 * behind their backs: whatever happens, the volume stays consistent and every
 * answer is one that some order of the operations allows.
 * Also: a volume that is full can always be emptied (I5), and one whose device
 * fails goes on reading. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "t4_util.h"

#define THREADS 4
#define DIRS 3
#define NAMES 40

static struct vol *vol;
static struct fs *fs;
static uint64_t dirs[DIRS];
static atomic_uint bad;

struct worker {
	pthread_t thread;
	unsigned seed;
	struct ring *ring;
	struct fs_ctx *c;
};

static void woken(struct log_waiter *w, int err)
{
	w->fn = NULL;
}

static void admit(struct worker *w)
{
	struct log_waiter lw;

	for (;;) {
		lw.fn = woken;
		if (fs_admit(w->c, &lw))
			break;
		while (lw.fn)
			ring_run(w->ring, -1);
	}
	if (ring_pending(w->ring))
		ring_run(w->ring, 0);
}

/* Errors that a race with others explains. */
static void allow(int err, const char *what)
{
	switch (err) {
	case 0: case 1: case -ENOENT: case -EEXIST: case -ESTALE: case -ENOTEMPTY: case -EISDIR:
	case -ENOTDIR: case -EINVAL:
		return;
	}
	fprintf(stderr, "%s: %s\n", what, err_str(err));
	atomic_fetch_add(&bad, 1);
}

static int nothing(void *arg, const struct fs_dirent *d)
{
	return 0;
}

/* A file with content, used while others unlink or replace it. */
static void use_file(struct worker *w, uint64_t dir, const char *name)
{
	static const char text[] = "every byte of it";
	struct fs_attr a;
	int err = fs_make(w->c, &t4_root, dir, name, S_IFREG | 0644, 0, &a);

	allow(err, "make");
	if (err)
		return;
	err = fs_opened(w->c, a.ino, O_RDWR);
	if (err)
		atomic_fetch_add(&bad, 1);
	fs_forget(w->c, a.ino, 1);
	if (fs_write(w->c, &t4_root, a.ino, text, sizeof(text), 0, 0, false, NULL))
		atomic_fetch_add(&bad, 1);
	if (fs_getattr(w->c, a.ino, &a) || a.size != sizeof(text))
		atomic_fetch_add(&bad, 1);
	if (w->seed % 7 == 0 && fs_sync_wait(w->c, a.ino))
		atomic_fetch_add(&bad, 1);
	fs_released(w->c, a.ino);
}

static void one(struct worker *w)
{
	uint64_t d1 = dirs[rand_r(&w->seed) % DIRS], d2 = dirs[rand_r(&w->seed) % DIRS];
	char n1[16], n2[16];
	struct fs_attr a;
	int err;

	snprintf(n1, sizeof(n1), "n%d", rand_r(&w->seed) % NAMES);
	snprintf(n2, sizeof(n2), "n%d", rand_r(&w->seed) % NAMES);
	admit(w);
	switch (rand_r(&w->seed) % 10) {
	case 0: case 1: case 2:
		use_file(w, d1, n1);
		break;
	case 3:
		err = fs_make(w->c, &t4_root, d1, n1, S_IFDIR | 0755, 0, &a);
		allow(err, "mkdir");
		if (!err)
			fs_forget(w->c, a.ino, 1);
		break;
	case 4:
		allow(fs_unlink(w->c, &t4_root, d1, n1), "unlink");
		break;
	case 5:
		allow(fs_rmdir(w->c, &t4_root, d1, n1), "rmdir");
		break;
	case 6: case 7:
		allow(fs_rename(w->c, &t4_root, d1, n1, d2, n2, (unsigned)rand_r(&w->seed) % 5),
		      "rename");
		break;
	case 8:
		err = fs_lookup(w->c, d1, n1, &a);
		allow(err, "lookup");
		if (!err) {
			if (!S_ISDIR(a.mode)) {
				uint64_t ino = a.ino;

				err = fs_link(w->c, &t4_root, ino, d2, n2, &a);
				allow(err, "link");
				if (!err)
					fs_forget(w->c, ino, 1);
				a.ino = ino;
			}
			fs_forget(w->c, a.ino, 1);
		}
		break;
	case 9:
		allow(fs_readdir(w->c, d1, 0, true, nothing, NULL), "readdir");
		break;
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;

	if (ring_create(256, 0, &w->ring) || fs_ctx_open(fs, w->ring, &w->c)) {
		atomic_fetch_add(&bad, 1);
		return NULL;
	}
	for (int i = 0; i < 20000; i++)
		one(w);
	fs_ctx_close(w->c);
	ring_destroy(w->ring);
	return NULL;
}

static void say(void *arg, const char *finding)
{
	fprintf(stderr, "verify: %s\n", finding);
}

static int orphan(void *arg, const struct inode_row *i)
{
	fprintf(stderr, "inode %lu has no name\n", (unsigned long)i->ino);
	return 1;
}

START_TEST(threads_in_the_same_directories_leave_a_consistent_volume)
{
	struct worker w[THREADS] = { 0 };
	struct vol_format f = { .root_mode = 0755 };
	struct vol_opts o;
	struct ring *ring;
	struct fs_ctx *c;
	struct reader *rd;
	struct fs_attr a;
	struct dev *d;
	char name[16];

	ok(dev_mem_new(256 * MIB, &d));
	ok(vol_mkfs(d, &f));
	vol_opts_default(&o);
	o.threads = THREADS + 1;
	o.overlay_bytes = 256u << 10; /* checkpoints all the time */
	o.commit_ms = 20;
	ok(vol_open(d, &o, &vol));
	ok(fs_open_volume(vol, NULL, &fs));
	ok(ring_create(64, 0, &ring));
	ok(fs_ctx_open(fs, ring, &c));
	for (int i = 0; i < DIRS; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		ok(fs_make(c, &t4_root, ROOT, name, S_IFDIR | 0755, 0, &a));
		dirs[i] = a.ino;
	}
	for (int i = 0; i < THREADS; i++) {
		w[i].seed = (unsigned)(i + 1 + 100 * _i);
		ck_assert_int_eq(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(w[i].thread, NULL);
	ck_assert_uint_eq(atomic_load(&bad), 0);
	ok(vol_verify(fs_vol_ctx(c), say, NULL));
	fs_ctx_close(c);
	ring_destroy(ring);
	fs_close_volume(fs);
	ok(vol_close(vol));
	/* Nothing is in use: no orphan may be left on the device. */
	o.no_ckpt_thread = true;
	ok(vol_open(d, &o, &vol));
	rd = reader_new(vol_state(vol));
	ck_assert_int_eq(state_orphans(vol_state(vol), rd, 0, orphan, NULL), 0);
	reader_free(rd);
	vol_abandon(vol);
	dev_close(d);
}
END_TEST

static struct t4 t;

START_TEST(a_full_volume_says_so_and_can_be_emptied)
{
	char name[16], *buf = calloc(1, MIB);
	struct fs_attr a;
	struct fs_statfs before, after;
	int files = 0, err = 0;

	t4_start(&t, 64 * MIB);
	ok(fs_statfs(t.c, &before));
	for (int round = 0; round < 3; round++) {
		for (files = 0; !err; files++) {
			snprintf(name, sizeof(name), "f%d", files);
			t4_admit(&t);
			err = fs_make(t.c, &t4_root, ROOT, name, S_IFREG | 0644, 0, &a);
			if (err)
				break;
			err = fs_write(t.c, &t4_root, a.ino, buf, _i ? 5000 : MIB, 0, 0, false,
				       NULL);
			fs_forget(t.c, a.ino, 1);
		}
		gives(-ENOSPC, err);
		err = 0;
		ck_assert_int_gt(files, _i ? 1000 : 20);
		ck_assert_uint_gt(t4_attr(&t, ROOT).size, 20);
		while (files-- >= 0) {
			snprintf(name, sizeof(name), "f%d", files + 1);
			t4_admit(&t);
			if (t4_has(&t, ROOT, name))
				ok(fs_unlink(t.c, &t4_root, ROOT, name));
		}
		ck_assert_uint_eq(t4_attr(&t, ROOT).size, 0);
		for (int i = 0; i < 3; i++)
			t4_checkpoint(&t);
	}
	ok(fs_statfs(t.c, &after));
	ck_assert_uint_ge(after.bfree * 10, before.bfree * 8);
	free(buf);
	t4_stop(&t);
}
END_TEST

START_TEST(a_failing_device_ends_changes_and_nothing_else)
{
	struct fs_setattr mode = { .valid = FSA_MODE, .mode = 0600 };
	struct fs_attr a;
	uint64_t f;
	char buf[8];

	t4_start(&t, 64 * MIB);
	f = t4_make(&t, ROOT, "f", S_IFREG | 0644);
	t4_write(&t, f, "kept", 4, 0);
	ok(fs_sync_wait(t.c, f));
	ok(fs_opened(t.c, f, O_RDWR));
	dev_sim_fail(t.d, _i ? DEV_FLUSH : DEV_WRITE, 0, 0, -VE_DEV_IO);
	t4_write(&t, f, "lost", 4, 4);
	ck_assert_int_ne(fs_sync_wait(t.c, f), 0);
	ck_assert_int_ne(fs_sync_wait(t.c, f), 0); /* never as if it had worked */
	ck_assert_int_eq(err_errno(fs_make(t.c, &t4_root, ROOT, "g", S_IFREG, 0, &a)), EROFS);
	ck_assert_int_eq(err_errno(fs_setattr(t.c, &t4_root, f, &mode, NULL)), EROFS);
	ck_assert_int_eq(err_errno(fs_unlink(t.c, &t4_root, ROOT, "f")), EROFS);
	ck_assert_int_eq(err_errno(fs_write(t.c, &t4_root, f, "x", 1, 0, 0, false, NULL)), EROFS);
	ck_assert_uint_eq(t4_read(&t, f, buf, 4, 0), 4);
	ck_assert_mem_eq(buf, "kept", 4);
	ck_assert_uint_eq(t4_lookup(&t, ROOT, "f"), f);
	fs_released(t.c, f);
	fs_forget(t.c, f, 2);
	t4_abandon(&t);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fs threads");
	TCase *tc = tcase_create("threads");

	tcase_set_timeout(tc, 180);
	tcase_add_loop_test(tc, threads_in_the_same_directories_leave_a_consistent_volume, 0, 2);
	tcase_add_loop_test(tc, a_full_volume_says_so_and_can_be_emptied, 0, 2);
	tcase_add_loop_test(tc, a_failing_device_ends_changes_and_nothing_else, 0, 2);
	suite_add_tcase(s, tc);
	return t4_run(s);
}
