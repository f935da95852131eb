/* SPDX-License-Identifier: MIT */
/* recprint.c - one record as one line of text. */
#include <inttypes.h>

#include "log/codec.h"
#include "log/rec.h"

static const char *const kind_names[REC_KIND_END] = {
	[REC_MAKE] = "make",
	[REC_LINK] = "link",
	[REC_UNLINK] = "unlink",
	[REC_DROP] = "drop",
	[REC_RENAME] = "rename",
	[REC_SETATTR] = "setattr",
	[REC_WRITE] = "write",
	[REC_TRUNCATE] = "truncate",
	[REC_FALLOC] = "falloc",
	[REC_CLONE] = "clone",
	[REC_SETXATTR] = "setxattr",
	[REC_RMXATTR] = "rmxattr",
	[REC_RELOCATE] = "relocate",
};

void print_text(const char *s, size_t len, FILE *out)
{
	fputc('"', out);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void print_name(const struct rec_name *n, FILE *out)
{
	fprintf(out, "%" PRIu64 "/", n->dir);
	print_text(n->name, n->len, out);
	fprintf(out, "@%" PRIx64, n->cookie);
}

static void print_xattr(const struct rec_xattr *x, FILE *out)
{
	print_text(x->name, x->namelen, out);
	fprintf(out, "@%" PRIx64 " %" PRIu32 " bytes", x->slot, x->len);
}

static void print_make(const struct rec *r, FILE *out)
{
	fprintf(out, " ino %" PRIu64 " mode %06" PRIo32 " owner %" PRIu32 ":%" PRIu32,
		r->make.ino, r->make.mode, r->make.uid, r->make.gid);
	if (r->make.iflags)
		fprintf(out, " flags %#" PRIx32, r->make.iflags);
	if (r->make.rdev)
		fprintf(out, " rdev %#" PRIx64, r->make.rdev);
	if (r->make.at.dir) {
		fputs(" at ", out);
		print_name(&r->make.at, out);
	}
	if (r->make.target_len) {
		fputs(" -> ", out);
		print_text(r->make.target, r->make.target_len, out);
	}
	for (unsigned i = 0; i < r->make.nxattrs; i++) {
		fputs(" xattr ", out);
		print_xattr(&r->make.xattr[i], out);
	}
}

static void print_rename(const struct rec *r, FILE *out)
{
	fprintf(out, " ino %" PRIu64 " from ", r->rename.ino);
	print_name(&r->rename.from, out);
	fputs(" to ", out);
	print_name(&r->rename.to, out);
	if (r->rename.mode)
		fprintf(out, " mode %" PRIu32, r->rename.mode);
	if (r->rename.victim)
		fprintf(out, " victim %" PRIu64, r->rename.victim);
	if (r->rename.whiteout)
		fprintf(out, " whiteout %" PRIu64, r->rename.whiteout);
}

static void print_setattr(const struct rec *r, FILE *out)
{
	const uint32_t mask = r->setattr.mask;

	fprintf(out, " ino %" PRIu64, r->setattr.ino);
	if (mask & RSA_MODE)
		fprintf(out, " mode %06" PRIo32, r->setattr.mode);
	if (mask & RSA_UID)
		fprintf(out, " uid %" PRIu32, r->setattr.uid);
	if (mask & RSA_GID)
		fprintf(out, " gid %" PRIu32, r->setattr.gid);
	if (mask & RSA_FLAGS)
		fprintf(out, " flags %#" PRIx32, r->setattr.iflags);
	if (mask & RSA_ATIME) {
		fputs(" atime ", out);
		print_time(r->setattr.atime, out);
	}
	if (mask & RSA_MTIME) {
		fputs(" mtime ", out);
		print_time(r->setattr.mtime, out);
	}
	if (mask & RSA_NOCTIME)
		fputs(" noctime", out);
}

static void print_write(const struct rec *r, FILE *out)
{
	fprintf(out, " ino %" PRIu64 " off %" PRIu64 " len %" PRIu32 " piece %" PRIu64
		" addr %" PRIu64, r->write.ino, r->write.off, r->write.len,
		r->write.piece, r->write.addr);
	if (r->write.enc)
		fprintf(out, " enc %u stored %" PRIu32, r->write.enc, r->write.stored);
	if (r->write.kill)
		fputs(" kill", out);
	if (r->write.nsums)
		fprintf(out, " sum %08" PRIx32, r->write.sums[0]);
	if (r->write.nsums > 1)
		fputs("...", out);
}

static void print_falloc(const struct rec *r, FILE *out)
{
	static const char *const modes[] = { "?", "alloc", "punch", "zero" };

	fprintf(out, " %s ino %" PRIu64 " off %" PRIu64 " len %" PRIu64 " size %" PRIu64
		"%s", modes[r->falloc.mode <= RFA_ZERO ? r->falloc.mode : 0],
		r->falloc.ino, r->falloc.off, r->falloc.len, r->falloc.size,
		r->falloc.kill ? " kill" : "");
}

static void print_body(const struct rec *r, FILE *out)
{
	switch (r->kind) {
	case REC_MAKE:
		print_make(r, out);
		break;
	case REC_LINK:
	case REC_UNLINK:
		fprintf(out, " ino %" PRIu64 " at ", r->link.ino);
		print_name(&r->link.at, out);
		break;
	case REC_DROP:
		fprintf(out, " ino %" PRIu64, r->drop.ino);
		break;
	case REC_RENAME:
		print_rename(r, out);
		break;
	case REC_SETATTR:
		print_setattr(r, out);
		break;
	case REC_WRITE:
		print_write(r, out);
		break;
	case REC_TRUNCATE:
		fprintf(out, " ino %" PRIu64 " size %" PRIu64 "%s", r->truncate.ino,
			r->truncate.size, r->truncate.kill ? " kill" : "");
		break;
	case REC_FALLOC:
		print_falloc(r, out);
		break;
	case REC_CLONE:
		fprintf(out, " from %" PRIu64 "+%" PRIu64 " to %" PRIu64 "+%" PRIu64
			" len %" PRIu64 " size %" PRIu64 "%s", r->clone.src,
			r->clone.src_off, r->clone.dst, r->clone.dst_off, r->clone.len,
			r->clone.size, r->clone.kill ? " kill" : "");
		break;
	case REC_SETXATTR:
	case REC_RMXATTR:
		fprintf(out, " ino %" PRIu64 " ", r->setxattr.ino);
		print_xattr(&r->setxattr.x, out);
		if (r->setxattr.mode)
			fprintf(out, " mode %06" PRIo32, r->setxattr.mode);
		break;
	case REC_RELOCATE:
		for (uint32_t n = 0; n < r->relocate.n; n++)
			fprintf(out, " piece %" PRIu64 " %" PRIu64 "->%" PRIu64,
				r->relocate.move[n].piece, r->relocate.move[n].from,
				r->relocate.move[n].to);
		break;
	}
}

void rec_print(const struct rec *r, uint64_t op_seq, FILE *out)
{
	fprintf(out, "%" PRIu64 " ", op_seq);
	print_time(r->time, out);
	fprintf(out, " uid %" PRIu32 " pid %" PRIu32 " %s", r->uid, r->pid,
		r->kind < REC_KIND_END && kind_names[r->kind] ? kind_names[r->kind] : "?");
	print_body(r, out);
}
