#!/bin/bash
# SPDX-License-Identifier: MIT
# An image that is mounted is not mounted again and not formatted, and the
# message says why; it is not harmed.
. "$(dirname "$0")/lib.sh"
requires_fs varve
use_volume

echo content >"$M/f"
mkdir "$T/second"
if mount.varve "$IMG" "$T/second" -o "$opts" 2>"$T/err"; then
	failed "mounted twice"
fi
grep -qiE 'mounted|in use|busy|held' "$T/err" || failed "reason: $(cat "$T/err")"
for f in "" -f; do
	# shellcheck disable=SC2086
	if mkfs.varve $f "$IMG" >/dev/null 2>"$T/err"; then
		failed "mkfs $f of a mounted image"
	fi
	grep -qiE 'mounted|in use|busy|held' "$T/err" || failed "reason: $(cat "$T/err")"
done
expect content cat "$M/f"
ok remount_volume
expect content cat "$M/f"
