#!/bin/bash
# SPDX-License-Identifier: MIT
# The same, direct and buffered writes mixed.
. "$(dirname "$0")/lib.sh"
use_dir

for seed in 21 22; do
	expect ok vt fsx f 3000 $seed wwddrrDDtso
done
