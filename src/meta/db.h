/* SPDX-License-Identifier: MIT */
/* db.h - one SQLite connection to the metadata database, hardened.
 *
 * Promise: what is opened has exactly our schema (I8: an image with other
 *   tables, triggers, views or indexes under our names is refused).
 * Locking: a connection belongs to one thread at a time.
 * Errors: the page store's own code where it was the cause; else -VE_DB,
 *   -VE_DB_SCHEMA, -ENOMEM, -ENOSPC. */
#ifndef VARVE_META_DB_H
#define VARVE_META_DB_H

#include <sqlite3.h>

#include "meta/vfs.h"

struct db {
	sqlite3 *sql;
	struct vfs_conn conn;
};

/* schema.sql, made into a string by the build. */
extern const char db_schema[];
#define DB_APPLICATION_ID 0x76617276
#define DB_USER_VERSION 1

/* A reader needs an image to be there; it opens no transaction. */
int db_open_reader(struct page_store *ps, struct db **ret) VARVE_MUST_CHECK;
/* Inside the page store's transaction.  Creates the schema in an empty store. */
int db_open_writer(struct page_store *ps, struct db **ret) VARVE_MUST_CHECK;
/* Statements must have been finalized; an open transaction is given up without
 * a write.  NULL is allowed. */
void db_close(struct db *db);

/* Our code for SQLite's rc (which must not be OK, ROW or DONE). */
int db_error(struct db *db, int rc);
int db_exec(struct db *db, const char *sql) VARVE_MUST_CHECK;
/* The one integer that a query gives. */
int db_int(struct db *db, const char *query, int64_t *ret) VARVE_MUST_CHECK;
int db_prepare(struct db *db, const char *sql, sqlite3_stmt **ret) VARVE_MUST_CHECK;

#endif
