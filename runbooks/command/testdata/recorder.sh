#!/bin/sh
# For the tests: keeps what it was told, byte for byte, in one file for each grant: the arguments, each ended by a NUL byte,
# then stdin.
#
#   recorder.sh OPERATION FOLDER GRANT [-- ARGUMENT…]
set -eu
op=$1 dir=$2 file=$2/$3
case $op in
grant)
	new=$dir/.new.$$
	shift 4
	{ printf '%s\0' "$@" && cat; } >"$new"
	if ! ln "$new" "$file" 2>/dev/null; then
		[ -e "$file" ] || exit 4
		# The shell would drop the NUL bytes.
		[ "$(tr '\0' '.' <"$new")" = "$(tr '\0' '.' <"$file")" ] || exit 3
	fi
	rm -f "$new"
	echo '{"ref": "kept", "use": {"steps": ["Sign in as always."]}}'
	;;
revoke) rm -f "$file" ;;
check | try) if [ -e "$file" ]; then echo present; else echo absent; fi ;;
esac
