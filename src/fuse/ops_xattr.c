/* SPDX-License-Identifier: MIT */
/* ops_xattr.c - extended attributes and, as system.posix_acl_*, ACLs. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/ops.h"

/* size 0 asks how long the value is. */
static void finish_value(struct freq *q, const void *value, size_t len, size_t size)
{
	if (size == 0) {
		struct fuse_getxattr_out out = { .size = (uint32_t)len };

		reply_body(q, &out, sizeof(out));
	} else if (len > size) {
		reply_err(q, -ERANGE);
	} else if (len > FREQ_ROOM) {
		reply_err(q, -E2BIG);
	} else {
		reply_body(q, value, len);
	}
}

void ops_setxattr(struct freq *q)
{
	const struct fuse_setxattr_in *arg = freq_arg(q);
	bool ext = q->fr->s->kernel_flags & FUSE_SETXATTR_EXT;
	size_t arg_size = ext ? sizeof(*arg) : FUSE_COMPAT_SETXATTR_IN_SIZE;
	const char *name = freq_payload(q, arg_size);
	size_t room = freq_payload_len(q, arg_size);
	size_t namelen = strnlen(name, room);
	bool kill_sgid = ext && (arg->setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID);
	struct fs_cred cr = ops_cred(q, 0);

	if (namelen == room || arg->size > room - namelen - 1) {
		reply_err(q, -EINVAL);
		return;
	}
	reply_err(q, fs_setxattr(ops_fs(q), &cr, q->ino, name, name + namelen + 1,
				 arg->size, (int)arg->flags, kill_sgid));
}

void ops_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct freq *q = loop_current(req);
	void *value;
	size_t len;
	int err = fs_getxattr(ops_fs(q), ino, name, &value, &len);

	if (err) {
		reply_err(q, err);
		return;
	}
	finish_value(q, value, len, size);
	free(value);
}

/* trusted.* is for root to see; the kernel leaves that to us. */
static size_t hide_trusted(char *names, size_t len)
{
	static const char trusted[] = "trusted.";
	size_t kept = 0;

	for (size_t at = 0; at < len;) {
		size_t n = strlen(names + at) + 1;

		if (strncmp(names + at, trusted, sizeof(trusted) - 1) != 0) {
			memmove(names + kept, names + at, n);
			kept += n;
		}
		at += n;
	}
	return kept;
}

void ops_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct freq *q = loop_current(req);
	char *names;
	size_t len;
	int err = fs_listxattr(ops_fs(q), ino, &names, &len);

	if (err) {
		reply_err(q, err);
		return;
	}
	if (q->in->uid != 0)
		len = hide_trusted(names, len);
	finish_value(q, names, len, size);
	free(names);
}

void ops_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct freq *q = loop_current(req);
	struct fs_cred cr = ops_cred(q, 0);

	reply_err(q, fs_removexattr(ops_fs(q), &cr, ino, name));
}
