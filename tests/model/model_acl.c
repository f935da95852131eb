/* SPDX-License-Identifier: MIT */
/* model_acl.c - POSIX ACLs in the model, after Linux's fs/posix_acl.c. */
#include "model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct acl_entry {
	uint16_t tag, perm;
	uint32_t id;
};

enum { A_USER_OBJ = 1, A_USER = 2, A_GROUP_OBJ = 4, A_GROUP = 8, A_MASK = 16, A_OTHER = 32 };

static size_t entries(size_t len)
{
	return (len - 4) / sizeof(struct acl_entry);
}

static struct acl_entry entry(const void *value, size_t k)
{
	struct acl_entry e;

	memcpy(&e, (const char *)value + 4 + k * sizeof(e), sizeof(e));
	return e;
}

static void set_perm(void *value, size_t k, unsigned perm)
{
	struct acl_entry e = entry(value, k);

	e.perm = (uint16_t)perm;
	memcpy((char *)value + 4 + k * sizeof(e), &e, sizeof(e));
}

int model_acl_check(const void *value, size_t len)
{
	unsigned seen = 0, last = 0;
	uint32_t version;

	if (len < 4)
		return -EINVAL;
	memcpy(&version, value, 4);
	if (version != 2)
		return -EOPNOTSUPP;
	if ((len - 4) % sizeof(struct acl_entry))
		return -EINVAL;
	for (size_t k = 0; k < entries(len); k++) {
		struct acl_entry e = entry(value, k);

		if (e.perm & ~7u || e.tag < last)
			return -EINVAL;
		if (e.tag != A_USER && e.tag != A_GROUP && (seen & e.tag))
			return -EINVAL;
		seen |= e.tag;
		last = e.tag;
	}
	if ((seen & (A_USER | A_GROUP)) && !(seen & A_MASK))
		return -EINVAL;
	return (seen & (A_USER_OBJ | A_GROUP_OBJ | A_OTHER)) ==
	       (A_USER_OBJ | A_GROUP_OBJ | A_OTHER) ? 0 : -EINVAL;
}

uint32_t model_acl_mode(const void *value, size_t len, bool *ret_equiv)
{
	uint32_t user = 0, group = 0, other = 0, mask = 8;

	*ret_equiv = true;
	for (size_t k = 0; k < entries(len); k++) {
		struct acl_entry e = entry(value, k);

		if (e.tag == A_USER_OBJ)
			user = e.perm;
		else if (e.tag == A_GROUP_OBJ)
			group = e.perm;
		else if (e.tag == A_OTHER)
			other = e.perm;
		else
			*ret_equiv = false;
		if (e.tag == A_MASK)
			mask = e.perm;
	}
	return user << 6 | (mask < 8 ? mask : group) << 3 | other;
}

static bool has_mask(const void *value, size_t len)
{
	for (size_t k = 0; k < entries(len); k++)
		if (entry(value, k).tag == A_MASK)
			return true;
	return false;
}

void model_acl_chmod(struct minode *i)
{
	const struct mxattr *x = model_xattr(i, ACL_ACCESS);
	bool mask;

	if (!x)
		return;
	mask = has_mask(x->value, x->len);
	for (size_t k = 0; k < entries(x->len); k++) {
		unsigned tag = entry(x->value, k).tag;

		if (tag == A_USER_OBJ)
			set_perm(x->value, k, i->mode >> 6 & 7);
		else if (tag == A_OTHER)
			set_perm(x->value, k, i->mode & 7);
		else if (tag == (mask ? A_MASK : A_GROUP_OBJ))
			set_perm(x->value, k, i->mode >> 3 & 7);
	}
}

void model_acl_inherit(const struct minode *dir, struct minode *i, uint32_t umask)
{
	const struct mxattr *def = model_xattr(dir, ACL_DEFAULT);
	uint32_t mode = i->mode & 0777, perm;
	bool mask, equiv;
	void *v;

	if (!def) {
		i->mode &= ~(umask & 0777);
		return;
	}
	v = malloc(def->len);
	memcpy(v, def->value, def->len);
	mask = has_mask(v, def->len);
	for (size_t k = 0; k < entries(def->len); k++) {
		struct acl_entry e = entry(v, k);

		perm = e.perm;
		if (e.tag == A_USER_OBJ) {
			perm &= mode >> 6;
			mode &= perm << 6 | 0077;
		} else if (e.tag == A_OTHER) {
			perm &= mode & 7;
			mode &= perm | 0770;
		} else if (e.tag == (mask ? A_MASK : A_GROUP_OBJ)) {
			perm &= mode >> 3 & 7;
			mode &= perm << 3 | 0707;
		}
		set_perm(v, k, perm);
	}
	i->mode = (i->mode & ~0777u) | mode;
	model_acl_mode(v, def->len, &equiv);
	if (!equiv)
		model_xattr_put(i, ACL_ACCESS, v, def->len);
	if (S_ISDIR(i->mode))
		model_xattr_put(i, ACL_DEFAULT, def->value, def->len);
	free(v);
}
