package grants

import (
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// Checked records what came of asking again whether access should still be allowed: when it is made, whenever an answer changes, and once a
// day while it lasts. It is the third of the three answers of a decision, asked again (R59).
type Checked struct {
	Grant   workflows.GrantID `json:"grant"`
	Trigger string            `json:"trigger"` // CheckStart …
	Facts   []Fact            `json:"facts"`   // what was asked, by name; what was not asked this time stands as it was
}

// Fact is one question with its answer.
type Fact struct {
	Name   string `json:"name"`             // FactRequester …
	Answer string `json:"answer"`           // Yes, No, CannotTell
	Why    string `json:"why,omitempty"`    // a sentence without names: what speaks against it, or who does not answer
	Source string `json:"source,omitempty"` // who answered, where there are several: a task source, a posture source
}

// Answers to a fact.
const (
	Yes        = "yes"
	No         = "no"
	CannotTell = "cannot_tell"
)

// What is asked again about.
const (
	FactRequester = "requester" // active, and no other reason to refuse them
	FactHolder    = "holder"    // likewise, where somebody else holds it
	FactIdentity  = "identity"  // a non-human holder: in the inventory, not expired, not quarantined, somebody answers for it
	FactTask      = "task"      // open, and its window covers the moment
	FactPolicy    = "policy"    // the documents still allow it
	FactPosture   = "posture"   // every claim that the policy needs holds
	FactSponsor   = "sponsor"   // who answers for a non-human holder, when it is made
	FactApprovers = "approvers" // active and not quarantined; a no tells the owner and ends nothing
)

// Why it was asked again.
const (
	CheckStart    = "start"    // right before the target is called
	CheckSchedule = "schedule" // every few minutes
	CheckEvent    = "event"    // somebody left, was locked, or changed; the documents changed; a source said so
)

// checkedEvery is how often unchanged answers are recorded all the same, so that the ledger shows that they were asked for. Once a day is one
// entry for most grants, which last hours, and keeps a standing one from filling the ledger.
const checkedEvery = 24 * time.Hour

// Kind names for the ledger.
func (Checked) Kind() string { return "grant.checked" }

// FactState is a fact as answered last.
type FactState struct {
	Fact
	Since workflows.Instant // when this answer was given first, without another one in between
	Seq   int64             // of the entry that says so
}

// Binds tells whether a no ends the access.
func (f Fact) Binds() bool { return f.Name != FactApprovers }

func (h *Hold) checked(r workflows.Record, e Checked) {
	h.CheckedAt = r.At
	for _, f := range e.Facts {
		i := slices.IndexFunc(h.Facts, func(s FactState) bool { return s.Name == f.Name })
		switch {
		case i < 0:
			h.Facts = append(h.Facts, FactState{Fact: f, Since: r.At, Seq: r.Seq})
		case h.Facts[i].Answer != f.Answer:
			h.Facts[i] = FactState{Fact: f, Since: r.At, Seq: r.Seq}
		default:
			h.Facts[i].Fact = f
		}
	}
	sort.Slice(h.Facts, func(i, j int) bool { return h.Facts[i].Name < h.Facts[j].Name })
}

// Unverified is the fact that nobody has been able to tell about for longest, among those that a grant hangs on; false when all are told.
func (h Hold) Unverified() (FactState, bool) {
	var out FactState
	for _, f := range h.Facts {
		if f.Answer == CannotTell && f.Binds() && (out.Name == "" || f.Since.UTC < out.Since.UTC) {
			out = f
		}
	}
	return out, out.Name != ""
}

// unverifiedEnds is when active access ends because nobody can tell any more whether it should be allowed; zero for what keeps its own end.
func (h Hold) unverifiedEnds() workflows.Instant {
	f, ok := h.Unverified()
	if !ok || h.Status != StatusActive || h.Approved.MaxUnverified <= 0 {
		return workflows.Instant{}
	}
	return f.Since.Add(h.Approved.MaxUnverified.Duration())
}

// news tells whether answers say anything that is not on record.
func (h Hold) news(e Checked, now workflows.Instant) bool {
	if h.CheckedAt.IsZero() || now.UTC >= h.CheckedAt.UTC.Add(checkedEvery) {
		return true
	}
	return slices.ContainsFunc(e.Facts, func(f Fact) bool {
		return !slices.ContainsFunc(h.Facts, func(s FactState) bool { return s.Name == f.Name && s.Answer == f.Answer })
	})
}

// Check records the answers of asking again, if they are news, and ends the access if one that it hangs on is no. Cannot tell ends nothing
// here: Tick does, when it has lasted too long.
func Check(f workflows.Facts, stream workflows.StreamID, e Checked) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return out, err
	}
	h, ok := s.Find(e.Grant)
	if !ok || h.Status != StatusApproved && h.Status != StatusActive || len(e.Facts) == 0 {
		return out, nil
	}
	sort.Slice(e.Facts, func(i, j int) bool { return e.Facts[i].Name < e.Facts[j].Name })
	if h.news(e, f.Now) {
		out.Add(stream, workflows.System, "", e)
	}
	for _, x := range e.Facts {
		if x.Answer == No && x.Binds() && e.Trigger != CheckStart {
			out.Add(stream, workflows.System, "", s.ending(h, HowRevoked, x.Why))
			break
		}
	}
	return out, nil
}

// stale says for people that nobody could tell for too long.
func (f FactState) stale(limit workflows.Span) string {
	return "For " + limit.String() + " nobody could tell whether it should still be allowed (" + f.Name + "): " + f.Why
}

// doubtAfter is how long an answer may be missing before the owner hears of it: a chat or a ticket system that restarts is no news.
const doubtAfter = 5 * time.Minute

// doubts tell the owner that nobody can tell whether access should still be allowed, and that somebody who approved it is gone.
func (h Hold) doubts() []workflows.Notice {
	a := h.Approved
	var out []workflows.Notice
	owe := func(what string, f FactState, due workflows.Stamp) {
		id := what + "/" + string(a.Grant) + "/" + f.Name + "/" + number(f.Seq) + "/" + string(a.Owner)
		out = append(out, workflows.Notice{ID: id, What: what, To: a.Owner, Grant: a.Grant, Urgent: true, Due: due})
	}
	for _, f := range h.Facts {
		switch {
		case a.Owner == "":
		case f.Answer == CannotTell && f.Binds():
			owe(workflows.NoticeUnverified, f, f.Since.UTC.Add(doubtAfter))
		case f.Answer == No && !f.Binds():
			owe(workflows.NoticeApproverGone, f, 0)
		}
	}
	return out
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
