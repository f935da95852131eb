/* SPDX-License-Identifier: MIT */
/* dev_uring.h - an open file as a device; private to src/dev. */
#ifndef VARVE_DEV_DEV_URING_H
#define VARVE_DEV_DEV_URING_H

#include "dev/dev.h"

/* Takes over fd (also on failure): size and block size come from it. */
int dev_uring_new(int fd, const char *path, bool readonly, struct dev **ret)
	VARVE_MUST_CHECK;

#endif
