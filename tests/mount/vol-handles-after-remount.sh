#!/bin/bash
# SPDX-License-Identifier: MIT
# A handle finds its file after a remount; that of a removed file stays ESTALE
# although inode numbers may be used again.
. "$(dirname "$0")/lib.sh"
use_volume

echo kept >"$M/kept"
mkdir "$M/d"
echo gone >"$M/gone"
h_kept=$(vt handle "$M/kept")
h_d=$(vt handle "$M/d")
h_gone=$(vt handle "$M/gone")
rm "$M/gone"
ok remount_volume
expect "ok kept\\x0a" vt openhandle "$M" "$h_kept" : pread 0 0 9
expect "ok dir" vt openhandle "$M" "$h_d" : fstat 0 type
vt makefiles "$M/d" 0 200 >/dev/null
expect ESTALE vt openhandle "$M" "$h_gone"
mv "$M/kept" "$M/d/renamed"
ok remount_volume
expect "ok kept\\x0a" vt openhandle "$M" "$h_kept" : pread 0 0 9
