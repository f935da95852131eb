/* SPDX-License-Identifier: MIT */
/* vol_rig.h - a volume with all kinds of content, and what a walk through it
 * sees: for tests of damage, failing devices and fsck.
 *
 * A snap is what a walk found: every path with its attributes, extended
 * attributes and content (checksums of chunks), or the error that came instead.
 * Comparing with the truth tells loss (an error where something was) from lies
 * (something else than was, more, or silently less). */
#ifndef VARVE_TESTS_VOL_RIG_H
#define VARVE_TESTS_VOL_RIG_H

#include "dev/devsim.h"
#include "fs/fs.h"

struct rig {
	struct dev *dev;
	struct ring *ring;
	struct vol *vol;
	struct fs *fs;
	struct fs_ctx *fc;
};

/* A ring, and an empty volume on a RAM device (crash device if crash). */
int rig_new(struct rig *g, uint64_t size);
void rig_free(struct rig *g); /* device and ring; the volume is closed */
/* As fs does it; readonly replays in core.  No checkpoint thread. */
int rig_open(struct rig *g, bool readonly);
int rig_close(struct rig *g); /* vol_close's answer */
void rig_kill(struct rig *g);
/* Runs the ring until done is set. */
int rig_wait(struct rig *g, const bool *done);

/* Operations by path-less handles; 0 or negative.  Content is a pure function of
 * (tag, offset). */
int rig_write(struct rig *g, uint64_t ino, uint64_t off, uint32_t len, unsigned tag);
int rig_read(struct rig *g, uint64_t ino, uint64_t off, void *buf, uint32_t len);
int rig_sync(struct rig *g);
/* Directories, small and large files, holes, promised space, clones, symlinks,
 * hard links, nodes, extended attributes; part n of any number.  Stops at the
 * first error. */
int rig_populate(struct rig *g, unsigned n);

struct snap_item {
	char *path, *text; /* text NULL: err */
	int err;
	uint64_t size;
	uint32_t *chunk;   /* of a file: one per SNAP_CHUNK */
	int *chunk_err;
	size_t nchunks;
};
#define SNAP_CHUNK 32768u
struct snap {
	struct snap_item *item;
	size_t n, cap;
	uint64_t op_seq;
};
void snap_take(struct rig *g, struct snap *ret);
void snap_free(struct snap *s);

struct snap_diff {
	unsigned lies;   /* wrong, invented or silently missing */
	unsigned losses; /* errors */
	char why[512];   /* the first lie, or else the first loss */
};
/* As snap_compare, for what is in truth only: now may hold more, and be later.
 * The root directory is left out. */
void snap_contains(const struct snap *truth, const struct snap *now, struct snap_diff *ret);
void snap_compare(const struct snap *truth, const struct snap *now, struct snap_diff *ret);

#endif
