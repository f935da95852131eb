/* SPDX-License-Identifier: MIT */
/* t4_fs_orphan.c - inodes without names live as long as they are used, and
 * never leak: across close, kill and clean unmount. */
#include <fcntl.h>

#include "t4_util.h"

static struct t4 t;
static uint64_t inodes0;

static void setup(void)
{
	t4_start(&t, 128 * MIB);
	inodes0 = t4_inodes(&t);
}

static void teardown(void)
{
	t4_stop(&t);
}

static uint64_t opened_file(const char *name)
{
	uint64_t f = t4_make(&t, ROOT, name, S_IFREG | 0644);

	ok(fs_opened(t.c, f, O_RDWR));
	t4_write(&t, f, "hello", 5, 0);
	return f;
}

START_TEST(an_unlinked_open_file_lives_until_the_last_count)
{
	uint64_t f = opened_file("f");
	struct fs_attr a;
	char buf[8];

	ok(fs_unlink(t.c, &t4_root, ROOT, "f"));
	t4_write(&t, f, "there", 5, 5);
	ck_assert_uint_eq(t4_read(&t, f, buf, 8, 0), 8);
	ck_assert_mem_eq(buf, "hellothe", 8);
	ok(fs_iget(t.c, f, &a)); /* one more lookup */
	fs_forget(t.c, f, 2);
	ck_assert_uint_eq(t4_inodes(&t), inodes0 + 1);
	fs_released(t.c, f);
	ck_assert_uint_eq(t4_inodes(&t), inodes0);
	gives(-ESTALE, fs_getattr(t.c, f, &a));
	gives(-ESTALE, fs_iget(t.c, f, &a));
}
END_TEST

START_TEST(an_unused_file_goes_with_its_last_name)
{
	uint64_t f = t4_make(&t, ROOT, "f", S_IFREG | 0644);
	struct fs_attr a;

	t4_write(&t, f, "x", 1, 0);
	ok(fs_link(t.c, &t4_root, f, ROOT, "g", &a));
	fs_forget(t.c, f, 2);
	ok(fs_unlink(t.c, &t4_root, ROOT, "f"));
	ck_assert_uint_eq(t4_inodes(&t), inodes0 + 1);
	ok(fs_unlink(t.c, &t4_root, ROOT, "g"));
	ck_assert_uint_eq(t4_inodes(&t), inodes0);
}
END_TEST

START_TEST(a_replaced_target_is_an_orphan_too)
{
	uint64_t f = opened_file("f");
	uint64_t d = t4_make(&t, ROOT, "d", S_IFDIR | 0755);
	char buf[8];

	fs_forget(t.c, t4_make(&t, ROOT, "g", S_IFREG | 0644), 1);
	fs_forget(t.c, t4_make(&t, ROOT, "e", S_IFDIR | 0755), 1);
	ok(fs_rename(t.c, &t4_root, ROOT, "g", ROOT, "f", 0));
	ok(fs_rename(t.c, &t4_root, ROOT, "e", ROOT, "d", 0));
	ck_assert_uint_eq(t4_inodes(&t), inodes0 + 4);
	ck_assert_uint_eq(t4_read(&t, f, buf, 8, 0), 5);
	fs_released(t.c, f);
	ck_assert_uint_eq(t4_inodes(&t), inodes0 + 4);
	fs_forget(t.c, f, 1);
	fs_forget(t.c, d, 1);
	ck_assert_uint_eq(t4_inodes(&t), inodes0 + 2);
}
END_TEST

START_TEST(a_kill_leaves_no_orphan_behind)
{
	uint64_t f = opened_file("f"), g;
	struct fs_attr a;

	ok(fs_tmpfile(t.c, &t4_user, ROOT, 0600, &a));
	g = a.ino;
	t4_write(&t, g, "tmp", 3, 0);
	ok(fs_unlink(t.c, &t4_root, ROOT, "f"));
	if (_i & 1)
		t4_checkpoint(&t);
	ok(fs_sync_wait(t.c, 0));
	if (_i & 2)
		t4_remount(&t);
	else
		t4_kill(&t);
	ck_assert_uint_eq(t4_inodes(&t), inodes0);
	gives(-ESTALE, fs_getattr(t.c, f, &a));
	gives(-ESTALE, fs_getattr(t.c, g, &a));
}
END_TEST

START_TEST(a_tmpfile_can_be_given_a_name_once_it_has_content)
{
	struct fs_attr a;
	char buf[4];

	ok(fs_tmpfile(t.c, &t4_user, ROOT, 0666, &a));
	ck_assert_uint_eq(a.nlink, 0);
	ck_assert_uint_eq(a.mode, S_IFREG | 0644);
	ck_assert_uint_eq(a.uid, 1000);
	t4_write(&t, a.ino, "tmp", 3, 0);
	ok(fs_link(t.c, &t4_user, a.ino, ROOT, "named", &a));
	ck_assert_uint_eq(a.nlink, 1);
	fs_released(t.c, a.ino);
	fs_forget(t.c, a.ino, 2);
	ck_assert_uint_eq(t4_inodes(&t), inodes0 + 1);
	t4_remount(&t);
	ck_assert_uint_eq(t4_read(&t, t4_lookup(&t, ROOT, "named"), buf, 4, 0), 3);
	/* Once unlinked it cannot come back. */
	ok(fs_unlink(t.c, &t4_root, ROOT, "named"));
	gives(-ENOENT, fs_link(t.c, &t4_user, a.ino, ROOT, "again", &a));
	/* An unnamed one goes with its use. */
	ok(fs_tmpfile(t.c, &t4_user, ROOT, 0666, &a));
	fs_forget(t.c, a.ino, 1);
	fs_released(t.c, a.ino);
	gives(-ESTALE, fs_getattr(t.c, a.ino, &a));
}
END_TEST

START_TEST(a_removed_directory_in_use_takes_no_names)
{
	uint64_t d = t4_make(&t, ROOT, "d", S_IFDIR | 0755);
	uint64_t f = t4_make(&t, ROOT, "f", S_IFREG | 0644);
	struct fs_attr a;

	ok(fs_rmdir(t.c, &t4_root, ROOT, "d"));
	ck_assert_uint_eq(t4_attr(&t, d).nlink, 0);
	gives(-ENOENT, fs_make(t.c, &t4_root, d, "x", S_IFREG, 0, &a));
	gives(-ENOENT, fs_link(t.c, &t4_root, f, d, "x", &a));
	gives(-ENOENT, fs_symlink(t.c, &t4_root, d, "x", "y", &a));
	gives(-ENOENT, fs_rename(t.c, &t4_root, ROOT, "f", d, "x", 0));
	gives(-ENOENT, fs_lookup(t.c, d, "x", &a));
	gives(-ENOENT, fs_lookup(t.c, d, "..", &a));
	ck_assert_uint_eq(t4_inodes(&t), inodes0 + 2);
	fs_forget(t.c, d, 1);
	ck_assert_uint_eq(t4_inodes(&t), inodes0 + 1);
}
END_TEST

/* More extents than one step frees: the lock is given up in between, and what
 * a kill interrupts goes on at the next mount. */
START_TEST(a_file_of_many_extents_is_dropped_completely)
{
	uint64_t f = t4_make(&t, ROOT, "f", S_IFREG | 0644);
	struct vol_space sp;
	char b = 'b';

	for (uint64_t i = 0; i < 10000; i++)
		t4_write(&t, f, &b, 1, i * 4096);
	if (_i)
		t4_checkpoint(&t);
	vol_get_space(t.v, &sp);
	ck_assert_uint_eq(sp.data_bytes, 10000);
	ok(fs_unlink(t.c, &t4_root, ROOT, "f"));
	if (_i == 2) {
		ok(fs_sync_wait(t.c, 0));
		t4_kill(&t);
	} else {
		fs_forget(t.c, f, 1);
	}
	vol_get_space(t.v, &sp);
	ck_assert_uint_eq(sp.data_bytes, 0);
	ck_assert_uint_eq(sp.inodes, inodes0);
}
END_TEST

START_TEST(thousands_of_orphans_are_reaped_at_mount)
{
	char name[32];

	for (int i = 0; i < 9000; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		t4_make(&t, ROOT, name, S_IFREG | 0644);
		t4_admit(&t);
		ok(fs_unlink(t.c, &t4_root, ROOT, name));
	}
	ck_assert_uint_eq(t4_inodes(&t), inodes0 + 9000);
	ok(fs_sync_wait(t.c, 0));
	if (_i)
		t4_checkpoint(&t);
	t4_kill(&t);
	ck_assert_uint_eq(t4_inodes(&t), inodes0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fs orphans");
	TCase *tc = tcase_create("orphans");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, an_unlinked_open_file_lives_until_the_last_count);
	tcase_add_test(tc, an_unused_file_goes_with_its_last_name);
	tcase_add_test(tc, a_replaced_target_is_an_orphan_too);
	tcase_add_loop_test(tc, a_kill_leaves_no_orphan_behind, 0, 4);
	tcase_add_test(tc, a_tmpfile_can_be_given_a_name_once_it_has_content);
	tcase_add_test(tc, a_removed_directory_in_use_takes_no_names);
	tcase_add_loop_test(tc, a_file_of_many_extents_is_dropped_completely, 0, 3);
	tcase_add_loop_test(tc, thousands_of_orphans_are_reaped_at_mount, 0, 2);
	suite_add_tcase(s, tc);
	return t4_run(s);
}
