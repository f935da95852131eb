/* SPDX-License-Identifier: MIT */
/* t4_util.h - a file system on a RAM device, for the tests of src/fs.
 *
 * There is no checkpoint thread: what happens is decided by the test. */
#ifndef VARVE_TESTS_T4_UTIL_H
#define VARVE_TESTS_T4_UTIL_H

#ifndef T4_PLAIN
#include <check.h>
#endif
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "dev/devsim.h"
#include "fs/fs.h"

#ifdef T4_PLAIN /* outside of a Check test */
#define ck_assert_msg(x, ...) \
	do { \
		if (!(x)) { \
			fprintf(stderr, __VA_ARGS__); \
			abort(); \
		} \
	} while (0)
#define ck_assert_int_eq(a, b) ck_assert_msg((a) == (b), "%s", #a " == " #b)
#define ck_assert_int_ge(a, b) ck_assert_msg((a) >= (b), "%s", #a " >= " #b)
#endif

struct t4 {
	struct dev *d;
	struct ring *ring;
	struct vol *v;
	struct fs *fs;
	struct fs_ctx *c;
	struct fs_opts o;
};

#define ROOT VARVE_ROOT_INO
#define MIB (1ull << 20)
extern const struct fs_cred t4_root; /* umask 0 */
extern const struct fs_cred t4_user; /* 1000:1000, umask 022 */

/* expr gives code, else the test fails with both in words. */
#define gives(code, expr) \
	do { \
		int gives_ = (expr), want_ = (code); \
		ck_assert_msg(gives_ == want_, "%s: %d (%s), not %d (%s)", #expr, gives_, \
			      err_str(gives_), want_, err_str(want_)); \
	} while (0)
#define ok(expr) gives(0, expr)

void t4_start(struct t4 *t, uint64_t size);
/* Opens t->d, which nobody has open. */
void t4_mount(struct t4 *t);
/* The same on a device of the caller's choice, which t4_stop closes. */
void t4_start_on(struct t4 *t, struct dev *d);
/* Opens what is on d, with options. */
void t4_mount_with(struct t4 *t, struct dev *d, const struct vol_opts *o);
/* Checks the volume (vol_verify must find nothing), closes it. */
void t4_stop(struct t4 *t);
/* Ends without looking, after a failure that was wanted. */
void t4_abandon(struct t4 *t);
/* Clean unmount and mount; what was in use is forgotten. */
void t4_remount(struct t4 *t);
/* As a SIGKILL and a mount. */
void t4_kill(struct t4 *t);
void t4_checkpoint(struct t4 *t);
/* Findings of vol_verify, printed. */
int t4_verify(struct t4 *t);
/* Waits until one more operation may go ahead; lets the ring work. */
void t4_admit(struct t4 *t);
/* Inodes that exist. */
uint64_t t4_inodes(struct t4 *t);

/* These must succeed. */
uint64_t t4_make(struct t4 *t, uint64_t dir, const char *name, uint32_t mode);
uint64_t t4_lookup(struct t4 *t, uint64_t dir, const char *name);
struct fs_attr t4_attr(struct t4 *t, uint64_t ino);
void t4_write(struct t4 *t, uint64_t ino, const void *buf, uint32_t len, uint64_t off);
/* Returns the length read. */
uint32_t t4_read(struct t4 *t, uint64_t ino, void *buf, uint32_t len, uint64_t off);
void t4_chmod(struct t4 *t, uint64_t ino, uint32_t mode);
void t4_truncate(struct t4 *t, uint64_t ino, uint64_t size);
/* Is the name there?  No lookup is left. */
bool t4_has(struct t4 *t, uint64_t dir, const char *name);

#ifndef T4_PLAIN
/* Runs the suite; the exit code. */
int t4_run(Suite *s);
#endif

/* A wall clock that tests move; ns. */
void t4_clock_set(int64_t ns);

#endif
