/* SPDX-License-Identifier: MIT */
/* cursor.c - listings that go on while entries come and go: what was there
 * from beginning to end is seen exactly once, what is seen is there. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/msg.h"
#include "run.h"

static void drop(struct cursor *c)
{
	free(c->serial);
	free(c->name);
	free(c->seen);
	memset(c, 0, sizeof(*c));
}

void run_cursors_drop(struct run *r)
{
	for (unsigned k = 0; k < CURSORS; k++)
		drop(&r->cur[k]);
}

static void begin(struct run *r, struct cursor *c, const struct minode *d)
{
	drop(c);
	c->open = true;
	c->dir = d->ino;
	c->n = d->nent;
	c->serial = xcalloc(c->n + 1, sizeof(*c->serial));
	c->name = xcalloc(c->n + 1, sizeof(*c->name));
	c->seen = xcalloc(c->n + 1, sizeof(*c->seen));
	for (size_t k = 0; k < c->n; k++) {
		c->serial[k] = d->ent[k].serial;
		strcpy(c->name[k], d->ent[k].name);
	}
}

static bool still_there(const struct minode *d, uint64_t serial)
{
	for (size_t k = 0; k < d->nent; k++)
		if (d->ent[k].serial == serial)
			return true;
	return false;
}

static bool note(struct run *r, struct cursor *c, const struct minode *d,
		 const struct dirent_seen *e)
{
	const struct mentry *there;

	if (!strcmp(e->name, ".") || !strcmp(e->name, ".."))
		return true;
	there = model_entry(d, e->name);
	if (!there || there->ino != e->ino)
		return run_fail(r, "listing of %" PRIu64 " shows %s, which is not there",
				c->dir, e->name);
	for (size_t k = 0; k < c->n; k++)
		if (!strcmp(c->name[k], e->name))
			c->seen[k]++;
	return true;
}

static bool finish(struct run *r, struct cursor *c, const struct minode *d)
{
	bool ok = true;

	for (size_t k = 0; k < c->n && ok; k++)
		if (still_there(d, c->serial[k]) && c->seen[k] != 1)
			ok = run_fail(r, "listing of %" PRIu64 " in pieces shows %s %u times",
				      c->dir, c->name[k], c->seen[k]);
	drop(c);
	return ok;
}

bool run_cursor(struct run *r, const struct op *op)
{
	struct cursor *c = &r->cur[op->ino % CURSORS];
	uint64_t before = sut_op_seq(&r->s);
	size_t ev = r->crash ? dev_crash_events(r->s.dev) : 0;
	const struct minode *d;
	struct dirent_seen *e;
	struct result res;
	struct op first = { 0 };
	bool ok = true;
	size_t n;
	int err;

	if (c->open) {
		d = model_get(r->m, c->dir);
		if (!d || !d->nlookup || !d->nlink)
			drop(c);
	}
	if (!c->open) {
		d = model_get(r->m, op->ino);
		if (!d || !S_ISDIR(d->mode) || !d->nlookup || !d->nlink)
			return true;
		begin(r, c, d);
		first = *op;
		first.ino = c->dir;
	}
	d = model_get(r->m, c->dir);
	e = xmalloc(op->len * sizeof(*e));
	err = sut_list_some(&r->s, c->dir, &c->after, op->len, e, &n);
	if (first.ino) {
		first.no_atime = sut_op_seq(&r->s) == before && run_full(r);
		op_model(r->m, &first, &res);
		d = model_get(r->m, c->dir);
		run_log(r, &first, before, ev);
	}
	if (err)
		ok = run_fail(r, "readdir of %" PRIu64 ": %s", c->dir, err_str(err));
	for (size_t k = 0; k < n && ok; k++)
		ok = note(r, c, d, &e[k]);
	free(e);
	if (ok && n < op->len)
		ok = finish(r, c, d);
	return ok;
}
