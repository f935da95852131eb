#!/bin/bash
# SPDX-License-Identifier: MIT
# unlink and rmdir fail with the errno of their reason.
. "$(dirname "$0")/lib.sh"
use_dir

mkdir d e
echo x >f
echo x >d/f
expect "EISDIR EISDIR" vt unlink d : unlink e
expect "ENOTDIR ENOTEMPTY ok" vt rmdir f : rmdir d : rmdir e
expect "ENOENT ENOENT ENOTDIR ENOTDIR" vt unlink missing : rmdir missing : unlink f/x : rmdir f/x
expect "EINVAL" vt rmdir d/.
expect "ENOTEMPTY" vt rmdir d/..
chmod 0755 d
expect "EACCES" vt -u 1000 -g 1000 unlink d/f
expect "ok ok" vt unlink d/f : rmdir d
