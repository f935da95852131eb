/* SPDX-License-Identifier: MIT */
/* probe.h - does a device already hold something that people would miss? */
#ifndef VARVE_CMD_PROBE_H
#define VARVE_CMD_PROBE_H

#include "dev/dev.h"

/* *ret_what: static text, or NULL if nothing known was found. */
int probe_device(struct dev *d, const char **ret_what) VARVE_MUST_CHECK;

#endif
