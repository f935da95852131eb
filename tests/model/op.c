/* SPDX-License-Identifier: MIT */
/* op.c - steps: printing, the model's side, comparing the outcomes. */
#include "op.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/msg.h"

static const char *const kind_names[] = {
#define X(name) #name,
	OP_KINDS(X)
#undef X
};

uint64_t rng_next(struct rng *r)
{
	uint64_t z = (r->s += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
	return rng_next(r) % n;
}

bool rng_one_in(struct rng *r, unsigned n)
{
	return rng_next(r) % n == 0;
}

void op_fill(void *buf, size_t len, uint64_t seed)
{
	struct rng r = { seed };
	uint8_t *p = buf;

	if (seed % 16 == 0) { /* zeros are data too */
		memset(buf, 0, len);
		return;
	}
	for (; len >= 8; len -= 8, p += 8) {
		uint64_t v = rng_next(&r);

		memcpy(p, &v, 8);
	}
	if (len) {
		uint64_t v = rng_next(&r);

		memcpy(p, &v, len);
	}
}

void result_free(struct result *r)
{
	free(r->data);
	memset(r, 0, sizeof(*r));
}

static void print_name(const char *name, FILE *out)
{
	size_t len = strlen(name);

	fputc('"', out);
	for (size_t k = 0; k < MIN(len, 24u); k++)
		fprintf(out, isgraph((unsigned char)name[k]) ? "%c" : "\\x%02x",
			(unsigned char)name[k]);
	fputs("\"", out);
	if (len > 24)
		fprintf(out, "..(%zu)", len);
}

void op_print(const struct op *op, FILE *out)
{
	fprintf(out, "%s", kind_names[op->kind]);
	if (op->ino)
		fprintf(out, " ino %" PRIu64, op->ino);
	if (op->dir) {
		fprintf(out, " %" PRIu64 "/", op->dir);
		print_name(op->name, out);
	} else if (op->name[0]) {
		fputc(' ', out);
		print_name(op->name, out);
	}
	if (op->dir2) {
		fprintf(out, " -> %" PRIu64 "/", op->dir2);
		print_name(op->name2, out);
	}
	if (op->off || op->len)
		fprintf(out, " off %" PRIu64 " len %" PRIu64, op->off, op->len);
	if (op->off2)
		fprintf(out, " off2 %" PRIu64, op->off2);
	if (op->mode)
		fprintf(out, " mode 0%o", (unsigned)op->mode);
	if (op->flags)
		fprintf(out, " flags 0x%x", (unsigned)op->flags);
	if (op->sa.valid)
		fprintf(out, " set 0x%x mode 0%o uid %u gid %u size %" PRIu64
			" atime %" PRId64 " mtime %" PRId64, op->sa.valid,
			op->sa.mode, op->sa.uid, op->sa.gid, op->sa.size,
			op->sa.atime, op->sa.mtime);
	if (op->cred.uid || op->cred.gid || op->cred.umask)
		fprintf(out, " as %u:%u umask 0%o", op->cred.uid, op->cred.gid,
			op->cred.umask);
	fprintf(out, "%s%s%s", op->kill ? " kill" : "", op->keep ? " keep" : "",
		op->osync ? " sync" : "");
	if (op->new_ino)
		fprintf(out, " = ino %" PRIu64, op->new_ino);
}

int dirent_cmp(const void *a, const void *b)
{
	const struct dirent_seen *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void list_dir(const struct model *m, const struct minode *d, bool attrs,
		     struct result *ret)
{
	struct dirent_seen *e = xcalloc(d->nent + 2, sizeof(*e));

	strcpy(e[0].name, ".");
	e[0].ino = d->ino;
	strcpy(e[1].name, "..");
	e[1].ino = d->parent;
	e[0].type = e[1].type = S_IFDIR >> 12;
	for (size_t k = 0; k < d->nent; k++) {
		struct dirent_seen *to = &e[k + 2];
		const struct minode *i = model_get(m, d->ent[k].ino);

		strcpy(to->name, d->ent[k].name);
		to->ino = i->ino;
		to->type = i->mode >> 12;
		to->has_attr = attrs;
		if (attrs)
			model_attr(i, &to->attr);
	}
	ret->len = (d->nent + 2) * sizeof(*e);
	ret->data = e;
	qsort(e, d->nent + 2, sizeof(*e), dirent_cmp);
}

static int str_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names, sorted, each with its NUL: both sides in the same form. */
static void list_xattrs(const struct minode *i, struct result *ret)
{
	const char **name = xmalloc((i->nxa + 1) * sizeof(*name));
	char *to;

	for (size_t k = 0; k < i->nxa; k++) {
		name[k] = i->xa[k].name;
		ret->len += strlen(name[k]) + 1;
	}
	qsort(name, i->nxa, sizeof(*name), str_cmp);
	ret->data = to = xmalloc(MAX(ret->len, 1u));
	for (size_t k = 0; k < i->nxa; k++)
		to = stpcpy(to, name[k]) + 1;
	free(name);
}

static void keep_all(struct model *m, const struct result *r)
{
	const struct dirent_seen *e = r->data;

	for (size_t k = 0; k < r->len / sizeof(*e); k++)
		if (e[k].has_attr)
			model_hold(m, e[k].ino)->nlookup++;
}

static int data_op(struct model *m, const struct op *op, struct result *ret)
{
	void *buf;
	int err;

	switch (op->kind) {
	case OP_READ:
		ret->data = xmalloc(MAX(op->len, 1u));
		return model_read(m, op->ino, op->off, op->len, ret->data, &ret->len);
	case OP_WRITE:
		buf = xmalloc(MAX(op->len, 1u));
		op_fill(buf, op->len, op->seed);
		err = model_write(m, op->ino, buf, op->len, op->off,
				  op->flags & O_APPEND, op->kill);
		free(buf);
		return err;
	case OP_FALLOC:
		return model_fallocate(m, &op->cred, op->ino, op->mode, op->off, op->len);
	case OP_CLONE:
		return model_clone_range(m, &op->cred, op->ino, op->off, op->dir2,
					 op->off2, op->len, &ret->num);
	default:
		return model_seek(m, op->ino, op->off, op->flags, &ret->num);
	}
}

static int xattr_op(struct model *m, const struct op *op, struct result *ret)
{
	const struct minode *i = model_get(m, op->ino);
	const struct mxattr *x;
	void *value = NULL;
	int err;

	if (!i)
		return -ENOENT;
	switch (op->kind) {
	case OP_GETX:
		x = model_xattr(i, op->name);
		if (!x)
			return -ENODATA;
		ret->data = xmalloc(MAX(x->len, 1u));
		memcpy(ret->data, x->value, x->len);
		ret->len = x->len;
		return 0;
	case OP_SETX:
		if (!op->value) {
			value = xmalloc(MAX(op->len, 1u));
			op_fill(value, op->len, op->seed);
		}
		err = model_setxattr(m, op->ino, op->name, value ? value : op->value,
				     op->len, op->flags, op->kill);
		free(value);
		return err;
	case OP_RMX:
		return model_removexattr(m, op->ino, op->name);
	default:
		list_xattrs(i, ret);
		return 0;
	}
}

static int node_op(struct model *m, const struct op *op, struct result *ret)
{
	const struct minode *i = model_get(m, op->ino ? op->ino : op->dir);
	int err = 0;

	if (!i)
		return -ENOENT;
	switch (op->kind) {
	case OP_FORGET:
		model_hold(m, op->ino)->nlookup -= op->len;
		model_drop_unused(m, op->ino);
		break;
	case OP_RELEASE:
		model_hold(m, op->ino)->nopen--;
		model_drop_unused(m, op->ino);
		break;
	case OP_OPEN:
		return model_opened(m, op->ino, op->flags);
	case OP_READLINK:
		if (!S_ISLNK(i->mode))
			return -EINVAL;
		ret->data = strdup(i->target);
		ret->len = strlen(i->target);
		model_accessed(m, op->ino);
		break;
	case OP_READDIR:
		if (!S_ISDIR(i->mode))
			return -ENOTDIR;
		if (!i->nlink)
			return -ENOENT;
		list_dir(m, i, op->flags, ret);
		if (op->keep)
			keep_all(m, ret);
		model_accessed(m, op->ino);
		break;
	case OP_SETATTR:
		err = model_setattr(m, op->ino, &op->sa);
		break;
	case OP_SETFLAGS:
		return model_setflags(m, &op->cred, op->ino, (uint32_t)op->flags);
	case OP_IGET:
		model_hold(m, op->ino)->nlookup++;
		break;
	default:
		break;
	}
	if (!err && (op->kind == OP_GETATTR || op->kind == OP_SETATTR || op->kind == OP_IGET)) {
		ret->has_attr = true;
		model_attr(model_get(m, op->ino), &ret->attr);
	}
	return err;
}

static int name_op(struct model *m, const struct op *op, struct result *ret)
{
	uint64_t ino = op->new_ino;
	const char *target = NULL;
	uint32_t mode = (uint32_t)op->mode;
	int err;

	switch (op->kind) {
	case OP_LOOKUP:
		err = model_lookup(m, op->dir, op->name, &ino);
		if (!err)
			model_hold(m, ino)->nlookup++;
		break;
	case OP_SYMLINK:
		target = op->name2;
		mode = S_IFLNK | 0777;
		/* fall through */
	case OP_MAKE:
		err = model_make(m, &op->cred, op->dir, op->name, mode, op->rdev, target, ino);
		break;
	case OP_TMPFILE:
		err = model_tmpfile(m, &op->cred, op->dir, mode, ino);
		break;
	case OP_LINK:
		ino = op->ino;
		err = model_link(m, ino, op->dir, op->name);
		break;
	case OP_RENAME:
		return model_rename(m, &op->cred, op->dir, op->name, op->dir2, op->name2,
				    (unsigned)op->flags, ino);
	default:
		return model_unlink(m, op->dir, op->name, op->kind == OP_RMDIR);
	}
	if (!err) {
		ret->has_attr = true;
		model_attr(model_get(m, ino), &ret->attr);
	}
	return err;
}

void op_model(struct model *m, const struct op *op, struct result *ret)
{
	bool readonly = m->readonly;
	size_t before;

	memset(ret, 0, sizeof(*ret));
	m->opno++;
	m->wall = op->wall;
	m->readonly |= op->no_atime;
	switch (op->kind) {
	case OP_LOOKUP: case OP_SYMLINK: case OP_MAKE: case OP_TMPFILE: case OP_LINK:
	case OP_RENAME: case OP_UNLINK: case OP_RMDIR:
		ret->err = name_op(m, op, ret);
		break;
	case OP_READ: case OP_WRITE: case OP_FALLOC: case OP_CLONE: case OP_SEEK:
		ret->err = data_op(m, op, ret);
		break;
	case OP_GETX: case OP_SETX: case OP_RMX: case OP_LISTX:
		ret->err = xattr_op(m, op, ret);
		break;
	case OP_FSYNC: case OP_STATFS:
		break;
	case OP_REMOUNT: case OP_ROMOUNT: /* off: when the slot was written */
		before = m->n;
		m->last = MAX(m->last, (int64_t)op->off);
		model_forget_all(m);
		if (m->n != before)
			model_now(m);
		break;
	case OP_COMPACT: case OP_BACKUP: /* keep: it was an operation */
		if (op->keep)
			model_now(m);
		break;
	case OP_CURSOR: /* only the beginning counts */
		model_accessed(m, op->ino);
		break;
	default:
		if (op->kind < OP_FIRST_CONTROL)
			ret->err = node_op(m, op, ret);
		break;
	}
	m->readonly = readonly;
}

static _Thread_local char why[1024];

const char *attr_differs(const struct fs_attr *f, const struct fs_attr *m, bool times)
{
#define SAME(field, fmt) do { \
	if (f->field != m->field) { \
		snprintf(why, sizeof(why), "attribute " #field " of ino %" PRIu64 \
			 ": got %" fmt ", expected %" fmt, m->ino, f->field, m->field); \
		return why; \
	} } while (0)
	SAME(ino, PRIu64);
	SAME(mode, "o");
	SAME(nlink, "u");
	SAME(uid, "u");
	SAME(gid, "u");
	SAME(size, PRIu64);
	SAME(bytes, PRIu64);
	SAME(rdev, PRIu64);
	SAME(flags, "x");
	if (times) {
		SAME(btime, PRId64);
		SAME(ctime, PRId64);
		SAME(mtime, PRId64);
		SAME(atime, PRId64);
	}
#undef SAME
	return NULL;
}

static const char *dirents_differ(const struct result *f, const struct result *m, bool times)
{
	const struct dirent_seen *a = f->data, *b = m->data;
	size_t na = f->len / sizeof(*a), nb = m->len / sizeof(*b);

	for (size_t k = 0; k < MAX(na, nb); k++) {
		int c = k >= na ? 1 : k >= nb ? -1 : strcmp(a[k].name, b[k].name);
		const char *text;

		if (c) {
			snprintf(why, sizeof(why), "listing has %s %s",
				 c < 0 ? a[k].name : b[k].name, c < 0 ? "too much" : "not");
			return why;
		}
		if (a[k].ino != b[k].ino || a[k].type != b[k].type) {
			snprintf(why, sizeof(why), "entry %s: ino %" PRIu64 " type %u, "
				 "expected %" PRIu64 " %u", a[k].name, a[k].ino, a[k].type,
				 b[k].ino, b[k].type);
			return why;
		}
		if (b[k].has_attr && !a[k].has_attr)
			return "entry without the attributes asked for";
		text = b[k].has_attr ? attr_differs(&a[k].attr, &b[k].attr, times) : NULL;
		if (text)
			return text;
	}
	return NULL;
}

const char *result_differs(const struct op *op, const struct result *f,
			   const struct result *m, bool times)
{
	size_t at = 0;

	if (-err_errno(f->err) != m->err) {
		snprintf(why, sizeof(why), "answer %d (%s), expected %d (%s)", f->err,
			 err_str(f->err), m->err, err_str(m->err));
		return why;
	}
	if (m->err)
		return NULL;
	if (m->has_attr) {
		const char *text = attr_differs(&f->attr, &m->attr, times);

		if (text)
			return text;
	}
	if (op->kind == OP_READDIR)
		return dirents_differ(f, m, times);
	if (f->num != m->num) {
		snprintf(why, sizeof(why), "number %" PRIu64 ", expected %" PRIu64, f->num,
			 m->num);
		return why;
	}
	if (f->len != m->len) {
		snprintf(why, sizeof(why), "%zu bytes, expected %zu", f->len, m->len);
		return why;
	}
	if (m->len && memcmp(f->data, m->data, m->len)) {
		while (((const char *)f->data)[at] == ((const char *)m->data)[at])
			at++;
		snprintf(why, sizeof(why), "data differ from byte %zu of %zu: got %02x, "
			 "expected %02x", at, m->len, ((const uint8_t *)f->data)[at],
			 ((const uint8_t *)m->data)[at]);
		return why;
	}
	return NULL;
}
