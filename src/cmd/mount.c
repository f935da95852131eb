/* SPDX-License-Identifier: MIT */
/* mount.c - mount.varve: the daemon that serves a volume.
 *
 * The parent waits on a pipe until the mount is ready or has failed, and its
 * exit status says which (mount(8): 0, 1 usage, 2 system, 32 mount failure). */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/msg.h"
#include "fs/control_vol.h"
#include "fuse/mnt.h"
#include "fuse/session.h"

enum { EXIT_USAGE = 1, EXIT_SYSTEM = 2, EXIT_MOUNT = 32 };
#define READAHEAD_KIB 2048u

/* The write end of the pipe to the waiting parent; -1 in the foreground. */
static int parent = -1;

static int remount(const struct opts *o)
{
	unsigned long flags = opts_mount_flags(o) | MS_REMOUNT;
	struct mnt_info m;

	if (!mnt_find(o->dir, &m)) {
		msg_err("%s is not mounted", o->dir);
		return EXIT_MOUNT;
	}
	if (mount(m.source, o->dir, NULL, flags, NULL) == 0)
		return 0;
	msg_err("remounting %s: %s", o->dir, strerror(errno));
	return EXIT_MOUNT;
}

/* --- becoming a daemon --- */

static int wait_for_child(pid_t pid, int fd)
{
	unsigned char status;
	ssize_t n;
	int ws;

	do {
		n = read(fd, &status, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		return status;
	/* it ended without a word */
	if (waitpid(pid, &ws, 0) == pid && WIFEXITED(ws) && WEXITSTATUS(ws))
		return WEXITSTATUS(ws);
	msg_err("the daemon died while mounting");
	return EXIT_SYSTEM;
}

/* Returns in the child; the parent exits with the outcome. */
static int go_background(void)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid > 0) {
		close(fds[1]);
		_exit(wait_for_child(pid, fds[0]));
	}
	close(fds[0]);
	parent = fds[1];
	setsid();
	return 0;
}

static void tell_parent(unsigned char status)
{
	if (parent < 0)
		return;
	/* it may have been killed: then nobody wants to know */
	if (write(parent, &status, 1) < 0)
		msg_debug("parent: %s", strerror(errno));
	close(parent);
	parent = -1;
}

static void ready(const struct opts *o)
{
	int null;

	mnt_notify("READY=1");
	if (o->foreground)
		return;
	if (chdir("/"))
		msg_warn("chdir /: %s", strerror(errno));
	msg_init("varvefs", MSG_SYSLOG, o->verbose ? MSG_DEBUG : MSG_INFO);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		close(null);
	}
	tell_parent(0);
}

/* --- volume and mount --- */

static int open_volume(struct session *s, struct opts *o)
{
	unsigned flags = o->readonly ? DEV_RDONLY : 0;
	char *why = NULL;
	int err;

	/* Somebody on his way out is waited for; somebody who stays is not. */
	if (!mnt_source_is_mounted(o->device))
		flags |= DEV_WAIT;
	err = dev_open_path(o->device, flags, &s->dev, &why);
	if (err) {
		msg_err("%s", why ? why : err_str(err));
		free(why);
		return err;
	}
	err = vol_open(s->dev, &o->vol, &s->vol);
	if (!err)
		err = fs_open_volume(s->vol, &o->fs, &s->fs);
	if (!err && !o->readonly && !o->nogc)
		err = gc_start(s->vol, &o->gc, &s->gc);
	if (!err && !o->readonly)
		err = scrub_open(s->vol, NULL, &s->scrub);
	if (!err)
		err = control_add_vol(s->fs, s->scrub);
	if (err)
		msg_err("%s: %s", o->device, err_str(err));
	return err;
}

static int mount_it(struct session *s)
{
	const struct opts *o = s->opts;
	bool blkdev = dev_is_block(s->dev);
	int err;

	if (blkdev && geteuid() == 0) {
		err = session_mount(s, true);
		if (!err)
			return 0;
		msg_warn("%s: no fuseblk mount here, trying plain fuse: syncfs will not "
			 "reach the device, umount will not wait", o->device);
	}
	err = session_mount(s, false);
	if (err)
		msg_err("%s: cannot mount on %s", o->device, o->dir);
	return err;
}

static void close_all(struct session *s)
{
	int err = session_close_volume(s);

	if (err)
		msg_err("%s: closing: %s", s->opts->device, err_str(err));
}

static int serve(struct opts *o)
{
	struct session s = { .opts = o };
	int err;

	o->vol.threads = session_threads(o) + 1;
	mnt_protect_self(); /* threads inherit it */
	if (open_volume(&s, o)) {
		close_all(&s);
		return EXIT_MOUNT;
	}
	if (mount_it(&s)) {
		close_all(&s);
		return EXIT_MOUNT;
	}
	err = session_start(&s);
	if (!err) {
		mnt_set_readahead(o->dir, READAHEAD_KIB);
		ready(o);
		msg_info("%s mounted on %s (%s)", o->device, o->dir, s.intake->name);
	} else {
		msg_err("%s: cannot start: %s", o->device, err_str(err));
		session_detach(&s);
	}
	if (session_run(&s) || err)
		err = EXIT_SYSTEM;
	msg_info("%s unmounted", o->device);
	return err;
}

/* Replaces the image by a loop device on it; *ret_fd keeps it until our own
 * opening does. */
static int use_loop(struct opts *o, int *ret_fd)
{
	char *device;
	struct stat st;
	int err;

	if (stat(o->device, &st) == 0 && S_ISBLK(st.st_mode))
		return 0;
	err = mnt_loop_attach(o->device, o->readonly, &device, ret_fd);
	if (err) {
		msg_err("%s: no loop device: %s", o->device, strerror(-err));
		return err;
	}
	free(o->device);
	o->device = device;
	return 0;
}

static bool is_directory(const char *dir)
{
	struct statfs fs;
	struct stat st;

	/* attributes of a dead mount may be cached, this is not */
	while (statfs(dir, &fs) && errno == ENOTCONN && mnt_clear_dead(dir))
		;
	if (stat(dir, &st)) {
		msg_err("%s: %s", dir, strerror(errno));
		return false;
	}
	if (!S_ISDIR(st.st_mode))
		msg_err("%s is not a directory", dir);
	return S_ISDIR(st.st_mode);
}

int main(int argc, char **argv)
{
	struct opts o;
	sigset_t set;
	int status, loop_fd = -1;

	msg_init("mount.varve", MSG_STDERR, MSG_INFO);
	status = opts_parse(&o, argc, argv);
	if (status != OPTS_GO)
		return status;
	msg_init("mount.varve", MSG_STDERR,
		 o.debug ? MSG_DEBUG : o.verbose ? MSG_INFO : MSG_WARN);
	if (o.remount)
		return remount(&o);
	if (!is_directory(o.dir))
		return EXIT_MOUNT;
	if (!o.foreground && go_background()) {
		msg_err("cannot start a process: %s", strerror(errno));
		return EXIT_SYSTEM;
	}
	/* for the threads to come, too */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	umask(0);
	if (o.loop && use_loop(&o, &loop_fd))
		status = EXIT_MOUNT;
	else
		status = serve(&o);
	tell_parent((unsigned char)status);
	return status;
}
