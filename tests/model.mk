# SPDX-License-Identifier: MIT
# The model test: random operations, kills and power cuts against a plain model.
check_PROGRAMS += tests/t5_model
TESTS += tests/t5_model
tests_t5_model_SOURCES = tests/t5_model.c \
	tests/model/model.c tests/model/model.h tests/model/model_acl.c \
	tests/model/model_attr.c tests/model/model_file.c tests/model/model_name.c \
	tests/model/op.c tests/model/op.h tests/model/gen.c tests/model/gen.h \
	tests/model/sut.c tests/model/sut.h tests/model/rows.c \
	tests/model/run.c tests/model/run.h tests/model/recover.c tests/model/cursor.c \
	tests/model/crash.c tests/model/crash.h tests/model/ace.c tests/model/stress.c
tests_t5_model_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/model
tests_t5_model_LDADD = src/fs/libvfs.a src/gc/libvgc.a $(STORE_LIBS)

EXTRA_DIST += tests/mutations/run
EXTRA_DIST += $(wildcard $(srcdir)/tests/mutations/*.patch)

.PHONY: check-long check-mutations check-model-long
# A million random operations, thousands of power cuts, all of ACE's short
# sequences: about an hour.
check-model-long: tests/t5_model
	tests/t5_model --long
check-long: check-model-long check-mutations
# Faults planted one by one: each must be noticed.
check-mutations:
	$(top_srcdir)/tests/mutations/run
