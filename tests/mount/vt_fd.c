/* SPDX-License-Identifier: MIT */
/* vt_fd.c - operations on open files. */
#define _GNU_SOURCE
#include "vt.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ALIGN = 4096, PIECE = 1 << 20 };

static void *aligned(size_t len)
{
	void *p = aligned_alloc(ALIGN, (len + ALIGN - 1) / ALIGN * ALIGN + ALIGN);

	if (!p)
		usage_error("out of memory");
	return p;
}

static int op_close(int argc, char **argv)
{
	int r;

	fd_close(argv[0], &r);
	return r;
}

static int op_write(int argc, char **argv)
{
	ssize_t n = write(fd_of(argv[0]), argv[1], strlen(argv[1]));

	if (n < 0)
		return -errno;
	say("%zd", n);
	return 0;
}

static int op_pwrite(int argc, char **argv)
{
	ssize_t n = pwrite(fd_of(argv[0]), argv[2], strlen(argv[2]), num_of(argv[1]));

	if (n < 0)
		return -errno;
	say("%zd", n);
	return 0;
}

static int op_read(int argc, char **argv)
{
	size_t len = (size_t)num_of(argv[1]);
	char *buf = aligned(len);
	ssize_t n = read(fd_of(argv[0]), buf, len);
	int r = result_of(n);

	if (r == 0)
		say_bytes(buf, (size_t)n);
	free(buf);
	return r;
}

static int op_pread(int argc, char **argv)
{
	size_t len = (size_t)num_of(argv[2]);
	char *buf = aligned(len);
	ssize_t n = pread(fd_of(argv[0]), buf, len, num_of(argv[1]));
	int r = result_of(n);

	if (r == 0)
		say_bytes(buf, (size_t)n);
	free(buf);
	return r;
}

/* fill FD OFF LEN SEED: pattern bytes, in aligned pieces fit for O_DIRECT. */
static int op_fill(int argc, char **argv)
{
	int64_t off = num_of(argv[1]), end = off + num_of(argv[2]);
	unsigned seed = (unsigned)num_of(argv[3]);
	unsigned char *buf = aligned(PIECE);
	int r = 0;

	while (off < end && r == 0) {
		size_t n = (size_t)(end - off < PIECE ? end - off : PIECE);
		ssize_t w;

		for (size_t i = 0; i < n; i++)
			buf[i] = pattern_byte((uint64_t)off + i, seed);
		w = pwrite(fd_of(argv[0]), buf, n, off);
		if (w < 0)
			r = -errno;
		else
			off += w;
	}
	free(buf);
	return r;
}

/* Compares FD OFF LEN with the pattern of SEED, or with zeros. */
static int compare(int argc, char **argv, bool zeros)
{
	int64_t off = num_of(argv[1]), end = off + num_of(argv[2]);
	unsigned seed = zeros ? 0 : (unsigned)num_of(argv[3]);
	unsigned char *buf = aligned(PIECE);
	bool differs = false;
	int r = 0;

	while (off < end && r == 0 && !differs) {
		size_t n = (size_t)(end - off < PIECE ? end - off : PIECE);
		ssize_t got = pread(fd_of(argv[0]), buf, n, off);

		if (got < 0) {
			r = -errno;
		} else if (got == 0) {
			say("ends at %lld", (long long)off);
			differs = true;
		}
		for (ssize_t i = 0; i < got && !differs; i++) {
			if (buf[i] != (zeros ? 0 : pattern_byte((uint64_t)(off + i), seed))) {
				say("differs at %lld", (long long)(off + i));
				differs = true;
			}
		}
		off += got;
	}
	free(buf);
	return r;
}

static int op_isfill(int argc, char **argv)
{
	return compare(argc, argv, false);
}

static int op_iszero(int argc, char **argv)
{
	return compare(argc, argv, true);
}

static int op_lseek(int argc, char **argv)
{
	static const struct vt_name whence[] = {
		{ "set", SEEK_SET }, { "cur", SEEK_CUR }, { "end", SEEK_END },
		{ "data", SEEK_DATA }, { "hole", SEEK_HOLE }, { NULL, 0 }
	};
	off_t r = lseek(fd_of(argv[0]), num_of(argv[1]), (int)flags_of(whence, argv[2]));

	if (r < 0)
		return -errno;
	say("%lld", (long long)r);
	return 0;
}

static int op_fsync(int argc, char **argv)
{
	return result_of(fsync(fd_of(argv[0])));
}

static int op_fdatasync(int argc, char **argv)
{
	return result_of(fdatasync(fd_of(argv[0])));
}

static int op_syncfs(int argc, char **argv)
{
	return result_of(syncfs(fd_of(argv[0])));
}

static int op_ftruncate(int argc, char **argv)
{
	return result_of(ftruncate(fd_of(argv[0]), num_of(argv[1])));
}

static int op_fchmod(int argc, char **argv)
{
	return result_of(fchmod(fd_of(argv[0]), (mode_t)num_of(argv[1])));
}

static int op_fchown(int argc, char **argv)
{
	return result_of(fchown(fd_of(argv[0]), (uid_t)num_of(argv[1]),
				(gid_t)num_of(argv[2])));
}

static int op_fallocate(int argc, char **argv)
{
	static const struct vt_name modes[] = {
		{ "alloc", 0 }, { "keep", FALLOC_FL_KEEP_SIZE },
		{ "punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE },
		{ "punch-only", FALLOC_FL_PUNCH_HOLE }, { "zero", FALLOC_FL_ZERO_RANGE },
		{ "collapse", FALLOC_FL_COLLAPSE_RANGE }, { "insert", FALLOC_FL_INSERT_RANGE },
		{ NULL, 0 }
	};

	return result_of(fallocate(fd_of(argv[0]), (int)flags_of(modes, argv[1]),
				   num_of(argv[2]), num_of(argv[3])));
}

/* copy IN OFF OUT OFF LEN, until all is copied or the source ends. */
static int op_copy(int argc, char **argv)
{
	off_t in = num_of(argv[1]), out = num_of(argv[3]);
	size_t len = (size_t)num_of(argv[4]), done = 0;
	ssize_t n = 0;

	while (done < len) {
		n = copy_file_range(fd_of(argv[0]), &in, fd_of(argv[2]), &out, len - done, 0);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (n < 0)
		return -errno;
	say("%zu", done);
	return 0;
}

static int op_flock(int argc, char **argv)
{
	static const struct vt_name ops[] = {
		{ "sh", LOCK_SH }, { "ex", LOCK_EX }, { "un", LOCK_UN }, { "nb", LOCK_NB },
		{ NULL, 0 }
	};

	return result_of(flock(fd_of(argv[0]), (int)flags_of(ops, argv[1])));
}

static struct flock lock_of(char **argv)
{
	return (struct flock) {
		.l_type = argv[1][0] == 'r' ? F_RDLCK : argv[1][0] == 'w' ? F_WRLCK : F_UNLCK,
		.l_whence = SEEK_SET, .l_start = num_of(argv[2]), .l_len = num_of(argv[3]),
	};
}

/* lock FD r|w|u START LEN does not wait; lockw does; olock is OFD. */
static int op_lock(int argc, char **argv)
{
	struct flock fl = lock_of(argv);

	return result_of(fcntl(fd_of(argv[0]), F_SETLK, &fl));
}

static int op_lockw(int argc, char **argv)
{
	struct flock fl = lock_of(argv);

	return result_of(fcntl(fd_of(argv[0]), F_SETLKW, &fl));
}

static int op_olock(int argc, char **argv)
{
	struct flock fl = lock_of(argv);

	return result_of(fcntl(fd_of(argv[0]), F_OFD_SETLK, &fl));
}

static int op_getlock(int argc, char **argv)
{
	struct flock fl = lock_of(argv);

	if (fcntl(fd_of(argv[0]), F_GETLK, &fl) < 0)
		return -errno;
	if (fl.l_type == F_UNLCK)
		say("free");
	else
		say("%s,%lld,%lld", fl.l_type == F_RDLCK ? "r" : "w", (long long)fl.l_start,
		    (long long)fl.l_len);
	return 0;
}

const struct vt_op vt_fd_ops[] = {
	{ "close", 1, 1, op_close }, { "write", 2, 2, op_write }, { "pwrite", 3, 3, op_pwrite },
	{ "read", 2, 2, op_read }, { "pread", 3, 3, op_pread },
	{ "fill", 4, 4, op_fill }, { "isfill", 4, 4, op_isfill }, { "iszero", 3, 3, op_iszero },
	{ "lseek", 3, 3, op_lseek }, { "fsync", 1, 1, op_fsync },
	{ "fdatasync", 1, 1, op_fdatasync }, { "syncfs", 1, 1, op_syncfs },
	{ "ftruncate", 2, 2, op_ftruncate }, { "fchmod", 2, 2, op_fchmod },
	{ "fchown", 3, 3, op_fchown }, { "fallocate", 4, 4, op_fallocate },
	{ "copy", 5, 5, op_copy }, { "flock", 2, 2, op_flock },
	{ "lock", 4, 4, op_lock }, { "lockw", 4, 4, op_lockw }, { "olock", 4, 4, op_olock },
	{ "getlock", 4, 4, op_getlock },
	{ NULL, 0, 0, NULL }
};
