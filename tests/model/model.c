/* SPDX-License-Identifier: MIT */
/* model.c - the inode table of the model: sharing, copying, dropping. */
#include "model.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/msg.h"

static size_t place_of(const struct model *m, uint64_t ino)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (m->ino[mid]->ino < ino)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct minode *model_get(const struct model *m, uint64_t ino)
{
	size_t at = place_of(m, ino);

	return at < m->n && m->ino[at]->ino == ino ? m->ino[at] : NULL;
}

static void inode_unref(struct minode *i)
{
	if (--i->ref)
		return;
	for (size_t k = 0; k < i->nxa; k++)
		free(i->xa[k].value);
	model_file_free(i);
	free(i->xa);
	free(i->ent);
	free(i->target);
	free(i);
}

static struct minode *inode_copy(const struct minode *i)
{
	struct minode *c = xmalloc(sizeof(*c));

	*c = *i;
	c->ref = 1;
	c->ent = xmalloc(MAX(i->nent, 1u) * sizeof(*c->ent));
	c->cap_ent = MAX(i->nent, 1u);
	if (i->nent)
		memcpy(c->ent, i->ent, i->nent * sizeof(*c->ent));
	c->xa = xmalloc(MAX(i->nxa, 1u) * sizeof(*c->xa));
	for (size_t k = 0; k < i->nxa; k++) {
		c->xa[k] = i->xa[k];
		c->xa[k].value = xmalloc(MAX(i->xa[k].len, 1u));
		memcpy(c->xa[k].value, i->xa[k].value, i->xa[k].len);
	}
	c->target = i->target ? strdup(i->target) : NULL;
	model_file_copy(c, i);
	return c;
}

struct minode *model_mut(struct model *m, uint64_t ino)
{
	size_t at = place_of(m, ino);
	struct minode *i;

	if (at >= m->n || m->ino[at]->ino != ino)
		return NULL;
	i = m->ino[at];
	if (i->ref > 1) {
		i->ref--;
		i = m->ino[at] = inode_copy(i);
	}
	i->changed = m->opno;
	return i;
}

struct minode *model_hold(struct model *m, uint64_t ino)
{
	const struct minode *i = model_get(m, ino);
	uint64_t changed = i ? i->changed : 0;
	struct minode *h = model_mut(m, ino);

	if (h)
		h->changed = changed;
	return h;
}

struct minode *model_add(struct model *m, uint64_t ino, uint32_t mode)
{
	struct minode *i = xcalloc(1, sizeof(*i));
	size_t at = place_of(m, ino);

	if (m->n == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 64;
		m->ino = xrealloc(m->ino, m->cap * sizeof(struct minode *));
	}
	memmove(m->ino + at + 1, m->ino + at, (m->n - at) * sizeof(struct minode *));
	m->ino[at] = i;
	m->n++;
	i->ref = 1;
	i->ino = ino;
	i->mode = mode;
	i->nlink = S_ISDIR(mode) ? 2 : 1;
	i->atime = i->mtime = i->ctime = i->btime = model_now(m);
	i->changed = m->opno;
	return i;
}

void model_drop_unused(struct model *m, uint64_t ino)
{
	size_t at = place_of(m, ino);
	struct minode *i;

	if (at >= m->n || m->ino[at]->ino != ino)
		return;
	i = m->ino[at];
	if (i->nlink || i->nlookup || i->nopen || ino == m->root)
		return;
	model_now(m); /* that it went is an operation too */
	inode_unref(i);
	m->n--;
	memmove(m->ino + at, m->ino + at + 1, (m->n - at) * sizeof(struct minode *));
}

struct model *model_new(const struct fs_attr *rc)
{
	struct model *m = xcalloc(1, sizeof(*m));
	struct minode *r;

	m->root = rc->ino;
	r = model_add(m, rc->ino, rc->mode);
	r->nlink = rc->nlink;
	r->uid = rc->uid;
	r->gid = rc->gid;
	r->atime = rc->atime;
	r->mtime = rc->mtime;
	r->ctime = rc->ctime;
	r->btime = rc->btime;
	r->parent = rc->ino;
	r->nlookup = 1;
	m->last = MAX(MAX(rc->mtime, rc->ctime), rc->atime);
	return m;
}

struct model *model_clone(const struct model *m)
{
	struct model *c = xmalloc(sizeof(*c));

	*c = *m;
	c->cap = MAX(m->n, 1u);
	c->ino = xmalloc(c->cap * sizeof(struct minode *));
	for (size_t k = 0; k < m->n; k++) {
		c->ino[k] = m->ino[k];
		c->ino[k]->ref++;
	}
	return c;
}

void model_free(struct model *m)
{
	if (!m)
		return;
	for (size_t k = 0; k < m->n; k++)
		inode_unref(m->ino[k]);
	free(m->ino);
	free(m);
}

void model_forget_all(struct model *m)
{
	size_t k = 0;

	while (k < m->n) {
		uint64_t ino = m->ino[k]->ino;

		if (m->ino[k]->nlookup || m->ino[k]->nopen) {
			struct minode *i = model_hold(m, ino);

			i->nlookup = i->nopen = 0;
		}
		model_drop_unused(m, ino);
		if (k < m->n && m->ino[k]->ino == ino)
			k++;
	}
	model_hold(m, m->root)->nlookup = 1;
}

size_t model_bytes_used(const struct model *m)
{
	size_t sum = 0;

	for (size_t k = 0; k < m->n; k++)
		sum += model_file_bytes(m->ino[k]);
	return sum;
}

int64_t model_now(struct model *m)
{
	if (m->wall > m->last)
		m->last = m->wall;
	m->rec_last = m->last;
	return m->last;
}

void model_dirtied(struct minode *i, int64_t now)
{
	i->mtime = i->ctime = now;
}

void model_attr(const struct minode *i, struct fs_attr *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->ino = i->ino;
	ret->size = S_ISDIR(i->mode) ? i->nent : i->size;
	ret->bytes = model_file_bytes(i);
	ret->rdev = i->rdev;
	ret->mode = i->mode;
	ret->nlink = i->nlink;
	ret->uid = i->uid;
	ret->gid = i->gid;
	ret->flags = i->flags;
	ret->atime = i->atime;
	ret->mtime = i->mtime;
	ret->ctime = i->ctime;
	ret->btime = i->btime;
}

const struct mentry *model_entry(const struct minode *dir, const char *name)
{
	for (size_t k = 0; k < dir->nent; k++)
		if (!strcmp(dir->ent[k].name, name))
			return &dir->ent[k];
	return NULL;
}
