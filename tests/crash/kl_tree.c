/* SPDX-License-Identifier: MIT */
/* kl_tree.c - killload's operations on a real directory, and what is in it. */
#define _GNU_SOURCE
#include "killload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens, lets what follows act, and closes: no descriptor outlives its
 * operation, so a dead mount can be unmounted. */
static int with_fd(const char *path, int flags, const struct kop *op)
{
	static uint8_t buf[WRITE_MAX];
	int fd = open(path, flags, 0644), r = 0;

	if (fd < 0)
		return -errno;
	switch (op->kind) {
	case K_WRITE:
		kfill(buf, op->len, op->fill);
		if (op->flags == O_APPEND)
			r = (int)write(fd, buf, op->len);
		else
			r = (int)pwrite(fd, buf, op->len, op->off);
		/* The daemon died between two messages. */
		if (r >= 0 && r != (int)op->len)
			errno = ECONNABORTED;
		r = r == (int)op->len ? 0 : -1;
		break;
	case K_TRUNC:
		r = ftruncate(fd, op->len);
		break;
	case K_FSYNC:
	case K_FSYNCDIR:
		r = fsync(fd);
		break;
	case K_FDATASYNC:
		r = fdatasync(fd);
		break;
	case K_SYNCFS:
		r = syncfs(fd);
		break;
	default:
		break;
	}
	if (r < 0)
		r = -errno;
	close(fd);
	return r;
}

int tree_do(const char *root, const struct kmodel *m, const struct kop *op)
{
	char rel[64], a[PATH_MAX], b[PATH_MAX];
	struct kmodel after = { 0 };
	int r = 0;

	model_path(m, op->dir, op->name, rel, sizeof(rel));
	snprintf(a, sizeof(a), "%s/%s", root, rel);
	switch (op->kind) {
	case K_CREATE:
		return with_fd(a, O_WRONLY | O_CREAT | O_EXCL, op);
	case K_WRITE:
		return with_fd(a, O_WRONLY | op->flags, op);
	case K_TRUNC:
	case K_FSYNC:
	case K_FDATASYNC:
		return with_fd(a, O_WRONLY, op);
	case K_UNLINK:
		r = unlink(a);
		break;
	case K_RENAME:
		model_path(m, op->dir2, op->name2, rel, sizeof(rel));
		snprintf(b, sizeof(b), "%s/%s", root, rel);
		r = rename(a, b);
		break;
	default:
		model_path(m, op->dir, NAMES, rel, sizeof(rel));
		snprintf(a, sizeof(a), "%s/%s", root, rel);
		if (op->kind == K_FSYNCDIR || op->kind == K_SYNCFS)
			return with_fd(a, O_RDONLY | O_DIRECTORY, op);
		if (op->kind == K_MKDIR) {
			/* A new directory starts under its first name. */
			model_path(&after, op->dir, NAMES, rel, sizeof(rel));
			snprintf(a, sizeof(a), "%s/%s", root, rel);
			r = mkdir(a, 0755);
		} else if (op->kind == K_RMDIR) {
			r = rmdir(a);
		} else {
			after.dir[op->dir].moved = !m->dir[op->dir].moved;
			model_path(&after, op->dir, NAMES, rel, sizeof(rel));
			snprintf(b, sizeof(b), "%s/%s", root, rel);
			r = rename(a, b);
		}
	}
	return r < 0 ? -errno : 0;
}

/* --- looking --- */

static ssize_t read_file(const char *path, uint8_t *buf, size_t room)
{
	int fd = open(path, O_RDONLY);
	size_t got = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -1;
	while (got < room && (n = read(fd, buf + got, room - got)) > 0)
		got += (size_t)n;
	close(fd);
	return n < 0 ? -1 : (ssize_t)got;
}

static int add_dir(const char *root, const char *rel, uint64_t *sum)
{
	static uint8_t buf[FILE_MAX + 1];
	char path[PATH_MAX], sub[PATH_MAX];
	struct dirent *e;
	struct stat st;
	int r = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", root, rel);
	d = opendir(path);
	if (!d)
		goto bad;
	while (r == 0 && (errno = 0, e = readdir(d))) {
		ssize_t n;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(sub, sizeof(sub), "%s%s%s", rel, rel[0] ? "/" : "", e->d_name);
		if (snprintf(path, sizeof(path), "%s/%s", root, sub) >= (int)sizeof(path) ||
		    lstat(path, &st) < 0)
			goto bad_open;
		if (S_ISDIR(st.st_mode)) {
			*sum += kentry(sub, true, 0, 0);
			r = add_dir(root, sub, sum);
			continue;
		}
		n = read_file(path, buf, sizeof(buf));
		if (n < 0 || n != st.st_size)
			goto bad_open;
		*sum += kentry(sub, false, (uint32_t)n, khash(buf, (size_t)n, 0));
	}
	if (r == 0 && errno)
		goto bad_open;
	closedir(d);
	return r;
bad_open:
	closedir(d);
bad:
	fprintf(stderr, "%s: %s\n", path, errno ? strerror(errno) : "size and content differ");
	return -1;
}

int tree_hash(const char *root, uint64_t *ret)
{
	*ret = 0;
	return add_dir(root, "", ret);
}

static void compare_file(const char *root, const char *rel, const struct kfile *f)
{
	static uint8_t buf[FILE_MAX + 1];
	char path[PATH_MAX];
	uint32_t at = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", root, rel);
	n = read_file(path, buf, sizeof(buf));
	if (n < 0 && !f)
		return;
	if (n < 0 || !f) {
		fprintf(stderr, "    %s: %s there, %s expected\n", rel, n < 0 ? "not" : "is",
			f ? "is" : "not");
		return;
	}
	while (at < f->len && at < n && f->data[at] == buf[at])
		at++;
	if (at < f->len || n != f->len)
		fprintf(stderr, "    %s: %zd bytes, %u expected; differs at %u\n", rel, n, f->len,
			at);
}

void tree_compare(const char *root, const struct kmodel *m)
{
	char rel[64], path[PATH_MAX];

	for (unsigned d = 0; d < DIRS; d++) {
		model_path(m, d, NAMES, rel, sizeof(rel));
		snprintf(path, sizeof(path), "%s/%s", root, rel);
		if ((access(path, F_OK) == 0) != m->dir[d].there)
			fprintf(stderr, "    %s: expected %s\n", rel,
				m->dir[d].there ? "there" : "gone");
		for (unsigned n = 0; n < NAMES; n++) {
			model_path(m, d, n, rel, sizeof(rel));
			compare_file(root, rel, m->dir[d].name[n]);
		}
	}
}
