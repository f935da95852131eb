#!/bin/bash
# SPDX-License-Identifier: MIT
# See tests/crash/kill-loop: on a loop device, where syncfs is a promise.
exec bash "$(dirname "$0")/../crash/kill-loop" -n 8 -b
