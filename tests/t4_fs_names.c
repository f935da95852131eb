/* SPDX-License-Identifier: MIT */
/* t4_fs_names.c - making, linking, removing and listing names: what POSIX and
 * Linux promise (src/fs/fs.h, "names"). */
#include <dirent.h>
#include <fcntl.h>

#include "fs/node.h"
#include "t4_util.h"

static struct t4 t;

static void setup(void)
{
	t4_start(&t, 64 * MIB);
}

static void teardown(void)
{
	t4_stop(&t);
}

static char long_name[258];

static const char *name_of(size_t len)
{
	memset(long_name, 'n', len);
	long_name[len] = '\0';
	return long_name;
}

START_TEST(every_type_can_be_made_and_is_found_again)
{
	static const struct {
		const char *name;
		uint32_t mode;
		uint64_t rdev;
		unsigned nlink;
	} kinds[] = {
		{ "file", S_IFREG | 0644, 0, 1 },  { "dir", S_IFDIR | 0755, 0, 2 },
		{ "fifo", S_IFIFO | 0600, 0, 1 },  { "sock", S_IFSOCK | 0600, 0, 1 },
		{ "chr", S_IFCHR | 0600, 0x501, 1 }, { "blk", S_IFBLK | 0600, 0x802, 1 },
	};
	struct fs_attr a, b;

	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		ok(fs_make(t.c, &t4_root, ROOT, kinds[i].name, kinds[i].mode, kinds[i].rdev, &a));
		ck_assert_uint_eq(a.mode, kinds[i].mode);
		ck_assert_uint_eq(a.rdev, kinds[i].rdev);
		ck_assert_uint_eq(a.nlink, kinds[i].nlink);
		ck_assert_uint_eq(a.size, 0);
		ck_assert_int_eq(a.btime, a.mtime);
		ok(fs_lookup(t.c, ROOT, kinds[i].name, &b));
		ck_assert_mem_eq(&a, &b, sizeof(a));
	}
	t4_remount(&t);
	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		ok(fs_lookup(t.c, ROOT, kinds[i].name, &a));
		ck_assert_uint_eq(a.mode, kinds[i].mode);
		ck_assert_uint_eq(a.rdev, kinds[i].rdev);
	}
	a = t4_attr(&t, ROOT);
	ck_assert_uint_eq(a.size, ARRAY_LEN(kinds));
	ck_assert_uint_eq(a.nlink, 3);
}
END_TEST

START_TEST(making_says_why_it_refuses)
{
	uint64_t file = t4_make(&t, ROOT, "file", S_IFREG | 0644);
	uint64_t dir = t4_make(&t, ROOT, "dir", S_IFDIR | 0755);
	struct fs_attr a;

	gives(-EEXIST, fs_make(t.c, &t4_root, ROOT, "file", S_IFREG, 0, &a));
	gives(-EEXIST, fs_make(t.c, &t4_root, ROOT, "file", S_IFDIR, 0, &a));
	gives(-EEXIST, fs_make(t.c, &t4_root, ROOT, ".", S_IFDIR, 0, &a));
	gives(-EEXIST, fs_make(t.c, &t4_root, ROOT, "..", S_IFDIR, 0, &a));
	gives(-ENOTDIR, fs_make(t.c, &t4_root, file, "x", S_IFREG, 0, &a));
	gives(-ENOENT, fs_make(t.c, &t4_root, ROOT, "", S_IFREG, 0, &a));
	gives(-ESTALE, fs_make(t.c, &t4_root, 999999, "x", S_IFREG, 0, &a));
	gives(-EINVAL, fs_make(t.c, &t4_root, ROOT, "l", S_IFLNK, 0, &a));
	gives(-EINVAL, fs_make(t.c, &t4_root, ROOT, "a/b", S_IFREG, 0, &a));
	ok(fs_make(t.c, &t4_root, ROOT, name_of(255), S_IFREG, 0, &a));
	gives(-ENAMETOOLONG, fs_make(t.c, &t4_root, ROOT, name_of(256), S_IFREG, 0, &a));
	gives(-ENAMETOOLONG, fs_lookup(t.c, ROOT, name_of(256), &a));
	ok(fs_rmdir(t.c, &t4_root, ROOT, "dir"));
	gives(-ENOENT, fs_make(t.c, &t4_root, dir, "x", S_IFREG, 0, &a));
	gives(-ENOENT, fs_symlink(t.c, &t4_root, ROOT, "l", "", &a));
}
END_TEST

START_TEST(names_may_be_any_bytes)
{
	char name[2] = { 0 };

	for (int b = 1; b < 256; b++) {
		name[0] = (char)b;
		if (b != '/' && b != '.')
			t4_make(&t, ROOT, name, S_IFREG | 0600);
	}
	t4_remount(&t);
	for (int b = 1; b < 256; b++) {
		name[0] = (char)b;
		if (b != '/' && b != '.')
			ck_assert(t4_has(&t, ROOT, name));
	}
}
END_TEST

START_TEST(a_set_gid_directory_gives_its_group)
{
	struct fs_cred u = t4_user;
	uint64_t dir = t4_make(&t, ROOT, "dir", S_IFDIR | 0777);
	struct fs_setattr s = { .valid = FSA_GID | FSA_MODE, .gid = 77, .mode = 02777 };
	struct fs_attr a;

	ok(fs_make(t.c, &u, dir, "before", S_IFREG | 0666, 0, &a));
	ck_assert_uint_eq(a.gid, 1000);
	ok(fs_setattr(t.c, &t4_root, dir, &s, NULL));
	ok(fs_make(t.c, &u, dir, "file", S_IFREG | 0666, 0, &a));
	ck_assert_uint_eq(a.gid, 77);
	ck_assert_uint_eq(a.uid, 1000);
	ck_assert_uint_eq(a.mode, S_IFREG | 0644);
	ok(fs_make(t.c, &u, dir, "sub", S_IFDIR | 0777, 0, &a));
	ck_assert_uint_eq(a.gid, 77);
	ck_assert_uint_eq(a.mode, S_IFDIR | 02755);
	ok(fs_symlink(t.c, &u, dir, "link", "target", &a));
	ck_assert_uint_eq(a.gid, 77);
	ck_assert_uint_eq(a.mode, S_IFLNK | 0777);
}
END_TEST

START_TEST(a_symlink_keeps_its_target)
{
	char target[4097], *got;
	struct fs_attr a;

	memset(target, 'x', sizeof(target));
	target[4096] = '\0';
	gives(-ENAMETOOLONG, fs_symlink(t.c, &t4_root, ROOT, "l", target, &a));
	target[4095] = '\0';
	ok(fs_symlink(t.c, &t4_root, ROOT, "l", target, &a));
	ck_assert_uint_eq(a.size, 4095);
	t4_remount(&t);
	ok(fs_readlink(t.c, t4_lookup(&t, ROOT, "l"), &got));
	ck_assert_str_eq(got, target);
	free(got);
	gives(-EINVAL, fs_readlink(t.c, ROOT, &got));
}
END_TEST

START_TEST(links_share_one_inode_and_are_counted)
{
	uint64_t f = t4_make(&t, ROOT, "a", S_IFREG | 0644);
	uint64_t d = t4_make(&t, ROOT, "d", S_IFDIR | 0755);
	struct fs_attr a;

	ok(fs_link(t.c, &t4_root, f, d, "b", &a));
	ck_assert_uint_eq(a.ino, f);
	ck_assert_uint_eq(a.nlink, 2);
	gives(-EEXIST, fs_link(t.c, &t4_root, f, d, "b", &a));
	gives(-EPERM, fs_link(t.c, &t4_root, d, ROOT, "dd", &a));
	gives(-ESTALE, fs_link(t.c, &t4_root, 4242, ROOT, "x", &a));
	gives(-ENOTDIR, fs_link(t.c, &t4_root, f, f, "x", &a));
	ok(fs_unlink(t.c, &t4_root, ROOT, "a"));
	ck_assert_uint_eq(t4_attr(&t, f).nlink, 1);
	ok(fs_unlink(t.c, &t4_root, d, "b"));
	ck_assert_uint_eq(t4_attr(&t, f).nlink, 0);
	gives(-ENOENT, fs_link(t.c, &t4_root, f, d, "back", &a));
}
END_TEST

START_TEST(a_file_may_have_seventy_thousand_links)
{
	uint64_t f = t4_make(&t, ROOT, "f", S_IFREG | 0644);
	char name[32];
	struct fs_attr a;

	for (int i = 1; i < 70000; i++) {
		snprintf(name, sizeof(name), "link%d", i);
		t4_admit(&t);
		ok(fs_link(t.c, &t4_root, f, ROOT, name, &a));
	}
	ck_assert_uint_eq(a.nlink, 70000);
	t4_remount(&t);
	ck_assert_uint_eq(t4_attr(&t, f).nlink, 70000);
	ck_assert_uint_eq(t4_attr(&t, ROOT).size, 70000);
}
END_TEST

START_TEST(removing_says_why_it_refuses)
{
	uint64_t d = t4_make(&t, ROOT, "d", S_IFDIR | 0755);

	t4_make(&t, d, "x", S_IFREG | 0644);
	gives(-ENOENT, fs_unlink(t.c, &t4_root, ROOT, "none"));
	gives(-ENOENT, fs_rmdir(t.c, &t4_root, ROOT, "none"));
	gives(-EISDIR, fs_unlink(t.c, &t4_root, ROOT, "d"));
	gives(-ENOTDIR, fs_rmdir(t.c, &t4_root, d, "x"));
	gives(-ENOTEMPTY, fs_rmdir(t.c, &t4_root, ROOT, "d"));
	gives(-EINVAL, fs_rmdir(t.c, &t4_root, d, "."));
	gives(-ENOTEMPTY, fs_rmdir(t.c, &t4_root, d, ".."));
	gives(-EISDIR, fs_unlink(t.c, &t4_root, d, ".."));
	ok(fs_unlink(t.c, &t4_root, d, "x"));
	ok(fs_rmdir(t.c, &t4_root, ROOT, "d"));
	ck_assert_uint_eq(t4_attr(&t, ROOT).nlink, 2);
	ck_assert_uint_eq(t4_attr(&t, ROOT).size, 0);
}
END_TEST

START_TEST(immutable_and_append_only_directories_keep_their_names)
{
	uint64_t d = t4_make(&t, ROOT, "d", S_IFDIR | 0755);
	uint64_t f = t4_make(&t, d, "f", S_IFREG | 0644);
	struct fs_attr a;

	ok(fs_set_flags(t.c, &t4_root, d, INODE_APPEND));
	gives(-EPERM, fs_unlink(t.c, &t4_root, d, "f"));
	gives(-EPERM, fs_rename(t.c, &t4_root, d, "f", ROOT, "f", 0));
	ok(fs_make(t.c, &t4_root, d, "g", S_IFREG, 0, &a));
	ok(fs_set_flags(t.c, &t4_root, d, INODE_IMMUTABLE));
	gives(-EEXIST, fs_make(t.c, &t4_root, d, "f", S_IFREG, 0, &a));
	gives(-EPERM, fs_make(t.c, &t4_root, d, "h", S_IFREG, 0, &a));
	gives(-EPERM, fs_link(t.c, &t4_root, f, d, "h", &a));
	gives(-EPERM, fs_tmpfile(t.c, &t4_root, d, 0600, &a));
	gives(-EPERM, fs_unlink(t.c, &t4_root, d, "f"));
	gives(-EPERM, fs_rmdir(t.c, &t4_root, ROOT, "d"));
	ok(fs_set_flags(t.c, &t4_root, d, 0));
	ok(fs_set_flags(t.c, &t4_root, f, INODE_IMMUTABLE));
	gives(-EPERM, fs_link(t.c, &t4_root, f, d, "h", &a));
	gives(-EPERM, fs_unlink(t.c, &t4_root, d, "f"));
	ok(fs_set_flags(t.c, &t4_root, f, 0));
	ok(fs_unlink(t.c, &t4_root, d, "f"));
}
END_TEST

START_TEST(dot_and_dotdot_can_be_looked_up)
{
	uint64_t d = t4_make(&t, ROOT, "d", S_IFDIR | 0755);
	uint64_t e = t4_make(&t, d, "e", S_IFDIR | 0755);
	uint64_t f = t4_make(&t, d, "f", S_IFREG | 0644);
	struct fs_attr a;

	ck_assert_uint_eq(t4_lookup(&t, e, "."), e);
	ck_assert_uint_eq(t4_lookup(&t, e, ".."), d);
	ck_assert_uint_eq(t4_lookup(&t, ROOT, ".."), ROOT);
	ck_assert_uint_eq(t4_lookup(&t, f, "."), f);
	gives(-ENOTDIR, fs_lookup(t.c, f, "..", &a));
	gives(-ENOTDIR, fs_lookup(t.c, f, "x", &a));
	gives(-ESTALE, fs_lookup(t.c, 777, ".", &a));
	gives(-ESTALE, fs_iget(t.c, 777, &a));
	t4_remount(&t);
	ok(fs_iget(t.c, f, &a));
	ck_assert_uint_eq(a.ino, f);
}
END_TEST

/* --- listing --- */

#define MANY 3000

struct seen {
	unsigned char times[MANY];
	unsigned n, most, dots;
	uint64_t last, keep;
	bool attrs;
};

static int see(void *arg, const struct fs_dirent *d)
{
	struct seen *s = arg;
	int i;

	ck_assert_msg(d->cookie > s->last, "cookies ascend");
	s->last = d->cookie;
	ck_assert_uint_eq(strlen(d->name), d->namelen);
	ck_assert_int_eq(d->attr != NULL, s->attrs);
	if (d->attr) {
		ck_assert_uint_eq(d->attr->ino, d->ino);
		ck_assert_uint_eq(IFTODT(d->attr->mode), d->type);
	}
	if (d->name[0] == '.')
		s->dots++;
	else if (sscanf(d->name, "n%d", &i) == 1)
		s->times[i]++;
	s->n++;
	return s->most && s->n % s->most == 0;
}

START_TEST(listing_meets_every_lasting_name_once_while_others_come_and_go)
{
	bool attrs = _i & 1;
	struct seen s = { .most = 7, .attrs = attrs };
	uint64_t d = t4_make(&t, ROOT, "d", S_IFDIR | 0755);
	unsigned seed = 1, before, round = 0;
	char name[32];

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		fs_forget(t.c, t4_make(&t, d, name, S_IFREG | 0644), 1);
	}
	if (_i & 2)
		t4_checkpoint(&t);
	/* Even ones stay; odd ones go and strangers come during the listing. */
	do {
		unsigned k = (unsigned)rand_r(&seed) % MANY | 1;

		before = s.n;
		ok(fs_readdir(t.c, d, s.last, attrs, see, &s));
		snprintf(name, sizeof(name), "n%u", k);
		t4_admit(&t);
		if (t4_has(&t, d, name))
			ok(fs_unlink(t.c, &t4_root, d, name));
		snprintf(name, sizeof(name), "x%u", round++);
		fs_forget(t.c, t4_make(&t, d, name, S_IFREG | 0644), 1);
	} while (s.n > before);
	ck_assert_uint_eq(s.dots, 2);
	for (int i = 0; i < MANY; i++)
		ck_assert_msg(i & 1 ? s.times[i] <= 1 : s.times[i] == 1,
			      "n%d seen %u times", i, s.times[i]);
}
END_TEST

START_TEST(a_listing_starts_with_dot_and_dotdot)
{
	struct seen s = { .most = 1 };
	uint64_t d = t4_make(&t, ROOT, "d", S_IFDIR | 0755);

	ok(fs_readdir(t.c, d, 0, false, see, &s));
	ck_assert_uint_eq(s.last, 1);
	ok(fs_readdir(t.c, d, 1, false, see, &s));
	ck_assert_uint_eq(s.last, 2);
	ok(fs_readdir(t.c, d, 2, false, see, &s));
	ck_assert_uint_eq(s.n, 2);
	gives(-ENOTDIR, fs_readdir(t.c, t4_make(&t, d, "f", S_IFREG), 0, false, see, &s));
	ok(fs_unlink(t.c, &t4_root, d, "f"));
	ok(fs_rmdir(t.c, &t4_root, ROOT, "d"));
	gives(-ENOENT, fs_readdir(t.c, d, 0, false, see, &s));
}
END_TEST

START_TEST(nodes_count_and_go_with_the_last_count)
{
	struct nodes *n = nodes_new();
	struct node_info i;

	for (uint64_t ino = 1; ino <= 100000; ino++)
		nodes_hold(n, ino, 2, 1, ino);
	ck_assert_uint_eq(nodes_count(n), 100000);
	nodes_touch(n, 7, 3);
	ck_assert(nodes_get(n, 7, &i));
	ck_assert_uint_eq(i.batch, 7);
	nodes_touch(n, 7, 9);
	ck_assert(nodes_get(n, 7, &i));
	ck_assert_uint_eq(i.batch, 9);
	ck_assert(nodes_mark(n, 7, NODE_ORPHAN, 0));
	ck_assert(!nodes_drop(n, 7, 2, 0));
	ck_assert(nodes_hold_more(n, 7, 1, 0));
	ck_assert(!nodes_drop(n, 7, 0, 1));
	ck_assert(nodes_drop(n, 7, 1, 0));
	ck_assert(!nodes_hold_more(n, 7, 1, 0));
	ck_assert(!nodes_get(n, 7, &i));
	for (uint64_t ino = 1; ino <= 100000; ino++)
		ck_assert(!nodes_drop(n, ino, 5, 5));
	ck_assert_uint_eq(nodes_count(n), 0);
	nodes_free(n);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fs names");
	TCase *tc = tcase_create("names");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, every_type_can_be_made_and_is_found_again);
	tcase_add_test(tc, making_says_why_it_refuses);
	tcase_add_test(tc, names_may_be_any_bytes);
	tcase_add_test(tc, a_set_gid_directory_gives_its_group);
	tcase_add_test(tc, a_symlink_keeps_its_target);
	tcase_add_test(tc, links_share_one_inode_and_are_counted);
	tcase_add_test(tc, a_file_may_have_seventy_thousand_links);
	tcase_add_test(tc, removing_says_why_it_refuses);
	tcase_add_test(tc, immutable_and_append_only_directories_keep_their_names);
	tcase_add_test(tc, dot_and_dotdot_can_be_looked_up);
	tcase_add_loop_test(tc, listing_meets_every_lasting_name_once_while_others_come_and_go,
			    0, 4);
	tcase_add_test(tc, a_listing_starts_with_dot_and_dotdot);
	tcase_add_test(tc, nodes_count_and_go_with_the_last_count);
	suite_add_tcase(s, tc);
	return t4_run(s);
}
