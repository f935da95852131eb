/* SPDX-License-Identifier: MIT */
/* scrub.c - varve scrub, varve backup: talk to a mount through the control
 * attributes of its root (fs/control.h). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/msg.h"
#include "cmd/verb.h"

#define VALUE_MAX 4096u

static int complain(const char *mount)
{
	switch (errno) {
	case ENODATA:
	case EOPNOTSUPP:
		msg_err("%s is not the root of a varvefs mount", mount);
		break;
	case EPERM:
		msg_err("%s: only root and the owner of the root directory may do that", mount);
		break;
	case EBUSY:
		msg_err("%s: a scrub is running", mount);
		break;
	case ENOTCONN:
		msg_err("%s: no scrub is running", mount);
		break;
	default:
		msg_err("%s: %s", mount, strerror(errno));
		break;
	}
	return EXIT_FAILURE;
}

static int ask(const char *mount, const char *name)
{
	char value[VALUE_MAX];
	ssize_t n = getxattr(mount, name, value, sizeof(value));

	if (n < 0)
		return complain(mount);
	if (fwrite(value, 1, (size_t)n, stdout) != (size_t)n || fflush(stdout)) {
		msg_err("cannot write the output");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

static int tell(const char *mount, const char *name, const char *value)
{
	return setxattr(mount, name, value, strlen(value), 0) ? complain(mount) : EXIT_SUCCESS;
}

int verb_scrub(int argc, char **argv)
{
	static const char name[] = "user.varve.scrub";
	char value[64];
	ssize_t probe;

	if (argc == 3 && !strcmp(argv[1], "status"))
		return ask(argv[2], name);
	if (argc < 3)
		return VERB_USAGE;
	/* Setting an attribute that is none is an ordinary error elsewhere. */
	probe = getxattr(argv[2], name, NULL, 0);
	if (probe < 0)
		return complain(argv[2]);
	if (argc == 3 && (!strcmp(argv[1], "start") || !strcmp(argv[1], "cancel")))
		return tell(argv[2], name, argv[1]);
	if (argc != 4 || strcmp(argv[1], "limit") ||
	    snprintf(value, sizeof(value), "limit=%s", argv[3]) >= (int)sizeof(value))
		return VERB_USAGE;
	if (!setxattr(argv[2], name, value, strlen(value), 0))
		return EXIT_SUCCESS;
	if (errno != EINVAL)
		return complain(argv[2]);
	msg_err("%s is no number of bytes", argv[3]);
	return VERB_USAGE;
}

int verb_backup(int argc, char **argv)
{
	static const char name[] = "user.varve.backup";

	if (argc != 3)
		return VERB_USAGE;
	if (!strcmp(argv[1], "status"))
		return ask(argv[2], name);
	if (strcmp(argv[1], "now"))
		return VERB_USAGE;
	if (getxattr(argv[2], name, NULL, 0) < 0)
		return complain(argv[2]);
	return tell(argv[2], name, "now");
}
