/* SPDX-License-Identifier: MIT */
/* reader.c - one thread's connection to the newest image. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/msg.h"
#include "meta/db.h"
#include "meta/reader.h"
#include "meta/state_priv.h"

struct reader {
	struct state *st;
	struct db *db;   /* NULL: not open */
	uint64_t gen;    /* of the state, when the transaction was opened */
	bool empty;      /* at gen there was no image */
	bool in_txn;
	int err;         /* broken: what every query gets until all are done */
	unsigned active; /* queries taken */
	struct query *pool[Q_KINDS];
};

#define INODE_COLUMNS "ino, seq, mode, uid, gid, nlink, rdev, size, bytes, " \
	"ctime, dmtime, datime, dbtime, flags, parent"
#define EXTENT_COLUMNS "off, seq, len, piece, poff"
#define PIECE_COLUMNS "id, addr, len, saved, enc, refs, sums, dead, ino, off"

/* Column 0 is query_key(). */
static const char *const query_sql[Q_KINDS] = {
	[Q_INODE] = "SELECT " INODE_COLUMNS " FROM inodes WHERE ino = ?1",
	[Q_INODES] = "SELECT " INODE_COLUMNS " FROM inodes WHERE ino >= ?1"
		     " ORDER BY ino",
	[Q_ORPHANS] = "SELECT " INODE_COLUMNS " FROM inodes INDEXED BY orphans"
		      " WHERE nlink = 0 AND ino >= ?1 ORDER BY ino",
	[Q_ENTRIES] = "SELECT cookie, seq, name, ino, type FROM entries"
		      " WHERE dir = ?1 AND cookie >= ?2 AND cookie <= ?3"
		      " ORDER BY cookie",
	[Q_EXTENTS] = "SELECT " EXTENT_COLUMNS " FROM extents"
		      " WHERE ino = ?1 AND off >= ?2 AND off <= ?3 ORDER BY off",
	[Q_EXTENT_BEFORE] = "SELECT " EXTENT_COLUMNS " FROM extents"
			    " WHERE ino = ?1 AND off < ?2"
			    " ORDER BY off DESC LIMIT 1",
	[Q_PIECE] = "SELECT " PIECE_COLUMNS " FROM pieces WHERE id = ?1",
	[Q_PIECES] = "SELECT " PIECE_COLUMNS " FROM pieces WHERE id >= ?1"
		     " ORDER BY id",
	[Q_PIECES_AT] = "SELECT id FROM pieces INDEXED BY pieces_addr"
			" WHERE addr >= ?1 AND addr <= ?2 ORDER BY addr",
	[Q_XATTRS] = "SELECT slot, seq, name, value FROM xattrs"
		     " WHERE ino = ?1 AND slot >= ?2 AND slot <= ?3"
		     " ORDER BY slot",
	[Q_TARGET] = "SELECT ino, target FROM targets WHERE ino = ?1",
	[Q_COUNTS] = "SELECT 0, key, value FROM counts",
};
static const uint8_t query_args[Q_KINDS] = {
	[Q_INODE] = 1, [Q_INODES] = 1, [Q_ORPHANS] = 1, [Q_ENTRIES] = 3,
	[Q_EXTENTS] = 3, [Q_EXTENT_BEFORE] = 2, [Q_PIECE] = 1, [Q_PIECES] = 1,
	[Q_PIECES_AT] = 2, [Q_XATTRS] = 3, [Q_TARGET] = 1,
};

struct reader *reader_new(struct state *st)
{
	struct reader *rd = xcalloc(1, sizeof(*rd));

	rd->st = st;
	return rd;
}

static void close_db(struct reader *rd)
{
	struct query *q;
	unsigned i;

	for (i = 0; i < Q_KINDS; i++) {
		while ((q = rd->pool[i])) {
			rd->pool[i] = q->next;
			sqlite3_finalize(q->stmt);
			free(q);
		}
	}
	db_close(rd->db);
	rd->db = NULL;
	rd->in_txn = false;
	rd->gen = 0;
	rd->err = 0;
}

void reader_free(struct reader *rd)
{
	if (!rd)
		return;
	if (rd->active)
		msg_panic("reader freed inside a query");
	close_db(rd);
	free(rd);
}

void reader_rest(struct reader *rd)
{
	if (!rd->in_txn || rd->active)
		return;
	if (db_exec(rd->db, "COMMIT")) {
		close_db(rd);
		return;
	}
	rd->in_txn = false;
	rd->gen = 0;
}

static bool store_empty(struct page_store *ps)
{
	struct ps_image *img = ps->ops->acquire(ps);
	bool empty = !img || ps->ops->npages(ps, img) == 0;

	if (img)
		ps->ops->release(ps, img);
	return empty;
}

/* Brings the read transaction to the newest image. */
static int renew(struct reader *rd)
{
	int err = 0;

	if (!rd->db) {
		rd->empty = store_empty(rd->st->ps);
		if (rd->empty) {
			rd->gen = rd->st->gen;
			return 0;
		}
		err = db_open_reader(rd->st->ps, &rd->db);
		if (err)
			return err;
	}
	if (rd->in_txn)
		err = db_exec(rd->db, "COMMIT");
	if (!err)
		err = db_exec(rd->db, "BEGIN");
	if (err) {
		close_db(rd);
		return err;
	}
	rd->in_txn = true;
	rd->gen = rd->st->gen;
	return 0;
}

int reader_image(struct reader *rd, struct db **ret)
{
	int err;

	if (rd->err)
		return rd->err;
	if (rd->gen != rd->st->gen) {
		err = renew(rd);
		if (err)
			return err;
	}
	*ret = rd->empty ? NULL : rd->db;
	return 0;
}

/* Remembers why the connection is not to be used any more. */
static int broken(struct reader *rd, int err)
{
	if (!rd->err)
		rd->err = err;
	if (!rd->active)
		close_db(rd);
	return err;
}

static int64_t clamp(uint64_t v)
{
	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

int reader_ask(struct reader *rd, enum query_kind kind, uint64_t a, uint64_t b,
	       uint64_t c, struct query **ret)
{
	uint64_t arg[3] = { a, b, c };
	struct query *q;
	struct db *db;
	unsigned i;
	int err;

	*ret = NULL;
	err = reader_image(rd, &db);
	if (err || !db)
		return err;
	q = rd->pool[kind];
	if (q) {
		rd->pool[kind] = q->next;
	} else {
		q = xcalloc(1, sizeof(*q));
		q->kind = kind;
		err = db_prepare(db, query_sql[kind], &q->stmt);
		if (err) {
			free(q);
			return broken(rd, err);
		}
	}
	rd->active++;
	for (i = 0; i < query_args[kind]; i++)
		sqlite3_bind_int64(q->stmt, (int)i + 1, clamp(arg[i]));
	*ret = q;
	return 0;
}

int reader_step(struct reader *rd, struct query *q)
{
	int rc = sqlite3_step(q->stmt);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	return broken(rd, db_error(rd->db, rc));
}

void reader_done(struct reader *rd, struct query *q)
{
	if (!q)
		return;
	sqlite3_reset(q->stmt);
	q->next = rd->pool[q->kind];
	rd->pool[q->kind] = q;
	rd->active--;
	if (rd->err && !rd->active)
		close_db(rd);
}

/* --- rows --- */
static uint64_t col(const struct query *q, int i)
{
	return (uint64_t)sqlite3_column_int64(q->stmt, i);
}

/* A column that must fit in 32 bits; *bad is set if it does not. */
static uint32_t col32(const struct query *q, int i, bool *bad)
{
	uint64_t v = col(q, i);

	if (v > UINT32_MAX)
		*bad = true;
	return (uint32_t)v;
}

/* A column that must not be negative. */
static uint64_t col63(const struct query *q, int i, bool *bad)
{
	uint64_t v = col(q, i);

	if (v > INT64_MAX)
		*bad = true;
	return v;
}

static void col_name(const struct query *q, char name[VARVE_NAME_MAX + 1],
		     uint8_t *ret_len, bool *bad)
{
	const void *p = sqlite3_column_blob(q->stmt, QUERY_NAME_COLUMN);
	int n = sqlite3_column_bytes(q->stmt, QUERY_NAME_COLUMN);

	*ret_len = 0;
	if (!p || n < 1 || n > (int)VARVE_NAME_MAX) {
		*bad = true;
		return;
	}
	memcpy(name, p, (size_t)n);
	name[n] = 0;
	*ret_len = (uint8_t)n;
}

int row_inode(const struct query *q, struct inode_row *ret)
{
	bool bad = false;
	uint64_t ctime = col(q, 9);

	ret->ino = col63(q, 0, &bad);
	ret->seq = col63(q, 1, &bad);
	ret->mode = col32(q, 2, &bad);
	ret->uid = col32(q, 3, &bad);
	ret->gid = col32(q, 4, &bad);
	ret->nlink = col32(q, 5, &bad);
	ret->rdev = col(q, 6);
	ret->size = col63(q, 7, &bad);
	ret->bytes = col63(q, 8, &bad);
	ret->ctime = (int64_t)ctime;
	ret->mtime = (int64_t)(ctime + col(q, 10));
	ret->atime = (int64_t)(ctime + col(q, 11));
	ret->btime = (int64_t)(ctime + col(q, 12));
	ret->flags = col32(q, 13, &bad);
	ret->parent = col63(q, 14, &bad);
	return bad || !ret->ino ? -VE_DB : 0;
}

int row_entry(const struct query *q, uint64_t dir, struct entry_row *ret)
{
	bool bad = false;
	uint64_t type = col(q, 4);

	ret->dir = dir;
	ret->cookie = col63(q, 0, &bad);
	ret->seq = col63(q, 1, &bad);
	col_name(q, ret->name, &ret->namelen, &bad);
	ret->ino = col63(q, 3, &bad);
	ret->type = (uint8_t)type;
	return bad || type > UINT8_MAX || !ret->ino ? -VE_DB : 0;
}

int row_extent(const struct query *q, uint64_t ino, struct extent_row *ret)
{
	bool bad = false;

	ret->ino = ino;
	ret->off = col63(q, 0, &bad);
	ret->seq = col63(q, 1, &bad);
	ret->len = col63(q, 2, &bad);
	ret->piece = col63(q, 3, &bad);
	ret->poff = col32(q, 4, &bad);
	if (bad || !ret->len || ret->off + ret->len > INT64_MAX)
		return -VE_DB;
	if (ret->piece && (ret->len > VARVE_PIECE_MAX ||
			   ret->poff > VARVE_PIECE_MAX - ret->len))
		return -VE_DB;
	return 0;
}

int row_piece(const struct query *q, struct piece_row *ret)
{
	bool bad = false;
	uint64_t stored, enc, live;
	const uint8_t *p;
	uint32_t i;
	int n;

	ret->id = col63(q, 0, &bad);
	ret->addr = col63(q, 1, &bad);
	ret->len = col32(q, 2, &bad);
	stored = ret->len - col(q, 3);
	enc = col(q, 4);
	ret->refs = col32(q, 5, &bad);
	p = sqlite3_column_blob(q->stmt, 6);
	n = sqlite3_column_bytes(q->stmt, 6);
	live = stored - col(q, 7);
	ret->ino = col63(q, 8, &bad);
	ret->off = col63(q, 9, &bad);
	if (bad || enc > UINT8_MAX || stored > UINT32_MAX || live > UINT32_MAX || n % 4 ||
	    n / 4 > (int)VARVE_PIECE_SUMS)
		return -VE_DB;
	ret->stored = (uint32_t)stored;
	ret->live = (uint32_t)live;
	ret->enc = (uint8_t)enc;
	ret->nsums = (uint32_t)n / 4;
	for (i = 0; i < ret->nsums; i++, p += 4)
		ret->sums[i] = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
			       (uint32_t)p[3] << 24;
	return 0;
}

int row_xattr(const struct query *q, uint64_t ino, struct xattr_row *ret)
{
	bool bad = false;
	int n;

	ret->ino = ino;
	ret->slot = col63(q, 0, &bad);
	ret->seq = col63(q, 1, &bad);
	col_name(q, ret->name, &ret->namelen, &bad);
	ret->value = sqlite3_column_blob(q->stmt, 3);
	n = sqlite3_column_bytes(q->stmt, 3);
	ret->len = (uint32_t)n;
	if (!ret->value)
		ret->value = ""; /* no bytes: never a NULL for the caller */
	return bad || n > (int)VARVE_XATTR_MAX ? -VE_DB : 0;
}
