package identities

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/workflows"
)

// ExceptionGranted waives a control for the identity, as a request was approved: until an end that is never missing, while what makes up for it holds.
type ExceptionGranted struct {
	Exception   string                  `json:"exception"` // id of the request that was approved
	Workflow    workflows.WorkflowID    `json:"workflow"`
	Target      workflows.TargetID      `json:"target"`
	Entitlement workflows.EntitlementID `json:"entitlement"`
	Control     string                  `json:"control"` // workflows.Control…
	Checks      []workflows.CheckTerms  `json:"checks"`
	Failed      string                  `json:"failed"` // workflows.FailedSuspends …
	Owner       workflows.PersonID      `json:"owner"`  // who answers for it
	Approvers   []workflows.PersonID    `json:"approvers"`
	EndsAt      workflows.Stamp         `json:"ends_at"`
	Renewal     int                     `json:"renewal,omitempty"` // 0: the first
	Since       workflows.Stamp         `json:"since,omitzero"`    // of the first, where it is a renewal
	Plan        string                  `json:"exit_plan,omitempty" seal:"true"`
	Reason      string                  `json:"reason,omitempty" seal:"true"`
}

// Answers of a check.
const (
	CheckHolds   = "holds"
	CheckFails   = "fails"
	CheckUnknown = "unknown" // nobody could tell; it is asked again, and fails after CheckPatience
)

// CheckAnswer is what a compensating control came to.
type CheckAnswer struct {
	Check  int    `json:"check"` // place in ExceptionGranted.Checks
	Answer string `json:"answer"`
	Why    string `json:"why,omitempty"` // without names and addresses
}

// ExceptionChecked is what the checks of an exception came to, recorded when that is something else than before.
type ExceptionChecked struct {
	Exception string        `json:"exception"`
	Answers   []CheckAnswer `json:"answers"`
}

// ExceptionUsed says that an identity under an exception was seen to be used: somebody is told (CheckAlert).
type ExceptionUsed struct {
	Exception string          `json:"exception"`
	Session   string          `json:"session"` // the target's name for it
	Since     workflows.Stamp `json:"since,omitzero"`
	From      string          `json:"from,omitempty" seal:"true"`
	Alarm     string          `json:"alarm,omitempty"` // channel that is told
}

// ExceptionFailed ends an exception because what made up for the waived control does not hold.
type ExceptionFailed struct {
	Exception string `json:"exception"`
	Check     int    `json:"check"`
	Why       string `json:"why"`
}

// ExceptionEnded ends an exception that did not fail.
type ExceptionEnded struct {
	Exception string `json:"exception"`
	Why       string `json:"why"` // ExceptionOver, ExceptionLifted
	Reason    string `json:"reason,omitempty" seal:"true"`
	Authn     string `json:"authn,omitempty"`
	Channel   string `json:"channel,omitempty"`
}

// Why an exception ended.
const (
	ExceptionOver   = "its end has come"
	ExceptionLifted = "it is not needed any more"
)

// AccountLocked says that the account of a suspended or quarantined identity may not log in on its target any more, or may again: read back from the target.
type AccountLocked struct {
	Target workflows.TargetID `json:"target"`
	Locked bool               `json:"locked"`
}

// Kind names for the ledger.
func (AccountLocked) Kind() string    { return "identity.account_locked" }
func (ExceptionGranted) Kind() string { return "identity.exception_granted" }
func (ExceptionChecked) Kind() string { return "identity.exception_checked" }
func (ExceptionUsed) Kind() string    { return "identity.exception_used" }
func (ExceptionFailed) Kind() string  { return "identity.exception_failed" }
func (ExceptionEnded) Kind() string   { return "identity.exception_ended" }

func exceptionKinds() []workflows.EventKind {
	return []workflows.EventKind{
		workflows.Of[ExceptionGranted](), workflows.Of[ExceptionChecked](), workflows.Of[ExceptionUsed](), workflows.Of[ExceptionFailed](), workflows.Of[ExceptionEnded](),
		workflows.Of[AccountLocked](), workflows.Of[AccountOrdered](), workflows.Of[AccountMade](), workflows.Of[AccountSettled](),
	}
}

// ExceptionState is an exception with what became of it.
type ExceptionState struct {
	ExceptionGranted
	At      workflows.Instant
	Answers []CheckAnswer
	Checked workflows.Instant // since when the answers are these; zero: never looked
	Failed  *ExceptionFailed
	Ended   *ExceptionEnded
	Renewed string // the exception that took its place
	OverAt  workflows.Instant
	OverSeq int64 // of the entry that ended it
	Uses    []ExceptionUsed
}

// Open tells whether it stands.
func (x ExceptionState) Open() bool { return x.Failed == nil && x.Ended == nil && x.Renewed == "" }

// applyException takes an entry about an exception; false when it is none.
func (s *IdentityState) applyException(r workflows.Record) (bool, error) {
	switch e := r.Event.(type) {
	case ExceptionGranted:
		if e.Exception == "" || s.exception(e.Exception) >= 0 || e.EndsAt <= r.At.UTC || len(e.Checks) == 0 {
			return true, fmt.Errorf("exception %q granted twice, without an end ahead, or without anything that makes up for it", e.Exception)
		}
		s.Life.Exceptions = slices.Clone(s.Life.Exceptions)
		for i := range s.Life.Exceptions {
			if x := &s.Life.Exceptions[i]; x.Control == e.Control && x.Renewed == "" {
				x.Renewed = e.Exception
			}
		}
		s.Life.Exceptions = append(s.Life.Exceptions, ExceptionState{ExceptionGranted: e, At: r.At})
		return true, nil
	case AccountLocked:
		s.Life.Locked = ""
		if e.Locked {
			s.Life.Locked = e.Target
		}
		return true, nil
	case ExceptionChecked:
		return true, s.change(e.Exception, func(x *ExceptionState) { x.Answers, x.Checked = e.Answers, r.At })
	case ExceptionUsed:
		return true, s.change(e.Exception, func(x *ExceptionState) { x.Uses = append(slices.Clip(x.Uses), e) })
	case ExceptionFailed:
		return true, s.change(e.Exception, func(x *ExceptionState) { x.Failed, x.OverAt, x.OverSeq = &e, r.At, r.Seq })
	case ExceptionEnded:
		return true, s.change(e.Exception, func(x *ExceptionState) { x.Ended, x.OverAt, x.OverSeq = &e, r.At, r.Seq })
	}
	return false, nil
}

func (s *IdentityState) exception(id string) int {
	return slices.IndexFunc(s.Life.Exceptions, func(x ExceptionState) bool { return x.Exception == id })
}

// change alters an exception that stands.
func (s *IdentityState) change(id string, fn func(*ExceptionState)) error {
	i := s.exception(id)
	if i < 0 || !s.Life.Exceptions[i].Open() {
		return fmt.Errorf("exception %q does not stand", id)
	}
	s.Life.Exceptions = slices.Clone(s.Life.Exceptions)
	fn(&s.Life.Exceptions[i])
	return nil
}

// OpenExceptions are those that stand.
func (s IdentityState) OpenExceptions() []ExceptionState {
	return slices.DeleteFunc(slices.Clone(s.Life.Exceptions), func(x ExceptionState) bool { return !x.Open() })
}

// Waived are the controls that open exceptions waive.
func (s IdentityState) Waived() []string {
	var out []string
	for _, x := range s.OpenExceptions() {
		if !slices.Contains(out, x.Control) {
			out = append(out, x.Control)
		}
	}
	slices.Sort(out)
	return out
}

// RenewalOf says how often an exception to a control was renewed, if one is asked for now, and since when it stands. One that was lifted because it was
// not needed any more begins anew.
func (s IdentityState) RenewalOf(control string) workflows.Renewed {
	var out workflows.Renewed
	for _, x := range s.Life.Exceptions {
		switch {
		case x.Control != control:
		case x.Ended != nil && x.Ended.Why == ExceptionLifted:
			out = workflows.Renewed{}
		default:
			if out.Times++; out.Since == 0 {
				out.Since = x.At.UTC
			}
		}
	}
	return out
}

// Except are the events that put an exception in force.
func Except(s IdentityState, e ExceptionGranted) []workflows.Event {
	out := []workflows.Event{e}
	if s.Life.Suspended != nil && s.Life.Suspended.Why == SuspendedWaiver && s.Life.Retirement == nil {
		out = append(out, Resumed{Authn: "request", Channel: "request"})
	}
	return out
}

// Looked is what the checks of one exception came to now.
type Looked struct {
	Exception string
	Answers   []CheckAnswer
	Uses      []ExceptionUsed
}

// CheckPatience is how many seconds nobody may be able to tell before that is a failure: a target may be down for a day.
const CheckPatience = 24 * 3600

// LookAt takes in what the checks of an exception came to: it is recorded if it is something new, and one that fails ends the exception.
func LookAt(f workflows.Facts, stream workflows.StreamID, l Looked) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := FoldIdentity(f.Histories[stream])
	if err != nil {
		return out, err
	}
	i := s.exception(l.Exception)
	if i < 0 || !s.Life.Exceptions[i].Open() || s.Life.Retired {
		return out, nil
	}
	x := s.Life.Exceptions[i]
	for _, u := range l.Uses {
		known := slices.ContainsFunc(x.Uses, func(o ExceptionUsed) bool { return o.Session == u.Session && o.Since == u.Since })
		if !known && len(x.Uses) < MaxUses {
			out.Add(stream, workflows.System, "", u)
		}
	}
	if !sameAnswers(x.Answers, l.Answers) {
		out.Add(stream, workflows.System, "", ExceptionChecked{Exception: l.Exception, Answers: l.Answers})
	}
	for _, a := range l.Answers {
		patient := x.Checked.UTC == 0 || !sameAnswers(x.Answers, l.Answers) || f.Now.UTC.Sub(x.Checked.UTC) < CheckPatience*1e9
		if a.Answer == CheckHolds || a.Answer == CheckUnknown && patient {
			continue
		}
		out.Add(stream, workflows.System, "", ExceptionFailed{Exception: l.Exception, Check: a.Check, Why: a.Why})
		s.consequence(stream, x, &out)
		break
	}
	return out, nil
}

// MaxUses bounds the uses that are recorded of one exception: whoever uses it more often is told of the first.
const MaxUses = 500

func sameAnswers(a, b []CheckAnswer) bool { return slices.Equal(a, b) }

// consequence is what follows when an exception is over: the control holds again, and the identity does not meet it.
func (s *IdentityState) consequence(stream workflows.StreamID, x ExceptionState, out *workflows.Outcome) {
	switch {
	case s.Life.Retirement != nil:
	case x.ExceptionGranted.Failed == workflows.FailedRetires:
		if h := s.Life.Handover; h != nil {
			out.Add(stream, workflows.System, "", HandoverLapsed{Handover: h.Handover, Why: "replaced"})
		}
		out.Add(stream, workflows.System, "", RetirementOpened{Items: RetireItems(*s)})
	case s.Life.Suspended == nil:
		out.Add(stream, workflows.System, "", Suspended{Why: SuspendedWaiver})
	}
}

// endExceptions ends what has come to its end; true when there was any.
func (s *IdentityState) endExceptions(stream workflows.StreamID, now workflows.Stamp, out *workflows.Outcome) bool {
	for _, x := range s.OpenExceptions() {
		if now >= x.EndsAt {
			out.Add(stream, workflows.System, "", ExceptionEnded{Exception: x.Exception, Why: ExceptionOver})
			s.consequence(stream, x, out)
			return true // the next one is looked at with the next wake, which is now
		}
	}
	return false
}

// LiftException ends an exception that is not needed any more: nothing follows.
func LiftException(f workflows.Facts, d Do, id workflows.IdentityID, exception string) (workflows.Outcome, error) {
	return d.on(f, id, d.Owns, func(s IdentityState, out *workflows.Outcome) *workflows.Refusal {
		i := s.exception(exception)
		switch {
		case i < 0 || !s.Life.Exceptions[i].Open():
			return workflows.Refuse(workflows.CodeNotActive, "No such exception stands.", "countersign identities exceptions lists them.")
		case utf8.RuneCountInString(strings.TrimSpace(d.Reason)) < MinPurpose:
			return workflows.Refusef(workflows.CodeReasonNeeded, "", "Say why it is not needed any more, in at least %d characters.", MinPurpose)
		}
		out.Add(workflows.IdentityStream(id), d.By, "", ExceptionEnded{
			Exception: exception, Why: ExceptionLifted, Reason: strings.TrimSpace(d.Reason), Authn: d.Authn, Channel: d.Channel,
		})
		return nil
	})
}

// Findings of exceptions.
const (
	FindExceptionFailed = "exception_failed" // what made up for a waived control did not hold
	FindExceptionOver   = "exception_ended"  // an exception ended, and the control does not hold yet
)

// exceptionFindings are those of exceptions that ended and were neither renewed nor settled by a resumption since.
func (s *IdentityState) exceptionFindings() []string {
	var out []string
	for _, x := range s.Life.Exceptions {
		switch {
		case x.Renewed != "" || x.OverSeq == 0 || x.OverSeq < s.Life.ResumeSeq || x.Ended != nil && x.Ended.Why == ExceptionLifted:
		case x.Failed != nil && !slices.Contains(out, FindExceptionFailed):
			out = append(out, FindExceptionFailed)
		case x.Ended != nil && !slices.Contains(out, FindExceptionOver):
			out = append(out, FindExceptionOver)
		}
	}
	return out
}

// waives tells which finding a waived control takes away.
func waives(control, finding string) bool {
	switch control {
	case workflows.ControlRotation:
		return finding == FindRotation || finding == FindOld
	case workflows.ControlExpiry:
		return finding == FindNoEnd
	case workflows.ControlReview:
		return finding == FindReview
	case workflows.ControlScope:
		return finding == FindWide
	case workflows.ControlSharing:
		return finding == FindShared
	case workflows.ControlStorage:
		return finding == FindUnmanaged
	case workflows.ControlPersonal:
		return finding == FindHuman
	}
	return false
}

// unwaived are the findings that no exception covers.
func unwaived(findings, waived []string) []string {
	return slices.DeleteFunc(findings, func(f string) bool {
		return slices.ContainsFunc(waived, func(c string) bool { return waives(c, f) })
	})
}

// NoticeException tells who answers for an identity, and the channel of alarms, that an exception is over; NoticeUsed that it was used.
const (
	NoticeException = "identity_exception"
	NoticeUsed      = "identity_used"
)

// exceptionNotices are the messages that exceptions owe. Stage is the place of the exception, Offer of NoticeUsed the place of the use.
func (s IdentityState) exceptionNotices(people []workflows.PersonID) []workflows.Notice {
	var out []workflows.Notice
	owe := func(n workflows.Notice, about string) {
		n.ID, n.Urgent = n.What+"/"+about+"/"+string(n.To)+n.Channel, true
		if (n.To != "" || n.Channel != "") && !s.Life.Delivered[n.ID] {
			out = append(out, n)
		}
	}
	for i, x := range s.Life.Exceptions {
		if x.OverSeq != 0 && (x.Failed != nil || x.Ended.Why == ExceptionOver) {
			for _, p := range append([]workflows.PersonID{x.Owner}, people...) {
				owe(workflows.Notice{What: NoticeException, To: p, Stage: i}, x.Exception)
			}
		}
		for k, u := range x.Uses {
			n := workflows.Notice{What: NoticeUsed, Stage: i, Offer: fmt.Sprint(k)}
			about := fmt.Sprintf("%s/%d", x.Exception, k)
			owe(workflows.Notice{What: n.What, Stage: i, Offer: n.Offer, To: x.Owner}, about)
			owe(workflows.Notice{What: n.What, Stage: i, Offer: n.Offer, Channel: u.Alarm}, about)
		}
	}
	return slices.CompactFunc(out, func(a, b workflows.Notice) bool { return a.ID == b.ID })
}

// ListExceptions has the identities with exceptions that stand; member: "".
const ListExceptions = "identities.exceptions"

// JobUnlock lets the account of an identity that is neither suspended nor quarantined any more log in again; finished by identity.account_locked.
const JobUnlock = "identity.unlock"

// Locks records what a target was made to do with an account, if that is something new. The account of an identity that is being taken off is
// closed with that: the target was read back.
func Locks(f workflows.Facts, stream workflows.StreamID, t workflows.TargetID, locked bool) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := FoldIdentity(f.Histories[stream])
	if err != nil || s.ID == "" {
		return out, err
	}
	if (s.Life.Locked != "") != locked {
		out.Add(stream, workflows.System, "", AccountLocked{Target: t, Locked: locked})
	}
	if r := s.Life.Retirement; locked && r != nil && !s.Life.Retired {
		left := r.Left()
		if slices.ContainsFunc(left, func(i RetireItem) bool { return i.ID == ItemAccount }) {
			out.Add(stream, workflows.System, "", RetireItemDone{Item: ItemAccount, Proof: ProofVerified})
			if len(left) == 1 {
				out.Add(stream, workflows.System, "", Retired{Items: len(r.Items)})
			}
		}
	}
	return out, err
}

// unlocks tells whether its account is locked on a target although nothing demands that any more.
func (s IdentityState) unlocks() bool {
	return s.Life.Locked != "" && s.Life.Suspended == nil && s.Life.Retirement == nil && !s.Quarantine.On
}
