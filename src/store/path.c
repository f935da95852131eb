/* SPDX-License-Identifier: MIT */
/* path.c - names of inodes, upwards.
 *
 * The parent in an inode row is exact for directories; for files it is where
 * the newest name was made, which may be gone while another one is left. */
#include "store/path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/msg.h"
#include "store/vol_int.h"

#define DEPTH_MAX 4096u

struct search {
	struct vol_ctx *c;
	uint64_t ino;
	struct entry_row e;
	uint64_t found_in;
};

static int is_it(void *arg, const struct entry_row *e)
{
	struct search *s = arg;

	if (e->ino != s->ino)
		return 0;
	s->e = *e;
	s->found_in = e->dir;
	return 1;
}

static bool look_in(struct search *s, uint64_t dir)
{
	return dir && state_entries(s->c->vol->state, s->c->rd, dir, 0, is_it, s) == 1;
}

static int look_in_dir(void *arg, const struct inode_row *i)
{
	return S_ISDIR(i->mode) && look_in(arg, i->ino);
}

static void prepend(char **path, const char *name, size_t len)
{
	size_t old = strlen(*path);
	char *p = xmalloc(1 + len + old + 1);

	p[0] = '/';
	memcpy(p + 1, name, len);
	memcpy(p + 1 + len, *path, old + 1);
	free(*path);
	*path = p;
}

char *vol_path(struct vol_ctx *c, uint64_t ino, bool look_everywhere)
{
	struct state *st = c->vol->state;
	struct inode_row row;
	char *path = strdup(""), hole[40];

	if (!path)
		msg_panic("out of memory");
	for (unsigned depth = 0; ino != VARVE_ROOT_INO && depth < DEPTH_MAX; depth++) {
		struct search s = { .c = c, .ino = ino };
		bool got = state_inode(st, c->rd, ino, &row) == 0 && look_in(&s, row.parent);

		if (!got && look_everywhere && !*path)
			got = state_inodes(st, c->rd, 0, look_in_dir, &s) == 1;
		if (!got) {
			snprintf(hole, sizeof(hole), *path ? "<inode %llu>" : "inode %llu",
				 (unsigned long long)ino);
			if (*path) {
				prepend(&path, hole, strlen(hole));
				memmove(path, path + 1, strlen(path));
			} else {
				free(path);
				path = strdup(hole);
			}
			if (!path)
				msg_panic("out of memory");
			return path;
		}
		prepend(&path, s.e.name, s.e.namelen);
		ino = s.found_in;
	}
	if (!*path)
		prepend(&path, "", 0);
	return path;
}
