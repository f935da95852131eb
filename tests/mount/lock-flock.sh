#!/bin/bash
# SPDX-License-Identifier: MIT
# flock locks belong to the open file: shared and exclusive, converted, and
# gone with its last descriptor.
. "$(dirname "$0")/lib.sh"
use_dir

session a
session b
for s in a b; do
	expect ok ask $s open "$D/f" rdwr,creat 0644
done
expect ok ask a flock 0 sh
expect ok ask b flock 0 sh,nb
expect EAGAIN ask a flock 0 ex,nb
expect ok ask b flock 0 un
expect ok ask a flock 0 ex,nb
expect EAGAIN ask b flock 0 sh,nb
# The same process through another open is another owner.
expect ok ask a open "$D/f" rdwr
expect EAGAIN ask a flock 1 sh,nb
send b flock 0 ex
expect ok ask a close 0
expect ok answer b
finish_session b
expect ok ask a flock 1 ex,nb
finish_session a
