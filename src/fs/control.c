/* SPDX-License-Identifier: MIT */
/* control.c - see control.h. */
#include "fs/control.h"

#include <sys/xattr.h>

#include "fs/fs_int.h"

bool control_is(uint64_t ino, const char *name)
{
	return ino == VARVE_ROOT_INO &&
	       !strncmp(name, FS_CONTROL_PREFIX, strlen(FS_CONTROL_PREFIX));
}

bool control_hides(const char *name)
{
	return !strncmp(name, "varve.", 6);
}

static const struct fs_control *find(const struct fs *fs, const char *name)
{
	for (unsigned i = 0; i < fs->ncontrols; i++)
		if (!strcmp(fs->control[i].name, name))
			return &fs->control[i];
	return NULL;
}

int fs_control_add(struct fs *fs, const struct fs_control *c)
{
	if (find(fs, c->name))
		return -EEXIST;
	if (fs->ncontrols == ARRAY_LEN(fs->control))
		return -ENOSPC;
	fs->control[fs->ncontrols++] = *c;
	return 0;
}

static const struct fs_control *of(struct fs_ctx *c, const char *name)
{
	return find(c->fs, name + strlen(FS_CONTROL_PREFIX));
}

int control_get(struct fs_ctx *c, const char *name, void **ret, size_t *ret_len)
{
	const struct fs_control *k = of(c, name);
	char *text;
	int err;

	if (!k || !k->get)
		return -ENODATA;
	err = k->get(k->arg, &text, ret_len);
	if (!err)
		*ret = text;
	return err;
}

static int may_tell(struct fs_ctx *c, const struct fs_cred *cr)
{
	struct inode_row root;
	int err;

	if (cr->uid == 0)
		return 0;
	rd_lock(c);
	err = inode_locked(c, VARVE_ROOT_INO, &root);
	un_lock(c);
	if (err)
		return err;
	return root.uid == cr->uid ? 0 : -EPERM;
}

int control_set(struct fs_ctx *c, const struct fs_cred *cr, const char *name,
		const void *value, size_t len, int flags)
{
	const struct fs_control *k = of(c, name);
	char *text;
	int err = may_tell(c, cr);

	if (err)
		return err;
	if (!k || !k->set || len > FS_CONTROL_VALUE_MAX || memchr(value, 0, len))
		return -EINVAL;
	if (flags & XATTR_CREATE)
		return -EEXIST;
	if (!k->reads_only)
		err = writable(c);
	if (err)
		return err;
	text = xcalloc(len + 1, 1);
	memcpy(text, value, len);
	if (len && text[len - 1] == '\n')
		text[len - 1] = '\0';
	err = k->set(k->arg, cr, text);
	free(text);
	return err;
}

int control_remove(struct fs_ctx *c, const char *name)
{
	return of(c, name) ? -EPERM : -ENODATA;
}
