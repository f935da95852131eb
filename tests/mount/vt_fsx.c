/* SPDX-License-Identifier: MIT */
/* vt_fsx.c - random operations on one file against a copy in memory.
 *
 * fsx FILE OPERATIONS SEED [KINDS]: writes, reads, truncates, maps, punches,
 * zeroes, clones and reopens at random offsets; every read must give what the
 * copy holds.  KINDS leaves out what is not wanted, e.g. "w,r,t,m": w write,
 * r read, t truncate, m mapped write, p punch, z zero, a allocate, c copy
 * inside the file, d direct write, D direct read, s fsync, o close and open.
 * At a difference it prints seed and step, and the last steps on stderr. */
#define _GNU_SOURCE
#include "vt.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SIZE = 1 << 20, BLOCK = 4096, HISTORY = 64 };

struct run {
	int fd, direct_fd;
	uint64_t random;
	unsigned step;
	size_t size;
	unsigned char *want, *buf;
	char history[HISTORY][80];
};

static uint64_t pick(struct run *r, uint64_t n)
{
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	return r->random % n;
}

static void pick_range(struct run *r, size_t *ret_off, size_t *ret_len)
{
	/* Half of the ranges are short, half begin or end on a block. */
	size_t max_len = pick(r, 2) ? 3 * BLOCK : 200000;
	size_t off = pick(r, MAX_SIZE - 1), len;

	if (pick(r, 2))
		off &= ~(size_t)(BLOCK - 1);
	len = 1 + pick(r, max_len);
	if (pick(r, 3) == 0)
		len = (len + BLOCK - 1) & ~(size_t)(BLOCK - 1);
	if (len > MAX_SIZE - off)
		len = MAX_SIZE - off;
	*ret_off = off;
	*ret_len = len;
}

static void grow(struct run *r, size_t end)
{
	if (end > r->size)
		r->size = end;
}

static void random_bytes(struct run *r, unsigned char *to, size_t len)
{
	unsigned seed = (unsigned)pick(r, 1u << 30);

	for (size_t i = 0; i < len; i++)
		to[i] = pattern_byte(i, seed);
}

static bool same(struct run *r, size_t off, const unsigned char *got, size_t len)
{
	if (memcmp(got, r->want + off, len) == 0)
		return true;
	for (size_t i = 0; i < len; i++) {
		if (got[i] != r->want[off + i]) {
			say("step %u: byte %zu is %02x, should be %02x ", r->step, off + i,
			    got[i], r->want[off + i]);
			return false;
		}
	}
	return true;
}

static bool failed_call(struct run *r, const char *what)
{
	say("step %u: %s: %s ", r->step, what, errno_name(errno));
	return false;
}

static bool do_write(struct run *r, bool direct)
{
	size_t off, len;

	pick_range(r, &off, &len);
	if (direct) {
		off &= ~(size_t)(BLOCK - 1);
		len = (len + BLOCK - 1) & ~(size_t)(BLOCK - 1);
		if (off + len > MAX_SIZE)
			len = MAX_SIZE - off;
	}
	random_bytes(r, r->buf, len);
	if (pwrite(direct ? r->direct_fd : r->fd, r->buf, len, (off_t)off) != (ssize_t)len)
		return failed_call(r, "pwrite");
	memcpy(r->want + off, r->buf, len);
	grow(r, off + len);
	return true;
}

static bool do_read(struct run *r, bool direct)
{
	size_t off, len, want;
	ssize_t n;

	pick_range(r, &off, &len);
	if (direct) {
		off &= ~(size_t)(BLOCK - 1);
		len = (len + BLOCK - 1) & ~(size_t)(BLOCK - 1);
	}
	n = pread(direct ? r->direct_fd : r->fd, r->buf, len, (off_t)off);
	if (n < 0)
		return failed_call(r, "pread");
	want = off >= r->size ? 0 : r->size - off < len ? r->size - off : len;
	if ((size_t)n != want) {
		say("step %u: read %zd instead of %zu at %zu ", r->step, n, want, off);
		return false;
	}
	return same(r, off, r->buf, want);
}

static bool do_truncate(struct run *r)
{
	size_t to = pick(r, MAX_SIZE);

	if (ftruncate(r->fd, (off_t)to) < 0)
		return failed_call(r, "ftruncate");
	if (to < r->size)
		memset(r->want + to, 0, MAX_SIZE - to);
	r->size = to;
	return true;
}

static bool do_map(struct run *r)
{
	size_t off, len;
	unsigned char *at;
	bool good;

	pick_range(r, &off, &len);
	if (r->size == 0)
		return true;
	if (off >= r->size)
		off = pick(r, r->size);
	if (len > r->size - off)
		len = r->size - off;
	at = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (at == MAP_FAILED)
		return failed_call(r, "mmap");
	good = same(r, off, at + off, len);
	random_bytes(r, at + off, len);
	memcpy(r->want + off, at + off, len);
	munmap(at, r->size);
	return good;
}

static bool do_fallocate(struct run *r, char kind)
{
	size_t off, len;
	int mode = 0;

	pick_range(r, &off, &len);
	if (kind == 'p')
		mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	else if (kind == 'z')
		mode = FALLOC_FL_ZERO_RANGE | (pick(r, 2) ? FALLOC_FL_KEEP_SIZE : 0);
	else
		mode = pick(r, 2) ? FALLOC_FL_KEEP_SIZE : 0;
	if (fallocate(r->fd, mode, (off_t)off, (off_t)len) < 0)
		return failed_call(r, kind == 'p' ? "punch" : kind == 'z' ? "zero" : "allocate");
	if (kind != 'a') {
		size_t end = off + len < r->size ? off + len : r->size;

		if (off < end)
			memset(r->want + off, 0, end - off);
	}
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		grow(r, off + len);
	return true;
}

static bool do_copy(struct run *r)
{
	size_t in, len, out, left;
	off_t from, to;

	pick_range(r, &in, &len);
	if (in >= r->size)
		return true;
	if (len > r->size - in)
		len = r->size - in;
	out = pick(r, 2) ? pick(r, MAX_SIZE - len + 1) & ~(size_t)(BLOCK - 1) :
		pick(r, MAX_SIZE - len + 1);
	if (in < out + len && out < in + len)
		return true;
	from = (off_t)in;
	to = (off_t)out;
	for (left = len; left > 0;) {
		ssize_t n = copy_file_range(r->fd, &from, r->fd, &to, left, 0);

		if (n <= 0)
			return failed_call(r, "copy_file_range");
		left -= (size_t)n;
	}
	memcpy(r->want + out, r->want + in, len);
	grow(r, out + len);
	return true;
}

static bool reopen(struct run *r, const char *path)
{
	struct stat st;

	if (r->fd >= 0) {
		close(r->fd);
		close(r->direct_fd);
	}
	r->fd = open(path, O_RDWR);
	r->direct_fd = open(path, O_RDWR | O_DIRECT);
	if (r->fd < 0 || r->direct_fd < 0)
		return failed_call(r, "open");
	if (fstat(r->fd, &st) < 0 || (size_t)st.st_size != r->size) {
		say("step %u: size %lld, should be %zu ", r->step, (long long)st.st_size, r->size);
		return false;
	}
	return true;
}

static bool step(struct run *r, const char *path, const char *kinds)
{
	char kind = kinds[pick(r, strlen(kinds))];

	snprintf(r->history[r->step % HISTORY], sizeof(r->history[0]), "step %u: %c, size %zu",
		 r->step, kind, r->size);
	switch (kind) {
	case 'w': return do_write(r, false);
	case 'd': return do_write(r, true);
	case 'r': return do_read(r, false);
	case 'D': return do_read(r, true);
	case 't': return do_truncate(r);
	case 'm': return do_map(r);
	case 'p': case 'z': case 'a': return do_fallocate(r, kind);
	case 'c': return do_copy(r);
	case 's': return fsync(r->fd) == 0 || failed_call(r, "fsync");
	case 'o': return pick(r, 8) ? true : reopen(r, path);
	case ',': return true;
	default: usage_error("unknown kind %c", kind);
	}
}

static int op_fsx(int argc, char **argv)
{
	unsigned n = (unsigned)num_of(argv[1]), seed = (unsigned)num_of(argv[2]);
	const char *kinds = argc > 3 ? argv[3] : "wwwrrrtmmpzacdDso";
	struct run *r = calloc(1, sizeof(*r));
	bool good;

	r->fd = r->direct_fd = -1;
	r->random = seed * 0x9e3779b97f4a7c15u + 1;
	r->want = calloc(1, MAX_SIZE);
	r->buf = aligned_alloc(BLOCK, MAX_SIZE + BLOCK);
	close(open(argv[0], O_CREAT | O_TRUNC | O_RDWR, 0644));
	good = reopen(r, argv[0]);
	for (; good && r->step < n; r->step++)
		good = step(r, argv[0], kinds);
	if (good) {
		ssize_t len = pread(r->fd, r->buf, MAX_SIZE, 0);

		good = len == (ssize_t)r->size && same(r, 0, r->buf, r->size);
	}
	if (!good) {
		unsigned from = r->step > 20 ? r->step - 20 : 0;

		say("(seed %u, kinds %s)", seed, kinds);
		for (unsigned i = from; i <= r->step; i++)
			fprintf(stderr, "%s\n", r->history[i % HISTORY]);
	}
	close(r->fd);
	close(r->direct_fd);
	free(r->want);
	free(r->buf);
	free(r);
	return 0;
}

const struct vt_op vt_fsx_ops[] = {
	{ "fsx", 3, 4, op_fsx },
	{ NULL, 0, 0, NULL }
};
