#!/bin/bash
# SPDX-License-Identifier: MIT
# Shared mappings and read and write see each other's changes at once; private
# ones keep theirs; beyond the end is SIGBUS.
. "$(dirname "$0")/lib.sh"
use_dir

expect "ok ok ok ok hello 5 world 5 WORLD" vt open f rdwr,creat 0644 : ftruncate 0 8192 : \
	map 0 8192 rw shared : mwrite 0 100 hello : pread 0 100 5 : pwrite 0 200 world : \
	mread 0 200 5 : pwrite 0 8000 WORLD : mread 0 8000 5
expect "ok hello" vt open f rdonly : pread 0 100 5
expect "ok ok ok hello HELLO hello" vt open f rdwr : map 0 8192 rw private : mwrite 0 100 HELLO : \
	pread 0 100 5 : mread 0 100 5 : pread 0 100 5
# Two mappings of one file in one process.
expect "ok ok ok ok ok both" vt open f rdwr : open f rdwr : map 0 8192 rw shared : \
	map 1 8192 rw shared : mwrite 0 300 both : mread 1 300 4
expect "ok ok ok SIGBUS" vt open f rdwr : map 0 16384 r shared : ftruncate 0 4096 : mread 0 8192 1
expect "ok EACCES" vt open f rdonly : map 0 4096 rw shared
expect "ok ok" vt open f rdonly : map 0 4096 rw private
# A mapping outlives its descriptor and the name.
expect "ok ok ok ok ok later ok" vt open f rdwr : map 0 4096 rw shared : close 0 : unlink f : \
	mwrite 0 0 later : mread 0 0 5 : msync 0
