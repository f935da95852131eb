#!/bin/bash
# SPDX-License-Identifier: MIT
# PostgreSQL makes a cluster, runs pgbench and finds it sound after a remount.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:$(printf '%s:' /usr/lib/postgresql/*/bin)
requires initdb pgbench pg_ctl setpriv
use_volume 4G

as_user()
{
	(cd "$M/pg" && HOME=$M/pg setpriv --reuid 65534 --regid 65534 --clear-groups "$@")
}
mkdir "$M/pg"
chown 65534:65534 "$M/pg"
ok as_user initdb -k -D data
ok as_user pg_ctl -w -D data -l log -o "-k $M/pg -h ''" start
ok as_user pgbench -h "$M/pg" -i -s 5 postgres
ok as_user pgbench -h "$M/pg" -c 8 -T 20 postgres
ok as_user pg_ctl -w -D data -m fast stop
remount_volume || failed "remount"
ok as_user pg_checksums -c -D data
ok as_user pg_ctl -w -D data -l log -o "-k $M/pg -h ''" start
expect 500000 as_user psql -h "$M/pg" -tAc "SELECT count(*) FROM pgbench_accounts" postgres
ok as_user pg_ctl -w -D data -m fast stop
