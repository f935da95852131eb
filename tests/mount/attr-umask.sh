#!/bin/bash
# SPDX-License-Identifier: MIT
# The umask takes bits away from what is created, and from nothing else.
. "$(dirname "$0")/lib.sh"
use_dir

expect "ok ok ok ok 0640 0750 0640 ok 0666" vt umask 027 : tryopen f rdwr,creat 0666 : \
	mkdir d 0777 : mknod p p 0666 : stat f mode : stat d mode : stat p mode : \
	chmod f 0666 : stat f mode
