# SPDX-License-Identifier: MIT
noinst_LIBRARIES += src/gc/libvgc.a
src_gc_libvgc_a_SOURCES = \
	src/gc/gc.c \
	src/gc/gc.h \
	src/gc/gc_int.h \
	src/gc/move.c \
	src/gc/policy.c \
	src/gc/policy.h
