/* SPDX-License-Identifier: MIT */
/* state_get.c - single rows of the present: active, frozen, image. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/msg.h"
#include "meta/db.h"
#include "meta/names.h"
#include "meta/state_priv.h"

/* Longest symlink target that a record can carry. */
#define TARGET_MAX UINT16_MAX

/* --- overlay rows as values --- */
void unpack_inode(const struct orow *row, struct inode_row *ret)
{
	memcpy(ret, row->data, sizeof(*ret));
}

void unpack_entry(const struct orow *row, struct okey key, struct entry_row *ret)
{
	const struct o_entry *o = (const void *)row->data;

	ret->dir = key.hi;
	ret->cookie = key.lo;
	ret->seq = o->seq;
	ret->ino = o->ino;
	ret->type = o->type;
	ret->namelen = o->namelen;
	memcpy(ret->name, o->name, o->namelen);
	ret->name[o->namelen] = 0;
}

void unpack_extent(const struct orow *row, struct okey key, struct extent_row *ret)
{
	const struct o_extent *o = (const void *)row->data;

	*ret = (struct extent_row){ .ino = key.hi, .off = key.lo, .len = o->len,
				    .seq = o->seq, .piece = o->piece,
				    .poff = o->poff };
}

void unpack_piece(const struct orow *row, struct okey key, struct piece_row *ret)
{
	const struct o_piece *o = (const void *)row->data;

	ret->id = key.hi;
	ret->addr = o->addr;
	ret->len = o->len;
	ret->stored = o->stored;
	ret->enc = (uint8_t)o->enc;
	ret->refs = o->refs;
	ret->live = o->live;
	ret->ino = o->ino;
	ret->off = o->off;
	ret->nsums = o->nsums;
	memcpy(ret->sums, o->sums, 4 * (size_t)o->nsums);
}

void unpack_xattr(const struct orow *row, struct okey key, struct xattr_row *ret)
{
	const struct o_xattr *o = (const void *)row->data;

	ret->ino = key.hi;
	ret->slot = key.lo;
	ret->seq = o->seq;
	ret->namelen = o->namelen;
	memcpy(ret->name, o->bytes, o->namelen);
	ret->name[o->namelen] = 0;
	ret->len = o->len;
	ret->value = o->bytes + o->namelen;
}

/* --- by key --- */
/* Finds key in the layers: *ret_row, or *ret_q standing on its row (the caller
 * ends it).  -ENOENT: nowhere. */
static int find(struct state *st, struct reader *rd, enum table t,
		enum query_kind kind, uint64_t id, const struct orow **ret_row,
		struct query **ret_q)
{
	struct okey key = { id, 0 };
	const struct orow *row;
	struct query *q;
	int n;

	*ret_q = NULL;
	row = overlay_get(st->active, t, key);
	if (!row && t == T_TARGET && !asks_below(st->active, id))
		return -ENOENT;
	if (!row && st->frozen) {
		row = overlay_get(st->frozen, t, key);
		if (!row && t == T_TARGET && !asks_below(st->frozen, id))
			return -ENOENT;
	}
	*ret_row = row;
	if (row)
		return row->dead ? -ENOENT : 0;

	n = reader_ask(rd, kind, id, 0, 0, &q);
	if (n)
		return n;
	if (!q)
		return -ENOENT;
	n = reader_step(rd, q);
	if (n == 1) {
		*ret_q = q;
		return 0;
	}
	reader_done(rd, q);
	return n ? n : -ENOENT;
}

int state_inode(struct state *st, struct reader *rd, uint64_t ino,
		struct inode_row *ret)
{
	const struct orow *row;
	struct query *q;
	int err = find(st, rd, T_INODE, Q_INODE, ino, &row, &q);

	if (err)
		return err;
	if (row)
		unpack_inode(row, ret);
	else
		err = row_inode(q, ret);
	reader_done(rd, q);
	return err;
}

int state_piece(struct state *st, struct reader *rd, uint64_t id,
		struct piece_row *ret)
{
	const struct orow *row;
	struct query *q;
	int err = find(st, rd, T_PIECE, Q_PIECE, id, &row, &q);

	if (err)
		return err;
	if (row)
		unpack_piece(row, (struct okey){ id, 0 }, ret);
	else
		err = row_piece(q, ret);
	reader_done(rd, q);
	return err;
}

int state_target(struct state *st, struct reader *rd, uint64_t ino,
		 char **ret, size_t *ret_len)
{
	const struct orow *row;
	const void *bytes;
	struct query *q;
	size_t len;
	char *s;
	int err = find(st, rd, T_TARGET, Q_TARGET, ino, &row, &q);

	if (err)
		return err;
	if (row) {
		bytes = row->data;
		len = row->size;
	} else {
		bytes = sqlite3_column_blob(q->stmt, 1);
		len = (size_t)sqlite3_column_bytes(q->stmt, 1);
		if (!len || len > TARGET_MAX) {
			reader_done(rd, q);
			return -VE_DB;
		}
	}
	s = malloc(len + 1);
	if (s) {
		if (len)
			memcpy(s, bytes, len);
		s[len] = 0;
		*ret = s;
		*ret_len = len;
	}
	reader_done(rd, q);
	return s ? 0 : -ENOMEM;
}

/* --- by name --- */
/* The sixteen places a name can have, and what is known of each. */
struct search {
	struct okey first;
	const char *name;
	size_t len;
	uint32_t decided; /* bit per slot: an upper layer has spoken */
	uint32_t taken;   /* bit per slot: a live row of another name */
	/* found: one of */
	const struct orow *row;
	struct query *q;
	uint64_t at; /* its slot or cookie */
};

/* 1: found in o. */
static int search_overlay(struct search *s, const struct overlay *o, enum table t)
{
	struct omap_cur cur;

	omap_seek(overlay_map(o, t), s->first, &cur);
	for (; cur.val && cur.key.hi == s->first.hi &&
	       cur.key.lo - s->first.lo < COOKIE_SLOTS; omap_next(&cur)) {
		uint32_t bit = 1u << (cur.key.lo - s->first.lo);
		const struct orow *row = cur.val;
		const struct o_entry *e = (const void *)row->data;
		const struct o_xattr *x = (const void *)row->data;
		const char *name = t == T_ENTRY ? e->name : x->bytes;

		if (s->decided & bit)
			continue;
		s->decided |= bit;
		if (row->dead)
			continue;
		s->taken |= bit;
		if ((t == T_ENTRY ? e->namelen : x->namelen) != s->len ||
		    memcmp(name, s->name, s->len))
			continue;
		s->row = row;
		s->at = cur.key.lo;
		return 1;
	}
	return 0;
}

static int search_image(struct search *s, struct reader *rd, enum query_kind kind)
{
	struct query *q;
	uint32_t bit;
	int n;

	n = reader_ask(rd, kind, s->first.hi, s->first.lo,
		       s->first.lo + COOKIE_SLOTS - 1, &q);
	if (n || !q)
		return n;
	while ((n = reader_step(rd, q)) == 1) {
		bit = 1u << (query_key(q) - s->first.lo);
		if (s->decided & bit)
			continue;
		s->taken |= bit;
		if ((size_t)sqlite3_column_bytes(q->stmt, QUERY_NAME_COLUMN) != s->len ||
		    memcmp(sqlite3_column_blob(q->stmt, QUERY_NAME_COLUMN),
			   s->name, s->len))
			continue;
		s->q = q;
		s->at = query_key(q);
		return 1;
	}
	reader_done(rd, q);
	return n;
}

static int find_name(struct state *st, struct reader *rd, enum table t,
		     enum query_kind kind, struct search *s, uint64_t *ret_free)
{
	unsigned i;
	int n;

	if (!s->len)
		return -ENOENT;
	s->first.lo = name_cookie(st->key, s->name, s->len);
	n = search_overlay(s, st->active, t);
	if (!n && asks_below(st->active, s->first.hi)) {
		if (st->frozen)
			n = search_overlay(s, st->frozen, t);
		if (!n && (!st->frozen || asks_below(st->frozen, s->first.hi)))
			n = search_image(s, rd, kind);
	}
	if (n)
		return n < 0 ? n : 0;
	for (i = 0; i < COOKIE_SLOTS && (s->taken & 1u << i); i++)
		;
	if (i == COOKIE_SLOTS)
		return -ENOSPC;
	if (ret_free)
		*ret_free = s->first.lo + i;
	return -ENOENT;
}

int state_entry(struct state *st, struct reader *rd, uint64_t dir,
		const char *name, size_t len, struct entry_row *ret,
		uint64_t *ret_free)
{
	struct search s = { .first.hi = dir, .name = name, .len = len };
	int err = find_name(st, rd, T_ENTRY, Q_ENTRIES, &s, ret_free);

	if (err)
		return err;
	if (s.row)
		unpack_entry(s.row, (struct okey){ dir, s.at }, ret);
	else
		err = row_entry(s.q, dir, ret);
	reader_done(rd, s.q);
	return err;
}

int state_xattr(struct state *st, struct reader *rd, uint64_t ino,
		const char *name, size_t len, struct xattr_row *ret,
		uint64_t *ret_free)
{
	struct search s = { .first.hi = ino, .name = name, .len = len };
	int err = find_name(st, rd, T_XATTR, Q_XATTRS, &s, ret_free);
	void *copy;

	if (err)
		return err;
	if (s.row)
		unpack_xattr(s.row, (struct okey){ ino, s.at }, ret);
	else
		err = row_xattr(s.q, ino, ret);
	if (!err) {
		copy = malloc(ret->len + 1u);
		if (copy && ret->len)
			memcpy(copy, ret->value, ret->len);
		ret->value = copy;
		err = copy ? 0 : -ENOMEM;
	}
	reader_done(rd, s.q);
	return err;
}

/* --- the image itself --- */
/* More rows than any version has. */
#define COUNTS_MAX 100u

int state_read_counts(struct state *st, struct reader *rd,
		      struct meta_counts *ret)
{
	struct {
		const char *key;
		uint64_t *value;
	} rows[] = {
		{ "ckpt", &ret->ckpt },
		{ "op_seq", &ret->op_seq },
		{ "next_ino", &ret->next_ino },
		{ "next_piece", &ret->next_piece },
		{ "log_addr", &ret->log_addr },
		{ "log_seq", &ret->log_seq },
	};
	unsigned seen = 0, nrows = 0;
	const char *key;
	struct query *q;
	size_t i;
	int n;

	n = reader_ask(rd, Q_COUNTS, 0, 0, 0, &q);
	if (n)
		return n;
	if (!q)
		return -ENOENT;
	while ((n = reader_step(rd, q)) == 1) {
		/* A forged tree may go round in circles. */
		if (++nrows > COUNTS_MAX) {
			n = -VE_DB;
			break;
		}
		key = (const char *)sqlite3_column_text(q->stmt, 1);
		for (i = 0; key && i < ARRAY_LEN(rows); i++) {
			if (strcmp(key, rows[i].key))
				continue;
			*rows[i].value = (uint64_t)sqlite3_column_int64(q->stmt, 2);
			seen |= 1u << i;
		}
	}
	reader_done(rd, q);
	if (n)
		return n;
	return seen == (1u << ARRAY_LEN(rows)) - 1 ? 0 : -VE_DB;
}

int state_check_image(struct state *st, struct reader *rd, char **ret_text)
{
	const char *text;
	sqlite3_stmt *s;
	struct db *db;
	int err, rc;

	err = reader_image(rd, &db);
	if (err || !db)
		return err;
	err = db_prepare(db, "PRAGMA integrity_check(1)", &s);
	if (err)
		return err;
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW) {
		text = (const char *)sqlite3_column_text(s, 0);
		/* SQLite reports pages it could not read as a complaint. */
		err = vfs_take_error(&db->conn);
		if (!err && (!text || strcmp(text, "ok")))
			err = -VE_DB;
	} else {
		err = db_error(db, rc);
		text = sqlite3_errmsg(db->sql);
	}
	if (err && ret_text)
		*ret_text = strdup(text ? text : "no answer");
	sqlite3_finalize(s);
	return err;
}
