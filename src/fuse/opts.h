/* SPDX-License-Identifier: MIT */
/* opts.h - the command line of mount.varve.
 *
 * Nothing is accepted silently: an option is ours, or one of mount(8) that
 * means nothing here, or refused by name. */
#ifndef VARVE_FUSE_OPTS_H
#define VARVE_FUSE_OPTS_H

#include "fs/fs.h"
#include "gc/gc.h"

struct opts {
	char *device; /* absolute */
	char *dir;    /* absolute */
	/* the program */
	bool foreground, debug, verbose, no_mtab, sloppy;
	/* the mount */
	bool readonly, remount, sync, allow_other, loop, nouring, nogc;
	bool nodev, nosuid, noexec;
	bool errors_continue;
	bool pin_set, pin;
	unsigned threads;      /* 0: one per CPU */
	unsigned max_read;     /* 0: no limit of our own */
	unsigned stop_timeout; /* seconds */
	struct vol_opts vol;
	struct fs_opts fs;
	struct gc_opts gc;
};

/* Result of opts_parse: go on, or exit with this status. */
enum { OPTS_GO = -1 };

/* Prints what is wrong (or the help asked for) itself.  Exit statuses are
 * those of mount(8): 0, 1 (usage). */
int opts_parse(struct opts *o, int argc, char **argv);
/* "-o" options for libfuse, malloced. */
char *opts_for_fuse(const struct opts *o, bool blkdev);
/* Flags for mount(2). */
unsigned long opts_mount_flags(const struct opts *o);
void opts_free(struct opts *o);

/* "64k", "1G", "1048576": bytes; false if it is none. */
bool opts_size(const char *text, uint64_t *ret);

#endif
