/* SPDX-License-Identifier: MIT */
/* check.h - fsck without its command line: check a volume that nobody uses, and
 * repair it.
 *
 * What is checked: both superblocks and slots; every page-map node, bitmap and
 * database page; SQLite's own integrity; the log tail; the tables and the
 * segment accounting against each other (verify.h); and, if asked for, the
 * checksum of every piece of data.
 *
 * What is repaired, in order of daring:
 *   preen   a superblock copy from the other one; the slots, the bitmaps and
 *           the log tail by opening the volume and closing it cleanly.
 *   repair  also: a damaged database by going back to the checkpoint before,
 *           if that one is whole, and replaying the log since; a damaged log by
 *           cutting it where the damage begins; names, link counts, sizes,
 *           references and accounting by what the other tables say.  Inodes
 *           without a name go to /lost+found as "#INO".
 *
 * How rows are repaired: in the overlay, all of them, and then by a checkpoint,
 * whose slot makes the whole repair count at once or not at all.  Only the making
 * of /lost+found and the dropping of orphans are records of the log: they are
 * valid whatever of the rest is missing after a crash.
 *
 * Everything that a repair overwrites is in the undo file first (undo.h).
 * A check without repair writes nothing: the device may be read-only. */
#ifndef VARVE_STORE_CHECK_H
#define VARVE_STORE_CHECK_H

#include "dev/dev.h"
#include "store/verify.h"

enum check_mode { CHECK_ONLY, CHECK_PREEN, CHECK_REPAIR };

/* NOTE: for the curious; FOUND: a problem; FIXED: one that is repaired. */
enum check_level { CHECK_NOTE, CHECK_FOUND, CHECK_FIXED };

struct check_opts {
	enum check_mode mode;
	bool force;            /* also a volume that was closed cleanly */
	bool data;             /* all data; implies force */
	const char *undo_path; /* CHECK_REPAIR; NULL: no undo file */
	void (*say)(void *arg, enum check_level level, const char *text);
	/* NULL is allowed.  bytes: the numbers are bytes; total 0: unknown.
	 * Nonzero: stop, -ECANCELED; not asked while the device is written to. */
	int (*progress)(void *arg, const char *what, uint64_t done, uint64_t total, bool bytes);
	void *arg;
};

struct check_result {
	unsigned found;  /* problems */
	unsigned fixed;  /* of which repaired */
	unsigned left;   /* of which there still are */
	bool skipped;    /* clean: not looked at any further */
	bool lost;       /* no checkpoint is whole: rebuild.h may help */
	bool undo_made;
	struct super sup;
	struct verify_counts count;
	uint64_t data_checked, data_bad; /* bytes */
};

/* 0 whatever was found; negative: the check could not be made.  d: opened for
 * writing unless CHECK_ONLY. */
int check_volume(struct dev *d, const struct check_opts *o,
		 struct check_result *ret) VARVE_MUST_CHECK;

#endif
