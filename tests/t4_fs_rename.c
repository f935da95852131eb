/* SPDX-License-Identifier: MIT */
/* t4_fs_rename.c - rename(2) and its flags: every kind of source on every kind
 * of target, within a directory and between two. */
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

enum kind { NONE, FILE1, EMPTY, FULL, LINKED, KINDS };
static const char *const kind_name[] = { "nothing", "file", "empty dir", "full dir",
					 "other link" };

/* Linux's answers. */
static int expected(enum kind from, enum kind to, unsigned flags)
{
	bool from_dir = from == EMPTY || from == FULL, to_dir = to == EMPTY || to == FULL;

	if ((flags & RENAME_EXCHANGE) && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)))
		return -EINVAL;
	if (from == NONE)
		return -ENOENT;
	if ((flags & RENAME_NOREPLACE) && to != NONE)
		return -EEXIST;
	if (flags & RENAME_EXCHANGE)
		return to == NONE ? -ENOENT : 0;
	if (to == NONE)
		return 0;
	if (from_dir && !to_dir)
		return -ENOTDIR;
	if (!from_dir && to_dir)
		return -EISDIR;
	return to == FULL ? -ENOTEMPTY : 0;
}

static uint64_t put(uint64_t dir, const char *name, enum kind k, uint64_t link_to)
{
	struct fs_attr a;
	uint64_t ino = 0;

	switch (k) {
	case NONE:
	case KINDS:
		break;
	case FILE1:
		ino = t4_make(&t, dir, name, S_IFREG | 0644);
		break;
	case EMPTY:
	case FULL:
		ino = t4_make(&t, dir, name, S_IFDIR | 0755);
		if (k == FULL)
			t4_make(&t, ino, "in", S_IFREG | 0644);
		break;
	case LINKED:
		ok(fs_link(t.c, &t4_root, link_to, dir, name, &a));
		ino = link_to;
		break;
	}
	return ino;
}

static uint64_t at(uint64_t dir, const char *name)
{
	return t4_has(&t, dir, name) ? t4_lookup(&t, dir, name) : 0;
}

static bool is_dir(uint64_t ino)
{
	return ino && S_ISDIR(t4_attr(&t, ino).mode);
}

static void check_nlink(uint64_t dir, const char *x, const char *y, const char *what)
{
	unsigned want = 2 + is_dir(at(dir, x)) + (y && is_dir(at(dir, y)));

	ck_assert_msg(t4_attr(&t, dir).nlink == want, "%s: %u links, not %u", what,
		      t4_attr(&t, dir).nlink, want);
}

static void one_case(enum kind from, enum kind to, unsigned flags, bool same_dir)
{
	char what[128], d1[16], d2[16];
	uint64_t a, b, src, dst, left;
	const char *to_name = "to";
	static unsigned n;
	int err, want;

	if (from == LINKED)
		return;
	snprintf(what, sizeof(what), "%s onto %s, flags %u, %s", kind_name[from],
		 kind_name[to], flags, same_dir ? "same directory" : "two directories");
	snprintf(d1, sizeof(d1), "a%u", n);
	snprintf(d2, sizeof(d2), "b%u", n++);
	a = t4_make(&t, ROOT, d1, S_IFDIR | 0755);
	b = same_dir ? a : t4_make(&t, ROOT, d2, S_IFDIR | 0755);
	src = put(a, "from", from, 0);
	if (to == LINKED && from != FILE1)
		return;
	dst = put(b, to_name, to, src);
	want = to == LINKED ? expected(FILE1, FILE1, flags) : expected(from, to, flags);
	err = fs_rename(t.c, &t4_root, a, "from", b, to_name, flags);
	ck_assert_msg(err == want, "%s: %s, not %s", what, err_str(err), err_str(want));
	left = at(a, "from");
	if (err || to == LINKED) { /* nothing has changed */
		ck_assert_msg(left == src && at(b, to_name) == dst, "%s", what);
	} else {
		ck_assert_msg(at(b, to_name) == src, "%s", what);
		if (flags & RENAME_EXCHANGE)
			ck_assert_msg(left == dst, "%s", what);
		else if (flags & RENAME_WHITEOUT)
			ck_assert_msg(left && t4_attr(&t, left).mode == S_IFCHR &&
				      t4_attr(&t, left).rdev == 0, "%s", what);
		else
			ck_assert_msg(!left, "%s", what);
		if (dst && !(flags & RENAME_EXCHANGE))
			ck_assert_msg(t4_attr(&t, dst).nlink == 0, "%s", what);
		if (is_dir(src))
			ck_assert_msg(t4_lookup(&t, src, "..") == b, "%s", what);
	}
	if (same_dir) {
		check_nlink(a, "from", to_name, what);
	} else {
		check_nlink(a, "from", NULL, what);
		check_nlink(b, to_name, NULL, what);
	}
}

START_TEST(every_source_on_every_target_is_answered_as_linux_does)
{
	for (unsigned flags = 0; flags < 8; flags++)
		for (int from = 0; from < KINDS; from++)
			for (int to = 0; to < KINDS; to++)
				for (int same = 0; same < 2; same++)
					one_case(from, to, flags, same);
}
END_TEST

START_TEST(a_directory_cannot_become_its_own_descendant)
{
	uint64_t a = t4_make(&t, ROOT, "a", S_IFDIR | 0755);
	uint64_t b = t4_make(&t, a, "b", S_IFDIR | 0755);
	uint64_t c = t4_make(&t, b, "c", S_IFDIR | 0755);

	gives(-EINVAL, fs_rename(t.c, &t4_root, ROOT, "a", a, "x", 0));
	gives(-EINVAL, fs_rename(t.c, &t4_root, ROOT, "a", c, "x", 0));
	gives(-EINVAL, fs_rename(t.c, &t4_root, ROOT, "a", c, "x", RENAME_NOREPLACE));
	gives(-EINVAL, fs_rename(t.c, &t4_root, a, "b", c, "x", RENAME_WHITEOUT));
	gives(-ENOTEMPTY, fs_rename(t.c, &t4_root, b, "c", ROOT, "a", 0));
	gives(-EINVAL, fs_rename(t.c, &t4_root, b, "c", ROOT, "a", RENAME_EXCHANGE));
	gives(-EINVAL, fs_rename(t.c, &t4_root, ROOT, "a", b, "c", RENAME_EXCHANGE));
	ok(fs_rename(t.c, &t4_root, b, "c", ROOT, "c", 0));
	ok(fs_rename(t.c, &t4_root, ROOT, "a", c, "a", 0));
	gives(-EINVAL, fs_rename(t.c, &t4_root, ROOT, "c", b, "c", 0));
}
END_TEST

START_TEST(rename_refuses_bad_names_flags_and_places)
{
	uint64_t d = t4_make(&t, ROOT, "d", S_IFDIR | 0755);
	uint64_t f = t4_make(&t, ROOT, "f", S_IFREG | 0644);
	char name[300];

	memset(name, 'y', sizeof(name));
	name[256] = '\0';
	gives(-EINVAL, fs_rename(t.c, &t4_root, ROOT, "f", d, "f", 8));
	gives(-EBUSY, fs_rename(t.c, &t4_root, d, ".", ROOT, "x", 0));
	gives(-EBUSY, fs_rename(t.c, &t4_root, d, "..", ROOT, "x", 0));
	gives(-EBUSY, fs_rename(t.c, &t4_root, ROOT, "f", d, ".", 0));
	gives(-EEXIST, fs_rename(t.c, &t4_root, ROOT, "f", d, "..", RENAME_NOREPLACE));
	gives(-ENAMETOOLONG, fs_rename(t.c, &t4_root, ROOT, "f", d, name, 0));
	gives(-ENAMETOOLONG, fs_rename(t.c, &t4_root, ROOT, name, d, "x", 0));
	gives(-ENOTDIR, fs_rename(t.c, &t4_root, ROOT, "d", f, "x", 0));
	gives(-ENOTDIR, fs_rename(t.c, &t4_root, f, "x", ROOT, "x", 0));
	gives(-ESTALE, fs_rename(t.c, &t4_root, ROOT, "f", 31337, "x", 0));
	ok(fs_rmdir(t.c, &t4_root, ROOT, "d"));
	gives(-ENOENT, fs_rename(t.c, &t4_root, ROOT, "f", d, "f", 0));
	name[255] = '\0';
	ok(fs_rename(t.c, &t4_root, ROOT, "f", ROOT, name, 0));
	ck_assert(t4_has(&t, ROOT, name));
}
END_TEST

START_TEST(flags_of_inodes_forbid_rename)
{
	static const uint32_t flags[] = { INODE_IMMUTABLE, INODE_APPEND };
	uint64_t a = t4_make(&t, ROOT, "a", S_IFDIR | 0755);
	uint64_t b = t4_make(&t, ROOT, "b", S_IFDIR | 0755);
	uint64_t f = t4_make(&t, a, "f", S_IFREG | 0644);
	uint64_t g = t4_make(&t, b, "g", S_IFREG | 0644);

	for (unsigned i = 0; i < 2; i++) {
		ok(fs_set_flags(t.c, &t4_root, a, flags[i]));
		gives(-EPERM, fs_rename(t.c, &t4_root, a, "f", b, "f", 0));
		gives(-EPERM, fs_rename(t.c, &t4_root, a, "f", a, "h", 0));
		gives(-EPERM, fs_rename(t.c, &t4_root, b, "g", a, "f", 0));
		gives(-EPERM, fs_rename(t.c, &t4_root, b, "g", a, "f", RENAME_EXCHANGE));
		ok(fs_set_flags(t.c, &t4_root, a, 0));
		ok(fs_set_flags(t.c, &t4_root, f, flags[i]));
		gives(-EPERM, fs_rename(t.c, &t4_root, a, "f", b, "f", 0));
		gives(-EPERM, fs_rename(t.c, &t4_root, b, "g", a, "f", 0));
		ok(fs_set_flags(t.c, &t4_root, f, 0));
	}
	/* An append-only directory takes new names. */
	ok(fs_set_flags(t.c, &t4_root, a, INODE_IMMUTABLE));
	gives(-EPERM, fs_rename(t.c, &t4_root, b, "g", a, "new", 0));
	ok(fs_set_flags(t.c, &t4_root, a, INODE_APPEND));
	ok(fs_rename(t.c, &t4_root, b, "g", a, "new", 0));
	ck_assert_uint_eq(t4_lookup(&t, a, "new"), g);
	ok(fs_set_flags(t.c, &t4_root, a, 0));
}
END_TEST

START_TEST(rename_survives_a_kill_after_sync)
{
	uint64_t a = t4_make(&t, ROOT, "a", S_IFDIR | 0755);
	uint64_t b = t4_make(&t, ROOT, "b", S_IFDIR | 0755);
	uint64_t x = t4_make(&t, a, "x", S_IFDIR | 0755);
	uint64_t y = t4_make(&t, b, "y", S_IFREG | 0644);

	ok(fs_rename(t.c, &t4_root, a, "x", b, "y", RENAME_EXCHANGE));
	ok(fs_rename(t.c, &t4_root, a, "x", a, "z", RENAME_WHITEOUT));
	ok(fs_sync_wait(t.c, a));
	t4_kill(&t);
	ck_assert_uint_eq(t4_lookup(&t, b, "y"), x);
	ck_assert_uint_eq(t4_lookup(&t, a, "z"), y);
	ck_assert_uint_eq(t4_attr(&t, t4_lookup(&t, a, "x")).mode, S_IFCHR);
	ck_assert_uint_eq(t4_lookup(&t, x, ".."), b);
	ck_assert_uint_eq(t4_attr(&t, b).nlink, 3);
	ck_assert_uint_eq(t4_attr(&t, a).nlink, 2);
}
END_TEST

/* I8: an image may say anything. */
START_TEST(directories_in_a_circle_are_an_error_and_no_hang)
{
	uint64_t a = t4_make(&t, ROOT, "a", S_IFDIR | 0755);
	uint64_t b = t4_make(&t, a, "b", S_IFDIR | 0755);
	uint64_t c = t4_make(&t, b, "c", S_IFDIR | 0755);
	uint64_t other = t4_make(&t, ROOT, "other", S_IFDIR | 0755);
	struct rec r = { .kind = REC_RENAME };
	struct entry_row e;

	/* A record that fs would never make: a goes into its own subtree. */
	vol_wrlock(t.v);
	ok(state_entry(vol_state(t.v), fs_vol_ctx(t.c)->rd, ROOT, "a", 1, &e, NULL));
	r.rename.from = (struct rec_name){ ROOT, e.cookie, "a", 1 };
	ck_assert_int_eq(state_entry(vol_state(t.v), fs_vol_ctx(t.c)->rd, c, "a", 1, &e,
				     &r.rename.to.cookie), -ENOENT);
	r.rename.to.dir = c;
	r.rename.to.name = "a";
	r.rename.to.len = 1;
	r.rename.ino = a;
	ok(vol_commit(fs_vol_ctx(t.c), &r, SEG_USER, NULL));
	vol_unlock(t.v);
	gives(-VE_DB, fs_rename(t.c, &t4_root, ROOT, "other", b, "x", 0));
	gives(-EINVAL, fs_rename(t.c, &t4_root, b, "c", a, "x", 0));
	ck_assert_uint_eq(t4_lookup(&t, ROOT, "other"), other);
	t4_abandon(&t);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fs rename");
	TCase *damaged = tcase_create("damaged");
	TCase *tc = tcase_create("rename");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, every_source_on_every_target_is_answered_as_linux_does);
	tcase_add_test(tc, a_directory_cannot_become_its_own_descendant);
	tcase_add_test(tc, rename_refuses_bad_names_flags_and_places);
	tcase_add_test(tc, flags_of_inodes_forbid_rename);
	tcase_add_test(tc, rename_survives_a_kill_after_sync);
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(damaged, setup, NULL);
	tcase_add_test(damaged, directories_in_a_circle_are_an_error_and_no_hang);
	suite_add_tcase(s, damaged);
	return t4_run(s);
}
