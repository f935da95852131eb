/* SPDX-License-Identifier: MIT */
/* umount.c - umount.varve: unmounts, and waits until the volume is closed. */
#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/msg.h"
#include "fuse/mnt.h"

enum { EXIT_USAGE = 1, EXIT_SYSTEM = 2, EXIT_UMOUNT = 32 };
#define POLL_NS 5000000l
#define TELL_NS 1000000000ll

static const char usage[] =
	"usage: umount.varve [-lfnrv] DIR\n"
	"  -l   detach now, the volume is closed when the last file is\n"
	"  -f   force: pending requests fail\n"
	"  -v   say more; -n and -r are ignored; -V version\n";

static bool inside(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (!path[n] || path[n] == '/');
}

static bool link_inside(const char *link, const char *dir)
{
	char target[4096];
	ssize_t n = readlink(link, target, sizeof(target) - 1);

	if (n < 0)
		return false;
	target[n] = '\0';
	return inside(target, dir);
}

static bool fd_inside(const char *pid, const char *dir)
{
	char path[300 + 300];
	DIR *d;
	struct dirent *e;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	d = opendir(path);
	while (d && !found && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, e->d_name);
		found = link_inside(path, dir);
	}
	if (d)
		closedir(d);
	return found;
}

static bool map_inside(const char *pid, const char *dir)
{
	char path[300], *line = NULL;
	size_t room = 0;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	f = fopen(path, "re");
	while (f && !found && getline(&line, &room, f) > 0) {
		char *name = strchr(line, '/');

		line[strcspn(line, "\n")] = '\0';
		found = name && inside(name, dir);
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

static const char *use_of(const char *pid, const char *dir)
{
	static const char *const links[] = { "cwd", "root", "exe" };
	static const char *const words[] = { "working directory", "root directory",
					     "its program" };
	char path[300];

	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		snprintf(path, sizeof(path), "/proc/%s/%s", pid, links[i]);
		if (link_inside(path, dir))
			return words[i];
	}
	if (fd_inside(pid, dir))
		return "open file";
	return map_inside(pid, dir) ? "mapped file" : NULL;
}

static void command_of(const char *pid, char *out, size_t room)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (!f || !fgets(out, (int)room, f))
		snprintf(out, room, "?");
	out[strcspn(out, "\n")] = '\0';
	if (f)
		fclose(f);
}

/* Only processes that we may look at are seen. */
static void name_the_busy(const char *dir)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	char comm[64];

	while (d && (e = readdir(d))) {
		const char *use;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		use = use_of(e->d_name, dir);
		if (!use)
			continue;
		command_of(e->d_name, comm, sizeof(comm));
		msg_err("  in use by process %s (%s): %s", e->d_name, comm, use);
	}
	if (d)
		closedir(d);
}

static int as_user(const char *dir, bool lazy)
{
	pid_t pid = fork();
	int ws;

	if (pid == 0) {
		if (lazy)
			execlp("fusermount3", "fusermount3", "-u", "-z", "--", dir, (char *)NULL);
		else
			execlp("fusermount3", "fusermount3", "-u", "--", dir, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &ws, 0) != pid)
		return -errno;
	if (WIFEXITED(ws) && WEXITSTATUS(ws) == 0)
		return 0;
	return -EBUSY;
}

/* The daemon holds a lock on the volume until it has written everything. */
static int wait_released(const char *source)
{
	int64_t start = clock_mono();
	bool told = false;
	int fd = open(source, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		if (errno == ENOENT || errno == EACCES || errno == ENXIO)
			return 0; /* gone with its loop device, or not ours to see */
		msg_err("%s: %s", source, strerror(errno));
		return EXIT_SYSTEM;
	}
	while (flock(fd, LOCK_EX | LOCK_NB)) {
		struct timespec ts = { 0, POLL_NS };

		if (errno != EWOULDBLOCK && errno != EINTR) {
			msg_err("%s: %s", source, strerror(errno));
			close(fd);
			return EXIT_SYSTEM;
		}
		if (!told && clock_mono() - start > TELL_NS) {
			msg_info("waiting for %s to be written and released", source);
			told = true;
		}
		nanosleep(&ts, NULL);
	}
	close(fd);
	return 0;
}

/* DIR, or the device that is mounted. */
static char *find_dir(const char *arg, struct mnt_info *m)
{
	char *real = realpath(arg, NULL), *dir;

	/* a dead mount cannot be resolved */
	if (!real)
		real = strdup(arg);
	if (!real || mnt_find(real, m))
		return real;
	dir = mnt_dir_of(real);
	free(real);
	if (dir && mnt_find(dir, m))
		return dir;
	free(dir);
	return NULL;
}

int main(int argc, char **argv)
{
	struct mnt_info m;
	int c, flags = 0, err;
	bool verbose = false;
	char *dir;

	msg_init("umount.varve", MSG_STDERR, MSG_INFO);
	while ((c = getopt(argc, argv, "lfnrvVht:N:")) != -1) {
		switch (c) {
		case 'l':
			flags |= MNT_DETACH;
			break;
		case 'f':
			flags |= MNT_FORCE;
			break;
		case 'v':
			verbose = true;
			break;
		case 'n':
		case 'r':
		case 't':
		case 'N':
			break;
		case 'V':
			puts("umount.varve " PACKAGE_VERSION);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind + 1 != argc) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	dir = find_dir(argv[optind], &m);
	if (!dir) {
		msg_err("%s is not mounted", argv[optind]);
		return EXIT_UMOUNT;
	}
	if (geteuid() == 0)
		err = umount2(dir, flags) ? -errno : 0;
	else
		err = as_user(dir, flags & MNT_DETACH);
	if (err) {
		msg_err("%s: %s", dir, strerror(-err));
		if (err == -EBUSY)
			name_the_busy(dir);
		free(dir);
		return EXIT_UMOUNT;
	}
	err = flags & MNT_DETACH ? 0 : wait_released(m.source);
	if (verbose && !err)
		msg_info("%s unmounted from %s", m.source, dir);
	free(dir);
	return err;
}
