package main

import "testing"

// Help lists every command once, below one heading.
func TestHelpHasEveryCommand(t *testing.T) {
	t.Parallel()
	stands := map[string]int{}
	for _, g := range helpGroups() {
		for _, name := range g.names {
			stands[name]++
		}
	}
	for _, name := range commandNames() {
		if stands[name] != 1 {
			t.Errorf("%s stands in help %d times", name, stands[name])
		}
		delete(stands, name)
	}
	for name := range stands {
		t.Errorf("help has %s, which is no command", name)
	}
}
