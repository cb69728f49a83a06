package grants

import (
	"cmp"
	"fmt"

	"github.com/countersign-bot/countersign/workflows"
)

// Status says where a hold is.
type Status string

// The statuses of a hold.
const (
	StatusApproved Status = "approved" // due, not yet made
	StatusActive   Status = "active"
	StatusEnding   Status = "ending" // to be taken back
	StatusEnded    Status = "ended"
	StatusFailed   Status = "failed" // never made
)

// Hold is one grant of the stream.
type Hold struct {
	Approved  Approved
	At        workflows.Instant // when it was approved: the clock runs from here
	Ends      workflows.Instant
	Status    Status
	Started   Started
	StartedAt workflows.Instant
	How       string
	Why       string
	KeptBy    workflows.GrantID
	EndingAt  workflows.Instant
	EndedBy   workflows.PersonID
	EndedAt   workflows.Instant
	Presence  string
	Leaves    string
	Level     int // of the alarm: 0, 1, 2
	Failure   string
	Attempts  int // failed ones on record

	Sessions []Session // who used it, in the order in which they were seen

	FailedOps  []string // the operations whose trouble is on record
	StartedSeq int64    // of the event that says so; 0: not started
	EndingSeq  int64    // of the last one that said so
	RevokedSeq int64    // of the first one that said so; 0: the target never took it back

	Secret    Secret             // what came with it to be handed over
	Leaks     []SecretLeaked     // where that was seen
	Facts     []FactState        // whether it should still be allowed, as answered last, by name
	CheckedAt workflows.Instant  // when that was recorded last; zero: never
	Hand      workflows.PersonID // who says that they removed it by hand
}

// State is a grant stream as its recorded events say.
type State struct {
	Stream    workflows.StreamID
	Holds     []Hold // in order of approval
	Delivered map[string]workflows.Delivery
	Seq       int64
}

// Fold turns a grant stream's history into its state; it refuses gaps and foreign events.
func Fold(h []workflows.Record) (State, error) {
	s := State{Delivered: map[string]workflows.Delivery{}}
	if len(h) == 0 {
		return s, nil
	}
	if err := workflows.CheckSeq(h); err != nil {
		return State{}, err
	}
	s.Stream = h[0].Stream
	for _, r := range h {
		if err := s.apply(r); err != nil {
			return State{}, fmt.Errorf("folding %q at seq %d: %w", r.Stream, r.Seq, err)
		}
		s.Seq = r.Seq
	}
	return s, nil
}

// Find gives a hold by its grant's id.
func (s State) Find(id workflows.GrantID) (Hold, bool) {
	if i := s.index(id); i >= 0 {
		return s.Holds[i], true
	}
	return Hold{}, false
}

func (s State) index(id workflows.GrantID) int {
	for i := range s.Holds {
		if s.Holds[i].Approved.Grant == id {
			return i
		}
	}
	return -1
}

// Live tells whether the hold counts as access: approved, active, or still to be taken back.
func (h Hold) Live() bool {
	return h.Status == StatusApproved || h.Status == StatusActive || h.Status == StatusEnding
}

func (s *State) apply(r workflows.Record) error {
	switch e := r.Event.(type) {
	case Approved:
		if err := s.checkApproved(e, r.At.UTC); err != nil {
			return err
		}
		s.Holds = append(s.Holds, Hold{
			Approved: e, At: r.At, Status: StatusApproved,
			Ends: workflows.Instant{UTC: e.EndsAt, Mono: e.EndsMono},
		})
		return nil
	case workflows.Refused:
		return nil
	case workflows.NoticeDelivered:
		s.Delivered[e.Notice] = workflows.Delivery{OK: true, Via: e.Via, Place: e.Place, At: r.At, Seq: r.Seq}
		return nil
	case workflows.NoticeUndelivered:
		s.Delivered[e.Notice] = workflows.Delivery{Why: e.Why, At: r.At, Seq: r.Seq}
		return nil
	}
	i := s.index(grantOf(r.Event))
	if i < 0 {
		return fmt.Errorf("%s for a grant that was never approved", r.Event.Kind())
	}
	if e, ok := r.Event.(Ending); ok && e.KeptBy != "" {
		k, found := s.Find(e.KeptBy)
		if !found || !s.Holds[i].Approved.Shared || e.KeptBy == e.Grant || (k.Status != StatusApproved && k.Status != StatusActive) {
			return fmt.Errorf("grant %q is kept by %q, which cannot keep it", e.Grant, e.KeptBy)
		}
	}
	return s.Holds[i].apply(r)
}

// checkApproved refuses access that ends before it begins, and an extension of what is not there or past its cap.
func (s *State) checkApproved(e Approved, at workflows.Stamp) error {
	if s.index(e.Grant) >= 0 {
		return fmt.Errorf("grant %q approved twice", e.Grant)
	}
	if e.StartsAt != 0 && e.EndsAt <= e.StartsAt {
		return fmt.Errorf("grant %q ends before it begins", e.Grant)
	}
	if e.Extends == "" {
		return nil
	}
	h, ok := s.Find(e.Extends)
	first, _ := s.Row(e.Extends)
	switch {
	case !ok || (h.Status != StatusApproved && h.Status != StatusActive):
		return fmt.Errorf("grant %q extends %q, which is not active", e.Grant, e.Extends)
	case e.First != first || e.Cap <= 0:
		return fmt.Errorf("grant %q extends a row that began at %s as if it had begun at %s, with a cap of %s", e.Grant, first, e.First, e.Cap)
	case e.EndsAt > first.Add(e.Cap.Duration()):
		return fmt.Errorf("grant %q extends its row past the cap of %s", e.Grant, e.Cap)
	}
	return nil
}

// Row is when the row of extensions that a grant belongs to began, and how many extensions it has had up to this grant; zero for a grant that
// is not there.
func (s State) Row(id workflows.GrantID) (first workflows.Stamp, renewals int) {
	for range len(s.Holds) {
		h, ok := s.Find(id)
		if !ok {
			return first, renewals
		}
		if first = h.Approved.StartsAt; first == 0 {
			first = h.At.UTC
		}
		if h.Approved.Extends == "" {
			return first, renewals
		}
		id, renewals = h.Approved.Extends, renewals+1
	}
	return first, renewals
}

// Held is the access that lasts longest of what is approved or active at a moment; false when there is none. It is what a further ask is held
// against: there is no need to ask for what one has.
func (s State) Held(now workflows.Stamp) (Hold, bool) {
	var best Hold
	for _, h := range s.Holds {
		if (h.Status == StatusApproved || h.Status == StatusActive) && now < h.Ends.UTC && h.Ends.UTC > best.Ends.UTC {
			best = h
		}
	}
	return best, best.Status != ""
}

func grantOf(e workflows.Event) workflows.GrantID {
	switch e := e.(type) {
	case Started:
		return e.Grant
	case AttemptFailed:
		return e.Grant
	case Failed:
		return e.Grant
	case Ending:
		return e.Grant
	case Overdue:
		return e.Grant
	case Revoked:
		return e.Grant
	case Verified:
		return e.Grant
	case SecretKept:
		return e.Grant
	case SecretTaken:
		return e.Grant
	case SecretDestroyed:
		return e.Grant
	case SecretLeaked:
		return e.Grant
	case Checked:
		return e.Grant
	case RemovedByHand:
		return e.Grant
	case SessionSeen:
		return e.Grant
	case SessionEnded:
		return e.Grant
	}
	return ""
}

// may holds every event of a hold against where the hold is. A failed hold is final; an ended one may only be taken back again.
func (h *Hold) may(e workflows.Event) bool {
	switch e.(type) {
	case SecretKept, SecretTaken, SecretDestroyed, SecretLeaked:
		return h.maySecret(e)
	case SessionSeen, SessionEnded:
		return h.maySession(e)
	case Started:
		return h.StartedSeq == 0 && h.Status != StatusFailed
	case AttemptFailed:
		return h.Live()
	case Failed:
		return h.Status == StatusApproved
	case Ending:
		return h.Status != StatusFailed && (h.Status != StatusEnding || h.crossed())
	case Overdue, Revoked:
		return h.Status == StatusEnding
	case Verified:
		return h.confirms() || h.Status == StatusEnding && h.RevokedSeq > 0
	case Checked:
		return h.Status == StatusApproved || h.Status == StatusActive
	case RemovedByHand:
		return h.Status == StatusEnding && h.Level > 0
	}
	return false
}

// confirms tells whether reading back is all that the revocation on record still wants.
func (h *Hold) confirms() bool { return h.Status == StatusEnded && h.unread() }

// whyCrossed is why access is taken back again whose making and taking back crossed each other on the way to the target.
const whyCrossed = "made while it was being taken back"

// crossed tells whether the target's answer to the grant came in after the last order to take it back.
func (h *Hold) crossed() bool { return h.StartedSeq > h.EndingSeq && h.EndingSeq > 0 }

func (h *Hold) apply(r workflows.Record) error {
	if !h.may(r.Event) {
		return fmt.Errorf("%s while %s", r.Event.Kind(), h.Status)
	}
	switch e := r.Event.(type) {
	case Started:
		h.Started, h.StartedAt, h.StartedSeq = e, r.At, r.Seq
		if h.Status == StatusApproved {
			h.Status = StatusActive
		}
	case AttemptFailed:
		h.Attempts++
		h.FailedOps = append(h.FailedOps, e.Op)
	case Failed:
		h.Status, h.Failure, h.EndedAt = StatusFailed, e.Why, r.At
	case Ending:
		h.How, h.Why, h.KeptBy, h.EndingAt, h.EndedBy, h.EndingSeq = e.How, e.Why, e.KeptBy, r.At, r.Person, r.Seq
		h.Status, h.Presence, h.Level = StatusEnding, "", 0
		if e.KeptBy != "" {
			h.Status, h.EndedAt = StatusEnded, r.At
		}
	case Overdue:
		h.Level = e.Level
	case Revoked:
		h.Status, h.EndedAt, h.Presence, h.Leaves = StatusEnded, r.At, e.Presence, e.Leaves
		h.RevokedSeq = cmp.Or(h.RevokedSeq, r.Seq)
		h.applySession(r)
	case SessionSeen, SessionEnded:
		h.applySession(r)
	case Verified:
		if h.Status == StatusEnding {
			h.Status, h.EndedAt = StatusEnded, r.At
		}
		h.Presence = cmp.Or(e.Presence, presenceAbsent)
		h.applySession(r)
	case SecretKept, SecretTaken, SecretDestroyed, SecretLeaked:
		h.applySecret(r)
	case Checked:
		h.checked(r, e)
	case RemovedByHand:
		h.Status, h.EndedAt, h.Presence, h.Hand = StatusEnded, r.At, presenceByHand, r.Person
	}
	return nil
}

// unread tells whether the target has not been read back as without the access yet.
func (h *Hold) unread() bool {
	return h.Presence == presenceUnconfirmed || h.Presence == presenceByHand
}

// What reading a revocation back showed.
const (
	presenceAbsent      = "absent"
	presenceUnconfirmed = "unconfirmed"
)
