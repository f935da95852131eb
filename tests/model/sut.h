/* SPDX-License-Identifier: MIT */
/* sut.h - the system under test: a volume on a simulated device, driven through
 * fs.h.  Needs no mount and no privileges. */
#ifndef VARVE_TESTS_SUT_H
#define VARVE_TESTS_SUT_H

#include "dev/devsim.h"
#include "gc/gc.h"
#include "op.h"

struct sut {
	struct dev *dev;
	struct ring *ring;
	struct vol_opts vo;
	struct fs_opts fo;
	struct gc_opts go;
	bool compacts;   /* mount with a compactor */
	struct vol *vol;
	struct gc *gc;
	struct gc_stats gone; /* of compactors that have been stopped */
	struct fs *fs;
	struct fs_ctx *ctx;
	void *buf;       /* aligned, VARVE_PIECE_MAX */
	bool own_vol;    /* false: a further thread on another one's volume */
};

/* Borrows dev until sut_free(). */
void sut_init(struct sut *s, struct dev *dev);
void sut_free(struct sut *s); /* unmounted */
int sut_mkfs(struct sut *s) VARVE_MUST_CHECK;
int sut_mount(struct sut *s, bool readonly) VARVE_MUST_CHECK;
int sut_unmount(struct sut *s) VARVE_MUST_CHECK;
/* As if the process died. */
void sut_kill(struct sut *s);
/* The steps of sut_mount(), for tests that look in between. */
int sut_open_vol(struct sut *s, bool readonly) VARVE_MUST_CHECK;
int sut_open_fs(struct sut *s) VARVE_MUST_CHECK;
/* Another context on s's volume, for another thread: call both there. */
int sut_join(struct sut *t, const struct sut *s) VARVE_MUST_CHECK;
void sut_leave(struct sut *t);

/* Does op; sets op->new_ino. */
void sut_do(struct sut *s, struct op *op, struct result *ret);
int sut_getattr(struct sut *s, uint64_t ino, struct fs_attr *ret);
/* Lists a directory in pieces of so many entries: dirent_seen[], sorted. */
int sut_list(struct sut *s, uint64_t dir, size_t piece, bool attrs, bool keep,
	     struct result *ret);
/* At most max entries behind *after, which moves on; *ret_n 0 at the end. */
int sut_list_some(struct sut *s, uint64_t dir, uint64_t *after, size_t max,
		  struct dirent_seen *e, size_t *ret_n);
int sut_read(struct sut *s, uint64_t ino, uint64_t off, uint32_t len, uint32_t *ret_len);

/* One text line per row of every table, in order: for I2. */
int sut_rows(struct sut *s, char **ret, size_t *ret_len);
/* vol_verify(); *ret_text (malloced) has the findings. */
int sut_verify(struct sut *s, char **ret_text);
uint64_t sut_op_seq(const struct sut *s);
/* When the newest valid checkpoint slot was written; the volume is not open. */
int64_t sut_slot_time(struct sut *s);
/* How full, in percent, for who may use it. */
unsigned sut_percent_full(const struct sut *s);
/* Only what a checkpoint thread does could make room. */
bool sut_needs_thread(const struct sut *s);
const char *sut_space(const struct sut *s); /* the same for messages */

#endif
