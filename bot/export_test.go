package bot

import (
	"maps"
	"slices"
)

// Routes are the names of all that people can do in Slack, by kind.
func (b *Bot) Routes() map[string][]string {
	r := b.table()
	out := map[string][]string{}
	for kind, m := range map[string]map[string]handler{"command": r.commands, "shortcut": r.shortcuts, "action": r.actions, "form": r.forms} {
		out[kind] = slices.Sorted(maps.Keys(m))
	}
	return out
}
