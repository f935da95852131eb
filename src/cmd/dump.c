/* SPDX-License-Identifier: MIT */
/* dump.c - varve dump: print the structures on a device.
 *
 * Opens read-only and without the lock, so that it also works beside a mount
 * (what it shows then is a moment that never quite was).  Exit status 1: some
 * part could not be read or is damaged. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/msg.h"
#include "cmd/verb.h"
#include "dev/dev.h"
#include "log/scan.h"

static const struct option options[] = {
	{ "super", no_argument, NULL, DUMP_SUPER },
	{ "slots", no_argument, NULL, DUMP_SLOTS },
	{ "segments", no_argument, NULL, DUMP_SEGS },
	{ "batches", no_argument, NULL, DUMP_BATCHES },
	{ "records", no_argument, NULL, DUMP_RECORDS },
	{ NULL, 0, NULL, 0 },
};

int verb_dump(int argc, char **argv)
{
	unsigned what = 0;
	struct dev *dev;
	char *why = NULL;
	int c, err;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			return VERB_USAGE;
		what |= (unsigned)c;
	}
	if (optind != argc - 1)
		return VERB_USAGE;
	if (what == 0)
		what = DUMP_SUPER | DUMP_SLOTS | DUMP_SEGS | DUMP_BATCHES | DUMP_RECORDS;
	err = dev_open_path(argv[optind], DEV_RDONLY | DEV_NOLOCK, &dev, &why);
	if (err) {
		msg_err("%s: %s", argv[optind], why ? why : err_str(err));
		free(why);
		return EXIT_FAILURE;
	}
	err = log_dump(dev, what, stdout);
	if (err)
		msg_err("%s: %s", argv[optind], err_str(err));
	dev_close(dev);
	if (fflush(stdout) || ferror(stdout)) {
		msg_err("cannot write the output");
		return EXIT_FAILURE;
	}
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
