-- SPDX-License-Identifier: MIT
-- schema.sql - the metadata database, column by column.
--
-- One database image is one checkpoint: everything here was true after
-- operation counts.op_seq.  What is newer lies in the log.
--
-- Conventions
--   seq     the operation that made this version of the row; it is valid from
--           seq on.
--   upto    (*_past) the operation that ended it: valid in [seq, upto).  Never
--           empty: a row made and ended by one operation is not kept.  So for
--           one key at most one past row has a given upto, and the row valid
--           at S is the one with the smallest upto > S, if its seq <= S.
--   ino     inode number, 1 .. 2^63-1; never used twice.
--   times   ns since 1970 UTC.  Columns that begin with d are differences to
--           ctime, wrapping at 64 bits: 0 takes no room, and most are 0.
--   bytes   names, targets and values are BLOBs: bytes, in no encoding.
--   All integers are signed 64 bit; only rdev uses the sign bit (as a cast).
-- Comments are stripped when this file is built in.

PRAGMA application_id = 0x76617276; -- "varv"
PRAGMA user_version = 1;

-- Inodes, orphans included.
CREATE TABLE inodes(
	ino INTEGER PRIMARY KEY,
	seq INTEGER NOT NULL,
	mode INTEGER NOT NULL,   -- type and permissions, as st_mode
	uid INTEGER NOT NULL,
	gid INTEGER NOT NULL,
	nlink INTEGER NOT NULL,  -- 0: orphan, kept while in use; directories: 2 + subdirectories
	rdev INTEGER NOT NULL,   -- devices; else 0
	size INTEGER NOT NULL,   -- bytes; directories: number of entries
	bytes INTEGER NOT NULL,  -- sum of the lengths of its extents
	ctime INTEGER NOT NULL,
	dmtime INTEGER NOT NULL, -- mtime - ctime
	datime INTEGER NOT NULL, -- atime - ctime
	dbtime INTEGER NOT NULL, -- btime - ctime
	flags INTEGER NOT NULL,  -- as FS_IOC_GETFLAGS
	parent INTEGER NOT NULL  -- directory of the newest name; exact for directories; 0: none
) STRICT;
-- What a crash left to be reaped: found without a scan.
CREATE INDEX orphans ON inodes(nlink) WHERE nlink = 0;

-- Names.  cookie is the keyed hash of the name (63 bits, low 4 are a slot):
-- lookup by name and order of listing are one and the same key.
CREATE TABLE entries(
	dir INTEGER NOT NULL,    -- inode of the directory
	cookie INTEGER NOT NULL, -- 16 .. 2^63-1
	seq INTEGER NOT NULL,
	name BLOB NOT NULL,      -- 1 .. 255 bytes, without / and NUL
	ino INTEGER NOT NULL,
	type INTEGER NOT NULL,   -- DT_*
	PRIMARY KEY(dir, cookie)
) STRICT, WITHOUT ROWID;

-- File ranges.  Extents of one inode never overlap; a hole is where none is.
CREATE TABLE extents(
	ino INTEGER NOT NULL,
	off INTEGER NOT NULL,    -- bytes in the file
	len INTEGER NOT NULL,    -- bytes, > 0; off + len <= 2^63-1
	seq INTEGER NOT NULL,
	piece INTEGER NOT NULL,  -- pieces.id; 0: unwritten (space promised, reads as zeros)
	poff INTEGER NOT NULL,   -- where in the piece it starts, bytes of file data
	PRIMARY KEY(ino, off)
) STRICT, WITHOUT ROWID;

-- Runs of data as they were written once; moved as a whole.
CREATE TABLE pieces(
	id INTEGER PRIMARY KEY,  -- never used twice
	addr INTEGER NOT NULL,   -- on the device, bytes
	len INTEGER NOT NULL,    -- bytes of file data, 1 .. 1 MiB
	saved INTEGER NOT NULL,  -- len - bytes on the device; plain: 0
	enc INTEGER NOT NULL,    -- 0: plain
	refs INTEGER NOT NULL,   -- rows of extents and extents_past that point here
	dead INTEGER NOT NULL,   -- stored bytes that nothing refers to any more; 0 without an owner
	ino INTEGER NOT NULL,    -- owner: all rows that point here are of this inode, at
	off INTEGER NOT NULL,    --   file offset off + poff; ino 0: none (shared, or encoded)
	sums BLOB NOT NULL       -- CRC-32C per 4 KiB of what is stored, 4 bytes each, little-endian
) STRICT;

-- What lies in a segment: for the compactor.
CREATE INDEX pieces_addr ON pieces(addr);

-- Extended attributes; slot is to the name what a cookie is to an entry.
CREATE TABLE xattrs(
	ino INTEGER NOT NULL,
	slot INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	name BLOB NOT NULL,      -- with its namespace: user.x
	value BLOB NOT NULL,     -- 0 .. 65536 bytes
	PRIMARY KEY(ino, slot)
) STRICT, WITHOUT ROWID;

-- Symlink targets; they never change while the inode lives.
CREATE TABLE targets(
	ino INTEGER PRIMARY KEY,
	target BLOB NOT NULL
) STRICT;

-- The past.  Keyed so that what was valid at S under a key is one seek; by
-- upto, so that forgetting what died before a horizon is a range.
CREATE TABLE inodes_past(
	ino INTEGER NOT NULL,
	upto INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	mode INTEGER NOT NULL,
	uid INTEGER NOT NULL,
	gid INTEGER NOT NULL,
	nlink INTEGER NOT NULL,
	rdev INTEGER NOT NULL,
	size INTEGER NOT NULL,
	bytes INTEGER NOT NULL,
	ctime INTEGER NOT NULL,
	dmtime INTEGER NOT NULL,
	datime INTEGER NOT NULL,
	dbtime INTEGER NOT NULL,
	flags INTEGER NOT NULL,
	parent INTEGER NOT NULL,
	PRIMARY KEY(ino, upto)
) STRICT, WITHOUT ROWID;
CREATE INDEX inodes_past_upto ON inodes_past(upto);

CREATE TABLE entries_past(
	dir INTEGER NOT NULL,
	cookie INTEGER NOT NULL,
	upto INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	name BLOB NOT NULL,
	ino INTEGER NOT NULL,
	type INTEGER NOT NULL,
	PRIMARY KEY(dir, cookie, upto)
) STRICT, WITHOUT ROWID;
CREATE INDEX entries_past_upto ON entries_past(upto);

-- Extents of different times may overlap here.  Those with a piece are at most
-- 1 MiB long: what covers off at S starts in (off - 1 MiB, off], or is one of
-- the unwritten ones, which have an index of their own.
CREATE TABLE extents_past(
	ino INTEGER NOT NULL,
	off INTEGER NOT NULL,
	upto INTEGER NOT NULL,
	len INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	piece INTEGER NOT NULL,
	poff INTEGER NOT NULL,
	PRIMARY KEY(ino, off, upto)
) STRICT, WITHOUT ROWID;
CREATE INDEX extents_past_upto ON extents_past(upto);
CREATE INDEX extents_past_unwritten ON extents_past(ino, off) WHERE piece = 0;

CREATE TABLE xattrs_past(
	ino INTEGER NOT NULL,
	slot INTEGER NOT NULL,
	upto INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	name BLOB NOT NULL,
	value BLOB NOT NULL,
	PRIMARY KEY(ino, slot, upto)
) STRICT, WITHOUT ROWID;
CREATE INDEX xattrs_past_upto ON xattrs_past(upto);

-- One target per inode for good: moved here when the inode goes.
CREATE TABLE targets_past(
	ino INTEGER PRIMARY KEY,
	upto INTEGER NOT NULL,
	target BLOB NOT NULL
) STRICT;
CREATE INDEX targets_past_upto ON targets_past(upto);

-- Named points that pin what was valid at seq.
CREATE TABLE snapshots(
	id INTEGER PRIMARY KEY,
	seq INTEGER NOT NULL,    -- the last operation it contains
	time INTEGER NOT NULL,   -- when it was made
	uid INTEGER NOT NULL,    -- who made it
	flags INTEGER NOT NULL,  -- 1: held, cannot be deleted
	name BLOB NOT NULL UNIQUE
) STRICT;

-- Sequence to wall clock: time of the last operation <= seq; both ascend.
CREATE TABLE points(
	seq INTEGER PRIMARY KEY,
	time INTEGER NOT NULL
) STRICT;
CREATE INDEX points_time ON points(time);

-- Who did what.
CREATE TABLE ops(
	seq INTEGER PRIMARY KEY,
	time INTEGER NOT NULL,
	uid INTEGER NOT NULL,
	pid INTEGER NOT NULL,    -- 0: not known (writes through a mapping)
	proc INTEGER NOT NULL,   -- procs.id; 0: not known
	kind INTEGER NOT NULL,   -- kind of record
	ino INTEGER NOT NULL,    -- what it was done to
	dir INTEGER NOT NULL,    -- directory of the name; 0: none
	name BLOB                -- NULL: none
) STRICT;

-- Process names, each once.
CREATE TABLE procs(
	id INTEGER PRIMARY KEY,
	name BLOB NOT NULL UNIQUE
) STRICT;

-- Volume-wide numbers of this image: ckpt, op_seq, next_ino, next_piece,
-- log_addr, log_seq (where replay begins: must match the checkpoint slot).
CREATE TABLE counts(
	key TEXT NOT NULL PRIMARY KEY,
	value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- For people: plain values under plain names.
CREATE VIEW stat AS SELECT ino, printf('%06o', mode) AS mode, nlink, uid, gid,
	rdev, size, bytes, ctime + datime AS atime, ctime + dmtime AS mtime,
	ctime, ctime + dbtime AS btime, flags, parent, seq FROM inodes;
CREATE VIEW names AS SELECT dir, CAST(name AS TEXT) AS name, ino, type, cookie,
	seq FROM entries;
CREATE VIEW content AS SELECT e.ino, e.off, e.len, e.piece, p.addr, e.poff,
	p.refs, e.seq FROM extents e LEFT JOIN pieces p ON p.id = e.piece;
