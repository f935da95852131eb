/* SPDX-License-Identifier: MIT */
/* verb.h - the verbs of varve(8): one function each, listed in varve.c. */
#ifndef VARVE_CMD_VERB_H
#define VARVE_CMD_VERB_H

/* argv[0] is the verb.  Returns the exit status: 0, 1 for a failure, or
 * VERB_USAGE after wrong arguments: varve.c then shows how to call it. */
#define VERB_USAGE 2

int verb_dump(int argc, char **argv);
int verb_scrub(int argc, char **argv);
int verb_backup(int argc, char **argv);

#endif
