/* SPDX-License-Identifier: MIT */
/* ops_file.c - open files: data, durability, space. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse/ops.h"

/* Pages stay valid between opens (nobody else writes), close sends nothing,
 * O_DIRECT writers need not take turns. */
#define OPEN_FLAGS (FOPEN_KEEP_CACHE | FOPEN_NOFLUSH | FOPEN_PARALLEL_DIRECT_WRITES)

void ops_open(struct freq *q)
{
	const struct fuse_open_in *arg = freq_arg(q);
	uint32_t flags = arg->flags;
	bool kill = arg->open_flags & FUSE_OPEN_KILL_SUIDGID;
	struct fs_cred cr = ops_cred(q, 0);
	int err = fs_opened(ops_fs(q), q->ino, (int)flags);

	if (!err && (flags & O_TRUNC)) {
		struct fs_setattr set = {
			.valid = FSA_SIZE | (kill ? FSA_KILL : 0),
		};
		struct fs_attr a;

		err = fs_setattr(ops_fs(q), &cr, q->ino, &set, &a);
		if (err)
			fs_released(ops_fs(q), q->ino);
	}
	if (err)
		reply_err(q, err);
	else
		reply_open(q, OPEN_FLAGS);
}

/* Someone else made it meanwhile (never seen through one kernel). */
static int open_existing(struct freq *q, const struct fs_cred *cr, const char *name,
			 uint32_t flags, struct fs_attr *a)
{
	int err = fs_lookup(ops_fs(q), q->ino, name, a);

	if (!err && !S_ISREG(a->mode)) {
		fs_forget(ops_fs(q), a->ino, 1);
		return S_ISDIR(a->mode) ? -EISDIR : -EEXIST;
	}
	if (!err && (flags & O_TRUNC)) {
		struct fs_setattr set = { .valid = FSA_SIZE };

		err = fs_setattr(ops_fs(q), cr, a->ino, &set, a);
		if (err)
			fs_forget(ops_fs(q), a->ino, 1);
	}
	return err;
}

void ops_create(struct freq *q)
{
	const struct fuse_create_in *arg = freq_arg(q);
	const char *name = freq_payload(q, sizeof(*arg));
	uint32_t flags = arg->flags;
	struct fs_cred cr = ops_cred(q, arg->umask);
	uint32_t mode = (arg->mode & ~(uint32_t)S_IFMT) | S_IFREG;
	struct fs_attr a;
	int err = fs_make(ops_fs(q), &cr, q->ino, name, mode, 0, &a);

	if (err == -EEXIST && !(flags & O_EXCL))
		err = open_existing(q, &cr, name, flags, &a);
	if (!err) {
		/* A new file is open for writing whatever its flags will be. */
		err = fs_opened(ops_fs(q), a.ino, (int)(flags & ~(uint32_t)O_TRUNC));
		if (err)
			fs_forget(ops_fs(q), a.ino, 1);
	}
	if (err)
		reply_err(q, err);
	else
		reply_create(q, &a, OPEN_FLAGS);
}

void ops_tmpfile(struct freq *q)
{
	const struct fuse_create_in *arg = freq_arg(q);
	struct fs_cred cr = ops_cred(q, arg->umask);
	uint32_t mode = (arg->mode & ~(uint32_t)S_IFMT) | S_IFREG;
	struct fs_attr a;
	int err = fs_tmpfile(ops_fs(q), &cr, q->ino, mode, &a);

	if (err)
		reply_err(q, err);
	else
		reply_create(q, &a, OPEN_FLAGS);
}

void ops_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct freq *q = loop_current(req);

	fs_released(ops_fs(q), ino);
	reply_err(q, 0);
}

static void read_done(struct vol_read *rd, int err)
{
	struct freq *q = rd->arg;

	if (err)
		reply_err(q, err);
	else
		reply_data(q, rd->len);
}

void ops_read(struct freq *q)
{
	const struct fuse_read_in *arg = freq_arg(q);
	int rc;

	q->off = arg->offset;
	q->rd.ino = q->ino;
	q->rd.off = arg->offset;
	q->rd.len = MIN(arg->size, FREQ_ROOM);
	q->rd.buf = q->data;
	q->rd.done = read_done;
	q->rd.arg = q;
	rc = arg->flags & O_NOATIME ? fs_read_noatime(ops_fs(q), &q->rd)
				    : fs_read(ops_fs(q), &q->rd);
	if (rc <= 0)
		read_done(&q->rd, rc);
}

static void write_durable(struct log_waiter *w, int err)
{
	struct freq *q = container_of(w, struct freq, wait);

	if (err)
		reply_err(q, err);
	else
		reply_written(q, q->count);
}

void ops_write(struct freq *q)
{
	const struct fuse_write_in *arg = freq_arg(q);
	const char *data = freq_payload(q, sizeof(*arg));
	uint32_t len = arg->size, flags = arg->flags;
	bool kill = arg->write_flags & FUSE_WRITE_KILL_SUIDGID;
	struct fs_cred cr = ops_cred(q, 0);
	uint64_t batch = 0;
	int err = 0;

	q->off = arg->offset;
	if (len > freq_payload_len(q, sizeof(*arg))) {
		reply_err(q, -EINVAL);
		return;
	}
	/* Pages written back have their place already, whoever lent the file. */
	if (arg->write_flags & FUSE_WRITE_CACHE)
		flags &= ~(uint32_t)O_APPEND;
	q->count = 0;
	while (q->count < len && !err) {
		uint32_t n = MIN(len - q->count, VARVE_PIECE_MAX);

		err = fs_write(ops_fs(q), &cr, q->ino, data + q->count, n,
			       q->off + q->count, (int)flags, kill, &batch);
		if (!err)
			q->count += n;
	}
	if (err && q->count == 0) {
		reply_err(q, err);
	} else if (q->count && (flags & (O_SYNC | O_DSYNC))) {
		q->wait.fn = write_durable;
		q->changes = false; /* not once more for -o sync */
		vol_sync(fs_vol_ctx(ops_fs(q)), batch, &q->wait);
	} else {
		reply_written(q, q->count);
	}
}

static void synced(struct log_waiter *w, int err)
{
	reply_err(container_of(w, struct freq, wait), err);
}

void ops_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct freq *q = loop_current(req);

	q->wait.fn = synced;
	fs_sync(ops_fs(q), ino, &q->wait);
}

void ops_syncfs(struct freq *q)
{
	q->wait.fn = synced;
	fs_sync(ops_fs(q), 0, &q->wait);
}

void ops_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,
		   struct fuse_file_info *fi)
{
	struct freq *q = loop_current(req);
	struct fs_cred cr = ops_cred(q, 0);

	q->off = (uint64_t)off;
	reply_err(q, fs_fallocate(ops_fs(q), &cr, ino, mode, (uint64_t)off, (uint64_t)len));
}

void ops_copy(struct freq *q)
{
	const struct fuse_copy_file_range_in *arg = freq_arg(q);
	struct fs_cred cr = ops_cred(q, 0);
	uint64_t len = arg->len, done = 0;
	int err;

	q->off = arg->off_in;
	/* the older message's reply counts in 32 bits */
	if (q->opcode == FUSE_COPY_FILE_RANGE)
		len = MIN(len, (uint64_t)UINT32_MAX & ~(uint64_t)(VARVE_BLOCK - 1));
	err = fs_clone(ops_fs(q), &cr, q->ino, arg->off_in, arg->nodeid_out, arg->off_out,
		       len, &done);
	if (err) {
		reply_err(q, err);
	} else if (q->opcode == FUSE_COPY_FILE_RANGE) {
		reply_written(q, (uint32_t)done);
	} else {
		struct raw_copy_out_64 out = { .bytes_copied = done };

		reply_body(q, &out, sizeof(out));
	}
}

void ops_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
	       struct fuse_file_info *fi)
{
	struct freq *q = loop_current(req);
	struct fuse_lseek_out out;
	uint64_t at;
	int err = fs_seek(ops_fs(q), ino, (uint64_t)off, whence, &at);

	if (err) {
		reply_err(q, err);
		return;
	}
	out.offset = at;
	reply_body(q, &out, sizeof(out));
}
