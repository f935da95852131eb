/* SPDX-License-Identifier: MIT */
/* vt_load.c - several processes or many files at once. */
#define _GNU_SOURCE
#include "vt.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Waits for n children; true if every one exited with 0. */
static bool children_succeed(int n)
{
	bool good = true;
	int status;

	while (n-- > 0)
		if (wait(&status) < 0 || status != 0)
			good = false;
	return good;
}

enum { RECORD = 48 };

/* appenders FILE PROCESSES RECORDS: each process appends its numbered records;
 * in the end every record is there once, whole, in its process's order. */
static int op_appenders(int argc, char **argv)
{
	int n_procs = (int)num_of(argv[1]), n_records = (int)num_of(argv[2]);
	int next[64] = { 0 }, fd;
	char rec[64], got[RECORD + 1] = "";

	if (n_procs > 64)
		usage_error("at most 64 processes");
	fflush(stdout);
	for (int p = 0; p < n_procs; p++) {
		if (fork() == 0) {
			int f = open(argv[0], O_WRONLY | O_APPEND | O_CREAT, 0644);

			for (int i = 0; i < n_records; i++) {
				snprintf(rec, sizeof(rec), "%3d %8d %034d\n", p, i, p * i);
				if (write(f, rec, RECORD) != RECORD)
					_exit(1);
			}
			_exit(0);
		}
	}
	if (!children_succeed(n_procs)) {
		say("write failed");
		return 0;
	}
	fd = open(argv[0], O_RDONLY);
	if (fd < 0)
		return -errno;
	for (int64_t i = 0; read(fd, got, RECORD) == RECORD; i++) {
		int p = atoi(got), n = atoi(got + 4);

		snprintf(rec, sizeof(rec), "%3d %8d %034d\n", p, n, p * n);
		if (memcmp(rec, got, RECORD) != 0 || p < 0 || p >= n_procs || n != next[p]++) {
			say("record %lld is '%.47s'", (long long)i, got);
			close(fd);
			return 0;
		}
	}
	close(fd);
	for (int p = 0; p < n_procs; p++)
		if (next[p] != n_records)
			say("process %d: %d of %d records ", p, next[p], n_records);
	return 0;
}

static int create_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644), r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		r = -EIO;
	close(fd);
	return r;
}

/* replaced FILE ROUNDS: while a process replaces FILE by rename, it can always
 * be opened and always holds one whole version. */
static int op_replaced(int argc, char **argv)
{
	int rounds = (int)num_of(argv[1]), reads = 0, status;
	char tmp[4096];
	pid_t writer;

	if (create_file(argv[0], "0000000000") < 0)
		return -errno;
	fflush(stdout);
	writer = fork();
	if (writer == 0) {
		snprintf(tmp, sizeof(tmp), "%s.new", argv[0]);
		for (int i = 0; i < rounds; i++) {
			char text[16];

			snprintf(text, sizeof(text), "%010d", i);
			if (create_file(tmp, text) < 0 || rename(tmp, argv[0]) < 0)
				_exit(1);
		}
		_exit(0);
	}
	while (waitpid(writer, &status, WNOHANG) == 0) {
		char got[16];
		int fd = open(argv[0], O_RDONLY);
		ssize_t n;

		if (fd < 0) {
			say("missing after %d reads: %s ", reads, errno_name(errno));
			waitpid(writer, &status, 0);
			break;
		}
		n = read(fd, got, sizeof(got));
		close(fd);
		if (n != 10) {
			say("version of %zd bytes ", n);
			waitpid(writer, &status, 0);
			break;
		}
		reads++;
	}
	if (status != 0)
		say("writer failed");
	return 0;
}

/* exclusive FILE PROCESSES ROUNDS: O_CREAT|O_EXCL succeeds for exactly one. */
static int op_exclusive(int argc, char **argv)
{
	int n_procs = (int)num_of(argv[1]), rounds = (int)num_of(argv[2]);

	fflush(stdout);
	for (int i = 0; i < rounds; i++) {
		int won = 0, status;

		for (int p = 0; p < n_procs; p++) {
			if (fork() == 0) {
				int fd = open(argv[0], O_WRONLY | O_CREAT | O_EXCL, 0644);

				_exit(fd >= 0 ? 0 : errno == EEXIST ? 1 : 2);
			}
		}
		for (int p = 0; p < n_procs; p++) {
			wait(&status);
			if (WEXITSTATUS(status) == 2)
				say("unexpected error ");
			won += WEXITSTATUS(status) == 0;
		}
		if (won != 1)
			say("round %d: %d winners ", i, won);
		if (unlink(argv[0]) < 0)
			return -errno;
	}
	return 0;
}

/* makefiles DIR FROM TO [SIZE]: files named f000000 and so on, empty or with
 * SIZE bytes of their number's pattern. */
static int op_makefiles(int argc, char **argv)
{
	int64_t from = num_of(argv[1]), to = num_of(argv[2]);
	size_t size = argc > 3 ? (size_t)num_of(argv[3]) : 0;
	unsigned char *buf = malloc(size + 1);
	int dir = open(argv[0], O_RDONLY | O_DIRECTORY);

	if (dir < 0)
		return -errno;
	for (int64_t i = from; i < to; i++) {
		char name[32];
		int fd;

		snprintf(name, sizeof(name), "f%06lld", (long long)i);
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
		if (fd < 0) {
			say("%s: ", name);
			return -errno;
		}
		for (size_t k = 0; k < size; k++)
			buf[k] = pattern_byte(k, (unsigned)i);
		if (size && write(fd, buf, size) != (ssize_t)size) {
			say("%s: ", name);
			return -errno;
		}
		close(fd);
	}
	free(buf);
	close(dir);
	return 0;
}

static int op_dropfiles(int argc, char **argv)
{
	int64_t from = num_of(argv[1]), to = num_of(argv[2]);
	int dir = open(argv[0], O_RDONLY | O_DIRECTORY);

	if (dir < 0)
		return -errno;
	for (int64_t i = from; i < to; i++) {
		char name[32];

		snprintf(name, sizeof(name), "f%06lld", (long long)i);
		if (unlinkat(dir, name, 0) < 0) {
			say("%s: ", name);
			return -errno;
		}
	}
	close(dir);
	return 0;
}

/* makelinks FILE DIR N: links l000000 and so on. */
static int op_makelinks(int argc, char **argv)
{
	int64_t n = num_of(argv[2]);
	int dir = open(argv[1], O_RDONLY | O_DIRECTORY);

	if (dir < 0)
		return -errno;
	for (int64_t i = 0; i < n; i++) {
		char name[32];

		snprintf(name, sizeof(name), "l%06lld", (long long)i);
		if (linkat(AT_FDCWD, argv[0], dir, name, 0) < 0) {
			say("%s: ", name);
			return -errno;
		}
	}
	close(dir);
	return 0;
}

/* crashwriter DIR: for ever, write a file, fsync it and its directory, and
 * only then print its number.  Ends by being killed or at the first error. */
static int op_crashwriter(int argc, char **argv)
{
	int dir = open(argv[0], O_RDONLY | O_DIRECTORY);
	static unsigned char buf[70000];

	if (dir < 0)
		return -errno;
	for (unsigned n = 0;; n++) {
		size_t len = (n * 7919u) % sizeof(buf);
		char name[32];
		int fd;

		for (size_t i = 0; i < len; i++)
			buf[i] = pattern_byte(i, n);
		snprintf(name, sizeof(name), "c%06u", n);
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
		if (fd < 0 || write(fd, buf, len) != (ssize_t)len || fsync(fd) < 0 ||
		    fsync(dir) < 0)
			return -errno;
		close(fd);
		say("%u\n", n);
		fflush(stdout);
	}
}

/* crashcheck DIR N: the files up to number N are there, whole. */
static int op_crashcheck(int argc, char **argv)
{
	unsigned last = (unsigned)num_of(argv[1]);
	static unsigned char buf[70001];

	for (unsigned n = 0; n <= last; n++) {
		size_t len = (n * 7919u) % 70000u, bad = 0;
		char path[4096];
		ssize_t got;
		int fd;

		snprintf(path, sizeof(path), "%s/c%06u", argv[0], n);
		fd = open(path, O_RDONLY);
		if (fd < 0) {
			say("%s: ", path);
			return -errno;
		}
		got = read(fd, buf, sizeof(buf));
		close(fd);
		for (size_t i = 0; i < len && got == (ssize_t)len; i++)
			bad += buf[i] != pattern_byte(i, n);
		if (got != (ssize_t)len || bad) {
			say("%s: %zd of %zu bytes, %zu wrong", path, got, len, bad);
			return 0;
		}
	}
	return 0;
}

/* creators DIR PROCESSES N: processes make, rename, link and remove files of
 * their own in one directory; what should remain is all that remains. */
static int op_creators(int argc, char **argv)
{
	int n_procs = (int)num_of(argv[1]), n = (int)num_of(argv[2]);

	fflush(stdout);
	for (int p = 0; p < n_procs; p++) {
		if (fork() != 0)
			continue;
		if (chdir(argv[0]) < 0)
			_exit(1);
		for (int i = 0; i < n; i++) {
			char a[64], b[64], c[64];

			snprintf(a, sizeof(a), "p%d.%d.a", p, i);
			snprintf(b, sizeof(b), "p%d.%d", p, i);
			snprintf(c, sizeof(c), "p%d.%d.c", p, i);
			if (create_file(a, b) < 0 || rename(a, b) < 0 || link(b, c) < 0 ||
			    unlink(c) < 0 || (i % 2 && unlink(b) < 0))
				_exit(1);
		}
		_exit(0);
	}
	if (!children_succeed(n_procs))
		say("a process failed ");
	for (int p = 0; p < n_procs; p++) {
		for (int i = 0; i < n; i++) {
			char path[4096];
			struct stat st;
			int r;

			snprintf(path, sizeof(path), "%s/p%d.%d", argv[0], p, i);
			r = stat(path, &st);
			if (i % 2 ? r == 0 : r < 0 || st.st_nlink != 1) {
				say("%s is wrong", path);
				return 0;
			}
		}
	}
	return 0;
}

const struct vt_op vt_load_ops[] = {
	{ "appenders", 3, 3, op_appenders }, { "replaced", 2, 2, op_replaced },
	{ "exclusive", 3, 3, op_exclusive }, { "creators", 3, 3, op_creators },
	{ "makefiles", 3, 4, op_makefiles }, { "dropfiles", 3, 3, op_dropfiles },
	{ "makelinks", 3, 3, op_makelinks },
	{ "crashwriter", 1, 1, op_crashwriter }, { "crashcheck", 2, 2, op_crashcheck },
	{ NULL, 0, 0, NULL }
};
