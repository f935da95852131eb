#!/bin/bash
# SPDX-License-Identifier: MIT
# Of processes that create one name with O_EXCL at once, exactly one wins.
. "$(dirname "$0")/lib.sh"
use_dir
expect ok vt exclusive f 4 100
