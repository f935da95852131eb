/* SPDX-License-Identifier: MIT */
/* siphash.h - SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash, so that
 * nobody can choose names that collide in a directory. */
#ifndef VARVE_BASE_SIPHASH_H
#define VARVE_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t siphash24(const uint8_t key[16], const void *buf, size_t len);

#endif
