#!/bin/bash
# SPDX-License-Identifier: MIT
# A user mounts an image that is the user's own through fusermount3, and
# unmounts it; another's image is refused.
. "$(dirname "$0")/lib.sh"
requires_fs varve
requires fusermount3 setpriv
[ -u "$(type -P fusermount3)" ] || skip "fusermount3 is not set-user-ID"

as_user()
{
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}
# Where /dev/fuse is closed to users, one of our own takes its place, for this
# script alone.
if ! as_user test -r /dev/fuse -a -w /dev/fuse; then
	if [ -z "${VARVE_PRIVATE:-}" ]; then
		VARVE_PRIVATE=1 unshare -m --propagation private bash "$0"
		exit
	fi
	mknod -m 666 "$T/fuse" c 10 229
	mount --bind "$T/fuse" /dev/fuse
	as_user test -r /dev/fuse -a -w /dev/fuse || skip "no /dev/fuse for users"
fi
cp "$(type -P mount.varve)" "$(type -P mkfs.varve)" "$T/"
chmod 755 "$T"/*.varve
mkdir "$T/home" "$T/home/mnt"
chown -R 65534:65534 "$T/home"
truncate -s 256M "$T/home/img" "$T/rootimg"
chown 65534:65534 "$T/home/img"
chmod 600 "$T/rootimg"
ok mkfs.varve "$T/rootimg"
cd "$T/home" || exit 1
ok as_user "$T/mkfs.varve" "$T/home/img"
ok as_user "$T/mount.varve" "$T/home/img" "$T/home/mnt"
is_mounted "$T/home/mnt" || { failed "not mounted"; exit 1; }
ok as_user bash -c "echo mine >mnt/f && mkdir mnt/d"
expect mine as_user cat mnt/f
expect "65534,65534" as_user "$VT" stat mnt/f uid,gid
ok as_user fusermount3 -u "$T/home/mnt"
ok as_user "$T/mount.varve" "$T/home/img" "$T/home/mnt"
expect mine as_user cat mnt/f
ok as_user fusermount3 -u "$T/home/mnt"
fails as_user "$T/mount.varve" "$T/rootimg" "$T/home/mnt"
