/* SPDX-License-Identifier: MIT */
/* statfs.c - how much room there is. */
#include "fs/fs_int.h"

int fs_statfs(struct fs_ctx *c, struct fs_statfs *ret)
{
	struct vol_space sp;

	rd_lock(c);
	vol_get_space(c->v, &sp);
	un_lock(c);
	ret->blocks = sp.total / VARVE_BLOCK;
	ret->bfree = sp.free / VARVE_BLOCK;
	ret->bavail = ret->bfree;
	/* Inodes cost what their metadata does: room for more is room for data. */
	ret->ffree = sp.small_file_cost ? sp.free / sp.small_file_cost : 0;
	ret->files = sp.inodes + ret->ffree;
	return 0;
}
