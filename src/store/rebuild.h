/* SPDX-License-Identifier: MIT */
/* rebuild.h - a volume whose metadata is lost gets it back.
 *
 * With a usable backup (backup.h), found by scanning the device: its pages become
 * the image again, in segments that neither data nor the log need; a checkpoint
 * slot is written that names it; from there on it is a volume after a crash, and
 * the log since the backup is replayed.  Nothing is lost then.
 * Without one: every batch of log that is found anywhere is applied in order of
 * its operations, onto nothing.  What was only in batches that are gone is lost;
 * files whose name is lost go to /lost+found as "#INO".
 *
 * Either way the tables are checked and repaired afterwards, as fsck does.  Only
 * segments that hold nothing, and the slots, are written to, and the slots last:
 * an interrupted rebuild can be run again.
 * Needs one good copy of the superblock.
 * Memory: the operations since the backup, as long as they are not checkpointed;
 *   in a salvage all of the metadata. */
#ifndef VARVE_STORE_REBUILD_H
#define VARVE_STORE_REBUILD_H

#include "store/check.h"

struct rebuild_opts {
	bool salvage; /* do not look for backups */
	void (*say)(void *arg, enum check_level level, const char *text); /* NULL is allowed */
	int (*progress)(void *arg, const char *what, uint64_t done, uint64_t total, bool bytes);
	void *arg;
};

struct rebuild_result {
	bool from_backup;
	uint64_t ckpt, backup_op; /* of the backup used */
	uint64_t op_seq;          /* last operation that is there again */
	uint64_t batches;         /* replayed or applied */
	uint64_t missing;         /* operations known to be missing */
	uint64_t skipped;         /* operations that could not be applied */
	unsigned repaired, left;  /* findings in the tables afterwards */
	struct verify_counts count;
};

/* 0: there is a volume that can be mounted; result says what is missing from it. */
int rebuild_volume(struct dev *d, const struct rebuild_opts *o,
		   struct rebuild_result *ret) VARVE_MUST_CHECK;

#endif
