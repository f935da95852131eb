/* SPDX-License-Identifier: MIT */
/* vol_rig.c - see vol_rig.h. */
#include "config.h"

#include "vol_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "base/msg.h"

#ifndef FALLOC_FL_KEEP_SIZE
#define FALLOC_FL_KEEP_SIZE 1
#endif

static const struct fs_cred root_cred = { .umask = 022 };

int rig_new(struct rig *g, uint64_t size)
{
	static const uint8_t uuid[16] = "varvefs test vol";
	struct vol_format f = { .root_mode = 0755, .uuid = uuid };
	int err;

	memset(g, 0, sizeof(*g));
	err = ring_create(64, 0, &g->ring);
	if (!err)
		err = dev_mem_new(size, &g->dev);
	return err ? err : vol_mkfs(g->dev, &f);
}

void rig_free(struct rig *g)
{
	dev_close(g->dev);
	ring_destroy(g->ring);
}

int rig_open(struct rig *g, bool readonly)
{
	struct vol_opts o;
	int err;

	vol_opts_default(&o);
	o.no_ckpt_thread = true;
	o.readonly = readonly;
	o.threads = 1;
	o.cache_bytes = 8u << 20;
	err = vol_open(g->dev, &o, &g->vol);
	if (err)
		return err;
	err = fs_open_volume(g->vol, &(struct fs_opts){ .relatime_off = true }, &g->fs);
	if (!err) {
		err = fs_ctx_open(g->fs, g->ring, &g->fc);
		if (err)
			fs_close_volume(g->fs);
	}
	if (err)
		vol_abandon(g->vol);
	return err;
}

int rig_close(struct rig *g)
{
	fs_ctx_close(g->fc);
	fs_close_volume(g->fs);
	return vol_close(g->vol);
}

void rig_kill(struct rig *g)
{
	fs_ctx_close(g->fc);
	fs_close_volume(g->fs);
	vol_abandon(g->vol);
}

int rig_wait(struct rig *g, const bool *done)
{
	while (!*done) {
		int n = ring_run(g->ring, -1);

		if (n < 0)
			return n;
	}
	return 0;
}

/* --- content --- */

static void fill(uint8_t *buf, uint64_t off, uint32_t len, unsigned tag)
{
	for (uint32_t i = 0; i < len; i++) {
		uint64_t at = off + i;

		buf[i] = (uint8_t)(at * 31 + at / 509 + tag * 7 + 1);
	}
}

int rig_write(struct rig *g, uint64_t ino, uint64_t off, uint32_t len, unsigned tag)
{
	uint8_t *buf = dev_alloc(align_up(len, VARVE_BLOCK));
	int err = 0;

	fill(buf, off, len, tag);
	for (uint32_t at = 0; at < len && !err;) {
		uint32_t n = MIN(len - at, VARVE_PIECE_MAX / 4);

		err = fs_write(g->fc, &root_cred, ino, buf + at, n, off + at, O_WRONLY, false,
			       NULL);
		if (err > 0)
			err = 0;
		at += n;
	}
	dev_free(buf);
	return err;
}

struct reading {
	struct vol_read r;
	bool done;
	int err;
};

static void read_done(struct vol_read *r, int err)
{
	struct reading *d = container_of(r, struct reading, r);

	d->err = err;
	d->done = true;
}

int rig_read(struct rig *g, uint64_t ino, uint64_t off, void *buf, uint32_t len)
{
	struct reading d = { .r = { .ino = ino, .off = off, .len = len, .buf = buf,
				    .done = read_done } };
	int err = fs_read(g->fc, &d.r);

	if (err <= 0)
		return err;
	err = rig_wait(g, &d.done);
	return err ? err : d.err;
}

int rig_sync(struct rig *g)
{
	return fs_sync_wait(g->fc, 0);
}

/* --- populating --- */

static int make(struct rig *g, uint64_t dir, const char *name, uint32_t mode, uint64_t *ret)
{
	struct fs_attr a;
	int err = fs_make(g->fc, &root_cred, dir, name, mode, S_ISCHR(mode) ? 0x0105 : 0, &a);

	if (!err) {
		*ret = a.ino;
		fs_forget(g->fc, a.ino, 1);
	}
	return err;
}

static int populate_files(struct rig *g, uint64_t dir, unsigned n)
{
	static const uint32_t size[] = { 0, 1, 100, 4095, 4096, 5000, 70000, 300000, 9000, 33 };
	char name[64], value[700];
	uint64_t ino, len;
	int err = 0;

	for (unsigned i = 0; i < 10 && !err; i++) {
		snprintf(name, sizeof(name), "file-%u-%u", n, i);
		err = make(g, dir, name, S_IFREG | 0644, &ino);
		if (!err && size[i])
			err = rig_write(g, ino, 0, size[i], n * 16 + i);
		if (!err && i % 3 == 0) {
			memset(value, 'a' + (int)i, sizeof(value));
			err = fs_setxattr(g->fc, &root_cred, ino, "user.note", value, 60 * i + 1,
					  0, false);
		}
		if (!err && i == 6) /* a hole, and a tail of odd size */
			err = rig_write(g, ino, 200000, 12345, n);
		if (!err && i == 7) { /* overwritten in the middle, some punched */
			err = rig_write(g, ino, 10000, 50000, n + 99);
			if (!err)
				err = fs_fallocate(g->fc, &root_cred, ino, FALLOC_FL_KEEP_SIZE | 2,
						   100000, 20000);
		}
		if (!err && i == 8) {
			err = fs_fallocate(g->fc, &root_cred, ino, 0, 9000, 50000);
			if (!err)
				err = fs_clone(g->fc, &root_cred, ino, 0, ino, 80000, 8192, &len);
		}
		if (!err && i == 5) {
			snprintf(name, sizeof(name), "link-%u", n);
			struct fs_attr a;

			err = fs_link(g->fc, &root_cred, ino, VARVE_ROOT_INO, name, &a);
			if (!err)
				fs_forget(g->fc, ino, 1);
		}
	}
	return err;
}

int rig_populate(struct rig *g, unsigned n)
{
	uint64_t dir, sub, ino;
	struct fs_attr a;
	char name[64];
	int err;

	snprintf(name, sizeof(name), "dir-%u", n);
	err = make(g, VARVE_ROOT_INO, name, S_IFDIR | 0755, &dir);
	if (!err)
		err = make(g, dir, "sub", S_IFDIR | 0700, &sub);
	if (!err)
		err = populate_files(g, dir, n);
	for (unsigned i = 0; i < 30 && !err; i++) {
		snprintf(name, sizeof(name), "small-%u", i);
		err = make(g, sub, name, S_IFREG | 0600, &ino);
		if (!err)
			err = rig_write(g, ino, 0, 50 + 13 * i, i);
	}
	if (!err)
		err = fs_symlink(g->fc, &root_cred, dir, "symlink", "../somewhere/else", &a);
	if (!err) {
		fs_forget(g->fc, a.ino, 1);
		err = make(g, dir, "null", S_IFCHR | 0666, &ino);
	}
	if (!err)
		err = fs_rename(g->fc, &root_cred, sub, "small-3", dir, "moved", 0);
	if (!err)
		err = fs_unlink(g->fc, &root_cred, sub, "small-4");
	return err;
}

/* --- looking --- */

static struct snap_item *add(struct snap *s, const char *path)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		s->item = xrealloc(s->item, s->cap * sizeof(*s->item));
	}
	memset(&s->item[s->n], 0, sizeof(*s->item));
	s->item[s->n].path = strdup(path);
	return &s->item[s->n++];
}

static int xattrs_text(struct rig *g, uint64_t ino, FILE *out)
{
	char *names, *name;
	size_t len, n;
	void *value;
	int err = fs_listxattr(g->fc, ino, &names, &len);

	if (err)
		return err;
	for (name = names; name < names + len && !err; name += strlen(name) + 1) {
		err = fs_getxattr(g->fc, ino, name, &value, &n);
		if (err)
			break;
		fprintf(out, " %s=%zu:%08x", name, n, crc32c(0, value, n));
		free(value);
	}
	free(names);
	return err;
}

static void take_content(struct rig *g, struct snap_item *it, uint64_t ino)
{
	uint8_t *buf = dev_alloc(SNAP_CHUNK);

	it->nchunks = (it->size + SNAP_CHUNK - 1) / SNAP_CHUNK;
	it->chunk = xcalloc(it->nchunks + 1, sizeof(*it->chunk));
	it->chunk_err = xcalloc(it->nchunks + 1, sizeof(*it->chunk_err));
	for (size_t i = 0; i < it->nchunks; i++) {
		uint32_t len = (uint32_t)MIN(SNAP_CHUNK, it->size - i * SNAP_CHUNK);

		memset(buf, 0xee, len);
		it->chunk_err[i] = rig_read(g, ino, i * SNAP_CHUNK, buf, len);
		it->chunk[i] = crc32c(0, buf, len);
	}
	dev_free(buf);
}

/* A hostile image may claim any size. */
#define SIZE_MAX_READ (64u << 20)

static void take_one(struct rig *g, struct snap *s, const char *path, uint64_t ino)
{
	struct snap_item *it = add(s, path);
	char *text = NULL, *target;
	struct fs_attr a;
	size_t len;
	FILE *out;
	int err = fs_getattr(g->fc, ino, &a);

	if (err) {
		it->err = err;
		return;
	}
	out = open_memstream(&text, &len);
	fprintf(out, "ino %llu mode %o nlink %u uid %u gid %u size %llu bytes %llu rdev %llx "
		"flags %x m %lld c %lld b %lld", (unsigned long long)a.ino, a.mode, a.nlink, a.uid,
		a.gid, (unsigned long long)a.size, (unsigned long long)a.bytes,
		(unsigned long long)a.rdev, a.flags, (long long)a.mtime, (long long)a.ctime,
		(long long)a.btime);
	err = xattrs_text(g, ino, out);
	if (!err && S_ISLNK(a.mode)) {
		err = fs_readlink(g->fc, ino, &target);
		if (!err) {
			fprintf(out, " -> %s", target);
			free(target);
		}
	}
	fclose(out);
	if (err) {
		free(text);
		it->err = err;
		return;
	}
	it->text = text;
	it->size = a.size;
	if (S_ISREG(a.mode) && a.size <= SIZE_MAX_READ)
		take_content(g, it, ino);
}

struct child {
	char name[VARVE_NAME_MAX + 1];
	uint64_t ino;
	uint8_t type;
};

struct children {
	struct child *c;
	size_t n, cap;
};

static int note_child(void *arg, const struct fs_dirent *d)
{
	struct children *l = arg;

	if (d->cookie <= 2)
		return 0;
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 32;
		l->c = xrealloc(l->c, l->cap * sizeof(*l->c));
	}
	memcpy(l->c[l->n].name, d->name, d->namelen);
	l->c[l->n].name[d->namelen] = '\0';
	l->c[l->n].ino = d->ino;
	l->c[l->n++].type = d->type;
	return 0;
}

#define DEPTH_MAX 64u
#define ITEMS_MAX 100000u

static void walk(struct rig *g, struct snap *s, const char *path, uint64_t ino, unsigned depth)
{
	struct children l = { 0 };
	size_t at;
	int err;

	take_one(g, s, path, ino);
	at = s->n - 1;
	if (depth > DEPTH_MAX || s->n > ITEMS_MAX || !s->item[at].text)
		return;
	err = fs_readdir(g->fc, ino, 0, false, note_child, &l);
	if (err == -ENOTDIR)
		err = 0;
	/* What cannot be listed is an error of the directory itself. */
	if (err) {
		free(s->item[at].text);
		s->item[at].text = NULL;
		s->item[at].err = err;
	}
	for (size_t i = 0; i < l.n; i++) {
		char *sub;

		if (asprintf(&sub, "%s/%s", path, l.c[i].name) < 0)
			msg_panic("out of memory");
		walk(g, s, sub, l.c[i].ino, depth + 1);
		free(sub);
	}
	free(l.c);
}

void snap_take(struct rig *g, struct snap *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->op_seq = vol_op_seq(g->vol);
	walk(g, ret, "", VARVE_ROOT_INO, 0);
}

void snap_free(struct snap *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->item[i].path);
		free(s->item[i].text);
		free(s->item[i].chunk);
		free(s->item[i].chunk_err);
	}
	free(s->item);
}

/* --- comparing --- */

static const struct snap_item *find(const struct snap *s, const char *path)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->item[i].path, path) == 0)
			return &s->item[i];
	return NULL;
}

VARVE_PRINTF(3, 4)
static void note(struct snap_diff *d, bool lie, const char *fmt, ...)
{
	va_list ap;

	if ((lie && !d->lies) || (!lie && !d->lies && !d->losses)) {
		va_start(ap, fmt);
		vsnprintf(d->why, sizeof(d->why), fmt, ap);
		va_end(ap);
	}
	if (lie)
		d->lies++;
	else
		d->losses++;
}

/* The path itself or something above it answered with an error. */
static int error_above(const struct snap *s, const char *path)
{
	char *p = strdup(path), *slash;
	int err = 0;

	while (!err && (slash = strrchr(p, '/'))) {
		const struct snap_item *it;

		*slash = '\0';
		it = find(s, p);
		if (it)
			err = it->err;
	}
	free(p);
	return err;
}

static void compare_file(const struct snap_item *a, const struct snap_item *b,
			 struct snap_diff *d)
{
	for (size_t i = 0; i < a->nchunks; i++) {
		if (b->chunk_err[i])
			note(d, false, "%s: reading at %zu: %s", a->path, i * SNAP_CHUNK,
			     err_str(b->chunk_err[i]));
		else if (a->chunk[i] != b->chunk[i])
			note(d, true, "%s: other content in the 32 KiB at %zu", a->path,
			     i * SNAP_CHUNK);
	}
}

static void compare_items(const struct snap *truth, const struct snap *now, bool root,
			  struct snap_diff *ret)
{
	for (size_t i = 0; i < truth->n; i++) {
		const struct snap_item *a = &truth->item[i], *b = find(now, a->path);

		if (!root && !*a->path)
			continue;
		if (!b) {
			int err = error_above(now, a->path);

			note(ret, !err, "%s is gone (%s)", a->path, err_str(err));
		} else if (!b->text) {
			note(ret, !b->err, "%s: %s", a->path, err_str(b->err));
		} else if (strcmp(a->text, b->text) != 0) {
			note(ret, true, "%s: %s\ninstead of %s", a->path, b->text, a->text);
		} else {
			compare_file(a, b, ret);
		}
	}
}

void snap_contains(const struct snap *truth, const struct snap *now, struct snap_diff *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (truth->op_seq > now->op_seq)
		note(ret, true, "operation %llu, but %llu had been synced",
		     (unsigned long long)now->op_seq, (unsigned long long)truth->op_seq);
	compare_items(truth, now, false, ret);
}

void snap_compare(const struct snap *truth, const struct snap *now, struct snap_diff *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (truth->op_seq != now->op_seq)
		note(ret, true, "operation %llu instead of %llu", (unsigned long long)now->op_seq,
		     (unsigned long long)truth->op_seq);
	compare_items(truth, now, true, ret);
	for (size_t i = 0; i < now->n; i++)
		if (!find(truth, now->item[i].path))
			note(ret, true, "%s is new", now->item[i].path);
}
