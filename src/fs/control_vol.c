/* SPDX-License-Identifier: MIT */
/* control_vol.c - see control_vol.h. */
#include "fs/control_vol.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "fs/fs_int.h"

static void put_time(FILE *f, const char *name, int64_t ns)
{
	time_t t = (time_t)(ns / 1000000000);
	char text[64];
	struct tm tm;

	if (ns && gmtime_r(&t, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		fprintf(f, "%s: %s\n", name, text);
}

/* --- scrub --- */

static int scrub_text(void *arg, char **ret, size_t *ret_len)
{
	static const char *const states[] = { "never run", "running", "finished", "canceled" };
	struct scrub_status st;
	uint64_t rate, left;
	FILE *f = open_memstream(ret, ret_len);

	if (!f)
		return -ENOMEM;
	scrub_get(arg, &st);
	fprintf(f, "state: %s\n", states[st.state]);
	if (st.state == SCRUB_RUNNING)
		fprintf(f, "phase: %s\n", st.data ? "data" : "metadata");
	put_time(f, "started", st.started);
	put_time(f, "ended", st.ended);
	if (st.state != SCRUB_NEVER) {
		rate = st.spent ? (uint64_t)((double)st.done * 1e9 / (double)st.spent) : 0;
		left = st.total > st.done ? st.total - st.done : 0;
		fprintf(f, "done: %" PRIu64 "\ntotal: %" PRIu64 "\nrate: %" PRIu64 "\n", st.done,
			MAX(st.total, st.done), rate);
		fprintf(f, "errors: %" PRIu64 "\n", st.errors);
		if (st.state == SCRUB_RUNNING && rate)
			fprintf(f, "eta: %" PRIu64 "\n", left / rate);
	}
	fprintf(f, "limit: %" PRIu64 "\n", st.limit);
	fclose(f);
	return 0;
}

static bool parse_bytes(const char *text, uint64_t *ret)
{
	static const char units[] = "kmgt";
	unsigned shift = 0;
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
		if (!u || end[1])
			return false;
		shift = 10 * (unsigned)(u - units + 1);
	}
	if (shift && v >> (64 - shift))
		return false;
	*ret = v << shift;
	return true;
}

static int scrub_tell(void *arg, const struct fs_cred *cr, const char *value)
{
	uint64_t limit;

	if (!strcmp(value, "start"))
		return scrub_begin(arg);
	if (!strcmp(value, "cancel"))
		return scrub_cancel(arg);
	if (strncmp(value, "limit=", 6) || !parse_bytes(value + 6, &limit))
		return -EINVAL;
	scrub_set_limit(arg, limit);
	return 0;
}

/* --- backups --- */

static int backup_text(void *arg, char **ret, size_t *ret_len)
{
	struct backup_ref r[SLOT_BACKUPS];
	struct fs *fs = arg;
	FILE *f = open_memstream(ret, ret_len);
	bool none = true;

	if (!f)
		return -ENOMEM;
	vol_backups(fs->v, r);
	for (unsigned k = 0; k < SLOT_BACKUPS; k++) {
		if (!r[k].id)
			continue;
		none = false;
		put_time(f, "backup", r[k].time);
		fprintf(f, "operation: %" PRIu64 "\npages: %" PRIu32 "\n", r[k].op_seq,
			r[k].pages);
	}
	if (none)
		fputs("backup: none\n", f);
	fclose(f);
	return 0;
}

static int backup_tell(void *arg, const struct fs_cred *cr, const char *value)
{
	struct fs *fs = arg;

	return strcmp(value, "now") ? -EINVAL : vol_want_backup(fs->v);
}

int control_add_vol(struct fs *fs, struct scrub *s)
{
	struct fs_control scrub = { .name = "scrub", .get = scrub_text, .set = scrub_tell,
				    .arg = s };
	struct fs_control backup = { .name = "backup", .get = backup_text, .set = backup_tell,
				     .arg = fs };
	int err = s ? fs_control_add(fs, &scrub) : 0;

	return err ? err : fs_control_add(fs, &backup);
}
