/* SPDX-License-Identifier: MIT */
/* kl_model.c - what one worker of killload does, and what that should give. */
#include "killload.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

uint64_t krand(struct krng *r)
{
	uint64_t z = (r->s += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

uint32_t kbelow(struct krng *r, uint32_t n)
{
	return (uint32_t)((krand(r) >> 32) * n >> 32);
}

void kfill(uint8_t *buf, uint32_t len, uint64_t fill)
{
	struct krng r = { fill };
	uint32_t i;
	uint64_t v;

	for (i = 0; i + 8 <= len; i += 8) {
		v = krand(&r);
		memcpy(buf + i, &v, 8);
	}
	v = krand(&r);
	memcpy(buf + i, &v, len - i);
}

uint64_t khash(const void *p, size_t len, uint64_t h)
{
	const uint8_t *b = p;
	uint64_t v;

	h ^= len * 0x9e3779b97f4a7c15ull;
	for (; len >= 8; len -= 8, b += 8) {
		memcpy(&v, b, 8);
		h = (h ^ v) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	v = 0;
	memcpy(&v, b, len);
	h = (h ^ v) * 0xc4ceb9fe1a85ec53ull;
	return h ^ (h >> 29);
}

uint64_t kentry(const char *path, bool is_dir, uint32_t len, uint64_t hash)
{
	uint64_t v[3] = { is_dir, len, hash };

	return khash(path, strlen(path), khash(v, sizeof(v), 1));
}

void model_init(struct kmodel *m)
{
	memset(m, 0, sizeof(*m));
	m->dir[0].there = true;
}

void model_free(struct kmodel *m)
{
	for (unsigned d = 0; d < DIRS; d++) {
		for (unsigned n = 0; n < NAMES; n++) {
			if (m->dir[d].name[n])
				free(m->dir[d].name[n]->data);
			free(m->dir[d].name[n]);
		}
	}
	memset(m, 0, sizeof(*m));
}

static struct kfile *file_new(void)
{
	struct kfile *f = calloc(1, sizeof(*f));

	if (f)
		f->data = calloc(1, FILE_MAX);
	if (!f || !f->data)
		abort();
	f->hash = khash(f->data, 0, 0);
	return f;
}

void model_copy(struct kmodel *to, const struct kmodel *from)
{
	*to = *from;
	for (unsigned d = 0; d < DIRS; d++) {
		for (unsigned n = 0; n < NAMES; n++) {
			const struct kfile *f = from->dir[d].name[n];
			struct kfile *c;

			if (!f)
				continue;
			c = file_new();
			memcpy(c->data, f->data, f->len);
			c->len = f->len;
			c->hash = f->hash;
			c->change = f->change;
			to->dir[d].name[n] = c;
		}
	}
}

void model_settle(struct kmodel *m)
{
	for (unsigned d = 0; d < DIRS; d++) {
		m->dir[d].change = 0;
		for (unsigned n = 0; n < NAMES; n++)
			if (m->dir[d].name[n])
				m->dir[d].name[n]->change = 0;
	}
}

/* --- choosing --- */

static bool dir_empty(const struct kdir *d)
{
	for (unsigned n = 0; n < NAMES; n++)
		if (d->name[n])
			return false;
	return true;
}

/* A place for a name, in a directory that is there. */
static void any_place(const struct kmodel *m, struct krng *r, unsigned *dir, unsigned *name)
{
	do {
		*dir = kbelow(r, DIRS);
	} while (!m->dir[*dir].there);
	*name = kbelow(r, NAMES);
}

static void choose_write(const struct kmodel *m, struct krng *r, struct kop *op)
{
	static const int how[] = { 0, 0, 0, 0, 0, O_SYNC, O_DSYNC, O_APPEND, O_APPEND };
	const struct kfile *f = m->dir[op->dir].name[op->name];

	op->kind = K_WRITE;
	op->flags = how[kbelow(r, sizeof(how) / sizeof(how[0]))];
	op->len = 1 + (kbelow(r, 3) ? kbelow(r, 3000) : kbelow(r, WRITE_MAX));
	if (op->flags == O_APPEND || kbelow(r, 2))
		op->off = f->len;
	else
		op->off = f->len ? kbelow(r, f->len) : 0;
	if (op->off + op->len > FILE_MAX) {
		op->kind = K_TRUNC;
		op->len = kbelow(r, 2) ? 0 : kbelow(r, f->len + 1);
	}
	op->fill = krand(r);
}

static void choose_sync(struct krng *r, const struct kopts *o, bool file, struct kop *op)
{
	uint32_t k = kbelow(r, 8);

	if (k == 0 && o->syncfs)
		op->kind = K_SYNCFS;
	else if (k < 3 || !file)
		op->kind = K_FSYNCDIR;
	else
		op->kind = k < 6 ? K_FSYNC : K_FDATASYNC;
}

struct kop model_choose(const struct kmodel *m, struct krng *r, const struct kopts *o)
{
	struct kop op = { 0 };
	uint32_t k = kbelow(r, 100);
	bool file;

	any_place(m, r, &op.dir, &op.name);
	file = m->dir[op.dir].name[op.name];
	if (k < 12) {
		choose_sync(r, o, file, &op);
	} else if (k < 20) {
		op.dir = 1 + kbelow(r, DIRS - 1);
		if (!m->dir[op.dir].there)
			op.kind = K_MKDIR;
		else if (dir_empty(&m->dir[op.dir]) && kbelow(r, 3) == 0)
			op.kind = K_RMDIR;
		else
			op.kind = K_MOVEDIR;
	} else if (!file) {
		op.kind = K_CREATE;
	} else if (k < 32) {
		op.kind = K_RENAME;
		do {
			any_place(m, r, &op.dir2, &op.name2);
		} while (op.dir == op.dir2 && op.name == op.name2);
	} else if (k < 40) {
		op.kind = K_UNLINK;
	} else if (k < 45) {
		op.kind = K_TRUNC;
		op.len = kbelow(r, m->dir[op.dir].name[op.name]->len + 4000);
		if (op.len > FILE_MAX)
			op.len = FILE_MAX;
	} else {
		choose_write(m, r, &op);
	}
	return op;
}

/* --- what it gives --- */

static void drop(struct kdir *d, unsigned name)
{
	free(d->name[name]->data);
	free(d->name[name]);
	d->name[name] = NULL;
}

static void set_len(struct kfile *f, uint32_t len)
{
	if (len > f->len)
		memset(f->data + f->len, 0, len - f->len);
	f->len = len;
}

uint32_t model_apply(struct kmodel *m, const struct kop *op, uint32_t n,
		     const struct kopts *o)
{
	struct kdir *d = &m->dir[op->dir], *d2 = &m->dir[op->dir2];
	struct kfile *f = d->name[op->name];
	uint32_t durable = 0;

	switch (op->kind) {
	case K_CREATE:
		f = d->name[op->name] = file_new();
		f->change = d->change = n;
		break;
	case K_WRITE:
		if (op->off + op->len > f->len)
			set_len(f, op->off + op->len);
		kfill(f->data + op->off, op->len, op->fill);
		f->hash = khash(f->data, f->len, 0);
		f->change = n;
		if (op->flags & O_DSYNC)
			durable = n;
		break;
	case K_TRUNC:
		set_len(f, op->len);
		f->hash = khash(f->data, f->len, 0);
		f->change = n;
		break;
	case K_RENAME:
		if (d2->name[op->name2])
			drop(d2, op->name2);
		d2->name[op->name2] = f;
		d->name[op->name] = NULL;
		f->change = d->change = d2->change = n;
		break;
	case K_UNLINK:
		drop(d, op->name);
		d->change = n;
		break;
	case K_MKDIR:
		*d = (struct kdir){ .there = true, .change = n };
		m->dir[0].change = n;
		break;
	case K_RMDIR:
		d->there = false;
		m->dir[0].change = n;
		break;
	case K_MOVEDIR:
		d->moved = !d->moved;
		d->change = m->dir[0].change = n;
		break;
	case K_FSYNC:
	case K_FDATASYNC:
		durable = f->change;
		break;
	case K_FSYNCDIR:
		durable = d->change;
		break;
	case K_SYNCFS:
		durable = n;
		break;
	}
	return o->sync ? n : durable;
}

bool model_apply_part(struct kmodel *m, const struct kop *op, uint32_t n, unsigned steps)
{
	static uint8_t all[WRITE_MAX];
	struct kfile *f = m->dir[op->dir].name[op->name];
	uint32_t cut = (op->off / 4096 + steps) * 4096;

	if (op->kind != K_WRITE || cut >= op->off + op->len)
		return false;
	if (cut > f->len)
		set_len(f, cut);
	kfill(all, op->len, op->fill);
	memcpy(f->data + op->off, all, cut - op->off);
	f->hash = khash(f->data, f->len, 0);
	f->change = n;
	return true;
}

void model_path(const struct kmodel *m, unsigned dir, unsigned name, char *path, size_t size)
{
	char d[16] = "";

	if (dir)
		snprintf(d, sizeof(d), "%c%u", m->dir[dir].moved ? 'D' : 'd', dir);
	if (name == NAMES)
		snprintf(path, size, "%s", d);
	else
		snprintf(path, size, "%s%sf%u", d, dir ? "/" : "", name);
}

uint64_t model_hash(const struct kmodel *m)
{
	uint64_t sum = 0;
	char path[64];

	for (unsigned d = 0; d < DIRS; d++) {
		if (!m->dir[d].there)
			continue;
		if (d) {
			model_path(m, d, NAMES, path, sizeof(path));
			sum += kentry(path, true, 0, 0);
		}
		for (unsigned n = 0; n < NAMES; n++) {
			const struct kfile *f = m->dir[d].name[n];

			if (!f)
				continue;
			model_path(m, d, n, path, sizeof(path));
			sum += kentry(path, false, f->len, f->hash);
		}
	}
	return sum;
}

void kop_print(FILE *f, const struct kmodel *m, const struct kop *op)
{
	static const char *const names[] = {
		"create", "write", "truncate", "rename", "unlink", "mkdir", "rmdir",
		"movedir", "fsync", "fdatasync", "fsync directory", "syncfs",
	};
	char a[64], b[64] = "";
	bool on_dir = op->kind == K_MKDIR || op->kind == K_RMDIR || op->kind == K_MOVEDIR ||
		      op->kind == K_FSYNCDIR;

	model_path(m, op->dir, on_dir ? NAMES : op->name, a, sizeof(a));
	if (op->kind == K_RENAME)
		model_path(m, op->dir2, op->name2, b, sizeof(b));
	fprintf(f, "%s %s %s off %u len %u flags %o", names[op->kind], a[0] ? a : ".", b,
		op->off, op->len, (unsigned)op->flags);
}
