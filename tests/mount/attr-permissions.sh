#!/bin/bash
# SPDX-License-Identifier: MIT
# Read, write, execute and search follow owner, group and others, also for
# supplementary groups; root needs an execute bit only to execute.
. "$(dirname "$0")/lib.sh"
use_dir

echo '#!/bin/sh' >f
chown 1000:2000 f
for case in "0400 1000 1000 - ok EACCES EACCES" "0200 1000 1000 - EACCES ok EACCES" \
	"0040 1001 2000 - ok EACCES EACCES" "0040 1001 1001 2000 ok EACCES EACCES" \
	"0004 1001 1001 - ok EACCES EACCES" "0077 1000 1000 - EACCES EACCES EACCES" \
	"0707 1001 2000 - EACCES EACCES EACCES" "0700 1000 1000 - ok ok ok" \
	"0000 0 0 - ok ok EACCES" "0010 0 0 - ok ok ok"; do
	# shellcheck disable=SC2086
	set -- $case
	chmod "$1" f
	g=$4
	[ "$g" != - ] || g=$3
	expect "$5 $6 $7" vt -u "$2" -g "$3" -G "$g" access f r : access f w : access f x
done
mkdir d
echo x >d/f
chmod 0644 d/f
chmod 0711 d
expect "EACCES ok" vt -u 1000 -g 1000 ls d : tryopen d/f rdonly
chmod 0744 d
expect "f EACCES" vt -u 1000 -g 1000 ls d : tryopen d/f rdonly
chmod 0755 d
expect "EACCES EACCES" vt -u 1000 -g 1000 mknod d/n f 0644 : unlink d/f
chmod 0733 d
expect "ok ok" vt -u 1000 -g 1000 mknod d/n f 0644 : unlink d/n
