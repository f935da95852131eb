#!/bin/bash
# SPDX-License-Identifier: MIT
# A tree copied by rsync -aHAX is identical to its source.
. "$(dirname "$0")/lib.sh"
requires rsync
use_dir

mkdir src
cp -r /usr/include/linux src/
(
	cd src || exit
	ln linux/fs.h hard
	ln -s linux sym
	mkfifo fifo
	truncate -s 1M sparse
	setfacl -m u:2000:r linux/fs.h
	setfattr -n user.k -v v linux
) 2>/dev/null
ok rsync -aHAXS src/ dst/
expect "" rsync -aHAXSni --checksum --delete src/ dst/
ok diff -r --no-dereference src/linux dst/linux
