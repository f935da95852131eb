# SPDX-License-Identifier: MIT
dist_doc_DATA += doc/format.md
dist_man_MANS += doc/man/fsck.varve.8
dist_man_MANS += doc/man/mkfs.varve.8 doc/man/mount.varve.8 doc/man/umount.varve.8
