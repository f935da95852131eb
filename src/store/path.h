/* SPDX-License-Identifier: MIT */
/* path.h - from an inode number to a name for people. */
#ifndef VARVE_STORE_PATH_H
#define VARVE_STORE_PATH_H

#include "store/vol.h"

/* A path of ino from the root of the volume, malloced: "/dir/file"; of several
 * names, one.  "inode 12" if there is none; what lies above a directory without
 * a name is "<inode 12>".  Never NULL.  The volume lock is held, shared; costs a
 * listing of each directory on the way.  look_everywhere: if a file's hint is
 * stale, search all directories. */
char *vol_path(struct vol_ctx *c, uint64_t ino, bool look_everywhere);

#endif
