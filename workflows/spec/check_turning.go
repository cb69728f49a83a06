package spec

import "github.com/countersign-bot/countersign/workflows/incidents"

// turning checks the steps of a rotation in two halves: what renews is retired by a later step of the same target, and what waits begins by itself.
func (c *checker) turning(b *runbook, s *step) {
	if s.has("wait") && !s.flag("auto") {
		c.at(s.or("wait"), "auto: true", "wait: somebody begins this step by hand, whenever they like")
	}
	if s.span("wait", 0) >= b.span("longest", 0) && s.has("wait") {
		c.at(s.or("wait"), "a longer longest in the front matter", "wait: the run is over after %s, before this step would begin", b.span("longest", 0))
	}
	action, other := s.str("action"), map[string]string{incidents.ActRenew: incidents.ActRetire, incidents.ActRetire: incidents.ActRenew}[s.str("action")]
	if other == "" {
		return
	}
	before, found := true, false
	for _, x := range b.steps {
		if x == s {
			before = false
			continue
		}
		if x.acts() && x.str("action") == other && x.str("on") == s.str("on") && x.str("account") == s.str("account") && before == (other == incidents.ActRenew) {
			found = true
		}
	}
	if !found && action == incidents.ActRetire {
		c.at(s.or("action"), "a step before it: action: renew, with the same on and account", "retire: no step before made the new secret that takes the old one's place")
	}
	if !found && action == incidents.ActRenew {
		c.at(s.or("action"), "a step after it: action: retire, with the same on and account", "renew: no step after it ends the old secret")
	}
}
