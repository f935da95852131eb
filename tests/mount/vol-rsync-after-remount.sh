#!/bin/bash
# SPDX-License-Identifier: MIT
# A tree copied in, then remounted, is what its source is.
. "$(dirname "$0")/lib.sh"
requires rsync
use_volume 1G

rsync -aHAX /usr/include/linux /usr/include/asm-generic "$M/"
remount_volume || failed "remount"
expect "" rsync -aHAXni --checksum /usr/include/linux /usr/include/asm-generic "$M/"
