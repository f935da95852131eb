/* SPDX-License-Identifier: MIT */
/* orphan.c - inodes without names: kept while in use, then dropped.
 *
 * Nobody can see the content of an unused orphan, so a big one is emptied from
 * its start in steps of FS_DROP_EXTENTS, with the volume lock given up between
 * them; the DROP record comes last.  A crash in between leaves an orphan, which
 * the next fs_open_volume() takes up. */
#include "fs/fs_int.h"

#define REAP_AT_ONCE 4096u

struct first_extents {
	unsigned n;
	uint64_t end;
};

static int count_extent(void *arg, const struct extent_row *e)
{
	struct first_extents *f = arg;

	f->end = e->off + e->len;
	return ++f->n >= FS_DROP_EXTENTS;
}

/* One step: 1 more to do, 0 dropped (or alive again), negative. */
static int drop_step_locked(struct fs_ctx *c, uint64_t ino, uint64_t *pos)
{
	struct first_extents f = { 0 };
	struct inode_row row;
	struct node_info ni;
	struct rec rec;
	int err = state_inode(c->st, c->rd, ino, &row);

	if (err)
		return err == -ENOENT ? 0 : err;
	if (row.nlink || nodes_get(c->fs->nodes, ino, &ni))
		return 0;
	/* An extent has at least one byte: short files need no counting. */
	if (row.bytes > FS_DROP_EXTENTS) {
		int more = state_extents(c->st, c->rd, ino, *pos, INT64_MAX,
					 count_extent, &f);
		if (more < 0)
			return more;
		if (more) {
			rec_init(&rec, REC_FALLOC);
			rec.falloc.ino = ino;
			rec.falloc.off = *pos;
			rec.falloc.len = f.end - *pos;
			rec.falloc.size = row.size;
			rec.falloc.mode = RFA_PUNCH;
			err = commit_locked(c, NULL, &rec, SEG_CLEANING, NULL);
			if (err)
				return err;
			*pos = f.end;
			return 1;
		}
	}
	rec_init(&rec, REC_DROP);
	rec.drop.ino = ino;
	return commit_locked(c, NULL, &rec, SEG_CLEANING, NULL);
}

/* Keeps an orphan whose drop failed (no space for the record) for later. */
static void add_late(struct fs *fs, uint64_t ino)
{
	pthread_mutex_lock(&fs->late_mu);
	if (fs->nlate == fs->cap_late) {
		fs->cap_late = fs->cap_late ? fs->cap_late * 2 : 16;
		fs->late = xrealloc(fs->late, fs->cap_late * sizeof(*fs->late));
	}
	fs->late[fs->nlate++] = ino;
	pthread_mutex_unlock(&fs->late_mu);
}

static uint64_t take_late(struct fs *fs)
{
	uint64_t ino = 0;

	pthread_mutex_lock(&fs->late_mu);
	if (fs->nlate)
		ino = fs->late[--fs->nlate];
	pthread_mutex_unlock(&fs->late_mu);
	return ino;
}

uint64_t orphaned_locked(struct fs_ctx *c, uint64_t ino)
{
	uint64_t pos = 0;
	int r;

	if (nodes_mark(c->fs->nodes, ino, NODE_ORPHAN, NODE_TMPFILE))
		return 0;
	r = drop_step_locked(c, ino, &pos);
	if (r < 0)
		add_late(c->fs, ino);
	return r > 0 ? ino : 0;
}

static int reap_one(struct fs_ctx *c, uint64_t ino)
{
	uint64_t pos = 0;
	int r;

	do {
		wr_lock(c);
		r = drop_step_locked(c, ino, &pos);
		un_lock(c);
	} while (r > 0);
	return r;
}

void fs_reap(struct fs_ctx *c, uint64_t ino)
{
	while (ino) {
		if (writable(c))
			return; /* the next mount does it */
		if (reap_one(c, ino) < 0) {
			add_late(c->fs, ino);
			return;
		}
		ino = take_late(c->fs);
	}
}

struct orphan_list {
	uint64_t ino[REAP_AT_ONCE];
	unsigned n;
};

static int note_orphan(void *arg, const struct inode_row *i)
{
	struct orphan_list *l = arg;

	l->ino[l->n++] = i->ino;
	return l->n == REAP_AT_ONCE;
}

static void admitted(struct log_waiter *w, int err)
{
	w->fn = NULL;
}

/* The ring is ours alone, so waiting here keeps nobody. */
static int wait_admitted(struct fs_ctx *c)
{
	struct log_waiter w = { .fn = admitted };

	while (!vol_admit(c->vc, &w)) {
		while (w.fn) {
			int n = ring_run(c->vc->ring, -1);

			if (n < 0)
				return n;
		}
		w.fn = admitted;
	}
	return ring_pending(c->vc->ring) ? MIN(ring_run(c->vc->ring, 0), 0) : 0;
}

static int reap_lists(struct fs_ctx *c, struct orphan_list *l)
{
	uint64_t after = 0;
	int r;

	do {
		l->n = 0;
		rd_lock(c);
		r = state_orphans(c->st, c->rd, after, note_orphan, l);
		un_lock(c);
		for (unsigned i = 0; i < l->n && r >= 0; i++) {
			int err = wait_admitted(c);

			if (!err)
				err = reap_one(c, l->ino[i]);
			/* A full log must not keep anybody from mounting. */
			if (err == -ENOSPC)
				add_late(c->fs, l->ino[i]);
			else if (err)
				return err;
			after = l->ino[i];
		}
	} while (r > 0);
	return r;
}

/* Before any context exists: reaps what the last life left. */
int fs_reap_all(struct fs *fs)
{
	struct orphan_list *l;
	struct ring *ring = NULL;
	struct fs_ctx *c = NULL;
	struct reader *rd;
	int err;

	if (vol_readonly(fs->v))
		return 0;
	l = xmalloc(sizeof(*l));
	l->n = 0;
	rd = reader_new(fs->st);
	vol_rdlock(fs->v);
	err = state_orphans(fs->st, rd, 0, note_orphan, l);
	vol_unlock(fs->v);
	reader_free(rd);
	if (err < 0 || !l->n)
		goto out;
	err = ring_create(64, 0, &ring);
	if (err)
		goto out;
	err = fs_ctx_open(fs, ring, &c);
	if (!err)
		err = reap_lists(c, l);
	fs_ctx_close(c);
	ring_destroy(ring);
out:
	free(l);
	return err;
}
