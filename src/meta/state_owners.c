/* SPDX-License-Identifier: MIT */
/* state_owners.c - who has rows in the image, from the side of the rows. */
#include <errno.h>

#include "meta/db.h"
#include "meta/state_priv.h"

static const char *const owners_sql[OWNER_TABLES] = {
	[OWNER_ENTRIES] = "SELECT DISTINCT dir FROM entries ORDER BY dir",
	[OWNER_EXTENTS] = "SELECT DISTINCT ino FROM extents ORDER BY ino",
	[OWNER_XATTRS] = "SELECT DISTINCT ino FROM xattrs ORDER BY ino",
	[OWNER_TARGETS] = "SELECT ino FROM targets ORDER BY ino",
};

int state_owners(struct state *st, struct reader *rd, enum owner_table t, owner_fn fn,
		 void *arg)
{
	sqlite3_stmt *s;
	struct db *db;
	int err, rc;

	err = reader_image(rd, &db);
	if (err || !db)
		return err;
	err = db_prepare(db, owners_sql[t], &s);
	if (err)
		return err;
	while ((rc = sqlite3_step(s)) == SQLITE_ROW && !err) {
		int64_t ino = sqlite3_column_int64(s, 0);

		err = fn(arg, (uint64_t)ino);
	}
	if (!err && rc != SQLITE_DONE)
		err = db_error(db, rc);
	sqlite3_finalize(s);
	return err;
}
