package main

import (
	"fmt"

	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/workflows"
)

// tellCustody tells what two people do to the ledger, and what follows when entries were lost.
func (n *narrator) tellCustody(r workflows.Record) string {
	switch e := r.Event.(type) {
	case custody.Proposed:
		return fmt.Sprintf("%s proposed to %s, %s: proposal %s, to be confirmed by somebody else until %s.", n.actor(r), n.custodyAct(e),
			because(e.Reason, true), r.Stream.Rest(), n.at(e.Until))
	case custody.Confirmed:
		return fmt.Sprintf("%s confirmed proposal %s, to %s, authenticated by %s.", n.actor(r), r.Stream.Rest(), map[custody.Act]string{
			custody.Erase: "erase texts", custody.Disclose: "let texts be exported", custody.Rekey: "replace a key",
		}[e.Act], e.Authn)
	case custody.Erased:
		return n.erased(e)
	case custody.Pruned:
		return fmt.Sprintf("%s older than %s were erased, as texts are kept for %s; the head over %d entries was published before.", upper(howMany(int(e.Texts), "text")),
			n.at(e.Older), e.Keep, e.Size)
	case custody.Disclosed:
		return fmt.Sprintf("%s and %s let %s (%s) be exported until %s, under proposal %s.", n.person(e.ProposedBy), n.person(e.ConfirmedBy),
			"the texts of "+e.What, howMany(int(e.Texts), "text"), n.at(e.Until), e.Proposal)
	case custody.RollbackAccepted:
		return n.lost(e)
	case custody.TargetReconciled:
		return reconciled(e)
	}
	return ""
}

func (n *narrator) custodyAct(e custody.Proposed) string {
	switch {
	case e.Act == custody.Disclose:
		return "let the texts of " + e.What + " be exported"
	case e.Act == custody.Rekey:
		return "replace the key " + e.What
	case e.Person != "":
		return fmt.Sprintf("erase the texts of %s, as %s", n.person(e.Person), e.Basis.Words())
	}
	return fmt.Sprintf("erase the field %s of entry %d, as %s", e.Field, e.Entry, e.Basis.Words())
}

func (n *narrator) erased(e custody.Erased) string {
	what := fmt.Sprintf("the field %s of entry %d", e.Field, e.Entry)
	if e.Person != "" {
		what = fmt.Sprintf("%s of %s in entries before %d", howMany(int(e.Texts), "text"), n.person(e.Person), e.Before)
	}
	also := ""
	if e.Unnamed || e.Accounts > 0 {
		also = fmt.Sprintf("; the name, %s and %s went, too", howMany(int(e.Accounts), "account"), howMany(int(e.Deliveries), "stored message"))
	}
	return fmt.Sprintf("%s and %s erased %s, as %s%s: the entries stay and still verify.", n.person(e.ProposedBy), n.person(e.ConfirmedBy), what, e.Basis.Words(), also)
}

// lost tells the gap in words: what was, what is, who said so.
func (n *narrator) lost(e custody.RollbackAccepted) string {
	return fmt.Sprintf("Entries %d to %d were lost: %s remembered %d entries with root %s, and an older copy of %d was put back. %s and %s accepted it, %s.",
		e.Size, e.LostSize-1, e.From, e.LostSize, e.LostRoot, e.Size, n.person(e.ProposedBy), n.person(e.ConfirmedBy), because(e.Reason, true))
}

func reconciled(e custody.TargetReconciled) string {
	if e.Silent {
		return fmt.Sprintf("After entries were lost, target %s could not tell what it has: all %s the ledger knows of there are taken back when it answers.", e.Target, howMany(int(e.Asked), "grant"))
	}
	unlisted := ""
	if e.Unlisted {
		unlisted = " It cannot list what it has: a grant whose entries were lost ends by its own time only."
	}
	return fmt.Sprintf("After entries were lost, target %s was asked about %s: %d it has, %d were ended to be sure, and %d that the ledger does not know were taken back.%s",
		e.Target, howMany(int(e.Asked), "grant"), e.Present, e.Ended, e.Unknown, unlisted)
}
