/* SPDX-License-Identifier: MIT */
/* node.h - what is known about inodes in use: counts, last batch, hints.
 *
 * A node exists while its inode has lookups or opens.  Hints say which xattrs
 * an inode certainly lacks, so that the hot paths need not ask the state.
 *
 * Locking: sharded mutexes, rank 20, taken inside for each call; any thread.
 *   Counts may drop at any time; they rise only under the volume lock, so an
 *   exclusive holder who sees no node knows that none appears.
 * Errors: none (memory for nodes panics when exhausted). */
#ifndef VARVE_FS_NODE_H
#define VARVE_FS_NODE_H

#include "base/defs.h"

struct nodes;

/* Hints: the inode has no such xattr. */
#define NODE_NO_CAPS 1u /* security.capability */
#define NODE_NO_ACL 2u  /* system.posix_acl_access */
#define NODE_NO_DACL 4u /* system.posix_acl_default */
#define NODE_NO_XATTR 7u

/* Flags. */
#define NODE_ORPHAN 1u  /* no names left: drop when the counts reach 0 */
#define NODE_TMPFILE 2u /* never had a name: may be given one */

struct node_info {
	uint64_t lookups, batch;
	uint32_t opens;
	uint8_t absent, flags;
};

struct nodes *nodes_new(void);
void nodes_free(struct nodes *t); /* NULL is allowed */

/* Adds counts.  A node that is created starts with batch. */
void nodes_hold(struct nodes *t, uint64_t ino, uint64_t lookups, uint32_t opens,
		uint64_t batch);
/* As nodes_hold, but only if there is a node: false if not. */
bool nodes_hold_more(struct nodes *t, uint64_t ino, uint64_t lookups, uint32_t opens);
/* As nodes_hold for an inode that was just made. */
void nodes_made(struct nodes *t, uint64_t ino, const struct node_info *first);
/* Takes counts back (never below 0).  True: the node went, and was an orphan. */
bool nodes_drop(struct nodes *t, uint64_t ino, uint64_t lookups, uint32_t opens);
/* The inode changed in batch. */
void nodes_touch(struct nodes *t, uint64_t ino, uint64_t batch);
/* False: no such node, *ret is zeroed. */
bool nodes_get(struct nodes *t, uint64_t ino, struct node_info *ret);
/* Flags and hints: sets and clears; false: no such node. */
bool nodes_mark(struct nodes *t, uint64_t ino, uint8_t set, uint8_t clear);
bool nodes_hint(struct nodes *t, uint64_t ino, uint8_t set, uint8_t clear);
size_t nodes_count(struct nodes *t);

#endif
