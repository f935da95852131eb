/* SPDX-License-Identifier: MIT */
/* names.h - from a name to its place in a directory or xattr list.
 *
 * A cookie is a 63-bit number: the upper 59 bits are the keyed hash of the
 * name, the low 4 a slot for names with the same hash.  It is the readdir
 * offset: stable for the life of the entry, whatever comes and goes around it.
 * Cookies 0..15 are never used ("." and ".." and the start). */
#ifndef VARVE_META_NAMES_H
#define VARVE_META_NAMES_H

#include "base/siphash.h"

#define COOKIE_SLOTS 16u

/* First of the COOKIE_SLOTS cookies a name may have. */
static inline uint64_t name_cookie(const uint8_t key[16], const char *name,
				   size_t len)
{
	uint64_t h = siphash24(key, name, len) & 0x7ffffffffffffff0ull;

	return h ? h : COOKIE_SLOTS;
}

#endif
