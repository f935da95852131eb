/* SPDX-License-Identifier: MIT */
/* piece.c - checksums of a piece of data. */
#include "log/piece.h"

#include "base/crc32c.h"
#include "base/err.h"

static uint32_t unit_len(uint32_t stored, uint32_t unit)
{
	return MIN(VARVE_BLOCK, stored - unit * VARVE_BLOCK);
}

void piece_sum(const void *data, uint32_t stored, uint32_t *sums)
{
	const uint8_t *p = data;

	for (uint32_t i = 0; i < piece_nsums(stored); i++)
		sums[i] = crc32c(0, p + (size_t)i * VARVE_BLOCK, unit_len(stored, i));
}

void piece_copy_sum(void *dst, const void *src, uint32_t stored, uint32_t *sums)
{
	for (uint32_t i = 0; i < piece_nsums(stored); i++) {
		size_t off = (size_t)i * VARVE_BLOCK;

		sums[i] = crc32c_copy(0, (uint8_t *)dst + off,
				      (const uint8_t *)src + off, unit_len(stored, i));
	}
}

int piece_verify(const void *data, uint32_t stored, const uint32_t *sums,
		 uint32_t nsums)
{
	return piece_verify_units(data, stored, sums, nsums, 0, nsums);
}

int piece_verify_units(const void *data, uint32_t stored, const uint32_t *sums,
		       uint32_t nsums, uint32_t first, uint32_t n)
{
	const uint8_t *p = data;

	if (stored == 0 || stored > VARVE_PIECE_MAX || nsums != piece_nsums(stored) ||
	    first > nsums || n > nsums - first)
		return -VE_REC_VALUE;
	for (uint32_t i = first; i < first + n; i++, p += VARVE_BLOCK)
		if (crc32c(0, p, unit_len(stored, i)) != sums[i])
			return -VE_DATA_CRC;
	return 0;
}
