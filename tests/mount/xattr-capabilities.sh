#!/bin/bash
# SPDX-License-Identifier: MIT
# File capabilities are kept, and cleared by a write or a chown.
. "$(dirname "$0")/lib.sh"
requires setcap getcap
use_dir

cp "$(type -P true)" f
chmod 0755 f
setcap cap_net_raw+ep f || skip "no file capabilities"
expect "f cap_net_raw=ep" getcap f
expect "ok 1" vt open f wronly : pwrite 0 0 x
expect "" getcap f
setcap cap_net_raw+ep f
ok chown 1000 f
expect "" getcap f
