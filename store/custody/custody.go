package custody

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// State is one proposal as folded.
type State struct {
	ID          string
	Proposed    Proposed
	By          workflows.PersonID
	At          workflows.Stamp
	Confirmed   bool
	ConfirmedBy workflows.PersonID
	Disclosed   *Disclosed
	Erased      *Erased
}

// Fold reads the history of one proposal.
func Fold(h []workflows.Record) (State, error) {
	var s State
	if err := workflows.CheckSeq(h); err != nil {
		return s, err
	}
	for _, r := range h {
		if err := s.apply(r); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *State) apply(r workflows.Record) error {
	switch e := r.Event.(type) {
	case Proposed:
		if s.ID != "" {
			return fmt.Errorf("folding %q: it is proposed twice", r.Stream)
		}
		s.ID, s.Proposed, s.By, s.At = r.Stream.Rest(), e, r.Person, r.At.UTC
		return nil
	case Confirmed:
		if s.ID == "" || s.Confirmed || r.Person == s.By || r.Person == "" || e.Act != s.Proposed.Act || r.At.UTC > s.Proposed.Until {
			return fmt.Errorf("folding %q: entry %d confirms what it may not", r.Stream, r.Index)
		}
		s.Confirmed, s.ConfirmedBy = true, r.Person
		return nil
	case Erased:
		if !s.Confirmed || s.Proposed.Act != Erase || s.Erased != nil || e.Scope != s.Proposed.Scope {
			return fmt.Errorf("folding %q: entry %d erases what was not agreed on", r.Stream, r.Index)
		}
		s.Erased = &e
		return nil
	case Disclosed:
		if !s.Confirmed || s.Proposed.Act != Disclose || s.Disclosed != nil || e.What != s.Proposed.What {
			return fmt.Errorf("folding %q: entry %d discloses what was not agreed on", r.Stream, r.Index)
		}
		s.Disclosed = &e
		return nil
	}
	return fmt.Errorf("folding %q: %s does not belong here", r.Stream, r.Event.Kind())
}

// Who is somebody who acts, with what cmd knows of them. Owner: they answer for the bot.
type Who struct {
	workflows.Acting
	Owner   bool
	Auditor bool
	Channel string
	Authn   string
}

// mayPropose: erasing is for owners; auditors may ask for texts.
func (w Who) mayPropose(a Act) bool { return w.Person != "" && (w.Owner || w.Auditor && a == Disclose) }

// Propose records the wish of the first person. stream must be a fresh one.
func Propose(f workflows.Facts, stream workflows.StreamID, by Who, p Proposed) (out workflows.Outcome) {
	p.Until, p.Channel, p.Authn = f.Now.UTC.Add(p.Act.window()), by.Channel, by.Authn
	switch no := checkProposal(p); {
	case len(f.Histories[stream]) > 0:
		return refuse(by, p.Act, "", workflows.Refuse(workflows.CodeDecided, "There is a proposal of this name already.", ""))
	case !by.mayPropose(p.Act):
		return refuse(by, p.Act, "", notYours())
	case no != nil:
		return refuse(by, p.Act, "", no)
	}
	out.Add(stream, by.Acting, "", p)
	return out
}

// window is how long a second person has.
func (a Act) window() time.Duration {
	if a == Rekey {
		return RekeyWindow
	}
	return Window
}

func notYours() *workflows.Refusal {
	return workflows.Refuse(workflows.CodeNotEligible, "This is for those who answer for the bot (role owner in roles.yaml).", "Ask one of them.")
}

func checkProposal(p Proposed) *workflows.Refusal {
	bad := func(what string) *workflows.Refusal { return workflows.Refuse(workflows.CodeBadField, what, "") }
	switch {
	case strings.TrimSpace(p.Reason) == "":
		return workflows.Refuse(workflows.CodeReasonNeeded, "A reason is needed.", "It is recorded for as long as texts are kept.")
	case len([]rune(p.Reason)) > workflows.MaxReason, len([]rune(p.Field))+len([]rune(p.What)) > maxScopeText:
		return bad("The reason or the name of what is meant is too long.")
	}
	switch p.Act {
	case Erase:
		return checkErase(p, bad)
	case Disclose:
		if p.What == "" || p.Person != "" || p.Entry != 0 || p.Field != "" || p.Basis != "" {
			return bad("Say what is to be disclosed: all, or streams separated by commas.")
		}
		return nil
	}
	if p.Act == Rekey && p.What != "" && p.Person == "" && p.Entry == 0 && p.Field == "" && p.Basis == "" {
		return nil
	}
	return bad("There is no such act.")
}

func checkErase(p Proposed, bad func(string) *workflows.Refusal) *workflows.Refusal {
	one := p.Entry > 0 && p.Field != ""
	switch {
	case p.What != "", (p.Person != "") == one, !one && (p.Entry != 0 || p.Field != ""):
		return bad("Name either a person, or an entry and a field of it.")
	case !slices.Contains([]Basis{BasisRequest, BasisLaw, BasisMistake}, p.Basis):
		return bad("The ground of an erasure is request, law or mistake.")
	}
	return nil
}

// Confirm records the word of the second person. The caller adds what was confirmed to the outcome, unless that holds a refusal.
func Confirm(f workflows.Facts, stream workflows.StreamID, by Who) (out workflows.Outcome, s State, err error) {
	if s, err = Fold(f.Histories[stream]); err != nil {
		return out, s, err
	}
	if no := s.refusal(f.Now.UTC, by); no != nil {
		return refuse(by, s.Proposed.Act, s.ID, no), s, nil
	}
	out.Add(stream, by.Acting, "", Confirmed{Act: s.Proposed.Act, Channel: by.Channel, Authn: by.Authn})
	s.Confirmed, s.ConfirmedBy = true, by.Person
	return out, s, nil
}

func (s State) refusal(now workflows.Stamp, by Who) *workflows.Refusal {
	switch {
	case s.ID == "":
		return workflows.Unknown()
	case !by.Owner || by.Person == "":
		return notYours()
	case s.Confirmed:
		return workflows.Refuse(workflows.CodeDecided, "It was confirmed and done already.", "")
	case by.Person == s.By:
		return workflows.Refuse(workflows.CodeSelfApproval, "You proposed this yourself; somebody else must confirm it.", "Ask another owner.")
	case s.Proposed.Act == Erase && by.Person == s.Proposed.Person:
		return workflows.Refuse(workflows.CodeSelfApproval, "These are your own texts; somebody else must confirm.", "Ask another owner.")
	case now > s.Proposed.Until:
		return workflows.Refuse(workflows.CodeLate, "The proposal was not confirmed in time.", "Propose it again.")
	}
	return nil
}

func refuse(by Who, a Act, about string, no *workflows.Refusal) workflows.Outcome {
	out := workflows.Outcome{Refusal: no}
	out.Add(workflows.SystemStream, by.Acting, "", workflows.Refused{Command: "ledger " + string(a), Code: no.Code, Channel: by.Channel, About: about})
	return out
}

// DisclosureUntil is when a disclosure that is confirmed now is over.
func DisclosureUntil(now workflows.Stamp) workflows.Stamp { return now.Add(Disclosure) }

// Holds tells whether texts may be exported under the proposal now.
func (s State) Holds(now time.Time, what string) error {
	switch {
	case s.Disclosed == nil:
		return fmt.Errorf("proposal %s is not a disclosure that two people agreed on", s.ID)
	case s.Disclosed.What != what:
		return fmt.Errorf("proposal %s is about %q, not about %q", s.ID, s.Disclosed.What, what)
	case now.After(s.Disclosed.Until.Time()):
		return fmt.Errorf("proposal %s was for an export until %s", s.ID, s.Disclosed.Until)
	}
	return nil
}

// Entry is what tells whose texts an entry holds, from the leaf alone and the first entry of its stream.
type Entry struct {
	Index  int64
	Person workflows.PersonID // who made it
	Stream workflows.StreamID
	Notice string             // of a notice: its id
	Began  workflows.PersonID // who made the first entry of the stream
}

// Covers tells whether an erasure accounts for a missing text of an entry, so that anybody can tell for any entry whether its texts may be
// missing.
func (e Erased) Covers(x Entry, field string) bool {
	switch {
	case x.Index >= e.Before:
		return false
	case e.Person == "":
		return e.Entry == x.Index && e.Field == field
	}
	return x.About(e.Person)
}

// About tells whether the texts of an entry are a person's: they wrote it, it stands in their own stream or in that of access they held, or it
// says where they, or others about what they asked for, were told something.
func (x Entry) About(p workflows.PersonID) bool {
	return x.Person == p || x.Stream == workflows.PersonStream(p) || strings.HasPrefix(string(x.Stream), GrantsOf(p)) ||
		x.Notice != "" && (x.Began == p || strings.Contains(x.Notice, string(p)))
}

// GrantsOf is how the streams of all access of a person begin.
func GrantsOf(p workflows.PersonID) string { return workflows.KindGrant + "/" + string(p) + "/" }

// Covers tells whether a prune accounts for a missing text.
func (e Pruned) Covers(index int64, at workflows.Stamp) bool { return index < e.Before && at < e.Older }
