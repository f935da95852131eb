#!/bin/bash
# SPDX-License-Identifier: MIT
# While entries come, go and are renamed, a scan gives every entry that stays
# exactly once and no entry twice.
. "$(dirname "$0")/lib.sh"
use_dir

mkdir d
expect "ok ok" vt makefiles d 0 2000 : churn d 2000 40
