/* SPDX-License-Identifier: MIT */
/* mnt.c - what surrounds a mount. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/msg.h"
#include "fuse/mnt.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif
#define OOM_SCORE "-800"
#define LOOP_TRIES 16

/* \040 and the like, in place. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

/* Calls fn for every mount until it returns true. */
static bool each_mount(bool (*fn)(void *arg, const char *dir, const struct mnt_info *m),
		       void *arg, bool all)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, dir[4096];
	size_t room = 0;
	bool found = false;

	while (f && getline(&line, &room, f) > 0 && (all || !found)) {
		struct mnt_info m;
		char *dash = strstr(line, " - ");

		if (!dash ||
		    sscanf(line, "%*d %*d %u:%u %*s %4095s", &m.major, &m.minor, dir) != 3 ||
		    sscanf(dash + 3, "%63s %4095s", m.type, m.source) != 2)
			continue;
		unescape(dir);
		unescape(m.source);
		found |= fn(arg, dir, &m);
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

struct at_dir {
	const char *dir;
	struct mnt_info *ret;
};

static bool is_at(void *arg, const char *dir, const struct mnt_info *m)
{
	struct at_dir *a = arg;

	if (strcmp(dir, a->dir) != 0)
		return false;
	*a->ret = *m; /* the last line is the topmost */
	return true;
}

bool mnt_find(const char *dir, struct mnt_info *ret)
{
	struct at_dir a = { dir, ret };

	return each_mount(is_at, &a, true);
}

static bool is_from(void *arg, const char *dir, const struct mnt_info *m)
{
	return strcmp(m->source, (const char *)arg) == 0;
}

bool mnt_source_is_mounted(const char *path)
{
	return each_mount(is_from, (void *)path, false);
}

struct dir_of {
	const char *source;
	char *dir;
};

static bool is_dir_of(void *arg, const char *dir, const struct mnt_info *m)
{
	struct dir_of *d = arg;

	if (strcmp(m->source, d->source) != 0)
		return false;
	d->dir = strdup(dir);
	return true;
}

char *mnt_dir_of(const char *source)
{
	struct dir_of d = { source, NULL };

	each_mount(is_dir_of, &d, false);
	return d.dir;
}

/* The path itself cannot be resolved any more, its parent can. */
static bool resolve_parent(const char *dir, char *out, size_t room)
{
	char copy[4096], *slash, *real;
	int n;

	if (snprintf(copy, sizeof(copy), "%s", dir) >= (int)sizeof(copy))
		return false;
	while ((n = (int)strlen(copy)) > 1 && copy[n - 1] == '/')
		copy[n - 1] = '\0';
	slash = strrchr(copy, '/');
	if (slash)
		*slash = '\0';
	real = realpath(!slash ? "." : *copy ? copy : "/", NULL);
	if (!real)
		return false;
	n = snprintf(out, room, "%s/%s", strcmp(real, "/") == 0 ? "" : real,
		     slash ? slash + 1 : copy);
	free(real);
	return n < (int)room;
}

bool mnt_clear_dead(const char *dir)
{
	char path[4096 + 256];
	struct mnt_info m;
	const char *sub;

	if (!resolve_parent(dir, path, sizeof(path)) || !mnt_find(path, &m))
		return false;
	sub = strchr(m.type, '.');
	if (strncmp(m.type, "fuse", 4) != 0 || !sub || strcmp(sub, ".varve") != 0)
		return false;
	msg_warn("%s: clearing the mount of %s, whose daemon has died", path, m.source);
	return umount2(path, MNT_DETACH) == 0;
}

/* --- loop devices --- */

static int configure(int image_fd, const char *image, bool readonly, int loop_fd)
{
	struct loop_config c;

	memset(&c, 0, sizeof(c));
	c.fd = (uint32_t)image_fd;
	c.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO |
			  (readonly ? LO_FLAGS_READ_ONLY : 0);
	snprintf((char *)c.info.lo_file_name, sizeof(c.info.lo_file_name), "%s", image);
	if (ioctl(loop_fd, LOOP_CONFIGURE, &c) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	/* no direct I/O below (tmpfs): buffered then */
	c.info.lo_flags &= ~(uint32_t)LO_FLAGS_DIRECT_IO;
	return ioctl(loop_fd, LOOP_CONFIGURE, &c) ? -errno : 0;
}

int mnt_loop_attach(const char *image, bool readonly, char **ret_device, int *ret_fd)
{
	int mode = (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC;
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int image_fd, err = -EBUSY;

	if (control < 0)
		return -errno;
	image_fd = open(image, mode);
	if (image_fd < 0) {
		err = -errno;
		close(control);
		return err;
	}
	/* between asking for a free one and taking it, someone else may */
	for (int i = 0; i < LOOP_TRIES && err == -EBUSY; i++) {
		int n = ioctl(control, LOOP_CTL_GET_FREE), fd;
		char path[32];

		if (n < 0) {
			err = -errno;
			break;
		}
		snprintf(path, sizeof(path), "/dev/loop%d", n);
		fd = open(path, mode);
		if (fd < 0) {
			err = -errno;
			break;
		}
		err = configure(image_fd, image, readonly, fd);
		if (err) {
			close(fd);
			continue;
		}
		*ret_device = strdup(path);
		*ret_fd = fd;
	}
	close(image_fd);
	close(control);
	return err;
}

/* --- manners --- */

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, text, strlen(text)) >= 0;

	if (fd >= 0)
		close(fd);
	return good;
}

void mnt_set_readahead(const char *dir, unsigned kib)
{
	struct mnt_info m;
	char path[80], text[16];

	if (!mnt_find(dir, &m))
		return;
	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", m.major, m.minor);
	snprintf(text, sizeof(text), "%u", kib);
	/* only root may; without it reads are a little slower */
	write_file(path, text);
}

void mnt_protect_self(void)
{
	/* each fails without the privilege, and then the default stands */
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	write_file("/proc/self/oom_score_adj", OOM_SCORE);
}

void mnt_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = path ? strlen(path) : 0;
	int fd;

	if (n < 2 || n >= sizeof(to.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(to.sun_path, path, n);
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* a manager that does not listen is none */
	sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	close(fd);
}
