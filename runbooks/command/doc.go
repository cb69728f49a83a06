// Package command lets programs of the operator's own make access, take it back and read it back: one target, three
// programs. It is for systems that no other connector speaks to.
//
// # A target
//
//	id: vpn
//	title: VPN
//	connector: command
//	owner: jonas
//	environment: production
//	data_class: internal
//	settings:
//	  grant: |
//	    /usr/local/libexec/members.sh
//	    grant
//	    /var/lib/vpn/members
//	    --
//	    ${grant}
//	    ${account}
//	    ${end}
//	  revoke: |
//	    …
//	  check: |
//	    …
//	  env: PATH
//	  timeout_seconds: "20"
//	  revoke_leaves: An open tunnel stays until it is closed.
//
// A program is its absolute path and its arguments, one a line. There is no shell: nothing is split, expanded or quoted.
// A line that is ${grant}, ${account}, ${entitlement}, ${end}, ${param.NAME} or ${field.NAME}, and nothing else, becomes one
// argument with that value, byte for byte. A value that starts with a dash is refused unless the placeholder stands after
// a line "--" with nothing but placeholders between; so is one that is empty, is not UTF-8 or holds a control character
// (a form's field may hold line breaks and tabs). A param with several values is for stdin only.
//
// The programs run as the bot's user in the folder "dir" (/ by default) with the environment variables that "env" names
// and no others; the bot's own (COUNTERSIGN_…) are never handed on. A program that everybody on the machine could change
// is not run.
//
// # What a program is told
//
// On stdin it reads one line of JSON, the whole order:
//
//	{"v":1, "op":"grant", "grant":"g_…", "request":"r_…", "identity":"p_…", "holder":"Maya Chen", "account":"maya",
//	 "target":"vpn", "entitlement":"office", "params":{"group":["office"]}, "fields":{"reason":"…"},
//	 "start":"2027-03-01T09:00:00Z", "end":"2027-03-01T10:00:00Z"}
//
// request, holder, account, params and fields are left out when they are empty. Keys may be added.
//
// # What it answers
//
// The exit code says what became of it:
//
//	0  done
//	3  refused: the target will never do this as asked; the requester is told
//	4  come again: the target is busy or cannot be reached
//	5  the operator must mend something: a right, a configuration
//
// Any other code, and being killed, leaves it open what happened: the program for check decides, and the call comes again.
//
// For grant and revoke, stdout is empty or one JSON object with the keys ref, facts, personal, use (steps, command, host,
// files) and text, all optional:
//
//	{"ref":"member 4711", "facts":{"group":"office"}, "use":{"steps":["Sign in as always."], "host":"vpn.example.com"}}
//	{"text":"the group office is frozen until Monday"}
//
// facts stand in the ledger for ever, personal is sealed there, use is shown to the holder, and text (with a code other
// than 0) to people. None of them may hold a secret: what looks like one is taken out. For check, the first line is the
// word present, absent or unconfirmed; after unconfirmed, the next lines say what is missing. The end of stderr goes to the
// bot's log.
//
// # What is asked of it
//
// Every call can come twice, at the same time, and be killed at any point: after the time-out the program's whole process
// group gets SIGKILL, grandchildren too, and what it leaves running when it ends is killed as well. (A process that makes a
// session of its own with setsid is out of reach.) So:
//
//   - grant with a grant's id that was granted changes nothing and prints the same answer; with another end or account
//     under the same id, it refuses.
//   - revoke of what is not there succeeds; and it looks, instead of remembering that it was called.
//   - check looks at the thing itself.
//
// testdata/members.sh is such a program, held to all this by the tests.
//
// # Drills
//
// The setting try names a fourth program, which uses a canary's access as its holder would, changes nothing, and answers as check does: present when the canary
// is let in, absent when it is refused, unconfirmed when that cannot be told. Without it a drill reads back with check, and does not log in.
//
// The connector decides nothing, knows no system, and keeps nothing.
//
// # What it can grant
//
// The setting offers names a program, with its arguments, that prints what can be granted: forms offer it, and doctor holds entitlements against it.
//
//	{"offers":[{"name":"office", "params":{"group":["office"]}, "description":"The office's network.", "account":true}]}
package command
