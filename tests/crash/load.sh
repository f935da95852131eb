# SPDX-License-Identifier: MIT
# load.sh - sourced after tests/mount/lib.sh: killload as a coprocess.

# gone PID: over that of lib.sh, does not wait for init to reap it as well.
gone()
{
	local state n
	for ((n = 0; n < 2000; n++)); do
		state=$(sed 's/.*) \(.\) .*/\1/' "/proc/$1/stat" 2>/dev/null)
		case $state in ''|Z|X) return 0 ;; esac
		pause_ms 5
	done
	return 1
}

# killload from the build directory, else compiled into $T.
find_killload()
{
	local b dir=$src/tests/crash
	for b in "${VARVE_BUILD:-}" "$BUILD" "$src/build" "$src/build-check"; do
		if [ -n "$b" ] && [ -x "$b/tests/crash/killload" ] &&
		   [ -z "$(find "$dir" -name 'k*.[ch]' -newer "$b/tests/crash/killload")" ]; then
			echo "$b/tests/crash/killload"
			return 0
		fi
	done
	"${CC:-cc}" -std=gnu17 -O2 -o "$T/killload" "$dir"/k*.c >&2 || return 1
	echo "$T/killload"
}

# start_load DIR SEED WORKERS
start_load()
{
	local program answer
	program=$(find_killload) || skip "killload does not build"
	cd / || exit 1
	coproc LOAD { "$program" "$@"; }
	IFS= read -r -t 30 answer <&"${LOAD[0]}"
	[ "$answer" = ready ] || { failed "killload: $answer"; exit 1; }
}

ask_load()
{
	local answer
	echo "$*" >&"${LOAD[1]}"
	IFS= read -r -t 60 answer <&"${LOAD[0]}" || answer="BAD no answer to $*"
	echo "$answer"
}

say_load()
{
	ask_load "$@" >/dev/null
}

# expect_load ANSWER COMMAND
expect_load()
{
	local want=$1 got
	shift
	got=$(ask_load "$@")
	[ "$got" = "$want" ] || failed "killload $*: $got"
}

# check_load WHAT COMMAND : the states agree; they are shown with -v.
check_load()
{
	local what=$1 got
	shift
	got=$(ask_load "$@")
	case $got in
	ok*) [ "${verbose:-0}" = 0 ] || echo "$what: ${got#ok }" ;;
	*) failed "$what: $got"; return 1 ;;
	esac
}

stop_load()
{
	local pid=$LOAD_PID
	exec {LOAD[1]}>&-
	wait "$pid"
}

pause_ms()
{
	read -r -t "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))" <> <(:)
	:
}

# Checkpoints and commits in all kinds of rhythms; now and then -o sync.
random_options()
{
	case $((RANDOM % 8)) in
	0) echo sync ;;
	1) echo "sync,ckpt=0.05" ;;
	2|3) echo "commit=0.01,ckpt=0.02" ;;
	4|5) echo "commit=0.05,ckpt=0.1" ;;
	6) echo "ckpt=0.03" ;;
	7) echo "commit=5" ;;
	esac
}

kill_daemon()
{
	local pid
	pid=$(daemon_pid) || return 1
	kill -KILL "$pid"
	gone "$pid"
}

umount_and_wait()
{
	local pid
	pid=$(daemon_pid)
	umount "$M" && gone "$pid"
}
