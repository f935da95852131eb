#!/bin/bash
# SPDX-License-Identifier: MIT
# After SIGKILL of the daemon the volume holds what some prefix of all
# operations made: files that were made in order are there without a gap.
. "$(dirname "$0")/lib.sh"
requires_fs varve
use_volume

for round in 1 2 3; do
	mkdir "$M/r$round"
	vt makefiles "$M/r$round" 0 1000000 >/dev/null 2>&1 &
	maker=$!
	until [ -e "$M/r$round/f00${round}000" ] || ! kill -0 $maker 2>/dev/null; do :; done
	pid=$(daemon_pid)
	kill -KILL "$pid"
	gone "$pid"
	wait $maker
	umount "$M"
	mount_volume || { failed "round $round: mount"; exit 1; }
	[ -d "$M/r$round" ] || { mkdir "$M/r$round"; continue; }
	n=$(find "$M/r$round" -type f | wc -l)
	if [ "$n" -gt 0 ]; then
		last=$(printf 'f%06d' $((n - 1)))
		expect "file" vt stat "$M/r$round/$last"
		expect "$last" bash -c "ls '$M/r$round' | tail -1"
	fi
	rm -rf "$M/r$round"
done
