/* SPDX-License-Identifier: MIT */
/* reply.c - answers to the kernel. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/msg.h"
#include "fuse/reply.h"

#define STAT_BASIC_AND_BTIME 0xfffu

static void send_now(struct freq *q, size_t body)
{
	size_t len = sizeof(struct fuse_out_header) + body;

	freq_out(q)->len = len;
	freq_out(q)->unique = q->unique;
	q->state = FREQ_FREE;
	loop_done(q);
	q->fr->s->intake->reply(q, len);
}

static void held_is_durable(struct log_waiter *w, int err)
{
	struct freq *q = container_of(w, struct freq, wait);

	if (err)
		reply_err(q, err);
	else
		send_now(q, q->held_len);
}

/* -o sync: a change is acknowledged once it is durable. */
static bool hold(struct freq *q, size_t body)
{
	if (!q->fr->s->opts->sync || !q->changes || !q->fr->fs)
		return false;
	q->changes = false;
	q->held_len = body;
	q->wait.fn = held_is_durable;
	vol_sync(fs_vol_ctx(q->fr->fs), 0, &q->wait);
	return true;
}

static void send_reply(struct freq *q, size_t body, int error)
{
	if (q->state != FREQ_WORK) {
		msg_err("internal: second reply to request %llu (%s)",
			(unsigned long long)q->unique, raw_op(q->opcode)->name);
		return;
	}
	freq_out(q)->error = error;
	if (error || !hold(q, body))
		send_now(q, body);
}

/* What an errno does not tell goes to the log; an answer that repeats for ever
 * (the volume became read-only) was logged when it began. */
static void explain(const struct freq *q, int err)
{
	struct session *s = q->fr->s;

	if (err == -VE_READONLY || err == -VE_LOG_DEAD)
		return;
	if (err != -EIO && err > -VE_FIRST)
		return;
	msg_err("%s: %s of inode %llu at offset %llu: %s", s->opts->device,
		raw_op(q->opcode)->name, (unsigned long long)q->ino,
		(unsigned long long)q->off, err_str(err));
	if (s->opts->errors_continue || !s->vol)
		return;
	switch (-err) {
	case VE_PAGE_CRC:
	case VE_PAGE_MAP:
	case VE_DB:
		vol_fail(s->vol, err, "damaged metadata");
		break;
	default:
		break;
	}
}

void reply_err(struct freq *q, int err)
{
	if (err)
		explain(q, err);
	send_reply(q, 0, -err_errno(err));
}

void reply_data(struct freq *q, size_t len)
{
	send_reply(q, len, 0);
}

void reply_body(struct freq *q, const void *body, size_t len)
{
	memmove(q->data, body, len);
	send_reply(q, len, 0);
}

void reply_none(struct freq *q)
{
	q->state = FREQ_FREE;
	loop_done(q);
	q->fr->s->intake->drop(q);
}

void reply_raw(struct freq *q, const struct iovec *iov, int count)
{
	const struct fuse_out_header *out = iov[0].iov_base;
	int error = out->error;
	size_t len = 0;

	for (int i = 1; i < count; i++) {
		memmove(q->data + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	send_reply(q, len, error);
}

static void put_time(int64_t ns, uint64_t *sec, uint32_t *nsec)
{
	int64_t s = ns / 1000000000, r = ns % 1000000000;

	if (r < 0) {
		s--;
		r += 1000000000;
	}
	*sec = (uint64_t)s;
	*nsec = (uint32_t)r;
}

static void put_attr(struct fuse_attr *out, const struct fs_attr *a)
{
	out->ino = a->ino;
	out->size = a->size;
	out->blocks = a->bytes / 512;
	put_time(a->atime, &out->atime, &out->atimensec);
	put_time(a->mtime, &out->mtime, &out->mtimensec);
	put_time(a->ctime, &out->ctime, &out->ctimensec);
	out->mode = a->mode;
	out->nlink = a->nlink;
	out->uid = a->uid;
	out->gid = a->gid;
	out->rdev = (uint32_t)a->rdev;
	out->blksize = REPLY_BLKSIZE;
	out->flags = 0;
}

void reply_fill_entry(struct fuse_entry_out *out, const struct fs_attr *a)
{
	out->nodeid = a->ino;
	out->generation = FS_GENERATION;
	out->entry_valid = REPLY_VALID;
	out->attr_valid = REPLY_VALID;
	out->entry_valid_nsec = 0;
	out->attr_valid_nsec = 0;
	put_attr(&out->attr, a);
}

void reply_entry(struct freq *q, const struct fs_attr *a)
{
	reply_fill_entry((struct fuse_entry_out *)q->data, a);
	send_reply(q, sizeof(struct fuse_entry_out), 0);
}

void reply_no_entry(struct freq *q)
{
	struct fuse_entry_out *out = (struct fuse_entry_out *)q->data;

	memset(out, 0, sizeof(*out));
	out->entry_valid = REPLY_VALID;
	send_reply(q, sizeof(*out), 0);
}

void reply_attr(struct freq *q, const struct fs_attr *a)
{
	struct fuse_attr_out *out = (struct fuse_attr_out *)q->data;

	out->attr_valid = REPLY_VALID;
	out->attr_valid_nsec = 0;
	out->dummy = 0;
	put_attr(&out->attr, a);
	send_reply(q, sizeof(*out), 0);
}

static void put_sx_time(int64_t ns, struct raw_sx_time *out)
{
	uint64_t sec;

	put_time(ns, &sec, &out->nsec);
	out->sec = (int64_t)sec;
}

void reply_statx(struct freq *q, const struct fs_attr *a)
{
	struct raw_statx_out *out = (struct raw_statx_out *)q->data;
	struct raw_statx *sx = &out->stat;

	memset(out, 0, sizeof(*out));
	out->attr_valid = REPLY_VALID;
	sx->mask = STAT_BASIC_AND_BTIME;
	sx->blksize = REPLY_BLKSIZE;
	sx->nlink = a->nlink;
	sx->uid = a->uid;
	sx->gid = a->gid;
	sx->mode = (uint16_t)a->mode;
	sx->ino = a->ino;
	sx->size = a->size;
	sx->blocks = a->bytes / 512;
	put_sx_time(a->atime, &sx->atime);
	put_sx_time(a->btime, &sx->btime);
	put_sx_time(a->ctime, &sx->ctime);
	put_sx_time(a->mtime, &sx->mtime);
	/* rdev travels in the kernel's 12:20 encoding */
	sx->rdev_major = (a->rdev >> 8) & 0xfff;
	sx->rdev_minor = (a->rdev & 0xff) | ((a->rdev >> 12) & 0xfff00);
	send_reply(q, sizeof(*out), 0);
}

static void put_open(struct fuse_open_out *out, uint32_t open_flags)
{
	out->fh = 0;
	out->open_flags = open_flags;
	out->padding = 0;
}

void reply_open(struct freq *q, uint32_t open_flags)
{
	put_open((struct fuse_open_out *)q->data, open_flags);
	send_reply(q, sizeof(struct fuse_open_out), 0);
}

void reply_create(struct freq *q, const struct fs_attr *a, uint32_t open_flags)
{
	struct fuse_entry_out *e = (struct fuse_entry_out *)q->data;

	reply_fill_entry(e, a);
	put_open((struct fuse_open_out *)(e + 1), open_flags);
	send_reply(q, sizeof(*e) + sizeof(struct fuse_open_out), 0);
}

void reply_written(struct freq *q, uint32_t len)
{
	struct fuse_write_out *out = (struct fuse_write_out *)q->data;

	out->size = len;
	out->padding = 0;
	send_reply(q, sizeof(*out), 0);
}
