package identities

import "github.com/countersign-bot/countersign/workflows"

// RenewalOpened says that a later end was asked for by itself before the end came, as a fresh request in the name of who answers for the identity; or why
// nobody could be asked.
type RenewalOpened struct {
	Expires workflows.Stamp     `json:"expires"` // the end that comes
	Request workflows.RequestID `json:"request,omitempty"`
	For     workflows.PersonID  `json:"for,omitempty"` // in whose name
	Why     string              `json:"why,omitempty"` // no request was opened
}

// Kind names it for the ledger.
func (RenewalOpened) Kind() string { return "identity.renewal_opened" }

// JobRenew asks for a later end of an identity; finished by identity.renewal_opened.
const JobRenew = "identity.renew"

// Opened tells how the renewal before the present end was asked for; nil: it was not yet.
func (s IdentityState) Opened() *RenewalOpened {
	if o := s.Life.Opened; o != nil && o.Expires == s.Entry().Expires {
		return o
	}
	return nil
}

// RenewalDue tells whether a request for a later end is to be opened now: the time has come, and somebody answers for the identity.
func (s IdentityState) RenewalDue() bool {
	e := s.Entry()
	return s.Life.AskedFor != 0 && s.Life.AskedFor == e.Expires && e.Owner != "" && s.Opened() == nil &&
		s.Life.Suspended == nil && s.Life.Retirement == nil && (s.Life.Handover == nil || s.Life.Handover.Why != WhyLeaver)
}

// OpenRenewal records how a later end was asked for, once for each end.
func OpenRenewal(f workflows.Facts, stream workflows.StreamID, e RenewalOpened) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := FoldIdentity(f.Histories[stream])
	if err == nil && s.RenewalDue() && s.Life.AskedFor == e.Expires {
		out.Add(stream, workflows.System, "", e)
	}
	return out, err
}
