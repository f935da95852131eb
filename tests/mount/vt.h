/* SPDX-License-Identifier: MIT */
/* vt.h - what the parts of the mount tests' helper share.  See vt.c. */
#ifndef VT_H
#define VT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One operation of the language.  run() prints its answer, without a newline,
 * through say() and friends, or returns a negative errno, which is printed by
 * its name.  argv holds what follows the operation's name. */
struct vt_op {
	const char *name;
	int min_args, max_args;
	int (*run)(int argc, char **argv);
};

extern const struct vt_op vt_path_ops[], vt_fd_ops[], vt_attr_ops[], vt_mem_ops[];
extern const struct vt_op vt_load_ops[], vt_dir_ops[], vt_tree_ops[], vt_fsx_ops[];

void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void say_bytes(const void *data, size_t len);

/* Every open counts up one descriptor number of the language, failed ones too. */
int fd_new(int fd);
int fd_of(const char *arg);
void fd_close(const char *arg, int *ret_result);

struct vt_name {
	const char *name;
	uint64_t value;
};

/* Names joined by commas, or a number. */
uint64_t flags_of(const struct vt_name *table, const char *arg);
/* Decimal, octal with a leading 0, hexadecimal; K, M, G, T may follow. */
int64_t num_of(const char *arg);
void usage_error(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
const char *errno_name(int err);

static inline int result_of(long r);

#include <errno.h>
static inline int result_of(long r)
{
	return r < 0 ? -errno : 0;
}

/* Bytes that tell where they belong: the same for the same offset and seed. */
static inline unsigned char pattern_byte(uint64_t off, unsigned seed)
{
	uint64_t x = (off >> 3) * 0x9e3779b97f4a7c15u + seed * 0xbf58476d1ce4e5b9u;

	x ^= x >> 29;
	return (unsigned char)(x >> ((off & 7) * 8));
}

#endif
