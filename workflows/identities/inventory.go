package identities

import (
	"fmt"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

const hour = time.Hour

// short is a moment as a refusal says it.
func short(s workflows.Stamp) string { return s.Time().Format("2006-01-02 15:04") + " UTC" }

// IdentityState is the stream of one non-human identity as its recorded events say.
type IdentityState struct {
	ID         workflows.IdentityID
	Registered *Registered // nil: not in the configuration folder
	Claims     []Claim     // what each source says now, in the order in which they first spoke
	First      workflows.Instant
	Life       Life
	Windows    []WindowState
	Seq        int64

	Quarantine Quarantine
	Watches    Watches
}

// WindowState is a standing window with how often it was used.
type WindowState struct {
	WindowGranted
	At     workflows.Instant
	Uses   []workflows.Instant
	Closed workflows.Stamp // zero: it was not closed
}

// FoldIdentity turns an identity's history into its state; it refuses gaps, foreign events, and a use that no window allowed.
func FoldIdentity(h []workflows.Record) (IdentityState, error) {
	var s IdentityState
	if len(h) == 0 {
		return s, nil
	}
	if err := workflows.CheckSeq(h); err != nil {
		return IdentityState{}, err
	}
	for _, r := range h {
		if err := s.Apply(r); err != nil {
			return IdentityState{}, fmt.Errorf("folding %q at seq %d: %w", r.Stream, r.Seq, err)
		}
	}
	return s, nil
}

// Apply takes the next entry of the stream into the state.
func (s *IdentityState) Apply(r workflows.Record) error {
	if s.ID == "" {
		s.ID, s.First = workflows.IdentityID(r.Stream.Rest()), r.At
	}
	s.Seq = r.Seq
	if ours, err := s.Quarantine.applies(r); ours {
		return err
	}
	if ours, err := s.Watches.applies(r); ours {
		return err
	}
	switch e := r.Event.(type) {
	case Registered:
		s.Registered = &e
		s.claim(SourceFile, e.entry(), Claimed{}, r)
	case Removed:
		s.Registered = nil
		s.leave(SourceFile)
	case Claimed:
		if e.Source == "" || e.Source == SourceFile {
			return fmt.Errorf("a claim of the source %q", e.Source)
		}
		s.claim(e.Source, e.Says, e, r)
		s.sees(e.Source, e.Says)
		s.Life.Lively = true
	case Vanished:
		if !s.leave(e.Source) {
			return fmt.Errorf("the source %q vanished, which never spoke", e.Source)
		}
	case WindowGranted:
		if e.Window == "" || s.index(e.Window) >= 0 {
			return fmt.Errorf("window %q granted twice, or without an id", e.Window)
		}
		s.Windows = append(s.Windows, WindowState{WindowGranted: e, At: r.At})
	case WindowUsed:
		i := s.index(e.Window)
		if i < 0 {
			return fmt.Errorf("use of window %q, which was never granted", e.Window)
		}
		if no := s.Windows[i].spent(r.At.UTC); no != nil {
			return fmt.Errorf("use of window %q, which did not allow it: %s", e.Window, no.Sentence)
		}
		s.Windows[i].Uses = append(s.Windows[i].Uses, r.At)
	case WindowClosed:
		i := s.index(e.Window)
		if i < 0 || s.Windows[i].Closed != 0 {
			return fmt.Errorf("closing window %q, which is not open", e.Window)
		}
		s.Windows[i].Closed = r.At.UTC
	case KillDrilled:
		return s.drilled(r, e)
	case workflows.Refused, Authenticated:
	case workflows.NoticeDelivered:
		s.told(e.Notice)
	case workflows.NoticeUndelivered:
		s.told(e.Notice)
	default:
		known, err := s.applyLife(r)
		if !known {
			err = fmt.Errorf("%s does not belong to an identity", r.Event.Kind())
		}
		return err
	}
	return nil
}

// told notes that a message was sent, or never will be.
func (s *IdentityState) told(notice string) {
	next := map[string]bool{notice: true}
	for k := range s.Life.Delivered {
		next[k] = true
	}
	s.Life.Delivered = next
}

func (s IdentityState) index(window string) int {
	for i := range s.Windows {
		if s.Windows[i].Window == window {
			return i
		}
	}
	return -1
}

// Recent is how often the window was used within its period, counted back from a moment.
func (w WindowState) Recent(now workflows.Stamp) int {
	n := 0
	since := now.Add(-w.Terms.Per.Duration())
	for _, u := range w.Uses {
		if u.UTC > since {
			n++
		}
	}
	return n
}

// spent says why the window allows nothing more at a moment, whatever is asked; nil when it does.
func (w WindowState) spent(now workflows.Stamp) *workflows.Refusal {
	const next = "The ask goes through its normal chain."
	switch {
	case w.Closed != 0:
		return workflows.Refuse(workflows.CodeWindow, "The standing window was closed at "+short(w.Closed)+".", next)
	case now >= w.EndsAt:
		return workflows.Refuse(workflows.CodeWindow, "The standing window ended at "+short(w.EndsAt)+".", next)
	case len(w.Uses) >= w.Terms.Budget:
		return workflows.Refusef(workflows.CodeWindow, next, "The standing window's budget of %d grants is used up.", w.Terms.Budget)
	case w.Recent(now) >= w.Terms.Times:
		return workflows.Refusef(workflows.CodeWindow, next, "The standing window allows %d grants within %s, and they are used up.", w.Terms.Times, w.Terms.Per)
	}
	return nil
}

// WindowFor finds the standing window that covers an ask of this identity at a moment, or says why none of those that it has for the
// entitlement does. hours tells whether the moment lies in the hours of a window's terms; only a calendar knows. With no window at all both
// answers are nil.
func (s IdentityState) WindowFor(t workflows.TargetID, e workflows.EntitlementID, seconds workflows.Span, now workflows.Stamp, hours func(workflows.WindowTerms) bool) (*WindowState, *workflows.Refusal) {
	var no *workflows.Refusal
	for i := range s.Windows {
		w := s.Windows[i]
		if w.Target != t || w.Entitlement != e {
			continue
		}
		r := w.spent(now)
		switch {
		case r != nil:
		case seconds > w.Terms.Lifetime:
			r = workflows.Refusef(workflows.CodeWindow, "Ask for less, or through the normal chain.", "The standing window allows %s at a time.", w.Terms.Lifetime)
		case !hours(w.Terms):
			r = workflows.Refusef(workflows.CodeWindow, "The ask goes through its normal chain.", "The standing window is open %s (%s).", w.Terms.Hours, w.Terms.Zone)
		default:
			return &w, nil
		}
		no = r
	}
	return nil, no
}
