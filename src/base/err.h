/* SPDX-License-Identifier: MIT */
/* err.h - error codes.
 *
 * Every fallible function returns 0 or a negative code: either a negated
 * errno (-1 .. -999: the plain POSIX answers, -ENOENT, -EEXIST, ...) or one
 * of the private codes below (-1001 and beyond), which say precisely what
 * went wrong inside.  err_errno() maps any of them to the errno that a caller
 * outside sees; err_str() gives the text for messages.  Functions log nothing
 * they return; the layer that drops an error logs it. */
#ifndef VARVE_BASE_ERR_H
#define VARVE_BASE_ERR_H

/*      name             errno    text */
#define VARVE_ERRORS(X) \
	X(SUPER_MAGIC,   EINVAL,  "not a varvefs volume (no superblock magic)") \
	X(SUPER_CRC,     EINVAL,  "superblock checksum mismatch") \
	X(SUPER_VALUE,   EINVAL,  "superblock holds an impossible value") \
	X(FEATURE,       EINVAL,  "volume uses a feature this version does not know") \
	X(NO_SLOT,       EIO,     "no valid checkpoint slot") \
	X(SLOT_CRC,      EIO,     "checkpoint slot checksum mismatch") \
	X(SLOT_VALUE,    EIO,     "checkpoint slot holds an impossible value") \
	X(BATCH_MAGIC,   EIO,     "no batch header here") \
	X(BATCH_CRC,     EIO,     "batch header or record checksum mismatch") \
	X(BATCH_VALUE,   EIO,     "batch header holds an impossible value") \
	X(BATCH_SEQ,     EIO,     "batch out of sequence") \
	X(REC_SHORT,     EIO,     "record runs past its batch") \
	X(REC_KIND,      EIO,     "unknown record kind") \
	X(REC_VALUE,     EIO,     "record holds an impossible value") \
	X(DATA_CRC,      EIO,     "data checksum mismatch") \
	X(PAGE_CRC,      EIO,     "database page checksum mismatch") \
	X(PAGE_MAP,      EIO,     "page map node damaged") \
	X(LOG_DAMAGE,    EIO,     "log damaged below its durable end") \
	X(LOG_DEAD,      EROFS,   "log can no longer be written") \
	X(BACKUP,        EIO,     "no valid chunk of a metadata backup") \
	X(DB,            EIO,     "metadata database error") \
	X(DB_SCHEMA,     EIO,     "metadata database has an unknown schema") \
	X(DEV_IO,        EIO,     "device I/O error") \
	X(DEV_SHORT,     EIO,     "device transferred less than asked") \
	X(DEV_BUSY,      EBUSY,   "device is in use") \
	X(DEV_SMALL,     EINVAL,  "device is too small") \
	X(DEV_KIND,      ENOTBLK, "neither a block device nor a regular file") \
	X(DEV_GONE,      EIO,     "device cut off (simulated power loss)") \
	X(NO_URING,      ENOSYS,  "io_uring is not available") \
	X(READONLY,      EROFS,   "volume is read-only") \
	X(INJECTED,      EIO,     "injected fault")

enum varve_error {
	VE_FIRST = 1000,
#define X(name, err, text) VE_##name,
	VARVE_ERRORS(X)
#undef X
	VE_END
};

/* Positive errno for a negative code; 0 for 0.  Unknown codes give EIO. */
int err_errno(int code);
/* Static text for a negative code; never NULL. */
const char *err_str(int code);

#endif
