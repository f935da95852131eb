#!/bin/bash
# SPDX-License-Identifier: MIT
# rename replaces a file by a file and an empty directory by a directory, and
# every other combination has its errno.
. "$(dirname "$0")/lib.sh"
use_dir

put()
{
	case $1 in
	none) ;;
	file) echo "$2" >"$2" ;;
	dir) mkdir "$2" ;;
	full) mkdir "$2" && echo x >"$2/x" ;;
	symlink) ln -s nowhere "$2" ;;
	fifo) mkfifo "$2" ;;
	socket) vt mknod "$2" s 0644 >/dev/null ;;
	char) mknod "$2" c 1 3 ;;
	esac
}
kind()
{
	case $1 in
	full) echo dir ;;
	*) echo "$1" ;;
	esac
}
for from in none file dir full symlink fifo socket char; do
	for to in none file dir full symlink fifo socket char; do
		put $from from
		put $to to
		case $from,$to in
		none,*) want=ENOENT ;;
		dir,none|full,none|dir,dir|full,dir) want=ok ;;
		dir,full|full,full) want=ENOTEMPTY ;;
		dir,*|full,*) want=ENOTDIR ;;
		*,dir|*,full) want=EISDIR ;;
		*) want=ok ;;
		esac
		expect "$want" vt rename from to
		if [ $want = ok ]; then
			expect "ENOENT $(kind $from)" vt lstat from : lstat to
		elif [ $from != none ]; then
			expect "$(kind $from)" vt lstat from
		fi
		rm -rf from to
	done
done
