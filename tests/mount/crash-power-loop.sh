#!/bin/bash
# SPDX-License-Identifier: MIT
# See tests/crash/power-loop.
exec bash "$(dirname "$0")/../crash/power-loop" -n 5
