/* SPDX-License-Identifier: MIT */
/* undo.h - what a repair overwrites is kept in a file, so that it can be taken
 * back.
 *
 * Promise: undo_dev() stands in front of a device; the old content of every
 *   block is in the file, and durable there, before the block is overwritten
 *   for the first time.  undo_apply() puts all of it back: every byte that went
 *   through undo_dev() is as it was before, whatever the repair did.  This holds
 *   as long as nobody else has written to the device since; a fingerprint of
 *   superblock and slots tells (a volume that has been mounted for writing has
 *   other slots), and undo_apply() refuses unless forced.  An interrupted repair
 *   or an interrupted undo_apply() can be undone just so: run it (again).
 * Locking: one thread, which also does all the writing.
 * Errors: 0 or negative; what the file is to blame for is said with msg_err. */
#ifndef VARVE_STORE_UNDO_H
#define VARVE_STORE_UNDO_H

#include "log/super.h"

struct undo;

/* path must not exist.  Borrows d. */
int undo_create(const char *path, struct dev *d, const struct super *sup,
		struct undo **ret) VARVE_MUST_CHECK;
struct dev *undo_dev(struct undo *u);
uint64_t undo_bytes(const struct undo *u); /* saved so far */
/* The repair is through: the device's present state is what may be undone. */
int undo_finish(struct undo *u) VARVE_MUST_CHECK;
/* NULL is allowed.  A file into which nothing was saved is removed. */
void undo_close(struct undo *u);

/* -EEXIST: the device has been changed since, and force is not set.
 * *ret_bytes: how much was put back. */
int undo_apply(const char *path, struct dev *d, bool force,
	       uint64_t *ret_bytes) VARVE_MUST_CHECK;

#endif
