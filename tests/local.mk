# SPDX-License-Identifier: MIT
# Test programs, numbered by layer: the lowest failure shows first.
# Each set of tests has its own fragment, so that they can grow side by side.
BASE_LIBS = src/base/libvbase.a
DEV_LIBS = src/dev/libvdev.a $(BASE_LIBS) $(URING_LIBS)
LOG_LIBS = src/log/libvlog.a $(DEV_LIBS)
META_LIBS = src/meta/libvmeta.a $(BASE_LIBS) $(SQLITE_LIBS)
STORE_LIBS = src/store/libvstore.a src/log/libvlog.a src/meta/libvmeta.a \
	src/dev/libvdev.a $(BASE_LIBS) $(URING_LIBS) $(SQLITE_LIBS) $(ZSTD_LIBS)
FS_LIBS = src/fs/libvfs.a $(STORE_LIBS)

include tests/t01.mk
include tests/t2log.mk
include tests/t2meta.mk
include tests/t3pstore.mk
include tests/t3.mk
include tests/t4.mk
include tests/t5.mk
include tests/model.mk
include tests/fsck.mk
include tests/fuzz.mk
include tests/backup.mk
include tests/mount.mk
include tests/crash.mk
