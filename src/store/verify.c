/* SPDX-License-Identifier: MIT */
/* verify.c - the tables and the segment accounting against each other.
 *
 * One pass over each table: what every inode and piece should be according to
 * the rows that refer to it is counted, then compared with what it says. */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/msg.h"
#include "base/omap.h"
#include "store/vol_int.h"

struct seen { /* what the other tables say of an inode */
	struct inode_row row;
	uint64_t names;   /* entries that point here */
	uint64_t entries; /* of a directory */
	uint64_t subdirs;
	uint64_t bytes;   /* of extents */
};

struct check {
	struct vol *v;
	struct reader *rd;
	vol_say say;
	void *arg;
	int found;
	struct omap *inodes; /* struct seen */
	struct omap *pieces; /* references, as a counted pointer-sized number */
	uint64_t ninodes, data_bytes, unwritten;
	uint64_t prev_end; /* of the extent before, in the same file */
	struct seen *cur;
	int64_t *live; /* by segment */
};

__attribute__((format(printf, 2, 3)))
static void finding(struct check *k, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	k->found++;
	if (k->say)
		k->say(k->arg, text);
}

#define U(x) ((unsigned long long)(x))

static struct okey key1(uint64_t id)
{
	return (struct okey){ id, 0 };
}

static int note_inode(void *arg, const struct inode_row *i)
{
	struct check *k = arg;
	struct seen *s = xcalloc(1, sizeof(*s));

	s->row = *i;
	if (omap_put(k->inodes, key1(i->ino), s))
		finding(k, "inode %llu is listed twice", U(i->ino));
	k->ninodes++;
	if (i->ino >= k->v->count.next_ino)
		finding(k, "inode %llu is beyond the counter %llu", U(i->ino),
			U(k->v->count.next_ino));
	return 0;
}

static int note_entry(void *arg, const struct entry_row *e)
{
	struct check *k = arg;
	struct seen *to = omap_get(k->inodes, key1(e->ino));

	k->cur->entries++;
	if (!to) {
		finding(k, "directory %llu: entry \"%s\" leads to inode %llu, which is not there",
			U(e->dir), e->name, U(e->ino));
		return 0;
	}
	to->names++;
	if (e->type != IFTODT(to->row.mode))
		finding(k, "directory %llu: entry \"%s\" has the wrong type", U(e->dir), e->name);
	if (S_ISDIR(to->row.mode)) {
		k->cur->subdirs++;
		if (to->row.parent != e->dir)
			finding(k, "directory %llu has parent %llu, but its name is in %llu",
				U(e->ino), U(to->row.parent), U(e->dir));
	}
	return 0;
}

static int note_extent(void *arg, const struct extent_row *x)
{
	struct check *k = arg;
	uintptr_t refs;

	if (x->off < k->prev_end)
		finding(k, "inode %llu: extents overlap at %llu", U(x->ino), U(x->off));
	if (!x->len)
		finding(k, "inode %llu: empty extent at %llu", U(x->ino), U(x->off));
	k->prev_end = x->off + x->len;
	k->cur->bytes += x->len;
	if (!x->piece) {
		k->unwritten += x->len;
		return 0;
	}
	refs = (uintptr_t)omap_get(k->pieces, key1(x->piece));
	omap_put(k->pieces, key1(x->piece), (void *)(refs + 1));
	return 0;
}

static int check_piece(void *arg, const struct piece_row *p)
{
	struct check *k = arg;
	uintptr_t refs = (uintptr_t)omap_get(k->pieces, key1(p->id));
	uint32_t seg = segs_index(k->v->segs, p->addr);

	if (refs != p->refs)
		finding(k, "piece %llu has %llu references, its row says %u", U(p->id), U(refs),
			p->refs);
	if (refs)
		omap_del(k->pieces, key1(p->id));
	k->data_bytes += p->stored;
	if (seg == UINT32_MAX)
		finding(k, "piece %llu lies outside the segments (%llu)", U(p->id), U(p->addr));
	else
		k->live[seg] += p->stored;
	if (p->id >= k->v->count.next_piece)
		finding(k, "piece %llu is beyond the counter", U(p->id));
	return 0;
}

static int scan_inode(struct check *k, struct seen *s)
{
	struct vol *v = k->v;
	int err = 0;

	k->cur = s;
	k->prev_end = 0;
	if (S_ISDIR(s->row.mode))
		err = state_entries(v->state, k->rd, s->row.ino, 0, note_entry, k);
	else if (S_ISREG(s->row.mode))
		err = state_extents(v->state, k->rd, s->row.ino, 0, INT64_MAX, note_extent, k);
	return err;
}

static void check_inode(struct check *k, const struct seen *s)
{
	const struct inode_row *i = &s->row;
	uint64_t names = s->names + (i->ino == VARVE_ROOT_INO);

	if (S_ISDIR(i->mode)) {
		uint64_t want = names ? 2 + s->subdirs : 0;

		if (i->nlink != want)
			finding(k, "directory %llu has link count %u, should be %llu", U(i->ino),
				i->nlink, U(want));
		if (names > 1)
			finding(k, "directory %llu has %llu names", U(i->ino), U(names));
		if (i->size != s->entries)
			finding(k, "directory %llu has size %llu but %llu entries", U(i->ino),
				U(i->size), U(s->entries));
	} else if (i->nlink != names) {
		finding(k, "inode %llu has link count %u but %llu names", U(i->ino), i->nlink,
			U(names));
	}
	if (S_ISREG(i->mode) && i->bytes != s->bytes)
		finding(k, "inode %llu counts %llu bytes, its extents %llu", U(i->ino), U(i->bytes),
			U(s->bytes));
}

static void check_totals(struct check *k)
{
	struct vol *v = k->v;
	struct omap_cur cur;

	omap_seek(k->pieces, key1(0), &cur);
	for (; cur.val; omap_next(&cur))
		finding(k, "piece %llu is referred to but has no row", U(cur.key.hi));
	if (k->ninodes != v->count.inodes)
		finding(k, "%llu inodes, the counter says %llu", U(k->ninodes), U(v->count.inodes));
	if (k->data_bytes != v->count.data_bytes)
		finding(k, "%llu bytes of data, the counter says %llu", U(k->data_bytes),
			U(v->count.data_bytes));
	if (k->unwritten != v->count.reserved_bytes)
		finding(k, "%llu bytes promised, the counter says %llu", U(k->unwritten),
			U(v->count.reserved_bytes));
	for (uint32_t i = 0; i < segs_count(v->segs); i++) {
		struct seg_info info;

		segs_get(v->segs, i, &info);
		if (info.state == SEG_LOG ? (int64_t)info.live != k->live[i] : k->live[i] != 0)
			finding(k, "segment %u (state %d) counts %u live bytes, its pieces %lld", i,
				info.state, info.live, (long long)k->live[i]);
	}
}

int vol_verify(struct vol_ctx *c, vol_say say, void *arg)
{
	struct check k = { .v = c->vol, .rd = c->rd, .say = say, .arg = arg };
	struct omap_cur cur;
	char *text = NULL;
	int err;

	k.inodes = omap_new();
	k.pieces = omap_new();
	k.live = xcalloc(segs_count(c->vol->segs), sizeof(*k.live));
	vol_rdlock(c->vol);
	err = state_check_image(c->vol->state, c->rd, &text);
	if (err == -VE_DB && text) {
		finding(&k, "database: %s", text);
		err = 0;
	}
	if (!err)
		err = state_inodes(c->vol->state, c->rd, 0, note_inode, &k);
	omap_seek(k.inodes, key1(0), &cur);
	for (; cur.val && !err; omap_next(&cur))
		err = scan_inode(&k, cur.val);
	omap_seek(k.inodes, key1(0), &cur);
	for (; cur.val && !err; omap_next(&cur))
		check_inode(&k, cur.val);
	if (!err)
		err = state_pieces(c->vol->state, c->rd, 0, check_piece, &k);
	if (!err)
		check_totals(&k);
	vol_unlock(c->vol);
	omap_free(k.inodes, free);
	omap_free(k.pieces, NULL);
	free(k.live);
	free(text);
	return err ? err : k.found;
}
