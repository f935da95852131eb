/* SPDX-License-Identifier: MIT */
/* clock.c - wall clock and monotonic clock. */
#include "config.h"

#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

#include "base/clock.h"

static _Atomic(int64_t (*)(void)) wall_fn;

static int64_t now(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t clock_wall(void)
{
	int64_t (*fn)(void) = atomic_load_explicit(&wall_fn, memory_order_acquire);

	return fn ? fn() : now(CLOCK_REALTIME);
}

int64_t clock_mono(void)
{
	return now(CLOCK_MONOTONIC);
}

void clock_set_wall(int64_t (*fn)(void))
{
	atomic_store_explicit(&wall_fn, fn, memory_order_release);
}
