/* SPDX-License-Identifier: MIT */
/* mnt.h - what surrounds a mount: mountinfo, loop devices, the daemon's manners. */
#ifndef VARVE_FUSE_MNT_H
#define VARVE_FUSE_MNT_H

#include "base/defs.h"

struct mnt_info {
	char source[4096], type[64];
	unsigned major, minor;
};
/* The topmost mount at dir (absolute). */
bool mnt_find(const char *dir, struct mnt_info *ret);
/* A mount whose source is path. */
bool mnt_source_is_mounted(const char *path);

/* Where source is mounted (malloced), or NULL. */
char *mnt_dir_of(const char *source);

/* Detaches a varvefs mount at dir whose daemon is dead; true if it did. */
bool mnt_clear_dead(const char *dir);

/* Attaches a loop device with direct I/O that goes with its last user; *ret_fd
 * keeps it until closed. */
int mnt_loop_attach(const char *image, bool readonly, char **ret_device,
		    int *ret_fd) VARVE_MUST_CHECK;

/* Larger read-ahead than the kernel's 128 KiB; where allowed. */
void mnt_set_readahead(const char *dir, unsigned kib);

/* Under memory pressure we are the ones who free memory. */
void mnt_protect_self(void);
/* sd_notify(3). */
void mnt_notify(const char *state);

#endif
