package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// Exceptions to controls: what makes up for each waived control is looked at every quarter of an hour.

// jobExceptions looks at all exceptions that stand.
const jobExceptions = "exceptions.check"

const exceptionsCron = "*/15 * * * *"

// checkExceptions carries the job out.
func (s *serving) checkExceptions(ctx context.Context, _ jobs.Job) error {
	if err := s.desk.CheckExceptions(ctx, accountUse{s}); err != nil {
		return err
	}
	return jobs.Done
}

// accountUse implements desk.Accounts on the connectors.
type accountUse struct{ s *serving }

var _ desk.Accounts = accountUse{}

// Use implements desk.Accounts.
func (a accountUse) Use(ctx context.Context, t workflows.TargetID, account string) ([]desk.AccountSession, error) {
	c, ok := a.s.runner.Connector(string(t))
	w, can := c.(runbooks.AccountWatcher)
	if !ok || !can {
		return nil, fmt.Errorf("target %q does not tell who uses an account", t)
	}
	list, err := w.AccountUse(ctx, account)
	if err != nil {
		return nil, fmt.Errorf("asking %q who uses an account: %w", t, err)
	}
	out := make([]desk.AccountSession, 0, len(list))
	for _, x := range list {
		out = append(out, desk.AccountSession{Ref: x.Ref, From: x.From, Since: discoveredAt(x.Since)})
	}
	return out, nil
}

// lockAccount keeps the account of a suspended or quarantined identity from logging in on its target, where the target can do that. What no grant of ours made would
// go on otherwise.
func (s *serving) lockAccount(ctx context.Context, cause desk.Cause, stream workflows.StreamID) error {
	id := workflows.IdentityID(stream.Rest())
	v, err := s.desk.IdentityLocks(ctx, id)
	if err != nil || v.Target == "" || v.Account == "" || !v.Suspended || v.Locked != "" && !v.Closing {
		return err
	}
	c, ok := s.runner.Connector(string(v.Target))
	l, can := c.(runbooks.AccountLocker)
	if !ok || !can {
		return s.shutAccount(ctx, cause, id, v, c)
	}
	if err := l.LockAccount(ctx, v.Account); err != nil {
		return fmt.Errorf("locking the account of %q on %q: %w", id, v.Target, err)
	}
	return s.desk.RecordLock(ctx, cause, id, v.Target, true)
}

// shutAccount closes the account of an identity that is being taken off, where its connector can do that and read it back. What the connector refuses is closed
// by people, with evidence.
func (s *serving) shutAccount(ctx context.Context, cause desk.Cause, id workflows.IdentityID, v desk.IdentityLock, c runbooks.Connector) error {
	closer, can := c.(runbooks.AccountCloser)
	if !can || !v.Closing {
		return nil
	}
	err := closer.CloseAccount(ctx, v.Account)
	switch {
	case err != nil && runbooks.ClassOf(err) == runbooks.Refuse:
		s.log.WarnContext(ctx, "an account is closed by hand, since its connector does not", "identity", id, "target", v.Target, "err", err)
		return nil
	case err != nil:
		return fmt.Errorf("closing the account of %q on %q: %w", id, v.Target, err)
	}
	return s.desk.RecordLock(ctx, cause, id, v.Target, true)
}

// unlockAccount lets it log in again.
func (s *serving) unlockAccount(ctx context.Context, j jobs.Job) error {
	id := workflows.IdentityID(j.Stream.Rest())
	v, err := s.desk.IdentityLocks(ctx, id)
	if err != nil || v.Locked == "" || v.Suspended {
		return cmp.Or(err, jobs.Done)
	}
	c, ok := s.runner.Connector(string(v.Locked))
	l, can := c.(runbooks.AccountLocker)
	if ok && can && v.Account != "" {
		if err := l.UnlockAccount(ctx, v.Account); err != nil {
			return fmt.Errorf("unlocking the account of %q on %q: %w", id, v.Locked, err)
		}
	}
	return s.desk.RecordLock(ctx, desk.Cause(j.Cause()), id, v.Locked, false)
}

// listedException is an exception as a machine reads it.
type listedException struct {
	Identity  workflows.IdentityID     `json:"identity"`
	Exception string                   `json:"exception"`
	Control   string                   `json:"control"`
	State     string                   `json:"state"` // open, failed, ended, lifted, renewed
	Owner     string                   `json:"owner"`
	Approvers []string                 `json:"approvers"`
	Reason    string                   `json:"reason,omitempty"`
	Plan      string                   `json:"exit_plan,omitempty"`
	From      workflows.Stamp          `json:"from"`
	EndsAt    workflows.Stamp          `json:"ends_at"`
	Renewal   int                      `json:"renewal"`
	Since     workflows.Stamp          `json:"since"`
	Checks    []workflows.CheckTerms   `json:"checks"`
	Answers   []identities.CheckAnswer `json:"answers,omitempty"`
	Uses      int                      `json:"uses,omitempty"`
	Why       string                   `json:"why,omitempty"`
}

func exceptionWord(x identities.ExceptionState) (state, why string) {
	switch {
	case x.Renewed != "":
		return "renewed", ""
	case x.Failed != nil:
		return "failed", x.Failed.Why
	case x.Ended != nil && x.Ended.Why == identities.ExceptionLifted:
		return "lifted", x.Ended.Why
	case x.Ended != nil:
		return "ended", x.Ended.Why
	}
	return "open", ""
}

// listExceptions is the register of exceptions (R33).
func (s *serving) listExceptions(ctx context.Context, by workflows.Acting, o order) (reply, error) {
	list, err := s.desk.Exceptions(ctx, by.Person, o.Args["all"] != "" || o.ID != "")
	if err != nil {
		return reply{}, err
	}
	out := reply{OK: true}
	rows := []listedException{}
	for _, x := range list {
		if o.ID != "" && o.ID != string(x.Identity) {
			continue
		}
		row := s.exceptionRow(ctx, x)
		rows = append(rows, row)
		out.Lines = append(out.Lines, s.exceptionLines(row)...)
	}
	if out.Text = quantity(len(rows), "exception", "exceptions") + "."; len(rows) == 0 {
		out.Text = "No exception stands."
	}
	out.Data, err = json.Marshal(rows)
	return out, err
}

func (s *serving) exceptionRow(ctx context.Context, x desk.ExceptionView) listedException {
	row := listedException{
		Identity: x.Identity, Exception: x.Exception, Control: x.Control, Owner: s.ownerWords(ctx, cmp.Or(x.Owner, string(x.ExceptionGranted.Owner))), Reason: x.Reason, Plan: x.Plan,
		From: x.At.UTC, EndsAt: x.EndsAt, Renewal: x.Renewal, Since: cmp.Or(x.Since, x.At.UTC), Checks: x.Checks, Answers: x.Answers, Uses: len(x.Uses),
	}
	row.State, row.Why = exceptionWord(x.ExceptionState)
	for _, p := range x.Approvers {
		row.Approvers = append(row.Approvers, s.desk.Name(ctx, p))
	}
	return row
}

func (s *serving) exceptionLines(r listedException) []string {
	head := fmt.Sprintf("%s  %s: no %s, %s until %s", r.Identity, r.Exception, strings.ReplaceAll(r.Control, "_", " "), r.State, dayOr(r.EndsAt, ""))
	if r.Renewal > 0 {
		head += fmt.Sprintf("; renewal %d, standing since %s", r.Renewal, dayOr(r.Since, ""))
	}
	if r.Why != "" {
		head += ": " + r.Why
	}
	out := []string{head, "    owner " + r.Owner + "; approved by " + list(r.Approvers, "nobody")}
	if r.Reason != "" {
		out = append(out, "    why: "+r.Reason)
	}
	if r.Plan != "" {
		out = append(out, "    exit plan: "+r.Plan)
	}
	for i, c := range r.Checks {
		now := "not looked at yet"
		for _, a := range r.Answers {
			if a.Check == i {
				now = strings.TrimSpace(a.Answer + " " + a.Why)
			}
		}
		out = append(out, fmt.Sprintf("    in its place: %s (%s)", c, now))
	}
	return out
}
