package runs

import (
	"fmt"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// State is a run as its recorded events say.
type State struct {
	ID        workflows.RunID
	Opened    Opened
	At        workflows.Instant
	Policy    workflows.DocHash
	Invoker   workflows.PersonID // of the last invocation
	Executor  workflows.PersonID
	EndsAt    workflows.Stamp
	Grants    []workflows.GrantID  // what invocations and steps gave
	People    []workflows.PersonID // all who ever did something in it
	Steps     []StepState
	Evidence  []Evidence
	Undoing   []int // steps still to be taken back, in this order
	Closed    *Closed
	ClosedAt  workflows.Instant
	ClosedBy  workflows.PersonID
	Delivered map[string]workflows.Delivery
	Seq       int64
}

// Status is where a step stands.
type Status string

// The states of a step.
const (
	Waiting Status = "waiting"
	Running Status = "running" // a connector is being asked
	Done    Status = "done"
	Failed  Status = "failed" // not tried again by itself
	Skipped Status = "skipped"
	Undone  Status = "undone"
)

// StepState is a step and what became of it.
type StepState struct {
	incidents.Step
	Number  int
	Status  Status
	Order   workflows.GrantID
	Attempt int
	Earlier int             // attempts before somebody let it begin again
	AgainAt workflows.Stamp // Running: when it is tried again; zero: at once
	Checked bool            // its precheck was met
	Said    string          // what the target said when it failed last
	Note    string
	Ref     string
	Facts   map[string]string
	Use     string
	By      workflows.PersonID // who did, ran or skipped it
	At      workflows.Instant  // when it came to stand where it stands
	Begun   workflows.Instant

	Taken     SecretTaken // of the secret that the step made
	TakenAt   workflows.Instant
	TakenBy   workflows.PersonID
	Destroyed string // why nothing is kept of it any more
}

// Evidence is something that was attached.
type Evidence struct {
	EvidenceAdded
	At workflows.Instant
	By workflows.PersonID
}

// Over tells whether nothing is to be done about the step any more.
func (s StepState) Over() bool {
	return s.Status == Done || s.Status == Skipped || s.Status == Undone || s.Status == Failed && s.Step.OnFailure == incidents.OnFailureContinue
}

// ByHand tells whether a person does the step.
func (s StepState) ByHand() bool { return s.Action == incidents.ByHand }

// Fold turns a run's history into its state; it refuses gaps, foreign events and anything after its end but evidence and what takes back.
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
	if _, opens := r.Event.(Opened); opens != (s.ID == "") {
		return fmt.Errorf("%s out of place", r.Event.Kind())
	}
	switch e := r.Event.(type) {
	case Opened:
		s.open(e, r)
	case Renewed:
		if s.Closed != nil {
			return fmt.Errorf("run.renewed after its end")
		}
		s.Invoker, s.Executor, s.EndsAt = e.Invoker, e.Executor, max(s.EndsAt, e.EndsAt)
		s.gave(e.Grant)
		s.met(e.Invoker, e.Executor)
	case EvidenceAdded:
		s.Evidence = append(s.Evidence, Evidence{e, r.At, r.Person})
		s.met(r.Person)
	case Closed:
		if s.Closed != nil {
			return fmt.Errorf("run.closed twice")
		}
		s.Closed, s.ClosedAt, s.ClosedBy = &e, r.At, r.Person
		s.met(r.Person)
	case workflows.Refused:
	case workflows.NoticeDelivered:
		s.Delivered[e.Notice] = workflows.Delivery{OK: true, Via: e.Via, Place: e.Place, At: r.At, Seq: r.Seq}
	case workflows.NoticeUndelivered:
		s.Delivered[e.Notice] = workflows.Delivery{Why: e.Why, At: r.At, Seq: r.Seq}
	default:
		return s.applyStep(r)
	}
	return nil
}

func (s *State) open(e Opened, r workflows.Record) {
	s.ID, s.Opened, s.At, s.Policy = workflows.RunID(r.Stream.Rest()), e, r.At, r.Policy
	s.Invoker, s.Executor, s.EndsAt = e.Invoker, e.Executor, e.EndsAt
	s.gave(e.Grant)
	s.met(e.Invoker, e.Executor)
	for i, st := range e.Steps {
		s.Steps = append(s.Steps, StepState{Step: st, Number: i + 1, Status: Waiting})
	}
}

func (s *State) gave(g workflows.GrantID) {
	if g != "" && !slices.Contains(s.Grants, g) {
		s.Grants = append(s.Grants, g)
	}
}

func (s *State) met(people ...workflows.PersonID) {
	for _, p := range people {
		if p != "" && !slices.Contains(s.People, p) {
			s.People = append(s.People, p)
		}
	}
}

func (s *State) applyStep(r workflows.Record) error {
	if e, ok := r.Event.(RolledBack); ok {
		s.Undoing = slices.Clone(e.Steps)
		for _, n := range e.Steps {
			if n < 1 || n > len(s.Steps) {
				return fmt.Errorf("run.rolled_back names step %d", n)
			}
		}
		s.met(r.Person)
		return nil
	}
	n := stepOf(r.Event)
	if n < 1 || n > len(s.Steps) {
		return fmt.Errorf("%s does not belong to a run, or names a step that it does not have", r.Event.Kind())
	}
	st := s.Steps[n-1] // a copy: states that were handed out do not change
	if err := st.apply(r, s.Closed != nil); err != nil {
		return err
	}
	if e, ok := r.Event.(StepStarted); ok && st.Action == incidents.ActGrant {
		s.gave(e.Order)
	}
	if _, ok := r.Event.(StepUndone); ok {
		s.Undoing = slices.DeleteFunc(slices.Clone(s.Undoing), func(k int) bool { return k == n })
	}
	s.met(r.Person)
	s.Steps = slices.Clone(s.Steps)
	s.Steps[n-1] = st
	return nil
}

// stepOf is the number of the step that an event is about; 0: it is about none.
func stepOf(e workflows.Event) int {
	switch e := e.(type) {
	case StepStarted:
		return e.Step
	case StepChecked:
		return e.Step
	case StepDone:
		return e.Step
	case StepFailed:
		return e.Step
	case StepSkipped:
		return e.Step
	case StepUndone:
		return e.Step
	case SecretTaken:
		return e.Step
	case SecretDestroyed:
		return e.Step
	}
	return 0
}

func (st *StepState) apply(r workflows.Record, closed bool) error {
	bad := func(why string) error { return fmt.Errorf("%s for step %d, which %s", r.Event.Kind(), st.Number, why) }
	switch e := r.Event.(type) {
	case StepStarted:
		if closed || st.ByHand() || st.Status != Waiting && st.Status != Failed || e.Attempt != st.Attempt+1 || e.Order == "" {
			return bad("cannot begin now")
		}
		st.Earlier = st.Attempt
		st.Status, st.Order, st.Attempt, st.AgainAt, st.By, st.Begun = Running, e.Order, e.Attempt, 0, r.Person, r.At
	case StepChecked:
		if st.Status != Running {
			return bad("is not being done")
		}
		st.Checked = true
		return nil
	case StepDone:
		if st.ByHand() && (closed || st.Status != Waiting) || !st.ByHand() && st.Status != Running {
			return bad("is not being done")
		}
		st.Status, st.Ref, st.Facts, st.Use, st.Note = Done, e.Ref, e.Facts, e.Use, e.Note
		if r.Person != "" {
			st.By = r.Person
		}
	case StepFailed:
		if st.Status != Running || e.Attempt != st.Attempt {
			return bad("is not being done")
		}
		st.Said, st.AgainAt = e.Text, e.AgainAt
		if !e.Final {
			st.Attempt++
			return nil
		}
		st.Status, st.AgainAt = Failed, 0
	case StepSkipped:
		if closed || st.Status != Waiting && st.Status != Failed {
			return bad("cannot be left out")
		}
		st.Status, st.Note, st.By = Skipped, e.Why, r.Person
	case StepUndone:
		st.Status, st.Facts = Undone, e.Facts
	case SecretTaken:
		if !st.SecretWaits() || e.Order != st.Order {
			return bad("has no secret that waits")
		}
		st.Taken, st.TakenAt, st.TakenBy = e, r.At, r.Person
		return nil
	case SecretDestroyed:
		if st.Secret() == "" || st.Destroyed != "" {
			return bad("has no secret that is kept")
		}
		st.Destroyed = e.Why
		return nil
	}
	st.At = r.At
	return nil
}

// Next is the first step that is not over; nil when all are.
func (s State) Next() *StepState {
	for i := range s.Steps {
		if !s.Steps[i].Over() {
			return &s.Steps[i]
		}
	}
	return nil
}

// Open are the numbers of the steps that are not over.
func (s State) Open() []int {
	var out []int
	for _, st := range s.Steps {
		if !st.Over() {
			out = append(out, st.Number)
		}
	}
	return out
}

// Failing is the step that failed for good and that nobody has dealt with; nil when there is none.
func (s State) Failing() *StepState {
	for i := range s.Steps {
		if st := &s.Steps[i]; st.Status == Failed && !st.Over() {
			return st
		}
	}
	return nil
}

// Drill tells whether the run is an exercise.
func (s State) Drill() bool { return s.Opened.Mode == KindDrill }
