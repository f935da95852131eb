/* SPDX-License-Identifier: MIT */
/* xattr.c - extended attributes, and ACLs as the attributes they are. */
#include <sys/xattr.h>

#include "fs/acl.h"
#include "fs/fs_int.h"

enum space { SPACE_USER, SPACE_OTHER, SPACE_ACCESS, SPACE_DEFAULT };

/* -EOPNOTSUPP: a namespace that we do not keep. */
static int name_space(const char *name, size_t *ret_len, enum space *ret)
{
	static const struct {
		const char *prefix;
		enum space space;
	} known[] = {
		{ "user.", SPACE_USER }, { "trusted.", SPACE_OTHER },
		{ "security.", SPACE_OTHER },
	};

	*ret_len = strlen(name);
	if (!*ret_len || *ret_len > VARVE_NAME_MAX)
		return -ERANGE;
	if (!strcmp(name, ACL_ACCESS_NAME)) {
		*ret = SPACE_ACCESS;
		return 0;
	}
	if (!strcmp(name, ACL_DEFAULT_NAME)) {
		*ret = SPACE_DEFAULT;
		return 0;
	}
	for (unsigned i = 0; i < ARRAY_LEN(known); i++) {
		size_t n = strlen(known[i].prefix);

		if (strncmp(name, known[i].prefix, n))
			continue;
		*ret = known[i].space;
		return name[n] ? 0 : -EINVAL;
	}
	return -EOPNOTSUPP;
}

static uint8_t hint_of(const char *name)
{
	if (!strcmp(name, ACL_ACCESS_NAME))
		return NODE_NO_ACL;
	if (!strcmp(name, ACL_DEFAULT_NAME))
		return NODE_NO_DACL;
	return strcmp(name, "security.capability") ? 0 : NODE_NO_CAPS;
}

int xattr_hinted_locked(struct fs_ctx *c, uint64_t ino, const char *name, uint8_t hint,
			struct xattr_row *ret)
{
	struct node_info ni;
	int err;

	if (hint && nodes_get(c->fs->nodes, ino, &ni) && (ni.absent & hint))
		return -ENODATA;
	err = state_xattr(c->st, c->rd, ino, name, strlen(name), ret, NULL);
	if (err != -ENOENT)
		return err;
	if (hint)
		nodes_hint(c->fs->nodes, ino, hint, 0);
	return -ENODATA;
}

int fs_getxattr(struct fs_ctx *c, uint64_t ino, const char *name, void **ret, size_t *ret_len)
{
	struct inode_row row;
	struct xattr_row x;
	enum space sp;
	size_t len;
	int err = name_space(name, &len, &sp);

	if (err)
		return err;
	if (control_is(ino, name))
		return control_get(c, name, ret, ret_len);
	rd_lock(c);
	err = inode_locked(c, ino, &row);
	if (!err)
		err = xattr_hinted_locked(c, ino, name, hint_of(name), &x);
	un_lock(c);
	if (err)
		return err;
	*ret = (void *)x.value;
	*ret_len = x.len;
	return 0;
}

struct names {
	char *buf;
	size_t len, cap;
};

static int add_name(void *arg, const struct xattr_row *x)
{
	struct names *n = arg;

	if (control_hides(x->name))
		return 0;
	if (n->len + x->namelen + 1u > n->cap) {
		n->cap = MAX(n->cap * 2, n->len + x->namelen + 1u);
		n->buf = xrealloc(n->buf, n->cap);
	}
	memcpy(n->buf + n->len, x->name, x->namelen);
	n->len += x->namelen;
	n->buf[n->len++] = '\0';
	return 0;
}

int fs_listxattr(struct fs_ctx *c, uint64_t ino, char **ret, size_t *ret_len)
{
	struct names n = { .buf = xmalloc(256), .cap = 256 };
	struct inode_row row;
	int err;

	rd_lock(c);
	err = inode_locked(c, ino, &row);
	if (!err)
		err = state_xattrs(c->st, c->rd, ino, add_name, &n);
	un_lock(c);
	if (err < 0) {
		free(n.buf);
		return err;
	}
	*ret = n.buf;
	*ret_len = n.len;
	return 0;
}

static int may_set(const struct inode_row *row, enum space sp)
{
	if (row_frozen(row))
		return -EPERM;
	if (sp == SPACE_USER && !S_ISREG(row->mode) && !S_ISDIR(row->mode))
		return -EPERM;
	if ((sp == SPACE_ACCESS || sp == SPACE_DEFAULT) && S_ISLNK(row->mode))
		return -EOPNOTSUPP;
	return 0;
}

/* One attribute to be set or removed. */
struct change {
	const struct fs_cred *cr;
	const struct inode_row *row;
	const char *name;
	size_t namelen;
	const void *value;
	uint32_t len;
	uint32_t mode; /* 0: stays */
	int flags;     /* XATTR_CREATE, XATTR_REPLACE */
};

static int set_locked(struct fs_ctx *c, const struct change *ch, uint64_t *ret_batch)
{
	struct xattr_row x;
	struct rec rec;
	uint64_t slot;
	int err = state_xattr(c->st, c->rd, ch->row->ino, ch->name, ch->namelen, &x, &slot);

	if (!err) {
		slot = x.slot;
		free((void *)x.value);
		if (ch->flags & XATTR_CREATE)
			return -EEXIST;
	} else if (err != -ENOENT) {
		return err;
	} else if (ch->flags & XATTR_REPLACE) {
		return -ENODATA;
	}
	rec_init(&rec, REC_SETXATTR);
	rec.setxattr.ino = ch->row->ino;
	rec.setxattr.x.slot = slot;
	rec.setxattr.x.name = ch->name;
	rec.setxattr.x.namelen = (uint8_t)ch->namelen;
	rec.setxattr.x.value = ch->value;
	rec.setxattr.x.len = ch->len;
	rec.setxattr.mode = ch->mode;
	err = commit_locked(c, ch->cr, &rec, SEG_USER, ret_batch);
	if (!err)
		nodes_hint(c->fs->nodes, ch->row->ino, 0, hint_of(ch->name));
	return err;
}

/* -ENODATA if there is none (then the mode has not been set either). */
static int remove_locked(struct fs_ctx *c, const struct change *ch, uint64_t *ret_batch)
{
	struct xattr_row x;
	struct rec rec;
	int err = state_xattr(c->st, c->rd, ch->row->ino, ch->name, ch->namelen, &x, NULL);

	if (err)
		return err == -ENOENT ? -ENODATA : err;
	free((void *)x.value);
	rec_init(&rec, REC_RMXATTR);
	rec.setxattr.ino = ch->row->ino;
	rec.setxattr.x.slot = x.slot;
	rec.setxattr.x.name = ch->name;
	rec.setxattr.x.namelen = (uint8_t)ch->namelen;
	rec.setxattr.mode = ch->mode;
	return commit_locked(c, ch->cr, &rec, SEG_CLEANING, ret_batch);
}

static int mode_only_locked(struct fs_ctx *c, const struct change *ch, uint64_t *ret_batch)
{
	struct rec rec;

	rec_init(&rec, REC_SETATTR);
	rec.setattr.ino = ch->row->ino;
	rec.setattr.mask = RSA_MODE;
	rec.setattr.mode = ch->mode;
	return commit_locked(c, ch->cr, &rec, SEG_USER, ret_batch);
}

/* An access ACL decides the mode's permission bits, and is not stored when they
 * say all of it; an empty ACL is a removal. */
static int set_acl_locked(struct fs_ctx *c, struct change *ch, enum space sp, bool kill_sgid,
			  uint64_t *ret_batch)
{
	struct acl *a;
	uint32_t perm;
	bool equiv;
	int err = acl_decode(ch->value, ch->len, &a);

	if (err)
		return err;
	if (sp == SPACE_DEFAULT && a->n && !S_ISDIR(ch->row->mode)) {
		free(a);
		return -EACCES;
	}
	equiv = acl_equiv_mode(a, &perm);
	if (!a->n) {
		err = remove_locked(c, ch, ret_batch);
		err = err == -ENODATA ? 0 : err;
	} else if (sp == SPACE_DEFAULT) {
		err = set_locked(c, ch, ret_batch);
	} else {
		ch->mode = (ch->row->mode & ~0777u) | perm;
		if (kill_sgid)
			ch->mode &= ~(uint32_t)S_ISGID;
		err = equiv ? remove_locked(c, ch, ret_batch) :
			      set_locked(c, ch, ret_batch);
		if (err == -ENODATA && equiv)
			err = mode_only_locked(c, ch, ret_batch);
	}
	free(a);
	return err;
}

int fs_setxattr(struct fs_ctx *c, const struct fs_cred *cr, uint64_t ino, const char *name,
		const void *value, size_t len, int flags, bool kill_sgid)
{
	struct change ch = { .cr = cr, .name = name, .value = value, .flags = flags };
	struct inode_row row;
	uint64_t batch = 0;
	enum space sp;
	int err = name_space(name, &ch.namelen, &sp);

	if (!err && (flags & ~(XATTR_CREATE | XATTR_REPLACE)))
		err = -EINVAL;
	if (!err && len > VARVE_XATTR_MAX)
		err = -E2BIG;
	if (!err && control_is(ino, name))
		return control_set(c, cr, name, value, len, flags);
	if (!err)
		err = writable(c);
	if (err)
		return err;
	ch.row = &row;
	ch.len = (uint32_t)len;
	wr_lock(c);
	err = inode_locked(c, ino, &row);
	if (!err)
		err = may_set(&row, sp);
	if (!err && (sp == SPACE_ACCESS || sp == SPACE_DEFAULT))
		err = set_acl_locked(c, &ch, sp, kill_sgid, &batch);
	else if (!err)
		err = set_locked(c, &ch, &batch);
	if (batch)
		nodes_touch(c->fs->nodes, ino, batch);
	un_lock(c);
	return err;
}

int fs_removexattr(struct fs_ctx *c, const struct fs_cred *cr, uint64_t ino, const char *name)
{
	struct change ch = { .cr = cr, .name = name };
	struct inode_row row;
	uint64_t batch = 0;
	enum space sp;
	int err = name_space(name, &ch.namelen, &sp);

	if (!err && control_is(ino, name))
		return control_remove(c, name);
	if (!err)
		err = writable(c);
	if (err)
		return err;
	ch.row = &row;
	wr_lock(c);
	err = inode_locked(c, ino, &row);
	if (!err)
		err = may_set(&row, sp);
	if (!err)
		err = remove_locked(c, &ch, &batch);
	if (batch)
		nodes_touch(c->fs->nodes, ino, batch);
	un_lock(c);
	return err;
}

int acl_chmod_locked(struct fs_ctx *c, const struct fs_cred *cr, const struct inode_row *row,
		     uint32_t mode, uint64_t *ret_batch)
{
	struct change ch = { .cr = cr, .row = row, .name = ACL_ACCESS_NAME, .mode = mode };
	struct xattr_row x;
	struct acl *a;
	void *value;
	int err = xattr_hinted_locked(c, row->ino, ACL_ACCESS_NAME, NODE_NO_ACL, &x);

	if (err)
		return err == -ENODATA ? 0 : err;
	err = acl_decode(x.value, x.len, &a);
	free((void *)x.value);
	if (err)
		return err;
	acl_chmod(a, mode);
	value = xmalloc(acl_size(a));
	acl_encode(a, value);
	ch.namelen = strlen(ch.name);
	ch.value = value;
	ch.len = (uint32_t)acl_size(a);
	err = set_locked(c, &ch, ret_batch);
	free(value);
	free(a);
	return err ? err : 1;
}

int inherit_locked(struct fs_ctx *c, uint64_t dir, uint32_t umask, uint32_t *mode,
		   struct inherit *ret)
{
	struct xattr_row x;
	struct acl *a;
	int err = xattr_hinted_locked(c, dir, ACL_DEFAULT_NAME, NODE_NO_DACL, &x);

	memset(ret, 0, sizeof(*ret));
	if (err == -ENODATA) {
		*mode &= ~(umask & 0777);
		return 0;
	}
	if (err)
		return err;
	ret->dflt = (void *)x.value;
	ret->dflt_len = x.len;
	err = acl_decode(x.value, x.len, &a);
	if (err)
		return err;
	if (!acl_inherit(a, mode)) {
		ret->access_len = (uint32_t)acl_size(a);
		ret->access = xmalloc(ret->access_len);
		acl_encode(a, ret->access);
	}
	free(a);
	return 0;
}

void inherit_free(struct inherit *i)
{
	free(i->access);
	free(i->dflt);
}
