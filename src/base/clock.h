/* SPDX-License-Identifier: MIT */
/* clock.h - wall clock and monotonic clock, replaceable in tests. */
#ifndef VARVE_BASE_CLOCK_H
#define VARVE_BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds since 1970-01-01 UTC. */
int64_t clock_wall(void);
/* Nanoseconds of a clock that never steps. */
int64_t clock_mono(void);
/* Tests replace the wall clock; NULL restores the real one. */
void clock_set_wall(int64_t (*fn)(void));

#endif
