#!/bin/bash
# SPDX-License-Identifier: MIT
# Open file description locks do not go with another descriptor's close.
. "$(dirname "$0")/lib.sh"
use_dir

session a
session b
for s in a b; do
	expect ok ask $s open "$D/f" rdwr,creat 0644
done
expect ok ask a olock 0 w 0 10
expect ok ask a open "$D/f" rdwr
expect ok ask a close 1
expect EAGAIN ask b olock 0 w 5 1
expect EAGAIN ask b lock 0 w 5 1
expect ok ask a close 0
expect ok ask b olock 0 w 5 1
finish_session a
finish_session b
