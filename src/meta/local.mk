# SPDX-License-Identifier: MIT
noinst_LIBRARIES += src/meta/libvmeta.a
src_meta_libvmeta_a_SOURCES = \
	src/meta/db.c src/meta/db.h \
	src/meta/names.h \
	src/meta/overlay.c src/meta/overlay.h \
	src/meta/reader.c src/meta/reader.h \
	src/meta/rows.h \
	src/meta/state.c src/meta/state.h \
	src/meta/state_get.c \
	src/meta/state_iter.c \
	src/meta/state_owners.c \
	src/meta/state_priv.h \
	src/meta/vfs.c src/meta/vfs.h \
	src/meta/writer.c src/meta/writer.h
nodist_src_meta_libvmeta_a_SOURCES = src/meta/schema.c

# The schema becomes one string, without its comments.
EXTRA_DIST += src/meta/schema.sql
CLEANFILES += src/meta/schema.c
src/meta/schema.c: src/meta/schema.sql src/meta/local.mk
	$(AM_V_GEN)$(MKDIR_P) src/meta && { \
	echo '/* Made from schema.sql. */'; \
	echo '#include "meta/db.h"'; \
	echo 'const char db_schema[] ='; \
	$(SED) -e 's/[ 	]*--.*$$//' -e '/^[ 	]*$$/d' \
		-e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n"/' \
		$(srcdir)/src/meta/schema.sql; \
	echo ';'; } > $@.tmp && mv $@.tmp $@
