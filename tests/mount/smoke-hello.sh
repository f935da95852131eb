#!/bin/bash
# SPDX-License-Identifier: MIT
# What is written to a file is read back from it.
. "$(dirname "$0")/lib.sh"
use_dir

echo hello >file
expect hello cat file
