/* SPDX-License-Identifier: MIT */
/* gen.c - the generator of random steps. */
#include "gen.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SEC 1000000000ll

void gen_init(struct gen *g, uint64_t seed)
{
	memset(g, 0, sizeof(*g));
	g->rng.s = seed;
	g->inodes = 120;
	g->bytes = 8u << 20;
	g->max_write = 500000;
	g->control = 120;
	g->remounts = true;
	g->wall = 1700000000ll * SEC;
}

static uint64_t below(struct gen *g, uint64_t n)
{
	return rng_below(&g->rng, n);
}

static bool one_in(struct gen *g, unsigned n)
{
	return rng_one_in(&g->rng, n);
}

/* --- choosing what exists --- */

enum want { ANY, DIR, REG, LNK, OPENED, KNOWN_FORGETTABLE };

static bool suits(const struct minode *i, enum want w, uint64_t root)
{
	if (w == OPENED)
		return i->nopen;
	if (!i->nlookup)
		return false;
	switch (w) {
	case DIR: return S_ISDIR(i->mode);
	case REG: return S_ISREG(i->mode);
	case LNK: return S_ISLNK(i->mode);
	case KNOWN_FORGETTABLE: return i->ino != root;
	default: return true;
	}
}

/* An inode of that kind which the kernel knows; 0: none. */
static uint64_t pick(struct gen *g, const struct model *m, enum want w)
{
	size_t start;

	if (!m->n)
		return 0;
	/* Things made lately are more interesting. */
	start = one_in(g, 3) && m->n > 16 ? m->n - 1 - below(g, 16) : below(g, m->n);
	for (size_t k = 0; k < m->n; k++) {
		const struct minode *i = m->ino[(start + k) % m->n];

		if (suits(i, w, m->root))
			return i->ino;
	}
	return 0;
}

static uint64_t pick_dir(struct gen *g, const struct model *m)
{
	const struct minode *d = model_get(m, g->last_dir);

	if (!d || !suits(d, DIR, m->root) || one_in(g, 4)) {
		if (one_in(g, 300))
			return pick(g, m, ANY); /* not a directory, mostly */
		g->last_dir = one_in(g, 4) ? m->root : pick(g, m, DIR);
	}
	return g->last_dir ? g->last_dir : m->root;
}

static void any_name(struct gen *g, char *name)
{
	static const char *const odd[] = { "\xff\xfe", " ", "a\nb", "...", "-", "\xc3\xa4" };
	uint64_t k = below(g, 100);

	if (k < 88) {
		sprintf(name, "%c", (int)('a' + below(g, 14)));
	} else if (k < 93) {
		strcpy(name, odd[below(g, 6)]);
	} else if (k < 99) {
		size_t len = VARVE_NAME_MAX - below(g, 3);

		memset(name, 'a' + (int)below(g, 3), len);
		name[len] = 0;
	} else {
		memset(name, 'n', VARVE_NAME_MAX + 1);
		name[VARVE_NAME_MAX + 1] = 0;
	}
}

/* A name in dir: one that is there in most cases if there, not there if not. */
static void name_in(struct gen *g, const struct model *m, uint64_t dir, bool there,
		    char *name)
{
	const struct minode *d = model_get(m, dir);

	any_name(g, name);
	if (!d || one_in(g, 12))
		return;
	if (there && d->nent) {
		strcpy(name, d->ent[below(g, d->nent)].name);
		return;
	}
	for (int k = 0; k < 4 && !there && model_entry(d, name); k++)
		any_name(g, name);
}

/* --- numbers --- */

static uint64_t any_len(struct gen *g)
{
	if (g->churn && one_in(g, 2))
		return 20000 + below(g, g->max_write);
	switch (below(g, 12)) {
	case 0: return 1 + below(g, 10);
	case 1: return 4096;
	case 2: return 4095 + below(g, 3);
	case 3: return 4096 * (1 + below(g, 16));
	case 4: return 1 + below(g, 70000);
	case 5: return one_in(g, 6) ? 1 + below(g, g->max_write) : 100;
	case 6: return 8192 - below(g, 3);
	default: return 1 + below(g, 5000);
	}
}

static uint64_t any_off(struct gen *g, const struct minode *i)
{
	uint64_t size = i ? i->size : 0;
	uint64_t near = MIN(size, 400000u);

	switch (below(g, 12)) {
	case 0: return 0;
	case 1: case 2: return size < 400000 ? size : below(g, near + 1);
	case 3: return below(g, 64) * 4096;
	case 4: return 4095 + below(g, 3) + below(g, 16) * 4096;
	case 5: return below(g, 300000);
	case 6:
		if (!one_in(g, 8))
			return below(g, near + 1);
		return one_in(g, 2) ? (1ull << 40) + below(g, 100000)
				    : (uint64_t)INT64_MAX - below(g, 10000);
	case 7: return size > 400000 ? size - below(g, 5000) : size;
	case 8: return size < 300000 ? size + below(g, 20000) : below(g, near + 1);
	default: return below(g, near + 1);
	}
}

static void any_cred(struct gen *g, struct fs_cred *c)
{
	static const uint32_t id[] = { 0, 0, 1000, 1001 }, mask[] = { 0, 022, 022, 077, 0777 };

	c->uid = id[below(g, 4)];
	c->gid = id[below(g, 4)];
	c->umask = mask[below(g, 5)];
	c->pid = 1 + (uint32_t)below(g, 30000);
}

static uint32_t any_perm(struct gen *g)
{
	static const uint32_t mode[] = { 0644, 0755, 0600, 0777, 0, 02755, 04755, 06777, 01777,
					 02644 };

	return one_in(g, 4) ? (uint32_t)below(g, 010000) : mode[below(g, 10)];
}

static void step_clock(struct gen *g)
{
	switch (below(g, 40)) {
	case 0: g->wall += (int64_t)below(g, 100000) * SEC; break;
	case 1: g->wall += SEC; break;
	case 2: case 3: break;
	case 4: g->wall -= one_in(g, 10) ? (int64_t)below(g, 1000) * SEC : 0; break;
	default: g->wall += (int64_t)below(g, 5000000); break;
	}
}

/* --- ACLs --- */

static size_t acl_put(uint8_t *p, uint16_t tag, uint16_t perm, uint32_t id)
{
	memcpy(p, &tag, 2);
	memcpy(p + 2, &perm, 2);
	memcpy(p + 4, &id, 4);
	return 8;
}

static void any_acl(struct gen *g, struct op *op)
{
	uint32_t version = one_in(g, 30) ? 1 : 2, none = UINT32_MAX;
	bool user = one_in(g, 2), group = one_in(g, 3);
	uint8_t *p = g->acl;
	size_t n = 4;

	memcpy(p, &version, 4);
	n += acl_put(p + n, 1, (uint16_t)below(g, 8), none);
	if (user)
		n += acl_put(p + n, 2, (uint16_t)below(g, 8), 1000);
	if (user && one_in(g, 2))
		n += acl_put(p + n, 2, (uint16_t)below(g, 8), 1001);
	n += acl_put(p + n, 4, (uint16_t)below(g, 8), none);
	if (group)
		n += acl_put(p + n, 8, (uint16_t)below(g, 8), 1000);
	if ((user || group) ? !one_in(g, 20) : one_in(g, 6))
		n += acl_put(p + n, 16, (uint16_t)below(g, 8), none);
	if (!one_in(g, 30))
		n += acl_put(p + n, 32, (uint16_t)below(g, 8), none);
	op->value = p;
	op->len = one_in(g, 30) ? n - 1 : n;
}

static void any_xattr_name(struct gen *g, char *name)
{
	static const char *const n[] = { "user.a", "user.b", "user.c", "trusted.t",
					 "security.s", "user.\xff" };

	if (one_in(g, 20)) {
		strcpy(name, "user.");
		memset(name + 5, 'x', VARVE_NAME_MAX - 5);
		name[VARVE_NAME_MAX] = 0;
	} else {
		strcpy(name, n[below(g, 6)]);
	}
}

static void gen_setx(struct gen *g, const struct model *m, struct op *op)
{
	const struct minode *i = model_get(m, op->ino);

	op->seed = rng_next(&g->rng);
	op->flags = one_in(g, 6) ? XATTR_CREATE : one_in(g, 6) ? XATTR_REPLACE : 0;
	if (one_in(g, 3)) {
		bool def = i && S_ISDIR(i->mode) ? one_in(g, 2) : one_in(g, 30);

		strcpy(op->name, def ? ACL_DEFAULT : ACL_ACCESS);
		any_acl(g, op);
		op->kill = one_in(g, 6);
		op->flags = 0;
		return;
	}
	any_xattr_name(g, op->name);
	switch (below(g, 10)) {
	case 0: op->len = 0; break;
	case 1: op->len = 1 + below(g, 5000); break;
	case 2: op->len = one_in(g, 8) ? VARVE_XATTR_MAX - below(g, 2) : 4096; break;
	default: op->len = below(g, 60); break;
	}
}

/* A name for reading or removing: mostly one that is there. */
static void xattr_there(struct gen *g, const struct model *m, struct op *op)
{
	const struct minode *i = model_get(m, op->ino);

	any_xattr_name(g, op->name);
	if (i && i->nxa && !one_in(g, 8))
		strcpy(op->name, i->xa[below(g, i->nxa)].name);
}

/* --- the operations --- */

static void gen_rename(struct gen *g, const struct model *m, struct op *op)
{
	op->dir = pick_dir(g, m);
	op->dir2 = one_in(g, 2) ? op->dir : pick_dir(g, m);
	name_in(g, m, op->dir, true, op->name);
	switch (below(g, 8)) {
	case 0: op->flags = RENAME_NOREPLACE; break;
	case 1: op->flags = RENAME_EXCHANGE; break;
	case 2: op->flags = RENAME_WHITEOUT; break;
	case 3: op->flags = one_in(g, 10) ? (int)below(g, 16) : 0; break;
	default: break;
	}
	name_in(g, m, op->dir2, (op->flags & RENAME_EXCHANGE) || one_in(g, 2), op->name2);
}

static void gen_setattr(struct gen *g, const struct model *m, struct op *op)
{
	const struct minode *i = model_get(m, op->ino);
	struct fs_setattr *a = &op->sa;
	static const uint32_t id[] = { 0, 1000, 1001, UINT32_MAX - 1 };

	a->mode = any_perm(g);
	a->uid = id[below(g, 4)];
	a->gid = id[below(g, 4)];
	a->atime = g->wall - (int64_t)below(g, 1000000) * SEC + (int64_t)below(g, SEC);
	a->mtime = one_in(g, 10) ? -5 * SEC + 7 : a->atime + (int64_t)below(g, SEC);
	a->size = any_off(g, i);
	switch (below(g, 8)) {
	case 0: case 1:
		a->valid = FSA_SIZE;
		if (one_in(g, 4))
			a->size = 0;
		break;
	case 2: case 3: a->valid = FSA_MODE; break;
	case 4:
		a->valid = (one_in(g, 2) ? FSA_UID : 0) | FSA_GID | FSA_KILL;
		break;
	case 5: a->valid = FSA_ATIME | FSA_MTIME; break;
	case 6: a->valid = one_in(g, 2) ? FSA_ATIME_NOW | FSA_MTIME_NOW
				       : FSA_MTIME_NOW; break;
	default:
		a->valid = (uint32_t)below(g, 256) & ~FSA_SIZE;
		if (a->valid & FSA_ATIME)
			a->valid &= ~FSA_ATIME_NOW;
		if (a->valid & FSA_MTIME)
			a->valid &= ~FSA_MTIME_NOW;
		if (!a->valid)
			a->valid = FSA_MODE;
		break;
	}
	if (i && S_ISLNK(i->mode))
		a->valid = FSA_UID | FSA_KILL;
}

static void gen_file(struct gen *g, const struct model *m, struct op *op)
{
	static const int fmode[] = { 0, FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE };
	const struct minode *i = model_get(m, op->ino);

	op->off = any_off(g, i);
	op->len = any_len(g);
	switch (op->kind) {
	case OP_WRITE:
		if (one_in(g, 5))
			op->flags |= O_APPEND;
		if (one_in(g, 12) && i)
			op->off = i->size, op->len = MIN(op->len, 300u);
		op->kill = one_in(g, 2);
		op->osync = one_in(g, 40);
		op->seed = rng_next(&g->rng);
		break;
	case OP_READ:
		op->len <<= one_in(g, 4) ? 3 : 0;
		op->len = MIN(op->len, (uint64_t)VARVE_PIECE_MAX);
		break;
	case OP_FALLOC:
		op->mode = one_in(g, 40) ? (int)below(g, 64) : fmode[below(g, 6)];
		if ((op->mode & FALLOC_FL_PUNCH_HOLE) && one_in(g, 10))
			op->len = 1ull << 50;
		if (op->off > (uint64_t)INT64_MAX - op->len)
			op->off = 4096;
		break;
	case OP_CLONE:
		op->dir2 = one_in(g, 4) ? op->ino : pick(g, m, REG);
		op->off2 = any_off(g, model_get(m, op->dir2));
		if (one_in(g, 4))
			op->off = align_down(op->off, 4096), op->off2 = align_down(op->off2, 4096);
		if (one_in(g, 5))
			op->len = 1u << 20;
		break;
	default:
		op->flags = one_in(g, 2) ? SEEK_DATA : SEEK_HOLE;
		break;
	}
}

static enum op_kind any_kind(struct gen *g, bool crowded)
{
	static const uint8_t weight[OP_FIRST_CONTROL] = {
		[OP_LOOKUP] = 20, [OP_IGET] = 3, [OP_FORGET] = 18, [OP_MAKE] = 45,
		[OP_SYMLINK] = 5, [OP_TMPFILE] = 6, [OP_LINK] = 14, [OP_UNLINK] = 22,
		[OP_RMDIR] = 9, [OP_RENAME] = 34, [OP_READLINK] = 3, [OP_READDIR] = 7,
		[OP_GETATTR] = 8, [OP_SETATTR] = 32, [OP_SETFLAGS] = 4, [OP_OPEN] = 12,
		[OP_RELEASE] = 14, [OP_READ] = 36, [OP_WRITE] = 70, [OP_FALLOC] = 22,
		[OP_CLONE] = 22, [OP_SEEK] = 14, [OP_FSYNC] = 4, [OP_GETX] = 6,
		[OP_SETX] = 20, [OP_RMX] = 8, [OP_LISTX] = 4, [OP_STATFS] = 2,
	};
	unsigned sum = 0, at;

	if (g->churn && one_in(g, 3))
		return OP_WRITE;
	if (crowded && one_in(g, 3))
		return one_in(g, 3) ? OP_RMDIR : OP_UNLINK;
	for (unsigned k = 0; k < OP_FIRST_CONTROL; k++)
		sum += weight[k];
	at = (unsigned)below(g, sum);
	for (unsigned k = 0; k < OP_FIRST_CONTROL; k++) {
		if (at < weight[k])
			return k;
		at -= weight[k];
	}
	return OP_GETATTR;
}

static enum op_kind any_control(struct gen *g)
{
	if (g->compacts && one_in(g, 3))
		return one_in(g, 12) ? OP_BACKUP : OP_COMPACT;
	if (g->churn && one_in(g, 2))
		return OP_CHECKPOINT;
	switch (below(g, g->remounts ? 14 : 8)) {
	case 0: case 1: return OP_SYNC;
	case 2: return g->remounts ? OP_TICK : OP_SYNC;
	case 3: case 4: return OP_CHECKPOINT;
	case 8: case 9: return OP_REMOUNT;
	case 10: case 11: case 12: return OP_KILL;
	case 13: return OP_ROMOUNT;
	default: return OP_CURSOR;
	}
}

static void fill(struct gen *g, const struct model *m, struct op *op)
{
	static const uint32_t types[] = { S_IFREG, S_IFREG, S_IFREG, S_IFREG, S_IFDIR, S_IFDIR,
					  S_IFDIR, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK };
	const struct minode *i;

	any_cred(g, &op->cred);
	switch (op->kind) {
	case OP_MAKE: case OP_SYMLINK: case OP_TMPFILE:
		op->dir = pick_dir(g, m);
		if (op->kind != OP_TMPFILE)
			name_in(g, m, op->dir, false, op->name);
		op->mode = (int)(any_perm(g) | (op->kind == OP_MAKE ? types[below(g, 11)]
								    : S_IFREG));
		op->rdev = below(g, 2) ? 0x103 : 0;
		if (op->kind == OP_SYMLINK)
			any_name(g, op->name2);
		break;
	case OP_LINK:
		op->ino = pick(g, m, one_in(g, 20) ? ANY : REG);
		op->dir = pick_dir(g, m);
		name_in(g, m, op->dir, false, op->name);
		break;
	case OP_LOOKUP: case OP_UNLINK: case OP_RMDIR:
		op->dir = pick_dir(g, m);
		name_in(g, m, op->dir, true, op->name);
		if (op->kind == OP_LOOKUP && one_in(g, 20))
			strcpy(op->name, op->dir == m->root || one_in(g, 2) ? "." : "..");
		break;
	case OP_RENAME:
		gen_rename(g, m, op);
		break;
	case OP_READDIR: case OP_CURSOR:
		op->ino = pick_dir(g, m);
		op->len = 1 + below(g, one_in(g, 2) ? 4 : 100);
		op->flags = one_in(g, 2);
		op->keep = op->flags && one_in(g, 2);
		break;
	case OP_COMPACT:
		op->len = one_in(g, 3) ? 100000 : 1u << 30;
		break;
	case OP_READLINK:
		op->ino = pick(g, m, LNK);
		break;
	case OP_FORGET:
		op->ino = pick(g, m, KNOWN_FORGETTABLE);
		i = model_get(m, op->ino);
		if (i)
			op->len = one_in(g, 2) ? i->nlookup : 1 + below(g, i->nlookup);
		break;
	case OP_OPEN:
		op->ino = pick(g, m, REG);
		op->flags = (int)below(g, 3) | (one_in(g, 4) ? O_APPEND : 0);
		break;
	case OP_RELEASE:
		op->ino = pick(g, m, OPENED);
		break;
	case OP_READ: case OP_WRITE: case OP_FALLOC: case OP_CLONE: case OP_SEEK:
		op->ino = pick(g, m, one_in(g, 100) ? DIR : REG);
		gen_file(g, m, op);
		break;
	default:
		op->ino = pick(g, m, one_in(g, 2) ? REG : ANY);
		if (op->kind == OP_SETATTR)
			gen_setattr(g, m, op);
		else if (op->kind == OP_SETX)
			gen_setx(g, m, op);
		else if (op->kind == OP_RMX || op->kind == OP_GETX)
			xattr_there(g, m, op);
		else if (op->kind == OP_SETFLAGS)
			op->flags = one_in(g, 2) ? 0 : one_in(g, 20) ? 0x800
				: (int)(below(g, 16) << 4 & 0xf8);
		break;
	}
}

/* Does the step lack what it needs? */
static bool useless(const struct op *op)
{
	switch (op->kind) {
	case OP_LOOKUP: case OP_MAKE: case OP_SYMLINK: case OP_TMPFILE:
	case OP_UNLINK: case OP_RMDIR: case OP_RENAME:
		return false;
	case OP_CLONE:
		return !op->ino || !op->dir2;
	case OP_STATFS: case OP_SYNC: case OP_TICK: case OP_CHECKPOINT: case OP_COMPACT: case OP_BACKUP:
	case OP_REMOUNT: case OP_KILL: case OP_ROMOUNT:
		return false;
	default:
		return !op->ino;
	}
}

void gen_op(struct gen *g, const struct model *m, struct op *op)
{
	bool crowded = m->n > g->inodes || g->shrink || model_bytes_used(m) > g->bytes;
	uint32_t frozen = 0;

	step_clock(g);
	do {
		memset(op, 0, sizeof(*op));
		op->kind = g->control && one_in(g, g->control) ? any_control(g)
							       : any_kind(g, crowded);
		fill(g, m, op);
	} while (useless(op));
	op->wall = g->wall;
	/* Immutable things must not pile up. */
	for (size_t k = 0; k < m->n; k++)
		if ((m->ino[k]->flags & (INODE_IMMUTABLE | INODE_APPEND)) &&
		    m->ino[k]->nlookup) {
			frozen++;
			if (frozen > 4) {
				memset(op, 0, sizeof(*op));
				op->kind = OP_SETFLAGS;
				op->ino = m->ino[k]->ino;
				op->wall = g->wall;
				return;
			}
		}
}
