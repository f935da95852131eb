/* SPDX-License-Identifier: MIT */
/* varve.c - the front of everything that is neither mount, mkfs nor fsck. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"
#include "base/msg.h"
#include "cmd/verb.h"

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *args;
	const char *what;
} verbs[] = {
	{ "dump", verb_dump, "[--super|--slots|--segments|--batches|--records]... IMAGE",
	  "show what is on a device, also a damaged one; changes nothing" },
	{ "scrub", verb_scrub, "start|status|cancel|limit MOUNT [BYTES-PER-SECOND]",
	  "compare everything on a mounted volume with its checksums" },
	{ "backup", verb_backup, "now|status MOUNT",
	  "copies of the metadata in the log, from which fsck.varve --rebuild restores" },
};

static void usage(FILE *out)
{
	fputs("usage: varve VERB [ARGUMENTS]\n\n", out);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		fprintf(out, "  %s %s\n      %s\n", verbs[i].name, verbs[i].args,
			verbs[i].what);
	fputs("  --help, --version\n", out);
}

int main(int argc, char **argv)
{
	msg_init("varve", MSG_STDERR, MSG_WARN);
	if (argc >= 2 && strcmp(argv[1], "--help") == 0) {
		usage(stdout);
		return EXIT_SUCCESS;
	}
	if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
		puts("varve (" PACKAGE_NAME ") " PACKAGE_VERSION);
		return EXIT_SUCCESS;
	}
	for (size_t i = 0; argc >= 2 && i < ARRAY_LEN(verbs); i++) {
		int status;

		if (strcmp(argv[1], verbs[i].name) != 0)
			continue;
		status = verbs[i].run(argc - 1, argv + 1);
		if (status == VERB_USAGE)
			fprintf(stderr, "usage: varve %s %s\n", verbs[i].name,
				verbs[i].args);
		return status;
	}
	usage(stderr);
	return VERB_USAGE;
}
