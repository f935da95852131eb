# SPDX-License-Identifier: MIT
noinst_LIBRARIES += src/store/libvstore.a
src_store_libvstore_a_SOURCES = \
	src/store/apply.c \
	src/store/apply_data.c \
	src/store/apply_int.h \
	src/store/backup.c src/store/backup.h \
	src/store/bkread.c \
	src/store/check.c src/store/check.h \
	src/store/check_data.c \
	src/store/check_fix.c \
	src/store/check_int.h \
	src/store/check_pages.c \
	src/store/ckpt.c \
	src/store/commit.c \
	src/store/open.c \
	src/store/path.c src/store/path.h \
	src/store/pblocks.c \
	src/store/pcache.c \
	src/store/pclean.c \
	src/store/pload.c \
	src/store/pmap.c \
	src/store/pstore.c \
	src/store/pstore.h \
	src/store/pstore_int.h \
	src/store/pscrub.c \
	src/store/pwq.c \
	src/store/read.c \
	src/store/rebuild.c src/store/rebuild.h \
	src/store/rebuild_int.h \
	src/store/recover.c \
	src/store/salvage.c \
	src/store/scrub.c src/store/scrub.h \
	src/store/scrub_name.c src/store/scrub_int.h \
	src/store/space.c \
	src/store/undo.c src/store/undo.h \
	src/store/verify.c src/store/verify.h \
	src/store/verify_data.c src/store/verify_int.h \
	src/store/vol.h \
	src/store/vol_int.h
