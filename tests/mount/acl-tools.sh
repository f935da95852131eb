#!/bin/bash
# SPDX-License-Identifier: MIT
# cp -a and tar keep ACLs and attributes.
. "$(dirname "$0")/lib.sh"
requires setfacl getfacl
use_dir

mkdir d
echo x >d/f
setfacl -m u:2000:r,g:3000:rw d/f
setfacl -d -m u:2000:rwx d
vt setxattr d/f user.note kept >/dev/null
cp -a d e
ok diff <(cd d && getfacl -R .) <(cd e && getfacl -R .)
expect kept vt getxattr e/f user.note
mkdir x
tar --acls --xattrs -C d -cf - . | tar --acls --xattrs -C x -xf -
ok diff <(cd d && getfacl -R .) <(cd x && getfacl -R .)
expect kept vt getxattr x/f user.note
