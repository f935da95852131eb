/* SPDX-License-Identifier: MIT */
/* opts.c - the command line of mount.varve. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/msg.h"
#include "config.h"
#include "fuse/mnt.h"
#include "fuse/opts.h"

static const char usage[] =
	"usage: mount.varve DEVICE DIR [-fdvns] [-o OPTION,...]\n"
	"  -f, --foreground   stay in the foreground, messages to stderr\n"
	"  -d, --debug        the same, and print every request\n"
	"  -v                 say more\n"
	"  -n                 ignored (no mtab)\n"
	"  -s                 tolerate unknown options\n"
	"  -V, --version      version and exit\n"
	"Options: ro, rw, remount, loop, sync, commit=SECONDS, ckpt=SECONDS, cache=SIZE,\n"
	"backup=MINUTES (0: none), "
	"threads=N, noatime, relatime, strictatime, discard, nodiscard, errors=remount-ro,\n"
	"errors=continue, stoptimeout=SECONDS, max_read=BYTES, nouring, pin, nopin,\n"
	"nogc, gcrate=BYTES_PER_SECOND, gcsoft=PERCENT,\n"
	"allow_other, nodev, nosuid, noexec; see mount.varve(8).\n";

bool opts_size(const char *text, uint64_t *ret)
{
	static const char units[] = "kmgtp";
	char *end;
	unsigned long long v;
	const char *u;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno)
		return false;
	if (*end) {
		u = strchr(units, *end | 0x20);
		if (!u || (end[1] && strcmp(end + 1, "iB") != 0 && strcmp(end + 1, "B") != 0))
			return false;
		for (const char *p = units; p <= u; p++) {
			if (v >> 54)
				return false;
			v <<= 10;
		}
	}
	*ret = v;
	return true;
}

/* Means nothing here: said by mount(8) or fstab for itself. */
static const char *const ignored[] = {
	"defaults", "auto", "noauto", "user", "nouser", "users", "owner", "group",
	"_netdev", "nofail", "async", "dev", "suid", "exec", "atime", "diratime",
	"nodiratime", "norelatime", "nostrictatime", "lazytime", "nolazytime",
	"iversion", "noiversion", "mand", "nomand", "silent", "loud", "acl",
	"user_xattr", "default_permissions", "symfollow",
};
static const char *const ignored_prefix[] = {
	"x-", "X-", "comment=", "user=", "uhelper=", "helper=", "fsname=", "subtype=",
	"_netdev=", "blksize=",
};
/* What the kernel shows of a mount comes back with remount. */
static const char *const shown_prefix[] = { "user_id=", "group_id=", "rootmode=", "fd=" };

static bool in_list(const char *const *list, size_t n, const char *opt, bool prefix)
{
	for (size_t i = 0; i < n; i++) {
		if (prefix ? strncmp(opt, list[i], strlen(list[i])) == 0
			   : strcmp(opt, list[i]) == 0)
			return true;
	}
	return false;
}

static const char *value_of(const char *opt, const char *name)
{
	size_t n = strlen(name);

	return strncmp(opt, name, n) == 0 && opt[n] == '=' ? opt + n + 1 : NULL;
}

/* Seconds, also with a fraction, as ms. */
static bool parse_ms(const char *text, uint32_t *ret)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || !(v >= 0.01) || v > 86400)
		return false;
	*ret = (uint32_t)(v * 1000);
	return true;
}

static bool parse_uint(const char *text, unsigned max, unsigned *ret)
{
	uint64_t v;

	if (!opts_size(text, &v) || v > max)
		return false;
	*ret = (unsigned)v;
	return true;
}

/* 1: known; 0: not an option with a value of ours; -1: bad value. */
static int value_option(struct opts *o, const char *opt)
{
	const char *v;
	uint64_t size;
	bool good;

	if ((v = value_of(opt, "commit"))) {
		good = parse_ms(v, &o->vol.commit_ms);
	} else if ((v = value_of(opt, "ckpt"))) {
		good = parse_ms(v, &o->vol.ckpt_ms);
	} else if ((v = value_of(opt, "cache"))) {
		good = opts_size(v, &size) && size >= 1 << 20;
		if (good)
			o->vol.cache_bytes = size;
	} else if ((v = value_of(opt, "backup"))) {
		unsigned min = 0;

		good = parse_uint(v, 43200, &min);
		o->vol.no_backup = good && !min;
		o->vol.backup_ms = min * 60000;
	} else if ((v = value_of(opt, "threads"))) {
		good = parse_uint(v, 64, &o->threads) && o->threads;
	} else if ((v = value_of(opt, "max_read"))) {
		good = parse_uint(v, 1u << 30, &o->max_read);
	} else if ((v = value_of(opt, "stoptimeout"))) {
		good = parse_uint(v, 86400, &o->stop_timeout);
	} else if ((v = value_of(opt, "gcrate"))) {
		good = opts_size(v, &o->gc.rate);
	} else if ((v = value_of(opt, "gcsoft"))) {
		good = parse_uint(v, 90, &o->gc.soft_percent) && o->gc.soft_percent;
	} else if ((v = value_of(opt, "errors"))) {
		good = strcmp(v, "remount-ro") == 0 || strcmp(v, "continue") == 0;
		o->errors_continue = strcmp(v, "continue") == 0;
	} else {
		return 0;
	}
	return good ? 1 : -1;
}

static bool flag_option(struct opts *o, const char *opt)
{
	const struct {
		const char *name;
		bool *flag, value;
	} flags[] = {
		{ "ro", &o->readonly, true },
		{ "rw", &o->readonly, false },
		{ "remount", &o->remount, true },
		{ "sync", &o->sync, true },
		{ "dirsync", &o->sync, true },
		{ "loop", &o->loop, true },
		{ "nouring", &o->nouring, true },
		{ "nogc", &o->nogc, true },
		{ "gc", &o->nogc, false },
		{ "uring", &o->nouring, false },
		{ "allow_other", &o->allow_other, true },
		{ "nodev", &o->nodev, true },
		{ "dev", &o->nodev, false },
		{ "nosuid", &o->nosuid, true },
		{ "suid", &o->nosuid, false },
		{ "noexec", &o->noexec, true },
		{ "exec", &o->noexec, false },
		{ "discard", &o->vol.discard, true },
		{ "nodiscard", &o->vol.discard, false },
		{ "noatime", &o->fs.relatime_off, true },
		{ "strictatime", &o->fs.strictatime, true },
		{ "pin", &o->pin, true },
		{ "nopin", &o->pin, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		if (strcmp(opt, flags[i].name) == 0) {
			*flags[i].flag = flags[i].value;
			o->pin_set |= flags[i].flag == &o->pin;
			return true;
		}
	}
	if (strcmp(opt, "relatime") == 0) {
		o->fs.relatime_off = o->fs.strictatime = false;
		return true;
	}
	/* as mount(8): for ordinary users they imply these */
	if (strcmp(opt, "user") == 0 || strcmp(opt, "users") == 0)
		o->nodev = o->nosuid = o->noexec = true;
	return false;
}

static bool one_option(struct opts *o, const char *opt)
{
	int rc;

	if (!*opt || flag_option(o, opt))
		return true;
	rc = value_option(o, opt);
	if (rc < 0)
		msg_err("option '%s': bad value", opt);
	if (rc)
		return rc > 0;
	if (in_list(ignored, ARRAY_LEN(ignored), opt, false) ||
	    in_list(ignored_prefix, ARRAY_LEN(ignored_prefix), opt, true) ||
	    (o->remount && in_list(shown_prefix, ARRAY_LEN(shown_prefix), opt, true)))
		return true;
	if (o->sloppy) {
		msg_warn("option '%s' is unknown, ignored because of -s", opt);
		return true;
	}
	msg_err("unknown option '%s'", opt);
	return false;
}

static bool parse_list(struct opts *o, const char *list)
{
	char *copy = strdup(list), *rest = copy, *opt;
	bool good = copy;

	/* remount decides how the others are read */
	for (const char *p = list; (p = strstr(p, "remount")); p += 7) {
		if ((p == list || p[-1] == ',') && (!p[7] || p[7] == ','))
			o->remount = true;
	}
	while (good && (opt = strsep(&rest, ",")))
		good = one_option(o, opt);
	free(copy);
	return good;
}

static char *absolute(const char *path)
{
	char *real = realpath(path, NULL);

	/* the daemon of an earlier mount here was killed */
	if (!real && errno == ENOTCONN && mnt_clear_dead(path))
		real = realpath(path, NULL);
	if (!real)
		msg_err("%s: %s", path, strerror(errno));
	return real;
}

static int parse_args(struct opts *o, int argc, char **argv)
{
	static const struct {
		const char *name;
		char letter;
	} longs[] = {
		{ "--foreground", 'f' }, { "--debug", 'd' }, { "--help", 'h' },
		{ "--version", 'V' }, { "--verbose", 'v' },
	};
	const char *names[2] = { NULL, NULL };
	const char *lists[64];
	size_t nlists = 0, nnames = 0;

	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];
		char letters[2] = { 0, 0 };

		for (size_t k = 0; k < ARRAY_LEN(longs); k++) {
			if (strcmp(a, longs[k].name) == 0)
				letters[0] = longs[k].letter;
		}
		if (a[0] != '-' || !a[1]) {
			if (nnames < 2)
				names[nnames] = a;
			nnames++;
			continue;
		}
		for (const char *p = *letters ? letters : a + 1; *p; p++) {
			const char *v = NULL;

			if (*p == 'o' || *p == 't' || *p == 'N') {
				v = p[1] ? p + 1 : i + 1 < argc ? argv[++i] : NULL;
				if (!v) {
					msg_err("option -%c needs an argument", *p);
					return 1;
				}
			}
			switch (*p) {
			case 'o':
				if (nlists == ARRAY_LEN(lists)) {
					msg_err("too many -o");
					return 1;
				}
				lists[nlists++] = v;
				break;
			case 't': /* mount(8) tells the type, which is ours */
				break;
			case 'f':
				o->foreground = true;
				break;
			case 'd':
				o->foreground = o->debug = true;
				break;
			case 'v':
				o->verbose = true;
				break;
			case 'n':
				o->no_mtab = true;
				break;
			case 's':
				o->sloppy = true;
				break;
			case 'r':
				o->readonly = true;
				break;
			case 'w':
				o->readonly = false;
				break;
			case 'h':
				fputs(usage, stdout);
				return 0;
			case 'V':
				puts("mount.varve " PACKAGE_VERSION);
				return 0;
			default:
				msg_err("unknown option %s", a);
				fputs(usage, stderr);
				return 1;
			}
			if (v)
				break;
		}
	}
	if (nnames != 2) {
		fputs(usage, stderr);
		return 1;
	}
	for (size_t i = 0; i < nlists; i++) {
		if (!parse_list(o, lists[i]))
			return 1;
	}
	o->dir = absolute(names[1]);
	if (!o->dir)
		return 1;
	/* the source of a remount need not exist any more */
	o->device = o->remount ? strdup(names[0]) : absolute(names[0]);
	return o->device ? OPTS_GO : 1;
}

int opts_parse(struct opts *o, int argc, char **argv)
{
	memset(o, 0, sizeof(*o));
	vol_opts_default(&o->vol);
	o->stop_timeout = 30;
	o->allow_other = geteuid() == 0;
	int rc = parse_args(o, argc, argv);

	if (rc == OPTS_GO)
		o->vol.readonly = o->readonly;
	return rc;
}

unsigned long opts_mount_flags(const struct opts *o)
{
	return (o->readonly ? MS_RDONLY : 0) | (o->nodev ? MS_NODEV : 0) |
	       (o->nosuid ? MS_NOSUID : 0) | (o->noexec ? MS_NOEXEC : 0) |
	       (o->fs.relatime_off ? MS_NOATIME : 0);
}

/* Commas and backslashes in a name are escaped as libfuse wants it. */
static void put_escaped(FILE *f, const char *name)
{
	for (; *name; name++) {
		if (*name == ',' || *name == '\\')
			fputc('\\', f);
		fputc(*name, f);
	}
}

char *opts_for_fuse(const struct opts *o, bool blkdev)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	/* permissions are the kernel's business in any case */
	fprintf(f, "default_permissions,%s", o->readonly ? "ro" : "rw");
	if (o->allow_other)
		fputs(",allow_other", f);
	if (blkdev)
		fputs(",blkdev,blksize=4096", f);
	if (o->max_read)
		fprintf(f, ",max_read=%u", o->max_read);
	if (geteuid() == 0)
		fprintf(f, ",%s,%s", o->nodev ? "nodev" : "dev",
			o->nosuid ? "nosuid" : "suid");
	fputs(o->noexec ? ",noexec" : "", f);
	fputs(o->fs.relatime_off ? ",noatime" : "", f);
	fputs(",subtype=varve,fsname=", f);
	put_escaped(f, o->device);
	fclose(f);
	return text;
}

void opts_free(struct opts *o)
{
	free(o->device);
	free(o->dir);
}
