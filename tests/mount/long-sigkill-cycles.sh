#!/bin/bash
# SPDX-License-Identifier: MIT
# A hundred times: load, SIGKILL of the daemon, mount; what was fsynced is
# there, and the file system is usable.
. "$(dirname "$0")/lib.sh"
requires_fs varve
use_volume 1G

for round in $(seq 1 100); do
	mkdir "$M/r$round" || { failed "round $round: mkdir"; exit 1; }
	vt crashwriter "$M/r$round" >"$T/acked" 2>/dev/null &
	writer=$!
	vt fsx "$M/fsx$round" 100000 "$round" >/dev/null 2>&1 &
	other=$!
	until [ "$(wc -l <"$T/acked")" -ge $((round * 7 % 60 + 1)) ] ||
	      ! kill -0 $writer 2>/dev/null; do :; done
	pid=$(daemon_pid) || { failed "round $round: no daemon found"; exit 1; }
	kill -KILL "$pid"
	gone "$pid"
	wait $writer $other
	acked=$(grep -x '[0-9]*' "$T/acked" | tail -1)
	umount "$M"
	mount_volume || { failed "round $round: mount"; exit 1; }
	expect ok vt crashcheck "$M/r$round" "${acked:-0}"
	[ "$round" -le 3 ] || rm -rf "$M/r$((round - 3))" "$M/fsx$((round - 3))"
done
