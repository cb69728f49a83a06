package main

import (
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// tellOffer tells what is said about a request beside decisions: other terms, notes, and that a rule approved without people.
func (n *narrator) tellOffer(r workflows.Record) string {
	what := n.request(r.Stream)
	switch e := r.Event.(type) {
	case workflows.Countered:
		return fmt.Sprintf("%s offered %s instead of what %s asks for, at stage %d, %s, authenticated by %s: offer %s.", n.actor(r), n.terms(e.Terms), what,
			e.Stage+1, because(e.Reason, false), e.Authn, e.Offer)
	case workflows.OfferAccepted:
		return fmt.Sprintf("%s accepted offer %s on %s; request %s asks for those terms.", n.actor(r), e.Offer, what, e.Request)
	case workflows.OfferDeclined:
		return fmt.Sprintf("%s declined offer %s on %s, which goes on as it was.", n.actor(r), e.Offer, what)
	case workflows.RequestOpened:
		return fmt.Sprintf("%s opened %s at stage %d before deciding (%s).", n.actor(r), what, e.Stage+1, e.How)
	case workflows.Commented:
		return fmt.Sprintf("%s noted on %s: %s.", n.actor(r), what, quoted(e.Text))
	case workflows.AutoApproved:
		looked := ""
		if e.Sampled {
			looked = "; it is looked at afterwards"
		}
		return fmt.Sprintf("No person decided %s: rule %q of policy %s approves it by itself, for the %s of %s within %s%s.", what, e.Rule, shortHash(r.Policy),
			ordinal(e.Used), howMany(e.Times, "time"), e.Per, looked)
	}
	return ""
}

// terms is what a counter-offer changes.
func (n *narrator) terms(t workflows.Terms) string {
	var words []string
	if t.Entitlement != "" {
		words = append(words, fmt.Sprintf("%s on %s", t.Entitlement, t.Target))
	}
	if t.Seconds != 0 {
		words = append(words, t.Seconds.String())
	}
	if t.NotBefore != 0 {
		words = append(words, "a start at "+n.at(t.NotBefore))
	}
	return list(words, "the same")
}

func ordinal(n int) string {
	suffix := "th"
	switch {
	case n%100 >= 11 && n%100 <= 13:
	case n%10 == 1:
		suffix = "st"
	case n%10 == 2:
		suffix = "nd"
	case n%10 == 3:
		suffix = "rd"
	}
	return fmt.Sprintf("%d%s", n, suffix)
}

// tellPerson tells time off, what was counted, and standing windows.
func (n *narrator) tellPerson(r workflows.Record) string {
	rest := r.Stream.Rest()
	switch e := r.Event.(type) {
	case identities.Away:
		place := "nobody decides in their place"
		if e.Delegate != "" {
			place = n.person(e.Delegate) + " may decide in their place what neither of them asked for"
		}
		return fmt.Sprintf("%s is away from %s until %s, %s; %s: time off %s.", n.person(workflows.PersonID(rest)), n.at(e.From), n.at(e.Until),
			because(e.Reason, false), place, e.Away)
	case identities.Back:
		return fmt.Sprintf("%s ended time off %s before its time.", n.person(workflows.PersonID(rest)), e.Away)
	case identities.Used:
		by := ""
		if e.Rule != "" {
			by = fmt.Sprintf(" by rule %q", e.Rule)
		}
		return fmt.Sprintf("Request %s counts as one %s of %s under workflow %s%s.", e.Request, usedWords(e.What), n.person(workflows.PersonID(rest)), e.Workflow, by)
	case identities.WindowGranted:
		return fmt.Sprintf("%s may take %s on %s without asking again, %s (%s), for %s at a time, %s within %s and %s in all, until %s, by request %s, approved by %s.",
			rest, e.Entitlement, e.Target, e.Terms.Hours, e.Terms.Zone, e.Terms.Lifetime, howMany(e.Terms.Times, "time"), e.Terms.Per,
			howMany(e.Terms.Budget, "time"), n.at(e.EndsAt), e.Window, n.people(e.Approvers))
	case identities.WindowUsed:
		return fmt.Sprintf("%s took grant %s within the standing window of request %s, as request %s.", rest, e.Grant, e.Window, e.Request)
	case identities.WindowClosed:
		return fmt.Sprintf("%s closed the standing window that request %s gave %s, %s.", n.actor(r), e.Window, rest, because(e.Why, false))
	}
	return ""
}

func usedWords(what string) string {
	switch what {
	case identities.UsedAuto:
		return "approval without people"
	case identities.UsedAsk:
		return "ask"
	}
	return what
}

// tellPolicy tells changes of the documents.
func (n *narrator) tellPolicy(r workflows.Record) string {
	switch e := r.Event.(type) {
	case workflows.PolicyProposed:
		by := "somebody whom the ledger does not name"
		switch {
		case e.By != "":
			by = n.person(e.By)
		case e.Author != "":
			by = e.Author
		}
		return fmt.Sprintf("A change of %s by %s waits for %s of %s, because it loosens something (%s): proposal %s.", howMany(len(e.Units), "document"), by,
			howMany(e.Quorum, "approval"), n.people(e.Ask), changes(e.Changes, true), e.Proposal)
	case workflows.PolicyVoted:
		return fmt.Sprintf("%s %s the change of documents %s, %s, authenticated by %s.", n.actor(r), voted(e.Verdict), e.Proposal,
			because(e.Reason, e.Verdict == workflows.Deny), e.Authn)
	case workflows.PolicySettled:
		if e.Outcome == "replaced" {
			return fmt.Sprintf("The change of documents %s was replaced: the folder changed again.", e.Proposal)
		}
		return fmt.Sprintf("The change of documents %s was %s.", e.Proposal, e.Outcome)
	}
	return ""
}

// changes are what a proposal says in words; loosening ones only, if there are any.
func changes(all []workflows.PolicyChange, loosening bool) string {
	var words []string
	for _, c := range all {
		if c.Loosens || !loosening {
			words = append(words, c.Unit+": "+trimDot(c.Text))
		}
	}
	if len(words) == 0 && loosening {
		return changes(all, false)
	}
	return strings.Join(words, "; ")
}

// widened says why a stage asks further people before their time, or nothing.
func widened(why string) string {
	switch why {
	case "nobody available":
		return ", as too few of those asked are there"
	case "nobody could be told":
		return ", as too few of those asked could be told"
	}
	return ""
}

func toldPeople(n int) string {
	if n == 1 {
		return "1 person was"
	}
	return fmt.Sprintf("%d people were", n)
}

// inPlaceOf says whose seat a vote was given by.
func (n *narrator) inPlaceOf(p workflows.PersonID) string {
	if p == "" {
		return ""
	}
	return " in the place of " + n.person(p)
}

// ruled says which rule chose the stages, and at what risk.
func ruled(e workflows.Submitted) string {
	out := ""
	if e.Chosen != "" {
		out += fmt.Sprintf(" (rule %q)", e.Chosen)
	}
	if e.Risk != "" {
		out += ", risk " + e.Risk
	}
	if e.Extends != "" {
		out += ", to go on from grant " + string(e.Extends)
	}
	if e.Offer.Offer != "" {
		out += fmt.Sprintf(", taking up offer %s on request %s", e.Offer.Offer, e.Offer.Request)
	}
	if e.Window != "" {
		out += ", within the standing window of request " + e.Window
	}
	return out
}

// beginning says when access begins that does not begin at once.
func (n *narrator) beginning(e grants.Approved) string {
	if e.StartsAt == 0 {
		return ""
	}
	return " from " + n.at(e.StartsAt)
}
