/* SPDX-License-Identifier: MIT */
/* verify_int.h - the state of a verification, shared by verify*.c. */
#ifndef VARVE_STORE_VERIFY_INT_H
#define VARVE_STORE_VERIFY_INT_H

#include "meta/names.h"
#include "store/verify.h"
#include "store/vol_int.h"

#define U(x) ((unsigned long long)(x))
#define PROGRESS_EVERY 1024u

struct node { /* an inode, and what the other tables say of it */
	uint64_t ino, parent, size, bytes;
	uint64_t seen;     /* extents: bytes; directories: entries */
	uint64_t found_in; /* directories: where the name is; 0: nowhere */
	uint32_t mode, nlink;
	uint32_t names, subdirs;
	uint8_t mark;      /* reachability */
};
enum { MARK_NONE, MARK_PATH, MARK_DONE };

struct use { /* an extent's reference to a piece */
	uint64_t piece;
	uint64_t end; /* in the piece */
	uint64_t len;
	uint64_t ino, off; /* of the file; off where the piece starts */
};

struct span { /* a piece on the device */
	uint64_t addr, id;
	uint32_t len;
};

struct check {
	struct vol *v;
	struct reader *rd;
	const struct verify_hooks *h;
	struct verify_counts n;
	int found;
	bool bad_image; /* SQLite complains: its trees may have circles */
	struct node *node;
	size_t nnodes, node_cap;
	struct use *use;
	size_t nuses, use_cap, at_use;
	uint64_t *bad; /* pieces whose users are to be named */
	size_t nbad, bad_cap;
	struct span *span;
	size_t nspans, span_cap;
	uint64_t unwritten;
	int64_t *live; /* by segment */
	/* of the inode being looked at */
	struct node *cur;
	uint64_t prev_end;
	struct entry_row group[COOKIE_SLOTS]; /* entries with the same hash */
	unsigned ngroup;
};

VARVE_PRINTF(3, 4)
void verify_find(struct check *k, const struct finding *f, const char *fmt, ...);
#define FIND(k, what, ...) verify_find(k, &(struct finding){ .kind = (what), ##__VA_ARGS__ },

/* -ECANCELED to stop. */
int verify_progress(struct check *k, const char *what, uint64_t done, uint64_t total);
/* Room for one more element. */
void *verify_room(void *p, size_t n, size_t *cap, size_t size);

/* verify_data.c: after all inodes and extents have been noted. */
int verify_pieces(struct check *k) VARVE_MUST_CHECK;
int verify_strays(struct check *k) VARVE_MUST_CHECK;

#endif
