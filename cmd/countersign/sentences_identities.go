package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// tellIdentity tells what became of an identity and of those who answer for it.
func (n *narrator) tellIdentity(r workflows.Record) string {
	id := r.Stream.Rest()
	switch e := r.Event.(type) {
	case identities.Claimed:
		return fmt.Sprintf("%s is known from %s as %s%s%s.", id, e.Source, strings.ReplaceAll(cmp.Or(e.Says.Class, "an identity"), "_", " "), n.ownedBy(e.Says.Owner), n.forPurpose(e.Says))
	case identities.Vanished:
		return fmt.Sprintf("The source %s does not know %s any more: %s.", e.Source, id, trimDot(e.Why))
	case identities.Suspended:
		return fmt.Sprintf("%s suspended %s (%s): everything that it holds is taken back, and it may ask for nothing.", n.actor(r), id, strings.ReplaceAll(e.Why, "_", " "))
	case identities.Resumed:
		return fmt.Sprintf("%s ended the suspension of %s, %s.", n.actor(r), id, because(e.Reason, true))
	case identities.Emptied:
		return fmt.Sprintf("%s held by %s began to be taken back.", upper(howMany(e.Grants, "grant")), id)
	case identities.Renewed:
		return fmt.Sprintf("%s renewed %s until %s%s.", n.actor(r), id, n.at(e.Expires), approvedFor(n, e.Approvers))
	case identities.RenewalAsked:
		return fmt.Sprintf("The owner of %s was due to be asked to renew it: it ends at %s.", id, n.at(e.Expires))
	case identities.RenewalOpened:
		if e.Request == "" {
			return fmt.Sprintf("Nobody could be asked by itself to renew %s, which ends at %s: %s.", id, n.at(e.Expires), trimDot(e.Why))
		}
		return fmt.Sprintf("A later end of %s, which ends at %s, was asked for in the name of %s: request %s.", id, n.at(e.Expires), n.person(e.For), e.Request)
	case identities.ExceptionGranted, identities.ExceptionChecked, identities.ExceptionUsed, identities.ExceptionFailed, identities.ExceptionEnded, identities.AccountLocked, identities.AccountOrdered, identities.AccountMade, identities.AccountSettled:
		return n.tellException(r, id)
	case identities.Leaked:
		return tellLeak(e, id)
	case identities.Attested:
		if e.Review == "" {
			return fmt.Sprintf("%s attested %s: %s.", n.person(e.By), id, strings.ReplaceAll(e.Verdict, "_", " "))
		}
		return fmt.Sprintf("%s attested %s in review %s: %s.", n.person(e.By), id, e.Review, strings.ReplaceAll(e.Verdict, "_", " "))
	case identities.Left:
		return fmt.Sprintf("%s %s, as known from %s: what they hold and answer for is looked at.", n.person(workflows.PersonID(id)), departed(e.Why), e.Source)
	case identities.HandedOver:
		return fmt.Sprintf("%s held by %s began to be taken back, and %s they answered for are being handed over: %s.", upper(howMany(e.Grants, "grant")),
			n.person(workflows.PersonID(id)), quantity(len(e.Identities), "identity", "identities"), list(texts(e.Identities), "none")) + madeWords(e.Made)
	case identities.Returned:
		return fmt.Sprintf("%s is there again, as known from %s.", n.person(workflows.PersonID(id)), e.Source)
	}
	return n.tellHandover(r, id)
}

// tellHandover tells hand-overs, rotations and retirements.
func (n *narrator) tellHandover(r workflows.Record, id string) string {
	switch e := r.Event.(type) {
	case identities.HandoverOpened:
		return fmt.Sprintf("%s opened a hand-over of %s (%s): %s asked until %s.", n.actor(r), id, e.Why, n.people(e.Rungs[0].People)+" is", n.at(e.Rungs[0].Until))
	case identities.HandoverWidened:
		return fmt.Sprintf("Nobody took %s over in time: the next people, number %d of the list, are asked.", id, e.Rung+1)
	case identities.HandoverAnswered:
		switch e.Verdict {
		case identities.HandoverKeep:
			return fmt.Sprintf("%s took %s over; it is now owned by %s.", n.actor(r), id, n.owner(e.Owner))
		case identities.HandoverRetire:
			return fmt.Sprintf("%s decided that %s is not needed any more.", n.actor(r), id)
		}
		return fmt.Sprintf("%s declined to take %s over, %s.", n.actor(r), id, because(e.Reason, true))
	case identities.HandoverLapsed:
		return fmt.Sprintf("The hand-over of %s ended without a new owner: %s.", id, trimDot(e.Why))
	case identities.RotationOpened:
		return fmt.Sprintf("The secret of %s has to be replaced by %s (%s).", id, n.at(e.Due), strings.ReplaceAll(e.Why, "_", " "))
	case identities.RotationClosed:
		return fmt.Sprintf("%s replaced the secret of %s (%s); that the old one is dead was %s.", n.actor(r), id, e.How, e.Proof)
	case identities.RetirementOpened:
		var what []string
		for _, i := range e.Items {
			what = append(what, i.What)
		}
		return fmt.Sprintf("%s began to take %s off; it takes: %s.", n.actor(r), id, strings.Join(what, "; "))
	case identities.RetireItemDone:
		return fmt.Sprintf("%s closed the item %s of taking %s off; it was %s.", n.actor(r), e.Item, id, e.Proof)
	case identities.Retired:
		return fmt.Sprintf("%s is off the books; done: %s.", id, howMany(e.Items, "item"))
	}
	return ""
}

func departed(why string) string {
	if why == identities.LeftRole {
		return "has another role"
	}
	return "has left"
}

// owner is a person, or a team by its name.
func (n *narrator) owner(owner string) string {
	if strings.HasPrefix(owner, "p_") {
		return n.person(workflows.PersonID(owner))
	}
	return strings.Replace(owner, identities.GroupPrefix, "the group ", 1)
}

func (n *narrator) ownedBy(owner string) string {
	if owner == "" {
		return ", without an owner"
	}
	return ", owned by " + n.owner(owner)
}

func (n *narrator) forPurpose(e identities.Entry) string {
	out := ""
	if e.Expires != 0 {
		out += " until " + n.at(e.Expires)
	}
	if e.Purpose != "" {
		out += "; its purpose: " + trimDot(e.Purpose)
	}
	return out
}

func approvedFor(n *narrator, people []workflows.PersonID) string {
	if len(people) == 0 {
		return ""
	}
	return ", approved by " + n.people(people)
}

func texts[T ~string](in []T) []string {
	out := make([]string, 0, len(in))
	for _, x := range in {
		out = append(out, string(x))
	}
	return out
}

// tellLeak tells that a secret was seen; where is not in the ledger.
func tellLeak(e identities.Leaked, id string) string {
	if e.Known {
		return fmt.Sprintf("A secret of %s was seen where it must not be, found by %s%s.", id, e.Source, optional("; incident ", e.Incident))
	}
	return fmt.Sprintf("A secret that nobody had on record was seen where it must not be, found by %s; it is known as %s from now on.", e.Source, id)
}

// tellException tells what became of a waived control.
func (n *narrator) tellException(r workflows.Record, id string) string {
	switch e := r.Event.(type) {
	case identities.ExceptionGranted:
		renewed := ""
		if e.Renewal > 0 {
			renewed = fmt.Sprintf(" (renewal %d, standing since %s)", e.Renewal, n.at(e.Since))
		}
		var checks []string
		for _, c := range e.Checks {
			checks = append(checks, c.String())
		}
		return fmt.Sprintf("The control %s is waived for %s until %s%s, approved by %s; what makes up for it: %s.", strings.ReplaceAll(e.Control, "_", " "), id, n.at(e.EndsAt), renewed,
			n.people(e.Approvers), printable(strings.Join(checks, "; ")))
	case identities.ExceptionChecked:
		bad := 0
		for _, a := range e.Answers {
			if a.Answer != identities.CheckHolds {
				bad++
			}
		}
		return fmt.Sprintf("What makes up for the waived control of %s was looked at: %s, %d of which do not hold or could not be told.", id, howMany(len(e.Answers), "check"), bad)
	case identities.ExceptionUsed:
		return fmt.Sprintf("The identity %s, under an exception, was seen in use (%s).", id, printable(e.Session))
	case identities.ExceptionFailed:
		return fmt.Sprintf("An exception of %s ended because what made up for the waived control does not hold: %s.", id, printable(trimDot(e.Why)))
	case identities.ExceptionEnded:
		return fmt.Sprintf("An exception of %s ended, recorded by %s: %s.", id, n.actor(r), trimDot(e.Why))
	case identities.AccountOrdered:
		switch {
		case e.ByHand:
			return fmt.Sprintf("As request %s approved, the account of %s gets %s on %s; no connector does it, so its owner is asked to.", e.Request, id, e.Entitlement, e.Target)
		case e.Scope:
			return fmt.Sprintf("As request %s approved, the account of %s gets %s on %s.", e.Request, id, e.Entitlement, e.Target)
		}
		return fmt.Sprintf("As request %s approved, the account of %s is made on %s for %s, until %s.", e.Request, id, e.Target, e.Entitlement, n.at(e.Until))
	case identities.AccountMade:
		if e.Ref == "" {
			return fmt.Sprintf("The account of %s will not be made by the bot: %s.", id, trimDot(e.Why))
		}
		if e.Proof == identities.ProofVerified && strings.HasPrefix(e.Ref, identities.RefScope) {
			return fmt.Sprintf("The account of %s was changed and read back: %s.", id, strings.TrimPrefix(e.Ref, identities.RefScope))
		}
		return fmt.Sprintf("The account of %s was made and read back; its target calls it %q. Nobody knows a secret of it yet.", id, e.Ref)
	case identities.AccountSettled:
		return fmt.Sprintf("%s says that what request %s approved for the account of %s was done by hand%s.", n.actor(r), e.Request, id, evident(e.Evidence))
	case identities.AccountLocked:
		if e.Locked {
			return fmt.Sprintf("The account of %s on %s was kept from logging in.", id, e.Target)
		}
		return fmt.Sprintf("The account of %s on %s may log in again.", id, e.Target)
	}
	return ""
}

func evident(text string) string {
	if text == "" {
		return ", with evidence that was erased"
	}
	return ", and how that is known: " + trimDot(text)
}

// madeWords tells of what somebody who left had asked for and others own.
func madeWords(made []workflows.IdentityID) string {
	if len(made) == 0 {
		return ""
	}
	return " The secrets of what they had asked for and others own are to be replaced: " + list(texts(made), "none") + "."
}
