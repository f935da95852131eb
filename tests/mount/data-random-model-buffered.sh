#!/bin/bash
# SPDX-License-Identifier: MIT
# The same, buffered reads and writes with truncation and reopening only.
. "$(dirname "$0")/lib.sh"
use_dir

for seed in 11 12; do
	expect ok vt fsx f 4000 $seed wwrrto
done
