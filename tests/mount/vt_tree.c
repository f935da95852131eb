/* SPDX-License-Identifier: MIT */
/* vt_tree.c - all that a tree of files holds, as text to compare.
 *
 * tree DIR prints one line per object, in order of path: type, mode, owner,
 * links, inode number, size, times, content hash or link target, extended
 * attributes (ACLs among them) with a hash of each value, and flags.  Access
 * times are left out: looking changes them. */
#define _GNU_SOURCE
#include "vt.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

static char **lines;
static size_t n_lines, room;
static size_t root_len;
static int error;

static uint64_t hash_bytes(uint64_t h, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return h;
}

static int hash_file(const char *path, uint64_t *ret_hash)
{
	static unsigned char buf[1 << 17];
	uint64_t h = 0xcbf29ce484222325u;
	int fd = open(path, O_RDONLY | O_NOATIME);
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		h = hash_bytes(h, buf, (size_t)n);
	close(fd);
	if (n < 0)
		return -errno;
	*ret_hash = h;
	return 0;
}

static void print_bytes(FILE *out, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] > ' ' && s[i] < 127 && s[i] != '\\')
			fputc(s[i], out);
		else
			fprintf(out, "\\x%02x", (unsigned char)s[i]);
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void print_xattrs(FILE *out, const char *path)
{
	static char list[65536], value[65536];
	char *names[1024];
	ssize_t len = llistxattr(path, list, sizeof(list));
	size_t n = 0;

	for (char *p = list; p < list + len && n < 1024; p += strlen(p) + 1)
		names[n++] = p;
	qsort(names, n, sizeof(names[0]), by_text);
	for (size_t i = 0; i < n; i++) {
		ssize_t v = lgetxattr(path, names[i], value, sizeof(value));

		fprintf(out, " %s=%zd:%016llx", names[i], v, v < 0 ? 0ull :
			(unsigned long long)hash_bytes(1, value, (size_t)v));
	}
	if (len < 0)
		fprintf(out, " listxattr:%s", errno_name(errno));
}

static int add(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	char *line = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&line, &size);
	const char *rel = path + root_len;

	print_bytes(out, *rel ? rel + 1 : ".", *rel ? strlen(rel + 1) : 1);
	fprintf(out, " %06o %u:%u nlink=%lu ino=%llu", st->st_mode, st->st_uid, st->st_gid,
		(unsigned long)st->st_nlink, (unsigned long long)st->st_ino);
	/* The size of a directory is the file system's own affair. */
	if (!S_ISDIR(st->st_mode))
		fprintf(out, " size=%lld", (long long)st->st_size);
	fprintf(out, " m=%lld.%09ld c=%lld.%09ld", (long long)st->st_mtim.tv_sec,
		st->st_mtim.tv_nsec, (long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
	if (S_ISREG(st->st_mode)) {
		uint64_t h = 0;
		int r = hash_file(path, &h);

		if (r < 0)
			fprintf(out, " read:%s", errno_name(-r));
		else
			fprintf(out, " %016llx", (unsigned long long)h);
	} else if (S_ISLNK(st->st_mode)) {
		char target[4096];
		ssize_t n = readlink(path, target, sizeof(target));

		fputs(" -> ", out);
		print_bytes(out, target, n < 0 ? 0 : (size_t)n);
	} else if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		fprintf(out, " dev=%u:%u", major(st->st_rdev), minor(st->st_rdev));
	}
	print_xattrs(out, path);
	fclose(out);
	if (n_lines == room) {
		room = room ? room * 2 : 1024;
		lines = realloc(lines, room * sizeof(lines[0]));
		if (!lines)
			usage_error("out of memory");
	}
	lines[n_lines++] = line;
	if (flag == FTW_DNR || flag == FTW_NS)
		error = EACCES;
	return 0;
}

static int op_tree(int argc, char **argv)
{
	n_lines = 0;
	root_len = strlen(argv[0]);
	if (nftw(argv[0], add, 32, FTW_PHYS | FTW_MOUNT) < 0)
		return -errno;
	qsort(lines, n_lines, sizeof(lines[0]), by_text);
	for (size_t i = 0; i < n_lines; i++) {
		say("%s\n", lines[i]);
		free(lines[i]);
	}
	return -error;
}

const struct vt_op vt_tree_ops[] = {
	{ "tree", 1, 1, op_tree },
	{ NULL, 0, 0, NULL }
};
