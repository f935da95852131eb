/* SPDX-License-Identifier: MIT */
/* t4_fs_attr.c - modes, owners, times, sizes, inode flags, set-id clearing,
 * relatime, what open and fsync look at. */
#include <fcntl.h>
#include <linux/falloc.h>

#include "base/clock.h"
#include "t4_util.h"

#define SEC 1000000000ll
#define DAY (24 * 3600 * SEC)

static struct t4 t;
static uint64_t f;
static int64_t t0; /* later than anything that has happened */

static void setup(void)
{
	t4_start(&t, 64 * MIB);
	f = t4_make(&t, ROOT, "f", S_IFREG | 0644);
	t0 = clock_wall() + DAY;
}

static void teardown(void)
{
	t4_stop(&t);
}

static int set(uint64_t ino, const struct fs_setattr *a)
{
	return fs_setattr(t.c, &t4_root, ino, a, NULL);
}

START_TEST(attributes_are_kept_across_mounts)
{
	struct fs_setattr s = { .valid = FSA_UID | FSA_GID | FSA_ATIME | FSA_MTIME,
				.uid = 5, .gid = 6, .atime = -SEC + 1, .mtime = INT64_MAX };
	struct fs_attr a, b;

	ok(fs_setattr(t.c, &t4_root, f, &s, &a));
	t4_chmod(&t, f, 07777);
	a = t4_attr(&t, f);
	ck_assert_uint_eq(a.mode, S_IFREG | 07777);
	ck_assert_uint_eq(a.uid, 5);
	ck_assert_uint_eq(a.gid, 6);
	ck_assert_int_eq(a.atime, -SEC + 1);
	ck_assert_int_eq(a.mtime, INT64_MAX);
	t4_remount(&t);
	b = t4_attr(&t, f);
	ck_assert_mem_eq(&a, &b, sizeof(a));
}
END_TEST

START_TEST(chown_clears_set_id_bits_of_files_only)
{
	static const struct {
		uint32_t type, before, after;
	} cases[] = {
		{ S_IFREG, 06755, 00755 }, { S_IFREG, 06745, 02745 }, { S_IFREG, 04644, 00644 },
		{ S_IFDIR, 06755, 06755 },
	};
	struct fs_setattr s = { .valid = FSA_UID, .uid = 9 };
	char name[8];

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t x;

		snprintf(name, sizeof(name), "x%u", i);
		x = t4_make(&t, ROOT, name, cases[i].type | 0777);
		t4_chmod(&t, x, cases[i].before);
		ok(set(x, &s));
		ck_assert_uint_eq(t4_attr(&t, x).mode, cases[i].type | cases[i].after);
	}
}
END_TEST

START_TEST(changing_content_clears_set_id_bits_when_asked)
{
	struct fs_setattr s = { .valid = FSA_SIZE, .size = 3 };

	t4_chmod(&t, f, 06755);
	t4_write(&t, f, "root", 4, 0);
	ok(set(f, &s));
	ck_assert_uint_eq(t4_attr(&t, f).mode, S_IFREG | 06755);
	ok(fs_write(t.c, &t4_user, f, "x", 1, 0, 0, true, NULL));
	ck_assert_uint_eq(t4_attr(&t, f).mode, S_IFREG | 0755);
	t4_chmod(&t, f, 06745);
	s.valid |= FSA_KILL;
	ok(set(f, &s));
	ck_assert_uint_eq(t4_attr(&t, f).mode, S_IFREG | 02745);
	t4_chmod(&t, f, 06755);
	ok(fs_fallocate(t.c, &t4_root, f, 0, 0, 10));
	ck_assert_uint_eq(t4_attr(&t, f).mode, S_IFREG | 06755);
	ok(fs_fallocate(t.c, &t4_user, f, 0, 0, 10));
	ck_assert_uint_eq(t4_attr(&t, f).mode, S_IFREG | 0755);
}
END_TEST

START_TEST(truncate_refuses_what_is_no_file_or_too_big)
{
	struct fs_setattr s = { .valid = FSA_SIZE, .size = 1ull << 63 };
	uint64_t d = t4_make(&t, ROOT, "d", S_IFDIR | 0755);
	uint64_t p = t4_make(&t, ROOT, "p", S_IFIFO | 0755);

	gives(-EFBIG, set(f, &s));
	s.size = INT64_MAX;
	ok(set(f, &s));
	ck_assert_uint_eq(t4_attr(&t, f).size, INT64_MAX);
	s.size = 0;
	gives(-EISDIR, set(d, &s));
	gives(-EINVAL, set(p, &s));
	gives(-EISDIR, fs_write(t.c, &t4_root, d, "x", 1, 0, 0, false, NULL));
	gives(-EISDIR, fs_write(t.c, &t4_root, d, "x", 0, 0, 0, false, NULL));
	gives(-EINVAL, fs_write(t.c, &t4_root, p, "x", 1, 0, 0, false, NULL));
	gives(-EFBIG, fs_write(t.c, &t4_root, f, "x", 1, INT64_MAX, 0, false, NULL));
	gives(-EFBIG, fs_write(t.c, &t4_root, f, "x", 1, UINT64_MAX, 0, false, NULL));
	ok(fs_write(t.c, &t4_root, f, "x", 1, INT64_MAX - 1, 0, false, NULL));
	ck_assert_uint_eq(t4_attr(&t, f).size, INT64_MAX);
	ck_assert_uint_eq(t4_attr(&t, f).bytes, 1);
}
END_TEST

START_TEST(appends_go_to_the_end_as_it_is)
{
	char buf[16];

	t4_write(&t, f, "abc", 3, 0);
	ok(fs_write(t.c, &t4_root, f, "def", 3, 1, O_APPEND, false, NULL));
	ok(fs_write(t.c, &t4_root, f, "g", 1, 0, O_APPEND, false, NULL));
	ck_assert_uint_eq(t4_read(&t, f, buf, 16, 0), 7);
	ck_assert_mem_eq(buf, "abcdefg", 7);
}
END_TEST

START_TEST(immutable_and_append_only_files_refuse)
{
	struct fs_setattr mode = { .valid = FSA_MODE, .mode = 0600 };
	struct fs_setattr size = { .valid = FSA_SIZE };
	struct fs_setattr now = { .valid = FSA_ATIME_NOW | FSA_MTIME_NOW };
	struct fs_setattr times = { .valid = FSA_MTIME, .mtime = 1 };
	uint64_t g = t4_make(&t, ROOT, "g", S_IFREG | 0644), n;

	t4_write(&t, f, "abc", 3, 0);
	t4_write(&t, g, "abc", 3, 0);
	ok(fs_set_flags(t.c, &t4_root, f, INODE_APPEND));
	gives(-EPERM, set(f, &mode));
	gives(-EPERM, set(f, &size));
	gives(-EPERM, set(f, &times));
	ok(set(f, &now));
	gives(-EPERM, fs_opened(t.c, f, O_WRONLY));
	gives(-EPERM, fs_opened(t.c, f, O_RDWR | O_APPEND | O_TRUNC));
	ok(fs_opened(t.c, f, O_WRONLY | O_APPEND));
	ok(fs_opened(t.c, f, O_RDONLY));
	gives(-EPERM, fs_write(t.c, &t4_root, f, "x", 1, 0, 0, false, NULL));
	ok(fs_write(t.c, &t4_root, f, "x", 1, 0, O_APPEND, false, NULL));
	gives(-EPERM, fs_fallocate(t.c, &t4_root, f,
				   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1));
	ok(fs_fallocate(t.c, &t4_root, f, 0, 0, 8));
	gives(-EPERM, fs_setxattr(t.c, &t4_root, f, "user.a", "v", 1, 0, false));
	gives(-EPERM, fs_clone(t.c, &t4_root, g, 0, f, 0, 2, &n));

	ok(fs_set_flags(t.c, &t4_root, f, INODE_IMMUTABLE));
	gives(-EPERM, set(f, &mode));
	gives(-EPERM, set(f, &size));
	gives(-EPERM, set(f, &now));
	gives(-EPERM, fs_opened(t.c, f, O_WRONLY | O_APPEND));
	gives(-EPERM, fs_write(t.c, &t4_root, f, "x", 1, 0, O_APPEND, false, NULL));
	gives(-EPERM, fs_fallocate(t.c, &t4_root, f, 0, 0, 8));
	gives(-EPERM, fs_removexattr(t.c, &t4_root, f, "user.a"));
	gives(-EPERM, fs_clone(t.c, &t4_root, g, 0, f, 100, 2, &n));
	ok(fs_clone(t.c, &t4_root, f, 0, g, 0, 2, &n));

	gives(-EOPNOTSUPP, fs_set_flags(t.c, &t4_root, f, 0x4 /* compressed */));
	gives(-EPERM, fs_set_flags(t.c, &t4_user, f, INODE_NODUMP));
	ok(fs_set_flags(t.c, &t4_root, f, 0));
}
END_TEST

START_TEST(flags_are_inherited_as_ext4_does)
{
	uint64_t d = t4_make(&t, ROOT, "d", S_IFDIR | 0755);

	ok(fs_set_flags(t.c, &t4_root, d, INODE_NOATIME | INODE_NODUMP | INODE_SYNC | INODE_APPEND));
	ck_assert_uint_eq(t4_attr(&t, t4_make(&t, d, "f", S_IFREG)).flags,
			  INODE_NOATIME | INODE_NODUMP | INODE_SYNC);
	ck_assert_uint_eq(t4_attr(&t, t4_make(&t, d, "p", S_IFIFO)).flags,
			  INODE_NOATIME | INODE_NODUMP);
	ok(fs_set_flags(t.c, &t4_root, d, 0));
}
END_TEST

START_TEST(reads_move_atime_as_relatime_does)
{
	struct fs_setattr s = { .valid = FSA_ATIME | FSA_MTIME };
	char b[4];

	t4_clock_set(t0);
	f = t4_make(&t, ROOT, "g", S_IFREG | 0644);
	t4_write(&t, f, "abc", 3, 0);
	t4_clock_set(t0 + SEC);
	t4_read(&t, f, b, 3, 0);
	ck_assert_int_eq(t4_attr(&t, f).atime, t0 + SEC);
	ck_assert_int_eq(t4_attr(&t, f).ctime, t0); /* not a change */
	t4_clock_set(t0 + 2 * SEC);
	t4_read(&t, f, b, 3, 0);
	ck_assert_int_eq(t4_attr(&t, f).atime, t0 + SEC);
	t4_clock_set(t0 + DAY + SEC);
	t4_read(&t, f, b, 3, 3); /* nothing read at the end */
	ck_assert_int_eq(t4_attr(&t, f).atime, t0 + SEC);
	t4_read(&t, f, b, 3, 0);
	ck_assert_int_eq(t4_attr(&t, f).atime, t0 + DAY + SEC);
	ok(fs_set_flags(t.c, &t4_root, f, INODE_NOATIME));
	s.atime = s.mtime = 0;
	ok(set(f, &s));
	t4_read(&t, f, b, 3, 0);
	ck_assert_int_eq(t4_attr(&t, f).atime, 0);
}
END_TEST

static int stop(void *arg, const struct fs_dirent *d)
{
	return 1;
}

START_TEST(listing_and_readlink_move_atime_unless_noatime)
{
	struct fs_attr a;
	char *target;

	t4_clock_set(t0);
	t4_remount(&t);
	ok(fs_symlink(t.c, &t4_root, ROOT, "l", "x", &a));
	t4_clock_set(t0 + DAY);
	ok(fs_readlink(t.c, a.ino, &target));
	free(target);
	ok(fs_readdir(t.c, ROOT, 0, false, stop, NULL));
	ck_assert_int_eq(t4_attr(&t, a.ino).atime, t0 + DAY);
	ck_assert_int_eq(t4_attr(&t, ROOT).atime, t0 + DAY);
	t.o.relatime_off = true;
	t4_remount(&t);
	t4_clock_set(t0 + 10 * DAY);
	ok(fs_readdir(t.c, ROOT, 0, false, stop, NULL));
	ck_assert_int_eq(t4_attr(&t, ROOT).atime, t0 + DAY);
	t.o.relatime_off = false;
	t.o.strictatime = true;
	t4_remount(&t);
	ok(fs_readdir(t.c, ROOT, 0, false, stop, NULL));
	t4_clock_set(t0 + 10 * DAY + 1);
	ok(fs_readdir(t.c, ROOT, 0, false, stop, NULL));
	ck_assert_int_eq(t4_attr(&t, ROOT).atime, t0 + 10 * DAY + 1);
}
END_TEST

START_TEST(every_change_moves_the_times_it_must)
{
	struct fs_attr a, d;

	t4_clock_set(t0);
	t4_make(&t, ROOT, "a", S_IFREG | 0644);
	t4_clock_set(t0 + 1);
	t4_chmod(&t, f, 0600);
	a = t4_attr(&t, f);
	ck_assert_int_eq(a.ctime, t0 + 1);
	ck_assert_int_lt(a.mtime, t0 + 1);
	t4_clock_set(t0 + 2);
	t4_write(&t, f, "x", 1, 0);
	a = t4_attr(&t, f);
	ck_assert_int_eq(a.ctime, t0 + 2);
	ck_assert_int_eq(a.mtime, t0 + 2);
	t4_clock_set(t0 + 3);
	ok(fs_link(t.c, &t4_root, f, ROOT, "g", &a));
	d = t4_attr(&t, ROOT);
	ck_assert_int_eq(a.ctime, t0 + 3);
	ck_assert_int_eq(a.mtime, t0 + 2);
	ck_assert_int_eq(d.mtime, t0 + 3);
	ck_assert_int_eq(d.ctime, t0 + 3);
	t4_clock_set(t0 + 4);
	ok(fs_setxattr(t.c, &t4_root, f, "user.a", "v", 1, 0, false));
	ck_assert_int_eq(t4_attr(&t, f).ctime, t0 + 4);
	t4_clock_set(t0 + 5);
	t4_truncate(&t, f, 1);
	ck_assert_int_eq(t4_attr(&t, f).mtime, t0 + 5);
	t4_clock_set(t0 + 6);
	ok(fs_unlink(t.c, &t4_root, ROOT, "g"));
	ck_assert_int_eq(t4_attr(&t, f).ctime, t0 + 6);
	ck_assert_int_eq(t4_attr(&t, ROOT).mtime, t0 + 6);
	t4_clock_set(t0); /* the clock steps back: times do not */
	t4_chmod(&t, f, 0644);
	ck_assert_int_eq(t4_attr(&t, f).ctime, t0 + 6);
}
END_TEST

static uint64_t flushes(void)
{
	struct dev_stats s;

	dev_get_stats(t.d, &s);
	return s.flushes;
}

START_TEST(fsync_of_a_clean_file_costs_no_flush)
{
	uint64_t g = t4_make(&t, ROOT, "g", S_IFREG | 0644), n;

	t4_write(&t, f, "x", 1, 0);
	ok(fs_sync_wait(t.c, f));
	n = flushes();
	ok(fs_sync_wait(t.c, f));
	ok(fs_sync_wait(t.c, ROOT));
	ck_assert_uint_eq(flushes(), n);
	t4_write(&t, g, "x", 1, 0);
	ok(fs_sync_wait(t.c, f));
	ck_assert_uint_eq(flushes(), n);
	ok(fs_sync_wait(t.c, g));
	ck_assert_uint_gt(flushes(), n);
}
END_TEST

START_TEST(what_was_synced_is_there_after_a_kill)
{
	uint64_t d = t4_make(&t, ROOT, "d", S_IFDIR | 0755);
	uint64_t g = t4_make(&t, d, "g", S_IFREG | 0644);
	char buf[8];

	t4_write(&t, g, "synced", 6, 0);
	/* A forgotten node must not make fsync lie. */
	if (_i)
		fs_forget(t.c, g, 1);
	ok(fs_sync_wait(t.c, g));
	t4_kill(&t);
	g = t4_lookup(&t, t4_lookup(&t, ROOT, "d"), "g");
	ck_assert_uint_eq(t4_read(&t, g, buf, 8, 0), 6);
	ck_assert_mem_eq(buf, "synced", 6);
	ok(fs_unlink(t.c, &t4_root, t4_lookup(&t, ROOT, "d"), "g"));
	ok(fs_sync_wait(t.c, t4_lookup(&t, ROOT, "d")));
	t4_kill(&t);
	ck_assert(!t4_has(&t, t4_lookup(&t, ROOT, "d"), "g"));
}
END_TEST

START_TEST(statfs_tells_what_is_used)
{
	struct fs_statfs a, b;
	char *buf = calloc(1, MIB);

	ok(fs_statfs(t.c, &a));
	ck_assert_uint_le(a.bavail, a.blocks);
	ck_assert_uint_gt(a.ffree, 1000);
	for (int i = 0; i < 8; i++)
		t4_write(&t, f, buf, MIB, (uint64_t)i * MIB);
	ok(fs_statfs(t.c, &b));
	ck_assert_uint_le(b.bfree + 8 * MIB / 4096, a.bfree);
	ck_assert_uint_eq(b.blocks, a.blocks);
	free(buf);
}
END_TEST

START_TEST(a_read_only_volume_reads_and_refuses_changes)
{
	struct fs_attr a;
	struct vol_opts o;
	struct vol *v;
	struct fs *fs;
	struct fs_ctx *c;
	struct dev *d;
	char buf[4];

	t4_write(&t, f, "abc", 3, 0);
	ok(fs_opened(t.c, f, O_RDONLY));
	ok(fs_unlink(t.c, &t4_root, ROOT, "f")); /* an orphan stays where it is */
	t4_make(&t, ROOT, "g", S_IFREG | 0644);
	ok(fs_sync_wait(t.c, 0));
	ok(dev_mem_copy(t.d, &d));
	vol_opts_default(&o);
	o.readonly = true;
	ok(vol_open(d, &o, &v));
	ok(fs_open_volume(v, NULL, &fs));
	ok(fs_ctx_open(fs, t.ring, &c));
	ok(fs_lookup(c, ROOT, "g", &a));
	gives(-VE_READONLY, fs_make(c, &t4_root, ROOT, "h", S_IFREG, 0, &a));
	gives(-VE_READONLY, fs_opened(c, a.ino, O_WRONLY));
	gives(-VE_READONLY, fs_unlink(c, &t4_root, ROOT, "g"));
	gives(-VE_READONLY, fs_write(c, &t4_root, a.ino, "x", 1, 0, 0, false, NULL));
	ok(fs_sync_wait(c, a.ino));
	ok(fs_sync_wait(c, 0));
	fs_forget(c, a.ino, 1);
	fs_ctx_close(c);
	fs_close_volume(fs);
	ok(vol_close(v));
	dev_close(d);
	ck_assert_uint_eq(t4_read(&t, f, buf, 4, 0), 3);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fs attributes");
	TCase *tc = tcase_create("attr");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, attributes_are_kept_across_mounts);
	tcase_add_test(tc, chown_clears_set_id_bits_of_files_only);
	tcase_add_test(tc, changing_content_clears_set_id_bits_when_asked);
	tcase_add_test(tc, truncate_refuses_what_is_no_file_or_too_big);
	tcase_add_test(tc, appends_go_to_the_end_as_it_is);
	tcase_add_test(tc, immutable_and_append_only_files_refuse);
	tcase_add_test(tc, flags_are_inherited_as_ext4_does);
	tcase_add_test(tc, reads_move_atime_as_relatime_does);
	tcase_add_test(tc, listing_and_readlink_move_atime_unless_noatime);
	tcase_add_test(tc, every_change_moves_the_times_it_must);
	tcase_add_test(tc, fsync_of_a_clean_file_costs_no_flush);
	tcase_add_loop_test(tc, what_was_synced_is_there_after_a_kill, 0, 2);
	tcase_add_test(tc, statfs_tells_what_is_used);
	tcase_add_test(tc, a_read_only_volume_reads_and_refuses_changes);
	suite_add_tcase(s, tc);
	return t4_run(s);
}
