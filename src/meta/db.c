/* SPDX-License-Identifier: MIT */
/* db.c - opening the metadata database: settings, schema, error codes. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/msg.h"
#include "meta/db.h"

int db_error(struct db *db, int rc)
{
	int err = vfs_take_error(&db->conn);

	if (err)
		return err;
	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	default:
		return -VE_DB;
	}
}

int db_exec(struct db *db, const char *sql)
{
	int rc = sqlite3_exec(db->sql, sql, NULL, NULL, NULL);

	return rc ? db_error(db, rc) : 0;
}

int db_prepare(struct db *db, const char *sql, sqlite3_stmt **ret)
{
	int rc = sqlite3_prepare_v3(db->sql, sql, -1, SQLITE_PREPARE_PERSISTENT,
				    ret, NULL);

	return rc ? db_error(db, rc) : 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	db->conn.dead = true;
	if (db->sql && sqlite3_close(db->sql))
		msg_panic("metadata database closed while in use: %s",
			  sqlite3_errmsg(db->sql));
	vfs_detach(&db->conn);
	free(db);
}

/* --- the schema, as SQLite keeps it --- */
static int schema_text(sqlite3 *sql, char **ret)
{
	static const char query[] =
		"SELECT group_concat(t, char(10)) FROM (SELECT type || ' ' || name"
		" || ' ' || tbl_name || ' ' || coalesce(sql, '') AS t"
		" FROM sqlite_schema ORDER BY name)";
	sqlite3_stmt *s = NULL;
	const char *text;
	int rc;

	*ret = NULL;
	rc = sqlite3_prepare_v2(sql, query, -1, &s, NULL);
	if (!rc && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		text = (const char *)sqlite3_column_text(s, 0);
		*ret = text ? strdup(text) : strdup("");
		rc = *ret ? SQLITE_OK : SQLITE_NOMEM;
	}
	sqlite3_finalize(s);
	return rc;
}

static pthread_once_t expected_once = PTHREAD_ONCE_INIT;
static char *expected;

/* What the schema of this version looks like: made once, in memory. */
static void make_expected(void)
{
	sqlite3 *sql = NULL;

	if (sqlite3_open_v2(":memory:", &sql, SQLITE_OPEN_READWRITE |
			    SQLITE_OPEN_NOMUTEX, NULL) ||
	    sqlite3_exec(sql, db_schema, NULL, NULL, NULL) ||
	    schema_text(sql, &expected))
		msg_panic("built-in schema: %s", sqlite3_errmsg(sql));
	sqlite3_close(sql);
}

int db_int(struct db *db, const char *query, int64_t *ret)
{
	sqlite3_stmt *s;
	int err = db_prepare(db, query, &s), rc;

	if (err)
		return err;
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(s, 0);
	else
		err = db_error(db, rc);
	sqlite3_finalize(s);
	return err;
}

static int check_schema(struct db *db)
{
	int64_t app = 0, version = 0;
	char *text = NULL;
	int err, rc;

	err = db_int(db, "PRAGMA application_id", &app);
	if (!err)
		err = db_int(db, "PRAGMA user_version", &version);
	if (err)
		return err;
	if (app != DB_APPLICATION_ID || version != DB_USER_VERSION)
		return -VE_DB_SCHEMA;
	rc = schema_text(db->sql, &text);
	if (rc)
		return db_error(db, rc);
	pthread_once(&expected_once, make_expected);
	if (strcmp(text, expected))
		err = -VE_DB_SCHEMA;
	free(text);
	return err;
}

/* --- opening --- */
/* Before the file is read for the first time.  A hostile image gets no way to
 * run anything: no triggers, views, attached files, or functions of its own
 * choice; and rows have a size that we can bear. */
static int harden(struct db *db)
{
	static const struct {
		int what, limit;
	} limits[] = {
		{ SQLITE_LIMIT_LENGTH, 1 << 20 },
		{ SQLITE_LIMIT_SQL_LENGTH, 1 << 16 },
		{ SQLITE_LIMIT_ATTACHED, 0 },
		{ SQLITE_LIMIT_TRIGGER_DEPTH, 1 },
		{ SQLITE_LIMIT_WORKER_THREADS, 0 },
	};
	static const struct {
		int what, on;
	} options[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },
		{ SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
		{ SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
		{ SQLITE_DBCONFIG_ENABLE_FKEY, 0 },
		{ SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
		{ SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0 },
	};
	size_t i;
	int rc;

	for (i = 0; i < ARRAY_LEN(limits); i++)
		sqlite3_limit(db->sql, limits[i].what, limits[i].limit);
	for (i = 0; i < ARRAY_LEN(options); i++) {
		rc = sqlite3_db_config(db->sql, options[i].what, options[i].on, NULL);
		if (rc)
			return db_error(db, rc);
	}
	return db_exec(db, "PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY;"
			   "PRAGMA mmap_size=0; PRAGMA foreign_keys=OFF;"
			   "PRAGMA recursive_triggers=OFF;"
			   "PRAGMA secure_delete=OFF;");
}

static int db_new(struct page_store *ps, bool writer, struct db **ret)
{
	int flags = SQLITE_OPEN_NOMUTEX;
	struct db *db = xcalloc(1, sizeof(*db));
	int err, rc;

	err = vfs_attach(&db->conn, ps, writer);
	if (err) {
		free(db);
		return err;
	}
	flags |= writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE :
			  SQLITE_OPEN_READONLY;
	rc = sqlite3_open_v2(db->conn.name, &db->sql, flags, VFS_NAME);
	if (rc) {
		err = db_error(db, rc);
		db_close(db);
		return err;
	}
	*ret = db;
	return 0;
}

int db_open_reader(struct page_store *ps, struct db **ret)
{
	struct db *db;
	int err = db_new(ps, false, &db);

	if (err)
		return err;
	err = harden(db);
	if (!err) /* the page store has the cache that all readers share */
		err = db_exec(db, "PRAGMA cache_size=-2048");
	if (!err)
		err = check_schema(db);
	if (err) {
		db_close(db);
		return err;
	}
	*ret = db;
	return 0;
}

int db_open_writer(struct page_store *ps, struct db **ret)
{
	struct db *db;
	bool empty;
	int err = db_new(ps, true, &db);

	if (err)
		return err;
	vfs_txn_start(&db->conn);
	empty = ps->ops->txn_npages(ps) == 0; /* auto_vacuum writes a page */
	/* DEFENSIVE forbids journal_mode=OFF: it comes after it.
	 * locking_mode=NORMAL so that every transaction counts up the change
	 * counter, by which readers notice a new image. */
	err = db_exec(db, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
			  "PRAGMA locking_mode=NORMAL; PRAGMA cache_size=-32768;"
			  "PRAGMA page_size=4096; PRAGMA encoding='UTF-8';"
			  "PRAGMA auto_vacuum=INCREMENTAL;");
	if (!err)
		err = harden(db);
	if (!err && empty) {
		err = db_exec(db, "BEGIN IMMEDIATE");
		if (!err)
			err = db_exec(db, db_schema);
		if (!err)
			err = db_exec(db, "COMMIT");
	}
	if (!err)
		err = check_schema(db);
	if (err) {
		db_close(db);
		return err;
	}
	*ret = db;
	return 0;
}
