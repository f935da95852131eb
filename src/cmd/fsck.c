/* SPDX-License-Identifier: MIT */
/* fsck.c - fsck.varve: checks a volume and repairs it (store/check.h). */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/msg.h"
#include "fuse/mnt.h"
#include "store/check.h"
#include "store/rebuild.h"
#include "store/undo.h"

/* As in fsck(8): bits. */
enum { OK = 0, CORRECTED = 1, UNCORRECTED = 4, FAILED = 8, USAGE = 16, CANCELLED = 32 };

#define UNDO_DIR "/var/lib/varvefs"
#define TICK_NS 200000000

static const char usage[] =
	"usage: fsck.varve [OPTION...] DEVICE\n"
	"       fsck.varve --rebuild [-f] [-z FILE] DEVICE\n"
	"       fsck.varve --undo FILE [-f] DEVICE\n"
	"  -n         check only, write nothing (the default)\n"
	"  -p, -a     preen: repair what is safe, without questions\n"
	"  -y         repair all that can be repaired\n"
	"  -f         check even if the volume was closed cleanly\n"
	"  --data     read all data and compare checksums (implies -f)\n"
	"  --rebuild  the metadata is lost: restore it from a backup in the log, or\n"
	"             salvage what the log says; -f: even if nothing is wrong with it\n"
	"  -z FILE    undo file of -y and --rebuild (\"none\": no undo file)\n"
	"  --undo FILE  take a repair back; -f: even if the volume has changed since\n"
	"  -C FD      progress to this descriptor, for programs (0: to the terminal)\n"
	"  -v, -V     verbose, version\n";

struct args {
	const char *device, *undo_file, *undo;
	struct check_opts o;
	int modes;
	bool verbose, rebuild;
	int progress_fd; /* -1: none */
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	interrupted = 1;
}

/* --- what is said --- */

struct show {
	const struct args *a;
	bool tty, line; /* a progress line is on the screen */
	const char *what;
	unsigned pass;
	int64_t began, told;
};

static void clear_line(struct show *s)
{
	if (s->line)
		fputs("\r\033[K", stderr);
	s->line = false;
}

static void say(void *arg, enum check_level level, const char *text)
{
	struct show *s = arg;

	if (level == CHECK_NOTE && !s->a->verbose)
		return;
	clear_line(s);
	printf("%s: %s\n", s->a->device, text);
	fflush(stdout);
}

static void print_count(FILE *out, uint64_t n, bool bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double v = (double)n;
	size_t u = 0;

	if (!bytes) {
		fprintf(out, "%" PRIu64, n);
		return;
	}
	for (; v >= 1024 && u + 1 < ARRAY_LEN(units); u++)
		v /= 1024;
	fprintf(out, u ? "%.1f %s" : "%.0f %s", v, units[u]);
}

static void print_line(struct show *s, uint64_t done, uint64_t total, bool bytes)
{
	double sec = (double)(s->told - s->began) / 1e9;
	uint64_t rate = sec > 0.1 ? (uint64_t)((double)done / sec) : 0;

	fprintf(stderr, "\r\033[K%s: %s", s->a->device, s->what);
	if (done) {
		fputs(": ", stderr);
		print_count(stderr, done, bytes);
	}
	if (total)
		fprintf(stderr, " of ");
	if (total)
		print_count(stderr, total, bytes);
	if (rate) {
		fputs(", ", stderr);
		print_count(stderr, rate, bytes);
		fputs("/s", stderr);
	}
	if (rate && total > done) {
		uint64_t left = (total - done) / rate;

		fprintf(stderr, ", %" PRIu64 ":%02" PRIu64 " left", left / 60, left % 60);
	}
	fflush(stderr);
	s->line = true;
}

static int progress(void *arg, const char *what, uint64_t done, uint64_t total, bool bytes)
{
	struct show *s = arg;
	int64_t now = clock_mono();

	if (interrupted)
		return 1;
	if (!s->what || strcmp(what, s->what) != 0) {
		s->what = what;
		s->began = now;
		s->told = 0;
		s->pass++;
	}
	if (now - s->told < TICK_NS && done != total)
		return 0;
	s->told = now;
	if (s->a->progress_fd > 0)
		dprintf(s->a->progress_fd, "%u %" PRIu64 " %" PRIu64 " %s\n", s->pass, done, total,
			s->a->device);
	else if (s->tty)
		print_line(s, done, total, bytes);
	return 0;
}

/* --- the undo file --- */

/* Beside an image file; for a block device in UNDO_DIR. */
static int choose_undo(struct args *a, char *buf, size_t room)
{
	const char *base = strrchr(a->device, '/');
	time_t now = time(NULL);
	char stamp[32];
	struct stat st;
	struct tm tm;

	if (a->undo_file) {
		a->o.undo_path = strcmp(a->undo_file, "none") ? a->undo_file : NULL;
		return 0;
	}
	if (!gmtime_r(&now, &tm) || !strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm) ||
	    stat(a->device, &st))
		return -errno;
	if (S_ISBLK(st.st_mode)) {
		if (mkdir(UNDO_DIR, 0700) && errno != EEXIST) {
			int err = -errno;

			msg_err("%s: %s (-z FILE chooses another place)", UNDO_DIR, err_str(err));
			return err;
		}
		snprintf(buf, room, "%s/%s-%s.undo", UNDO_DIR, base ? base + 1 : a->device, stamp);
	} else {
		snprintf(buf, room, "%s-%s.undo", a->device, stamp);
	}
	a->o.undo_path = buf;
	return 0;
}

static int take_back(const struct args *a, struct dev *d)
{
	uint64_t bytes;
	int err = undo_apply(a->undo, d, a->o.force, &bytes);

	if (err == -EEXIST)
		msg_err("%s has been changed since %s was made; -f undoes all the same", a->device,
			a->undo);
	else if (err)
		msg_err("%s: %s", a->undo, err_str(err));
	if (err)
		return FAILED;
	printf("%s: %" PRIu64 " bytes are as they were before the repair\n", a->device, bytes);
	return CORRECTED;
}

/* --- the check --- */

static void print_summary(const struct args *a, const struct check_result *r)
{
	printf("%s: ", a->device);
	if (r->skipped)
		printf("clean, ");
	printf("%" PRIu64 " inodes, ", r->count.inodes);
	print_count(stdout, r->count.data_bytes, true);
	printf(" of data");
	if (r->data_checked) {
		printf(" (");
		print_count(stdout, r->data_checked, true);
		printf(" read)");
	}
	if (r->found)
		printf("; %u problem%s, %u repaired", r->found, r->found > 1 ? "s" : "", r->fixed);
	else if (!r->skipped)
		printf("; no problems");
	putchar('\n');
	if (r->undo_made)
		printf("%s: what was overwritten is in %s\n", a->device, a->o.undo_path);
}

static int check(struct args *a, struct dev *d)
{
	struct show s = { .a = a, .tty = isatty(STDERR_FILENO) && isatty(STDOUT_FILENO) };
	struct check_result r;
	char path[4096];
	int err, status = OK;

	a->o.say = say;
	a->o.progress = progress;
	a->o.arg = &s;
	if (a->o.mode == CHECK_REPAIR && choose_undo(a, path, sizeof(path)))
		return FAILED;
	err = check_volume(d, &a->o, &r);
	clear_line(&s);
	if (err == -ECANCELED) {
		msg_err("%s: cancelled", a->device);
		return CANCELLED | (r.found ? UNCORRECTED : 0);
	}
	if (err) {
		msg_err("%s: %s", a->device, err_str(err));
		return FAILED | (r.found ? UNCORRECTED : 0);
	}
	print_summary(a, &r);
	if (r.fixed)
		status |= CORRECTED;
	if (r.left) {
		status |= UNCORRECTED;
		if (r.lost)
			printf("%s: fsck.varve --rebuild gets back what backups and log have\n",
			       a->device);
		else if (a->o.mode != CHECK_REPAIR)
			printf("%s: fsck.varve -y repairs what can be repaired\n", a->device);
	}
	return status;
}

/* --- rebuilding --- */

static bool metadata_is_whole(const struct args *a, struct dev *d, struct show *s)
{
	struct check_opts o = { .mode = CHECK_ONLY, .force = true, .progress = progress, .arg = s };
	struct check_result r;

	return !check_volume(d, &o, &r) && !r.found;
}

static void print_rebuilt(const struct args *a, const struct rebuild_result *r)
{
	if (r->from_backup)
		printf("%s: metadata restored from the backup at operation %" PRIu64 ", %" PRIu64
		       " batches of log replayed since then\n", a->device, r->backup_op,
		       r->batches);
	else
		printf("%s: metadata salvaged from %" PRIu64 " batches of log\n", a->device,
		       r->batches);
	printf("%s: %" PRIu64 " inodes, ", a->device, r->count.inodes);
	print_count(stdout, r->count.data_bytes, true);
	printf(" of data, up to operation %" PRIu64 "; %u corrections\n", r->op_seq, r->repaired);
	if (r->missing || r->skipped)
		printf("%s: %" PRIu64 " operations are missing, %" PRIu64 " could not be applied\n",
		       a->device, r->missing, r->skipped);
	if (!r->from_backup || r->missing)
		printf("%s: fsck.varve --data tells what data is damaged\n", a->device);
}

/* Onto d, with what is overwritten in an undo file. */
static int rebuild_with_undo(struct args *a, struct dev *d, const struct rebuild_opts *o,
			     struct rebuild_result *r)
{
	struct super sup;
	struct undo *u;
	int err, err2;

	if (!a->o.undo_path)
		return rebuild_volume(d, o, r);
	err = super_read(d, &sup, NULL);
	if (err)
		return err;
	err = undo_create(a->o.undo_path, d, &sup, &u);
	if (err) {
		msg_err("undo file %s: %s", a->o.undo_path, err_str(err));
		return err;
	}
	err = rebuild_volume(undo_dev(u), o, r);
	if (undo_bytes(u))
		printf("%s: what was overwritten is in %s\n", a->device, a->o.undo_path);
	err2 = undo_finish(u);
	undo_close(u);
	return err ? err : err2;
}

static int rebuild(struct args *a, struct dev *d)
{
	struct show s = { .a = a, .tty = isatty(STDERR_FILENO) && isatty(STDOUT_FILENO) };
	struct rebuild_opts o = { .say = say, .progress = progress, .arg = &s };
	struct rebuild_result r;
	char path[4096];
	int err;

	if (!a->o.force && metadata_is_whole(a, d, &s)) {
		clear_line(&s);
		msg_err("%s: the metadata is whole; -f rebuilds it all the same", a->device);
		return FAILED;
	}
	if (choose_undo(a, path, sizeof(path)))
		return FAILED;
	if (!a->o.undo_path && !a->o.force) {
		msg_err("%s: rebuilding without an undo file needs -f", a->device);
		return USAGE;
	}
	err = rebuild_with_undo(a, d, &o, &r);
	clear_line(&s);
	if (err) {
		msg_err("%s: %s", a->device, err == -ECANCELED ? "cancelled" : err_str(err));
		return err == -ECANCELED ? CANCELLED : FAILED;
	}
	print_rebuilt(a, &r);
	return CORRECTED | (r.missing || r.skipped || r.left ? UNCORRECTED : 0);
}

/* A volume that is mounted is refused at once; one that is just being unmounted
 * is worth waiting for. */
static int open_device(const struct args *a, struct dev **ret)
{
	bool write = a->undo || a->rebuild || a->o.mode != CHECK_ONLY;
	char *real = realpath(a->device, NULL), *where, *why = NULL;
	int err;

	where = mnt_dir_of(real ? real : a->device);
	free(real);
	if (where) {
		msg_err("%s is mounted at %s", a->device, where);
		free(where);
		return -VE_DEV_BUSY;
	}
	err = dev_open_path(a->device, DEV_WAIT | (write ? 0 : DEV_RDONLY), ret, &why);
	if (err)
		msg_err("%s", why ? why : err_str(err));
	free(why);
	return err;
}

/* --- the command line --- */

static bool one_option(struct args *a, int c)
{
	char *end;

	switch (c) {
	case 'n':
		a->o.mode = CHECK_ONLY;
		a->modes++;
		return true;
	case 'a':
	case 'p':
		a->o.mode = CHECK_PREEN;
		a->modes++;
		return true;
	case 'y':
		a->o.mode = CHECK_REPAIR;
		a->modes++;
		return true;
	case 'f':
		a->o.force = true;
		return true;
	case 'D':
		a->o.data = true;
		return true;
	case 'z':
		a->undo_file = optarg;
		return true;
	case 'U':
		a->undo = optarg;
		return true;
	case 'R':
		a->rebuild = true;
		a->modes++;
		return true;
	case 'v':
		a->verbose = true;
		return true;
	case 'C':
		a->progress_fd = (int)strtol(optarg, &end, 10);
		return *optarg && !*end && a->progress_fd >= 0;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "data", no_argument, NULL, 'D' },
		{ "rebuild", no_argument, NULL, 'R' },
		{ "undo", required_argument, NULL, 'U' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct args a = { .progress_fd = -1 };
	struct sigaction sa = { .sa_handler = on_signal };
	struct dev *d;
	int c, status;

	msg_init("fsck.varve", MSG_STDERR, MSG_INFO);
	while ((c = getopt_long(argc, argv, "napyfz:C:vVh", longs, NULL)) != -1) {
		if (c == 'V') {
			puts("fsck.varve " PACKAGE_VERSION);
			return OK;
		}
		if (c == 'h') {
			fputs(usage, stdout);
			return OK;
		}
		if (!one_option(&a, c)) {
			fputs(usage, stderr);
			return USAGE;
		}
	}
	if (optind + 1 != argc || a.modes > 1 || (a.undo && a.modes)) {
		fputs(usage, stderr);
		return USAGE;
	}
	a.device = argv[optind];
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	if (open_device(&a, &d))
		return FAILED;
	if (a.undo)
		status = take_back(&a, d);
	else
		status = a.rebuild ? rebuild(&a, d) : check(&a, d);
	dev_close(d);
	return status;
}
