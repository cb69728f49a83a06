package identities

import (
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// The events of taking everything away from somebody at once. They stand on the stream of the person or the non-human identity.

// AccessRevoked says that live grants of an identity are ended together: the kill switch. What ends each stands on its own stream.
type AccessRevoked struct {
	Grants  []workflows.GrantID `json:"grants,omitempty"` // that were ended by it; a long list stands in several entries
	Why     string              `json:"why,omitempty" seal:"true"`
	Authn   string              `json:"authn,omitempty"`
	Channel string              `json:"channel"`
}

// Quarantined says that an identity may neither ask, decide nor hold anything until it is released.
type Quarantined struct {
	Why     string `json:"why,omitempty" seal:"true"`
	Authn   string `json:"authn,omitempty"`
	Channel string `json:"channel"`
	Drill   bool   `json:"drill,omitempty"` // of the kill switch: one that goes well lifts it again
}

// ReleaseAsked says that somebody wants a quarantine lifted; another person has to confirm it.
type ReleaseAsked struct {
	Why     string `json:"why,omitempty" seal:"true"`
	Authn   string `json:"authn,omitempty"`
	Channel string `json:"channel"`
}

// Released lifts a quarantine: the word of the person who says so, and of the one who asked for it.
type Released struct {
	Asked   workflows.PersonID `json:"asked"` // whose ReleaseAsked it confirms
	Why     string             `json:"why,omitempty" seal:"true"`
	Authn   string             `json:"authn,omitempty"`
	Channel string             `json:"channel"`
}

// Kind names for the ledger.
func (AccessRevoked) Kind() string { return "identity.access_revoked" }
func (Quarantined) Kind() string   { return "identity.quarantined" }
func (ReleaseAsked) Kind() string  { return "identity.release_asked" }
func (Released) Kind() string      { return "identity.released" }

// Quarantine is how an identity stands in that respect. The zero value is "free".
type Quarantine struct {
	On      bool
	Seq     int64 // of the entry that quarantined it, on its stream
	Since   workflows.Instant
	By      workflows.PersonID // empty: the bot itself, on what it was told
	Why     string
	Drill   bool               // of a drill that is under way
	Asked   workflows.PersonID // who asked for its release; empty: nobody has
	AskedAt workflows.Instant
}

// applies folds an event of a quarantine; false for what is none.
func (q *Quarantine) applies(r workflows.Record) (bool, error) {
	switch e := r.Event.(type) {
	case AccessRevoked:
	case Quarantined:
		if q.On && (!q.Drill || e.Drill) {
			return true, fmt.Errorf("quarantined twice")
		}
		*q = Quarantine{On: true, Seq: r.Seq, Since: r.At, By: r.Person, Why: e.Why, Drill: e.Drill}
	case ReleaseAsked:
		if !q.On || r.Person == "" {
			return true, fmt.Errorf("a release is asked of what is not quarantined, or by nobody")
		}
		q.Asked, q.AskedAt = r.Person, r.At
	case Released:
		if !q.On || q.Asked == "" || e.Asked != q.Asked || r.Person == q.Asked || r.Person == "" {
			return true, fmt.Errorf("released without the word of two people")
		}
		*q = Quarantine{}
	default:
		return false, nil
	}
	return true, nil
}

// FoldQuarantine reads how an identity stands from the history of its stream, a person's or a non-human one's.
func FoldQuarantine(h []workflows.Record) (Quarantine, error) {
	if len(h) == 0 {
		return Quarantine{}, nil
	}
	if h[0].Stream.Kind() == workflows.KindPerson {
		s, err := FoldPerson(h)
		return s.Quarantine, err
	}
	s, err := FoldIdentity(h)
	return s.Quarantine, err
}

// StreamOf is the stream of an identity, a person's or a non-human one's.
func StreamOf(id workflows.IdentityID) workflows.StreamID {
	if p := id.Person(); p != "" {
		return workflows.PersonStream(p)
	}
	return workflows.IdentityStream(id)
}

// Order is somebody who quarantines an identity, or releases it.
type Order struct {
	By      workflows.Acting
	May     bool // holds a role that may, or owns the identity; the bot itself may quarantine
	Subject workflows.IdentityID
	Why     string
	Authn   string
	Channel string
	Drill   bool // of the kill switch
}

// Lock quarantines an identity. One that is quarantined already stays so, and nothing is recorded again; a quarantine of a drill becomes a real one.
func Lock(f workflows.Facts, o Order) (workflows.Outcome, error) {
	stream := StreamOf(o.Subject)
	q, err := FoldQuarantine(f.Histories[stream])
	if err != nil {
		return workflows.Outcome{}, err
	}
	var out workflows.Outcome
	if no := o.refuse("quarantine"); no != nil {
		return workflows.RefuseOn(workflows.SystemStream, o.By, "quarantine", o.Channel, string(o.Subject), no), nil
	}
	if q.On && o.Drill {
		return workflows.RefuseOn(workflows.SystemStream, o.By, "drill", o.Channel, string(o.Subject), DrillRefused()), nil
	}
	if !q.On || q.Drill {
		out.Add(stream, o.By, "", Quarantined{Why: strings.TrimSpace(o.Why), Authn: o.Authn, Channel: o.Channel, Drill: o.Drill})
	}
	return out, nil
}

// Release asks for the end of a quarantine, or confirms what another person asked for: then the identity is free.
func Release(f workflows.Facts, o Order) (workflows.Outcome, error) {
	stream := StreamOf(o.Subject)
	q, err := FoldQuarantine(f.Histories[stream])
	if err != nil {
		return workflows.Outcome{}, err
	}
	no := o.refuse("release")
	switch {
	case no != nil:
	case o.By.Person == "" || o.By.Person == o.Subject.Person():
		no = workflows.Refuse(workflows.CodeNotYours, "Nobody lifts their own quarantine.", "Two people of security or owners can.")
	case !q.On:
		no = workflows.Refuse(workflows.CodeNotActive, "This identity is not quarantined.", "")
	case q.Asked == o.By.Person:
		no = workflows.Refuse(workflows.CodeDecided, "You have asked for this already; somebody else has to confirm it.", "Another person of security or an owner can.")
	}
	if no != nil {
		return workflows.RefuseOn(workflows.SystemStream, o.By, "release", o.Channel, string(o.Subject), no), nil
	}
	var out workflows.Outcome
	if q.Asked == "" {
		out.Add(stream, o.By, "", ReleaseAsked{Why: strings.TrimSpace(o.Why), Authn: o.Authn, Channel: o.Channel})
		return out, nil
	}
	out.Add(stream, o.By, "", Released{Asked: q.Asked, Why: strings.TrimSpace(o.Why), Authn: o.Authn, Channel: o.Channel})
	return out, nil
}

func (o Order) refuse(command string) *workflows.Refusal {
	switch {
	case !o.May && command == "release":
		return workflows.Refuse(workflows.CodeNotEligible, "Two people of security or owners of Countersign lift a quarantine.", "Ask them.")
	case !o.May:
		return workflows.Refuse(workflows.CodeNotEligible, "This is not yours to take access away from.", "Security, owners of Countersign, the owner of a non-human identity and everybody for themselves can.")
	case strings.TrimSpace(o.Why) == "":
		return workflows.Refuse(workflows.CodeReasonNeeded, "This needs a reason.", "Add -reason TEXT.")
	}
	return nil
}
