#!/bin/bash
# SPDX-License-Identifier: MIT
# Thousands of files of a few bytes hold what was written to each.
. "$(dirname "$0")/lib.sh"
use_dir

for i in $(seq 1 2000); do
	printf 'file number %d' "$i" >"s$i"
done
for i in 1 2 777 1234 1999 2000; do
	expect "file number $i" cat s$i
done
expect "$(for i in $(seq 1 2000); do printf 'file number %d' "$i"; done | md5sum)" \
	bash -c 'for i in $(seq 1 2000); do cat s$i; done | md5sum'
