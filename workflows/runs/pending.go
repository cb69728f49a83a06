package runs

import (
	"slices"
	"strconv"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// Kinds of job of a run; their key is the number of the step.
const (
	JobStep = "run.step" // have a connector do a step
	JobUndo = "run.undo" // have it take the step back, for ever until it is gone
)

// What the notices of a run say.
const (
	NoticeChecklist = "checklist"   // to the incident's channel: the steps
	NoticeYours     = "run_yours"   // to who carries it out: the steps
	NoticeFailed    = "step_failed" // to who carries it out: a step failed for good
	NoticeTake      = "run_take"    // to who carries it out: a new secret waits
	NoticeMove      = "run_move"    // to who reads a secret: it changes, and until when both work
	NoticeDead      = "run_dead"    // to the same: the old one is dead
	NoticeStuck     = "run_stuck"   // to the channel of alarms: a secret was not replaced as it should be
)

// Pending is everything the run still owes to the world.
func Pending(s State) []workflows.Job {
	var out []workflows.Job
	if at := NextWake(s); at != 0 {
		out = append(out, workflows.Job{Kind: workflows.JobWake, Key: "wake", Due: at})
	}
	for _, st := range s.Steps {
		// Access that a step gives is made by the job of its grant.
		if st.Status == Running && st.Action != incidents.ActGrant {
			out = append(out, workflows.Job{Kind: JobStep, Key: strconv.Itoa(st.Number), Due: st.AgainAt, Lane: workflows.LaneUrgent})
		}
	}
	if len(s.Undoing) > 0 && !s.isRunning(s.Undoing[0]) {
		out = append(out, workflows.Job{Kind: JobUndo, Key: strconv.Itoa(s.Undoing[0]), Lane: workflows.LaneUrgent})
	}
	for _, st := range s.Steps {
		if at, _, ok := s.destroyDue(st); ok {
			out = append(out, workflows.Job{Kind: JobDestroy, Key: strconv.Itoa(st.Number), Due: at})
		}
	}
	for _, n := range s.Notices() {
		out = append(out, n.Job())
	}
	return out
}

// Notices are the messages that are still owed.
func (s State) Notices() []workflows.Notice {
	var out []workflows.Notice
	owe := func(n workflows.Notice) {
		n.Urgent = s.Opened.Mode != KindRoutine
		if _, done := s.Delivered[n.ID]; !done {
			out = append(out, n)
		}
	}
	if len(s.Steps) == 0 {
		return nil // there is nothing to tick off
	}
	if s.Opened.Channel != "" {
		owe(workflows.Notice{ID: NoticeChecklist, What: NoticeChecklist, Channel: s.Opened.Channel})
	}
	for _, p := range s.doers() {
		owe(workflows.Notice{ID: NoticeYours + "/" + string(p), What: NoticeYours, To: p})
	}
	if st := s.Failing(); st != nil && s.Closed == nil {
		for _, p := range s.doers() {
			owe(workflows.Notice{ID: NoticeFailed + "/" + strconv.Itoa(st.Number) + "/" + strconv.Itoa(st.Attempt) + "/" + string(p), What: NoticeFailed, To: p, Stage: st.Number})
		}
	}
	s.turned(owe)
	return out
}

// turned owes what is said of a secret that a step replaces.
func (s State) turned(owe func(workflows.Notice)) {
	about := func(what string, st StepState, to workflows.PersonID) {
		owe(workflows.Notice{ID: what + "/" + strconv.Itoa(st.Number) + "/" + string(to), What: what, To: to, Stage: st.Number})
	}
	stuck := s.Opened.Rotation != "" && s.Closed != nil && len(s.Closed.Open) > 0
	for _, st := range s.Steps {
		if st.SecretWaits() {
			about(NoticeTake, st, s.Executor)
		}
		if st.Action == incidents.ActRenew && st.Status == Done {
			for _, p := range s.Opened.Readers {
				about(NoticeMove, st, p)
			}
		}
		if (st.Action == incidents.ActRetire || st.Action == incidents.ActRotate) && st.Status == Done {
			for _, p := range s.Opened.Readers {
				about(NoticeDead, st, p)
			}
		}
		if s.Opened.Rotation != "" && st.Status == Failed && st.Turns() && s.Opened.Alarm != "" {
			owe(workflows.Notice{ID: NoticeStuck + "/" + strconv.Itoa(st.Number) + "/" + strconv.Itoa(st.Attempt), What: NoticeStuck, Channel: s.Opened.Alarm, Stage: st.Number})
		}
	}
	if stuck && s.Opened.Alarm != "" {
		owe(workflows.Notice{ID: NoticeStuck, What: NoticeStuck, Channel: s.Opened.Alarm})
	}
}

// doers are who has to know what goes on: who carries it out, and who invoked it.
func (s State) doers() []workflows.PersonID {
	out := []workflows.PersonID{s.Executor}
	if s.Invoker != s.Executor {
		out = append(out, s.Invoker)
	}
	return slices.DeleteFunc(out, func(p workflows.PersonID) bool { return p == "" })
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

// The lists of runs.
const (
	ListOpen     = "runs.open" // member: somebody who did something in it; "" for all
	ListAll      = "runs.all"
	ListIncident = "runs.incident" // member: the incident
	ListRunbook  = "runs.runbook"  // member: the runbook
	ListSecrets  = "runs.secrets"  // member: who carries it out, while a secret that it made waits for them
)

// Listings are the lists the run stands on.
func Listings(s State) []workflows.Listing {
	at := int64(s.At.UTC)
	out := []workflows.Listing{{List: ListAll, Sort: at}, {List: ListRunbook, Member: string(s.Opened.Runbook), Sort: at}}
	if s.Opened.Incident != "" {
		out = append(out, workflows.Listing{List: ListIncident, Member: s.Opened.Incident, Sort: at})
	}
	if slices.ContainsFunc(s.Steps, StepState.SecretWaits) {
		out = append(out, workflows.Listing{List: ListSecrets, Member: string(s.Executor), Sort: at})
	}
	if s.Closed != nil {
		return out
	}
	out = append(out, workflows.Listing{List: ListOpen, Sort: at})
	for _, p := range s.People {
		out = append(out, workflows.Listing{List: ListOpen, Member: string(p), Sort: at})
	}
	return out
}
