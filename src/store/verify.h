/* SPDX-License-Identifier: MIT */
/* verify.h - the cross-checks of vol_verify(), finding by finding.
 *
 * What is wrong comes as a value that a repair can act on (check_fix.c) and as
 * text for people. */
#ifndef VARVE_STORE_VERIFY_H
#define VARVE_STORE_VERIFY_H

#include "store/vol.h"

enum find_kind {
	FIND_DATABASE,      /* SQLite's integrity_check complains */
	/* names */
	FIND_ENTRY_LOST,    /* (dir, cookie) leads to no inode */
	FIND_ENTRY_TYPE,    /* ... says the wrong type: want */
	FIND_ENTRY_NAME,    /* ... has an impossible name or place */
	FIND_ENTRY_TWIN,    /* ... has the name of another entry, or is the second
			     * name of a directory */
	/* inodes */
	FIND_UNNAMED,       /* ino has no name, but a link count */
	FIND_CYCLE,         /* directory ino is its own ancestor */
	FIND_NLINK,         /* want */
	FIND_PARENT,        /* want */
	FIND_DIR_SIZE,      /* want */
	FIND_BYTES,         /* want */
	FIND_INODE,         /* impossible mode or number */
	FIND_TARGET,        /* symlink without one, or of another length */
	FIND_STRAY,         /* rows of table want belong to no inode: ino */
	/* data */
	FIND_EXTENT,        /* overlap, empty, or out of its piece: (ino, off) */
	FIND_NO_PIECE,      /* (ino, off, len) refers to a piece that is not there */
	FIND_PIECE,         /* piece: impossible row */
	FIND_PIECE_REFS,    /* piece: want */
	FIND_PIECE_OWNER,   /* piece */
	FIND_PIECE_TWICE,   /* piece shares device bytes with another */
	/* accounting */
	FIND_NEXT_INO, FIND_NEXT_PIECE, FIND_INODES, FIND_DATA_BYTES, FIND_RESERVED, /* want */
	FIND_SEG_LIVE,      /* seg: want */
};

struct finding {
	enum find_kind kind;
	uint64_t ino;         /* whom it is about; 0: nobody in particular */
	uint64_t dir, cookie; /* FIND_ENTRY_* */
	uint64_t piece, off, len;
	uint32_t seg;
	uint64_t want;
};

struct verify_hooks {
	void (*found)(void *arg, const struct finding *f, const char *text);
	/* NULL is allowed.  Nonzero stops with -ECANCELED. */
	int (*progress)(void *arg, const char *what, uint64_t done, uint64_t total);
	void *arg;
};

struct verify_counts {
	uint64_t inodes, dirs, orphans, extents, pieces, data_bytes;
};

/* As vol_verify(): number of findings, or negative.  ret may be NULL. */
int verify_rows(struct vol_ctx *c, const struct verify_hooks *h,
		struct verify_counts *ret) VARVE_MUST_CHECK;

#endif
