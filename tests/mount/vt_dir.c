/* SPDX-License-Identifier: MIT */
/* vt_dir.c - reading directories, also while they change. */
#define _GNU_SOURCE
#include "vt.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct entry64 {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* ls DIR: the names in order, without . and .., joined by commas. */
static int op_ls(int argc, char **argv)
{
	static char *names[4096];
	DIR *d = opendir(argv[0]);
	struct dirent *e;
	int n = 0;

	if (!d)
		return -errno;
	while ((e = readdir(d)) && n < 4096)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			names[n++] = strdup(e->d_name);
	closedir(d);
	qsort(names, (size_t)n, sizeof(names[0]), by_bytes);
	for (int i = 0; i < n; i++) {
		if (i)
			say(",");
		say_bytes(names[i], strlen(names[i]));
		free(names[i]);
	}
	if (n == 0)
		say("none");
	return 0;
}

/* Counts the entries of DIR, with . and ..; each one's type and inode number
 * must be what lstat says. */
static int op_countdir(int argc, char **argv)
{
	DIR *d = opendir(argv[0]);
	struct dirent *e;
	int64_t n = 0;
	bool check_stat = argc > 1;

	if (!d)
		return -errno;
	while ((errno = 0, e = readdir(d))) {
		struct stat st;

		n++;
		if (check_stat && strcmp(e->d_name, "..") != 0 &&
		    (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		     st.st_ino != e->d_ino ||
		     (e->d_type != DT_UNKNOWN && e->d_type != IFTODT(st.st_mode)))) {
			say("%s differs from lstat", e->d_name);
			closedir(d);
			return 0;
		}
	}
	if (errno)
		return -errno;
	closedir(d);
	say("%lld", (long long)n);
	return 0;
}

/* One pass over an open directory with a small buffer.  seen[i] counts entry
 * fNNNNNN; of others only the fact that they occur at most once matters. */
static int scan_stable(int fd, unsigned char *seen, int n_stable, const char **ret_dup)
{
	static char dup_name[300];
	static char names[65536][20];
	size_t n_names = 0;
	char buf[4096];

	for (;;) {
		long len = syscall(SYS_getdents64, fd, buf, sizeof(buf));

		if (len < 0)
			return -errno;
		if (len == 0)
			break;
		for (long at = 0; at < len;) {
			struct entry64 *e = (struct entry64 *)(buf + at);

			at += e->reclen;
			if (e->name[0] == 'f' && atoi(e->name + 1) < n_stable)
				seen[atoi(e->name + 1)]++;
			else if (n_names < 65536)
				snprintf(names[n_names++], sizeof(names[0]), "%.19s", e->name);
		}
	}
	qsort(names, n_names, sizeof(names[0]), (int (*)(const void *, const void *))strcmp);
	for (size_t i = 1; i < n_names; i++) {
		if (strcmp(names[i - 1], names[i]) == 0) {
			snprintf(dup_name, sizeof(dup_name), "%s", names[i]);
			*ret_dup = dup_name;
		}
	}
	return 0;
}

/* A process that makes, renames and removes names never used twice. */
static pid_t start_churn(const char *dir)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid != 0)
		return pid;
	if (chdir(dir) < 0)
		_exit(1);
	for (unsigned i = 0;; i++) {
		char a[32], b[32];
		int fd;

		snprintf(a, sizeof(a), "x%09u", i);
		snprintf(b, sizeof(b), "y%09u", i);
		fd = open(a, O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (fd < 0)
			_exit(1);
		close(fd);
		if (i % 2 == 0 && rename(a, b) < 0)
			_exit(1);
		if (i >= 200) {
			snprintf(a, sizeof(a), "%c%09u", i % 2 ? 'x' : 'y', i - 200);
			unlink(a);
		}
	}
}

/* churn DIR STABLE PASSES: DIR holds f000000.. up to STABLE; during constant
 * change every pass gives each of them exactly once, and nothing else twice. */
static int op_churn(int argc, char **argv)
{
	int n_stable = (int)num_of(argv[1]), passes = (int)num_of(argv[2]);
	unsigned char *seen = malloc((size_t)n_stable);
	pid_t pid = start_churn(argv[0]);
	int r = 0, status;

	for (int p = 0; p < passes && r == 0; p++) {
		int fd = open(argv[0], O_RDONLY | O_DIRECTORY), lost = 0, twice = 0;
		const char *dup_name = NULL;

		if (fd < 0) {
			r = -errno;
			break;
		}
		memset(seen, 0, (size_t)n_stable);
		r = scan_stable(fd, seen, n_stable, &dup_name);
		close(fd);
		for (int i = 0; i < n_stable; i++) {
			lost += seen[i] == 0;
			twice += seen[i] > 1;
		}
		if (r == 0 && (lost || twice || dup_name)) {
			say("pass %d: %d lost, %d twice, duplicate %s", p, lost, twice,
			    dup_name ? dup_name : "none");
			break;
		}
	}
	if (waitpid(pid, &status, WNOHANG) != 0) {
		say("the churning process failed ");
	} else {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	free(seen);
	return r;
}

/* seekdir DIR: going back to any entry's position gives the same successor. */
static int op_seekdir(int argc, char **argv)
{
	static long pos[20000];
	static char *names[20000];
	DIR *d = opendir(argv[0]);
	struct dirent *e;
	int n = 0;

	if (!d)
		return -errno;
	for (;;) {
		pos[n] = telldir(d);
		e = readdir(d);
		if (!e || n == 19999)
			break;
		names[n++] = strdup(e->d_name);
	}
	for (int k = 0; k < n; k++) {
		int i = (k * 7919) % n;

		seekdir(d, pos[i]);
		e = readdir(d);
		if (!e || strcmp(e->d_name, names[i]) != 0) {
			say("at %d of %d: '%s' became '%s'", i, n, names[i], e ? e->d_name : "");
			break;
		}
	}
	rewinddir(d);
	e = readdir(d);
	if (n && (!e || strcmp(e->d_name, names[0]) != 0))
		say(" rewinddir does not go to the start");
	closedir(d);
	return 0;
}

/* rmloop DIR: removing entries while reading them, as rm -r does, misses none. */
static int op_rmloop(int argc, char **argv)
{
	DIR *d = opendir(argv[0]);
	struct dirent *e;
	int64_t n = 0;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) < 0) {
			say("%s: ", e->d_name);
			return -errno;
		}
		n++;
	}
	closedir(d);
	say("%lld", (long long)n);
	return 0;
}

const struct vt_op vt_dir_ops[] = {
	{ "ls", 1, 1, op_ls }, { "countdir", 1, 2, op_countdir }, { "churn", 3, 3, op_churn },
	{ "seekdir", 1, 1, op_seekdir }, { "rmloop", 1, 1, op_rmloop },
	{ NULL, 0, 0, NULL }
};
