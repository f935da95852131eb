/* SPDX-License-Identifier: MIT */
/* model.h - what a POSIX file system is, as plainly as it can be said.
 *
 * The oracle of t5_model: inodes in a sorted array, directories as lists,
 * contents as pages with one state byte per byte of file.  No log, no cache, no
 * cleverness; every operation answers as ext4 under Linux would.  Inode numbers
 * are the ones the file system under test gave.
 *
 * model_clone() is cheap: inodes and pages are shared and copied on write.
 * Locking: none; a model belongs to one thread. */
#ifndef VARVE_TESTS_MODEL_H
#define VARVE_TESTS_MODEL_H

#include "fs/fs.h"

#define MPAGE 4096u
enum mstate { MS_HOLE, MS_UNWRITTEN, MS_DATA };

struct mpage {
	unsigned ref;
	unsigned nalloc;     /* bytes that are not holes */
	uint8_t data[MPAGE]; /* zero where st is not MS_DATA */
	uint8_t st[MPAGE];   /* enum mstate */
};

struct mslot { /* a page in its place, ascending */
	uint64_t idx;
	struct mpage *page;
};

struct mentry {
	uint64_t ino;
	uint64_t serial; /* a new one each time a name appears */
	char name[VARVE_NAME_MAX + 1];
};

struct mxattr {
	char name[VARVE_NAME_MAX + 1];
	size_t len;
	void *value;
};

struct minode {
	unsigned ref;
	uint64_t ino, size, rdev, parent;
	uint32_t mode, nlink, uid, gid, flags;
	int64_t atime, mtime, ctime, btime;
	bool linkable;     /* made by O_TMPFILE, never had a name */
	uint64_t changed;  /* number of the last operation that changed it */
	/* what the kernel holds */
	uint64_t nlookup, nopen;

	struct mentry *ent;
	size_t nent, cap_ent;
	struct mslot *slot;
	size_t nslot, cap_slot;
	struct mxattr *xa;
	size_t nxa;
	char *target;
};

struct model {
	struct minode **ino; /* ascending */
	size_t n, cap;
	uint64_t root;
	uint64_t serial;
	uint64_t opno;  /* number of the operation under way */
	int64_t wall;   /* the clock now */
	bool readonly;  /* reading leaves no trace */
	int64_t last;   /* newest time known: time never steps back */
	int64_t rec_last; /* newest time in an operation: what a crash leaves of it */
};

/* rc: the root as the file system under test shows it. */
struct model *model_new(const struct fs_attr *rc);
struct model *model_clone(const struct model *m);
void model_free(struct model *m); /* NULL is allowed */
/* The kernel forgets everything: counts go to 0, orphans go. */
void model_forget_all(struct model *m);
size_t model_bytes_used(const struct model *m); /* allocated, all files */

/* NULL if there is none.  The second is for changing: private to this model. */
const struct minode *model_get(const struct model *m, uint64_t ino);
struct minode *model_mut(struct model *m, uint64_t ino);
/* For what fsync does not speak of: counts, access times. */
struct minode *model_hold(struct model *m, uint64_t ino);
const struct mentry *model_entry(const struct minode *dir, const char *name);
void model_attr(const struct minode *i, struct fs_attr *ret);
int64_t model_now(struct model *m);

/* --- model.c, for the other parts --- */
struct minode *model_add(struct model *m, uint64_t ino, uint32_t mode);
void model_drop_unused(struct model *m, uint64_t ino);
void model_dirtied(struct minode *i, int64_t now); /* mtime, ctime */

/* --- names (model_name.c): 0 or -errno; ino is what the new inode is called --- */
int model_lookup(struct model *m, uint64_t dir, const char *name, uint64_t *ret);
int model_make(struct model *m, const struct fs_cred *cr, uint64_t dir, const char *name,
	       uint32_t mode, uint64_t rdev, const char *target, uint64_t ino);
int model_tmpfile(struct model *m, const struct fs_cred *cr, uint64_t dir, uint32_t mode,
		  uint64_t ino);
int model_link(struct model *m, uint64_t ino, uint64_t dir, const char *name);
int model_unlink(struct model *m, uint64_t dir, const char *name, bool rmdir);
int model_rename(struct model *m, const struct fs_cred *cr, uint64_t dir, const char *name,
		 uint64_t dir2, const char *name2, unsigned flags, uint64_t whiteout);

/* --- data (model_file.c) --- */
void model_file_free(struct minode *i);
void model_file_copy(struct minode *to, const struct minode *from);
uint64_t model_file_bytes(const struct minode *i);
void model_peek(const struct minode *i, uint64_t off, size_t len, void *buf);
int model_read(struct model *m, uint64_t ino, uint64_t off, size_t len, void *buf,
	       size_t *ret_len);
int model_write(struct model *m, uint64_t ino, const void *buf, size_t len, uint64_t off,
		bool append, bool kill);
int model_truncate(struct model *m, uint64_t ino, uint64_t size);
int model_fallocate(struct model *m, const struct fs_cred *cr, uint64_t ino, int mode,
		    uint64_t off, uint64_t len);
int model_clone_range(struct model *m, const struct fs_cred *cr, uint64_t src,
		      uint64_t src_off, uint64_t dst, uint64_t dst_off, uint64_t len,
		      uint64_t *ret_len);
int model_seek(const struct model *m, uint64_t ino, uint64_t off, int whence,
	       uint64_t *ret);
bool model_has_data(const struct minode *i, uint64_t from, uint64_t to);

/* --- attributes (model_attr.c) --- */
void model_kill_suid(struct minode *i);
/* As after a read: relatime. */
void model_accessed(struct model *m, uint64_t ino);
int model_setattr(struct model *m, uint64_t ino, const struct fs_setattr *a);
int model_setflags(struct model *m, const struct fs_cred *cr, uint64_t ino,
		   uint32_t flags);
int model_opened(struct model *m, uint64_t ino, int flags);
const struct mxattr *model_xattr(const struct minode *i, const char *name);
int model_setxattr(struct model *m, uint64_t ino, const char *name, const void *value,
		   size_t len, int flags, bool kill_sgid);
int model_removexattr(struct model *m, uint64_t ino, const char *name);
void model_xattr_put(struct minode *i, const char *name, const void *value, size_t len);
void model_xattr_del(struct minode *i, const char *name);

/* --- ACLs (model_acl.c) --- */
#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"
/* 0, -EINVAL, -EOPNOTSUPP. */
int model_acl_check(const void *value, size_t len);
/* The permission bits an access ACL gives; *ret_equiv: it says no more. */
uint32_t model_acl_mode(const void *value, size_t len, bool *ret_equiv);
void model_acl_chmod(struct minode *i);
/* A new inode in dir: its mode after umask or inheritance, its ACLs. */
void model_acl_inherit(const struct minode *dir, struct minode *i, uint32_t umask);

#endif
