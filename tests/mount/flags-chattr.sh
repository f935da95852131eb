#!/bin/bash
# SPDX-License-Identifier: MIT
# lsattr and chattr show and change the flags.
. "$(dirname "$0")/lib.sh"
requires chattr lsattr
use_dir

echo x >f
ok chattr +i f
expect i bash -c "lsattr f | cut -d' ' -f1 | tr -cd 'iaA'"
ok chattr -i +A f
expect A bash -c "lsattr f | cut -d' ' -f1 | tr -cd 'iaA'"
ok chattr -A +a f
expect a bash -c "lsattr f | cut -d' ' -f1 | tr -cd 'iaA'"
ok chattr -a f
mkdir d
ok chattr +A d
expect "A" bash -c "lsattr -d d | cut -d' ' -f1 | tr -cd 'iaA'"
# New files take noatime from their directory.
echo x >d/f
expect "A" bash -c "lsattr d/f | cut -d' ' -f1 | tr -cd 'iaA'"
is_fs varve || exit 0
fails chattr +j f
