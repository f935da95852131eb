#!/bin/bash
# SPDX-License-Identifier: MIT
# An append-only file can only grow; such a directory only gains entries.
. "$(dirname "$0")/lib.sh"
use_dir

echo one >f
expect "ok none ok append" vt open f rdonly : getflags 0 : setflags 0 append : getflags 0
expect "EPERM EPERM ok" vt tryopen f wronly : tryopen f wronly,append,trunc : tryopen f wronly,append
echo two >>f || failed "appending"
expect "one two" bash -c "paste -sd' ' f"
expect "EPERM EPERM EPERM EPERM EPERM EPERM" vt truncate f 0 : unlink f : rename f g : link f g : \
	chmod f 0600 : utimens f 5 5
expect "ok" vt utimens f now now
expect "ok ok" vt open f rdonly : setflags 0 none
expect "ok" vt truncate f 0
mkdir d
echo x >d/a
expect "ok ok ok EPERM EPERM EPERM ok" vt open d rdonly : setflags 0 append : mknod d/b f 0644 : unlink d/a : \
	rename d/a d/c : rename d/a c : setflags 0 none
expect "ok" vt unlink d/a
