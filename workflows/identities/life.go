package identities

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
)

// Why an identity is handed over.
const (
	WhyTransfer = "transfer" // the owner gives it to somebody
	WhyLeaver   = "leaver"   // the owner has left, or has another role
	WhyClaim    = "claim"    // nobody answers for it yet
)

// What follows when nobody takes an identity over.
const (
	SilenceLapses   = "lapse"
	SilenceSuspends = "suspend"
)

// Verdicts on a hand-over.
const (
	HandoverKeep    = "keep"
	HandoverRetire  = "retire"
	HandoverDecline = "decline"
)

// Why an identity is suspended.
const (
	SuspendedNoOwner  = "no_owner" // its owner left and nobody took it over in time
	SuspendedExpired  = "expired"
	SuspendedByHand   = "by_hand"
	SuspendedReview   = "review" // an attestation said so, or nobody answered one
	SuspendedLeak     = "leak"
	SuspendedWaiver   = "exception" // an exception to a control ended, or what made up for the control failed
	SuspendedContract = "contract"
	SuspendedUnused   = "unused" // nobody used it for as long as the policy lets that go on
)

// Why a secret is replaced.
const (
	RotatePolicy     = "policy"
	RotateDemand     = "demand"
	RotateBreakGlass = "break_glass"
	RotateLeak       = "leak"
	RotateHandover   = "handover"
	RotateLeaver     = "leaver" // who asked for it has left, and may know it
	RotateFirst      = "first"  // a new account has no secret that anybody knows
)

// Proofs that something is gone.
const (
	ProofVerified = "verified" // it was tried, and refused
	ProofDeclared = "declared" // a person says so, with evidence
)

// Why a person's access is looked at.
const (
	LeftCompany = "left"
	LeftRole    = "moved"
)

// Handover is an open hand-over.
type Handover struct {
	HandoverOpened
	At       workflows.Instant
	Rung     int // the last one asked
	Declined []workflows.PersonID
}

// Asked are the people who may take it over now.
func (h *Handover) Asked() []workflows.PersonID {
	var out []workflows.PersonID
	for _, r := range h.Rungs[:min(h.Rung+1, len(h.Rungs))] {
		for _, p := range r.People {
			if p != "" && !slices.Contains(out, p) && !slices.Contains(h.Declined, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

// Until is when the last people asked have had their time.
func (h *Handover) Until() workflows.Stamp { return h.Rungs[h.Rung].Until }

// Rotation is a replacement of the secret, under way or done.
type Rotation struct {
	RotationOpened
	At     workflows.Instant
	Closed *RotationClosed
	Done   workflows.Instant

	DoneSeq int64 // of the entry that closed it
}

// Retirement is the list of what is done to take an identity off.
type Retirement struct {
	RetirementOpened
	At   workflows.Instant
	Done map[string]RetireItemDone
}

// Left are the items that are not done.
func (r *Retirement) Left() []RetireItem {
	return slices.DeleteFunc(slices.Clone(r.Items), func(i RetireItem) bool { _, done := r.Done[i.ID]; return done })
}

// Life is what became of an identity since it is known.
type Life struct {
	Lively     bool // something beside the folder spoke of it: deadlines are watched
	Handover   *Handover
	Suspended  *Suspended
	SuspendAt  workflows.Instant
	SuspendSeq int64
	Emptied    int64 // the entry whose demand to take everything away was carried out last
	Rotations  []Rotation
	Renewals   []Renewed
	AskedFor   workflows.Stamp // the end for which renewal was asked
	Opened     *RenewalOpened  // the last renewal that was asked for by itself
	Retirement *Retirement
	RetireSeq  int64 // the entry that opened it
	Retired    bool
	Attested   []AttestedAt
	Leaks      []LeakAt // in the order in which they were reported
	Exceptions []ExceptionState
	ResumeSeq  int64              // of the last entry that ended a suspension
	Account    *MadeAccount       // that was ordered with it; nil: none was
	Given      []AccountOrdered   // everything that requests gave its account
	Locked     workflows.TargetID // where its account was kept from logging in; empty: nowhere
	Delivered  map[string]bool    // notices that were sent, or never will be
	Scopes     []string           // what it could do when somebody looked at it last: see Grown
	KillDrill  *KillDrill         // the last drill that went well; nil: none has
}

// AttestedAt is a verdict with its time.
type AttestedAt struct {
	Attested
	At workflows.Instant
}

// applyLife takes an entry about the identity's life; false when it is none.
func (s *IdentityState) applyLife(r workflows.Record) (bool, error) {
	switch e := r.Event.(type) {
	case HandoverOpened, HandoverWidened, HandoverAnswered, HandoverLapsed:
		return true, s.applyHandover(r)
	case RotationOpened, RotationClosed:
		return true, s.applyRotation(r)
	case RetirementOpened, RetireItemDone, Retired:
		return true, s.applyRetirement(r)
	case Suspended:
		if s.Life.Suspended != nil || s.Life.Retired {
			return true, fmt.Errorf("suspended twice, or after it was retired")
		}
		s.Life.Suspended, s.Life.SuspendAt, s.Life.SuspendSeq = &e, r.At, r.Seq
	case Resumed:
		if s.Life.Suspended == nil {
			return true, fmt.Errorf("resumed although it was not suspended")
		}
		s.Life.Suspended, s.Life.ResumeSeq = nil, r.Seq
	case Emptied:
		s.Life.Emptied = max(s.Life.Emptied, e.For)
	case Renewed:
		s.Life.Renewals = append(slices.Clip(s.Life.Renewals), e)
		s.decide(r, func(says *Entry) { says.Expires = e.Expires })
	case RenewalAsked:
		s.Life.AskedFor = e.Expires
	case RenewalOpened:
		s.Life.Opened = &e
	case Leaked:
		s.Life.Leaks = append(slices.Clip(s.Life.Leaks), LeakAt{e, r.At, r.Seq, r.Person})
	case Attested:
		s.Life.Attested = append(slices.Clip(s.Life.Attested), AttestedAt{e, r.At})
		s.Life.Scopes = slices.Clone(s.Entry().Scope)
	default:
		ours, err := s.applyAccount(r)
		if !ours {
			ours, err = s.applyException(r)
		}
		if !ours {
			return false, nil
		}
		if err != nil {
			return true, err
		}
	}
	s.Life.Lively = true
	return true, nil
}

// decide changes what people have decided about the identity.
func (s *IdentityState) decide(r workflows.Record, change func(*Entry)) {
	var c Claimed
	var says Entry
	if i := slices.IndexFunc(s.Claims, func(o Claim) bool { return o.Source == SourceDecision && !o.Gone }); i >= 0 {
		o := s.Claims[i]
		says, c = o.Says, Claimed{HasPlace: o.HasPlace, HasPath: o.HasPath, Account: o.Account, Place: o.Place, Path: o.Path}
	}
	change(&says)
	s.claim(SourceDecision, says, c, r)
}

func (s *IdentityState) applyHandover(r workflows.Record) error {
	s.Life.Lively = true
	h := s.Life.Handover
	if e, ok := r.Event.(HandoverOpened); ok {
		if h != nil || len(e.Rungs) == 0 || s.Life.Retired {
			return fmt.Errorf("a hand-over opened beside another, without people, or after the end")
		}
		s.Life.Handover = &Handover{HandoverOpened: e, At: r.At}
		return nil
	}
	if h == nil {
		return fmt.Errorf("%s without an open hand-over", r.Event.Kind())
	}
	next := *h
	switch e := r.Event.(type) {
	case HandoverWidened:
		if e.Handover != h.Handover || e.Rung != h.Rung+1 || e.Rung >= len(h.Rungs) {
			return fmt.Errorf("hand-over %q widened to rung %d from %d", e.Handover, e.Rung, h.Rung)
		}
		next.Rung = e.Rung
		s.Life.Handover = &next
	case HandoverAnswered:
		if e.Handover != h.Handover || !slices.Contains(h.Asked(), r.Person) {
			return fmt.Errorf("hand-over %q answered by %q, who was not asked", e.Handover, r.Person)
		}
		s.answer(r, e, next)
	case HandoverLapsed:
		if e.Handover != h.Handover {
			return fmt.Errorf("hand-over %q lapsed, which is not open", e.Handover)
		}
		s.Life.Handover = nil
	}
	return nil
}

func (s *IdentityState) answer(r workflows.Record, e HandoverAnswered, h Handover) {
	switch e.Verdict {
	case HandoverKeep:
		s.Life.Handover = nil
		s.decide(r, func(says *Entry) {
			says.Owner = e.Owner
			if e.Backup != "" {
				says.Backup = e.Backup
			}
		})
		if s.Life.Suspended != nil && s.Life.Suspended.Why == SuspendedNoOwner {
			s.Life.Suspended = nil
		}
	case HandoverRetire:
		s.Life.Handover = nil
	default:
		h.Declined = append(slices.Clip(h.Declined), r.Person)
		s.Life.Handover = &h
	}
}

func (s *IdentityState) applyRotation(r workflows.Record) error {
	s.Life.Lively = true
	switch e := r.Event.(type) {
	case RotationOpened:
		if s.Rotating() != nil {
			return fmt.Errorf("rotation %q opened while another is under way", e.Rotation)
		}
		s.Life.Rotations = append(slices.Clip(s.Life.Rotations), Rotation{RotationOpened: e, At: r.At})
	case RotationClosed:
		open := s.Rotating()
		if open == nil || open.Rotation != e.Rotation {
			return fmt.Errorf("rotation %q closed, which is not open", e.Rotation)
		}
		s.Life.Rotations = slices.Clone(s.Life.Rotations)
		done := &s.Life.Rotations[len(s.Life.Rotations)-1]
		done.Closed, done.Done, done.DoneSeq = &e, r.At, r.Seq
		s.decide(r, func(says *Entry) {
			says.Rotated = r.At.UTC
			says.Print, says.Serial, says.LastFour = cmp.Or(e.Print, says.Print), cmp.Or(e.Serial, says.Serial), cmp.Or(e.LastFour, says.LastFour)
		})
	}
	return nil
}

// Rotating is the rotation under way; nil when there is none.
func (s *IdentityState) Rotating() *Rotation {
	if n := len(s.Life.Rotations); n > 0 && s.Life.Rotations[n-1].Closed == nil {
		return &s.Life.Rotations[n-1]
	}
	return nil
}

func (s *IdentityState) applyRetirement(r workflows.Record) error {
	s.Life.Lively = true
	t := s.Life.Retirement
	switch e := r.Event.(type) {
	case RetirementOpened:
		if t != nil {
			return fmt.Errorf("a second list of what ends it")
		}
		s.Life.Retirement = &Retirement{RetirementOpened: e, At: r.At, Done: map[string]RetireItemDone{}}
		s.Life.Handover, s.Life.RetireSeq = nil, r.Seq
	case RetireItemDone:
		if t == nil || s.Life.Retired || !slices.ContainsFunc(t.Left(), func(i RetireItem) bool { return i.ID == e.Item }) {
			return fmt.Errorf("item %q done, which is not open", e.Item)
		}
		next := *t
		next.Done = map[string]RetireItemDone{e.Item: e}
		for k, v := range t.Done {
			next.Done[k] = v
		}
		s.Life.Retirement = &next
	case Retired:
		if t == nil || s.Life.Retired || len(t.Left()) > 0 {
			return fmt.Errorf("retired with something left to do")
		}
		s.Life.Retired = true
	}
	return nil
}
