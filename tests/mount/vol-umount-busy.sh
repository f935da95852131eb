#!/bin/bash
# SPDX-License-Identifier: MIT
# umount with a file open fails and leaves the mount as it is.
. "$(dirname "$0")/lib.sh"
use_volume

session a
expect ok ask a open "$M/f" rdwr,creat 0644
fails umount "$M"
expect 2 ask a pwrite 0 0 ok
finish_session a
expect ok cat "$M/f"
