#!/bin/bash
# SPDX-License-Identifier: MIT
# Random operations on one file against a copy in memory, many seeds.
. "$(dirname "$0")/lib.sh"
use_dir

for seed in $(seq 1001 1030); do
	expect ok vt fsx f 10000 "$seed"
done
