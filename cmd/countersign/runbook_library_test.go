package main

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks/library"
)

// TestReq_R53_EveryReadyRunbookCanBeLookedAt dry-runs the eight on a running bot, with the names of the demo's company in them: each says
// what it would come to and that nobody approved it, and records nothing.
func TestReq_R53_EveryReadyRunbookCanBeLookedAt(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(library.FS(), "*.md")
	mustSay(t, err)
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, "rotate-") }) // routines: no incident opens them
	files := map[string]string{"workflows/solo.yaml": soloChain, "workflows/approve-solo.yaml": preapproveChain}
	own := strings.NewReplacer(
		"owner: alice", "owner: frida", "owner: bob", "owner: frida", "owner: chandra", "owner: frida", "owner: erin", "owner: frida",
		"groups: [on-call]\n  people: [frida]", "people: [jonas]", "groups: [on-call]", "people: [jonas]", "groups: [on-call, dba]", "people: [jonas]",
		"groups: [on-call, security]\ngrant", "people: [jonas]\ngrant",
		"[alice, frida]", "[jonas, frida]", "[bob, frida]", "[jonas, frida]", "[bob, erin]", "[jonas, frida]", "[bob, erin, frida]", "[jonas, frida]",
		"pg-main/readonly", "bastion/deploy",
	)
	for _, name := range names {
		text, err := fs.ReadFile(library.FS(), name)
		mustSay(t, err)
		files["runbooks/"+name] = own.Replace(string(text))
	}
	d := demoAsJonas(t, files)
	before, err := d.cli(t.Context(), "", "runbook", "list", "-json")
	mustSay(t, err)
	for _, name := range names {
		words := []string{"runbook", "dry-run", strings.TrimSuffix(name, ".md"), "INC-7"}
		if strings.Contains(files["runbooks/"+name], "name: account\n") {
			words = append(words, "account=bob")
		}
		out, err := d.cli(t.Context(), "", words...)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
			continue
		}
		said(t, out, "nothing was done", "Nobody has approved this runbook yet", "review    by ", "step 5 ")
	}
	after, err := d.cli(t.Context(), "", "runbook", "list", "-json")
	mustSay(t, err)
	if before != after {
		t.Errorf("a dry-run changed the list from\n%s\nto\n%s", before, after)
	}
}
