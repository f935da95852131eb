/* SPDX-License-Identifier: MIT */
/* session.c - INIT, the rings' life, signals, the end. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/msg.h"
#include "fuse/mnt.h"
#include "fuse/ops.h"

#define SEC 1000000000ll

/* --- INIT --- */

ssize_t session_read(int fd, void *buf, size_t len, void *userdata)
{
	return read(fd, buf, len);
}

/* libfuse 3.14 writes the INIT reply as it knows it; what it cannot express is
 * added on the way out. */
static ssize_t init_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	struct session *s = userdata;
	struct fuse_out_header *out = iov[0].iov_base;
	struct fuse_init_out init;
	struct iovec patched[2];
	uint64_t flags, wanted = FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT |
				 FUSE_MAX_PAGES | FUSE_INIT_EXT | FUSE_BIG_WRITES;

	if (s->got_init || out->unique != s->init_unique)
		return session_writev(fd, iov, count, userdata);
	if (out->error || count != 2)
		return writev(fd, iov, count);
	memset(&init, 0, sizeof(init));
	memcpy(&init, iov[1].iov_base, MIN(iov[1].iov_len, sizeof(init)));
	flags = init.flags | (uint64_t)init.flags2 << 32;
	flags |= wanted & s->kernel_flags;
	flags &= ~(uint64_t)FUSE_HANDLE_KILLPRIV;
	if (s->uring)
		flags |= RAW_OVER_IO_URING;
	init.minor = MIN(s->kernel_minor, RAW_MINOR_MAX);
	init.flags = (uint32_t)flags;
	init.flags2 = flags & FUSE_INIT_EXT ? (uint32_t)(flags >> 32) : 0;
	init.max_write = s->max_write;
	init.max_pages = (uint16_t)(s->max_write / (unsigned)getpagesize());
	patched[0] = (struct iovec){ out, sizeof(*out) };
	patched[1] = (struct iovec){ &init, sizeof(init) };
	out->len = sizeof(*out) + sizeof(init);
	s->got_init = true;
	return writev(fd, patched, 2);
}

static void note_init(struct session *s, const struct fuse_in_header *in, size_t len)
{
	const struct fuse_init_in *init = (const void *)(in + 1);
	bool ext;

	s->init_unique = in->unique;
	s->kernel_minor = init->minor;
	s->kernel_flags = init->flags;
	ext = (init->flags & FUSE_INIT_EXT) && len >= sizeof(*in) + sizeof(*init);
	if (ext)
		s->kernel_flags |= (uint64_t)init->flags2 << 32;
	s->max_write = s->kernel_flags & FUSE_MAX_PAGES ? FREQ_ROOM : 32 * VARVE_BLOCK;
	s->uring = !s->opts->nouring && (s->kernel_flags & RAW_OVER_IO_URING);
	s->intake = s->uring ? &intake_uring : &intake_dev;
}

static int answer_init(struct session *s)
{
	size_t room = FREQ_ROOM + VARVE_BLOCK;
	char *mem = xmalloc(room);
	int err = 0;

	while (!s->got_init && !err) {
		struct fuse_buf buf = { .mem = mem };
		const struct fuse_in_header *in = (const void *)mem;
		ssize_t n = read(s->fd, mem, room);

		if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT))
			continue;
		if (n < (ssize_t)(sizeof(*in) + 16)) {
			err = n < 0 ? -errno : -EIO;
			break;
		}
		if (in->opcode != FUSE_INIT) {
			err = -EPROTO;
			break;
		}
		note_init(s, in, (size_t)n);
		buf.size = (size_t)n;
		fuse_session_process_buf(s->se, &buf);
		/* a newer major is answered with ours, then asked again */
		if (fuse_session_exited(s->se))
			err = -EPROTO;
	}
	free(mem);
	if (err)
		msg_err("the kernel's INIT: %s", strerror(-err));
	return err;
}

/* libfuse's own messages, one line each. */
static void from_libfuse(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char line[512];
	size_t n;

	vsnprintf(line, sizeof(line), fmt, ap);
	n = strlen(line);
	if (n && line[n - 1] == '\n')
		line[n - 1] = '\0';
	msg_at(level <= FUSE_LOG_ERR ? MSG_ERR : MSG_DEBUG, "%s", line);
}

int session_mount(struct session *s, bool blkdev)
{
	static const struct fuse_custom_io io = {
		.writev = init_writev,
		.read = session_read,
	};
	char *options = opts_for_fuse(s->opts, blkdev);
	char *argv[] = { (char *)"varve", (char *)"-o", options, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);
	int err = -EINVAL;

	fuse_set_log_func(from_libfuse);
	s->se = fuse_session_new(&args, &ops_table, sizeof(ops_table), s);
	fuse_opt_free_args(&args);
	free(options);
	if (!s->se)
		return -EINVAL;
	if (fuse_session_mount(s->se, s->opts->dir))
		goto fail;
	s->fd = fuse_session_fd(s->se);
	err = fuse_session_custom_io(s->se, &io, s->fd);
	if (!err)
		err = answer_init(s);
	if (!err)
		return 0;
	fuse_session_unmount(s->se);
fail:
	fuse_session_destroy(s->se);
	s->se = NULL;
	return err;
}

/* --- rings --- */

/* Each ring reads on a descriptor of its own, with its own list of requests
 * being answered; where /dev/fuse cannot be opened (fusermount3 did it for us),
 * they share one. */
static int clone_fd(int fd)
{
	uint32_t master = (uint32_t)fd;
	int clone = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (clone >= 0 && ioctl(clone, FUSE_DEV_IOC_CLONE, &master) == 0)
		return clone;
	if (clone >= 0)
		close(clone);
	clone = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (clone < 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
		return -errno;
	return clone;
}

static unsigned count_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return (unsigned)MIN(MAX(n, 2), 8);
}

unsigned session_threads(const struct opts *o)
{
	return o->threads ? o->threads : count_cpus();
}

static void read_event(struct session *s)
{
	uint64_t n;

	if (read(s->event, &n, sizeof(n)) < 0 && errno != EAGAIN)
		msg_err("eventfd: %s", strerror(errno));
}

static void wait_event(struct session *s)
{
	struct pollfd p = { .fd = s->event, .events = POLLIN };

	poll(&p, 1, -1);
	read_event(s);
}

int session_start(struct session *s)
{
	int err = 0;

	s->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->event < 0)
		return -errno;
	s->nrings = session_threads(s->opts);
	if (sched_getaffinity(0, sizeof(s->cpus), &s->cpus))
		CPU_ZERO(&s->cpus);
	s->rings = xcalloc(s->nrings, sizeof(*s->rings));
	atomic_store(&s->phase, PHASE_RUN);
	for (unsigned i = 0; i < s->nrings && !err; i++) {
		struct fring *fr = &s->rings[i];

		fr->s = s;
		fr->id = i;
		fr->fd = clone_fd(s->fd);
		if (fr->fd < 0) {
			err = fr->fd;
			break;
		}
		atomic_fetch_add(&s->open_rings, 1);
		err = -pthread_create(&fr->thread, NULL, loop_thread, fr);
		if (err)
			atomic_fetch_sub(&s->open_rings, 1);
		else
			fr->created = true;
	}
	/* each has said whether it started */
	for (unsigned i = 0; i < s->nrings; i++) {
		struct fring *fr = &s->rings[i];

		while (fr->created && !atomic_load(&fr->started) && !atomic_load(&fr->failed))
			wait_event(s);
		if (atomic_load(&fr->failed))
			err = -EIO;
	}
	if (err)
		atomic_store(&s->gone, true);
	return err;
}

static void set_phase(struct session *s, int phase)
{
	atomic_store(&s->phase, phase);
	for (unsigned i = 0; i < s->nrings; i++) {
		if (s->rings[i].created && atomic_load(&s->rings[i].started))
			loop_poke(&s->rings[i]);
	}
}

static void join_rings(struct session *s, int64_t patience)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += patience / SEC;
	for (unsigned i = 0; i < s->nrings; i++) {
		struct fring *fr = &s->rings[i];

		if (!fr->created)
			continue;
		if (pthread_timedjoin_np(fr->thread, NULL, &until)) {
			s->stuck = true;
			continue;
		}
		fr->created = false;
		if (fr->drained)
			ring_destroy(fr->ring);
	}
}

/* --- the end --- */

/* The kernel may send us DESTROY while umount2() waits, so another process
 * makes the call. */
pid_t session_detach(const struct session *s)
{
	pid_t pid = fork();

	if (pid < 0)
		msg_err("fork: %s", strerror(errno));
	if (pid != 0)
		return pid;
	if (geteuid() == 0) {
		close_range(3, ~0u, 0);
		_exit(umount2(s->opts->dir, MNT_DETACH) ? 1 : 0);
	}
	execlp("fusermount3", "fusermount3", "-u", "-z", "-q", "--", s->opts->dir,
	       (char *)NULL);
	_exit(1);
}

static void got_signal(struct session *s, int sigfd, int64_t *deadline, pid_t *child)
{
	struct signalfd_siginfo si;

	if (read(sigfd, &si, sizeof(si)) != sizeof(si))
		return;
	if (*deadline) {
		msg_warn("another signal: not waiting any longer for open files");
		*deadline = 1;
		return;
	}
	msg_info("signal %u: detaching %s", si.ssi_signo, s->opts->dir);
	*deadline = clock_mono() + s->opts->stop_timeout * SEC;
	*child = session_detach(s);
}

static int timeout_ms(int64_t deadline)
{
	int64_t left = deadline - clock_mono();

	if (!deadline)
		return -1;
	return left <= 0 ? 0 : (int)(left / 1000000 + 1);
}

static void serve(struct session *s, int sigfd, pid_t *child)
{
	int64_t deadline = 0;

	while (!atomic_load(&s->gone)) {
		struct pollfd p[2] = {
			{ .fd = sigfd, .events = POLLIN },
			{ .fd = s->event, .events = POLLIN },
		};
		int n = poll(p, 2, timeout_ms(deadline));

		if (n > 0 && (p[0].revents & POLLIN))
			got_signal(s, sigfd, &deadline, child);
		if (n > 0 && (p[1].revents & POLLIN))
			read_event(s);
		if (deadline && clock_mono() >= deadline) {
			msg_warn("%s: files are still open after %u s: stopping anyway",
				 s->opts->device, s->opts->stop_timeout);
			return;
		}
	}
}

int session_run(struct session *s)
{
	sigset_t set;
	int sigfd, err;
	pid_t child = -1;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC);
	serve(s, sigfd, &child);
	set_phase(s, PHASE_CLOSE);
	while (atomic_load(&s->open_rings))
		wait_event(s);
	err = session_close_volume(s);
	if (err)
		msg_err("%s: closing: %s", s->opts->device, err_str(err));
	set_phase(s, PHASE_LAME);
	join_rings(s, 5 * SEC);
	set_phase(s, PHASE_QUIT);
	if (s->stuck)
		join_rings(s, 0);
	if (child > 0)
		waitpid(child, NULL, WNOHANG);
	close(sigfd);
	return err;
}

int session_close_volume(struct session *s)
{
	int err = 0;

	scrub_close(s->scrub);
	s->scrub = NULL;
	gc_stop(s->gc);
	s->gc = NULL;
	fs_close_volume(s->fs);
	s->fs = NULL;
	if (s->vol)
		err = vol_close(s->vol);
	s->vol = NULL;
	dev_close(s->dev);
	s->dev = NULL;
	return err;
}
