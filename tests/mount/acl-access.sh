#!/bin/bash
# SPDX-License-Identifier: MIT
# A POSIX ACL gives and denies to named users and groups within its mask, and
# the mode's group bits are the mask.
. "$(dirname "$0")/lib.sh"
requires setfacl getfacl
use_dir

perms()
{
	vt -u "$1" -g "$2" -G "${3:-$2}" access f r : access f w
}
echo x >f
chmod 0640 f
chown 1000:1000 f
expect "EACCES EACCES" perms 2000 2000
ok setfacl -m u:2000:rw f
expect "ok ok" perms 2000 2000
expect "0660" vt stat f mode
expect "EACCES EACCES" perms 2001 2001
ok setfacl -m g:3000:r f
expect "ok EACCES" perms 2001 2001 3000
expect "user::rw- user:2000:rw- group::r-- group:3000:r-- mask::rw- other::---" \
	bash -c "getfacl -cp --omit-header f | grep . | paste -sd' '"
# chmod of the group bits changes the mask, not the entries.
chmod 0640 f
expect "ok EACCES" perms 2000 2000
expect "mask::r--" bash -c "getfacl -cp f | grep mask"
expect "user:2000:rw-" bash -c "getfacl -cpE f | grep user:2000"
ok setfacl -m m::rw f
expect "ok ok" perms 2000 2000
expect "ok 0600" vt chmod f 0600 : stat f mode
expect "EACCES EACCES" perms 2000 2000
ok setfacl -b f
expect "none" vt listxattr f
expect "EPERM" vt -u 2000 -g 2000 removexattr f system.posix_acl_access
# Only the owner sets it; what is malformed is refused.
fails setpriv --reuid 2000 --regid 2000 --clear-groups setfacl -m u:2000:rw f
ok setpriv --reuid 1000 --regid 1000 --clear-groups setfacl -m u:2000:rw f
expect_one_of "EINVAL|EOPNOTSUPP" vt setxattr f system.posix_acl_access garbage
