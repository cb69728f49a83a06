package targets

import (
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// MaxFindings bounds the findings that one target has open: the ledger keeps them for ever, and more than these are not read
// by anybody. What is beyond is counted in Swept and named when others are over.
const MaxFindings = 500

// quiet is how long a sweep that found nothing new goes unrecorded: that sweeps go on is worth an entry a day.
const quiet = 24 * time.Hour

// Sweep is what a comparison of the target with the ledger gave.
type Sweep struct {
	Found   []Found  // everything that is found now, new or known; at most MaxFindings
	Removed []string // findings that the bot just took away
	More    int64    // findings beyond those
	Seen    int64
	Grants  int64
	Unread  string // the target could not be read to the end: what is not found may be there
	Asked   workflows.Acting
	Owner   workflows.PersonID
	Alarm   string
}

// Record compares a sweep with what was known. It records what is new, what is over, and the sweep itself when something changed,
// a day has gone by, or a person asked for it. A finding that is found again stays the one it is.
func Record(f workflows.Facts, stream workflows.StreamID, w Sweep) (out workflows.Outcome, err error) {
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return out, err
	}
	by := w.Asked
	if by.Actor == "" {
		by = workflows.System
	}
	e := Swept{Seen: w.Seen, Grants: w.Grants, New: w.More, Unread: w.Unread, Owner: w.Owner, Alarm: w.Alarm}
	now := map[string]bool{}
	open := len(s.Open)
	for _, x := range w.Found {
		now[x.Finding] = true
		if _, known := s.Open[x.Finding]; known || slices.Contains(w.Removed, x.Finding) {
			continue
		}
		if e.New++; open < MaxFindings {
			open++
			out.Add(stream, workflows.System, "", x)
		}
	}
	for _, x := range s.Sorted() {
		id := x.Found.Finding
		if w.Unread != "" || now[id] || w.More > 0 {
			continue // not read to the end: what did not come may be there
		}
		e.Cleared++
		out.Add(stream, workflows.System, "", Cleared{Finding: id, How: OverGone})
	}
	e.Open = standing(s, out)
	changed := e.New > 0 || e.Cleared > 0 || e.Unread != s.Swept.Unread || len(s.overdue(f.Now.UTC)) > 0
	if changed || w.Asked.Actor != "" || s.SweptAt == 0 || f.Now.UTC.Sub(s.SweptAt) >= quiet {
		out.Add(stream, by, "", e)
	}
	return out, nil
}

// standing counts what stands after the events of an outcome.
func standing(s State, out workflows.Outcome) int64 {
	n := int64(s.Standing())
	for _, e := range out.Events {
		switch e := e.Event.(type) {
		case Found:
			n++
		case Cleared:
			if !s.Open[e.Finding].Accepted {
				n--
			}
		}
	}
	return n
}

// Remove records that the bot took away what a finding is about.
func Remove(f workflows.Facts, stream workflows.StreamID, finding string, facts map[string]string) (out workflows.Outcome, err error) {
	s, err := Fold(f.Histories[stream])
	if _, open := s.Open[finding]; err != nil || !open {
		return out, err
	}
	out.Add(stream, workflows.System, "", Cleared{Finding: finding, How: OverRemoved, Facts: facts})
	return out, nil
}

// Fail records that taking it away did not work, once for each kind of trouble.
func Fail(f workflows.Facts, stream workflows.StreamID, e RemoveFailed) (out workflows.Outcome, err error) {
	s, err := Fold(f.Histories[stream])
	x, open := s.Open[e.Finding]
	if err != nil || !open || x.Trouble.Class == e.Class && x.Trouble.Text == e.Text {
		return out, err
	}
	out.Add(stream, workflows.System, "", e)
	return out, nil
}

// Answer is somebody who answers for access that no grant explains.
type Answer struct {
	By      workflows.Acting
	May     bool // they own the target, or hold the role security
	Finding string
	Reason  string
	Channel string
	Authn   string
}

// Accept records it. What the policy takes away by itself cannot be accepted: it is asked for, like everything else.
func Accept(f workflows.Facts, stream workflows.StreamID, a Answer) (out workflows.Outcome, err error) {
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return out, err
	}
	x, open := s.Open[a.Finding]
	var no *workflows.Refusal
	switch {
	case !a.May:
		no = workflows.Refuse(workflows.CodeNotEligible, "The owner of the target and security answer for what is found there.", "Ask one of them.")
	case !open:
		no = workflows.Refuse(workflows.CodeUnknown, "There is no such finding, or it is over.", "countersign drift lists them.")
	case strings.TrimSpace(a.Reason) == "":
		no = workflows.Refuse(workflows.CodeReasonNeeded, "A reason is needed.", "Say what the access is for.")
	case len([]rune(a.Reason)) > workflows.MaxReason:
		no = workflows.Refusef(workflows.CodeTooLong, "", "A reason has at most %d characters.", workflows.MaxReason)
	case x.Accepted:
		return out, nil
	case x.Found.Act == ActRevoke:
		no = workflows.Refuse(workflows.CodeNotEligible, "The settings of this target have such access taken away.", "Ask for the access under a workflow, or change on_unknown_access.")
	}
	if no != nil {
		return workflows.RefuseOn(workflows.SystemStream, a.By, "drift accept", a.Channel, a.Finding, no), nil
	}
	out.Add(stream, a.By, "", Accepted{Finding: a.Finding, Reason: a.Reason, Channel: a.Channel, Authn: a.Authn})
	return out, nil
}
