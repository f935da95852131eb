#!/bin/bash
# SPDX-License-Identifier: MIT
# A default ACL is what new files and directories start with; directories
# inherit it, the umask does not count, and the created mode limits the mask.
. "$(dirname "$0")/lib.sh"
requires setfacl getfacl
use_dir

mkdir d
chmod 0755 d
ok setfacl -d -m u::rwx,u:2000:rwx,g::rx,o::-,m::rwx d
expect "0755" vt stat d mode
expect "ok ok 0660" vt umask 077 : tryopen d/f rdwr,creat 0666 : stat d/f mode
expect "user::rw- user:2000:rwx #effective:rw- group::r-x #effective:r-- mask::rw- other::---" \
	bash -c "getfacl -cp d/f | grep . | tr -s '\t' ' ' | paste -sd' '"
expect "ok ok" vt -u 2000 -g 2000 access d/f r : access d/f w
expect "ok ok 0770" vt umask 077 : mkdir d/s 0777 : stat d/s mode
expect "default:user:2000:rwx" bash -c "getfacl -cp d/s | grep default:user:2000"
expect "ok ok 0640" vt umask 0 : tryopen d/g rdwr,creat 0640 : stat d/g mode
expect "mask::r--" bash -c "getfacl -cp d/g | grep mask"
expect "ok EACCES" vt -u 2000 -g 2000 access d/g r : access d/g w
for op in "mknod d/p p 0666" "mknod d/n f 0666"; do
	# shellcheck disable=SC2086
	expect "ok ok 0660" vt umask 022 : $op : stat "$(echo "$op" | cut -d' ' -f2)" mode
done
ok ln -s x d/l
ok setfacl -k d
expect "ok ok 0644" vt umask 022 : tryopen d/after rdwr,creat 0666 : stat d/after mode
echo x >plain
fails setfacl -d -m u:2000:rwx plain
