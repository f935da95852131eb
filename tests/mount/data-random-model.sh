#!/bin/bash
# SPDX-License-Identifier: MIT
# Random reads, writes, truncations, maps, holes, zeroing, clones, direct and
# buffered, give what a copy in memory holds.
. "$(dirname "$0")/lib.sh"
use_dir

for seed in 1 2 3 4; do
	expect ok vt fsx f 3000 $seed
done
