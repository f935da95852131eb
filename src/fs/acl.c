/* SPDX-License-Identifier: MIT */
/* acl.c - ACL arithmetic, after Linux fs/posix_acl.c. */
#include "fs/acl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/le.h"
#include "base/msg.h"

#define ACL_VERSION 2u
#define PERM_ALL 7u

/* Entries come in the order of their tags' classes; a mask is needed as soon as
 * somebody is named. */
static bool acl_valid(const struct acl *a)
{
	unsigned state = ACL_TAG_USER_OBJ;
	bool named = false;

	for (unsigned i = 0; i < a->n; i++) {
		const struct acl_entry *e = &a->e[i];

		if (e->perm & ~PERM_ALL)
			return false;
		switch (e->tag) {
		case ACL_TAG_USER_OBJ:
			if (state != ACL_TAG_USER_OBJ)
				return false;
			state = ACL_TAG_USER;
			break;
		case ACL_TAG_USER:
			if (state != ACL_TAG_USER || e->id == ACL_NO_ID)
				return false;
			named = true;
			break;
		case ACL_TAG_GROUP_OBJ:
			if (state != ACL_TAG_USER)
				return false;
			state = ACL_TAG_GROUP;
			break;
		case ACL_TAG_GROUP:
			if (state != ACL_TAG_GROUP || e->id == ACL_NO_ID)
				return false;
			named = true;
			break;
		case ACL_TAG_MASK:
			if (state != ACL_TAG_GROUP)
				return false;
			state = ACL_TAG_OTHER;
			break;
		case ACL_TAG_OTHER:
			if (state != ACL_TAG_OTHER &&
			    (state != ACL_TAG_GROUP || named))
				return false;
			state = 0;
			break;
		default:
			return false;
		}
	}
	return state == 0;
}

int acl_decode(const void *value, size_t len, struct acl **ret)
{
	const uint8_t *p = value;
	struct acl *a;
	unsigned n;

	if (len && len < 4)
		return -EINVAL;
	if (len && le32_get(p) != ACL_VERSION)
		return -EOPNOTSUPP;
	if (len && (len - 4) % 8)
		return -EINVAL;
	n = len ? (unsigned)((len - 4) / 8) : 0;
	a = xmalloc(sizeof(*a) + n * sizeof(a->e[0]));
	a->n = n;
	for (unsigned i = 0; i < n; i++) {
		a->e[i].tag = le16_get(p + 4 + i * 8);
		a->e[i].perm = le16_get(p + 6 + i * 8);
		a->e[i].id = le32_get(p + 8 + i * 8);
		if (!(a->e[i].tag & (ACL_TAG_USER | ACL_TAG_GROUP)))
			a->e[i].id = ACL_NO_ID;
	}
	if (n && !acl_valid(a)) {
		free(a);
		return -EINVAL;
	}
	*ret = a;
	return 0;
}

size_t acl_size(const struct acl *a)
{
	return 4 + (size_t)a->n * 8;
}

void acl_encode(const struct acl *a, void *value)
{
	uint8_t *p = value;

	le32_put(p, ACL_VERSION);
	for (unsigned i = 0; i < a->n; i++) {
		le16_put(p + 4 + i * 8, a->e[i].tag);
		le16_put(p + 6 + i * 8, a->e[i].perm);
		le32_put(p + 8 + i * 8, a->e[i].id);
	}
}

bool acl_equiv_mode(const struct acl *a, uint32_t *ret_perm)
{
	uint32_t perm = 0;
	bool equiv = true;

	for (unsigned i = 0; i < a->n; i++) {
		const struct acl_entry *e = &a->e[i];

		switch (e->tag) {
		case ACL_TAG_USER_OBJ:
			perm |= (uint32_t)e->perm << 6;
			break;
		case ACL_TAG_GROUP_OBJ:
			perm |= (uint32_t)e->perm << 3;
			break;
		case ACL_TAG_OTHER:
			perm |= e->perm;
			break;
		case ACL_TAG_MASK:
			perm = (perm & ~(uint32_t)S_IRWXG) | (uint32_t)e->perm << 3;
			equiv = false;
			break;
		default:
			equiv = false;
		}
	}
	*ret_perm = perm;
	return equiv;
}

/* The entry behind the mode's group bits: the mask if there is one. */
static struct acl_entry *group_class(struct acl *a)
{
	struct acl_entry *group = NULL;

	for (unsigned i = 0; i < a->n; i++) {
		if (a->e[i].tag == ACL_TAG_MASK)
			return &a->e[i];
		if (a->e[i].tag == ACL_TAG_GROUP_OBJ)
			group = &a->e[i];
	}
	return group;
}

void acl_chmod(struct acl *a, uint32_t perm)
{
	struct acl_entry *group = group_class(a);

	for (unsigned i = 0; i < a->n; i++) {
		if (a->e[i].tag == ACL_TAG_USER_OBJ)
			a->e[i].perm = perm >> 6 & PERM_ALL;
		else if (a->e[i].tag == ACL_TAG_OTHER)
			a->e[i].perm = perm & PERM_ALL;
	}
	if (group)
		group->perm = perm >> 3 & PERM_ALL;
}

bool acl_inherit(struct acl *a, uint32_t *mode)
{
	struct acl_entry *group = group_class(a);
	uint32_t perm;
	bool equiv;

	for (unsigned i = 0; i < a->n; i++) {
		if (a->e[i].tag == ACL_TAG_USER_OBJ)
			a->e[i].perm &= *mode >> 6 & PERM_ALL;
		else if (a->e[i].tag == ACL_TAG_OTHER)
			a->e[i].perm &= *mode & PERM_ALL;
	}
	if (group)
		group->perm &= *mode >> 3 & PERM_ALL;
	equiv = acl_equiv_mode(a, &perm);
	*mode = (*mode & ~0777u) | perm;
	return equiv;
}
