/* SPDX-License-Identifier: MIT */
/* acl.h - POSIX ACLs (IEEE 1003.1e draft 17) in their xattr format.
 *
 * A value is a 4-byte version (2) and 8-byte entries, little-endian: tag,
 * permissions, id.  The rules are those of Linux (fs/posix_acl.c).
 * Errors: -EINVAL: not a valid ACL; -EOPNOTSUPP: another version. */
#ifndef VARVE_FS_ACL_H
#define VARVE_FS_ACL_H

#include "base/defs.h"

#define ACL_ACCESS_NAME "system.posix_acl_access"
#define ACL_DEFAULT_NAME "system.posix_acl_default"

#define ACL_TAG_USER_OBJ 0x01u
#define ACL_TAG_USER 0x02u
#define ACL_TAG_GROUP_OBJ 0x04u
#define ACL_TAG_GROUP 0x08u
#define ACL_TAG_MASK 0x10u
#define ACL_TAG_OTHER 0x20u
#define ACL_NO_ID 0xffffffffu

struct acl_entry {
	uint16_t tag, perm;
	uint32_t id;
};
struct acl {
	unsigned n; /* 0: no ACL */
	struct acl_entry e[];
};

/* Decodes and checks; the caller frees *ret. */
int acl_decode(const void *value, size_t len, struct acl **ret) VARVE_MUST_CHECK;
size_t acl_size(const struct acl *a);
/* Writes acl_size() bytes. */
void acl_encode(const struct acl *a, void *value);

/* Permission bits that the ACL amounts to; true if they say all of it. */
bool acl_equiv_mode(const struct acl *a, uint32_t *ret_perm);
/* What chmod(perm) makes of an access ACL. */
void acl_chmod(struct acl *a, uint32_t perm);
/* Turns a directory's default ACL into the access ACL of a new object that is
 * asked for with *mode, and *mode into the resulting one; true if the mode says
 * all of it. */
bool acl_inherit(struct acl *a, uint32_t *mode);

#endif
