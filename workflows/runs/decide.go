package runs

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// Acting is somebody doing something in a run, with everything that was asked of the world.
type Acting struct {
	By       workflows.Acting
	Standing workflows.Standing // Selected: on one of the runbook's lists, or in the run already
	Closed   bool               // the incident is known to be closed
	Authn    string
	Channel  string
}

// Doing is what somebody does to one step.
type Doing struct {
	Acting
	Step int
	Note string // what was seen; why it is left out
}

// OrderOf is the id under which a connector is asked to do a step: the same for every attempt.
func OrderOf(run workflows.RunID, step int) workflows.GrantID {
	_, rest, _ := strings.Cut(string(run), "_")
	return workflows.GrantID(fmt.Sprintf("g_%s-s%d", rest, step))
}

// Begin has a connector do a step, or try it again.
func Begin(f workflows.Facts, run workflows.RunID, d Doing) (workflows.Outcome, error) {
	return decide(f, run, d, "run a step", func(s State, st StepState, now workflows.Stamp) (workflows.Event, *workflows.Refusal) {
		switch {
		case st.ByHand():
			return nil, refuse("Step %d is done by hand: do it, then say that it is done.", st.Number)
		case st.Status == Running:
			return nil, refuse("Step %d is being done now.", st.Number)
		case st.Over():
			return nil, refuse("Step %d is over: %s.", st.Number, st.Status)
		case s.Next().Number < st.Number:
			return nil, refuse("Step %d comes first: run it, or skip it with a reason.", s.Next().Number)
		case len(s.Undoing) > 0:
			return nil, refuse("What was done is being taken back.")
		case d.Closed:
			return nil, refuse("The incident is closed, so nothing more is done for it.")
		case now.After(s.EndsAt):
			return nil, workflows.Refuse(workflows.CodeLate, "The time of this run was over at "+clock(s.EndsAt)+" UTC.", "Invoke the runbook again in the same incident: the run goes on where it stands.")
		case st.Second && d.By.Person == s.Invoker:
			return nil, refuse("Step %d is run by somebody else than who invoked the runbook.", st.Number)
		}
		return StepStarted{Step: st.Number, Order: OrderOf(run, st.Number), Attempt: st.Attempt + 1, Authn: d.Authn, Channel: d.Channel}, nil
	})
}

// Finish records that somebody did a step by hand.
func Finish(f workflows.Facts, run workflows.RunID, d Doing) (workflows.Outcome, error) {
	return decide(f, run, d, "finish a step", func(s State, st StepState, _ workflows.Stamp) (workflows.Event, *workflows.Refusal) {
		switch {
		case !st.ByHand():
			return nil, refuse("Step %d is done by a connector: run it, or skip it with a reason.", st.Number)
		case st.Over():
			return nil, refuse("Step %d is over: %s.", st.Number, st.Status)
		case st.Second && d.By.Person == s.Invoker:
			return nil, refuse("Step %d is done by somebody else than who invoked the runbook.", st.Number)
		case st.Evidence && strings.TrimSpace(d.Note) == "" && !s.shows(st.Number):
			return nil, workflows.Refuse(workflows.CodeReasonNeeded, fmt.Sprintf("Step %d wants something that shows it: a note, a link or a file's hash.", st.Number), "")
		}
		return StepDone{Step: st.Number, Note: d.Note, Authn: d.Authn, Channel: d.Channel}, nil
	})
}

// shows tells whether something was attached to a step.
func (s State) shows(step int) bool {
	return slices.ContainsFunc(s.Evidence, func(e Evidence) bool { return e.Step == step })
}

// Skip leaves a step out.
func Skip(f workflows.Facts, run workflows.RunID, d Doing) (workflows.Outcome, error) {
	return decide(f, run, d, "skip a step", func(_ State, st StepState, _ workflows.Stamp) (workflows.Event, *workflows.Refusal) {
		switch {
		case st.Status == Running:
			return nil, refuse("Step %d is being done now; wait until it is done or has failed.", st.Number)
		case st.Over():
			return nil, refuse("Step %d is over: %s.", st.Number, st.Status)
		case utf8.RuneCountInString(strings.TrimSpace(d.Note)) < leastWhy:
			return nil, workflows.Refusef(workflows.CodeReasonNeeded, "", "Say why step %d is left out, in at least %d characters.", st.Number, leastWhy)
		}
		return StepSkipped{Step: st.Number, Why: d.Note, Authn: d.Authn, Channel: d.Channel}, nil
	})
}

func refuse(format string, args ...any) *workflows.Refusal {
	return workflows.Refusef(workflows.CodeRunbook, "", format, args...)
}

// decide does what is the same for every step: who, what note, and afterwards the steps that begin by themselves.
func decide(f workflows.Facts, run workflows.RunID, d Doing, command string, fn func(State, StepState, workflows.Stamp) (workflows.Event, *workflows.Refusal)) (workflows.Outcome, error) {
	stream := workflows.RunStream(run)
	d.Note = strings.TrimSpace(d.Note)
	s, out, err := admitted(f, stream, d.Acting, command)
	if err != nil || out.Refusal != nil {
		return out, err
	}
	var e workflows.Event
	no := s.refuseStep(d)
	if no == nil {
		e, no = fn(s, s.Steps[d.Step-1], f.Now.UTC)
	}
	if no != nil {
		return workflows.RefuseOn(stream, d.By, command, d.Channel, fmt.Sprint(d.Step), no), nil
	}
	out.Add(stream, d.By, s.Policy, e)
	return out, advance(f, stream, &out, d.Closed)
}

// admitted folds a run and checks who acts in it.
func admitted(f workflows.Facts, stream workflows.StreamID, a Acting, command string) (State, workflows.Outcome, error) {
	s, err := Fold(f.Histories[stream])
	if err == workflows.ErrNoStream {
		return s, workflows.RefuseOn(workflows.SystemStream, a.By, command, a.Channel, stream.Rest(), workflows.Unknown()), nil
	}
	if err != nil {
		return s, workflows.Outcome{}, err
	}
	no := a.Standing.Refusal()
	switch {
	case no != nil:
	case !a.Standing.Selected:
		no = workflows.Unknown()
	case s.Closed != nil:
		no = workflows.Refuse(workflows.CodeDecided, "This run is over: "+howWords(s.Closed.How)+".", "")
	case s.Opened.Apart && a.By.Person == s.Invoker:
		no = workflows.Refuse(workflows.CodeNotYours, "Who invoked this runbook does not carry it out: somebody else does.", "")
	}
	if no != nil {
		return s, workflows.RefuseOn(stream, a.By, command, a.Channel, "", no), nil
	}
	return s, workflows.Outcome{}, nil
}

func howWords(how string) string {
	switch how {
	case HowFinished:
		return "all of it was done"
	case HowStopped:
		return "somebody stopped it"
	case HowIncident:
		return "its incident was closed"
	case HowRanOut:
		return "its time ran out"
	}
	return how
}

func (s State) refuseStep(d Doing) *workflows.Refusal {
	switch {
	case d.Step < 1 || d.Step > len(s.Steps):
		return workflows.Refusef(workflows.CodeBadField, "", "There is no step %d: the steps go from 1 to %d.", d.Step, len(s.Steps))
	case utf8.RuneCountInString(d.Note) > maxNote:
		return workflows.Refusef(workflows.CodeTooLong, "", "A note has at most %d characters.", maxNote)
	}
	return nil
}

// advance lets the next step begin by itself, where the document says so.
func advance(f workflows.Facts, stream workflows.StreamID, out *workflows.Outcome, closed bool) error {
	h, ok := f.Provisional(out.Events)[stream]
	if !ok {
		h = f.Histories[stream]
	}
	s, err := Fold(h)
	if err != nil || s.Closed != nil || closed {
		return err
	}
	next := s.Next()
	if slices.ContainsFunc(s.Steps, func(st StepState) bool { return st.Status == Undone }) {
		return nil // after a roll-back people decide about every step
	}
	if next == nil || next.Status != Waiting || len(s.Undoing) > 0 || f.Now.UTC.After(s.EndsAt) {
		return nil
	}
	if at, auto := s.beginsAt(*next); !auto || at > f.Now.UTC {
		return nil
	}
	out.Add(stream, workflows.System, s.Policy, StepStarted{Step: next.Number, Order: OrderOf(s.ID, next.Number), Attempt: 1, Auto: true})
	return nil
}

// Open begins a run; a step that begins by itself does so at once.
func Open(f workflows.Facts, run workflows.RunID, by workflows.Acting, policy workflows.DocHash, e Opened, out *workflows.Outcome) error {
	stream := workflows.RunStream(run)
	e.Steps = slices.Clone(e.Steps)
	for i := range e.Steps {
		e.Steps[i].Text = "" // the document has it
	}
	out.Add(stream, by, policy, e)
	return advance(f, stream, out, false)
}

// Renew goes on with a run that is open.
func Renew(f workflows.Facts, run workflows.RunID, by workflows.Acting, policy workflows.DocHash, e Renewed, out *workflows.Outcome) error {
	stream := workflows.RunStream(run)
	out.Add(stream, by, policy, e)
	return advance(f, stream, out, false)
}

// Succeed records that a connector did a step. It says nothing when the step is not waited for (any more).
func Succeed(f workflows.Facts, stream workflows.StreamID, e StepDone, closed bool) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err != nil || !s.isRunning(e.Step) {
		return out, err
	}
	out.Add(stream, workflows.System, s.Policy, e)
	return out, advance(f, stream, &out, closed)
}

// Check records that the precheck of a step was met, so that what an attempt did before a crash is not taken for somebody else's.
func Check(f workflows.Facts, stream workflows.StreamID, e StepChecked) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err == nil && s.isRunning(e.Step) && !s.Steps[e.Step-1].Checked {
		out.Add(stream, workflows.System, s.Policy, e)
	}
	return out, err
}

func (s State) isRunning(step int) bool {
	return step >= 1 && step <= len(s.Steps) && s.Steps[step-1].Status == Running
}

// Fail records that a connector did not do a step: it is tried again as often as the document says, unless trying again is no use.
func Fail(f workflows.Facts, stream workflows.StreamID, step int, class, text string, useless bool) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err != nil || !s.isRunning(step) {
		return out, err
	}
	st := s.Steps[step-1]
	e := StepFailed{Step: step, Attempt: st.Attempt, Class: class, Text: text, Final: useless || s.tried(st) > st.Retries || s.Closed != nil}
	if !e.Final {
		e.AgainAt = f.Now.UTC.Add(min(firstAgain<<min(s.tried(st)-1, 8), longestAgain))
	}
	out.Add(stream, workflows.System, s.Policy, e)
	if e.Final && s.onFailure(st) == incidents.OnFailureRollback {
		s.rollBack(&out, stream, workflows.System, step, "")
	}
	return out, advance(f, stream, &out, false)
}

// tried is how often the step was tried since somebody let it begin.
func (s State) tried(st StepState) int { return st.Attempt - st.Earlier }

func (s State) onFailure(st StepState) string {
	if st.Step.OnFailure != "" {
		return st.Step.OnFailure
	}
	return s.Opened.OnFail
}

// rollBack takes back what was done and can be, last first; the step that failed may have left something behind, so it is among them.
func (s State) rollBack(out *workflows.Outcome, stream workflows.StreamID, by workflows.Acting, failed int, why string) bool {
	var list []int
	for _, st := range slices.Backward(s.Steps) {
		if st.Rollback && !st.ByHand() && st.Order != "" && (st.Status == Done || st.Status == Failed || st.Number == failed) {
			list = append(list, st.Number)
		}
	}
	if len(list) > 0 {
		out.Add(stream, by, s.Policy, RolledBack{Steps: list, Why: why})
	}
	return len(list) > 0
}

// RollBack is somebody having what was done taken back.
func RollBack(f workflows.Facts, run workflows.RunID, a Acting, why string) (workflows.Outcome, error) {
	stream := workflows.RunStream(run)
	s, out, err := admitted(f, stream, a, "roll back")
	if err != nil || out.Refusal != nil {
		return out, err
	}
	var no *workflows.Refusal
	switch n := utf8.RuneCountInString(strings.TrimSpace(why)); {
	case n < leastWhy || n > maxNote:
		no = workflows.Refusef(workflows.CodeReasonNeeded, "", "Say why it is taken back, in %d to %d characters.", leastWhy, maxNote)
	case len(s.Undoing) > 0:
		no = refuse("It is being taken back already.")
	case slices.ContainsFunc(s.Steps, func(st StepState) bool { return st.Status == Running }):
		no = refuse("A step is being done now; wait until it is done or has failed.")
	case !s.rollBack(&out, stream, a.By, 0, why):
		no = refuse("Nothing that was done can be taken back by a connector.")
	}
	if no != nil {
		return workflows.RefuseOn(stream, a.By, "roll back", a.Channel, "", no), nil
	}
	return out, nil
}

// Undo records that a step was taken back.
func Undo(f workflows.Facts, stream workflows.StreamID, e StepUndone) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err == nil && slices.Contains(s.Undoing, e.Step) {
		out.Add(stream, workflows.System, s.Policy, e)
	}
	return out, err
}

// Attach adds evidence. It may come after the end: reports are written later.
func Attach(f workflows.Facts, run workflows.RunID, a Acting, e EvidenceAdded) (workflows.Outcome, error) {
	stream := workflows.RunStream(run)
	e.Text = strings.TrimSpace(e.Text)
	s, err := Fold(f.Histories[stream])
	if err == workflows.ErrNoStream {
		return workflows.RefuseOn(workflows.SystemStream, a.By, "attach evidence", a.Channel, string(run), workflows.Unknown()), nil
	}
	if err != nil {
		return workflows.Outcome{}, err
	}
	if no := s.refuseEvidence(a, e); no != nil {
		return workflows.RefuseOn(stream, a.By, "attach evidence", a.Channel, "", no), nil
	}
	e.Authn, e.Channel = a.Authn, a.Channel
	var out workflows.Outcome
	out.Add(stream, a.By, s.Policy, e)
	return out, nil
}

func (s State) refuseEvidence(a Acting, e EvidenceAdded) *workflows.Refusal {
	n := utf8.RuneCountInString(e.Text)
	switch {
	case a.Standing.Refusal() != nil:
		return a.Standing.Refusal()
	case !a.Standing.Selected:
		return workflows.Unknown()
	case e.Step < 0 || e.Step > len(s.Steps):
		return workflows.Refusef(workflows.CodeBadField, "", "There is no step %d: the steps go from 1 to %d.", e.Step, len(s.Steps))
	case n < 1 || n > maxNote:
		return workflows.Refusef(workflows.CodeReasonNeeded, "", "Say what it is, in 1 to %d characters.", maxNote)
	case e.What == EvidenceLink && !strings.HasPrefix(e.Text, "https://") && !strings.HasPrefix(e.Text, "http://"):
		return workflows.Refuse(workflows.CodeBadField, "A link begins with https://.", "")
	case e.What == EvidenceFile && !isHash(e.Hash):
		return workflows.Refuse(workflows.CodeBadField, "A file is named by its hash: sha256: and 64 hexadecimal digits.", "`countersign runbook note RUN -file PATH` works it out.")
	case e.What != EvidenceText && e.What != EvidenceLink && e.What != EvidenceFile:
		return workflows.Refuse(workflows.CodeBadField, "Evidence is a text, a link or a file's hash.", "")
	case len(s.Evidence) >= maxEvidence:
		return workflows.Refusef(workflows.CodeTooMany, "", "%d pieces are attached already.", maxEvidence)
	}
	return nil
}

func isHash(h string) bool {
	hex, ok := strings.CutPrefix(h, "sha256:")
	return ok && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == ""
}

// Close ends a run: everything is over, or somebody says why not.
func Close(f workflows.Facts, run workflows.RunID, a Acting, why string) (workflows.Outcome, error) {
	stream := workflows.RunStream(run)
	s, out, err := admitted(f, stream, a, "close a run")
	if err != nil || out.Refusal != nil {
		return out, err
	}
	e := Closed{How: HowFinished, Why: strings.TrimSpace(why), Open: s.Open(), Authn: a.Authn, Channel: a.Channel}
	var no *workflows.Refusal
	switch n := utf8.RuneCountInString(e.Why); {
	case slices.ContainsFunc(s.Steps, func(st StepState) bool { return st.Status == Running }):
		no = refuse("A step is being done now; wait until it is done or has failed.")
	case n > maxNote:
		no = workflows.Refusef(workflows.CodeTooLong, "", "A note has at most %d characters.", maxNote)
	case len(e.Open) > 0 && n < leastWhy:
		no = workflows.Refusef(workflows.CodeReasonNeeded, "", "Steps %s are not done: say why you end it here, in at least %d characters.", numbers(e.Open), leastWhy)
	}
	if no != nil {
		return workflows.RefuseOn(stream, a.By, "close a run", a.Channel, "", no), nil
	}
	if len(e.Open) > 0 {
		e.How = HowStopped
	}
	out.Add(stream, a.By, s.Policy, e)
	return out, nil
}

// Finished ends a run that a rotation opened and that has no step left: the rotation is over.
func Finished(f workflows.Facts, stream workflows.StreamID) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err == nil && s.Closed == nil && len(s.Open()) == 0 {
		out.Add(stream, workflows.System, s.Policy, Closed{How: HowFinished})
	}
	return out, err
}

// CallOff ends a run because its incident was closed; by is who closed it.
func CallOff(f workflows.Facts, stream workflows.StreamID, by workflows.Acting) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err == nil && s.Closed == nil {
		out.Add(stream, by, s.Policy, Closed{How: HowIncident, Open: s.Open()})
	}
	return out, err
}

// Tick ends a run that nobody went on with, and lets a step begin that could not before.
func Tick(f workflows.Facts, stream workflows.StreamID) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return out, err
	}
	if at := s.runsOut(); at != 0 && f.Now.UTC.After(at) {
		out.Add(stream, workflows.System, s.Policy, Closed{How: HowRanOut, Open: s.Open()})
		return out, nil
	}
	if next := s.Next(); next == nil || next.Wait <= 0 {
		return out, nil // the others began when what was before them was over, or wait for people
	}
	return out, advance(f, stream, &out, false)
}

// NextWake is when something is due of a run by itself: a step that waits, or the end of one with which nobody goes on; zero once it is over.
func NextWake(s State) workflows.Stamp {
	at := s.runsOut()
	if next := s.Next(); at != 0 && next != nil && next.Status == Waiting && next.Wait > 0 && len(s.Undoing) == 0 {
		if begins, auto := s.beginsAt(*next); auto && begins <= s.EndsAt {
			return min(at, begins)
		}
	}
	return at
}

// runsOut is when a run that is open is closed unless somebody goes on with it; zero once it is over.
func (s State) runsOut() workflows.Stamp {
	if s.Closed != nil {
		return 0
	}
	last := max(s.EndsAt, s.At.UTC)
	for _, st := range s.Steps {
		last = max(last, st.At.UTC, st.Begun.UTC)
	}
	return last.Add(runOut)
}

func numbers(list []int) string {
	words := make([]string, 0, len(list))
	for _, n := range list {
		words = append(words, fmt.Sprint(n))
	}
	return strings.Join(words, ", ")
}

func clock(s workflows.Stamp) string { return s.Time().Format("2006-01-02 15:04") }
