/* SPDX-License-Identifier: MIT */
/* crc32c.h - CRC-32C (Castagnoli, reflected, init and final xor ~0).
 * Uses SSE4.2 with three interleaved streams where the CPU has it, tables
 * elsewhere.  crc32c(0, "123456789", 9) == 0xe3069283.
 * crc32c(crc32c(0, a, n), b, m) is the CRC of a followed by b. */
#ifndef VARVE_BASE_CRC32C_H
#define VARVE_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *buf, size_t len);
/* As crc32c(), by tables only: the reference for tests. */
uint32_t crc32c_soft(uint32_t crc, const void *buf, size_t len);
/* Copies len bytes and returns crc32c(crc, src, len): one pass over memory. */
uint32_t crc32c_copy(uint32_t crc, void *dst, const void *src, size_t len);

#endif
