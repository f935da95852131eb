/* SPDX-License-Identifier: MIT */
/* undo.c - the undo file: a header block, then entries.
 *
 *   header  magic, CRC, version, state, uuid, device size, time, fingerprints
 *   entry   offset, length, CRC of both and of the data; data
 *
 * An entry is synced before the write that it is for is submitted, so an entry
 * that is cut off at the end of the file belongs to a write that never was.
 * Each block is saved once: entries can be applied in any order.  They are
 * applied segments first and superblock and slots last, so that until then the
 * device still shows the fingerprint that permits it. */
#include "store/undo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/err.h"
#include "base/le.h"
#include "base/msg.h"
#include "base/omap.h"

#define UNDO_MAGIC 0x4f444e5545565256ull /* "VRVEUNDO" */
#define UNDO_VERSION 1u
#define UNDO_LEN_MAX (4u << 20)

enum { OPEN = 0, COMPLETE = 1 };

/* Header, byte offsets. */
enum { H_MAGIC = 0, H_CRC = 8, H_VERSION = 12, H_STATE = 16, H_UUID = 24, H_SIZE = 40,
       H_TIME = 48, H_BEFORE = 56, H_AFTER = 60, H_BYTES = 64 };
/* Entry. */
enum { E_OFF = 0, E_LEN = 8, E_CRC = 12, E_BYTES = 16 };

struct undo {
	struct dev *dev, *front;
	struct ring *ring; /* reads here run nobody else's completions */
	char *path;
	int fd;
	uint64_t at; /* end of the file */
	uint64_t saved;
	struct omap *have; /* blocks saved */
	uint8_t head[VARVE_BLOCK];
	struct super sup;
};

/* --- reading the device --- */

struct one {
	struct dev_req req;
	bool done;
	int err;
};

static void one_done(struct dev_req *req, int err)
{
	struct one *o = container_of(req, struct one, req);

	o->err = err;
	o->done = true;
}

static int read_on(struct dev *d, struct ring *r, void *buf, uint64_t off, uint32_t len)
{
	struct one o = { .req = { .op = DEV_READ, .buf = buf, .off = off, .len = len,
				  .done = one_done } };

	dev_submit(d, r, &o.req);
	while (!o.done)
		if (ring_run(r, -1) < 0)
			msg_panic("%s: waiting for the device", dev_name(d));
	return o.err;
}

/* Superblock and slot headers: whatever changes a volume changes these.  What
 * cannot be read counts as zeros. */
static uint32_t fingerprint(struct dev *d, const struct super *sup)
{
	uint64_t off[3] = { 0, sup->slot_off, sup->slot_off + sup->slot_size };
	uint8_t *block = dev_alloc(VARVE_BLOCK);
	uint32_t crc = 0;

	for (unsigned i = 0; i < 3; i++) {
		if (dev_read(d, block, off[i], VARVE_BLOCK))
			memset(block, 0, VARVE_BLOCK);
		crc = crc32c(crc, block, VARVE_BLOCK);
	}
	dev_free(block);
	return crc;
}

/* --- writing the file --- */

static int file_write(int fd, const void *buf, size_t len, uint64_t off)
{
	const uint8_t *p = buf;

	while (len) {
		ssize_t n = pwrite(fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_head(struct undo *u)
{
	int err;

	le32_put(u->head + H_CRC, 0);
	le32_put(u->head + H_CRC, crc32c(0, u->head, sizeof(u->head)));
	err = file_write(u->fd, u->head, sizeof(u->head), 0);
	if (!err && fsync(u->fd))
		err = -errno;
	return err;
}

static struct okey key_of(uint64_t off)
{
	return (struct okey){ off / VARVE_BLOCK, 0 };
}

static int append(struct undo *u, uint64_t off, uint32_t len)
{
	uint8_t *buf = dev_alloc(VARVE_BLOCK + len), *e = buf + VARVE_BLOCK - E_BYTES;
	int err = read_on(u->dev, u->ring, buf + VARVE_BLOCK, off, len);

	if (!err) {
		le64_put(e + E_OFF, off);
		le32_put(e + E_LEN, len);
		le32_put(e + E_CRC, crc32c(crc32c(0, e, E_CRC), buf + VARVE_BLOCK, len));
		err = file_write(u->fd, e, E_BYTES + len, u->at);
	}
	dev_free(buf);
	if (err)
		return err;
	for (uint32_t i = 0; i < len; i += VARVE_BLOCK)
		omap_put(u->have, key_of(off + i), u);
	u->at += E_BYTES + len;
	u->saved += len;
	return 0;
}

/* Saves what of [off, off + len) is not saved yet, in runs. */
static int save(void *arg, uint64_t off, uint32_t len)
{
	struct undo *u = arg;
	uint64_t end = off + len, run = off, at = u->at;
	int err = 0;

	for (; off <= end && !err; off += VARVE_BLOCK) {
		if (off < end && !omap_get(u->have, key_of(off)) && off - run < UNDO_LEN_MAX)
			continue;
		if (off > run)
			err = append(u, run, (uint32_t)(off - run));
		run = off < end && !omap_get(u->have, key_of(off)) ? off : off + VARVE_BLOCK;
	}
	if (!err && u->at != at && fdatasync(u->fd))
		err = -errno;
	if (err)
		msg_err("%s: cannot save what would be overwritten: %s; nothing more is changed",
			u->path, err_str(err));
	return err;
}

static int sync_dir(const char *path)
{
	char *dir = strdup(path), *slash;
	int fd, err = 0;

	if (!dir)
		return -ENOMEM;
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0';
	fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		err = -errno;
	if (fd >= 0)
		close(fd);
	free(dir);
	return err;
}

int undo_create(const char *path, struct dev *d, const struct super *sup, struct undo **ret)
{
	struct undo *u = xcalloc(1, sizeof(*u));
	int err;

	u->dev = d;
	u->sup = *sup;
	u->path = strdup(path);
	u->have = omap_new();
	u->at = VARVE_BLOCK;
	u->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (u->fd < 0) {
		err = -errno;
		goto fail;
	}
	le64_put(u->head + H_MAGIC, UNDO_MAGIC);
	le32_put(u->head + H_VERSION, UNDO_VERSION);
	le32_put(u->head + H_STATE, OPEN);
	memcpy(u->head + H_UUID, sup->uuid, sizeof(sup->uuid));
	le64_put(u->head + H_SIZE, dev_size(d));
	le64_put(u->head + H_TIME, (uint64_t)clock_wall());
	le32_put(u->head + H_BEFORE, fingerprint(d, sup));
	err = write_head(u);
	if (!err)
		err = sync_dir(path);
	if (!err)
		err = ring_create(8, 0, &u->ring);
	if (!err)
		err = dev_guard_new(d, save, u, &u->front);
	if (!err) {
		*ret = u;
		return 0;
	}
fail:
	undo_close(u);
	return err;
}

struct dev *undo_dev(struct undo *u)
{
	return u->front;
}

uint64_t undo_bytes(const struct undo *u)
{
	return u->saved;
}

int undo_finish(struct undo *u)
{
	le32_put(u->head + H_STATE, COMPLETE);
	le32_put(u->head + H_AFTER, fingerprint(u->dev, &u->sup));
	return write_head(u);
}

void undo_close(struct undo *u)
{
	if (!u)
		return;
	dev_close(u->front);
	ring_destroy(u->ring);
	if (u->fd >= 0) {
		close(u->fd);
		if (!u->saved)
			unlink(u->path);
	}
	omap_free(u->have, NULL);
	free(u->path);
	free(u);
}

/* --- taking back --- */

static int file_read(int fd, void *buf, size_t len, uint64_t off)
{
	uint8_t *p = buf;

	while (len) {
		ssize_t n = pread(fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

struct replay {
	const char *path;
	int fd;
	struct dev *dev;
	bool complete;
	uint64_t limit;   /* below it lie superblock and slots */
	uint64_t bytes;
	uint8_t *buf;
};

/* 1: an entry, in buf; 0: the end; negative: damaged. */
static int next_entry(struct replay *r, uint64_t *at, uint64_t *ret_off, uint32_t *ret_len)
{
	uint8_t e[E_BYTES];
	int err = file_read(r->fd, e, sizeof(e), *at);

	*ret_off = le64_get(e + E_OFF);
	*ret_len = le32_get(e + E_LEN);
	if (!err) {
		if (!*ret_len || *ret_len > UNDO_LEN_MAX || *ret_len % VARVE_BLOCK ||
		    *ret_off % VARVE_BLOCK || *ret_off > dev_size(r->dev) ||
		    *ret_len > dev_size(r->dev) - *ret_off)
			err = -EBADMSG;
		else
			err = file_read(r->fd, r->buf, *ret_len, *at + sizeof(e));
	} else if (err == -ENODATA) {
		struct stat st;

		if (fstat(r->fd, &st) == 0 && (uint64_t)st.st_size == *at)
			return 0;
	}
	if (!err && crc32c(crc32c(0, e, E_CRC), r->buf, *ret_len) != le32_get(e + E_CRC))
		err = -EBADMSG;
	if (err && !r->complete)
		return 0; /* its write never was */
	*at += sizeof(e) + *ret_len;
	return err ? err : 1;
}

/* One pass over all entries.  write: 0 only checks; 1 writes what lies in the
 * segments; 2 superblock and slots. */
static int pass(struct replay *r, int write)
{
	uint64_t at = VARVE_BLOCK, off;
	uint32_t len;
	int n;

	while ((n = next_entry(r, &at, &off, &len)) > 0) {
		bool head = off < r->limit || off + len == dev_size(r->dev);
		int err;

		if (!write || head != (write == 2))
			continue;
		err = dev_write(r->dev, r->buf, off, len);
		if (err)
			return err;
		r->bytes += len;
	}
	if (n < 0)
		msg_err("%s: damaged at byte %llu", r->path, (unsigned long long)at);
	return n;
}

static int check_head(struct replay *r, struct dev *d, bool force, struct super *ret_sup)
{
	uint8_t head[VARVE_BLOCK];
	uint32_t crc, now;
	bool super_ok;
	int err = file_read(r->fd, head, sizeof(head), 0);

	if (err)
		return err == -ENODATA ? -EBADMSG : err;
	crc = le32_get(head + H_CRC);
	le32_put(head + H_CRC, 0);
	if (le64_get(head + H_MAGIC) != UNDO_MAGIC || crc != crc32c(0, head, sizeof(head)) ||
	    le32_get(head + H_VERSION) != UNDO_VERSION) {
		msg_err("%s is not an undo file, or damaged", r->path);
		return -EBADMSG;
	}
	r->complete = le32_get(head + H_STATE) == COMPLETE;
	super_ok = super_read(d, ret_sup, NULL) == 0;
	if (le64_get(head + H_SIZE) != dev_size(d) ||
	    (super_ok && memcmp(ret_sup->uuid, head + H_UUID, sizeof(ret_sup->uuid)))) {
		msg_err("%s was made for another volume", r->path);
		return -EINVAL;
	}
	if (!super_ok)
		return force ? 0 : -EEXIST;
	now = fingerprint(d, ret_sup);
	if (force || now == le32_get(head + H_BEFORE) ||
	    (r->complete && now == le32_get(head + H_AFTER)))
		return 0;
	return -EEXIST;
}

int undo_apply(const char *path, struct dev *d, bool force, uint64_t *ret_bytes)
{
	struct replay r = { .path = path, .dev = d };
	struct super sup = { .seg_base = SLOT_AREA_OFF };
	int err;

	r.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (r.fd < 0)
		return -errno;
	r.buf = dev_alloc(UNDO_LEN_MAX);
	err = check_head(&r, d, force, &sup);
	r.limit = sup.seg_base;
	/* All of it is known to be good before anything is changed. */
	if (!err)
		err = pass(&r, 0);
	if (!err)
		err = pass(&r, 1);
	if (!err)
		err = dev_flush(d);
	if (!err)
		err = pass(&r, 2);
	if (!err)
		err = dev_flush(d);
	dev_free(r.buf);
	close(r.fd);
	*ret_bytes = r.bytes;
	return err;
}
