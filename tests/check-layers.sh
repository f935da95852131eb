#!/bin/sh
# SPDX-License-Identifier: MIT
# check-layers.sh - each layer includes only what stands left of it (doc/hacking.md).
src=${srcdir:-$(dirname "$0")/..}/src
bad=0
check() { # layer, allowed layers
	layer=$1; shift
	allowed=$(echo "$layer $*" | tr ' ' '|')
	out=$(grep -nE '^#include "[a-z]+/' "$src/$layer"/*.[ch] 2>/dev/null |
		grep -vE "\"($allowed)/")
	if [ -n "$out" ]; then
		echo "layer $layer includes what it must not:"
		echo "$out"
		bad=1
	fi
}
check base
check dev base
check log base dev
check meta base
check store base dev log meta
check fs base dev log meta store
check gc base dev log meta store
check fuse base dev log meta store fs gc
check cmd base dev log meta store fs gc fuse
[ $bad = 0 ] && echo "layers are clean"
exit $bad
