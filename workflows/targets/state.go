package targets

import (
	"fmt"
	"slices"
	"sort"

	"github.com/countersign-bot/countersign/workflows"
)

// Finding is one that stands.
type Finding struct {
	Found    Found
	At       workflows.Stamp
	Seq      int64
	Trouble  RemoveFailed // the last; zero: none
	Accepted bool
	By       workflows.PersonID // who answers for it
	Reason   string
	Late     bool // its deadline has passed, and a sweep said so
}

// State is what is known of a target.
type State struct {
	Stream    workflows.StreamID
	Open      map[string]Finding // by name
	Swept     Swept              // the last recorded one
	SweptAt   workflows.Stamp
	Drilled   Drilled
	DrilledAt workflows.Stamp
	Delivered map[string]workflows.Delivery
	Seq       int64

	fresh    []string // findings since the last sweep was recorded
	tellings []telling
	drill    int64 // seq of the last drill
}

// telling is a sweep that found something, for as long as some of it stands.
type telling struct {
	seq      int64
	findings []string
	owner    workflows.PersonID
	alarm    string
}

// Fold turns a target's history into its state; it refuses gaps and foreign events.
func Fold(h []workflows.Record) (State, error) {
	s := State{Open: map[string]Finding{}, Delivered: map[string]workflows.Delivery{}}
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

func (s *State) apply(r workflows.Record) error {
	switch e := r.Event.(type) {
	case Found:
		if _, twice := s.Open[e.Finding]; twice || e.Finding == "" {
			return fmt.Errorf("finding %q is found twice, or has no name", e.Finding)
		}
		s.Open[e.Finding] = Finding{Found: e, At: r.At.UTC, Seq: r.Seq}
		s.fresh = append(s.fresh, e.Finding)
	case Cleared:
		if _, ok := s.Open[e.Finding]; !ok {
			return fmt.Errorf("finding %q is over and was never found", e.Finding)
		}
		delete(s.Open, e.Finding)
	case RemoveFailed:
		return s.change(e.Finding, func(x *Finding) { x.Trouble = e })
	case Accepted:
		if r.Person == "" {
			return fmt.Errorf("nobody accepts finding %q", e.Finding)
		}
		return s.change(e.Finding, func(x *Finding) { x.Accepted, x.By, x.Reason = true, r.Person, e.Reason })
	case Swept:
		s.swept(e, r)
	case Drilled:
		s.Drilled, s.DrilledAt, s.drill = e, r.At.UTC, r.Seq
	case workflows.NoticeDelivered:
		s.Delivered[e.Notice] = workflows.Delivery{OK: true, Via: e.Via, Place: e.Place, At: r.At, Seq: r.Seq}
	case workflows.NoticeUndelivered:
		s.Delivered[e.Notice] = workflows.Delivery{Why: e.Why, At: r.At, Seq: r.Seq}
	case workflows.Refused:
	default:
		return fmt.Errorf("%s does not belong to a target", r.Event.Kind())
	}
	return nil
}

func (s *State) change(finding string, do func(*Finding)) error {
	x, ok := s.Open[finding]
	if !ok {
		return fmt.Errorf("nothing is found under %q", finding)
	}
	do(&x)
	s.Open[finding] = x
	return nil
}

// swept forgets what nobody needs to be told any more: the state stays as small as what stands.
func (s *State) swept(e Swept, r workflows.Record) {
	s.tellings = slices.DeleteFunc(slices.Clone(s.tellings), func(t telling) bool { return !s.stands(t) })
	if late := s.overdue(r.At.UTC); len(late) > 0 {
		s.tellings = append(s.tellings, telling{seq: r.Seq, findings: slices.Concat(s.fresh, late), owner: e.Owner, alarm: e.Alarm})
		for _, id := range late {
			x := s.Open[id]
			x.Late = true
			s.Open[id] = x
		}
	} else if len(s.fresh) > 0 {
		s.tellings = append(s.tellings, telling{seq: r.Seq, findings: s.fresh, owner: e.Owner, alarm: e.Alarm})
	}
	for id := range s.Delivered {
		if !slices.ContainsFunc(s.tellings, func(t telling) bool { return t.hasNotice(id) }) && !isNoticeOf(id, prefixDrill, s.drill) {
			delete(s.Delivered, id)
		}
	}
	s.Swept, s.SweptAt, s.fresh = e, r.At.UTC, nil
}

func (s *State) stands(t telling) bool {
	return slices.ContainsFunc(t.findings, func(id string) bool { x, ok := s.Open[id]; return ok && !x.Accepted })
}

// overdue are the findings whose deadline has passed, which nobody answers for and which were not told again yet, in order.
func (s State) overdue(now workflows.Stamp) []string {
	var out []string
	for _, x := range s.Sorted() {
		if x.Found.Due != 0 && now >= x.Found.Due && !x.Accepted && !x.Late {
			out = append(out, x.Found.Finding)
		}
	}
	return out
}

// Standing counts the open findings that nobody answers for.
func (s State) Standing() int {
	n := 0
	for _, x := range s.Open {
		if !x.Accepted {
			n++
		}
	}
	return n
}

// Sorted gives the open findings, oldest first.
func (s State) Sorted() []Finding {
	out := make([]Finding, 0, len(s.Open))
	for _, x := range s.Open {
		out = append(out, x)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Seq < out[j].Seq })
	return out
}

// Told gives the findings that a notice tells of and that stand, oldest first.
func (s State) Told(noticeID string) []Finding {
	var out []Finding
	for _, t := range s.tellings {
		if !t.hasNotice(noticeID) {
			continue
		}
		for _, id := range t.findings {
			if x, ok := s.Open[id]; ok && !x.Accepted {
				out = append(out, x)
			}
		}
	}
	return out
}
