#!/bin/bash
# SPDX-License-Identifier: MIT
# FIFOs, sockets, devices and files are made by mknod with type, mode and
# device numbers; devices are for root.
. "$(dirname "$0")/lib.sh"
use_dir

expect "ok fifo,0644" vt mknod p p 0644 : lstat p type,mode
expect "ok socket,0600" vt mknod s s 0600 : lstat s type,mode
expect "ok char,1:3" vt mknod c c 0666 1 3 : lstat c type,rdev
expect "ok block,4095:1048575" vt mknod b b 0660 4095 1048575 : lstat b type,rdev
expect "ok file,0640" vt mknod f f 0640 : lstat f type,mode
for t in p s c b f; do
	expect "EEXIST" vt mknod $t $t 0644 1 3
done
chmod 0777 .
expect "EPERM EPERM ok ok" vt -u 1000 -g 1000 mknod x c 0666 1 3 : mknod x b 0666 1 3 : \
	mknod up p 0644 : mknod us s 0644
# A FIFO and a socket carry data.
(echo through the fifo >p) &
expect "through the fifo" cat p
wait
expect "ok ok" vt bind sock : connect sock
expect "ECONNREFUSED" vt connect s
expect "ENXIO" vt tryopen s rdonly
expect "ENXIO" vt tryopen p wronly,nonblock
