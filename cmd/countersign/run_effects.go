package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// step has a connector do one step of a run: record, then act, then record. What it asks is under the same order however often it comes
// again, so that a crash between doing and recording does nothing twice.
func (e effects) step(ctx context.Context, j jobs.Job) error {
	s, st, due, err := e.desk.StepDue(ctx, j.Stream, j.Kind, j.Key)
	if err != nil || !due {
		return err
	}
	if why := e.desk.StepMayRun(ctx, s, st); why != "" {
		return e.desk.StepFailed(ctx, s, st.Number, runbooks.Refuse.String(), why, true)
	}
	order, err := e.orderOf(ctx, s, st)
	if err != nil {
		return e.desk.StepFailed(ctx, s, st.Number, runbooks.Refuse.String(), err.Error(), true)
	}
	within, cancel := context.WithTimeout(ctx, max(st.Timeout, 1).Duration())
	defer cancel()
	done, err := e.act(within, s, st, order)
	if err == nil {
		done.Step = st.Number
		return e.desk.StepSucceeded(ctx, desk.Cause(j.Cause()), s, done)
	}
	if ctx.Err() != nil {
		return err // we are being stopped: the next start tries the same attempt again
	}
	var classed *runbooks.Error
	if !errors.As(err, &classed) {
		classed = runbooks.Errorf(runbooks.Retry, err, "the connector did not say what was wrong")
	}
	return e.desk.StepFailed(ctx, s, st.Number, classed.Class.String(), classed.Text, classed.Class == runbooks.Refuse)
}

// act is what a step asks of its connector.
func (e effects) act(ctx context.Context, s runs.State, st runs.StepState, order runbooks.Grant) (runs.StepDone, error) {
	name := string(st.Does.Target)
	if st.Precheck != "" && !st.Checked { // what an earlier attempt did is no reason to refuse the next one
		if err := e.precheck(ctx, s, st, order); err != nil {
			return runs.StepDone{}, err
		}
	}
	switch st.Action {
	case incidents.ActRevoke:
		receipt, presence, err := e.runner.Stop(ctx, name, order)
		if err == nil && presence == runbooks.Unconfirmed {
			receipt.Facts = maps.Clone(receipt.Facts)
			if receipt.Facts == nil {
				receipt.Facts = map[string]string{}
			}
			receipt.Facts["presence"] = string(presence)
		}
		return runs.StepDone{Ref: receipt.Ref, Facts: receipt.Facts, Personal: receipt.Personal}, err
	case incidents.ActRotate, incidents.ActRenew, incidents.ActRetire:
		receipt, err := e.turn(ctx, s, st, order)
		return runs.StepDone{Ref: receipt.Ref, Facts: receipt.Facts, Personal: receipt.Personal}, err
	}
	receipt, err := e.runner.Start(ctx, name, order)
	return runs.StepDone{Ref: receipt.Ref, Facts: receipt.Facts, Personal: receipt.Personal}, err
}

func (e effects) precheck(ctx context.Context, s runs.State, st runs.StepState, order runbooks.Grant) error {
	presence, err := e.runner.Read(ctx, string(st.Does.Target), order)
	if err != nil {
		return err
	}
	if string(presence) != st.Precheck {
		return runbooks.Errorf(runbooks.Refuse, nil, "before anything was done, the target should have shown it %s, and it was %s; nothing was done", st.Precheck, presence)
	}
	return e.desk.StepChecked(ctx, s, runs.StepChecked{Step: st.Number, Presence: string(presence)})
}

// undo takes one step back. It is never given up: every error brings the job again.
func (e effects) undo(ctx context.Context, j jobs.Job) error {
	s, st, due, err := e.desk.StepDue(ctx, j.Stream, j.Kind, j.Key)
	if err != nil || !due {
		return err
	}
	done := runs.StepUndone{Step: st.Number, Presence: string(runbooks.Absent)}
	// Access that a step gave is ended by its grant, and what was taken away is not given back by a machine.
	if st.Action == incidents.ActCommand || st.Action == incidents.ActWebhook {
		order, err := e.orderOf(ctx, s, st)
		if err != nil {
			return fmt.Errorf("taking back step %d of %s: %w", st.Number, s.ID, err)
		}
		receipt, presence, err := e.runner.Stop(ctx, string(st.Does.Target), order)
		if err != nil {
			return fmt.Errorf("taking back step %d of %s: %w", st.Number, s.ID, err)
		}
		done.Presence, done.Facts = string(presence), receipt.Facts
	}
	return e.desk.StepUndone(ctx, desk.Cause(j.Cause()), s, done)
}

// orderOf is what a connector is asked for a step. Its errors are sentences without secrets.
func (e effects) orderOf(ctx context.Context, s runs.State, st runs.StepState) (runbooks.Grant, error) {
	who := s.Executor.Identity()
	if s.Opened.Subject != "" {
		who = s.Opened.Subject
	}
	account, err := answerTo(s, st.Account)
	if err != nil {
		return runbooks.Grant{}, err
	}
	if account == "" {
		account = s.Opened.Accounts[string(st.Does.Target)]
	}
	if account == "" && st.Action == incidents.ActRevoke {
		return runbooks.Grant{}, fmt.Errorf("whose access is taken away is not on record for %s", st.Does.TargetTitle)
	}
	fields, err := handedBy(s, st)
	if err != nil {
		return runbooks.Grant{}, err
	}
	return runbooks.Grant{
		ID: st.Order, Request: s.Opened.Request, Identity: who, Holder: e.desk.Name(ctx, s.Executor), Account: account,
		Target: st.Does.Target, Entitlement: st.Does.ID, Params: withFields(st.Does.Params, fields), Fields: fields,
		Start: s.At.UTC.Time(), End: s.EndsAt.Time(),
	}, nil
}

// handedBy are the values that a step hands over: texts of the document, whole answers of the form, and secrets, which are read now and kept
// nowhere.
func handedBy(s runs.State, st runs.StepState) (map[string]string, error) {
	out := map[string]string{}
	for name, v := range st.Fields {
		value, err := answerTo(s, v)
		if err != nil {
			return nil, err
		}
		out[name] = value
	}
	for name, where := range st.Secrets {
		value, err := namedSecret(where)
		if err != nil {
			return nil, fmt.Errorf("the secret %q of this step cannot be read: %w", name, err)
		}
		out[name] = value
	}
	return out, nil
}

// answerTo is a text of the document, or the whole answer that "${name}" stands for.
func answerTo(s runs.State, v string) (string, error) {
	name, ok := strings.CutPrefix(v, "${")
	if !ok {
		return v, nil
	}
	name = strings.TrimSuffix(name, "}")
	if got, ok := s.Opened.Fields[name]; ok {
		return got, nil
	}
	if got, ok := s.Opened.Texts[name]; ok && got != "" {
		return got, nil
	}
	return "", fmt.Errorf("the form was left without %s, which this step needs", strconv.Quote(name))
}

// namedSecret reads what "file:/…" or "env:…" names.
func namedSecret(where string) (string, error) {
	if name, ok := strings.CutPrefix(where, "env:"); ok {
		v, ok := os.LookupEnv(name)
		if !ok || v == "" {
			return "", fmt.Errorf("environment variable %s is not set", name)
		}
		return v, nil
	}
	path, ok := strings.CutPrefix(where, "file:")
	if !ok {
		return "", errors.New("it names neither a file nor a variable")
	}
	return readSecret(path)
}

// stepTarget keeps one dead target from delaying the steps of others: the run's own stream is the key.
func stepTarget(j jobs.Job) string {
	return string(workflows.RunStream(workflows.RunID(j.Stream.Rest())))
}
