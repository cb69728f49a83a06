package identities

import (
	"fmt"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// AccountOrdered has the account of a new identity made on its target, as a request was approved.
type AccountOrdered struct {
	Request     workflows.RequestID     `json:"request"`
	Target      workflows.TargetID      `json:"target"`
	Entitlement workflows.EntitlementID `json:"entitlement"`
	Params      map[string][]string     `json:"params,omitempty"`
	Account     string                  `json:"account" seal:"true"`
	Until       workflows.Stamp         `json:"until"` // the target's own end of it, where it has one
}

// AccountMade says that the account was made, or that the target will not make it.
type AccountMade struct {
	Request workflows.RequestID `json:"request"`
	Ref     string              `json:"ref,omitempty"` // the target's own name for what was made; empty: nothing was
	Proof   string              `json:"proof"`         // ProofVerified: it was read back
	Why     string              `json:"why,omitempty"` // nothing was made
}

// Kind names for the ledger.
func (AccountOrdered) Kind() string { return "identity.account_ordered" }
func (AccountMade) Kind() string    { return "identity.account_made" }

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
	Account   *AccountOrdered // of LifeOnboard: what its connector makes; nil: nothing
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
		return []workflows.Event{Claimed{Source: RequestSource(c.Request), Says: c.Says, Channel: "request"}}
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
	Made *AccountMade
}

// applyAccount takes an entry about the account of a new identity; false when it is none.
func (s *IdentityState) applyAccount(r workflows.Record) (bool, error) {
	switch e := r.Event.(type) {
	case AccountOrdered:
		if s.Life.Account != nil {
			return true, fmt.Errorf("a second account ordered")
		}
		s.Life.Account = &MadeAccount{AccountOrdered: e}
	case AccountMade:
		if s.Life.Account == nil || s.Life.Account.Made != nil || s.Life.Account.Request != e.Request {
			return true, fmt.Errorf("an account made that was not ordered")
		}
		next := *s.Life.Account
		next.Made = &e
		s.Life.Account = &next
		if e.Ref != "" {
			s.decide(r, func(says *Entry) { says.Created = r.At.UTC })
		}
	default:
		return false, nil
	}
	return true, nil
}

// MakesAccount is the account that is still to be made; nil when there is none, or nothing is made any more.
func (s IdentityState) MakesAccount() *MadeAccount {
	if a := s.Life.Account; a != nil && a.Made == nil && s.Life.Suspended == nil && s.Life.Retirement == nil {
		return a
	}
	return nil
}

// AccountDone records what became of the order to make an account. What was made has no secret yet that anybody knows: its replacement makes the first.
func AccountDone(f workflows.Facts, stream workflows.StreamID, e AccountMade, rotation string) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := FoldIdentity(f.Histories[stream])
	if err != nil || s.Life.Account == nil || s.Life.Account.Made != nil || s.Life.Account.Request != e.Request {
		return out, err
	}
	out.Add(stream, workflows.System, "", e)
	if e.Ref != "" && s.Rotating() == nil {
		out.Add(stream, workflows.System, "", RotationOpened{Rotation: rotation, Why: RotateFirst, Due: f.Now.UTC.Add(RotateWithin)})
	}
	return out, nil
}
