# SPDX-License-Identifier: MIT
dist_doc_DATA += doc/format.md
dist_man_MANS += doc/man/fsck.varve.8
