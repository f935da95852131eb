/* SPDX-License-Identifier: MIT */
/* dev_uring.c - a block device or image file through io_uring.
 *
 * Each attached ring has an entry with its registered file and buffers.  Only
 * the ring's own thread fills, uses and clears its entry; other threads look at
 * its ring pointer alone, which is atomic. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/msg.h"
#include "dev/dev_impl.h"
#include "dev/dev_uring.h"

#define RINGS_MAX 128
#define BUFFERS_MAX 64
/* The kernel's limit for one registered buffer. */
#define BUFFER_LEN_MAX (1ull << 30)

struct region {
	char *base;
	size_t len;
};

struct attached {
	_Atomic(struct ring *) ring; /* NULL: entry is free */
	int file;                    /* slot, or negative */
	unsigned n;
	struct {
		struct region region;
		int slot; /* negative: not registered */
	} buffer[BUFFERS_MAX];
};

struct file_dev {
	struct dev d;
	int fd;
	_Atomic unsigned used; /* entries of attached[] ever used */
	struct attached *attached[RINGS_MAX];
	pthread_mutex_t mutex; /* guards attached[] against growth, and regions */
	unsigned n_regions;
	struct region region[BUFFERS_MAX];
};

static struct file_dev *file_dev(const struct dev *d)
{
	return container_of(d, struct file_dev, d);
}

static struct attached *find_ring(struct file_dev *f, struct ring *r)
{
	unsigned used = atomic_load_explicit(&f->used, memory_order_acquire);

	for (unsigned i = 0; i < used; i++) {
		struct attached *a = f->attached[i];

		if (atomic_load_explicit(&a->ring, memory_order_relaxed) == r)
			return a;
	}
	return NULL;
}

static int find_buffer(const struct attached *a, const void *buf, size_t len)
{
	for (unsigned i = 0; i < a->n; i++) {
		const struct region *g = &a->buffer[i].region;
		size_t at = (const char *)buf - g->base;

		if ((const char *)buf >= g->base && at < g->len && len <= g->len - at)
			return a->buffer[i].slot;
	}
	return -1;
}

static const char *const op_name[] = {
	[DEV_READ] = "read",
	[DEV_WRITE] = "write",
	[DEV_FLUSH] = "flush",
	[DEV_DISCARD] = "discard",
};

/* Logs what the kernel said and maps it. */
static int failure(const struct dev_req *req, int res)
{
	const char *name = req->dev->name;
	unsigned long long off = req->off + req->moved;

	if (res == -EOPNOTSUPP && req->op == DEV_DISCARD)
		return res;
	if (req->op == DEV_FLUSH)
		msg_err("%s: flush: %s", name, err_str(res));
	else if (res == -ENOSPC)
		msg_err("%s: %s at %llu: %s: the file system that holds the image is full",
			name, op_name[req->op], off, err_str(res));
	else
		msg_err("%s: %s at %llu: %s", name, op_name[req->op], off, err_str(res));
	return -VE_DEV_IO;
}

static void issue(struct dev_req *req);

static void transferred(struct dev_req *req, uint32_t n)
{
	/* O_DIRECT goes on at a whole logical block. */
	n = align_down(n, req->dev->logical_block);
	if (!n) {
		msg_err("%s: %s at %llu: transferred nothing", req->dev->name,
			op_name[req->op], (unsigned long long)req->off + req->moved);
		dev_req_done(req, -VE_DEV_SHORT);
		return;
	}
	req->moved += n;
	if (req->moved < req->len)
		issue(req);
	else
		dev_req_done(req, 0);
}

static void completed(struct ring_op *rop, int res, uint32_t flags)
{
	struct dev_req *req = container_of(rop, struct dev_req, rop);

	if (res == -EINTR || res == -EAGAIN)
		issue(req);
	else if (res < 0)
		dev_req_done(req, failure(req, res));
	else if (req->op == DEV_READ || req->op == DEV_WRITE)
		transferred(req, res);
	else
		dev_req_done(req, 0);
}

static void prep_transfer(struct io_uring_sqe *sqe, const struct dev_req *req, int fd,
			  int slot)
{
	char *buf = (char *)req->buf + req->moved;
	unsigned len = req->len - req->moved;
	uint64_t off = req->off + req->moved;

	if (req->op == DEV_READ && slot >= 0)
		io_uring_prep_read_fixed(sqe, fd, buf, len, off, slot);
	else if (req->op == DEV_READ)
		io_uring_prep_read(sqe, fd, buf, len, off);
	else if (slot >= 0)
		io_uring_prep_write_fixed(sqe, fd, buf, len, off, slot);
	else
		io_uring_prep_write(sqe, fd, buf, len, off);
}

/* Queues req, or what is left of it. */
static void issue(struct dev_req *req)
{
	struct file_dev *f = file_dev(req->dev);
	struct attached *a = find_ring(f, req->ring);
	bool fixed_file = a && a->file >= 0;
	int fd = fixed_file ? a->file : f->fd;
	struct io_uring_sqe *sqe = ring_sqe(req->ring, &req->rop);

	switch (req->op) {
	case DEV_READ:
	case DEV_WRITE:
		prep_transfer(sqe, req, fd, a ? find_buffer(a, req->buf, req->len) : -1);
		break;
	case DEV_FLUSH:
		io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
		break;
	case DEV_DISCARD:
		io_uring_prep_fallocate(sqe, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					req->off, req->discard_len);
		break;
	}
	if (fixed_file)
		sqe->flags |= IOSQE_FIXED_FILE;
}

static void file_submit(struct dev *d, struct ring *r, struct dev_req *req)
{
	req->rop.fn = completed;
	issue(req);
}

static int file_add_buffer(struct dev *d, void *buf, size_t len)
{
	struct file_dev *f = file_dev(d);
	size_t parts = (len + BUFFER_LEN_MAX - 1) / BUFFER_LEN_MAX;
	int rc = 0;

	pthread_mutex_lock(&f->mutex);
	if (parts > BUFFERS_MAX - f->n_regions) {
		rc = -ENOSPC;
	} else {
		for (char *p = buf; len; p += f->region[f->n_regions++].len) {
			size_t n = MIN(len, BUFFER_LEN_MAX);

			f->region[f->n_regions] = (struct region){ p, n };
			len -= n;
		}
	}
	pthread_mutex_unlock(&f->mutex);
	return rc;
}

static void file_del_buffer(struct dev *d, void *buf, size_t len)
{
	struct file_dev *f = file_dev(d);
	unsigned kept = 0;

	pthread_mutex_lock(&f->mutex);
	for (unsigned i = 0; i < f->n_regions; i++) {
		size_t at = f->region[i].base - (char *)buf;

		if (f->region[i].base < (char *)buf || at >= len)
			f->region[kept++] = f->region[i];
	}
	f->n_regions = kept;
	pthread_mutex_unlock(&f->mutex);
}

/* A free entry, now r's, with the regions of the moment; NULL: table full. */
static struct attached *claim(struct file_dev *f, struct ring *r)
{
	struct attached *a = NULL;
	unsigned i;

	pthread_mutex_lock(&f->mutex);
	for (i = 0; i < f->used && !a; i++)
		if (!atomic_load(&f->attached[i]->ring))
			a = f->attached[i];
	if (!a && i < RINGS_MAX) {
		a = f->attached[i] = xcalloc(1, sizeof(*a));
		atomic_store_explicit(&f->used, i + 1, memory_order_release);
	}
	if (a) {
		a->file = -1;
		a->n = f->n_regions;
		for (i = 0; i < a->n; i++) {
			a->buffer[i].region = f->region[i];
			a->buffer[i].slot = -1;
		}
		atomic_store(&a->ring, r);
	}
	pthread_mutex_unlock(&f->mutex);
	return a;
}

static void file_attach(struct dev *d, struct ring *r)
{
	struct file_dev *f = file_dev(d);
	struct attached *a;

	if (find_ring(f, r))
		return;
	a = claim(f, r);
	if (!a)
		return;
	a->file = ring_add_file(r, f->fd);
	if (a->file >= 0)
		d->registered_file = true;
	for (unsigned i = 0; i < a->n; i++) {
		struct region *g = &a->buffer[i].region;

		a->buffer[i].slot = ring_add_buffer(r, g->base, g->len);
		if (a->buffer[i].slot >= 0)
			d->registered_buffers = true;
	}
}

static void file_detach(struct dev *d, struct ring *r)
{
	struct attached *a = find_ring(file_dev(d), r);

	if (!a)
		return;
	ring_del_file(r, a->file);
	for (unsigned i = 0; i < a->n; i++)
		ring_del_buffer(r, a->buffer[i].slot);
	a->n = 0;
	a->file = -1;
	atomic_store(&a->ring, NULL);
}

static void file_close(struct dev *d)
{
	struct file_dev *f = file_dev(d);

	for (unsigned i = 0; i < f->used; i++)
		free(f->attached[i]);
	close(f->fd);
	pthread_mutex_destroy(&f->mutex);
	free(f);
}

static const struct dev_ops file_ops = {
	.submit = file_submit,
	.add_buffer = file_add_buffer,
	.del_buffer = file_del_buffer,
	.attach = file_attach,
	.detach = file_detach,
	.close = file_close,
};

static int measure(int fd, struct dev *d)
{
	struct stat st;
	int lbs = 512;

	if (fstat(fd, &st))
		return -errno;
	d->is_block = S_ISBLK(st.st_mode);
	d->size = st.st_size;
	if (d->is_block && (ioctl(fd, BLKGETSIZE64, &d->size) || ioctl(fd, BLKSSZGET, &lbs)))
		return -errno;
	d->size = align_down(d->size, VARVE_BLOCK);
	d->logical_block = lbs;
	if (!d->size)
		return -VE_DEV_SMALL;
	if (lbs < 512 || lbs > (int)VARVE_BLOCK)
		return -VE_DEV_KIND;
	return 0;
}

int dev_uring_new(int fd, const char *path, bool readonly, struct dev **ret)
{
	struct file_dev *f = xcalloc(1, sizeof(*f));
	int rc = measure(fd, &f->d);

	if (rc) {
		close(fd);
		free(f);
		return rc;
	}
	f->d.ops = &file_ops;
	f->d.name = xmalloc(strlen(path) + 1);
	strcpy(f->d.name, path);
	f->d.readonly = readonly;
	f->fd = fd;
	pthread_mutex_init(&f->mutex, NULL);
	*ret = &f->d;
	return 0;
}
