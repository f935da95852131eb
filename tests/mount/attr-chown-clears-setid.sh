#!/bin/bash
# SPDX-License-Identifier: MIT
# A chown by an ordinary owner takes set-user-ID and set-group-ID away from a
# file that can be executed; a set-group-ID bit without group execution stays.
. "$(dirname "$0")/lib.sh"
use_dir

vt mknod f f 0644 >/dev/null
chown 1000:1000 f
for mode in 04755 02755 06755 06555; do
	chgrp 1000 f
	chmod $mode f
	expect "ok 0${mode:2}" vt -u 1000 -g 1000 -G 1001 chown f -1 1001 : stat f mode
done
