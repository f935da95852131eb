/* SPDX-License-Identifier: MIT */
/* vt.c - system calls for the mount tests, as a small language.
 *
 * vt [-u UID] [-g GID] [-G GROUP,...] OP ARG... [: OP ARG...]...
 * vt [options] -            operations line by line from standard input
 *
 * Each operation prints its answer: "ok", a number, what was read, or the
 * name of the errno.  All operations of one call run in one process, as the
 * user given; answers stand on one line, separated by spaces.  open numbers
 * its descriptors 0, 1, 2...; later operations use those numbers:
 *
 *   vt open f rdwr,creat 0644 : pwrite 0 0 hello : unlink f : pread 0 0 9
 *   ok 5 ok hello
 */
#define _GNU_SOURCE
#include "vt.h"

#include <ctype.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <unistd.h>

static const struct vt_op *const all_ops[] = {
	vt_path_ops, vt_fd_ops, vt_attr_ops, vt_mem_ops,
	vt_load_ops, vt_dir_ops, vt_tree_ops, vt_fsx_ops,
};

static int fds[256];
static int n_fds;
static bool said;

void usage_error(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	va_start(ap, fmt);
	fputs("vt: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(2);
}

void say(const char *fmt, ...)
{
	va_list ap;

	said = true;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
}

void say_bytes(const void *data, size_t len)
{
	const unsigned char *p = data;

	said = true;
	for (size_t i = 0; i < len; i++) {
		if (isgraph(p[i]) && p[i] != '\\')
			putchar(p[i]);
		else
			printf("\\x%02x", p[i]);
	}
	if (len == 0)
		fputs("empty", stdout);
}

int fd_new(int fd)
{
	int err = errno;

	if (n_fds == (int)(sizeof(fds) / sizeof(fds[0])))
		usage_error("too many descriptors");
	fds[n_fds++] = fd;
	return fd < 0 ? -err : 0;
}

int fd_of(const char *arg)
{
	int64_t n = num_of(arg);

	if (n < 0 || n >= n_fds)
		usage_error("no descriptor %s", arg);
	return fds[n];
}

void fd_close(const char *arg, int *ret_result)
{
	int fd = fd_of(arg);

	*ret_result = result_of(close(fd));
	fds[num_of(arg)] = -1;
}

uint64_t flags_of(const struct vt_name *table, const char *arg)
{
	char copy[256], *save = NULL;
	uint64_t flags = 0;

	if (isdigit((unsigned char)*arg))
		return (uint64_t)num_of(arg);
	snprintf(copy, sizeof(copy), "%s", arg);
	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		const struct vt_name *n = table;

		while (n->name && strcmp(n->name, w) != 0)
			n++;
		if (!n->name)
			usage_error("unknown flag %s", w);
		flags |= n->value;
	}
	return flags;
}

int64_t num_of(const char *arg)
{
	char *end;
	int64_t n;

	errno = 0;
	n = strtoll(arg, &end, 0);
	if (end == arg || errno)
		usage_error("not a number: %s", arg);
	switch (*end) {
	case 'T': n *= 1024; /* fallthrough */
	case 'G': n *= 1024; /* fallthrough */
	case 'M': n *= 1024; /* fallthrough */
	case 'K': n *= 1024; end++; break;
	default: break;
	}
	if (*end)
		usage_error("not a number: %s", arg);
	return n;
}

const char *errno_name(int err)
{
	const char *name = strerrorname_np(err);

	/* Linux knows one value by two names; the tests use the first. */
	if (err == EOPNOTSUPP)
		name = "EOPNOTSUPP";
	return name ? name : "unknown-errno";
}

static const struct vt_op *find_op(const char *name)
{
	for (size_t t = 0; t < sizeof(all_ops) / sizeof(all_ops[0]); t++)
		for (const struct vt_op *o = all_ops[t]; o->name; o++)
			if (strcmp(o->name, name) == 0)
				return o;
	usage_error("unknown operation %s", name);
}

static void run_op(int argc, char **argv)
{
	const struct vt_op *op = find_op(argv[0]);
	int r;

	if (argc - 1 < op->min_args || argc - 1 > op->max_args)
		usage_error("%s takes %d to %d arguments", op->name, op->min_args, op->max_args);
	said = false;
	r = op->run(argc - 1, argv + 1);
	if (r < 0)
		fputs(errno_name(-r), stdout);
	else if (!said)
		fputs("ok", stdout);
}

static void run_session(void)
{
	static char line[8192];
	char *argv[64];

	while (fgets(line, sizeof(line), stdin)) {
		char *save = NULL;
		int argc = 0;

		for (char *w = strtok_r(line, " \n", &save); w && argc < 63;
		     w = strtok_r(NULL, " \n", &save))
			argv[argc++] = w;
		argv[argc] = NULL;
		if (argc == 0)
			continue;
		if (strcmp(argv[0], "quit") == 0)
			return;
		run_op(argc, argv);
		putchar('\n');
		fflush(stdout);
	}
}

static void become(const char *uid, const char *gid, const char *groups)
{
	gid_t list[32];
	int n = 0;

	if (groups) {
		char copy[256], *save = NULL;

		snprintf(copy, sizeof(copy), "%s", groups);
		for (char *w = strtok_r(copy, ",", &save); w && n < 32;
		     w = strtok_r(NULL, ",", &save))
			list[n++] = (gid_t)num_of(w);
	}
	if ((uid || gid || groups) && setgroups((size_t)n, list) < 0)
		usage_error("setgroups: %s", strerror(errno));
	if (gid && setresgid((gid_t)num_of(gid), (gid_t)num_of(gid), (gid_t)num_of(gid)) < 0)
		usage_error("setresgid: %s", strerror(errno));
	if (uid && setresuid((uid_t)num_of(uid), (uid_t)num_of(uid), (uid_t)num_of(uid)) < 0)
		usage_error("setresuid: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	const char *uid = NULL, *gid = NULL, *groups = NULL;
	int i = 1;

	for (; i + 1 < argc && argv[i][0] == '-' && argv[i][1]; i += 2) {
		switch (argv[i][1]) {
		case 'u': uid = argv[i + 1]; break;
		case 'g': gid = argv[i + 1]; break;
		case 'G': groups = argv[i + 1]; break;
		default: usage_error("unknown option %s", argv[i]);
		}
	}
	if (i >= argc)
		usage_error("usage: vt [-u UID] [-g GID] [-G GROUPS] OP ARG... [: OP...] | -");
	become(uid, gid, groups);
	if (strcmp(argv[i], "-") == 0) {
		run_session();
		return 0;
	}
	while (i < argc) {
		int end = i;

		while (end < argc && strcmp(argv[end], ":") != 0)
			end++;
		run_op(end - i, argv + i);
		putchar(end < argc ? ' ' : '\n');
		fflush(stdout);
		i = end + 1;
	}
	return 0;
}
