/* SPDX-License-Identifier: MIT */
/* verify.c - the tables and the segment accounting against each other.
 *
 * One pass over each table: what every inode and piece should be according to
 * the rows that refer to it is counted, then compared with what it says.
 * Memory: 72 bytes per inode, 16 per extent, 24 per piece. */
#include "store/verify.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/msg.h"
#include "log/piece.h"
#include "meta/names.h"
#include "store/vol_int.h"

#define U(x) ((unsigned long long)(x))
#define PROGRESS_EVERY 1024u

struct node { /* an inode, and what the other tables say of it */
	uint64_t ino, parent, size, bytes;
	uint64_t seen;     /* extents: bytes; directories: entries */
	uint64_t found_in; /* directories: where the name is; 0: nowhere */
	uint32_t mode, nlink;
	uint32_t names, subdirs;
	uint8_t mark;      /* reachability */
};
enum { MARK_NONE, MARK_PATH, MARK_DONE };

struct use { /* an extent's reference to a piece */
	uint64_t piece;
	uint64_t end; /* in the piece */
};

struct span { /* a piece on the device */
	uint64_t addr, id;
	uint32_t len;
};

struct check {
	struct vol *v;
	struct reader *rd;
	const struct verify_hooks *h;
	struct verify_counts n;
	int found;
	struct node *node;
	size_t nnodes, node_cap;
	struct use *use;
	size_t nuses, use_cap, at_use;
	uint64_t *bad; /* pieces whose users are to be named */
	size_t nbad, bad_cap;
	struct span *span;
	size_t nspans, span_cap;
	uint64_t unwritten;
	int64_t *live; /* by segment */
	/* of the inode being looked at */
	struct node *cur;
	uint64_t prev_end;
	struct entry_row group[COOKIE_SLOTS]; /* entries with the same hash */
	unsigned ngroup;
};

VARVE_PRINTF(3, 4)
static void finding(struct check *k, const struct finding *f, const char *fmt, ...)
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

#define FIND(k, what, ...) finding(k, &(struct finding){ .kind = (what), ##__VA_ARGS__ },

static int progress(struct check *k, const char *what, uint64_t done, uint64_t total)
{
	if (!k->h->progress || (done % PROGRESS_EVERY && done != total))
		return 0;
	return k->h->progress(k->h->arg, what, done, MAX(done, total)) ? -ECANCELED : 0;
}

/* Room for one more element. */
static void *room(void *p, size_t n, size_t *cap, size_t size)
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

	k->node = room(k->node, k->nnodes, &k->node_cap, sizeof(*k->node));
	if (last && last->ino >= i->ino) {
		FIND(k, FIND_INODE, .ino = i->ino) "inode %llu is listed twice", U(i->ino));
		return 0;
	}
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
	return progress(k, "inodes", k->n.inodes, k->v->count.inodes);
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
	k->use = room(k->use, k->nuses, &k->use_cap, sizeof(*k->use));
	k->use[k->nuses++] = (struct use){ x->piece, x->poff + x->len };
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

/* --- pieces --- */

static int use_cmp(const void *a, const void *b)
{
	const struct use *x = a, *y = b;

	return x->piece < y->piece ? -1 : x->piece > y->piece;
}

static void mark_bad(struct check *k, uint64_t piece)
{
	k->bad = room(k->bad, k->nbad, &k->bad_cap, sizeof(*k->bad));
	k->bad[k->nbad++] = piece;
}

/* References to pieces below id: they have no row. */
static void pass_missing(struct check *k, uint64_t id)
{
	while (k->at_use < k->nuses && k->use[k->at_use].piece < id) {
		uint64_t piece = k->use[k->at_use].piece;

		mark_bad(k, piece);
		while (k->at_use < k->nuses && k->use[k->at_use].piece == piece)
			k->at_use++;
	}
}

static bool good_piece(struct check *k, const struct piece_row *p)
{
	uint32_t seg = segs_index(k->v->segs, p->addr);

	return !p->enc && p->len && p->len <= VARVE_PIECE_MAX && p->stored == p->len &&
	       p->nsums == piece_nsums(p->stored) && seg != UINT32_MAX &&
	       seg == segs_index(k->v->segs, p->addr + p->stored - 1);
}

static int check_piece(void *arg, const struct piece_row *p)
{
	struct check *k = arg;
	uint32_t seg = segs_index(k->v->segs, p->addr);
	uint64_t refs = 0, end = 0;

	k->n.pieces++;
	pass_missing(k, p->id);
	for (; k->at_use < k->nuses && k->use[k->at_use].piece == p->id; k->at_use++) {
		end = MAX(end, k->use[k->at_use].end);
		refs++;
	}
	if (end > p->len)
		mark_bad(k, p->id);
	if (!good_piece(k, p))
		FIND(k, FIND_PIECE, .piece = p->id)
			"piece %llu (%u bytes at %llu) is impossible", U(p->id), p->stored,
			U(p->addr));
	if (refs != p->refs)
		FIND(k, FIND_PIECE_REFS, .piece = p->id, .want = refs)
			"piece %llu has %llu references, its row says %u", U(p->id), U(refs),
			p->refs);
	k->n.data_bytes += p->stored;
	if (seg != UINT32_MAX)
		k->live[seg] += p->stored;
	if (p->id >= k->v->count.next_piece)
		FIND(k, FIND_NEXT_PIECE, .piece = p->id, .want = p->id + 1)
			"piece %llu is beyond the counter %llu", U(p->id),
			U(k->v->count.next_piece));
	k->span = room(k->span, k->nspans, &k->span_cap, sizeof(*k->span));
	k->span[k->nspans++] = (struct span){ p->addr, p->id, p->stored };
	return progress(k, "pieces", k->n.pieces, 0);
}

static int span_cmp(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static void check_overlap(struct check *k)
{
	const struct span *last = NULL;

	qsort(k->span, k->nspans, sizeof(*k->span), span_cmp);
	for (size_t i = 0; i < k->nspans; i++) {
		const struct span *s = &k->span[i];

		if (last && s->addr < last->addr + last->len)
			FIND(k, FIND_PIECE_TWICE, .piece = s->id)
				"pieces %llu and %llu both claim device byte %llu",
				U(last->id), U(s->id), U(s->addr));
		if (!last || s->addr + s->len > last->addr + last->len)
			last = s;
	}
}

static int check_pieces(struct check *k)
{
	int err;

	if (k->nuses)
		qsort(k->use, k->nuses, sizeof(*k->use), use_cmp);
	err = state_pieces(k->v->state, k->rd, 0, check_piece, k);
	if (err)
		return err;
	pass_missing(k, UINT64_MAX);
	if (k->nspans)
		check_overlap(k);
	return 0;
}

/* --- who uses the bad pieces --- */

static int id_cmp(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int name_user(void *arg, const struct extent_row *x)
{
	struct check *k = arg;

	if (!bsearch(&x->piece, k->bad, k->nbad, sizeof(*k->bad), id_cmp))
		return 0;
	FIND(k, FIND_NO_PIECE, .ino = x->ino, .piece = x->piece, .off = x->off, .len = x->len)
		"inode %llu: the data of bytes %llu to %llu (piece %llu) is not there",
		U(x->ino), U(x->off), U(x->off + x->len - 1), U(x->piece));
	return 0;
}

static int name_users(struct check *k)
{
	int err = 0;

	if (!k->nbad)
		return 0;
	qsort(k->bad, k->nbad, sizeof(*k->bad), id_cmp);
	for (size_t i = 0; i < k->nnodes && !err; i++)
		if (S_ISREG(k->node[i].mode))
			err = state_extents(k->v->state, k->rd, k->node[i].ino, 0, INT64_MAX,
					    name_user, k);
	return err;
}

/* --- rows of nobody --- */

struct strays {
	struct check *k;
	uint64_t *ino;
	size_t n, cap;
	size_t at; /* in the inodes: both ascend */
	enum owner_table table;
};

static bool may_own(const struct node *s, enum owner_table t)
{
	return t == OWNER_XATTRS || (t == OWNER_ENTRIES && S_ISDIR(s->mode)) ||
	       (t == OWNER_EXTENTS && S_ISREG(s->mode)) ||
	       (t == OWNER_TARGETS && S_ISLNK(s->mode));
}

static int note_owner(void *arg, uint64_t ino)
{
	struct strays *s = arg;
	struct check *k = s->k;

	while (s->at < k->nnodes && k->node[s->at].ino < ino)
		s->at++;
	if (s->at < k->nnodes && k->node[s->at].ino == ino && may_own(&k->node[s->at], s->table))
		return 0;
	s->ino = room(s->ino, s->n, &s->cap, sizeof(*s->ino));
	s->ino[s->n++] = ino;
	return 0;
}

static int has_entry(void *arg, const struct entry_row *e)
{
	return 1;
}

static int has_extent(void *arg, const struct extent_row *e)
{
	return 1;
}

static int has_xattr(void *arg, const struct xattr_row *e)
{
	return 1;
}

/* Are they there in the present, too?  1, 0 or negative. */
static int still_there(struct check *k, enum owner_table t, uint64_t ino)
{
	struct state *st = k->v->state;
	char *target;
	size_t len;
	int err;

	switch (t) {
	case OWNER_ENTRIES:
		return state_entries(st, k->rd, ino, 0, has_entry, NULL);
	case OWNER_EXTENTS:
		return state_extents(st, k->rd, ino, 0, INT64_MAX, has_extent, NULL);
	case OWNER_XATTRS:
		return state_xattrs(st, k->rd, ino, has_xattr, NULL);
	default:
		err = state_target(st, k->rd, ino, &target, &len);
		if (!err)
			free(target);
		return err == -ENOENT ? 0 : err ? err : 1;
	}
}

static int check_strays(struct check *k)
{
	static const char *const what[OWNER_TABLES] = { "entries", "extents",
							"extended attributes", "a target" };
	struct strays s = { .k = k };
	int err = 0;

	for (unsigned t = 0; t < OWNER_TABLES && !err; t++) {
		s.n = s.at = 0;
		s.table = t;
		err = state_owners(k->v->state, k->rd, t, note_owner, &s);
		for (size_t i = 0; i < s.n && !err; i++) {
			int there = still_there(k, t, s.ino[i]);

			if (there < 0)
				err = there;
			else if (there)
				FIND(k, FIND_STRAY, .ino = s.ino[i], .want = t)
					"inode %llu has %s, but is not there or of another kind",
					U(s.ino[i]), what[t]);
		}
	}
	free(s.ino);
	return err;
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
			err = progress(k, "directories and extents", i + 1, k->nnodes);
	}
	if (err)
		return err;
	if (!node_of(k, VARVE_ROOT_INO))
		FIND(k, FIND_INODE, .ino = VARVE_ROOT_INO) "there is no root directory");
	for (size_t i = 0; i < k->nnodes; i++)
		check_inode(k, &k->node[i]);
	check_cycles(k);
	err = check_pieces(k);
	if (!err)
		err = name_users(k);
	if (!err)
		err = check_strays(k);
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
