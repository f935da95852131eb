/* SPDX-License-Identifier: MIT */
/* state.h - the present: newest image + frozen overlay + active overlay.
 *
 * Every table is an ordered set of rows.  A read looks in the active overlay,
 * then in the frozen one (being written by a checkpoint), then in the newest
 * image through the calling thread's reader; a tombstone in an upper layer
 * hides the rows below.  An inode row put as fresh says that the layers below
 * hold nothing of that inode (no entries, extents, xattrs, target): they are
 * not asked.  Reads of the present touch present rows only (I4).
 *
 * Locking: the caller's volume lock: shared for everything that reads,
 *   exclusive for put, del, freeze and switch.  A reader belongs to one thread.
 * Errors: -ENOENT: no such row; -VE_DB, -VE_PAGE_CRC...: the image could not be
 *   read.  Puts and dels cannot fail. */
#ifndef VARVE_META_STATE_H
#define VARVE_META_STATE_H

#include "base/page_store.h"
#include "meta/rows.h"

struct state;
struct reader;

/* key: the volume's hash key.  An empty page store (no pages) is an empty
 * image. */
struct state *state_new(struct page_store *ps, const uint8_t key[16]);
void state_free(struct state *st); /* NULL is allowed */

/* Opens lazily: costs nothing until an image is really asked. */
struct reader *reader_new(struct state *st);
void reader_free(struct reader *rd); /* NULL is allowed */
/* Lets go of the image until the next use: a reader that stays idle holds an
 * old image, and with it the space of its pages.  Under the shared lock or
 * without any. */
void reader_rest(struct reader *rd);

/* --- reading the present --- */
int state_inode(struct state *st, struct reader *rd, uint64_t ino,
		struct inode_row *ret) VARVE_MUST_CHECK;

/* By name; -ENOENT if none, and then *ret_free (may be NULL) is a cookie that
 * a new entry of this name can take (-ENOSPC in place of -ENOENT if all are
 * taken, which the keyed hash makes hopeless to provoke). */
int state_entry(struct state *st, struct reader *rd, uint64_t dir,
		const char *name, size_t len, struct entry_row *ret,
		uint64_t *ret_free) VARVE_MUST_CHECK;
/* Calls fn for the entries with cookie > after, ascending, until it returns
 * nonzero (which is returned) or none are left (0). */
typedef int (*entry_fn)(void *arg, const struct entry_row *e);
int state_entries(struct state *st, struct reader *rd, uint64_t dir,
		  uint64_t after, entry_fn fn, void *arg) VARVE_MUST_CHECK;

/* Extents that overlap [off, end), ascending, whole (not clipped). */
typedef int (*extent_fn)(void *arg, const struct extent_row *e);
int state_extents(struct state *st, struct reader *rd, uint64_t ino,
		  uint64_t off, uint64_t end, extent_fn fn, void *arg) VARVE_MUST_CHECK;

/* Copies the nsums that exist, not the whole array. */
int state_piece(struct state *st, struct reader *rd, uint64_t id,
		struct piece_row *ret) VARVE_MUST_CHECK;

/* ret->value is malloced: free((void *)ret->value).  As state_entry, -ENOENT
 * gives *ret_free. */
int state_xattr(struct state *st, struct reader *rd, uint64_t ino,
		const char *name, size_t len, struct xattr_row *ret,
		uint64_t *ret_free) VARVE_MUST_CHECK;
/* value is borrowed until fn returns. */
typedef int (*xattr_fn)(void *arg, const struct xattr_row *x);
int state_xattrs(struct state *st, struct reader *rd, uint64_t ino,
		 xattr_fn fn, void *arg) VARVE_MUST_CHECK;

/* Symlink target, malloced, NUL-terminated. */
int state_target(struct state *st, struct reader *rd, uint64_t ino,
		 char **ret, size_t *ret_len) VARVE_MUST_CHECK;

/* Inodes with nlink 0 and ino > after, ascending. */
typedef int (*inode_fn)(void *arg, const struct inode_row *i);
int state_orphans(struct state *st, struct reader *rd, uint64_t after,
		  inode_fn fn, void *arg) VARVE_MUST_CHECK;
/* All inodes with ino > after, ascending (fsck, tests, the model). */
int state_inodes(struct state *st, struct reader *rd, uint64_t after,
		 inode_fn fn, void *arg) VARVE_MUST_CHECK;
typedef int (*piece_fn)(void *arg, const struct piece_row *p);
int state_pieces(struct state *st, struct reader *rd, uint64_t after,
		 piece_fn fn, void *arg) VARVE_MUST_CHECK;
/* Pieces that the newest image has in [first, last] and that are there still,
 * in order of address.  What came there since the image is not seen. */
int state_pieces_at(struct state *st, struct reader *rd, uint64_t first,
		    uint64_t last, piece_fn fn, void *arg) VARVE_MUST_CHECK;

/* --- changing it: only apply does --- */
/* fresh: nothing of this inode number exists in any layer below. */
void state_put_inode(struct state *st, const struct inode_row *i, bool fresh);
/* Also everything of the inode that is in the active overlay only is left for
 * the caller to delete row by row: state deletes what it is told. */
void state_del_inode(struct state *st, uint64_t ino);
void state_put_entry(struct state *st, const struct entry_row *e);
void state_del_entry(struct state *st, uint64_t dir, uint64_t cookie);
void state_put_extent(struct state *st, const struct extent_row *e);
void state_del_extent(struct state *st, uint64_t ino, uint64_t off);
/* fresh: a new piece id. */
void state_put_piece(struct state *st, const struct piece_row *p, bool fresh);
void state_del_piece(struct state *st, uint64_t id);
void state_put_xattr(struct state *st, const struct xattr_row *x); /* copies value */
void state_del_xattr(struct state *st, uint64_t ino, uint64_t slot);
void state_put_target(struct state *st, uint64_t ino, const char *t, size_t len);
void state_del_target(struct state *st, uint64_t ino);

/* --- checkpoint --- */
/* Memory held by the active overlay, bytes; and its rows. */
size_t state_overlay_bytes(const struct state *st);
size_t state_overlay_rows(const struct state *st);
bool state_has_frozen(const struct state *st);
/* The active overlay becomes the frozen one; there must be none. */
void state_freeze(struct state *st);
/* After a failed checkpoint: frozen and active become one active overlay. */
void state_unfreeze(struct state *st);
/* A new image that contains the frozen overlay has been committed to the page
 * store: readers go there at their next use.  Gives the frozen overlay for
 * overlay_free() outside the lock. */
struct overlay;
struct overlay *state_switch(struct state *st);
void overlay_free(struct overlay *o);

/* Begins a transaction of the page store and writes the frozen overlay into it:
 * one SQLite transaction.  Without the volume lock (the frozen overlay is
 * immutable).  Creates the schema in an empty store.  The transaction is left
 * open, also after an error: the caller commits or aborts it. */
int state_write_image(struct state *st, const struct meta_counts *c) VARVE_MUST_CHECK;
/* The numbers stored in the newest image; -ENOENT: empty store. */
int state_read_counts(struct state *st, struct reader *rd,
		      struct meta_counts *ret) VARVE_MUST_CHECK;
/* Everybody (inode or directory) who has rows of a kind in the newest image, in
 * ascending order: for finding rows whose inode is not there.  fn must not use
 * rd.  Rows may be gone in the overlays. */
enum owner_table { OWNER_ENTRIES, OWNER_EXTENTS, OWNER_XATTRS, OWNER_TARGETS, OWNER_TABLES };
typedef int (*owner_fn)(void *arg, uint64_t ino);
int state_owners(struct state *st, struct reader *rd, enum owner_table t, owner_fn fn,
		 void *arg) VARVE_MUST_CHECK;
/* PRAGMA integrity_check on the newest image: 0, or -VE_DB and the first
 * complaint, malloced, in *ret_text (may be NULL). */
int state_check_image(struct state *st, struct reader *rd, char **ret_text) VARVE_MUST_CHECK;

#endif
