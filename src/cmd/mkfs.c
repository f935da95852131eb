/* SPDX-License-Identifier: MIT */
/* mkfs.c - mkfs.varve: makes an empty volume on a block device or image file. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/msg.h"
#include "cmd/probe.h"
#include "fuse/opts.h"
#include "store/vol.h"

static const char usage[] =
	"usage: mkfs.varve [OPTION...] DEVICE\n"
	"  -f            overwrite what the device holds\n"
	"  -L LABEL      volume label, up to 64 bytes\n"
	"  -U UUID       volume id (random otherwise)\n"
	"  -s SIZE       create the image file, or extend it to SIZE (sparse)\n"
	"  -S SIZE       segment size, a power of two from 1M to 64M (by device size)\n"
	"  -K            keep old blocks: do not discard\n"
	"  -n            say what would be done, change nothing\n"
	"  -q, -v, -V    quiet, verbose, version\n";

struct args {
	const char *device, *label;
	uint8_t uuid[16];
	bool has_uuid, force, dry, quiet, verbose, keep;
	uint64_t size, seg_size;
};

static bool parse_uuid(const char *text, uint8_t out[16])
{
	size_t n = 0;

	for (; *text && n < 32; text++) {
		const char *hex = "0123456789abcdef", *p;

		if (*text == '-')
			continue;
		p = strchr(hex, *text >= 'A' && *text <= 'F' ? *text | 0x20 : *text);
		if (!p)
			return false;
		out[n / 2] = (uint8_t)(n % 2 ? out[n / 2] | (p - hex) : (p - hex) << 4);
		n++;
	}
	return n == 32 && !*text;
}

static bool one_option(struct args *a, int c)
{
	switch (c) {
	case 'f':
		a->force = true;
		return true;
	case 'n':
		a->dry = true;
		return true;
	case 'q':
		a->quiet = true;
		return true;
	case 'v':
		a->verbose = true;
		return true;
	case 'K':
		a->keep = true;
		return true;
	case 'L':
		a->label = optarg;
		if (strlen(optarg) <= 64)
			return true;
		msg_err("the label is longer than 64 bytes");
		return false;
	case 'U':
		a->has_uuid = true;
		if (parse_uuid(optarg, a->uuid))
			return true;
		msg_err("'%s' is not a UUID", optarg);
		return false;
	case 's':
		if (opts_size(optarg, &a->size) && a->size)
			return true;
		msg_err("'%s' is not a size", optarg);
		return false;
	case 'S':
		if (opts_size(optarg, &a->seg_size) && a->seg_size >= SEG_SIZE_MIN &&
		    a->seg_size <= SEG_SIZE_MAX && !(a->seg_size & (a->seg_size - 1)))
			return true;
		msg_err("'%s' is not a segment size (a power of two from 1M to 64M)", optarg);
		return false;
	default:
		fputs(usage, stderr);
		return false;
	}
}

/* The image file gets its size; block devices have theirs.  *ret_made: the
 * file did not exist before. */
static int prepare_image(const struct args *a, bool *ret_made)
{
	struct stat st;
	int fd, err = 0;
	bool exists = stat(a->device, &st) == 0;

	*ret_made = false;
	if (exists && !S_ISREG(st.st_mode)) {
		if (a->size)
			msg_err("%s is not a regular file: -s is for image files", a->device);
		return a->size ? -EINVAL : 0;
	}
	if (!exists && !a->size) {
		err = -errno;
		msg_err("%s: %s (-s SIZE creates an image file)", a->device, strerror(-err));
		return err;
	}
	if (!a->size || (exists && (uint64_t)st.st_size >= a->size) || a->dry)
		return 0;
	fd = open(a->device, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)a->size))
		err = -errno;
	if (err)
		msg_err("%s: %s", a->device, strerror(-err));
	else
		*ret_made = !exists;
	if (fd >= 0)
		close(fd);
	return err;
}

static void print_size(const char *what, uint64_t bytes)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	double v = (double)bytes;
	size_t u = 0;

	for (; v >= 1024 && u + 1 < ARRAY_LEN(units); u++)
		v /= 1024;
	printf("  %-13s %.4g %s\n", what, v, units[u]);
}

static void print_geometry(const struct args *a, const struct super *s)
{
	const uint8_t *u = s->uuid;

	printf("%s: %s\n", a->device, a->dry ? "would become a varvefs volume" : "varvefs volume");
	if (a->label && *a->label)
		printf("  %-13s %s\n", "label", a->label);
	if (!a->dry) {
		printf("  %-13s ", "uuid");
		for (int i = 0; i < 16; i++)
			printf("%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", u[i]);
		putchar('\n');
	}
	print_size("size", s->dev_size);
	printf("  %-13s %u of ", "segments", s->seg_count);
	printf("%u MiB\n", s->seg_size >> 20);
	if (a->verbose) {
		printf("  %-13s byte %" PRIu64 ", %" PRIu64 " each\n", "checkpoints at",
		       s->slot_off, s->slot_size);
		printf("  %-13s byte %" PRIu64 "\n", "segments at", s->seg_base);
	}
}

static int refuse_foreign(const struct args *a, struct dev *d)
{
	const char *what = NULL;
	int err = probe_device(d, &what);

	if (err) {
		msg_err("%s: %s", a->device, err_str(err));
		return err;
	}
	if (!what || a->force)
		return 0;
	msg_err("%s already holds %s; -f overwrites it", a->device, what);
	return -EEXIST;
}

static int make(const struct args *a, struct dev *d)
{
	struct vol_format f = {
		.label = a->label,
		.seg_size = (uint32_t)a->seg_size,
		.uuid = a->has_uuid ? a->uuid : NULL,
		.root_mode = 0755,
		.root_uid = geteuid(),
		.root_gid = getegid(),
		.discard = !a->keep,
	};
	struct super s;
	int err = refuse_foreign(a, d);

	if (err)
		return err;
	if (a->dry)
		err = super_plan(dev_size(d), f.seg_size, &s);
	else
		err = vol_mkfs(d, &f);
	if (!err && !a->dry)
		err = super_read(d, &s, NULL);
	if (err)
		msg_err("%s: %s", a->device, err_str(err));
	else if (!a->quiet)
		print_geometry(a, &s);
	return err;
}

int main(int argc, char **argv)
{
	struct args a = { .device = NULL };
	struct dev *d;
	char *why = NULL;
	bool made;
	int c, err;

	msg_init("mkfs.varve", MSG_STDERR, MSG_INFO);
	while ((c = getopt(argc, argv, "fL:U:s:S:KnqvVh")) != -1) {
		if (c == 'V') {
			puts("mkfs.varve " PACKAGE_VERSION);
			return 0;
		}
		if (c == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (!one_option(&a, c))
			return 1;
	}
	if (optind + 1 != argc) {
		fputs(usage, stderr);
		return 1;
	}
	a.device = argv[optind];
	if (prepare_image(&a, &made))
		return 1;
	err = dev_open_path(a.device, a.dry ? DEV_RDONLY : 0, &d, &why);
	if (err) {
		msg_err("%s", why ? why : err_str(err));
		free(why);
		return 1;
	}
	err = make(&a, d);
	dev_close(d);
	if (err && made)
		unlink(a.device);
	return err ? 1 : 0;
}
