/* SPDX-License-Identifier: MIT */
/* control_vol.h - control attributes of the volume's own services. */
#ifndef VARVE_FS_CONTROL_VOL_H
#define VARVE_FS_CONTROL_VOL_H

#include "fs/control.h"
#include "store/scrub.h"

/* user.varve.scrub: start, cancel, limit=BYTES (per second; k, m, g; 0: none);
 *   reading it gives the status, "name: value" lines.
 * user.varve.backup: now; reading it lists the metadata backups.
 * s may be NULL: then there is no scrub. */
int control_add_vol(struct fs *fs, struct scrub *s) VARVE_MUST_CHECK;

#endif
