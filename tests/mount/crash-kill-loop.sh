#!/bin/bash
# SPDX-License-Identifier: MIT
# See tests/crash/kill-loop.
exec bash "$(dirname "$0")/../crash/kill-loop" -n 20
