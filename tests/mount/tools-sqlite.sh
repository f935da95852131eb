#!/bin/bash
# SPDX-License-Identifier: MIT
# SQLite in WAL mode (shared memory and locks) with several writers keeps
# every row.
. "$(dirname "$0")/lib.sh"
requires sqlite3
use_dir

sqlite3 db 'PRAGMA journal_mode=WAL; CREATE TABLE t(w, n)' >/dev/null
for w in 1 2 3 4; do
	(
		for n in $(seq 1 25); do
			echo ".timeout 20000"
			echo "INSERT INTO t VALUES($w, $n);"
		done | sqlite3 -bail db
	) >"log$w" 2>&1 &
done
wait
for w in 1 2 3 4; do
	expect "" cat "log$w"
done
expect 100 sqlite3 db "SELECT count(*) FROM (SELECT DISTINCT w, n FROM t)"
expect ok sqlite3 db "PRAGMA integrity_check"
