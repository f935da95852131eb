/* SPDX-License-Identifier: MIT */
/* dev_open.c - opening a device or image file, alone.
 *
 * Two locks keep us apart from others: flock() from other varvefs programs
 * (udev honours it too, and holds it shared for a moment when it probes a
 * device that was just closed), O_EXCL from whoever mounted the device. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/msg.h"
#include "dev/dev.h"
#include "dev/dev_uring.h"

#define WAIT_NS (60 * INT64_C(1000000000))
/* For udev's probe, without being asked to wait. */
#define GRACE_NS INT64_C(1000000000)
#define RETRY_NS 50000000

static const char in_use[] = "in use by another program";
static const char mounted[] = "mounted, or claimed by the kernel";

VARVE_PRINTF(3, 4)
static int fail(char **ret_why, int rc, const char *fmt, ...)
{
	va_list ap;

	if (!ret_why)
		return rc;
	va_start(ap, fmt);
	if (vasprintf(ret_why, fmt, ap) < 0)
		msg_panic("out of memory");
	va_end(ap);
	return rc;
}

static int open_fd(const char *path, unsigned flags, int *ret_fd, char **ret_why)
{
	int mode = (flags & DEV_RDONLY ? O_RDONLY : O_RDWR) | O_CLOEXEC;
	struct stat st;
	int fd, rc;

	/* Before open(): that could block on a FIFO or wake a tape. */
	if (stat(path, &st)) {
		rc = -errno;
		return fail(ret_why, rc, "cannot open %s: %s", path, err_str(rc));
	}
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
		return fail(ret_why, -VE_DEV_KIND,
			    "%s is neither a block device nor a regular file", path);
	fd = open(path, mode | O_DIRECT);
	if (fd < 0 && errno == EINVAL) {
		fd = open(path, mode);
		if (fd >= 0)
			msg_warn("%s: no direct I/O here, using the page cache", path);
	}
	if (fd < 0) {
		rc = -errno;
		return fail(ret_why, rc, "cannot open %s: %s", path, err_str(rc));
	}
	*ret_fd = fd;
	return 0;
}

/* One attempt to have the device to ourselves. */
static int try_lock(int fd, const char *path, unsigned flags, bool block, const char **ret_who)
{
	int how = (flags & DEV_RDONLY ? LOCK_SH : LOCK_EX) | LOCK_NB;
	int probe;

	while (flock(fd, how)) {
		if (errno == EINTR)
			continue;
		*ret_who = in_use;
		return errno == EWOULDBLOCK ? -VE_DEV_BUSY : -errno;
	}
	if (!block)
		return 0;
	probe = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (probe >= 0) {
		close(probe);
		return 0;
	}
	if (errno != EBUSY)
		return -errno;
	flock(fd, LOCK_UN);
	*ret_who = mounted;
	return -VE_DEV_BUSY;
}

static int lock(int fd, const char *path, unsigned flags, char **ret_why)
{
	int64_t start = clock_mono(), patience = 0;
	const char *who = NULL;
	bool told = false;
	struct stat st;
	int rc;

	if (fstat(fd, &st))
		return fail(ret_why, -errno, "cannot stat %s", path);
	if (flags & DEV_WAIT)
		patience = WAIT_NS;
	else if (S_ISBLK(st.st_mode))
		patience = GRACE_NS;
	while ((rc = try_lock(fd, path, flags, S_ISBLK(st.st_mode), &who)) == -VE_DEV_BUSY &&
	       clock_mono() - start < patience) {
		struct timespec ts = { 0, RETRY_NS };

		if (who == mounted && !(flags & DEV_WAIT))
			break;
		if (!told && flags & DEV_WAIT) {
			msg_info("waiting for %s to be released", path);
			told = true;
		}
		nanosleep(&ts, NULL);
	}
	if (rc == -VE_DEV_BUSY)
		return fail(ret_why, rc, "%s is %s", path, who);
	if (rc)
		return fail(ret_why, rc, "cannot lock %s: %s", path, err_str(rc));
	return 0;
}

int dev_open_path(const char *path, unsigned flags, struct dev **ret, char **ret_why)
{
	int fd = -1, rc;

	if (ret_why)
		*ret_why = NULL;
	rc = open_fd(path, flags, &fd, ret_why);
	if (rc)
		return rc;
	if (!(flags & DEV_NOLOCK)) {
		rc = lock(fd, path, flags, ret_why);
		if (rc) {
			close(fd);
			return rc;
		}
	}
	rc = dev_uring_new(fd, path, flags & DEV_RDONLY, ret);
	if (rc)
		return fail(ret_why, rc, "cannot use %s: %s", path, err_str(rc));
	return 0;
}
