/* SPDX-License-Identifier: MIT */
/* fs.h - POSIX operations on a volume, without FUSE types.
 *
 * The layer between the kernel's requests (or a test) and the store: it knows
 * what POSIX demands, checks it against the state under the volume lock, builds
 * one record per operation and commits it.  Permission bits, sticky directories
 * and search permission are the kernel's business (default_permissions);
 * immutable and append-only flags, link counts, set-id clearing, ACL
 * inheritance and every errno below are ours.
 *
 * Nodes.  An inode that the kernel (or a test) knows has a node with a lookup
 *   count and an open count; fs_lookup and everything that returns an entry
 *   adds one lookup, fs_forget takes them back.  An inode without links is
 *   dropped when both counts are 0 (REC_DROP).
 * Back-pressure.  Before a changing operation the caller asks fs_admit().
 * Threads: each has its own fs_ctx.  Operations are synchronous and never wait
 *   for the device, but for fs_read (completion callback), fs_sync (callback),
 *   and cold database pages.
 * Errors: 0 or negative (base/err.h). */
#ifndef VARVE_FS_FS_H
#define VARVE_FS_FS_H

#include "store/vol.h"

struct fs;
struct fs_ctx;

struct fs_opts {
	bool relatime_off;    /* noatime */
	bool strictatime;
	uint64_t max_file;    /* 0: 2^63-1 */
};

/* Reaps orphans left by the last life (logged like anything else). */
int fs_open_volume(struct vol *v, const struct fs_opts *o, struct fs **ret) VARVE_MUST_CHECK;
void fs_close_volume(struct fs *fs); /* all contexts closed; vol stays open */
int fs_ctx_open(struct fs *fs, struct ring *r, struct fs_ctx **ret) VARVE_MUST_CHECK;
void fs_ctx_close(struct fs_ctx *c); /* NULL is allowed */
struct vol_ctx *fs_vol_ctx(struct fs_ctx *c);
struct vol *fs_vol(struct fs *fs);
bool fs_admit(struct fs_ctx *c, struct log_waiter *w);

/* Who asks. */
struct fs_cred {
	uint32_t uid, gid, pid;
	uint32_t umask;
	bool in_group_unknown; /* reserved */
};

struct fs_attr {
	uint64_t ino, size, bytes, rdev;
	uint32_t mode, nlink, uid, gid, flags;
	int64_t atime, mtime, ctime, btime; /* ns */
};

#define FS_GENERATION 1u /* inode numbers are never used twice */

/* --- names --- */
/* name "." and ".." are answered too (NFS handles). */
int fs_lookup(struct fs_ctx *c, uint64_t dir, const char *name, struct fs_attr *ret);
/* By inode number alone, with one lookup added: for handles. */
int fs_iget(struct fs_ctx *c, uint64_t ino, struct fs_attr *ret);
void fs_forget(struct fs_ctx *c, uint64_t ino, uint64_t n);

/* Regular file, directory, fifo, socket, device by mode; a set-gid directory
 * gives its group (and, to directories, the bit); a default ACL is inherited,
 * otherwise umask applies. */
int fs_make(struct fs_ctx *c, const struct fs_cred *cr, uint64_t dir, const char *name,
	    uint32_t mode, uint64_t rdev, struct fs_attr *ret);
int fs_symlink(struct fs_ctx *c, const struct fs_cred *cr, uint64_t dir, const char *name,
	       const char *target, struct fs_attr *ret);
/* As fs_make of a regular file + fs_opened: without a name. */
int fs_tmpfile(struct fs_ctx *c, const struct fs_cred *cr, uint64_t dir, uint32_t mode,
	       struct fs_attr *ret);
int fs_link(struct fs_ctx *c, const struct fs_cred *cr, uint64_t ino, uint64_t dir,
	    const char *name, struct fs_attr *ret);
int fs_unlink(struct fs_ctx *c, const struct fs_cred *cr, uint64_t dir, const char *name);
int fs_rmdir(struct fs_ctx *c, const struct fs_cred *cr, uint64_t dir, const char *name);
/* flags: RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT. */
int fs_rename(struct fs_ctx *c, const struct fs_cred *cr, uint64_t dir, const char *name,
	      uint64_t newdir, const char *newname, unsigned flags);
/* malloced, NUL-terminated */
int fs_readlink(struct fs_ctx *c, uint64_t ino, char **ret);

/* Entries with cookie > after in ascending order, "." and ".." first with
 * cookies 1 and 2, until fn returns nonzero.  want_attr: attributes are filled
 * in (attr NULL otherwise).  fn must not call fs_*; to count a lookup for an
 * entry it returns (READDIRPLUS) it calls fs_readdir_keep(). */
struct fs_dirent {
	uint64_t cookie, ino;
	uint8_t type;
	const char *name;
	size_t namelen;
	const struct fs_attr *attr;
};
typedef int (*fs_dirent_fn)(void *arg, const struct fs_dirent *d);
int fs_readdir(struct fs_ctx *c, uint64_t dir, uint64_t after, bool want_attr,
	       fs_dirent_fn fn, void *arg);
void fs_readdir_keep(struct fs_ctx *c, uint64_t ino);

/* --- attributes --- */
int fs_getattr(struct fs_ctx *c, uint64_t ino, struct fs_attr *ret);
#define FSA_MODE 1u
#define FSA_UID 2u
#define FSA_GID 4u
#define FSA_SIZE 8u
#define FSA_ATIME 16u
#define FSA_MTIME 32u
#define FSA_ATIME_NOW 64u
#define FSA_MTIME_NOW 128u
#define FSA_KILL 256u    /* clear set-id bits (chown, truncate by others) */
struct fs_setattr {
	uint32_t valid; /* FSA_* */
	uint32_t mode, uid, gid;
	uint64_t size;
	int64_t atime, mtime;
};
int fs_setattr(struct fs_ctx *c, const struct fs_cred *cr, uint64_t ino,
	       const struct fs_setattr *a, struct fs_attr *ret);
/* FS_IOC_SETFLAGS: only the INODE_* bits we keep; others -EOPNOTSUPP. */
int fs_set_flags(struct fs_ctx *c, const struct fs_cred *cr, uint64_t ino, uint32_t flags);

/* --- open files --- */
/* Refuses what flags and inode flags forbid (immutable, append-only); counts. */
int fs_opened(struct fs_ctx *c, uint64_t ino, int open_flags);
void fs_released(struct fs_ctx *c, uint64_t ino);

/* Bytes read: *ret_len set at once (clipped to the size).  As vol_read: 1 under
 * way, 0 complete, negative.  r->ino, off, len, buf, done set by the caller. */
int fs_read(struct fs_ctx *c, struct vol_read *r);
/* The same for a file opened with O_NOATIME. */
int fs_read_noatime(struct fs_ctx *c, struct vol_read *r);
/* At most VARVE_PIECE_MAX bytes at once (loop above that); O_APPEND in
 * open_flags: at the end of file as it is under the lock.  kill: clear set-id
 * bits.  *ret_batch as vol_commit, for O_SYNC. */
int fs_write(struct fs_ctx *c, const struct fs_cred *cr, uint64_t ino, const void *buf,
	     uint32_t len, uint64_t off, int open_flags, bool kill, uint64_t *ret_batch);
/* mode as in fallocate(2): 0, KEEP_SIZE, PUNCH_HOLE|KEEP_SIZE, ZERO_RANGE
 * [|KEEP_SIZE]; others -EOPNOTSUPP. */
int fs_fallocate(struct fs_ctx *c, const struct fs_cred *cr, uint64_t ino, int mode,
		 uint64_t off, uint64_t len);
/* copy_file_range as a clone; *ret_len is how much (clipped at src's end). */
int fs_clone(struct fs_ctx *c, const struct fs_cred *cr, uint64_t src, uint64_t src_off,
	     uint64_t dst, uint64_t dst_off, uint64_t len, uint64_t *ret_len);
/* whence SEEK_DATA or SEEK_HOLE; -ENXIO as in lseek(2). */
int fs_seek(struct fs_ctx *c, uint64_t ino, uint64_t off, int whence, uint64_t *ret_off);
/* The file's (or directory's) changes so far durable: w->fn on this ring; ino 0:
 * the whole volume. */
void fs_sync(struct fs_ctx *c, uint64_t ino, struct log_waiter *w);
int fs_sync_wait(struct fs_ctx *c, uint64_t ino);

/* --- extended attributes; ACLs are system.posix_acl_access and _default --- */
/* value malloced */
int fs_getxattr(struct fs_ctx *c, uint64_t ino, const char *name, void **ret, size_t *ret_len);
/* flags XATTR_CREATE, XATTR_REPLACE; an access ACL also changes the mode. */
int fs_setxattr(struct fs_ctx *c, const struct fs_cred *cr, uint64_t ino, const char *name,
		const void *value, size_t len, int flags, bool kill_sgid);
int fs_removexattr(struct fs_ctx *c, const struct fs_cred *cr, uint64_t ino, const char *name);
/* NUL-separated names, malloced. */
int fs_listxattr(struct fs_ctx *c, uint64_t ino, char **ret, size_t *ret_len);

struct fs_statfs {
	uint64_t blocks, bfree, bavail; /* of 4 KiB */
	uint64_t files, ffree;
};
int fs_statfs(struct fs_ctx *c, struct fs_statfs *ret);

#endif
