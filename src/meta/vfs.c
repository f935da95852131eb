/* SPDX-License-Identifier: MIT */
/* vfs.c - SQLite's view of a page store.
 *
 * File names are "varve-N"; N is found in a registry, so that no pointer ever
 * travels through a name that SQL could forge.  There are no other files: no
 * journal (an aborted transaction is dropped by the page store as a whole), no
 * WAL, no temporary files (temp_store is MEMORY). */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>

#include "base/err.h"
#include "base/msg.h"
#include "meta/vfs.h"

struct vfs_file {
	sqlite3_file base;
	struct vfs_conn *conn;
	int lock;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER; /* leaf */
static struct vfs_conn *registry; /* guarded by registry_lock */
static uint64_t next_id;          /* guarded by registry_lock */
static int setup_rc;
static sqlite3_vfs *plain; /* the system's, for time and randomness */

static struct vfs_conn *conn_of(sqlite3_file *f)
{
	return ((struct vfs_file *)f)->conn;
}

static int fail(struct vfs_conn *c, int err, int rc)
{
	if (!c->err)
		c->err = err;
	return err == -ENOSPC ? SQLITE_FULL : rc;
}

static void drop_image(struct vfs_conn *c)
{
	if (c->img)
		c->ps->ops->release(c->ps, c->img);
	c->img = NULL;
}

static void take_image(struct vfs_conn *c)
{
	struct ps_image *old = c->img;

	c->img = c->ps->ops->acquire(c->ps);
	if (old)
		c->ps->ops->release(c->ps, old);
}

static uint32_t file_pages(struct vfs_conn *c)
{
	if (c->writer)
		return c->ps->ops->txn_npages(c->ps);
	if (!c->img)
		take_image(c);
	return c->ps->ops->npages(c->ps, c->img);
}

/* --- pages that were never written --- */
static bool is_gap(const struct vfs_conn *c, uint32_t pgno)
{
	uint32_t i;

	if (pgno <= c->base)
		return false;
	i = pgno - c->base - 1;
	return i >= c->nwritten || !(c->written[i / 8] & (1u << (i % 8)));
}

static int mark_written(struct vfs_conn *c, uint32_t pgno)
{
	uint32_t i, room;
	uint8_t *bits;

	if (pgno <= c->base)
		return 0;
	i = pgno - c->base - 1;
	if (i >= c->nwritten) {
		room = (uint32_t)align_up(MAX(i + 1, c->nwritten * 2), 1024);
		bits = realloc(c->written, room / 8);
		if (!bits)
			return -ENOMEM;
		memset(bits + c->nwritten / 8, 0, (room - c->nwritten) / 8);
		c->written = bits;
		c->nwritten = room;
	}
	c->written[i / 8] |= (uint8_t)(1u << (i % 8));
	return 0;
}

static void mark_truncated(struct vfs_conn *c, uint32_t npages)
{
	uint32_t i;

	if (npages <= c->base) {
		c->base = npages;
		if (c->written)
			memset(c->written, 0, c->nwritten / 8);
		return;
	}
	for (i = npages - c->base; i < c->nwritten; i++)
		c->written[i / 8] &= (uint8_t)~(1u << (i % 8));
}

void vfs_txn_start(struct vfs_conn *c)
{
	c->base = c->ps->ops->txn_npages(c->ps);
	if (c->written)
		memset(c->written, 0, c->nwritten / 8);
}

int vfs_txn_fill(struct vfs_conn *c)
{
	static const uint8_t zeros[VARVE_BLOCK];
	uint32_t npages = c->ps->ops->txn_npages(c->ps), pgno;
	int err;

	for (pgno = c->base + 1; pgno <= npages && pgno; pgno++) {
		if (!is_gap(c, pgno))
			continue;
		err = c->ps->ops->txn_write(c->ps, pgno, zeros);
		if (err)
			return err;
	}
	return 0;
}

/* --- file methods --- */
static int file_close(sqlite3_file *f)
{
	drop_image(conn_of(f));
	return SQLITE_OK;
}

static int read_page(struct vfs_conn *c, uint32_t pgno, void *buf)
{
	if (!c->writer)
		return c->ps->ops->read(c->ps, c->img, pgno, buf);
	if (is_gap(c, pgno)) {
		memset(buf, 0, VARVE_BLOCK);
		return 0;
	}
	return c->ps->ops->txn_read(c->ps, pgno, buf);
}

static int file_read(sqlite3_file *f, void *buf, int amount, sqlite3_int64 off)
{
	struct vfs_conn *c = conn_of(f);
	uint64_t end = (uint64_t)file_pages(c) * VARVE_BLOCK;
	uint64_t at = (uint64_t)off, left = (uint64_t)amount;
	uint8_t *p = buf;
	int err;

	if (c->dead)
		return SQLITE_IOERR_READ;
	while (left && at < end) {
		uint32_t pgno = (uint32_t)(at / VARVE_BLOCK) + 1;
		uint32_t in = at % VARVE_BLOCK;
		uint32_t n = (uint32_t)MIN(left, VARVE_BLOCK - in);
		bool whole = n == VARVE_BLOCK;

		err = read_page(c, pgno, whole ? p : c->page);
		if (err)
			return fail(c, err, SQLITE_IOERR_READ);
		if (!whole)
			memcpy(p, c->page + in, n);
		p += n;
		at += n;
		left -= n;
	}
	if (!left)
		return SQLITE_OK;
	memset(p, 0, left);
	return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *f, const void *buf, int amount,
		      sqlite3_int64 off)
{
	struct vfs_conn *c = conn_of(f);
	uint32_t pgno = (uint32_t)(off / VARVE_BLOCK) + 1;
	int err;

	if (!c->writer)
		return SQLITE_READONLY;
	if (c->dead || amount != VARVE_BLOCK || off % VARVE_BLOCK)
		return SQLITE_IOERR_WRITE;
	err = c->ps->ops->txn_write(c->ps, pgno, buf);
	if (!err)
		err = mark_written(c, pgno);
	return err ? fail(c, err, SQLITE_IOERR_WRITE) : SQLITE_OK;
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	struct vfs_conn *c = conn_of(f);
	uint32_t npages = (uint32_t)(size / VARVE_BLOCK);
	int err;

	if (!c->writer)
		return SQLITE_READONLY;
	if (c->dead || size % VARVE_BLOCK)
		return SQLITE_IOERR_TRUNCATE;
	err = c->ps->ops->txn_truncate(c->ps, npages);
	if (err)
		return fail(c, err, SQLITE_IOERR_TRUNCATE);
	mark_truncated(c, npages);
	return SQLITE_OK;
}

/* The checkpoint orders flushes. */
static int file_sync(sqlite3_file *f, int flags)
{
	return SQLITE_OK;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	*ret = (sqlite3_int64)file_pages(conn_of(f)) * VARVE_BLOCK;
	return SQLITE_OK;
}

static int file_lock(sqlite3_file *f, int level)
{
	struct vfs_file *vf = (struct vfs_file *)f;

	if (!vf->conn->writer && vf->lock == SQLITE_LOCK_NONE)
		take_image(vf->conn);
	vf->lock = MAX(vf->lock, level);
	return SQLITE_OK;
}

static int file_unlock(sqlite3_file *f, int level)
{
	struct vfs_file *vf = (struct vfs_file *)f;

	vf->lock = MIN(vf->lock, level);
	if (vf->lock == SQLITE_LOCK_NONE)
		drop_image(vf->conn);
	return SQLITE_OK;
}

static int file_reserved(sqlite3_file *f, int *ret)
{
	*ret = 0;
	return SQLITE_OK;
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
	return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *f)
{
	return VARVE_BLOCK;
}

static int file_traits(sqlite3_file *f)
{
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN;
}

static const sqlite3_io_methods file_methods = {
	.iVersion = 1,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_reserved,
	.xFileControl = file_control,
	.xSectorSize = file_sector,
	.xDeviceCharacteristics = file_traits,
};

/* --- VFS methods --- */
static int vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags,
		    int *ret_flags)
{
	struct vfs_file *vf = (struct vfs_file *)f;
	struct vfs_conn *c;

	vf->base.pMethods = NULL;
	if (!name || !(flags & SQLITE_OPEN_MAIN_DB))
		return SQLITE_CANTOPEN;
	pthread_mutex_lock(&registry_lock);
	for (c = registry; c && strcmp(c->name, name); c = c->next)
		;
	pthread_mutex_unlock(&registry_lock);
	if (!c)
		return SQLITE_CANTOPEN;
	vf->conn = c;
	vf->lock = SQLITE_LOCK_NONE;
	vf->base.pMethods = &file_methods;
	if (ret_flags)
		*ret_flags = flags;
	return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *v, const char *name, int sync_dir)
{
	return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *v, const char *name, int flags, int *ret)
{
	*ret = 0;
	return SQLITE_OK;
}

static int vfs_full_name(sqlite3_vfs *v, const char *name, int size, char *ret)
{
	sqlite3_snprintf(size, ret, "%s", name);
	return SQLITE_OK;
}

static int vfs_random(sqlite3_vfs *v, int n, char *ret)
{
	return plain->xRandomness(plain, n, ret);
}

static int vfs_sleep(sqlite3_vfs *v, int us)
{
	return plain->xSleep(plain, us);
}

static int vfs_now(sqlite3_vfs *v, double *ret)
{
	return plain->xCurrentTime(plain, ret);
}

static int vfs_last_error(sqlite3_vfs *v, int n, char *ret)
{
	return 0;
}

static sqlite3_vfs varve_vfs = {
	.iVersion = 1,
	.szOsFile = sizeof(struct vfs_file),
	.mxPathname = 64,
	.zName = VFS_NAME,
	.xOpen = vfs_open,
	.xDelete = vfs_delete,
	.xAccess = vfs_access,
	.xFullPathname = vfs_full_name,
	.xRandomness = vfs_random,
	.xSleep = vfs_sleep,
	.xCurrentTime = vfs_now,
	.xGetLastError = vfs_last_error,
};

/* Memory statistics cost a global lock per allocation.  Both settings are
 * refused, harmlessly, if the process has used SQLite before. */
static void setup(void)
{
	sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	setup_rc = sqlite3_initialize();
	if (setup_rc)
		return;
	plain = sqlite3_vfs_find(NULL);
	setup_rc = plain ? sqlite3_vfs_register(&varve_vfs, 0) : SQLITE_ERROR;
}

int vfs_attach(struct vfs_conn *c, struct page_store *ps, bool writer)
{
	pthread_once(&once, setup);
	if (setup_rc)
		return -VE_DB;
	memset(c, 0, sizeof(*c));
	c->ps = ps;
	c->writer = writer;
	pthread_mutex_lock(&registry_lock);
	snprintf(c->name, sizeof(c->name), "varve-%llu",
		 (unsigned long long)++next_id);
	c->next = registry;
	registry = c;
	pthread_mutex_unlock(&registry_lock);
	return 0;
}

void vfs_detach(struct vfs_conn *c)
{
	struct vfs_conn **p;

	pthread_mutex_lock(&registry_lock);
	for (p = &registry; *p && *p != c; p = &(*p)->next)
		;
	if (*p)
		*p = c->next;
	pthread_mutex_unlock(&registry_lock);
	drop_image(c);
	free(c->written);
	c->written = NULL;
}

int vfs_take_error(struct vfs_conn *c)
{
	int err = c->err;

	c->err = 0;
	return err;
}
