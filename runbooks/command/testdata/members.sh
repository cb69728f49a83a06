#!/bin/sh
# Members of a service: one file for each grant in a folder. An example of a program for the connector "command".
#
#   members.sh OPERATION FOLDER -- GRANT ACCOUNT END
#
# It shows what is asked of such a program: grant and revoke may come twice, at the same time, and may be killed half-way;
# the end of a grant never moves; check looks at the thing itself.
set -eu
umask 077
op=$1 dir=$2
shift 3
grant=$1 account=$2 end=$3
file=$dir/$grant

case $op in
grant)
	new=$(mktemp "$dir/.new.XXXXXX")
	printf '%s\n%s\n' "$account" "$end" >"$new"
	# ln makes the whole file appear at once, and fails when it is there.
	if ! ln "$new" "$file" 2>/dev/null; then
		if [ ! -e "$file" ]; then
			rm -f "$new"
			exit 4 # taken back meanwhile, or the disk is full: come again
		fi
		if [ "$(cat "$new")" != "$(cat "$file")" ]; then
			rm -f "$new"
			echo '{"text": "this grant was made with another account or end"}'
			exit 3
		fi
	fi
	rm -f "$new"
	printf '{"ref": "member %s", "facts": {"end": "%s"}, "use": {"steps": ["Sign in as always."]}}\n' "$grant" "$end"
	;;
revoke)
	rm -f "$file"
	;;
check)
	if [ -e "$file" ]; then echo present; else echo absent; fi
	;;
*)
	exit 5
	;;
esac
