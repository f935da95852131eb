/* SPDX-License-Identifier: MIT */
/* reply.h - the only way answers leave: built in the request's buffer, sent once.
 *
 * Error codes become errnos here and nowhere else; what they hide is logged
 * here.  Locks are dropped before: no handler holds any. */
#ifndef VARVE_FUSE_REPLY_H
#define VARVE_FUSE_REPLY_H

#include "fuse/session.h"

/* Seconds that names and attributes stay valid: we are the only writer, and
 * the kernel knows what it asked for itself. */
#define REPLY_VALID (10ull * 365 * 86400)

/* st_blksize: what stdio and cp take as their buffer. */
#define REPLY_BLKSIZE 65536u

/* err: 0 or negative. */
void reply_err(struct freq *q, int err);
/* The body, len bytes, is at q->data. */
void reply_data(struct freq *q, size_t len);
/* Copies the body (it may lie in the message). */
void reply_body(struct freq *q, const void *body, size_t len);
void reply_entry(struct freq *q, const struct fs_attr *a);
void reply_no_entry(struct freq *q); /* ENOENT, to be remembered */
void reply_attr(struct freq *q, const struct fs_attr *a);
void reply_statx(struct freq *q, const struct fs_attr *a);
void reply_open(struct freq *q, uint32_t open_flags);
void reply_create(struct freq *q, const struct fs_attr *a, uint32_t open_flags);
void reply_written(struct freq *q, uint32_t len);
void reply_fill_entry(struct fuse_entry_out *out, const struct fs_attr *a);
/* A reply that libfuse built. */
void reply_raw(struct freq *q, const struct iovec *iov, int count);
void reply_none(struct freq *q);

#endif
