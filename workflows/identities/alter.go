package identities

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/workflows"
)

// AccountOrdered has the account of a new identity made on its target, or that of one that is there changed, as a request was approved.
type AccountOrdered struct {
	Request     workflows.RequestID     `json:"request"`
	Target      workflows.TargetID      `json:"target"`
	Entitlement workflows.EntitlementID `json:"entitlement"`
	Params      map[string][]string     `json:"params,omitempty"`
	Account     string                  `json:"account" seal:"true"`
	Until       workflows.Stamp         `json:"until"` // the target's own end of it, where it has one

	Scope  bool `json:"scope,omitempty"`   // it is there, and may do this from now on
	ByHand bool `json:"by_hand,omitempty"` // no connector does it: who answers for the identity does, and says so with evidence
}

// AccountMade says that the account was made, or that the target will not make it.
type AccountMade struct {
	Request workflows.RequestID `json:"request"`
	Ref     string              `json:"ref,omitempty"` // the target's own name for what was made; empty: nothing was
	Proof   string              `json:"proof"`         // ProofVerified: it was read back
	Why     string              `json:"why,omitempty"` // nothing was made
}

// AccountSettled is a person's word that what no connector did was done by hand.
type AccountSettled struct {
	Request  workflows.RequestID `json:"request"`
	Evidence string              `json:"evidence" seal:"true"`
	Authn    string              `json:"authn"`
	Channel  string              `json:"channel"`
}

// Kind names for the ledger.
func (AccountSettled) Kind() string { return "identity.account_settled" }
func (AccountOrdered) Kind() string { return "identity.account_ordered" }
func (AccountMade) Kind() string    { return "identity.account_made" }

// RefScope begins what a target calls a change of an account that was there.
const RefScope = "scope: "

// JobMake makes the account of a new identity; finished by identity.account_made.
const JobMake = "identity.make"

// WhyOnboard is why the owner of a new identity is asked: somebody else asked for it, and it was approved with them as its owner.
const WhyOnboard = "onboard"

// ConfirmTime is how long each of the owner and the backup owner of a new identity has to confirm it.
const ConfirmTime = 7 * 24 * time.Hour

// ConfirmID names the question to the owner of a new identity.
func ConfirmID(r workflows.RequestID) string { return "o_" + strings.TrimPrefix(string(r), "r_") }

// RequestSource names a request as the source of what is known of an identity.
func RequestSource(r workflows.RequestID) string { return workflows.KindRequest + "/" + string(r) }

// Alteration is what an approved request does to an identity.
type Alteration struct {
	Request   workflows.RequestID
	By        workflows.PersonID // who asked
	Approvers []workflows.PersonID
	Now       workflows.Stamp
	Until     workflows.Stamp // of LifeOnboard and LifeRenew: the end
	Reason    string
	Says      Entry           // of LifeOnboard and LifeScope
	Owner     string          // of LifeOnboard: who is to own it, and is asked to confirm
	Account   *AccountOrdered // of LifeOnboard and LifeScope: what its connector does, or who answers for it; nil: nothing
}

// Alter are the events by which an approved request changes an identity. A new one belongs to who asked for it until its owner has confirmed; nobody
// confirming suspends it.
func Alter(s IdentityState, action string, c Alteration) []workflows.Event {
	switch action {
	case workflows.LifeOnboard:
		claimed := Claimed{Source: RequestSource(c.Request), Says: c.Says, Channel: "request"}
		if c.Account != nil {
			claimed.Account = c.Account.Account
		}
		out := []workflows.Event{claimed}
		if c.Owner != string(c.By) {
			out = append(out, c.confirm())
		}
		if c.Account != nil {
			out = append(out, *c.Account)
		}
		return out
	case workflows.LifeScope:
		out := []workflows.Event{Claimed{Source: RequestSource(c.Request), Says: c.Says, Channel: "request"}}
		if c.Account != nil {
			out = append(out, *c.Account)
		}
		return out
	case workflows.LifeRenew:
		out := []workflows.Event{Renewed{Request: c.Request, Expires: c.Until, Approvers: c.Approvers, Reason: c.Reason, Channel: "request"}}
		if s.Life.Suspended != nil && s.Life.Suspended.Why == SuspendedExpired {
			out = append(out, Resumed{Authn: "request", Channel: "request"})
		}
		return out
	}
	return nil
}

func (c Alteration) confirm() HandoverOpened {
	h := HandoverOpened{Handover: ConfirmID(c.Request), Why: WhyOnboard, From: string(c.By), Silence: SilenceSuspends, Channel: "request"}
	until := c.Now
	for _, p := range []struct{ who, why string }{{c.Owner, "owner"}, {c.Says.Backup, "backup owner"}} {
		if ownerPerson(p.who) != "" {
			until = until.Add(ConfirmTime)
			h.Rungs = append(h.Rungs, Rung{People: []workflows.PersonID{ownerPerson(p.who)}, Why: p.why, Until: until})
		}
	}
	return h
}

// MadeAccount is what became of the order to make an account.
type MadeAccount struct {
	AccountOrdered
	Made    *AccountMade
	Settled *AccountSettled
}

// applyAccount takes an entry about the account of a new identity; false when it is none.
func (s *IdentityState) applyAccount(r workflows.Record) (bool, error) {
	switch e := r.Event.(type) {
	case AccountOrdered:
		if s.Life.Account != nil && !e.Scope {
			return true, fmt.Errorf("a second account ordered")
		}
		s.Life.Given = append(slices.Clip(s.Life.Given), e)
		s.Life.Account = &MadeAccount{AccountOrdered: e} // of two changes of its scope the later one counts
	case AccountMade:
		if s.Life.Account == nil || s.Life.Account.Made != nil || s.Life.Account.Request != e.Request || s.Life.Account.ByHand {
			return true, fmt.Errorf("an account made that was not ordered")
		}
		next := *s.Life.Account
		next.Made = &e
		s.Life.Account = &next
		if e.Ref != "" && !next.Scope {
			s.decide(r, func(says *Entry) { says.Created = r.At.UTC })
		}
	case AccountSettled:
		a := s.ByHand()
		if a == nil || a.Request != e.Request {
			return true, fmt.Errorf("an account settled by hand that nobody was to settle")
		}
		next := *a
		next.Settled = &e
		s.Life.Account = &next
	default:
		return false, nil
	}
	return true, nil
}

// ByHand is the account that people have to make or change, since no connector does; nil when there is none, or it is done.
func (s IdentityState) ByHand() *MadeAccount {
	a := s.Life.Account
	if a == nil || a.Settled != nil || s.Life.Retirement != nil || !a.ByHand && (a.Made == nil || a.Made.Ref != "") {
		return nil
	}
	return a
}

// Settle records a person's word that an account was made or changed by hand.
func Settle(f workflows.Facts, d Do, id workflows.IdentityID, evidence string) (workflows.Outcome, error) {
	return d.on(f, id, d.Owns, func(s IdentityState, out *workflows.Outcome) *workflows.Refusal {
		a := s.ByHand()
		switch {
		case a == nil:
			return workflows.Refuse(workflows.CodeNotActive, "Nothing of its account is to be done by hand.", "countersign identities show says what is left.")
		case utf8.RuneCountInString(strings.TrimSpace(evidence)) < MinPurpose:
			return workflows.Refuse(workflows.CodeReasonNeeded, "Say how you know that it is done.", "A link, a ticket, or what you saw on the target.")
		}
		out.Add(workflows.IdentityStream(id), d.By, "", AccountSettled{Request: a.Request, Evidence: strings.TrimSpace(evidence), Authn: d.Authn, Channel: d.Channel})
		return nil
	})
}

// MakesAccount is the account that its connector has still to make or to change; nil when there is none, or nothing is made any more.
func (s IdentityState) MakesAccount() *MadeAccount {
	if a := s.Life.Account; a != nil && a.Made == nil && !a.ByHand && s.Life.Suspended == nil && s.Life.Retirement == nil {
		return a
	}
	return nil
}

// AccountHad is what the account had before the change of its scope that is ordered: the parameters of what requests gave it, and what its target said of it,
// in the order in which they were given.
func (s IdentityState) AccountHad() []string {
	a := s.MakesAccount()
	if a == nil || !a.Scope {
		return nil
	}
	var was []string
	for _, g := range s.Life.Given {
		if g.Request == a.Request || g.Target != a.Target {
			continue
		}
		for _, k := range slices.Sorted(maps.Keys(g.Params)) {
			was = append(was, g.Params[k]...)
		}
	}
	for _, c := range s.Claims {
		if c.Source == DiscoverySource(a.Target) && !c.Gone {
			was = append(was, c.Says.Scope...)
		}
	}
	return was
}

// Standing is what requests gave the account and it still has: a change of its scope that the connector made took away what was before.
func (s IdentityState) Standing() []AccountOrdered {
	given := s.Life.Given
	if a := s.Life.Account; a != nil && a.Scope && a.Made != nil && a.Made.Ref != "" {
		return given[len(given)-1:]
	}
	return given
}

// AccountDone records what became of the order to make an account. What was made has no secret yet that anybody knows: its replacement makes the first.
func AccountDone(f workflows.Facts, stream workflows.StreamID, e AccountMade, rotation string) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := FoldIdentity(f.Histories[stream])
	if err != nil || s.Life.Account == nil || s.Life.Account.Made != nil || s.Life.Account.Request != e.Request {
		return out, err
	}
	out.Add(stream, workflows.System, "", e)
	if e.Ref != "" && s.Rotating() == nil && !s.Life.Account.Scope {
		out.Add(stream, workflows.System, "", RotationOpened{Rotation: rotation, Why: RotateFirst, Due: f.Now.UTC.Add(RotateWithin)})
	}
	return out, nil
}
