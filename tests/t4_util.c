/* SPDX-License-Identifier: MIT */
/* t4_util.c - see t4_util.h. */
#include "t4_util.h"

#include "base/clock.h"

const struct fs_cred t4_root = { 0 };
const struct fs_cred t4_user = { .uid = 1000, .gid = 1000, .umask = 022 };

static void mount_with(struct t4 *t, const struct vol_opts *o)
{
	ok(ring_create(256, 0, &t->ring));
	ok(vol_open(t->d, o, &t->v));
	ok(fs_open_volume(t->v, &t->o, &t->fs));
	ok(fs_ctx_open(t->fs, t->ring, &t->c));
}

void t4_mount(struct t4 *t)
{
	struct vol_opts o;

	vol_opts_default(&o);
	o.no_ckpt_thread = true;
	o.threads = 1;
	mount_with(t, &o);
}

static void leave(struct t4 *t)
{
	fs_ctx_close(t->c);
	fs_close_volume(t->fs);
}

void t4_start_on(struct t4 *t, struct dev *d)
{
	struct vol_format f = { .root_mode = 0755 };

	memset(t, 0, sizeof(*t));
	t->d = d;
	ok(vol_mkfs(d, &f));
	t4_mount(t);
}

void t4_start(struct t4 *t, uint64_t size)
{
	struct dev *d;

	ok(dev_mem_new(size, &d));
	t4_start_on(t, d);
}

void t4_mount_with(struct t4 *t, struct dev *d, const struct vol_opts *o)
{
	memset(t, 0, sizeof(*t));
	t->d = d;
	mount_with(t, o);
}

static void say(void *arg, const char *finding)
{
	fprintf(stderr, "verify: %s\n", finding);
}

int t4_verify(struct t4 *t)
{
	return vol_verify(fs_vol_ctx(t->c), say, NULL);
}

void t4_stop(struct t4 *t)
{
	ck_assert_int_eq(t4_verify(t), 0);
	leave(t);
	ok(vol_close(t->v));
	ring_destroy(t->ring);
	dev_close(t->d);
	clock_set_wall(NULL);
}

void t4_abandon(struct t4 *t)
{
	leave(t);
	vol_abandon(t->v);
	ring_destroy(t->ring);
	dev_close(t->d);
}

void t4_remount(struct t4 *t)
{
	leave(t);
	ok(vol_close(t->v));
	ring_destroy(t->ring);
	t4_mount(t);
}

void t4_kill(struct t4 *t)
{
	leave(t);
	vol_abandon(t->v);
	ring_destroy(t->ring);
	t4_mount(t);
}

void t4_checkpoint(struct t4 *t)
{
	ok(vol_checkpoint(fs_vol_ctx(t->c)));
}

static void woken(struct log_waiter *w, int err)
{
	w->fn = NULL;
}

void t4_admit(struct t4 *t)
{
	struct log_waiter w;

	for (;;) {
		w.fn = woken;
		if (fs_admit(t->c, &w))
			break;
		while (w.fn)
			ck_assert_int_ge(ring_run(t->ring, -1), 0);
	}
	if (ring_pending(t->ring))
		ck_assert_int_ge(ring_run(t->ring, 0), 0);
}

uint64_t t4_inodes(struct t4 *t)
{
	struct vol_space sp;

	vol_get_space(t->v, &sp);
	return sp.inodes;
}

uint64_t t4_make(struct t4 *t, uint64_t dir, const char *name, uint32_t mode)
{
	struct fs_attr a;

	t4_admit(t);
	ok(fs_make(t->c, &t4_root, dir, name, mode, 0, &a));
	return a.ino;
}

uint64_t t4_lookup(struct t4 *t, uint64_t dir, const char *name)
{
	struct fs_attr a;

	ok(fs_lookup(t->c, dir, name, &a));
	return a.ino;
}

bool t4_has(struct t4 *t, uint64_t dir, const char *name)
{
	struct fs_attr a;
	int err = fs_lookup(t->c, dir, name, &a);

	if (!err)
		fs_forget(t->c, a.ino, 1);
	else
		gives(-ENOENT, err);
	return !err;
}

struct fs_attr t4_attr(struct t4 *t, uint64_t ino)
{
	struct fs_attr a;

	ok(fs_getattr(t->c, ino, &a));
	return a;
}

void t4_write(struct t4 *t, uint64_t ino, const void *buf, uint32_t len, uint64_t off)
{
	t4_admit(t);
	ok(fs_write(t->c, &t4_root, ino, buf, len, off, 0, false, NULL));
}

struct waited_read {
	struct vol_read r;
	bool done;
	int err;
};

static void read_done(struct vol_read *r, int err)
{
	struct waited_read *w = container_of(r, struct waited_read, r);

	w->done = true;
	w->err = err;
}

uint32_t t4_read(struct t4 *t, uint64_t ino, void *buf, uint32_t len, uint64_t off)
{
	struct waited_read w = { .r = { .ino = ino, .off = off, .len = len, .buf = buf,
					.done = read_done } };
	int r = fs_read(t->c, &w.r);

	ck_assert_msg(r >= 0, "read: %s", err_str(r));
	while (r == 1 && !w.done)
		ck_assert_int_ge(ring_run(t->ring, -1), 0);
	ok(w.err);
	return w.r.len;
}

void t4_chmod(struct t4 *t, uint64_t ino, uint32_t mode)
{
	struct fs_setattr s = { .valid = FSA_MODE, .mode = mode };

	t4_admit(t);
	ok(fs_setattr(t->c, &t4_root, ino, &s, NULL));
}

void t4_truncate(struct t4 *t, uint64_t ino, uint64_t size)
{
	struct fs_setattr s = { .valid = FSA_SIZE, .size = size };

	t4_admit(t);
	ok(fs_setattr(t->c, &t4_root, ino, &s, NULL));
}

static int64_t fixed_ns;

static int64_t fixed_clock(void)
{
	return fixed_ns;
}

void t4_clock_set(int64_t ns)
{
	fixed_ns = ns;
	clock_set_wall(fixed_clock);
}

#ifndef T4_PLAIN
int t4_run(Suite *s)
{
	SRunner *r = srunner_create(s);
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
#endif
