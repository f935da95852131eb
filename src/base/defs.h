/* SPDX-License-Identifier: MIT */
/* defs.h - attributes, small helpers and the constants every layer shares. */
#ifndef VARVE_BASE_DEFS_H
#define VARVE_BASE_DEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define VARVE_MUST_CHECK __attribute__((warn_unused_result))
#define VARVE_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define VARVE_NORETURN __attribute__((noreturn))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) \
	((type *)(void *)((char *)(p) - offsetof(type, member)))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Unit of device I/O, of database pages and of data checksums, in bytes. */
#define VARVE_BLOCK 4096u
/* Longest data one WRITE record and one piece can carry, in bytes. */
#define VARVE_PIECE_MAX (1u << 20)
#define VARVE_PIECE_SUMS (VARVE_PIECE_MAX / VARVE_BLOCK)
#define VARVE_NAME_MAX 255u
#define VARVE_XATTR_MAX 65536u
#define VARVE_ROOT_INO 1u

static inline uint64_t align_up(uint64_t v, uint64_t a)
{
	return (v + a - 1) / a * a;
}

static inline uint64_t align_down(uint64_t v, uint64_t a)
{
	return v / a * a;
}

#endif
