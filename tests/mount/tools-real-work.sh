#!/bin/bash
# SPDX-License-Identifier: MIT
# git, tar, make-like work and find behave as anywhere.
. "$(dirname "$0")/lib.sh"
requires git tar
use_dir

(
	export HOME=$D GIT_CONFIG_NOSYSTEM=1
	git init -q -b main repo && cd repo || exit 1
	git config user.name t && git config user.email t@example.org
	cp -r /usr/include/linux . && git add . && git commit -qm one || exit 1
	find linux -name 'a*.h' -delete
	git commit -qam two && git gc -q && git fsck --strict 2>&1 || exit 1
	git checkout -q HEAD~1 && diff -r /usr/include/linux linux || exit 1
	[ -z "$(git status --porcelain)" ]
) >log 2>&1 || failed "git: $(tail -3 log)"
tar -C /usr/include -cf t.tar linux
mkdir x
ok tar -C x -xf t.tar
ok tar -C x -df t.tar
