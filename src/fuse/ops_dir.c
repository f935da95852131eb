/* SPDX-License-Identifier: MIT */
/* ops_dir.c - listing.  Directories are not opened (OPENDIR is answered with
 * ENOSYS): the offset of an entry is its stable cookie, which is all the state
 * a listing needs. */
#include "config.h"

#include <string.h>

#include "fuse/ops.h"

struct listing {
	struct freq *q;
	size_t size, used;
	bool plus;
};

static bool is_dot(const struct fs_dirent *d)
{
	return d->name[0] == '.' &&
	       (d->namelen == 1 || (d->namelen == 2 && d->name[1] == '.'));
}

static int add_entry(void *arg, const struct fs_dirent *d)
{
	struct listing *l = arg;
	size_t head = l->plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;
	size_t len = FUSE_DIRENT_ALIGN(head + d->namelen);
	char *at = l->q->data + l->used;
	struct fuse_dirent *out = (struct fuse_dirent *)at;

	if (l->used + len > l->size)
		return 1;
	if (l->plus) {
		struct fuse_direntplus *p = (struct fuse_direntplus *)at;

		/* node 0: a name without a lookup */
		if (d->attr && !is_dot(d)) {
			reply_fill_entry(&p->entry_out, d->attr);
			fs_readdir_keep(ops_fs(l->q), d->ino);
		} else {
			memset(&p->entry_out, 0, sizeof(p->entry_out));
		}
		out = &p->dirent;
	}
	out->ino = d->ino;
	out->off = d->cookie;
	out->namelen = (uint32_t)d->namelen;
	out->type = d->type;
	memcpy(out->name, d->name, d->namelen);
	memset(out->name + d->namelen, 0, len - head - d->namelen);
	l->used += len;
	return 0;
}

static void list(struct freq *q, size_t size, off_t off, bool plus)
{
	struct listing l = { .q = q, .size = MIN(size, (size_t)FREQ_ROOM), .plus = plus };
	int err;

	q->off = (uint64_t)off;
	err = fs_readdir(ops_fs(q), q->ino, (uint64_t)off, plus, add_entry, &l);
	if (err && l.used == 0)
		reply_err(q, err);
	else
		reply_data(q, l.used);
}

void ops_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		 struct fuse_file_info *fi)
{
	list(loop_current(req), size, off, false);
}

void ops_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	list(loop_current(req), size, off, true);
}
