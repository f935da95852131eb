/* SPDX-License-Identifier: MIT */
/* writer.c - an overlay becomes part of the next image.
 *
 * Rows go in key order, table by table, tombstones of a table with extents
 * first; so pages are touched once, left to right. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/msg.h"
#include "meta/db.h"
#include "meta/writer.h"

enum { W_PUT_COUNT = 2 * T_TABLES, W_STATEMENTS };

struct writer {
	struct page_store *ps;
	struct db *db; /* NULL: not open */
	bool stale;    /* holds a dropped transaction */
	sqlite3_stmt *stmt[W_STATEMENTS]; /* put at 2 * table, del after it */
	uint8_t *scratch; /* sums in little-endian order */
};

static const char *const writer_sql[W_STATEMENTS] = {
	[2 * T_INODE] =
		"REPLACE INTO inodes(ino, seq, mode, uid, gid, nlink, rdev, size,"
		" bytes, ctime, dmtime, datime, dbtime, flags, parent)"
		" VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	[2 * T_INODE + 1] = "DELETE FROM inodes WHERE ino = ?1",
	[2 * T_ENTRY] =
		"REPLACE INTO entries(dir, cookie, seq, name, ino, type)"
		" VALUES(?,?,?,?,?,?)",
	[2 * T_ENTRY + 1] = "DELETE FROM entries WHERE dir = ?1 AND cookie = ?2",
	[2 * T_EXTENT] =
		"REPLACE INTO extents(ino, off, len, seq, piece, poff)"
		" VALUES(?,?,?,?,?,?)",
	[2 * T_EXTENT + 1] = "DELETE FROM extents WHERE ino = ?1 AND off = ?2",
	[2 * T_PIECE] =
		"REPLACE INTO pieces(id, addr, len, saved, enc, refs, sums, dead, ino, off)"
		" VALUES(?,?,?,?,?,?,?,?,?,?)",
	[2 * T_PIECE + 1] = "DELETE FROM pieces WHERE id = ?1",
	[2 * T_XATTR] =
		"REPLACE INTO xattrs(ino, slot, seq, name, value)"
		" VALUES(?,?,?,?,?)",
	[2 * T_XATTR + 1] = "DELETE FROM xattrs WHERE ino = ?1 AND slot = ?2",
	[2 * T_TARGET] = "REPLACE INTO targets(ino, target) VALUES(?,?)",
	[2 * T_TARGET + 1] = "DELETE FROM targets WHERE ino = ?1",
	[W_PUT_COUNT] = "REPLACE INTO counts(key, value) VALUES(?,?)",
};

struct writer *writer_new(struct page_store *ps)
{
	struct writer *w = xcalloc(1, sizeof(*w));

	w->ps = ps;
	w->scratch = xmalloc(4 * VARVE_PIECE_SUMS);
	return w;
}

static void writer_close(struct writer *w)
{
	unsigned i;

	for (i = 0; i < W_STATEMENTS; i++) {
		sqlite3_finalize(w->stmt[i]);
		w->stmt[i] = NULL;
	}
	/* SQLite must not write what it still holds of a failed transaction. */
	if (w->db)
		w->db->conn.dead = true;
	db_close(w->db);
	w->db = NULL;
	w->stale = false;
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	writer_close(w);
	free(w->scratch);
	free(w);
}

void writer_forget(struct writer *w)
{
	w->stale = true;
}

static void bind(sqlite3_stmt *s, int i, uint64_t v)
{
	sqlite3_bind_int64(s, i, (sqlite3_int64)v);
}

static void bind_bytes(sqlite3_stmt *s, int i, const void *p, size_t n)
{
	sqlite3_bind_blob(s, i, n ? p : "", (int)n, SQLITE_STATIC);
}

static void bind_inode(sqlite3_stmt *s, const struct inode_row *r)
{
	uint64_t ctime = (uint64_t)r->ctime;

	bind(s, 1, r->ino);
	bind(s, 2, r->seq);
	bind(s, 3, r->mode);
	bind(s, 4, r->uid);
	bind(s, 5, r->gid);
	bind(s, 6, r->nlink);
	bind(s, 7, r->rdev);
	bind(s, 8, r->size);
	bind(s, 9, r->bytes);
	bind(s, 10, ctime);
	bind(s, 11, (uint64_t)r->mtime - ctime);
	bind(s, 12, (uint64_t)r->atime - ctime);
	bind(s, 13, (uint64_t)r->btime - ctime);
	bind(s, 14, r->flags);
	bind(s, 15, r->parent);
}

static void bind_piece(struct writer *w, sqlite3_stmt *s, uint64_t id,
		       const struct o_piece *p)
{
	uint8_t *b = w->scratch;
	uint32_t i;

	for (i = 0; i < p->nsums; i++, b += 4) {
		b[0] = (uint8_t)p->sums[i];
		b[1] = (uint8_t)(p->sums[i] >> 8);
		b[2] = (uint8_t)(p->sums[i] >> 16);
		b[3] = (uint8_t)(p->sums[i] >> 24);
	}
	bind(s, 1, id);
	bind(s, 2, p->addr);
	bind(s, 3, p->len);
	bind(s, 4, (uint64_t)p->len - p->stored);
	bind(s, 5, p->enc);
	bind(s, 6, p->refs);
	bind_bytes(s, 7, w->scratch, 4 * (size_t)p->nsums);
	bind(s, 8, (uint64_t)p->stored - p->live);
	bind(s, 9, p->ino);
	bind(s, 10, p->off);
}

static void bind_row(struct writer *w, enum table t, sqlite3_stmt *s,
		     struct okey key, const struct orow *row)
{
	const struct o_entry *e = (const void *)row->data;
	const struct o_extent *x = (const void *)row->data;
	const struct o_xattr *a = (const void *)row->data;

	switch (t) {
	case T_INODE:
		bind_inode(s, (const void *)row->data);
		break;
	case T_ENTRY:
		bind(s, 1, key.hi);
		bind(s, 2, key.lo);
		bind(s, 3, e->seq);
		bind_bytes(s, 4, e->name, e->namelen);
		bind(s, 5, e->ino);
		bind(s, 6, e->type);
		break;
	case T_EXTENT:
		bind(s, 1, key.hi);
		bind(s, 2, key.lo);
		bind(s, 3, x->len);
		bind(s, 4, x->seq);
		bind(s, 5, x->piece);
		bind(s, 6, x->poff);
		break;
	case T_PIECE:
		bind_piece(w, s, key.hi, (const void *)row->data);
		break;
	case T_XATTR:
		bind(s, 1, key.hi);
		bind(s, 2, key.lo);
		bind(s, 3, a->seq);
		bind_bytes(s, 4, a->bytes, a->namelen);
		bind_bytes(s, 5, a->bytes + a->namelen, a->len);
		break;
	case T_TARGET:
		bind(s, 1, key.hi);
		bind_bytes(s, 2, row->data, row->size);
		break;
	default:
		msg_panic("no such table: %d", t);
	}
}

static int run(struct writer *w, sqlite3_stmt *s)
{
	int rc = sqlite3_step(s);

	if (rc != SQLITE_DONE) {
		rc = db_error(w->db, rc);
		sqlite3_reset(s);
		return rc;
	}
	sqlite3_reset(s);
	return 0;
}

static int write_map(struct writer *w, enum table t, const struct omap *map)
{
	bool two = t != T_INODE && t != T_PIECE && t != T_TARGET;
	sqlite3_stmt *put = w->stmt[2 * t], *del = w->stmt[2 * t + 1];
	const struct orow *row;
	struct omap_cur cur;
	int err;

	omap_seek(map, (struct okey){ 0, 0 }, &cur);
	for (; cur.val; omap_next(&cur)) {
		row = cur.val;
		if (row->dead) {
			bind(del, 1, cur.key.hi);
			if (two)
				bind(del, 2, cur.key.lo);
			err = run(w, del);
		} else {
			bind_row(w, t, put, cur.key, row);
			err = run(w, put);
		}
		if (err)
			return err;
	}
	return 0;
}

static int write_counts(struct writer *w, const struct meta_counts *c)
{
	const struct {
		const char *key;
		uint64_t value;
	} rows[] = {
		{ "ckpt", c->ckpt },
		{ "op_seq", c->op_seq },
		{ "next_ino", c->next_ino },
		{ "next_piece", c->next_piece },
		{ "log_addr", c->log_addr },
		{ "log_seq", c->log_seq },
	};
	sqlite3_stmt *s = w->stmt[W_PUT_COUNT];
	size_t i;
	int err;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		sqlite3_bind_text(s, 1, rows[i].key, -1, SQLITE_STATIC);
		bind(s, 2, rows[i].value);
		err = run(w, s);
		if (err)
			return err;
	}
	return 0;
}

/* Pages that deleted rows have left go back to the page store, or a volume that
 * once had many files would keep their room for ever.  A page of slack in sixteen
 * is kept: most of what is freed is soon used again.  Bounded, for each page that
 * is given back moves another one. */
#define SHRINK_MOST 4096
#define SHRINK_SLACK 16

static int shrink(struct writer *w)
{
	int64_t pages = 0, unused = 0, n;
	char sql[64];
	int err = db_int(w->db, "PRAGMA freelist_count", &unused);

	if (!err)
		err = db_int(w->db, "PRAGMA page_count", &pages);
	n = MIN(unused - pages / 16 - SHRINK_SLACK, SHRINK_MOST);
	if (err || n <= 0)
		return err;
	snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%lld)", (long long)n);
	return db_exec(w->db, sql);
}

static int writer_open(struct writer *w)
{
	unsigned i;
	int err;

	if (w->stale)
		writer_close(w);
	if (w->db) {
		vfs_txn_start(&w->db->conn);
		return 0;
	}
	err = db_open_writer(w->ps, &w->db);
	for (i = 0; !err && i < W_STATEMENTS; i++)
		err = db_prepare(w->db, writer_sql[i], &w->stmt[i]);
	return err;
}

static int write_all(struct writer *w, const struct overlay *o,
		     const struct meta_counts *c)
{
	unsigned t;
	int err;

	err = w->ps->ops->txn_begin(w->ps);
	if (!err)
		err = writer_open(w);
	if (!err)
		err = db_exec(w->db, "BEGIN IMMEDIATE");
	if (!err)
		err = write_map(w, T_EXTENT, overlay_map(o, T_EXTENT_DEAD));
	for (t = 0; !err && t < T_TABLES; t++)
		err = write_map(w, t, overlay_map(o, t));
	if (!err)
		err = write_counts(w, c);
	if (!err)
		err = shrink(w);
	if (!err)
		err = db_exec(w->db, "COMMIT");
	if (!err)
		err = vfs_txn_fill(&w->db->conn);
	return err;
}

int writer_write(struct writer *w, const struct overlay *o,
		 const struct meta_counts *c)
{
	int err = write_all(w, o, c);

	if (err)
		writer_close(w);
	return err;
}
