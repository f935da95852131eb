/* SPDX-License-Identifier: MIT */
/* siphash.c - SipHash-2-4. */
#include "config.h"

#include "base/le.h"
#include "base/siphash.h"

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

struct state {
	uint64_t v0, v1, v2, v3;
};

static inline void rounds(struct state *s, int n)
{
	while (n--) {
		s->v0 += s->v1;
		s->v1 = ROTL(s->v1, 13) ^ s->v0;
		s->v0 = ROTL(s->v0, 32);
		s->v2 += s->v3;
		s->v3 = ROTL(s->v3, 16) ^ s->v2;
		s->v0 += s->v3;
		s->v3 = ROTL(s->v3, 21) ^ s->v0;
		s->v2 += s->v1;
		s->v1 = ROTL(s->v1, 17) ^ s->v2;
		s->v2 = ROTL(s->v2, 32);
	}
}

uint64_t siphash24(const uint8_t key[16], const void *buf, size_t len)
{
	uint64_t k0 = le64_get(key), k1 = le64_get(key + 8);
	struct state s = {
		k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d,
		k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573,
	};
	const uint8_t *p = buf;
	uint64_t m, last = (uint64_t)len << 56;

	for (; len >= 8; len -= 8, p += 8) {
		m = le64_get(p);
		s.v3 ^= m;
		rounds(&s, 2);
		s.v0 ^= m;
	}
	for (size_t i = 0; i < len; i++)
		last |= (uint64_t)p[i] << (8 * i);
	s.v3 ^= last;
	rounds(&s, 2);
	s.v0 ^= last;
	s.v2 ^= 0xff;
	rounds(&s, 4);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
