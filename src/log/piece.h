/* SPDX-License-Identifier: MIT */
/* piece.h - checksums of a piece of data: CRC-32C per 4 KiB, piece-relative.
 *
 * sums[i] covers bytes [i * 4096, min((i + 1) * 4096, stored)) of the piece,
 * wherever on the device the piece starts. */
#ifndef VARVE_LOG_PIECE_H
#define VARVE_LOG_PIECE_H

#include "base/defs.h"

static inline uint32_t piece_nsums(uint32_t stored)
{
	return (stored + VARVE_BLOCK - 1) / VARVE_BLOCK;
}

/* Fills piece_nsums(stored) sums. */
void piece_sum(const void *data, uint32_t stored, uint32_t *sums);
/* Copies stored bytes and sums them in one pass. */
void piece_copy_sum(void *dst, const void *src, uint32_t stored, uint32_t *sums);
/* 0 or -VE_DATA_CRC; -VE_REC_VALUE if nsums does not fit stored. */
int piece_verify(const void *data, uint32_t stored, const uint32_t *sums,
		 uint32_t nsums) VARVE_MUST_CHECK;
/* Verifies units [first, first + n) only; data is where unit first starts, sums
 * those of the whole piece. */
int piece_verify_units(const void *data, uint32_t stored, const uint32_t *sums,
		       uint32_t nsums, uint32_t first, uint32_t n) VARVE_MUST_CHECK;

#endif
