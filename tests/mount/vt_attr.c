/* SPDX-License-Identifier: MIT */
/* vt_attr.c - extended attributes, inode flags, handles, FITRIM. */
#define _GNU_SOURCE
#include "vt.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { MAX_VALUE = 1 << 18 };

static char value_buf[MAX_VALUE];

/* A value is given as it is, or as *LEN: that many pattern bytes. */
static const void *value_of(const char *arg, size_t *ret_len)
{
	if (*arg == '*') {
		*ret_len = (size_t)num_of(arg + 1);
		if (*ret_len > MAX_VALUE)
			usage_error("value too long");
		for (size_t i = 0; i < *ret_len; i++)
			value_buf[i] = (char)pattern_byte(i, 77);
		return value_buf;
	}
	*ret_len = strlen(arg);
	return arg;
}

static int xattr_flags(int argc, char **argv)
{
	static const struct vt_name flags[] = {
		{ "create", XATTR_CREATE }, { "replace", XATTR_REPLACE }, { NULL, 0 }
	};

	return argc > 3 ? (int)flags_of(flags, argv[3]) : 0;
}

static int op_setxattr(int argc, char **argv)
{
	size_t len;
	const void *value = value_of(argv[2], &len);

	return result_of(lsetxattr(argv[0], argv[1], value, len, xattr_flags(argc, argv)));
}

static int op_fsetxattr(int argc, char **argv)
{
	size_t len;
	const void *value = value_of(argv[2], &len);

	return result_of(fsetxattr(fd_of(argv[0]), argv[1], value, len,
				   xattr_flags(argc, argv)));
}

/* getxattr PATH NAME [SIZE]: with SIZE 0 the length is printed. */
static int op_getxattr(int argc, char **argv)
{
	static char buf[MAX_VALUE];
	size_t size = argc > 2 ? (size_t)num_of(argv[2]) : sizeof(buf);
	ssize_t n = lgetxattr(argv[0], argv[1], buf, size);

	if (n < 0)
		return -errno;
	if (argc > 2 && size == 0)
		say("%zd", n);
	else if (n > 200)
		say("%zd,%s", n, memcmp(buf, value_of("*262144", &(size_t){ 0 }),
					(size_t)n) == 0 ? "same" : "differs");
	else
		say_bytes(buf, (size_t)n);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* listxattr PATH [SIZE]: names in order, joined by commas; SIZE 0: length. */
static int op_listxattr(int argc, char **argv)
{
	static char buf[MAX_VALUE];
	static char *names[8192];
	size_t size = argc > 1 ? (size_t)num_of(argv[1]) : sizeof(buf);
	ssize_t len = llistxattr(argv[0], buf, size);
	int n = 0;

	if (len < 0)
		return -errno;
	if (argc > 1 && size == 0) {
		say("%zd", len);
		return 0;
	}
	for (char *p = buf; p < buf + len && n < 8192; p += strlen(p) + 1)
		/* A host with SELinux labels every file. */
		if (strcmp(p, "security.selinux") != 0)
			names[n++] = p;
	qsort(names, (size_t)n, sizeof(names[0]), by_name);
	for (int i = 0; i < n; i++)
		say("%s%s", i ? "," : "", names[i]);
	if (n == 0)
		say("none");
	return 0;
}

static int op_removexattr(int argc, char **argv)
{
	return result_of(lremovexattr(argv[0], argv[1]));
}

static const struct vt_name inode_flags[] = {
	{ "append", FS_APPEND_FL }, { "immutable", FS_IMMUTABLE_FL },
	{ "noatime", FS_NOATIME_FL }, { "nodump", FS_NODUMP_FL }, { "none", 0 }, { NULL, 0 }
};

/* Flags outside the table are what the file system keeps for itself. */
static int op_getflags(int argc, char **argv)
{
	int flags = 0;
	bool any = false;

	if (ioctl(fd_of(argv[0]), FS_IOC_GETFLAGS, &flags) < 0)
		return -errno;
	for (const struct vt_name *n = inode_flags; n->name; n++) {
		if (n->value && ((unsigned)flags & n->value)) {
			say("%s%s", any ? "," : "", n->name);
			any = true;
		}
	}
	if (!any)
		say("none");
	return 0;
}

static int op_setflags(int argc, char **argv)
{
	int flags = 0, known = 0;

	for (const struct vt_name *n = inode_flags; n->name; n++)
		known |= (int)n->value;
	if (ioctl(fd_of(argv[0]), FS_IOC_GETFLAGS, &flags) < 0)
		return -errno;
	flags = (flags & ~known) | (int)flags_of(inode_flags, argv[1]);
	return result_of(ioctl(fd_of(argv[0]), FS_IOC_SETFLAGS, &flags));
}

static struct file_handle *new_handle(void)
{
	struct file_handle *h = calloc(1, sizeof(*h) + MAX_HANDLE_SZ);

	if (!h)
		usage_error("out of memory");
	h->handle_bytes = MAX_HANDLE_SZ;
	return h;
}

/* handle PATH: a name for the file that outlives the mount. */
static int op_handle(int argc, char **argv)
{
	struct file_handle *h = new_handle();
	const unsigned char *bytes = (const unsigned char *)(h + 1);
	int mount_id, r = 0;

	if (name_to_handle_at(AT_FDCWD, argv[0], h, &mount_id, 0) < 0) {
		r = -errno;
	} else {
		say("%d-", h->handle_type);
		for (unsigned i = 0; i < h->handle_bytes; i++)
			say("%02x", bytes[i]);
	}
	free(h);
	return r;
}

static int op_openhandle(int argc, char **argv)
{
	struct file_handle *h = new_handle();
	unsigned char *bytes = (unsigned char *)(h + 1);
	const char *hex = strchr(argv[1], '-');
	int dir = open(argv[0], O_RDONLY | O_DIRECTORY), fd;

	if (dir < 0 || !hex)
		usage_error("openhandle DIR TYPE-HEX");
	h->handle_type = atoi(argv[1]);
	h->handle_bytes = (unsigned)strlen(++hex) / 2;
	for (unsigned i = 0; i < h->handle_bytes; i++)
		sscanf(hex + 2 * i, "%2hhx", &bytes[i]);
	fd = open_by_handle_at(dir, h, O_RDONLY);
	free(h);
	close(dir);
	return fd_new(fd);
}

static int op_fitrim(int argc, char **argv)
{
	struct fstrim_range range = { .len = UINT64_MAX };
	int fd = open(argv[0], O_RDONLY), r;

	if (fd < 0)
		return -errno;
	r = result_of(ioctl(fd, FITRIM, &range));
	close(fd);
	if (r == 0)
		say("%llu", (unsigned long long)range.len);
	return r;
}

const struct vt_op vt_attr_ops[] = {
	{ "setxattr", 3, 4, op_setxattr }, { "fsetxattr", 3, 4, op_fsetxattr },
	{ "getxattr", 2, 3, op_getxattr }, { "listxattr", 1, 2, op_listxattr },
	{ "removexattr", 2, 2, op_removexattr },
	{ "getflags", 1, 1, op_getflags }, { "setflags", 2, 2, op_setflags },
	{ "handle", 1, 1, op_handle }, { "openhandle", 2, 2, op_openhandle },
	{ "fitrim", 1, 1, op_fitrim },
	{ NULL, 0, 0, NULL }
};
