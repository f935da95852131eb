/* SPDX-License-Identifier: MIT */
/* t4_fs_xattr.c - extended attributes and POSIX ACLs.
 *
 * ACLs are written here as text: "u::rwx,u:5:r--,g::r-x,m::r-x,o::---". */
#include <sys/xattr.h>

#include "fs/acl.h"
#include "t4_util.h"

static struct t4 t;
static uint64_t f, d;

static void setup(void)
{
	t4_start(&t, 64 * MIB);
	f = t4_make(&t, ROOT, "f", S_IFREG | 0644);
	d = t4_make(&t, ROOT, "d", S_IFDIR | 0755);
}

static void teardown(void)
{
	t4_stop(&t);
}

static int set(uint64_t ino, const char *name, const char *value, int flags)
{
	return fs_setxattr(t.c, &t4_root, ino, name, value, strlen(value), flags, false);
}

static void has_value(uint64_t ino, const char *name, const char *want)
{
	void *v;
	size_t len;

	ok(fs_getxattr(t.c, ino, name, &v, &len));
	ck_assert_uint_eq(len, strlen(want));
	ck_assert_mem_eq(v, want, len);
	free(v);
}

static int get(uint64_t ino, const char *name)
{
	void *v;
	size_t len;
	int err = fs_getxattr(t.c, ino, name, &v, &len);

	if (!err)
		free(v);
	return err;
}

START_TEST(values_are_set_replaced_listed_and_removed)
{
	char *list;
	size_t len;

	gives(-ENODATA, get(f, "user.a"));
	gives(-ENODATA, set(f, "user.a", "1", XATTR_REPLACE));
	ok(set(f, "user.a", "1", XATTR_CREATE));
	gives(-EEXIST, set(f, "user.a", "2", XATTR_CREATE));
	ok(set(f, "user.a", "22", XATTR_REPLACE));
	ok(set(f, "user.b", "", 0));
	ok(set(f, "trusted.t", "x", 0));
	ok(set(f, "security.selinux", "y", 0));
	if (_i)
		t4_checkpoint(&t);
	t4_remount(&t);
	has_value(f, "user.a", "22");
	has_value(f, "user.b", "");
	has_value(f, "trusted.t", "x");
	ok(fs_listxattr(t.c, f, &list, &len));
	ck_assert_uint_eq(len, strlen("user.a") + strlen("user.b") + strlen("trusted.t") +
				       strlen("security.selinux") + 4);
	free(list);
	ok(fs_removexattr(t.c, &t4_root, f, "user.a"));
	gives(-ENODATA, fs_removexattr(t.c, &t4_root, f, "user.a"));
	gives(-ENODATA, get(f, "user.a"));
	ok(fs_listxattr(t.c, d, &list, &len));
	ck_assert_uint_eq(len, 0);
	free(list);
}
END_TEST

START_TEST(names_and_sizes_have_their_limits)
{
	char name[300], *big = malloc(VARVE_XATTR_MAX + 1);
	uint64_t p = t4_make(&t, ROOT, "p", S_IFIFO | 0600);
	struct fs_attr l;
	void *v;
	size_t len;

	memset(big, 'v', VARVE_XATTR_MAX + 1);
	gives(-EOPNOTSUPP, set(f, "system.other", "x", 0));
	gives(-EOPNOTSUPP, set(f, "nonsense", "x", 0));
	gives(-EOPNOTSUPP, get(f, "osx.thing"));
	gives(-EINVAL, set(f, "user.", "x", 0));
	memset(name, 'n', sizeof(name));
	memcpy(name, "user.", 5);
	name[256] = '\0';
	gives(-ERANGE, set(f, name, "x", 0));
	name[255] = '\0';
	ok(set(f, name, "x", 0));
	has_value(f, name, "x");
	gives(-E2BIG, fs_setxattr(t.c, &t4_root, f, "user.big", big, VARVE_XATTR_MAX + 1, 0,
				  false));
	ok(fs_setxattr(t.c, &t4_root, f, "user.big", big, VARVE_XATTR_MAX, 0, false));
	t4_remount(&t);
	ok(fs_getxattr(t.c, f, "user.big", &v, &len));
	ck_assert_uint_eq(len, VARVE_XATTR_MAX);
	ck_assert_mem_eq(v, big, len);
	free(v);
	free(big);
	gives(-EPERM, set(p, "user.a", "x", 0));
	ok(set(p, "trusted.a", "x", 0));
	ok(fs_symlink(t.c, &t4_root, ROOT, "l", "to", &l));
	gives(-EPERM, set(l.ino, "user.a", "x", 0));
	gives(-EOPNOTSUPP, set(l.ino, ACL_ACCESS_NAME, "", 0));
}
END_TEST

START_TEST(file_capabilities_go_when_content_or_owner_changes)
{
	struct fs_setattr own = { .valid = FSA_UID, .uid = 3 };
	struct fs_setattr size = { .valid = FSA_SIZE };
	struct fs_setattr mode = { .valid = FSA_MODE, .mode = 0600 };
	const char *cap = "security.capability";
	uint64_t g = t4_make(&t, ROOT, "g", S_IFREG | 0644), n;

	t4_write(&t, g, "abc", 3, 0);
	for (int i = 0; i < 5; i++) {
		ok(set(f, cap, "cap", 0));
		ok(fs_setattr(t.c, &t4_root, f, &mode, NULL));
		has_value(f, cap, "cap");
		switch (i) {
		case 0:
			t4_write(&t, f, "x", 1, 0);
			break;
		case 1:
			ok(fs_setattr(t.c, &t4_root, f, &size, NULL));
			break;
		case 2:
			ok(fs_setattr(t.c, &t4_root, f, &own, NULL));
			break;
		case 3:
			ok(fs_fallocate(t.c, &t4_root, f, 0, 0, 5));
			break;
		case 4:
			ok(fs_clone(t.c, &t4_root, g, 0, f, 0, 3, &n));
			break;
		}
		gives(-ENODATA, get(f, cap));
	}
}
END_TEST

/* --- ACLs --- */

static size_t acl_text(const char *text, uint8_t *out)
{
	struct {
		struct acl a;
		struct acl_entry e[32];
	} a = { 0 };

	for (const char *p = text; *p;) {
		struct acl_entry *e = &a.e[a.a.n++];
		char *end;

		e->id = ACL_NO_ID;
		e->tag = *p == 'u' ? ACL_TAG_USER_OBJ : *p == 'g' ? ACL_TAG_GROUP_OBJ :
			 *p == 'm' ? ACL_TAG_MASK : ACL_TAG_OTHER;
		p += 2;
		if (*p != ':') {
			e->tag <<= 1;
			e->id = (uint32_t)strtoul(p, &end, 10);
			p = end;
		}
		p++;
		e->perm = (p[0] == 'r' ? 4 : 0) | (p[1] == 'w' ? 2 : 0) | (p[2] == 'x' ? 1 : 0);
		p += 3;
		if (*p == ',')
			p++;
	}
	acl_encode(&a.a, out);
	return acl_size(&a.a);
}

static int set_acl_as(uint64_t ino, const char *name, const char *text, bool kill)
{
	uint8_t buf[512];
	size_t len = acl_text(text, buf);

	return fs_setxattr(t.c, &t4_root, ino, name, buf, len, 0, kill);
}

static int set_acl(uint64_t ino, const char *name, const char *text)
{
	return set_acl_as(ino, name, text, false);
}

/* text NULL: there must be none. */
static void has_acl(uint64_t ino, const char *name, const char *text)
{
	uint8_t buf[512];
	void *v;
	size_t len, want;

	if (!text) {
		gives(-ENODATA, get(ino, name));
		return;
	}
	want = acl_text(text, buf);
	ok(fs_getxattr(t.c, ino, name, &v, &len));
	ck_assert_uint_eq(len, want);
	ck_assert_msg(!memcmp(v, buf, len), "not %s", text);
	free(v);
}

static uint32_t perm(uint64_t ino)
{
	return t4_attr(&t, ino).mode & 07777;
}

START_TEST(only_valid_acls_are_taken)
{
	static const char *const bad[] = {
		"u::rwx", "u::rwx,g::r--", "u::rwx,o::r--", "g::r--,u::rwx,o::r--",
		"u::rwx,u:5:r--,g::r--,o::r--", "u::rwx,g::r--,g:5:r--,o::r--",
		"u::rwx,g::r--,m::rwx", "u::rwx,g::r--,o::r--,o::r--",
		"u::rwx,u::rwx,g::r--,o::r--", "u::rwx,g::r--,o::r--,m::r--",
		"u::rwx,g:5:r--,g::r--,m::r--,o::r--",
	};
	uint8_t raw[64] = { 2, 0, 0, 0 };
	size_t len;

	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(set_acl(f, ACL_ACCESS_NAME, bad[i]) == -EINVAL, "%s", bad[i]);
	len = acl_text("u::rwx,g::r--,o::r--", raw);
	gives(-EINVAL, fs_setxattr(t.c, &t4_root, f, ACL_ACCESS_NAME, raw, len - 1, 0, false));
	gives(-EINVAL, fs_setxattr(t.c, &t4_root, f, ACL_ACCESS_NAME, raw, 3, 0, false));
	raw[6] = 8; /* no such permission */
	gives(-EINVAL, fs_setxattr(t.c, &t4_root, f, ACL_ACCESS_NAME, raw, len, 0, false));
	raw[0] = 1;
	gives(-EOPNOTSUPP, fs_setxattr(t.c, &t4_root, f, ACL_ACCESS_NAME, raw, len, 0, false));
	ck_assert_uint_eq(perm(f), 0644);
	gives(-EACCES, set_acl(f, ACL_DEFAULT_NAME, "u::rwx,g::r--,o::r--"));
}
END_TEST

START_TEST(an_access_acl_and_the_mode_say_the_same)
{
	const char *acl = "u::rw-,u:5:rwx,g::r--,m::r-x,o::--x";

	t4_chmod(&t, f, 06644);
	ok(set_acl(f, ACL_ACCESS_NAME, acl));
	ck_assert_uint_eq(perm(f), 06651);
	has_acl(f, ACL_ACCESS_NAME, acl);
	ok(set_acl_as(f, ACL_ACCESS_NAME, acl, true));
	ck_assert_uint_eq(perm(f), 04651);
	/* chmod moves owner, mask and other; not the group entry */
	t4_chmod(&t, f, 0720);
	ck_assert_uint_eq(perm(f), 0720);
	has_acl(f, ACL_ACCESS_NAME, "u::rwx,u:5:rwx,g::r--,m::-w-,o::---");
	t4_remount(&t);
	t4_chmod(&t, f, 0751);
	has_acl(f, ACL_ACCESS_NAME, "u::rwx,u:5:rwx,g::r--,m::r-x,o::--x");
	/* three entries are nothing but a mode */
	ok(set_acl(f, ACL_ACCESS_NAME, "u::rwx,g::---,o::--x"));
	ck_assert_uint_eq(perm(f), 0701);
	has_acl(f, ACL_ACCESS_NAME, NULL);
	ok(set_acl(f, ACL_ACCESS_NAME, "u::r--,g::r--,o::---"));
	ck_assert_uint_eq(perm(f), 0440);
	/* removing leaves the mode */
	ok(set_acl(f, ACL_ACCESS_NAME, acl));
	ok(fs_removexattr(t.c, &t4_root, f, ACL_ACCESS_NAME));
	ck_assert_uint_eq(perm(f), 0651);
	has_acl(f, ACL_ACCESS_NAME, NULL);
	ok(set_acl(f, ACL_ACCESS_NAME, acl));
	ok(set(f, ACL_ACCESS_NAME, "", 0));
	has_acl(f, ACL_ACCESS_NAME, NULL);
}
END_TEST

START_TEST(chmod_with_an_owner_changes_both)
{
	struct fs_setattr s = { .valid = FSA_MODE | FSA_UID, .mode = 0770, .uid = 9 };

	ok(set_acl(f, ACL_ACCESS_NAME, "u::rw-,u:5:rwx,g::r--,m::r-x,o::--x"));
	ok(fs_setattr(t.c, &t4_root, f, &s, NULL));
	ck_assert_uint_eq(perm(f), 0770);
	ck_assert_uint_eq(t4_attr(&t, f).uid, 9);
	has_acl(f, ACL_ACCESS_NAME, "u::rwx,u:5:rwx,g::r--,m::rwx,o::---");
}
END_TEST

/* What a new object gets: default ACL, mode asked for (umask is ignored when
 * there is a default ACL), resulting mode, its access ACL. */
static const struct {
	const char *dflt;
	uint32_t ask, umask, mode;
	const char *access;
} inherits[] = {
	{ NULL, 0666, 022, 0644, NULL },
	{ NULL, 0777, 077, 0700, NULL },
	{ "u::rwx,g::r-x,o::---", 0666, 077, 0640, NULL },
	{ "u::rwx,g::r-x,o::---", 0777, 022, 0750, NULL },
	{ "u::rwx,u:5:rwx,g::r-x,m::rwx,o::r--", 0666, 077, 0664,
	  "u::rw-,u:5:rwx,g::r-x,m::rw-,o::r--" },
	{ "u::rwx,u:5:rwx,g::r-x,m::r-x,o::r--", 0777, 0, 0754,
	  "u::rwx,u:5:rwx,g::r-x,m::r-x,o::r--" },
	{ "u::rwx,g::rwx,g:7:rw-,m::rwx,o::---", 0640, 0, 0640,
	  "u::rw-,g::rwx,g:7:rw-,m::r--,o::---" },
	{ "u::r--,g::---,m::---,o::---", 0666, 0, 0400, "u::r--,g::---,m::---,o::---" },
};

START_TEST(new_objects_inherit_the_default_acl)
{
	struct fs_cred cr = { .uid = 5, .gid = 5, .umask = inherits[_i].umask };
	const char *dflt = inherits[_i].dflt;
	struct fs_attr a;

	if (dflt)
		ok(set_acl(d, ACL_DEFAULT_NAME, dflt));
	has_acl(d, ACL_ACCESS_NAME, NULL);
	ok(fs_make(t.c, &cr, d, "f", S_IFREG | inherits[_i].ask, 0, &a));
	ck_assert_uint_eq(perm(a.ino), inherits[_i].mode);
	has_acl(a.ino, ACL_ACCESS_NAME, inherits[_i].access);
	has_acl(a.ino, ACL_DEFAULT_NAME, NULL);
	ok(fs_make(t.c, &cr, d, "d", S_IFDIR | inherits[_i].ask, 0, &a));
	ck_assert_uint_eq(perm(a.ino), inherits[_i].mode);
	has_acl(a.ino, ACL_ACCESS_NAME, inherits[_i].access);
	has_acl(a.ino, ACL_DEFAULT_NAME, dflt);
	ok(fs_tmpfile(t.c, &cr, d, inherits[_i].ask, &a));
	ck_assert_uint_eq(perm(a.ino), inherits[_i].mode);
	has_acl(a.ino, ACL_ACCESS_NAME, inherits[_i].access);
	ok(fs_symlink(t.c, &cr, d, "l", "x", &a));
	ck_assert_uint_eq(perm(a.ino), 0777);
	has_acl(a.ino, ACL_ACCESS_NAME, NULL);
	/* and one more level, read back from the device */
	t4_remount(&t);
	ok(fs_make(t.c, &cr, t4_lookup(&t, d, "d"), "f", S_IFREG | inherits[_i].ask, 0, &a));
	ck_assert_uint_eq(perm(a.ino), inherits[_i].mode);
	has_acl(a.ino, ACL_ACCESS_NAME, inherits[_i].access);
}
END_TEST

START_TEST(a_default_acl_can_be_taken_away)
{
	struct fs_attr a;

	ok(set_acl(d, ACL_DEFAULT_NAME, "u::rwx,u:5:rwx,g::r-x,m::rwx,o::r--"));
	ck_assert_uint_eq(perm(d), 0755);
	ok(set(d, ACL_DEFAULT_NAME, "", 0));
	has_acl(d, ACL_DEFAULT_NAME, NULL);
	ok(fs_make(t.c, &t4_user, d, "f", S_IFREG | 0666, 0, &a));
	ck_assert_uint_eq(perm(a.ino), 0644);
	/* and the hint that there is none is dropped in time */
	ok(set_acl(d, ACL_DEFAULT_NAME, "u::rwx,g::---,o::---"));
	ok(fs_make(t.c, &t4_user, d, "g", S_IFREG | 0666, 0, &a));
	ck_assert_uint_eq(perm(a.ino), 0600);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fs xattrs and ACLs");
	TCase *tc = tcase_create("xattr");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, values_are_set_replaced_listed_and_removed, 0, 2);
	tcase_add_test(tc, names_and_sizes_have_their_limits);
	tcase_add_test(tc, file_capabilities_go_when_content_or_owner_changes);
	tcase_add_test(tc, only_valid_acls_are_taken);
	tcase_add_test(tc, an_access_acl_and_the_mode_say_the_same);
	tcase_add_test(tc, chmod_with_an_owner_changes_both);
	tcase_add_loop_test(tc, new_objects_inherit_the_default_acl, 0, ARRAY_LEN(inherits));
	tcase_add_test(tc, a_default_acl_can_be_taken_away);
	suite_add_tcase(s, tc);
	return t4_run(s);
}
