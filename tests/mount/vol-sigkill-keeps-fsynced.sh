#!/bin/bash
# SPDX-License-Identifier: MIT
# After SIGKILL of the daemon, everything fsynced is there, whole; again and
# again on the same volume.
. "$(dirname "$0")/lib.sh"
requires_fs varve
use_volume 512M

for round in 1 2 3 4 5; do
	mkdir "$M/r$round"
	vt crashwriter "$M/r$round" >"$T/acked" 2>/dev/null &
	writer=$!
	until [ "$(wc -l <"$T/acked")" -ge $((round * 40)) ] || ! kill -0 $writer 2>/dev/null; do :; done
	pid=$(daemon_pid) || { failed "round $round: no daemon found"; exit 1; }
	kill -KILL "$pid"
	gone "$pid"
	wait $writer
	acked=$(grep -x '[0-9]*' "$T/acked" | tail -1)
	check "round $round: something was acknowledged" "${acked:-0}" -gt 0
	umount "$M"
	mount_volume || { failed "round $round: mount"; exit 1; }
	expect ok vt crashcheck "$M/r$round" "$acked"
done
for round in 1 2 3 4 5; do
	expect ok vt crashcheck "$M/r$round" 30
done
