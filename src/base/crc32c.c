/* SPDX-License-Identifier: MIT */
/* crc32c.c - CRC-32C by tables (slicing by eight) and by the SSE4.2
 * instruction.
 *
 * The instruction has a latency of three cycles and a throughput of one, so
 * three independent streams keep it busy.  Their remainders are joined by
 * advancing the earlier one over the length of the later ("append n zeros"),
 * which is linear over GF(2) and so four table lookups per join (M. Adler's
 * way).  Stream lengths are chosen so that a 4 KiB block is one long round
 * plus two words. */
#include "config.h"

#include <stdbool.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/le.h"

#define POLY 0x82f63b78u
#define LONG 1360  /* 3 * 1360 + 16 = 4096 */
#define SHORT 168

static uint32_t slice[8][256];

static inline uint32_t soft_bytes(uint32_t c, const uint8_t *p, size_t len)
{
	while (len--)
		c = slice[0][(c ^ *p++) & 0xff] ^ c >> 8;
	return c;
}

uint32_t crc32c_soft(uint32_t crc, const void *buf, size_t len)
{
	const uint8_t *p = buf;
	uint32_t c = ~crc;

	for (; len >= 8; len -= 8, p += 8) {
		uint64_t w = le64_get(p) ^ c;

		c = slice[7][w & 0xff] ^ slice[6][w >> 8 & 0xff] ^
		    slice[5][w >> 16 & 0xff] ^ slice[4][w >> 24 & 0xff] ^
		    slice[3][w >> 32 & 0xff] ^ slice[2][w >> 40 & 0xff] ^
		    slice[1][w >> 48 & 0xff] ^ slice[0][w >> 56];
	}
	return ~soft_bytes(c, p, len);
}

static void init_slices(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ POLY : c >> 1;
		slice[0][i] = c;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int k = 1; k < 8; k++)
			slice[k][i] = slice[0][slice[k - 1][i] & 0xff] ^
				      slice[k - 1][i] >> 8;
}

#ifdef __x86_64__
#include <nmmintrin.h>

static bool have_sse42;
static uint32_t skip_long[4][256], skip_short[4][256];

/* The remainder c after n more zero bytes, for each byte of c. */
static void init_skip(uint32_t t[4][256], size_t n)
{
	static const uint8_t zero[LONG];

	for (int k = 0; k < 4; k++)
		for (uint32_t i = 0; i < 256; i++)
			t[k][i] = soft_bytes(i << 8 * k, zero, n);
}

static inline uint32_t skip(uint32_t t[4][256], uint32_t c)
{
	return t[0][c & 0xff] ^ t[1][c >> 8 & 0xff] ^ t[2][c >> 16 & 0xff] ^
	       t[3][c >> 24];
}

#define HARD static inline __attribute__((always_inline, target("sse4.2")))

HARD uint64_t step8(uint64_t c, uint8_t *dst, const uint8_t *src)
{
	uint64_t w;

	memcpy(&w, src, 8);
	if (dst)
		memcpy(dst, &w, 8);
	return _mm_crc32_u64(c, w);
}

/* Runs rounds of three streams of n bytes; advances *dst, *src and *len. */
HARD uint64_t three(uint64_t c, uint8_t **dst, const uint8_t **src, size_t *len,
		    size_t n, uint32_t t[4][256])
{
	while (*len >= 3 * n) {
		const uint8_t *s = *src;
		uint8_t *d = *dst;
		uint64_t c1 = 0, c2 = 0;

		for (size_t i = 0; i < n; i += 8) {
			c = step8(c, d ? d + i : NULL, s + i);
			c1 = step8(c1, d ? d + n + i : NULL, s + n + i);
			c2 = step8(c2, d ? d + 2 * n + i : NULL, s + 2 * n + i);
		}
		c = skip(t, (uint32_t)c) ^ c1;
		c = skip(t, (uint32_t)c) ^ c2;
		*src += 3 * n;
		if (d)
			*dst += 3 * n;
		*len -= 3 * n;
	}
	return c;
}

HARD uint32_t hard(uint32_t crc, uint8_t *dst, const uint8_t *src, size_t len)
{
	uint64_t c = (uint32_t)~crc;

	c = three(c, &dst, &src, &len, LONG, skip_long);
	c = three(c, &dst, &src, &len, SHORT, skip_short);
	for (; len >= 8; len -= 8, src += 8) {
		c = step8(c, dst, src);
		if (dst)
			dst += 8;
	}
	for (; len; len--, src++) {
		c = _mm_crc32_u8((uint32_t)c, *src);
		if (dst)
			*dst++ = *src;
	}
	return ~(uint32_t)c;
}

__attribute__((target("sse4.2")))
static uint32_t hard_sum(uint32_t crc, const void *buf, size_t len)
{
	return hard(crc, NULL, buf, len);
}

__attribute__((target("sse4.2"), nonnull))
static uint32_t hard_copy(uint32_t crc, void *dst, const void *src, size_t len)
{
	return hard(crc, dst, src, len);
}
#endif

/* Before main(), so that no caller needs a check or a lock. */
__attribute__((constructor)) static void init(void)
{
	init_slices();
#ifdef __x86_64__
	init_skip(skip_long, LONG);
	init_skip(skip_short, SHORT);
	__builtin_cpu_init();
	have_sse42 = __builtin_cpu_supports("sse4.2");
#endif
}

uint32_t crc32c(uint32_t crc, const void *buf, size_t len)
{
#ifdef __x86_64__
	if (have_sse42)
		return hard_sum(crc, buf, len);
#endif
	return crc32c_soft(crc, buf, len);
}

uint32_t crc32c_copy(uint32_t crc, void *dst, const void *src, size_t len)
{
#ifdef __x86_64__
	if (have_sse42 && len)
		return hard_copy(crc, dst, src, len);
#endif
	if (len)
		memcpy(dst, src, len);
	return crc32c_soft(crc, src, len);
}
