/* SPDX-License-Identifier: MIT */
/* verify.c - the tables and the segment accounting against each other.
 *
 * One pass over each table: what every inode and piece should be according to
 * the rows that refer to it is counted, then compared with what it says.
 * Memory: 72 bytes per inode, 40 per extent, 24 per piece. */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/msg.h"
#include "store/verify_int.h"

void verify_find(struct check *k, const struct finding *f, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	k->found++;
	if (k->h->found)
		k->h->found(k->h->arg, f, text);
}

int verify_progress(struct check *k, const char *what, uint64_t done, uint64_t total)
{
	if (!k->h->progress || (done % PROGRESS_EVERY && done != total))
		return 0;
	return k->h->progress(k->h->arg, what, done, MAX(done, total)) ? -ECANCELED : 0;
}

void *verify_room(void *p, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return p;
	*cap = *cap ? *cap * 2 : 1024;
	return xrealloc(p, *cap * size);
}

static struct node *node_of(struct check *k, uint64_t ino)
{
	size_t lo = 0, hi = k->nnodes;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (k->node[mid].ino == ino)
			return &k->node[mid];
		if (k->node[mid].ino < ino)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* --- rows --- */

static bool good_mode(uint32_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || S_ISCHR(mode) ||
	       S_ISBLK(mode) || S_ISFIFO(mode) || S_ISSOCK(mode);
}

static int note_inode(void *arg, const struct inode_row *i)
{
	struct check *k = arg;
	struct node *last = k->nnodes ? &k->node[k->nnodes - 1] : NULL;

	if (last && last->ino >= i->ino) {
		FIND(k, FIND_INODE, .ino = i->ino) "inode %llu is listed twice", U(i->ino));
		return 0;
	}
	k->node = verify_room(k->node, k->nnodes, &k->node_cap, sizeof(*k->node));
	k->node[k->nnodes++] = (struct node){
		.ino = i->ino, .parent = i->parent, .size = i->size, .bytes = i->bytes,
		.mode = i->mode, .nlink = i->nlink,
	};
	k->n.inodes++;
	k->n.dirs += S_ISDIR(i->mode);
	k->n.orphans += i->nlink == 0;
	if (!good_mode(i->mode))
		FIND(k, FIND_INODE, .ino = i->ino) "inode %llu has the impossible mode %o", U(i->ino),
			i->mode);
	return verify_progress(k, "inodes", k->n.inodes, k->v->count.inodes);
}

/* A name that lookup() can find and a user can type. */
static bool good_name(struct check *k, const struct entry_row *e)
{
	uint64_t place = name_cookie(k->v->sup.hash_key, e->name, e->namelen);

	if (!e->namelen || memchr(e->name, '/', e->namelen) || memchr(e->name, 0, e->namelen))
		return false;
	if (e->name[0] == '.' && (e->namelen == 1 || (e->namelen == 2 && e->name[1] == '.')))
		return false;
	return e->cookie >= place && e->cookie - place < COOKIE_SLOTS;
}

/* Is there an entry of this name already?  It would lie just before. */
static bool twin(struct check *k, const struct entry_row *e)
{
	uint64_t hash = e->cookie / COOKIE_SLOTS;

	if (k->ngroup && k->group[0].cookie / COOKIE_SLOTS != hash)
		k->ngroup = 0;
	for (unsigned i = 0; i < k->ngroup; i++)
		if (k->group[i].namelen == e->namelen &&
		    memcmp(k->group[i].name, e->name, e->namelen) == 0)
			return true;
	if (k->ngroup < COOKIE_SLOTS)
		k->group[k->ngroup++] = *e;
	return false;
}

static int note_entry(void *arg, const struct entry_row *e)
{
	struct check *k = arg;
	struct node *to = node_of(k, e->ino);

	/* What is to be removed counts for nothing. */
	if (!good_name(k, e)) {
		FIND(k, FIND_ENTRY_NAME, .ino = e->ino, .dir = e->dir, .cookie = e->cookie)
			"directory %llu: entry \"%s\" has an impossible name or place",
			U(e->dir), e->name);
		return 0;
	}
	if (twin(k, e)) {
		FIND(k, FIND_ENTRY_TWIN, .ino = e->ino, .dir = e->dir, .cookie = e->cookie)
			"directory %llu: entry \"%s\" is there twice", U(e->dir), e->name);
		return 0;
	}
	if (!to) {
		FIND(k, FIND_ENTRY_LOST, .dir = e->dir, .cookie = e->cookie)
			"directory %llu: entry \"%s\" leads to inode %llu, which is not there",
			U(e->dir), e->name, U(e->ino));
		return 0;
	}
	if (S_ISDIR(to->mode) && (to->found_in || to->ino == VARVE_ROOT_INO ||
				  to->ino == e->dir)) {
		FIND(k, FIND_ENTRY_TWIN, .ino = e->ino, .dir = e->dir, .cookie = e->cookie)
			"directory %llu: entry \"%s\" is one name too many for directory %llu",
			U(e->dir), e->name, U(e->ino));
		return 0;
	}
	k->cur->seen++;
	to->names++;
	if (e->type != IFTODT(to->mode))
		FIND(k, FIND_ENTRY_TYPE, .ino = e->ino, .dir = e->dir, .cookie = e->cookie,
		     .want = IFTODT(to->mode))
			"directory %llu: entry \"%s\" has the wrong type", U(e->dir), e->name);
	if (S_ISDIR(to->mode)) {
		k->cur->subdirs++;
		to->found_in = e->dir;
	}
	return 0;
}

static int note_extent(void *arg, const struct extent_row *x)
{
	struct check *k = arg;

	k->n.extents++;
	if (x->off < k->prev_end)
		FIND(k, FIND_EXTENT, .ino = x->ino, .off = x->off, .len = x->len)
			"inode %llu: extents overlap at %llu", U(x->ino), U(x->off));
	if (!x->len)
		FIND(k, FIND_EXTENT, .ino = x->ino, .off = x->off)
			"inode %llu: empty extent at %llu", U(x->ino), U(x->off));
	k->prev_end = MAX(k->prev_end, x->off + x->len);
	k->cur->seen += x->len;
	if (!x->piece) {
		k->unwritten += x->len;
		return 0;
	}
	k->use = verify_room(k->use, k->nuses, &k->use_cap, sizeof(*k->use));
	k->use[k->nuses++] = (struct use){ x->piece, x->poff + x->len, x->len, x->ino,
						x->off - x->poff };
	return 0;
}

static int check_target(struct check *k, const struct node *s)
{
	char *target;
	size_t len;
	int err = state_target(k->v->state, k->rd, s->ino, &target, &len);

	if (err == -ENOENT) {
		FIND(k, FIND_TARGET, .ino = s->ino) "symbolic link %llu has no target", U(s->ino));
		return 0;
	}
	if (err)
		return err;
	if (len != s->size)
		FIND(k, FIND_TARGET, .ino = s->ino, .want = len)
			"symbolic link %llu has size %llu, its target %zu", U(s->ino),
			U(s->size), len);
	free(target);
	return 0;
}

static int scan_inode(struct check *k, struct node *s)
{
	struct vol *v = k->v;

	k->cur = s;
	k->prev_end = 0;
	k->ngroup = 0;
	if (S_ISDIR(s->mode))
		return state_entries(v->state, k->rd, s->ino, 0, note_entry, k);
	if (S_ISREG(s->mode))
		return state_extents(v->state, k->rd, s->ino, 0, INT64_MAX, note_extent, k);
	return S_ISLNK(s->mode) ? check_target(k, s) : 0;
}

/* --- inodes --- */

static void check_dir(struct check *k, const struct node *s)
{
	bool root = s->ino == VARVE_ROOT_INO;
	uint64_t want = s->names || root ? 2 + s->subdirs : 0;

	if (!s->names && !root && s->nlink)
		FIND(k, FIND_UNNAMED, .ino = s->ino) "directory %llu has no name", U(s->ino));
	else if (s->nlink != want)
		FIND(k, FIND_NLINK, .ino = s->ino, .want = want)
			"directory %llu has link count %u, should be %llu", U(s->ino), s->nlink,
			U(want));
	if (s->found_in && s->parent != s->found_in)
		FIND(k, FIND_PARENT, .ino = s->ino, .want = s->found_in)
			"directory %llu has parent %llu, but its name is in %llu", U(s->ino),
			U(s->parent), U(s->found_in));
	if (s->size != s->seen)
		FIND(k, FIND_DIR_SIZE, .ino = s->ino, .want = s->seen)
			"directory %llu has size %llu but %llu entries", U(s->ino), U(s->size),
			U(s->seen));
}

static void check_inode(struct check *k, const struct node *s)
{
	if (s->ino >= k->v->count.next_ino)
		FIND(k, FIND_NEXT_INO, .ino = s->ino, .want = s->ino + 1)
			"inode %llu is beyond the counter %llu", U(s->ino),
			U(k->v->count.next_ino));
	if (S_ISDIR(s->mode)) {
		check_dir(k, s);
		return;
	}
	if (!s->names && s->nlink)
		FIND(k, FIND_UNNAMED, .ino = s->ino) "inode %llu has link count %u but no name",
			U(s->ino), s->nlink);
	else if (s->nlink != s->names)
		FIND(k, FIND_NLINK, .ino = s->ino, .want = s->names)
			"inode %llu has link count %u but %u names", U(s->ino), s->nlink,
			s->names);
	if (S_ISREG(s->mode) && s->bytes != s->seen)
		FIND(k, FIND_BYTES, .ino = s->ino, .want = s->seen)
			"inode %llu counts %llu bytes, its extents %llu", U(s->ino), U(s->bytes),
			U(s->seen));
}

/* Directories that lead to themselves hang in the air.  From each one up, until
 * a directory is met that is known; meeting one of the same way is a cycle. */
static void check_cycles(struct check *k)
{
	for (size_t i = 0; i < k->nnodes; i++) {
		struct node *s = &k->node[i], *at = s;

		if (!S_ISDIR(s->mode))
			continue;
		while (at && at->mark == MARK_NONE) {
			at->mark = MARK_PATH;
			at = at->found_in ? node_of(k, at->found_in) : NULL;
		}
		if (at && at->mark == MARK_PATH)
			FIND(k, FIND_CYCLE, .ino = at->ino, .dir = at->found_in)
				"directory %llu contains itself", U(at->ino));
		for (at = s; at && at->mark == MARK_PATH;) {
			at->mark = MARK_DONE;
			at = at->found_in ? node_of(k, at->found_in) : NULL;
		}
	}
}

/* --- accounting --- */

static void check_totals(struct check *k)
{
	const struct counters *c = &k->v->count;
	struct segs *segs = k->v->segs;

	if (k->n.inodes != c->inodes)
		FIND(k, FIND_INODES, .want = k->n.inodes)
			"%llu inodes, the counter says %llu", U(k->n.inodes), U(c->inodes));
	if (k->n.data_bytes != c->data_bytes)
		FIND(k, FIND_DATA_BYTES, .want = k->n.data_bytes)
			"%llu bytes of data, the counter says %llu", U(k->n.data_bytes),
			U(c->data_bytes));
	if (k->unwritten != c->reserved_bytes)
		FIND(k, FIND_RESERVED, .want = k->unwritten)
			"%llu bytes promised, the counter says %llu", U(k->unwritten),
			U(c->reserved_bytes));
	for (uint32_t i = 0; i < segs_count(segs); i++) {
		struct seg_info info;

		segs_get(segs, i, &info);
		if (info.state == SEG_LOG ? (int64_t)info.live == k->live[i] : !k->live[i])
			continue;
		FIND(k, FIND_SEG_LIVE, .seg = i, .want = (uint64_t)k->live[i])
			"segment %u (state %d) counts %u live bytes, its pieces %lld", i,
			info.state, info.live, (long long)k->live[i]);
	}
}

static int check_image(struct check *k)
{
	char *text = NULL;
	int err;

	if (k->h->progress && k->h->progress(k->h->arg, "database integrity", 0, 0))
		return -ECANCELED;
	err = state_check_image(k->v->state, k->rd, &text);
	if (err == -VE_DB && text) {
		k->bad_image = true;
		FIND(k, FIND_DATABASE) "database: %s", text);
		err = 0;
	}
	free(text);
	return err;
}

static int check_all(struct check *k)
{
	int err = check_image(k);

	if (!err)
		err = state_inodes(k->v->state, k->rd, 0, note_inode, k);
	for (size_t i = 0; i < k->nnodes && !err; i++) {
		err = scan_inode(k, &k->node[i]);
		if (!err)
			err = verify_progress(k, "directories and extents", i + 1, k->nnodes);
	}
	if (err)
		return err;
	if (!node_of(k, VARVE_ROOT_INO))
		FIND(k, FIND_INODE, .ino = VARVE_ROOT_INO) "there is no root directory");
	for (size_t i = 0; i < k->nnodes; i++)
		check_inode(k, &k->node[i]);
	check_cycles(k);
	err = verify_pieces(k);
	if (!err)
		err = verify_strays(k);
	if (!err)
		check_totals(k);
	return err;
}

int verify_rows(struct vol_ctx *c, const struct verify_hooks *h, struct verify_counts *ret)
{
	struct check k = { .v = c->vol, .rd = c->rd, .h = h };
	int err;

	k.live = xcalloc(segs_count(c->vol->segs), sizeof(*k.live));
	vol_rdlock(c->vol);
	err = check_all(&k);
	vol_unlock(c->vol);
	if (ret)
		*ret = k.n;
	free(k.node);
	free(k.use);
	free(k.bad);
	free(k.span);
	free(k.live);
	return err ? err : k.found;
}

struct plain {
	vol_say say;
	void *arg;
};

static void say_plain(void *arg, const struct finding *f, const char *text)
{
	struct plain *p = arg;

	if (p->say)
		p->say(p->arg, text);
}

int vol_verify(struct vol_ctx *c, vol_say say, void *arg)
{
	struct plain p = { say, arg };
	struct verify_hooks h = { .found = say_plain, .arg = &p };

	return verify_rows(c, &h, NULL);
}
