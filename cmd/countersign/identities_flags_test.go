package main

import (
	"maps"
	"slices"
	"testing"
)

// Every verb says which flags it takes, each flag belongs to a verb, and no verb names one that is not there.
func TestIdentityVerbsTakeTheirFlags(t *testing.T) {
	t.Parallel()
	there := map[string]bool{"dry-run": false, "yes": false}
	for _, f := range identityFlags() {
		there[f.name] = false
	}
	verbs := identityVerbFlags()
	for _, v := range identityVerbs() {
		flags, known := verbs[v.name]
		if !known {
			t.Errorf("identities %s has no row", v.name)
		}
		for _, f := range flags {
			if _, ok := there[f]; !ok {
				t.Errorf("identities %s takes -%s, which is no flag", v.name, f)
			}
			there[f] = true
		}
		delete(verbs, v.name)
	}
	if len(verbs) > 0 {
		t.Errorf("rows of verbs that are not there: %v", slices.Collect(maps.Keys(verbs)))
	}
	for f, used := range there {
		if !used {
			t.Errorf("no verb takes -%s", f)
		}
	}
}
