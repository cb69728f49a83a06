package main

import (
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// tellVerified tells what came of asking again about access, and what people did about it all at once.
func (n *narrator) tellVerified(r workflows.Record) string {
	switch e := r.Event.(type) {
	case grants.Checked:
		return fmt.Sprintf("It was asked again whether %s should still be allowed (%s): %s.", n.grant(e.Grant).full, checkTrigger(e.Trigger), answersOf(e.Facts))
	case grants.RemovedByHand:
		return fmt.Sprintf("%s said that they removed %s on the target by hand, authenticated by %s, %s.", n.actor(r), n.grant(e.Grant).full, e.Authn, because(e.Why, false))
	case identities.AccessRevoked:
		return fmt.Sprintf("%s took everything away that %s held (%s), %s.", n.actor(r), n.whose(r.Stream), howMany(len(e.Grants), "grant"), because(e.Why, false))
	case identities.Quarantined:
		if e.Drill {
			return fmt.Sprintf("%s began to drill the kill switch of %s, which may neither ask nor hold anything meanwhile, %s.", n.actor(r), n.whose(r.Stream), because(e.Why, false))
		}
		return fmt.Sprintf("%s quarantined %s, who may neither ask, decide nor hold anything from now on, %s.", n.actor(r), n.whose(r.Stream), because(e.Why, false))
	case identities.KillDrilled:
		if !e.OK {
			return fmt.Sprintf("The drill of the kill switch of %s by %s failed: %s. It stays as it is until two people lift its quarantine.", n.whose(r.Stream), n.actor(r), trimDot(e.Text))
		}
		return fmt.Sprintf("The drill of the kill switch of %s by %s went well: it was refused after %d ms, and %s were taken back and read back after %d ms; the quarantine of the drill is lifted.",
			n.whose(r.Stream), n.actor(r), e.RefusedMS, howMany(e.Grants, "grant"), e.EmptyMS)
	case identities.Watched:
		return fmt.Sprintf("Watching (rule %s, %s) wants one more person than usual for what is asked by or for %s until %s.", e.Rule, strings.ReplaceAll(e.Signal, "_", " "), n.whose(r.Stream), n.at(e.Until))
	case identities.ReleaseAsked:
		return fmt.Sprintf("%s asked that the quarantine of %s be lifted; somebody else has to confirm it, %s.", n.actor(r), n.whose(r.Stream), because(e.Why, false))
	case identities.Released:
		return fmt.Sprintf("%s confirmed what %s had asked for: the quarantine of %s is lifted, %s.", n.actor(r), n.person(e.Asked), n.whose(r.Stream), because(e.Why, false))
	}
	return ""
}

// whose names whose stream it is, a person's or a non-human identity's.
func (n *narrator) whose(s workflows.StreamID) string {
	id := workflows.IdentityID(s.Rest())
	if p := id.Person(); p != "" {
		return n.person(p)
	}
	return string(id)
}

func checkTrigger(t string) string {
	switch t {
	case grants.CheckStart:
		return "before the target was called"
	case grants.CheckEvent:
		return "because something had changed"
	}
	return "as every few minutes"
}

// answersOf lists what was asked and answered.
func answersOf(facts []grants.Fact) string {
	var out []string
	for _, f := range facts {
		answer := map[string]string{grants.Yes: "yes", grants.No: "no", grants.CannotTell: "nobody can tell"}[f.Answer]
		if f.Why != "" {
			answer += " (" + trimDot(f.Why) + ")"
		}
		out = append(out, f.Name+": "+answer)
	}
	return list(out, "nothing")
}

// actingAs lists what has to be on record when a person acts as a non-human identity; nothing for any other grant.
func (n *narrator) actingAs(e grants.Approved) string {
	a := e.ActsAs
	if a.Identity == "" {
		return ""
	}
	var who []string
	for _, p := range a.Management {
		who = append(who, n.person(p))
	}
	return fmt.Sprintf(" They act as %s by it: exceptional because of %q; until %s; why, stands in request %s; for management approved %s; they proved who they are by %s; the target's own log says %s for each action.",
		a.Identity, a.Exceptional, n.at(a.Until), a.Reason, list(who, "nobody"), a.Confirmed, a.Attributed)
}
