/* SPDX-License-Identifier: MIT */
/* vt_path.c - operations on paths. */
#define _GNU_SOURCE
#include "vt.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const struct vt_name open_flags[] = {
	{ "rdonly", O_RDONLY }, { "wronly", O_WRONLY }, { "rdwr", O_RDWR },
	{ "creat", O_CREAT }, { "excl", O_EXCL }, { "trunc", O_TRUNC },
	{ "append", O_APPEND }, { "nofollow", O_NOFOLLOW }, { "directory", O_DIRECTORY },
	{ "tmpfile", O_TMPFILE }, { "sync", O_SYNC }, { "dsync", O_DSYNC },
	{ "direct", O_DIRECT }, { "noatime", O_NOATIME }, { "path", O_PATH },
	{ "nonblock", O_NONBLOCK }, { NULL, 0 }
};

static const struct vt_name rename_flags[] = {
	{ "noreplace", RENAME_NOREPLACE }, { "exchange", RENAME_EXCHANGE },
	{ "whiteout", RENAME_WHITEOUT }, { NULL, 0 }
};

static int op_open(int argc, char **argv)
{
	mode_t mode = argc > 2 ? (mode_t)num_of(argv[2]) : 0;

	return fd_new(open(argv[0], (int)flags_of(open_flags, argv[1]), mode));
}

/* open that only tells whether it works. */
static int op_tryopen(int argc, char **argv)
{
	mode_t mode = argc > 2 ? (mode_t)num_of(argv[2]) : 0;
	int fd = open(argv[0], (int)flags_of(open_flags, argv[1]), mode);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int op_linkfd(int argc, char **argv)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd_of(argv[0]));
	return result_of(linkat(AT_FDCWD, path, AT_FDCWD, argv[1], AT_SYMLINK_FOLLOW));
}

static int op_mkdir(int argc, char **argv)
{
	return result_of(mkdir(argv[0], (mode_t)num_of(argv[1])));
}

static int op_rmdir(int argc, char **argv)
{
	return result_of(rmdir(argv[0]));
}

static int op_unlink(int argc, char **argv)
{
	return result_of(unlink(argv[0]));
}

static int op_link(int argc, char **argv)
{
	return result_of(link(argv[0], argv[1]));
}

static int op_symlink(int argc, char **argv)
{
	return result_of(symlink(argv[0], argv[1]));
}

static int op_readlink(int argc, char **argv)
{
	char target[8192];
	ssize_t n = readlink(argv[0], target, sizeof(target));

	if (n < 0)
		return -errno;
	say_bytes(target, (size_t)n);
	return 0;
}

static int op_rename(int argc, char **argv)
{
	unsigned flags = argc > 2 ? (unsigned)flags_of(rename_flags, argv[2]) : 0;

	return result_of(syscall(SYS_renameat2, AT_FDCWD, argv[0], AT_FDCWD, argv[1], flags));
}

static int op_mknod(int argc, char **argv)
{
	mode_t type;
	dev_t dev = 0;

	switch (argv[1][0]) {
	case 'p': type = S_IFIFO; break;
	case 's': type = S_IFSOCK; break;
	case 'c': type = S_IFCHR; break;
	case 'b': type = S_IFBLK; break;
	case 'f': type = S_IFREG; break;
	default: usage_error("mknod type %s", argv[1]);
	}
	if (argc > 4)
		dev = makedev((unsigned)num_of(argv[3]), (unsigned)num_of(argv[4]));
	return result_of(mknod(argv[0], type | (mode_t)num_of(argv[2]), dev));
}

static int op_bind(int argc, char **argv)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), r;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", argv[0]);
	r = result_of(bind(fd, (struct sockaddr *)&sa, sizeof(sa)));
	if (r == 0)
		r = result_of(listen(fd, 4));
	fd_new(fd);
	return r;
}

static int op_connect(int argc, char **argv)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), r;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", argv[0]);
	r = result_of(connect(fd, (struct sockaddr *)&sa, sizeof(sa)));
	fd_new(fd);
	return r;
}

static int op_chmod(int argc, char **argv)
{
	return result_of(chmod(argv[0], (mode_t)num_of(argv[1])));
}

static int op_chown(int argc, char **argv)
{
	return result_of(chown(argv[0], (uid_t)num_of(argv[1]), (gid_t)num_of(argv[2])));
}

static int op_lchown(int argc, char **argv)
{
	return result_of(lchown(argv[0], (uid_t)num_of(argv[1]), (gid_t)num_of(argv[2])));
}

static int op_truncate(int argc, char **argv)
{
	return result_of(truncate(argv[0], num_of(argv[1])));
}

static struct timespec time_of(const char *arg)
{
	struct timespec t = { 0 };
	char *dot;

	if (strcmp(arg, "now") == 0) {
		t.tv_nsec = UTIME_NOW;
	} else if (strcmp(arg, "omit") == 0) {
		t.tv_nsec = UTIME_OMIT;
	} else {
		t.tv_sec = strtoll(arg, &dot, 10);
		if (*dot == '.')
			t.tv_nsec = strtol(dot + 1, NULL, 10);
	}
	return t;
}

static int set_times(char **argv, int flags)
{
	struct timespec t[2] = { time_of(argv[1]), time_of(argv[2]) };

	return result_of(utimensat(AT_FDCWD, argv[0], t, flags));
}

static int op_utimens(int argc, char **argv)
{
	return set_times(argv, 0);
}

static int op_lutimens(int argc, char **argv)
{
	return set_times(argv, AT_SYMLINK_NOFOLLOW);
}

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return "file";
	case S_IFDIR: return "dir";
	case S_IFLNK: return "symlink";
	case S_IFIFO: return "fifo";
	case S_IFSOCK: return "socket";
	case S_IFCHR: return "char";
	case S_IFBLK: return "block";
	default: return "unknown";
	}
}

static void say_time(struct statx_timestamp t)
{
	say("%lld.%09u", (long long)t.tv_sec, t.tv_nsec);
}

static void say_field(const char *f, const struct statx *st)
{
	if (strcmp(f, "type") == 0)
		say("%s", type_name(st->stx_mode));
	else if (strcmp(f, "mode") == 0)
		say("%04o", st->stx_mode & 07777);
	else if (strcmp(f, "nlink") == 0)
		say("%u", st->stx_nlink);
	else if (strcmp(f, "uid") == 0)
		say("%u", st->stx_uid);
	else if (strcmp(f, "gid") == 0)
		say("%u", st->stx_gid);
	else if (strcmp(f, "size") == 0)
		say("%llu", (unsigned long long)st->stx_size);
	else if (strcmp(f, "blocks") == 0)
		say("%llu", (unsigned long long)st->stx_blocks);
	else if (strcmp(f, "ino") == 0)
		say("%llu", (unsigned long long)st->stx_ino);
	else if (strcmp(f, "rdev") == 0)
		say("%u:%u", st->stx_rdev_major, st->stx_rdev_minor);
	else if (strcmp(f, "atime") == 0)
		say_time(st->stx_atime);
	else if (strcmp(f, "mtime") == 0)
		say_time(st->stx_mtime);
	else if (strcmp(f, "ctime") == 0)
		say_time(st->stx_ctime);
	else if (strcmp(f, "btime") == 0 && (st->stx_mask & STATX_BTIME))
		say_time(st->stx_btime);
	else if (strcmp(f, "btime") == 0)
		say("none");
	else if (strcmp(f, "blksize") == 0)
		say("%u", st->stx_blksize);
	else
		usage_error("unknown field %s", f);
}

static int say_stat(int fd, const char *path, int flags, const char *fields)
{
	char copy[256], *save = NULL;
	struct statx st;
	bool first = true;

	if (statx(fd, path, flags, STATX_ALL, &st) < 0)
		return -errno;
	snprintf(copy, sizeof(copy), "%s", fields);
	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		if (!first)
			say(",");
		first = false;
		say_field(w, &st);
	}
	return 0;
}

static int op_stat(int argc, char **argv)
{
	return say_stat(AT_FDCWD, argv[0], 0, argc > 1 ? argv[1] : "type");
}

static int op_lstat(int argc, char **argv)
{
	return say_stat(AT_FDCWD, argv[0], AT_SYMLINK_NOFOLLOW, argc > 1 ? argv[1] : "type");
}

static int op_fstat(int argc, char **argv)
{
	return say_stat(fd_of(argv[0]), "", AT_EMPTY_PATH, argc > 1 ? argv[1] : "type");
}

static int op_access(int argc, char **argv)
{
	int mode = F_OK;

	for (const char *p = argv[1]; *p; p++)
		mode |= *p == 'r' ? R_OK : *p == 'w' ? W_OK : *p == 'x' ? X_OK : 0;
	return result_of(faccessat(AT_FDCWD, argv[0], mode, AT_EACCESS));
}

static int op_chdir(int argc, char **argv)
{
	return result_of(chdir(argv[0]));
}

static int op_getcwd(int argc, char **argv)
{
	char path[8192];

	if (!getcwd(path, sizeof(path)))
		return -errno;
	say("%s", path);
	return 0;
}

static int op_umask(int argc, char **argv)
{
	umask((mode_t)num_of(argv[0]));
	return 0;
}

/* Changes who the following operations are done by; only root can. */
static int op_as(int argc, char **argv)
{
	if (seteuid(0) < 0 || setegid((gid_t)num_of(argv[1])) < 0 ||
	    seteuid((uid_t)num_of(argv[0])) < 0)
		return -errno;
	return 0;
}

static int op_statfs(int argc, char **argv)
{
	struct statvfs s;

	if (statvfs(argv[0], &s) < 0)
		return -errno;
	say("%lu %llu %llu %llu %llu %llu %lu", s.f_frsize, (unsigned long long)s.f_blocks,
	    (unsigned long long)s.f_bfree, (unsigned long long)s.f_bavail,
	    (unsigned long long)s.f_files, (unsigned long long)s.f_ffree, s.f_namemax);
	return 0;
}

static int op_now(int argc, char **argv)
{
	struct timespec t;

	/* The kernel stamps files with its coarse clock. */
	clock_gettime(CLOCK_REALTIME_COARSE, &t);
	say("%lld.%09ld", (long long)t.tv_sec, t.tv_nsec);
	return 0;
}

const struct vt_op vt_path_ops[] = {
	{ "open", 2, 3, op_open }, { "tryopen", 2, 3, op_tryopen },
	{ "linkfd", 2, 2, op_linkfd },
	{ "mkdir", 2, 2, op_mkdir }, { "rmdir", 1, 1, op_rmdir },
	{ "unlink", 1, 1, op_unlink }, { "link", 2, 2, op_link },
	{ "symlink", 2, 2, op_symlink }, { "readlink", 1, 1, op_readlink },
	{ "rename", 2, 3, op_rename }, { "mknod", 3, 5, op_mknod },
	{ "bind", 1, 1, op_bind }, { "connect", 1, 1, op_connect },
	{ "chmod", 2, 2, op_chmod }, { "chown", 3, 3, op_chown },
	{ "lchown", 3, 3, op_lchown }, { "truncate", 2, 2, op_truncate },
	{ "utimens", 3, 3, op_utimens }, { "lutimens", 3, 3, op_lutimens },
	{ "stat", 1, 2, op_stat }, { "lstat", 1, 2, op_lstat }, { "fstat", 1, 2, op_fstat },
	{ "access", 2, 2, op_access }, { "chdir", 1, 1, op_chdir },
	{ "getcwd", 0, 0, op_getcwd }, { "umask", 1, 1, op_umask }, { "as", 2, 2, op_as },
	{ "statfs", 1, 1, op_statfs }, { "now", 0, 0, op_now },
	{ NULL, 0, 0, NULL }
};
