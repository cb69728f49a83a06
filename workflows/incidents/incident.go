package incidents

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/workflows"
)

// State is a runbook's stream as its recorded events say.
type State struct {
	ID        workflows.RunbookID
	Approvals []Approval
	Uses      []Use
	Delivered map[string]workflows.Delivery
	Seq       int64
}

// Approval is one pre-approval of an exact text.
type Approval struct {
	Preapproved
	At  workflows.Instant
	Seq int64
}

// Use is one invocation.
type Use struct {
	Invoked
	At  workflows.Instant
	By  workflows.PersonID
	Seq int64
}

// Fold turns a runbook's history into its state; it refuses gaps and foreign events. No history is a runbook that nobody
// has approved yet.
func Fold(h []workflows.Record) (State, error) {
	s := State{Delivered: map[string]workflows.Delivery{}}
	if len(h) == 0 {
		return s, nil
	}
	if err := workflows.CheckSeq(h); err != nil {
		return State{}, err
	}
	s.ID = workflows.RunbookID(h[0].Stream.Rest())
	for _, r := range h {
		switch e := r.Event.(type) {
		case Preapproved:
			s.Approvals = append(s.Approvals, Approval{e, r.At, r.Seq})
		case Invoked:
			s.Uses = append(s.Uses, Use{e, r.At, r.Person, r.Seq})
		case workflows.Refused:
		case workflows.NoticeDelivered:
			s.Delivered[e.Notice] = workflows.Delivery{OK: true, Via: e.Via, Place: e.Place, At: r.At, Seq: r.Seq}
		case workflows.NoticeUndelivered:
			s.Delivered[e.Notice] = workflows.Delivery{Why: e.Why, At: r.At, Seq: r.Seq}
		default:
			return State{}, fmt.Errorf("folding %q at seq %d: %s does not belong to a runbook", r.Stream, r.Seq, r.Event.Kind())
		}
		s.Seq = r.Seq
	}
	return s, nil
}

// Readiness is whether the exact text may be invoked now: the standing approval, how many uses are left, or why not.
func (s State) Readiness(doc workflows.DocHash, now workflows.Stamp) (a Approval, left int, no *workflows.Refusal) {
	other := false
	for i := len(s.Approvals) - 1; i >= 0; i-- {
		a = s.Approvals[i]
		if a.Document != doc {
			other = true
			continue
		}
		left = a.Uses - s.usesSince(a)
		switch {
		case now.After(a.Until):
			return a, 0, workflows.Refuse(workflows.CodeRunbook, "The approval of this runbook ran out at "+a.Until.Time().Format("2006-01-02 15:04")+" UTC.", askApproval)
		case left <= 0:
			return a, 0, workflows.Refusef(workflows.CodeRunbook, askApproval, "All %d approved uses of this runbook are spent.", a.Uses)
		}
		return a, left, nil
	}
	if other {
		return Approval{}, 0, workflows.Refuse(workflows.CodeRunbook, "This runbook was changed since it was approved.", askApproval)
	}
	return Approval{}, 0, workflows.Refuse(workflows.CodeRunbook, "Nobody has approved this runbook yet.", askApproval)
}

const askApproval = "Ask for its approval with `/access request`, or ask for the access through its normal chain."

func (s State) usesSince(a Approval) int {
	n := 0
	for _, u := range s.Uses {
		if u.Document == a.Document && u.Seq > a.Seq && !u.Drill { // by order, not by time: clocks step back
			n++
		}
	}
	return n
}

// Invocation is somebody breaking the glass, with everything that was asked of the world.
type Invocation struct {
	By       workflows.Acting
	Standing workflows.Standing // Selected: is among the invokers
	Book     Runbook            // as it stands now, with the hash of its exact text
	Policy   workflows.DocHash
	Incident string
	Reason   string
	Grant    workflows.GrantID
	Review   workflows.ReviewID
	Skipped  []workflows.PersonID
	Owner    workflows.PersonID // who will review: never the invoker; empty: nobody could
	Payload  string
	Authn    string
	Channel  string
	Drill    bool
	Clean    map[string]string        // the runbook's own fields, checked
	Fields   []workflows.FieldProblem // what is wrong with them
	Account  string
}

const maxIncident = 60

// Invoke re-checks every condition and records the invocation. The caller adds the grant and the review in the same
// transaction.
func Invoke(f workflows.Facts, in Invocation) (workflows.Outcome, error) {
	stream := workflows.RunbookStream(in.Book.ID)
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return workflows.Outcome{}, err
	}
	if r := s.refuse(in, f.Now.UTC); r != nil {
		return workflows.RefuseOn(stream, in.By, "break glass", in.Channel, in.Incident, r), nil
	}
	var out workflows.Outcome
	out.Add(stream, in.By, in.Policy, Invoked{
		Document: in.Book.Document, Incident: in.Incident, Reason: in.Reason, Grant: in.Grant, Review: in.Review,
		Skipped: in.Skipped, EndsAt: f.Now.UTC.Add(in.Book.Longest.Duration()), Notify: in.Book.Notify,
		Authn: in.Authn, Channel: in.Channel, Payload: in.Payload, Drill: in.Drill,
		Answers: workflows.Answers{
			Who:  fmt.Sprintf("%s, one of the runbook's invokers, by %s", in.By.Person, in.Authn),
			What: fmt.Sprintf("hold %s for %s", in.Book.Grant.Name(), in.Book.Longest),
			Now:  fmt.Sprintf("incident %s is named and the exact text %s is approved", in.Incident, in.Book.Document),
		},
	})
	return out, nil
}

func (s State) refuse(in Invocation, now workflows.Stamp) *workflows.Refusal {
	if r := in.Standing.Refusal(); r != nil {
		return r
	}
	if !in.Standing.Selected {
		return workflows.Refuse(workflows.CodeNotEligible, "You are not on this runbook's list of invokers.", "Ask somebody who is, or ask through the normal chain with `/access request`.")
	}
	if !MatchesIncident(in.Book.IncidentPattern, in.Incident) {
		return workflows.Refusef(workflows.CodeBadField, "Type `/breakglass "+string(in.Book.ID)+" INC-123`.", "Name the incident, in the form %s.", in.Book.IncidentPattern)
	}
	if _, _, no := s.Readiness(in.Book.Document, now); no != nil {
		return no
	}
	switch {
	case in.Owner == "" || in.Owner == in.By.Person:
		return workflows.Refuse(workflows.CodeNobody, "Nobody but you could review this afterwards, so it cannot be invoked.", "Ask the runbook's owner to add a reviewer.")
	case utf8.RuneCountInString(in.Reason) > workflows.MaxReason:
		return workflows.Refusef(workflows.CodeTooLong, "", "A reason has at most %d characters.", workflows.MaxReason)
	case len(in.Fields) > 0:
		return workflows.Refuse(workflows.CodeBadField, in.Fields[0].Field+": "+in.Fields[0].Text, "")
	case in.Book.Grant.Account && in.Account == "":
		return workflows.Refuse(workflows.CodeNotInInventory, "You have no account on record on "+in.Book.Grant.TargetTitle+".", "Ask the operator to add it to the people file.")
	}
	return nil
}

// MatchesIncident tells whether the whole text has the runbook's form of an incident number.
func MatchesIncident(pattern, incident string) bool {
	if pattern == "" || incident == "" || len(incident) > maxIncident || strings.ContainsAny(incident, " \t\r\n") {
		return false
	}
	return workflows.MatchesWhole(pattern, incident)
}

// Pending is everything the stream still owes to the world: the loud part.
func Pending(s State) []workflows.Job {
	var out []workflows.Job
	for _, n := range s.Notices() {
		out = append(out, n.Job())
	}
	return out
}

// Notices are the messages that are still owed for every invocation.
func (s State) Notices() []workflows.Notice {
	var out []workflows.Notice
	for _, u := range s.Uses {
		owe := func(n workflows.Notice) {
			n.Grant, n.Urgent = u.Grant, true
			if _, done := s.Delivered[n.ID]; !done {
				out = append(out, n)
			}
		}
		if u.Notify != "" {
			owe(workflows.Notice{ID: workflows.NoticeInvoked + "/" + string(u.Grant), What: workflows.NoticeInvoked, Channel: u.Notify})
		}
		for i, p := range u.Skipped {
			if p == "" || slices.Contains(u.Skipped[:i], p) {
				continue
			}
			owe(workflows.Notice{ID: workflows.NoticeSkipped + "/" + string(u.Grant) + "/" + string(p), What: workflows.NoticeSkipped, To: p})
		}
	}
	return out
}

// FindNotice gives an owed notice by its id; false when it is delivered or no longer owed.
func (s State) FindNotice(id string) (workflows.Notice, bool) {
	for _, n := range s.Notices() {
		if n.ID == id {
			return n, true
		}
	}
	return workflows.Notice{}, false
}

// UseOf finds an invocation by its grant.
func (s State) UseOf(g workflows.GrantID) (Use, bool) {
	for _, u := range s.Uses {
		if u.Grant == g {
			return u, true
		}
	}
	return Use{}, false
}

// ListAll lists every runbook that was ever approved or invoked.
const ListAll = "runbooks.all"

// Listings are the lists the runbook stands on.
func Listings(s State) []workflows.Listing {
	if s.ID == "" {
		return nil
	}
	return []workflows.Listing{{List: ListAll}}
}
