/* SPDX-License-Identifier: MIT */
/* sut.c - mounting, killing and driving the volume under test. */
#include "sut.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/msg.h"

#define LIST_MAX 4096u

void sut_init(struct sut *s, struct dev *dev)
{
	memset(s, 0, sizeof(*s));
	s->dev = dev;
	s->own_vol = true;
	vol_opts_default(&s->vo);
	s->vo.no_ckpt_thread = true;
	s->vo.threads = 1;
	s->vo.no_backup = true;
	s->go.no_thread = true;
	s->vo.cache_bytes = 4u << 20;
	s->buf = dev_alloc(VARVE_PIECE_MAX);
	if (ring_create(256, 0, &s->ring))
		msg_panic("no ring");
}

void sut_free(struct sut *s)
{
	ring_destroy(s->ring);
	dev_free(s->buf);
}

int sut_mkfs(struct sut *s)
{
	static const uint8_t uuid[16] = "model-test-uuid";
	struct vol_format f = { .label = "model", .seg_size = 1u << 20, .uuid = uuid,
				.root_mode = S_IFDIR | 0755 };

	return vol_mkfs(s->dev, &f);
}

int sut_open_vol(struct sut *s, bool readonly)
{
	s->vo.readonly = readonly;
	return vol_open(s->dev, &s->vo, &s->vol);
}

int sut_open_fs(struct sut *s)
{
	int err = 0;

	if (s->compacts && !s->vo.readonly)
		err = gc_start(s->vol, &s->go, &s->gc);
	if (!err)
		err = fs_open_volume(s->vol, &s->fo, &s->fs);
	if (err)
		return err;
	return fs_ctx_open(s->fs, s->ring, &s->ctx);
}

int sut_mount(struct sut *s, bool readonly)
{
	int err = sut_open_vol(s, readonly);

	return err ? err : sut_open_fs(s);
}

static void leave_fs(struct sut *s)
{
	fs_ctx_close(s->ctx);
	s->ctx = NULL;
	if (s->fs)
		fs_close_volume(s->fs);
	s->fs = NULL;
	if (s->gc) {
		struct gc_stats st;

		gc_get_stats(s->gc, &st);
		s->gone.moved_pieces += st.moved_pieces;
		s->gone.victims += st.victims;
	}
	gc_stop(s->gc);
	s->gc = NULL;
}

int sut_unmount(struct sut *s)
{
	int err;

	leave_fs(s);
	err = vol_close(s->vol);
	s->vol = NULL;
	return err;
}

void sut_kill(struct sut *s)
{
	leave_fs(s);
	vol_abandon(s->vol);
	s->vol = NULL;
}

int sut_join(struct sut *t, const struct sut *s)
{
	sut_init(t, s->dev);
	t->own_vol = false;
	t->vol = s->vol;
	t->fs = s->fs;
	return fs_ctx_open(t->fs, t->ring, &t->ctx);
}

void sut_leave(struct sut *t)
{
	fs_ctx_close(t->ctx);
	sut_free(t);
}

struct wait {
	struct log_waiter w;
	bool done;
};

static void admitted(struct log_waiter *w, int err)
{
	container_of(w, struct wait, w)->done = true;
}

/* Waits until a change may go ahead.  Without a checkpoint thread it is on us
 * to make the checkpoint that is waited for. */
static void admit(struct sut *s)
{
	struct wait w;

	for (;;) {
		memset(&w, 0, sizeof(w));
		w.w.fn = admitted;
		if (fs_admit(s->ctx, &w.w))
			return;
		while (!w.done) {
			ring_run(s->ring, 100000000);
			if (!w.done && s->vo.no_ckpt_thread && s->own_vol &&
			    vol_checkpoint(fs_vol_ctx(s->ctx)))
				return;
		}
	}
}

struct read_wait {
	bool done;
	int err;
};

static void read_done(struct vol_read *r, int err)
{
	struct read_wait *w = r->arg;

	w->err = err;
	w->done = true;
}

int sut_read(struct sut *s, uint64_t ino, uint64_t off, uint32_t len, uint32_t *ret_len)
{
	struct read_wait w = { false, 0 };
	struct vol_read r = { .ino = ino, .off = off, .len = len, .buf = s->buf,
			      .done = read_done, .arg = &w };
	int err = fs_read(s->ctx, &r);

	*ret_len = err < 0 ? 0 : r.len;
	if (err <= 0)
		return err;
	while (!w.done)
		ring_run(s->ring, -1);
	return w.err;
}

static int do_write(struct sut *s, const struct op *op)
{
	uint8_t *buf = xmalloc(MAX(op->len, 1u));
	uint64_t batch = 0;
	int err;

	op_fill(buf, op->len, op->seed);
	err = fs_write(s->ctx, &op->cred, op->ino, buf, (uint32_t)op->len, op->off,
		       op->flags, op->kill, &batch);
	free(buf);
	if (!err && op->osync && op->len)
		err = vol_sync_wait(fs_vol_ctx(s->ctx), batch);
	return err;
}

struct collect {
	struct sut *s;
	struct dirent_seen *e;
	size_t n, max, kept;
	uint64_t after;
	bool attrs, keep, bad_order;
};

static int collect_one(void *arg, const struct fs_dirent *d)
{
	struct collect *c = arg;
	struct dirent_seen *e;

	if (c->n == c->max)
		return 1;
	if (d->cookie <= c->after)
		c->bad_order = true;
	c->after = d->cookie;
	e = &c->e[c->n++];
	memset(e, 0, sizeof(*e));
	memcpy(e->name, d->name, d->namelen);
	e->ino = d->ino;
	e->type = d->type;
	if (c->attrs && d->attr && strcmp(e->name, ".") && strcmp(e->name, "..")) {
		e->has_attr = true;
		e->attr = *d->attr;
		if (c->keep)
			fs_readdir_keep(c->s->ctx, d->ino);
	}
	return 0;
}

int sut_list_some(struct sut *s, uint64_t dir, uint64_t *after, size_t max,
		  struct dirent_seen *e, size_t *ret_n)
{
	struct collect c = { .s = s, .e = e, .max = max, .after = *after };
	int err = fs_readdir(s->ctx, dir, *after, false, collect_one, &c);

	*ret_n = c.n;
	*after = c.after;
	if (err < 0)
		return err;
	return c.bad_order ? -EILSEQ : 0;
}

int sut_list(struct sut *s, uint64_t dir, size_t piece, bool attrs, bool keep,
	     struct result *ret)
{
	struct collect c = { .s = s, .attrs = attrs, .keep = keep };
	size_t before;

	c.e = xmalloc(LIST_MAX * sizeof(*c.e));
	do {
		int err;

		before = c.n;
		c.max = MIN(c.n + piece, LIST_MAX);
		err = fs_readdir(s->ctx, dir, c.after, attrs, collect_one, &c);
		if (err < 0) {
			free(c.e);
			return err;
		}
	} while (c.n > before);
	ret->data = c.e;
	ret->len = c.n * sizeof(*c.e);
	if (c.n < 2 || strcmp(c.e[0].name, ".") || strcmp(c.e[1].name, ".."))
		return -EILSEQ;
	qsort(c.e, c.n, sizeof(*c.e), dirent_cmp);
	return c.bad_order ? -EILSEQ : 0;
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* NUL-separated names in order. */
static void sort_names(struct result *ret)
{
	char *text = ret->data, *out, *to, **name;
	size_t n = 0;

	for (size_t k = 0; k < ret->len; k++)
		n += !text[k];
	name = xmalloc((n + 1) * sizeof(*name));
	n = 0;
	for (char *p = text; p < text + ret->len; p += strlen(p) + 1)
		name[n++] = p;
	qsort(name, n, sizeof(*name), name_cmp);
	to = out = xmalloc(MAX(ret->len, 1u));
	for (size_t k = 0; k < n; k++)
		to = stpcpy(to, name[k]) + 1;
	free(name);
	free(text);
	ret->data = out;
}

static int name_op(struct sut *s, struct op *op, struct result *ret)
{
	const struct fs_cred *cr = &op->cred;
	struct fs_attr *a = &ret->attr;
	struct fs_ctx *c = s->ctx;
	int err;

	switch (op->kind) {
	case OP_LOOKUP:
		return fs_lookup(c, op->dir, op->name, a);
	case OP_MAKE:
		return fs_make(c, cr, op->dir, op->name, (uint32_t)op->mode, op->rdev, a);
	case OP_SYMLINK:
		return fs_symlink(c, cr, op->dir, op->name, op->name2, a);
	case OP_TMPFILE:
		return fs_tmpfile(c, cr, op->dir, (uint32_t)op->mode, a);
	case OP_LINK:
		return fs_link(c, cr, op->ino, op->dir, op->name, a);
	case OP_UNLINK:
		return fs_unlink(c, cr, op->dir, op->name);
	case OP_RMDIR:
		return fs_rmdir(c, cr, op->dir, op->name);
	default:
		err = fs_rename(c, cr, op->dir, op->name, op->dir2, op->name2,
				(unsigned)op->flags);
		if (!err && (op->flags & RENAME_WHITEOUT) &&
		    !fs_lookup(c, op->dir, op->name, a)) {
			op->new_ino = a->ino;
			fs_forget(c, a->ino, 1);
		}
		return err;
	}
}

static int setx(struct sut *s, const struct op *op)
{
	void *v = xmalloc(MAX(op->len, 1u));
	int err;

	if (op->value)
		memcpy(v, op->value, op->len);
	else
		op_fill(v, op->len, op->seed);
	err = fs_setxattr(s->ctx, &op->cred, op->ino, op->name, v, op->len, op->flags,
			  op->kill);
	free(v);
	return err;
}

static int statfs_sane(struct sut *s)
{
	struct fs_statfs f;
	int err = fs_statfs(s->ctx, &f);

	if (err)
		return err;
	return f.bfree <= f.blocks && f.bavail <= f.bfree && f.ffree <= f.files &&
	       f.blocks * VARVE_BLOCK <= dev_size(s->dev) ? 0 : -EILSEQ;
}

/* It has a ring of its own, and would wait there for what ours completes. */
static int compact(struct sut *s, uint64_t most)
{
	int r = fs_sync_wait(s->ctx, 0);

	if (!r && s->gc)
		r = gc_pass(s->gc, most);
	return r < 0 ? r : 0;
}

static int other_op(struct sut *s, const struct op *op, struct result *ret)
{
	struct fs_ctx *c = s->ctx;
	uint32_t n;
	int err;

	switch (op->kind) {
	case OP_IGET:
		return fs_iget(c, op->ino, &ret->attr);
	case OP_FORGET:
		fs_forget(c, op->ino, op->len);
		return 0;
	case OP_READLINK:
		err = fs_readlink(c, op->ino, (char **)&ret->data);
		ret->len = err ? 0 : strlen(ret->data);
		return err;
	case OP_READDIR:
		return sut_list(s, op->ino, op->len, op->flags, op->keep, ret);
	case OP_GETATTR:
		return fs_getattr(c, op->ino, &ret->attr);
	case OP_SETATTR:
		return fs_setattr(c, &op->cred, op->ino, &op->sa, &ret->attr);
	case OP_SETFLAGS:
		return fs_set_flags(c, &op->cred, op->ino, (uint32_t)op->flags);
	case OP_OPEN:
		return fs_opened(c, op->ino, op->flags);
	case OP_RELEASE:
		fs_released(c, op->ino);
		return 0;
	case OP_READ:
		err = sut_read(s, op->ino, op->off, (uint32_t)op->len, &n);
		ret->data = xmalloc(MAX(n, 1u));
		memcpy(ret->data, s->buf, n);
		ret->len = n;
		return err;
	case OP_WRITE:
		return do_write(s, op);
	case OP_FALLOC:
		return fs_fallocate(c, &op->cred, op->ino, op->mode, op->off, op->len);
	case OP_CLONE:
		return fs_clone(c, &op->cred, op->ino, op->off, op->dir2, op->off2, op->len,
				&ret->num);
	case OP_SEEK:
		return fs_seek(c, op->ino, op->off, op->flags, &ret->num);
	case OP_FSYNC:
		return fs_sync_wait(c, op->ino);
	case OP_GETX:
		return fs_getxattr(c, op->ino, op->name, &ret->data, &ret->len);
	case OP_SETX:
		return setx(s, op);
	case OP_RMX:
		return fs_removexattr(c, &op->cred, op->ino, op->name);
	case OP_LISTX:
		err = fs_listxattr(c, op->ino, (char **)&ret->data, &ret->len);
		if (!err)
			sort_names(ret);
		return err;
	case OP_STATFS:
		return statfs_sane(s);
	case OP_SYNC:
		return fs_sync_wait(c, 0);
	case OP_TICK:
		vol_tick(fs_vol_ctx(c));
		return 0;
	case OP_COMPACT:
		return compact(s, op->len);
	case OP_BACKUP:
		return vol_backup(fs_vol_ctx(c));
	case OP_CHECKPOINT:
		return vol_checkpoint(fs_vol_ctx(c));
	default:
		return 0;
	}
}

void sut_do(struct sut *s, struct op *op, struct result *ret)
{
	memset(ret, 0, sizeof(*ret));
	op->new_ino = 0;
	admit(s);
	switch (op->kind) {
	case OP_LOOKUP: case OP_MAKE: case OP_SYMLINK: case OP_TMPFILE: case OP_LINK:
	case OP_UNLINK: case OP_RMDIR: case OP_RENAME:
		ret->err = name_op(s, op, ret);
		if (!ret->err && !op->new_ino)
			op->new_ino = ret->attr.ino;
		break;
	default:
		ret->err = other_op(s, op, ret);
		break;
	}
	ring_run(s->ring, 0);
}

int sut_getattr(struct sut *s, uint64_t ino, struct fs_attr *ret)
{
	return fs_getattr(s->ctx, ino, ret);
}

uint64_t sut_op_seq(const struct sut *s)
{
	return vol_op_seq(s->vol);
}

unsigned sut_percent_full(const struct sut *s)
{
	struct vol_space sp;

	vol_rdlock(s->vol);
	vol_get_space(s->vol, &sp);
	vol_unlock(s->vol);
	return (unsigned)(100 - sp.free * 100 / MAX(sp.total, 1u));
}

int64_t sut_slot_time(struct sut *s)
{
	struct super sup;
	struct slot slot;
	uint64_t seq = 0;
	int64_t t = 0;

	if (super_read(s->dev, &sup, NULL))
		return 0;
	for (unsigned k = 0; k < 2; k++) {
		if (slot_read(s->dev, &sup, k, &slot))
			continue;
		if (slot.seq >= seq) {
			seq = slot.seq;
			t = slot.time;
		}
		slot_free(&slot);
	}
	return t;
}

bool sut_needs_thread(const struct sut *s)
{
	struct segs_space g;

	segs_get_space(vol_segs(s->vol), &g);
	return s->vo.no_ckpt_thread && !s->vo.no_backup && g.free <= g.reserve + 2;
}

const char *sut_space(const struct sut *s)
{
	static _Thread_local char text[160];
	struct segs_space g;

	segs_get_space(vol_segs(s->vol), &g);
	snprintf(text, sizeof(text), "%u %% full; of %u segments %u free, %u pending, %u log, "
		 "%u metadata; reserve %u, live %" PRIu64, sut_percent_full(s), g.total, g.free,
		 g.pending, g.log, g.meta, g.reserve, g.live_bytes);
	return text;
}

static void finding(void *arg, const char *text)
{
	fprintf(arg, "  %s\n", text);
}

int sut_verify(struct sut *s, char **ret_text)
{
	size_t len;
	FILE *f = open_memstream(ret_text, &len);
	int n = vol_verify(fs_vol_ctx(s->ctx), finding, f);

	if (n < 0)
		fprintf(f, "  vol_verify: %s\n", err_str(n));
	fclose(f);
	return n;
}
