/* SPDX-License-Identifier: MIT */
/* rec.c - encode and decode log records (doc/format.md §7).
 *
 * Each kind: the common header (its aux word holds a small field of the kind),
 * fixed 8-byte-aligned fields, optional fields whose presence the fixed ones
 * tell, then names and bytes, then zeros up to a multiple of 8.  Decoding
 * accepts exactly what encoding writes: lengths must come out even and the
 * padding must be zero, so that a record has one form. */
#include "log/rec.h"

#include <limits.h>
#include <sys/stat.h>

#include "base/err.h"
#include "log/codec.h"
#include "log/piece.h"

#define XATTR_FIXED 16u
#define MODE_MAX 0177777u
#define HAS_VICTIM 1u
#define HAS_WHITEOUT 2u

static bool is_device(uint32_t mode)
{
	return S_ISCHR(mode) || S_ISBLK(mode);
}

static bool is_encoded(const struct rec *r)
{
	return r->write.enc != REC_ENC_PLAIN || r->write.stored != r->write.len;
}

/* --- size --- */

static uint8_t make_namelen(const struct rec *r)
{
	return r->make.at.dir ? r->make.at.len : 0;
}

static size_t make_size(const struct rec *r)
{
	size_t n = 24 + r->make.target_len;

	if (make_namelen(r))
		n += 16 + make_namelen(r);
	if (is_device(r->make.mode))
		n += 8;
	for (unsigned i = 0; i < r->make.nxattrs; i++)
		n += XATTR_FIXED + r->make.xattr[i].namelen + r->make.xattr[i].len;
	return n;
}

static size_t setattr_size(uint32_t mask)
{
	size_t n = 8;

	n += mask & RSA_ATIME ? 8 : 0;
	n += mask & RSA_MTIME ? 8 : 0;
	n += mask & RSA_MODE ? 4 : 0;
	n += mask & RSA_UID ? 4 : 0;
	n += mask & RSA_GID ? 4 : 0;
	n += mask & RSA_FLAGS ? 4 : 0;
	return n;
}

size_t rec_size(const struct rec *r)
{
	size_t n = 0;

	switch (r->kind) {
	case REC_MAKE:
		n = make_size(r);
		break;
	case REC_LINK:
	case REC_UNLINK:
		n = 24 + r->link.at.len;
		break;
	case REC_DROP:
		n = 8;
		break;
	case REC_RENAME:
		n = 48 + r->rename.from.len + r->rename.to.len;
		n += r->rename.victim ? 8 : 0;
		n += r->rename.whiteout ? 16 : 0;
		break;
	case REC_SETATTR:
		n = setattr_size(r->setattr.mask);
		break;
	case REC_WRITE:
		n = 32 + (is_encoded(r) ? 8 : 0) + (r->write.was ? 16 : 0) +
			4 * (size_t)r->write.nsums;
		break;
	case REC_TRUNCATE:
		n = 16;
		break;
	case REC_FALLOC:
		n = 32;
		break;
	case REC_CLONE:
		n = 48;
		break;
	case REC_SETXATTR:
		n = 8 + XATTR_FIXED + r->setxattr.x.namelen + r->setxattr.x.len;
		break;
	case REC_RMXATTR:
		n = 8 + XATTR_FIXED + r->setxattr.x.namelen;
		break;
	case REC_RELOCATE:
		n = 24 * (size_t)r->relocate.n;
		break;
	}
	return align_up(REC_HDR + n, 8);
}

/* --- encode --- */

struct out {
	uint8_t *p;
};

static void out8(struct out *o, uint8_t v)
{
	*o->p++ = v;
}

static void out16(struct out *o, uint16_t v)
{
	put16(o->p, v);
	o->p += 2;
}

static void out32(struct out *o, uint32_t v)
{
	put32(o->p, v);
	o->p += 4;
}

static void out64(struct out *o, uint64_t v)
{
	put64(o->p, v);
	o->p += 8;
}

static void out_bytes(struct out *o, const void *p, size_t n)
{
	if (n)
		memcpy(o->p, p, n);
	o->p += n;
}

static void out_xattr_fixed(struct out *o, const struct rec_xattr *x, uint32_t len)
{
	out64(o, x->slot);
	out32(o, len);
	out8(o, x->namelen);
	out8(o, 0);
	out16(o, 0);
}

static uint32_t encode_make(struct out *o, const struct rec *r)
{
	const uint8_t namelen = make_namelen(r);

	out64(o, r->make.ino);
	out32(o, r->make.uid);
	out32(o, r->make.gid);
	out32(o, r->make.iflags);
	out16(o, r->make.target_len);
	out8(o, namelen);
	out8(o, r->make.nxattrs);
	if (namelen) {
		out64(o, r->make.at.dir);
		out64(o, r->make.at.cookie);
	}
	if (is_device(r->make.mode))
		out64(o, r->make.rdev);
	for (unsigned i = 0; i < r->make.nxattrs; i++)
		out_xattr_fixed(o, &r->make.xattr[i], r->make.xattr[i].len);
	out_bytes(o, r->make.at.name, namelen);
	out_bytes(o, r->make.target, r->make.target_len);
	for (unsigned i = 0; i < r->make.nxattrs; i++) {
		out_bytes(o, r->make.xattr[i].name, r->make.xattr[i].namelen);
		out_bytes(o, r->make.xattr[i].value, r->make.xattr[i].len);
	}
	return r->make.mode;
}

static uint32_t encode_rename(struct out *o, const struct rec *r)
{
	out64(o, r->rename.ino);
	out64(o, r->rename.from.dir);
	out64(o, r->rename.from.cookie);
	out64(o, r->rename.to.dir);
	out64(o, r->rename.to.cookie);
	out8(o, r->rename.from.len);
	out8(o, r->rename.to.len);
	out8(o, (uint8_t)((r->rename.victim ? HAS_VICTIM : 0) |
			  (r->rename.whiteout ? HAS_WHITEOUT : 0)));
	out8(o, 0);
	out32(o, 0);
	if (r->rename.victim)
		out64(o, r->rename.victim);
	if (r->rename.whiteout) {
		out64(o, r->rename.whiteout);
		out32(o, r->rename.whiteout_uid);
		out32(o, r->rename.whiteout_gid);
	}
	out_bytes(o, r->rename.from.name, r->rename.from.len);
	out_bytes(o, r->rename.to.name, r->rename.to.len);
	return r->rename.mode;
}

static uint32_t encode_setattr(struct out *o, const struct rec *r)
{
	const uint32_t mask = r->setattr.mask;

	out64(o, r->setattr.ino);
	if (mask & RSA_ATIME)
		out64(o, (uint64_t)r->setattr.atime);
	if (mask & RSA_MTIME)
		out64(o, (uint64_t)r->setattr.mtime);
	if (mask & RSA_MODE)
		out32(o, r->setattr.mode);
	if (mask & RSA_UID)
		out32(o, r->setattr.uid);
	if (mask & RSA_GID)
		out32(o, r->setattr.gid);
	if (mask & RSA_FLAGS)
		out32(o, r->setattr.iflags);
	return mask;
}

static uint32_t encode_write(struct out *o, const struct rec *r)
{
	uint32_t aux = r->write.len | (r->write.kill ? REC_WRITE_KILL : 0);

	out64(o, r->write.ino);
	out64(o, r->write.off);
	out64(o, r->write.piece);
	out64(o, r->write.addr);
	if (is_encoded(r)) {
		aux |= REC_WRITE_ENC;
		out32(o, r->write.stored);
		out8(o, r->write.enc);
		out8(o, 0);
		out16(o, 0);
	}
	if (r->write.was) {
		aux |= REC_WRITE_MOVED;
		out64(o, r->write.was);
		out32(o, r->write.was_poff);
		out32(o, 0);
	}
	for (uint32_t i = 0; i < r->write.nsums; i++)
		out32(o, r->write.sums[i]);
	return aux;
}

/* Returns the aux word. */
static uint32_t encode_body(struct out *o, const struct rec *r)
{
	switch (r->kind) {
	case REC_MAKE:
		return encode_make(o, r);
	case REC_LINK:
	case REC_UNLINK:
		out64(o, r->link.ino);
		out64(o, r->link.at.dir);
		out64(o, r->link.at.cookie);
		out_bytes(o, r->link.at.name, r->link.at.len);
		return r->link.at.len;
	case REC_DROP:
		out64(o, r->drop.ino);
		return 0;
	case REC_RENAME:
		return encode_rename(o, r);
	case REC_SETATTR:
		return encode_setattr(o, r);
	case REC_WRITE:
		return encode_write(o, r);
	case REC_TRUNCATE:
		out64(o, r->truncate.ino);
		out64(o, r->truncate.size);
		return r->truncate.kill ? 1 : 0;
	case REC_FALLOC:
		out64(o, r->falloc.ino);
		out64(o, r->falloc.off);
		out64(o, r->falloc.len);
		out64(o, r->falloc.size);
		return r->falloc.mode | (r->falloc.kill ? 0x100u : 0);
	case REC_CLONE:
		out64(o, r->clone.src);
		out64(o, r->clone.src_off);
		out64(o, r->clone.dst);
		out64(o, r->clone.dst_off);
		out64(o, r->clone.len);
		out64(o, r->clone.size);
		return r->clone.kill ? 1 : 0;
	case REC_SETXATTR:
		out64(o, r->setxattr.ino);
		out_xattr_fixed(o, &r->setxattr.x, r->setxattr.x.len);
		out_bytes(o, r->setxattr.x.name, r->setxattr.x.namelen);
		out_bytes(o, r->setxattr.x.value, r->setxattr.x.len);
		return r->setxattr.mode;
	case REC_RMXATTR:
		out64(o, r->setxattr.ino);
		out_xattr_fixed(o, &r->setxattr.x, 0);
		out_bytes(o, r->setxattr.x.name, r->setxattr.x.namelen);
		return r->setxattr.mode;
	case REC_RELOCATE:
		for (uint32_t n = 0; n < r->relocate.n; n++) {
			out64(o, r->relocate.move[n].piece);
			out64(o, r->relocate.move[n].from);
			out64(o, r->relocate.move[n].to);
		}
		return r->relocate.n;
	}
	return 0;
}

void rec_encode(const struct rec *r, void *buf)
{
	uint8_t *start = buf;
	struct out o = { start + REC_HDR };
	size_t size = rec_size(r);
	uint32_t aux = encode_body(&o, r);

	memset(o.p, 0, (size_t)(start + size - o.p));
	put16(start, (uint16_t)(size / 8));
	start[2] = r->kind;
	start[3] = r->flags;
	put32(start + 4, r->uid);
	put32(start + 8, r->pid);
	put32(start + 12, aux);
	put64(start + 16, (uint64_t)r->time);
}

/* --- decode --- */

struct in {
	const uint8_t *p, *end;
	bool bad; /* ran past the end */
};

static const uint8_t *take(struct in *i, size_t n)
{
	static const uint8_t zeros[8];
	const uint8_t *p = i->p;

	if (i->bad || n > (size_t)(i->end - p)) {
		i->bad = true;
		return n <= sizeof zeros ? zeros : NULL;
	}
	i->p += n;
	return p;
}

static uint8_t in8(struct in *i)
{
	return *take(i, 1);
}

static uint16_t in16(struct in *i)
{
	return get16(take(i, 2));
}

static uint32_t in32(struct in *i)
{
	return get32(take(i, 4));
}

static uint64_t in64(struct in *i)
{
	return get64(take(i, 8));
}

static const void *in_bytes(struct in *i, size_t n)
{
	/* take() may answer zeros for a few bytes: never let a name show them. */
	const uint8_t *p = take(i, n);

	return i->bad ? NULL : p;
}

static bool bad_name(const char *s, size_t len)
{
	if (len == 0 || len > VARVE_NAME_MAX || memchr(s, 0, len) || memchr(s, '/', len))
		return true;
	return s[0] == '.' && (len == 1 || (len == 2 && s[1] == '.'));
}

static bool bad_mode(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return mode > MODE_MAX;
	}
	return true;
}

/* [off, off + len) not inside what off_t can say. */
static bool bad_range(uint64_t off, uint64_t len)
{
	return off > INT64_MAX || len > INT64_MAX - off;
}

static void xattr_fixed(struct in *i, struct rec_xattr *x, bool *bad)
{
	x->slot = in64(i);
	x->len = in32(i);
	x->namelen = in8(i);
	if (in8(i) | in16(i))
		*bad = true;
	if (x->namelen == 0 || x->len > VARVE_XATTR_MAX)
		*bad = true;
}

static bool xattr_bytes(struct in *i, struct rec_xattr *x)
{
	x->name = in_bytes(i, x->namelen);
	x->value = in_bytes(i, x->len);
	return i->bad || memchr(x->name, 0, x->namelen);
}

static bool decode_make(struct in *i, uint32_t aux, struct rec *r)
{
	bool bad = false;

	r->make.mode = aux;
	r->make.ino = in64(i);
	r->make.uid = in32(i);
	r->make.gid = in32(i);
	r->make.iflags = in32(i);
	r->make.target_len = in16(i);
	r->make.at.len = in8(i);
	r->make.nxattrs = in8(i);
	if (bad_mode(aux) || r->make.ino == 0 || r->make.nxattrs > REC_MAKE_XATTRS)
		return true;
	if (r->make.at.len) {
		r->make.at.dir = in64(i);
		r->make.at.cookie = in64(i);
		bad = r->make.at.dir == 0;
	}
	if (is_device(aux))
		r->make.rdev = in64(i);
	if (S_ISLNK(aux) != (r->make.target_len > 0) || r->make.target_len >= PATH_MAX)
		return true;
	for (unsigned k = 0; k < r->make.nxattrs; k++)
		xattr_fixed(i, &r->make.xattr[k], &bad);
	r->make.at.name = in_bytes(i, r->make.at.len);
	r->make.target = in_bytes(i, r->make.target_len);
	if (bad || i->bad)
		return true;
	if (r->make.at.len && bad_name(r->make.at.name, r->make.at.len))
		return true;
	if (memchr(r->make.target, 0, r->make.target_len))
		return true;
	for (unsigned k = 0; k < r->make.nxattrs; k++)
		if (xattr_bytes(i, &r->make.xattr[k]))
			return true;
	return false;
}

static bool decode_link(struct in *i, uint32_t aux, struct rec *r)
{
	r->link.ino = in64(i);
	r->link.at.dir = in64(i);
	r->link.at.cookie = in64(i);
	if (aux == 0 || aux > VARVE_NAME_MAX || r->link.ino == 0 || r->link.at.dir == 0)
		return true;
	r->link.at.len = (uint8_t)aux;
	r->link.at.name = in_bytes(i, aux);
	return i->bad || bad_name(r->link.at.name, aux);
}

static bool decode_rename(struct in *i, uint32_t aux, struct rec *r)
{
	uint8_t has;
	bool bad;

	r->rename.mode = aux;
	r->rename.ino = in64(i);
	r->rename.from.dir = in64(i);
	r->rename.from.cookie = in64(i);
	r->rename.to.dir = in64(i);
	r->rename.to.cookie = in64(i);
	r->rename.from.len = in8(i);
	r->rename.to.len = in8(i);
	has = in8(i);
	bad = in8(i) | in32(i);
	if (has & HAS_VICTIM) {
		r->rename.victim = in64(i);
		bad |= r->rename.victim == 0;
	}
	if (has & HAS_WHITEOUT) {
		r->rename.whiteout = in64(i);
		r->rename.whiteout_uid = in32(i);
		r->rename.whiteout_gid = in32(i);
		bad |= r->rename.whiteout == 0;
	}
	r->rename.from.name = in_bytes(i, r->rename.from.len);
	r->rename.to.name = in_bytes(i, r->rename.to.len);
	/* RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT are 1, 2, 4. */
	if (bad || i->bad || (has & ~(HAS_VICTIM | HAS_WHITEOUT)) || aux > 7 ||
	    r->rename.ino == 0 || r->rename.from.dir == 0 || r->rename.to.dir == 0)
		return true;
	return bad_name(r->rename.from.name, r->rename.from.len) ||
		bad_name(r->rename.to.name, r->rename.to.len);
}

static bool decode_setattr(struct in *i, uint32_t aux, struct rec *r)
{
	const uint32_t known = RSA_MODE | RSA_UID | RSA_GID | RSA_ATIME | RSA_MTIME |
		RSA_FLAGS | RSA_NOCTIME;

	r->setattr.mask = aux;
	r->setattr.ino = in64(i);
	if (aux & RSA_ATIME)
		r->setattr.atime = (int64_t)in64(i);
	if (aux & RSA_MTIME)
		r->setattr.mtime = (int64_t)in64(i);
	if (aux & RSA_MODE)
		r->setattr.mode = in32(i);
	if (aux & RSA_UID)
		r->setattr.uid = in32(i);
	if (aux & RSA_GID)
		r->setattr.gid = in32(i);
	if (aux & RSA_FLAGS)
		r->setattr.iflags = in32(i);
	return (aux & ~known) || r->setattr.ino == 0 || r->setattr.mode > MODE_MAX;
}

static bool decode_write(struct in *i, uint32_t aux, uint32_t *sums, struct rec *r)
{
	const uint8_t *p;

	r->write.len = aux & REC_WRITE_LEN;
	r->write.stored = r->write.len;
	r->write.kill = aux & REC_WRITE_KILL ? 1 : 0;
	r->write.ino = in64(i);
	r->write.off = in64(i);
	r->write.piece = in64(i);
	r->write.addr = in64(i);
	if (aux & ~(REC_WRITE_LEN | REC_WRITE_KILL | REC_WRITE_ENC | REC_WRITE_MOVED))
		return true;
	if (aux & REC_WRITE_ENC) {
		r->write.stored = in32(i);
		r->write.enc = in8(i);
		if ((in8(i) | in16(i)) || r->write.enc == REC_ENC_PLAIN ||
		    r->write.enc >= REC_ENC_END)
			return true;
	}
	if (aux & REC_WRITE_MOVED) {
		r->write.was = in64(i);
		r->write.was_poff = in32(i);
		if (in32(i) || r->write.was == 0 || r->write.was > INT64_MAX ||
		    r->write.was_poff >= VARVE_PIECE_MAX)
			return true;
	}
	if (r->write.len == 0 || r->write.len > VARVE_PIECE_MAX ||
	    r->write.stored == 0 || r->write.stored > VARVE_PIECE_MAX ||
	    r->write.ino == 0 || r->write.piece == 0 || r->write.addr == 0 ||
	    bad_range(r->write.off, r->write.len) ||
	    bad_range(r->write.addr, r->write.stored))
		return true;
	r->write.nsums = piece_nsums(r->write.stored);
	p = in_bytes(i, 4 * (size_t)r->write.nsums);
	if (!p)
		return true;
	for (uint32_t k = 0; k < r->write.nsums; k++)
		sums[k] = get32(p + 4 * (size_t)k);
	r->write.sums = sums;
	return false;
}

static bool decode_falloc(struct in *i, uint32_t aux, struct rec *r)
{
	r->falloc.ino = in64(i);
	r->falloc.off = in64(i);
	r->falloc.len = in64(i);
	r->falloc.size = in64(i);
	r->falloc.mode = aux & 0xff;
	r->falloc.kill = aux & 0x100 ? 1 : 0;
	return (aux & ~0x1ffu) || r->falloc.mode < RFA_ALLOC || r->falloc.mode > RFA_ZERO ||
		r->falloc.ino == 0 || r->falloc.len == 0 ||
		bad_range(r->falloc.off, r->falloc.len) || r->falloc.size > INT64_MAX;
}

static bool decode_clone(struct in *i, uint32_t aux, struct rec *r)
{
	r->clone.src = in64(i);
	r->clone.src_off = in64(i);
	r->clone.dst = in64(i);
	r->clone.dst_off = in64(i);
	r->clone.len = in64(i);
	r->clone.size = in64(i);
	r->clone.kill = aux & 1;
	return aux > 1 || r->clone.src == 0 || r->clone.dst == 0 || r->clone.len == 0 ||
		bad_range(r->clone.src_off, r->clone.len) ||
		bad_range(r->clone.dst_off, r->clone.len) || r->clone.size > INT64_MAX;
}

static bool decode_xattr(struct in *i, uint32_t aux, struct rec *r)
{
	bool bad = false;

	r->setxattr.mode = aux;
	r->setxattr.ino = in64(i);
	xattr_fixed(i, &r->setxattr.x, &bad);
	if (r->kind == REC_RMXATTR)
		bad |= r->setxattr.x.len != 0;
	bad |= r->setxattr.ino == 0 || aux > MODE_MAX;
	bad |= xattr_bytes(i, &r->setxattr.x);
	if (r->kind == REC_RMXATTR)
		r->setxattr.x.value = NULL;
	return bad;
}

static bool decode_relocate(struct in *i, uint32_t aux, struct rec *r)
{
	bool bad = aux == 0 || aux > REC_MOVES;

	r->relocate.n = aux;
	for (uint32_t n = 0; !bad && n < aux; n++) {
		struct rec_move *m = &r->relocate.move[n];

		m->piece = in64(i);
		m->from = in64(i);
		m->to = in64(i);
		bad = m->piece == 0 || m->from == 0 || m->to == 0 || m->from == m->to ||
		      m->piece > INT64_MAX || m->from > INT64_MAX || m->to > INT64_MAX;
	}
	return bad;
}

static bool decode_body(struct in *i, uint32_t aux, uint32_t *sums, struct rec *r)
{
	switch (r->kind) {
	case REC_MAKE:
		return decode_make(i, aux, r);
	case REC_LINK:
	case REC_UNLINK:
		return decode_link(i, aux, r);
	case REC_DROP:
		r->drop.ino = in64(i);
		return aux != 0 || r->drop.ino == 0;
	case REC_RENAME:
		return decode_rename(i, aux, r);
	case REC_SETATTR:
		return decode_setattr(i, aux, r);
	case REC_WRITE:
		return decode_write(i, aux, sums, r);
	case REC_TRUNCATE:
		r->truncate.ino = in64(i);
		r->truncate.size = in64(i);
		r->truncate.kill = aux & 1;
		return aux > 1 || r->truncate.ino == 0 || r->truncate.size > INT64_MAX;
	case REC_FALLOC:
		return decode_falloc(i, aux, r);
	case REC_CLONE:
		return decode_clone(i, aux, r);
	case REC_SETXATTR:
	case REC_RMXATTR:
		return decode_xattr(i, aux, r);
	case REC_RELOCATE:
		return decode_relocate(i, aux, r);
	}
	return true;
}

int rec_decode(const void *buf, size_t len, uint32_t *sums, struct rec *ret,
	       size_t *ret_len)
{
	const uint8_t *p = buf;
	struct rec r;
	struct in i;
	size_t size;
	bool bad;

	if (len < REC_HDR)
		return -VE_REC_SHORT;
	size = 8 * (size_t)get16(p);
	if (size < REC_HDR || size > REC_MAX)
		return -VE_REC_VALUE;
	if (size > len)
		return -VE_REC_SHORT;
	memset(&r, 0, sizeof r);
	r.kind = p[2];
	r.flags = p[3];
	r.uid = get32(p + 4);
	r.pid = get32(p + 8);
	r.time = (int64_t)get64(p + 16);
	if (r.kind == 0 || r.kind >= REC_KIND_END)
		return -VE_REC_KIND;
	i = (struct in){ .p = p + REC_HDR, .end = p + size };
	bad = decode_body(&i, get32(p + 12), sums, &r);
	if (i.bad || bad || i.end - i.p >= 8)
		return -VE_REC_VALUE;
	while (i.p < i.end)
		if (*i.p++ != 0)
			return -VE_REC_VALUE;
	*ret = r;
	*ret_len = size;
	return 0;
}
