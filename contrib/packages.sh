# SPDX-License-Identifier: MIT
# packages.sh - sourced by contrib/check and contrib/quickstart: brings what is
# missing from Debian's packages and says so.  With nothing missing, apt-get is
# not called, so both work without a network and without root from then on.

# What the build needs, and what only the tests and the demonstration use.
build_packages="gcc libc6-dev make autoconf automake pkg-config
	libfuse3-dev liburing-dev libsqlite3-dev libzstd-dev fuse3"
test_packages="check acl attr e2fsprogs rsync util-linux git strace sqlite3 libcap2-bin"

if [ "$(id -u)" = 0 ]; then
	as_root=
else
	as_root=sudo
fi

step()
{
	printf '\n== %s\n' "$*"
}

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

missing_of()
{
	local p
	for p in "$@"; do
		dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null |
			grep -qx installed || echo "$p"
	done
}

# need_packages NAME... : installs those that are not there.
need_packages()
{
	local missing

	if ! command -v dpkg-query >/dev/null; then
		echo "not a Debian system: assuming that these are there: $*"
		return 0
	fi
	missing=$(missing_of "$@" | tr '\n' ' ')
	[ -n "$missing" ] || return 0
	echo "installing $missing"
	if [ -n "$as_root" ] && ! command -v sudo >/dev/null; then
		die "not root and no sudo; as root: apt-get install $missing"
	fi
	# A fresh machine may have no package lists, or outdated ones.
	# shellcheck disable=SC2086
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		install --no-install-recommends $missing >/dev/null 2>&1 ||
	{ $as_root apt-get -q update &&
	  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		install --no-install-recommends $missing; } ||
		return 1
}

# configure_in DIR OPTION... : autoreconf if needed, then an out-of-tree
# configure, repeated only when the options or configure itself changed.
configure_in()
{
	local dir=$1
	shift

	[ ! -e "$top/config.status" ] ||
		die "$top is configured in its own tree: run 'make distclean' there first"
	if [ ! -e "$top/configure" ] || [ ! -e "$top/Makefile.in" ] ||
	   [ -n "$(find "$top" -maxdepth 3 -newer "$top/configure" \
		\( -name configure.ac -o -name Makefile.am -o -name '*.mk' \) \
		-not -path '*/build*' -print -quit)" ]; then
		(cd "$top" && autoreconf -fi) >"$top/autoreconf.log" 2>&1 || {
			cat "$top/autoreconf.log"
			die "autoreconf failed"
		}
	fi
	mkdir -p "$dir"
	if [ ! -e "$dir/config.status" ] ||
	   [ "$top/configure" -nt "$dir/config.status" ] ||
	   [ "$(cat "$dir/.options" 2>/dev/null)" != "$*" ]; then
		(cd "$dir" && "$top/configure" -q "$@") || die "configure failed"
		echo "$*" >"$dir/.options"
	fi
}
