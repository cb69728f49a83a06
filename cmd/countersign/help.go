package main

import (
	"fmt"
	"io"
)

// helpGroups are the headings of help, and what stands below each: people look for what they want to do, not for a letter. Every command
// stands in one of them (TestHelpHasEveryCommand).
func helpGroups() []helpGroup {
	return []helpGroup{
		{"Begin", []string{"demo", "init", "check", "doctor", "serve", "health"}},
		{"Ask and decide, as in Slack, on the bot's host", []string{
			"request", "list", "offers", "status", "approve", "deny", "take-back", "withdraw", "offer", "accept", "decline", "comment", "extend", "done", "away", "back",
			"unlink",
		}},
		{"Secrets that come with access, and keys of your own", []string{"take", "key", "codes"}},
		{"Take access away, and look at what there is", []string{
			"revoke", "revoke-all", "reach", "quarantine", "drift", "drill", "ticket-closed", "removed-by-hand",
		}},
		{"When something is on fire", []string{"runbook", "incident", "escalations", "envelope"}},
		{"People, service accounts, keys, agents", []string{"identities", "watch"}},
		{"Evidence", []string{"ledger", "streams", "witness"}},
		{"Write the rules", []string{"schema", "simulate", "explain", "docs", "policy", "reload", "calendar"}},
		{"Operate", []string{"config", "manifest", "clock", "backup", "restore", "keys", "sshca", "bench", "version"}},
	}
}

type helpGroup struct {
	title string
	names []string
}

func help(w io.Writer) {
	fmt.Fprint(w, "Countersign runs documented approval chains in Slack, grants what they approve, takes it back, and keeps a ledger\nthat anybody can verify.\n\nusage: countersign COMMAND [flags]\n")
	short, wide := make(map[string]string), 0
	for _, c := range commands() {
		short[c.name], wide = c.short, max(wide, len(c.name))
	}
	for _, g := range helpGroups() {
		fmt.Fprintf(w, "\n%s\n", g.title)
		for _, name := range g.names {
			fmt.Fprintf(w, "  %-*s  %s\n", wide, name, short[name])
		}
	}
	fmt.Fprint(w, "\ncountersign COMMAND -h says more. Start with: countersign demo\n")
}
