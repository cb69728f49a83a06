package reviews

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// State is a review as its recorded events say.
type State struct {
	ID        workflows.ReviewID
	Opened    Opened
	At        workflows.Instant
	Late      bool
	Closed    *Closed
	ClosedAt  workflows.Instant
	ClosedBy  workflows.PersonID
	Joined    []Use // further uses in the same incident
	Tasks     []TaskState
	Level     int // days for which it has been overdue, as recorded
	Delivered map[string]workflows.Delivery
	Seq       int64
}

// Use is a further use that the review is about.
type Use struct {
	Joined
	At workflows.Instant
}

// TaskState is a task and whether it was done.
type TaskState struct {
	Task
	Done   bool
	Note   string
	DoneAt workflows.Instant
	DoneBy workflows.PersonID
}

// Fold turns a review's history into its state; it refuses gaps, foreign events and anything after the verdict.
func Fold(h []workflows.Record) (State, error) {
	s := State{Delivered: map[string]workflows.Delivery{}}
	if len(h) == 0 {
		return s, workflows.ErrNoStream
	}
	if err := workflows.CheckSeq(h); err != nil {
		return State{}, err
	}
	for _, r := range h {
		if err := s.apply(r); err != nil {
			return State{}, fmt.Errorf("folding %q at seq %d: %w", r.Stream, r.Seq, err)
		}
		s.Seq = r.Seq
	}
	return s, nil
}

func (s *State) apply(r workflows.Record) error {
	if _, opens := r.Event.(Opened); s.ID == "" && !opens {
		return fmt.Errorf("%s before review.opened", r.Event.Kind())
	}
	switch e := r.Event.(type) {
	case Opened:
		if s.ID != "" {
			return fmt.Errorf("review.opened twice")
		}
		s.ID, s.Opened, s.At = workflows.ReviewID(r.Stream.Rest()), e, r.At
		s.addTasks(e.Tasks)
	case Joined:
		if s.Closed != nil {
			return fmt.Errorf("review.joined although it was closed already")
		}
		s.Joined = append(s.Joined, Use{e, r.At})
		s.addTasks(e.Tasks)
	case TaskDone:
		return s.taskDone(e, r)
	case Escalated:
		if s.Closed != nil || !s.Late || e.Level <= s.Level {
			return fmt.Errorf("review.escalated although it is closed, not overdue or was escalated already")
		}
		s.Level = e.Level
	case Overdue:
		if s.Closed != nil || s.Late {
			return fmt.Errorf("review.overdue although it was closed or overdue already")
		}
		s.Late = true
	case Closed:
		if s.Closed != nil {
			return fmt.Errorf("review.closed twice")
		}
		if open := s.OpenTasks(); len(open) > 0 {
			return fmt.Errorf("review.closed although task %s is open", open[0].ID)
		}
		if !s.MayReview(r.Person) {
			return fmt.Errorf("review.closed by %q, who may not review it", r.Person)
		}
		s.Closed, s.ClosedAt, s.ClosedBy = &e, r.At, r.Person
	case workflows.Refused:
	case workflows.NoticeDelivered:
		s.Delivered[e.Notice] = workflows.Delivery{OK: true, Via: e.Via, Place: e.Place, At: r.At, Seq: r.Seq}
	case workflows.NoticeUndelivered:
		s.Delivered[e.Notice] = workflows.Delivery{Why: e.Why, At: r.At, Seq: r.Seq}
	default:
		return fmt.Errorf("%s does not belong to a review", r.Event.Kind())
	}
	return nil
}

func (s *State) addTasks(list []Task) {
	for _, t := range list {
		s.Tasks = append(s.Tasks, TaskState{Task: t})
	}
}

func (s *State) taskDone(e TaskDone, r workflows.Record) error {
	i := slices.IndexFunc(s.Tasks, func(t TaskState) bool { return t.ID == e.Task })
	if i < 0 || s.Tasks[i].Done || s.Closed != nil {
		return fmt.Errorf("review.task_done for %q, which is not open", e.Task)
	}
	s.Tasks = slices.Clone(s.Tasks)
	s.Tasks[i].Done, s.Tasks[i].Note, s.Tasks[i].DoneAt, s.Tasks[i].DoneBy = true, e.Note, r.At, r.Person
	return nil
}

// OpenTasks are the tasks that are not done.
func (s State) OpenTasks() []TaskState {
	return slices.DeleteFunc(slices.Clone(s.Tasks), func(t TaskState) bool { return t.Done })
}

// Invokers are all who invoked or carried out what the review is about.
func (s State) Invokers() []workflows.PersonID {
	out := []workflows.PersonID{s.Opened.Invoker, s.Opened.Executor}
	for _, u := range s.Joined {
		out = append(out, u.Invoker, u.Executor)
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(p workflows.PersonID) bool { return p == "" })
}

// Grants are the grants of all uses that the review is about.
func (s State) Grants() []workflows.GrantID {
	out := []workflows.GrantID{s.Opened.Grant}
	for _, u := range s.Joined {
		out = append(out, u.Grant)
	}
	return slices.DeleteFunc(out, func(g workflows.GrantID) bool { return g == "" })
}

// Closing is a verdict about to be given.
type Closing struct {
	By       workflows.Acting
	Standing workflows.Standing
	Verdict  Verdict
	Note     string
	Authn    string
	Channel  string
}

const maxNote = 2000 // runes: one Slack input field holds 3,000

// Close gives the verdict. The invoker never reviews; the owner, the other reviewers and nobody else do.
func Close(f workflows.Facts, id workflows.ReviewID, c Closing) (workflows.Outcome, error) {
	stream := workflows.ReviewStream(id)
	s, err := Fold(f.Histories[stream])
	if err == workflows.ErrNoStream {
		// Who cannot decide anything gets the same answer whether or not there is such a review.
		r := c.Standing.Refusal()
		if r == nil {
			r = workflows.Unknown()
		}
		return workflows.RefuseOn(workflows.SystemStream, c.By, "review", c.Channel, string(id), r), nil
	}
	if err != nil {
		return workflows.Outcome{}, err
	}
	if r := s.refuse(c); r != nil {
		return workflows.RefuseOn(stream, c.By, "review", c.Channel, "", r), nil
	}
	var out workflows.Outcome
	out.Add(stream, c.By, "", Closed{Verdict: c.Verdict, Note: strings.TrimSpace(c.Note), Authn: c.Authn, Channel: c.Channel})
	return out, nil
}

func (s State) refuse(c Closing) *workflows.Refusal {
	if r := c.Standing.Refusal(); r != nil {
		return r
	}
	note := []rune(strings.TrimSpace(c.Note))
	switch {
	case c.By.Person != "" && slices.Contains(s.Invokers(), c.By.Person):
		return workflows.Refuse(workflows.CodeReviewer, "You invoked this, so somebody else has to review it.", "")
	case !s.MayReview(c.By.Person):
		return workflows.Unknown()
	case s.Closed != nil:
		return workflows.Refuse(workflows.CodeDecided, "This review is already closed.", "")
	case s.Opened.sample() && !slices.Contains([]Verdict{Proper, Misuse}, c.Verdict):
		return workflows.Refuse(workflows.CodeBadField, "Pick a verdict: proper or misuse.", "")
	case !s.Opened.sample() && !slices.Contains([]Verdict{Emergency, Drill, Misuse}, c.Verdict):
		return workflows.Refuse(workflows.CodeBadField, "Pick a verdict: emergency, drill or misuse.", "")
	case len(s.OpenTasks()) > 0:
		t := s.OpenTasks()[0]
		return workflows.Refusef(workflows.CodeReviewer, "When it is done, its owner says so: `/breakglass task "+string(s.ID)+" "+t.ID+" what was done`.",
			"Something is still to be done first: %s.", strings.TrimSuffix(t.What, "."))
	case len(note) < 10 || len(note) > maxNote:
		return workflows.Refusef(workflows.CodeReasonNeeded, "", "Say what you found, in 10 to %d characters.", maxNote)
	}
	return nil
}

// MayReview tells whether the person is among the reviewers.
func (s State) MayReview(p workflows.PersonID) bool {
	if p == "" || slices.Contains(s.Invokers(), p) {
		return false
	}
	for _, o := range s.Opened.Others {
		if o == p {
			return true
		}
	}
	return p == s.Opened.Owner
}

// Tick records that the deadline passed.
func Tick(f workflows.Facts, stream workflows.StreamID) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return out, err
	}
	if s.Closed == nil && !s.Late && f.Now.UTC.After(s.Opened.DueAt) {
		out.Add(stream, workflows.System, "", Overdue{DueAt: s.Opened.DueAt})
	}
	if level := s.level(f.Now.UTC); s.Closed == nil && s.Late && s.Opened.Alarm != "" && level > s.Level {
		out.Add(stream, workflows.System, "", Escalated{Level: level})
	}
	return out, nil
}

// level is for how many days the review has been overdue, up to maxLevel.
func (s State) level(now workflows.Stamp) int {
	return min(maxLevel, int(now.Sub(s.Opened.DueAt)/escalateEvery))
}

// NextWake is the deadline; when it has passed, the next day on which it is told again, until a verdict is in.
func NextWake(s State) workflows.Stamp {
	switch {
	case s.Closed != nil, s.Late && (s.Opened.Alarm == "" || s.Level >= maxLevel):
		return 0
	case s.Late:
		return s.Opened.DueAt.Add(time.Duration(s.Level+1) * escalateEvery)
	}
	return s.Opened.DueAt
}

// Pending is everything the review still owes to the world.
func Pending(s State) []workflows.Job {
	var out []workflows.Job
	if at := NextWake(s); at != 0 {
		out = append(out, workflows.Job{Kind: workflows.JobWake, Key: "wake", Due: at, Lane: workflows.LaneUrgent})
	}
	for _, n := range s.Notices() {
		out = append(out, n.Job())
	}
	return out
}

// Notices are the messages that are still owed.
func (s State) Notices() []workflows.Notice {
	var out []workflows.Notice
	owe := func(what string, to workflows.PersonID) {
		n := workflows.Notice{ID: what + "/" + string(to), What: what, To: to, Urgent: true}
		twice := slices.ContainsFunc(out, func(o workflows.Notice) bool { return o.ID == n.ID })
		if _, done := s.Delivered[n.ID]; !done && !twice && to != "" {
			out = append(out, n)
		}
	}
	switch {
	case s.Closed != nil:
		for _, p := range append([]workflows.PersonID{s.Opened.Invoker}, s.Invokers()...) {
			owe(workflows.NoticeClosed, p)
		}
	case s.Late:
		owe(workflows.NoticeLate, s.Opened.Owner)
		for _, p := range s.Opened.Others {
			owe(workflows.NoticeLate, p)
		}
		if s.Level > 0 && s.Opened.Alarm != "" {
			out = append(out, s.daily()...)
		}
	default:
		owe(workflows.NoticeReview, s.Opened.Owner)
	}
	if s.Closed == nil {
		for _, t := range s.OpenTasks() {
			n := workflows.Notice{ID: NoticeTask + "/" + t.ID, What: NoticeTask, To: t.Owner, Offer: t.ID, Urgent: true}
			if _, done := s.Delivered[n.ID]; !done && t.Owner != "" {
				out = append(out, n)
			}
		}
	}
	return out
}

// daily is what is owed on each day that an overdue review stays open: the channel of alarms, and the owner again.
func (s State) daily() []workflows.Notice {
	var out []workflows.Notice
	for _, n := range []workflows.Notice{
		{ID: fmt.Sprintf("%s/day%d", workflows.NoticeLate, s.Level), What: workflows.NoticeLate, Channel: s.Opened.Alarm, Urgent: true},
		{ID: fmt.Sprintf("%s/day%d/%s", workflows.NoticeLate, s.Level, s.Opened.Owner), What: workflows.NoticeLate, To: s.Opened.Owner, Urgent: true},
	} {
		if _, done := s.Delivered[n.ID]; !done {
			out = append(out, n)
		}
	}
	return out
}

// NoticeTask asks somebody to do something before a review can be closed.
const NoticeTask = "review_task"

const (
	escalateEvery = 24 * time.Hour
	maxLevel      = 30 // days; who has not looked by then is not woken by one more message
)

// Doing is somebody saying that a task of a review is done.
type Doing struct {
	By       workflows.Acting
	Standing workflows.Standing
	Task     string
	Note     string
	Authn    string
	Channel  string
}

// DoTask records that a task is done. Its owner and the reviewers say so, with what shows it.
func DoTask(f workflows.Facts, id workflows.ReviewID, d Doing) (workflows.Outcome, error) {
	stream := workflows.ReviewStream(id)
	s, err := Fold(f.Histories[stream])
	if err == workflows.ErrNoStream {
		return workflows.RefuseOn(workflows.SystemStream, d.By, "review task", d.Channel, string(id), workflows.Unknown()), nil
	}
	if err != nil {
		return workflows.Outcome{}, err
	}
	i := slices.IndexFunc(s.Tasks, func(t TaskState) bool { return t.ID == d.Task })
	note := []rune(strings.TrimSpace(d.Note))
	var no *workflows.Refusal
	switch {
	case d.Standing.Refusal() != nil:
		no = d.Standing.Refusal()
	case i < 0 || d.By.Person != s.Tasks[i].Owner && !s.MayReview(d.By.Person):
		no = workflows.Unknown()
	case s.Tasks[i].Done || s.Closed != nil:
		no = workflows.Refuse(workflows.CodeDecided, "This task is done already.", "")
	case len(note) < 10 || len(note) > maxNote:
		no = workflows.Refusef(workflows.CodeReasonNeeded, "", "Say what was done and what shows it, in 10 to %d characters.", maxNote)
	}
	if no != nil {
		return workflows.RefuseOn(stream, d.By, "review task", d.Channel, d.Task, no), nil
	}
	var out workflows.Outcome
	out.Add(stream, d.By, "", TaskDone{Task: d.Task, Note: string(note), Authn: d.Authn, Channel: d.Channel})
	return out, nil
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

// The lists of reviews.
const (
	ListOpen = "reviews.open" // member: a person who may give the verdict; "" for all
	ListAll  = "reviews.all"
	ListBy   = "reviews.by"   // member: who invoked or carried out what it is about
	ListTask = "reviews.task" // member: who has an open task of it
)

// Listings are the lists the review stands on.
func Listings(s State) []workflows.Listing {
	at := int64(s.At.UTC)
	out := []workflows.Listing{{List: ListAll, Sort: at}}
	if s.Opened.Run != "" { // of a ledger that knows this list
		for _, p := range s.Invokers() {
			out = append(out, workflows.Listing{List: ListBy, Member: string(p), Sort: at})
		}
	}
	if s.Closed != nil {
		return out
	}
	var owners []workflows.PersonID
	for _, t := range s.OpenTasks() {
		if !slices.Contains(owners, t.Owner) && t.Owner != "" {
			owners = append(owners, t.Owner)
			out = append(out, workflows.Listing{List: ListTask, Member: string(t.Owner), Sort: at})
		}
	}
	out = append(out, workflows.Listing{List: ListOpen, Sort: at})
	seen := map[workflows.PersonID]bool{}
	for _, p := range append([]workflows.PersonID{s.Opened.Owner}, s.Opened.Others...) {
		if s.MayReview(p) && !seen[p] {
			seen[p] = true
			out = append(out, workflows.Listing{List: ListOpen, Member: string(p), Sort: at})
		}
	}
	return out
}
