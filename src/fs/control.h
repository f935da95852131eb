/* SPDX-License-Identifier: MIT */
/* control.h - commands and answers as extended attributes of the root directory.
 *
 * Attributes "user.varve.*" of the root are not stored: reading one asks, setting
 * one tells, those who registered it.  No socket, no ioctl; works wherever the mount
 * is seen.  They are never listed.  On other inodes such names are ordinary.
 *
 * Who may: anyone who may read the root's attributes may ask; root and the owner of
 *   the root directory may tell (-EPERM).
 * Errors: asking for an unknown one -ENODATA, setting one -EINVAL; -VE_READONLY where
 *   it would change a volume that is read-only; removing one -EPERM.
 * Locking: get and set are called without locks, on the thread of the request, and
 *   must not wait for the device. */
#ifndef VARVE_FS_CONTROL_H
#define VARVE_FS_CONTROL_H

#include "fs/fs.h"

struct fs_control {
	const char *name; /* behind "user.varve."; borrowed */
	/* *ret malloced; NULL: cannot be read (-ENODATA) */
	int (*get)(void *arg, char **ret, size_t *ret_len);
	/* value is NUL-terminated, without a newline at its end; NULL: cannot be set
	 * (-EINVAL) */
	int (*set)(void *arg, const struct fs_cred *cr, const char *value);
	bool reads_only; /* setting it changes nothing on the volume */
	void *arg;
};
#define FS_CONTROL_PREFIX "user.varve."
#define FS_CONTROL_VALUE_MAX 4096u

/* Before contexts are opened; for the life of fs.  -EEXIST. */
int fs_control_add(struct fs *fs, const struct fs_control *c) VARVE_MUST_CHECK;

/* --- for xattr.c --- */
bool control_is(uint64_t ino, const char *name);
int control_get(struct fs_ctx *c, const char *name, void **ret, size_t *ret_len);
int control_set(struct fs_ctx *c, const struct fs_cred *cr, const char *name,
		const void *value, size_t len, int flags);
int control_remove(struct fs_ctx *c, const char *name);
/* Attributes that are the system's own, and nobody's to see. */
bool control_hides(const char *name);

#endif
