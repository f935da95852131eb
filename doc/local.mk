# SPDX-License-Identifier: MIT
dist_doc_DATA += README NEWS LICENSE
dist_doc_DATA += doc/architecture.md doc/durability.md doc/format.md doc/hacking.md doc/locking.md doc/testing.md
dist_man_MANS += doc/man/varve.8 doc/man/fsck.varve.8
dist_man_MANS += doc/man/mkfs.varve.8 doc/man/mount.varve.8 doc/man/umount.varve.8
