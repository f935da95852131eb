/* SPDX-License-Identifier: MIT */
/* rows.c - every row of the present state as text, in the order of the tables:
 * what replay gives must be what the running volume had, row for row (I2). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crc32c.h"
#include "sut.h"

struct rows {
	struct state *st;
	struct reader *rd;
	FILE *out;
	uint64_t *ino;
	uint32_t *mode;
	size_t n, cap;
};

static int one_inode(void *arg, const struct inode_row *i)
{
	struct rows *r = arg;

	fprintf(r->out, "inode %" PRIu64 " seq %" PRIu64 " mode %o %u:%u nlink %u rdev %"
		PRIx64 " size %" PRIu64 " bytes %" PRIu64 " times %" PRId64 " %" PRId64
		" %" PRId64 " %" PRId64 " flags %x parent %" PRIu64 "\n", i->ino, i->seq,
		i->mode, i->uid, i->gid, i->nlink, i->rdev, i->size, i->bytes, i->atime,
		i->mtime, i->ctime, i->btime, i->flags, i->parent);
	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 64;
		r->ino = realloc(r->ino, r->cap * sizeof(*r->ino));
		r->mode = realloc(r->mode, r->cap * sizeof(*r->mode));
	}
	r->ino[r->n] = i->ino;
	r->mode[r->n++] = i->mode;
	return 0;
}

static int one_entry(void *arg, const struct entry_row *e)
{
	struct rows *r = arg;

	fprintf(r->out, "entry %" PRIu64 " cookie %" PRIx64 " seq %" PRIu64 " ino %" PRIu64
		" type %u name %.*s\n", e->dir, e->cookie, e->seq, e->ino, e->type,
		e->namelen, e->name);
	return 0;
}

static int one_extent(void *arg, const struct extent_row *e)
{
	struct rows *r = arg;

	fprintf(r->out, "extent %" PRIu64 " off %" PRIu64 " len %" PRIu64 " seq %" PRIu64
		" piece %" PRIu64 "+%u\n", e->ino, e->off, e->len, e->seq, e->piece,
		e->poff);
	return 0;
}

static int one_xattr(void *arg, const struct xattr_row *x)
{
	struct rows *r = arg;

	fprintf(r->out, "xattr %" PRIu64 " slot %" PRIx64 " seq %" PRIu64 " name %.*s len %u"
		" crc %08x\n", x->ino, x->slot, x->seq, x->namelen, x->name, x->len,
		crc32c(0, x->value, x->len));
	return 0;
}

static int one_piece(void *arg, const struct piece_row *p)
{
	struct rows *r = arg;

	fprintf(r->out, "piece %" PRIu64 " addr %" PRIu64 " len %u stored %u enc %u refs %u"
		" sums %u %08x\n", p->id, p->addr, p->len, p->stored, p->enc, p->refs,
		p->nsums, crc32c(0, p->sums, p->nsums * sizeof(p->sums[0])));
	return 0;
}

static int rows_of(struct rows *r)
{
	int err = state_inodes(r->st, r->rd, 0, one_inode, r);

	for (size_t k = 0; k < r->n && !err; k++) {
		uint64_t ino = r->ino[k];

		if (S_ISDIR(r->mode[k]))
			err = state_entries(r->st, r->rd, ino, 0, one_entry, r);
		else if (S_ISREG(r->mode[k]))
			err = state_extents(r->st, r->rd, ino, 0, UINT64_MAX, one_extent, r);
		if (!err)
			err = state_xattrs(r->st, r->rd, ino, one_xattr, r);
		if (!err && S_ISLNK(r->mode[k])) {
			char *t = NULL;
			size_t len;

			err = state_target(r->st, r->rd, ino, &t, &len);
			if (!err)
				fprintf(r->out, "target %" PRIu64 " %s\n", ino, t);
			free(t);
		}
	}
	return err ? err : state_pieces(r->st, r->rd, 0, one_piece, r);
}

int sut_rows(struct sut *s, char **ret, size_t *ret_len)
{
	struct rows r = { .st = vol_state(s->vol) };
	int err;

	r.rd = reader_new(r.st);
	r.out = open_memstream(ret, ret_len);
	vol_rdlock(s->vol);
	err = rows_of(&r);
	vol_unlock(s->vol);
	fprintf(r.out, "op_seq %" PRIu64 "\n", vol_op_seq(s->vol));
	fclose(r.out);
	reader_free(r.rd);
	free(r.ino);
	free(r.mode);
	return err;
}
