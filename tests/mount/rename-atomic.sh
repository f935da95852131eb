#!/bin/bash
# SPDX-License-Identifier: MIT
# A name that is replaced by rename exists at every moment, with old or new
# content.
. "$(dirname "$0")/lib.sh"
use_dir
expect ok vt replaced f 3000
