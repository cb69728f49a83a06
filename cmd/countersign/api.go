package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/bot/api"
	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

const (
	viaAPI         = "api"
	workloadMedium = "workload" // accounts of workloads: issuer and subject
	alarmToken     = "token"    // somebody presents tokens that are not taken
	alarmReplay    = "replay"   // somebody presents a token of an identity that opened a session before
)

// counterOffice stands behind the API's door: the same desk, rules and ledger as for people.
type counterOffice struct{ s *serving }

func (s *serving) apiServer() *api.Server {
	return api.New(api.Config{Office: counterOffice{s}, Now: time.Now, Version: version(), Log: s.log})
}

// Doors implements api.Office.
func (o counterOffice) Doors() (out []api.Door) {
	p := o.s.desk.Policy()
	for id, i := range p.Identities {
		for _, w := range i.Workloads {
			out = append(out, api.Door{Identity: id, Workload: w})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Identity < out[j].Identity })
	return out
}

// Begin implements api.Office.
func (o counterOffice) Begin(ctx context.Context, p api.Proof, session string) (api.Session, *workflows.Refusal, error) {
	row, err := o.s.store.EnsureAccount(ctx, workloadMedium, p.Issuer+" "+p.Subject)
	if err != nil {
		return api.Session{}, nil, err
	}
	res, err := o.s.desk.Authenticate(ctx, desk.Session{Identity: p.Identity, Account: row.Actor, Authenticated: identities.Authenticated{
		Session: session, Issuer: p.Issuer, Subject: p.Subject, Token: p.Token, EndsAt: workflows.StampOf(p.Expires), Authn: p.Authn,
	}})
	if err == nil && res.Refusal != nil && res.Refusal.Code == workflows.CodeReplayed {
		id := string(p.Identity) // an alarm of its own: what strangers present does not keep this one quiet
		o.s.alarm(alarmReplay+"/"+id, id, screens.Sentencef("A token of %s that had opened a session was presented again, and was refused. If its owner did not repeat a call, somebody else has its tokens: `/access quarantine %s` takes everything from it and locks it.", id, id))
	}
	return api.Session{By: res.By}, res.Refusal, err
}

// Turned implements api.Office.
func (o counterOffice) Turned(ctx context.Context, from string, err error) {
	if left, ok := o.s.seldom.let(alarmToken, time.Now()); ok {
		o.s.log.WarnContext(ctx, "a token was not taken", "from", from, "err", err, "left_out", left)
	}
	var bad *api.TokenError
	if errors.As(err, &bad) {
		o.s.alarm(alarmToken, bad.Claim, screens.Sentencef("A token for the API was not taken: %s.", bad.Text))
	}
}

// Offers implements api.Office.
func (o counterOffice) Offers(ctx context.Context, s api.Session) ([]api.Offer, error) {
	list, err := o.s.desk.Catalogue(ctx, s.By.Person)
	if err != nil {
		return nil, err
	}
	var out []api.Offer
	for _, f := range list {
		if !slices.Contains(f.Subjects, s.Identity) {
			continue
		}
		w := f.Version.Workflow
		if !w.ForMachines() {
			continue
		}
		x := api.Offer{Workflow: string(w.ID), Title: w.Title, Longest: w.Longest.String()}
		for _, e := range w.Entitlements {
			x.Entitlements = append(x.Entitlements, api.Entitlement{Target: string(e.Target), Entitlement: string(e.ID), Title: e.Title, Description: e.Description, Confirm: w.MayWantTyped(e)})
		}
		for _, f := range w.Fields {
			x.Fields = append(x.Fields, api.Field{Name: f.Name, Label: f.Label, Kind: f.Type, Required: !f.Optional, Choices: f.Choices})
		}
		out = append(out, x)
	}
	return out, nil
}

// Ask implements api.Office.
func (o counterOffice) Ask(ctx context.Context, s api.Session, key string, a api.Ask) (string, *workflows.Refusal, []workflows.FieldProblem, error) {
	form := workflows.Form{Target: workflows.TargetID(a.Target), Entitlement: workflows.EntitlementID(a.Entitlement), Reason: a.Reason, Values: a.Fields, Typed: a.Confirm}
	var cause workflows.Cause
	if key != "" {
		cause = workflows.Cause("api/" + string(s.By.Actor) + "/" + key)
	}
	v, ok := o.s.desk.Policy().Workflows[workflows.WorkflowID(a.Workflow)]
	if ok {
		w := v.Workflow
		if a.Target == "" && a.Entitlement == "" && len(w.Entitlements) == 1 {
			form.Target, form.Entitlement = w.Entitlements[0].Target, w.Entitlements[0].ID
		}
		form.Seconds = w.Usual
		form.Values = withTask(w, a)
	}
	if a.Duration != "" {
		long, ok := workflows.ParseSpan(a.Duration)
		if !ok {
			no := workflows.Refuse(workflows.CodeBadField, "The duration cannot be read.", "Write 30m, 4h or 2d.")
			no, err := o.s.desk.Refuse(ctx, cause, s.By, "submit", viaAPI, a.Workflow, no)
			return "", no, []workflows.FieldProblem{{Field: "duration", Text: "want 30m, 4h or 2d"}}, err
		}
		form.Seconds = long
	}
	res, err := o.s.desk.Submit(ctx, desk.Submission{
		Cause: cause, By: s.By, Workflow: workflows.WorkflowID(a.Workflow), Form: form, Subject: s.Identity, Channel: viaAPI, Authn: s.Authn + "/" + s.ID,
	})
	return string(res.ID), res.Refusal, res.Problems, err
}

// withTask puts the task into the workflow's ticket field, if it has one and the fields do not say otherwise.
func withTask(w *workflows.Workflow, a api.Ask) map[string]string {
	out := map[string]string{}
	for k, v := range a.Fields {
		out[k] = v
	}
	for _, f := range w.Fields {
		if f.Type == workflows.FieldTicket && a.Task != "" && out[f.Name] == "" {
			out[f.Name] = a.Task
		}
	}
	return out
}

// own finds a request that the session's identity holds or asked to hold.
func (o counterOffice) own(ctx context.Context, s api.Session, id string) (desk.View, error) {
	if !strings.HasPrefix(id, "r_") || len(id) != 28 {
		return desk.View{}, api.ErrUnknown
	}
	v, err := o.s.desk.Look(ctx, workflows.RequestID(id))
	switch {
	case errors.Is(err, workflows.ErrNoStream):
		return v, api.ErrUnknown
	case err != nil:
		return v, err
	case v.State.Asked.Subject != s.Identity:
		return v, api.ErrUnknown
	}
	return v, nil
}

// Look implements api.Office.
func (o counterOffice) Look(ctx context.Context, s api.Session, id string) (api.Request, error) {
	v, err := o.own(ctx, s, id)
	if err != nil {
		return api.Request{}, err
	}
	return o.shown(ctx, s, v), nil
}

func (o counterOffice) shown(ctx context.Context, s api.Session, v desk.View) api.Request {
	asked := v.State.Asked
	out := api.Request{
		ID: string(v.State.ID), State: stateOf(v), Workflow: string(asked.Workflow), Target: string(asked.Target), Entitlement: string(asked.Entitlement),
		Duration: asked.Seconds.String(), Digest: asked.Digest, Responsible: o.s.desk.Name(ctx, s.By.Person),
		Sentence: workflows.Explain(v.State, o.s.outlookOf(ctx, s.By.Person)).Sentence,
	}
	if h := v.Hold; h != nil {
		ends := h.Ends.UTC.Time().UTC()
		out.Grant, out.EndsAt = string(h.Approved.Grant), &ends
		out.Secret = h.Status == grants.StatusActive && h.Secret.Waits() && h.Secret.TakenAt.UTC == 0
		if h.Status == grants.StatusActive && h.Started.Use != "" {
			out.Use = json.RawMessage(h.Started.Use)
		}
	}
	return out
}

// stateOf is one word for where a request and what it brought about stand.
func stateOf(v desk.View) string {
	switch {
	case v.State.Status == workflows.StatusOpen:
		return api.StatePending
	case v.State.Status != workflows.StatusApproved:
		return string(v.State.Status)
	case v.Hold == nil, v.Hold.Status == grants.StatusApproved:
		return api.StateStarting
	}
	return string(v.Hold.Status)
}

// Secret implements api.Office.
func (o counterOffice) Secret(ctx context.Context, s api.Session, id string) (api.Secret, *workflows.Refusal, error) {
	v, err := o.own(ctx, s, id)
	if err != nil {
		return api.Secret{}, nil, err
	}
	if v.Hold == nil || v.Hold.Status != grants.StatusActive {
		return api.Secret{}, workflows.Refuse(workflows.CodeSecret, "There is no access under this request now.", ""), nil
	}
	h, no, err := o.s.hand.take(ctx, desk.TakeSecret{By: s.By, Grant: v.Hold.Approved.Grant, Authn: s.Authn + "/" + s.ID, Channel: viaAPI})
	if err != nil || no != nil {
		return api.Secret{}, no, err
	}
	out := api.Secret{Title: h.Title, Wrapped: h.Wrapped}
	for _, p := range h.Parts {
		out.Parts = append(out.Parts, api.Part{Name: p.Name, Value: p.Value.Reveal(), File: p.File})
	}
	return out, nil, nil
}

// End implements api.Office.
func (o counterOffice) End(ctx context.Context, s api.Session, id, why string) (*workflows.Refusal, error) {
	v, err := o.own(ctx, s, id)
	if err != nil {
		return nil, err
	}
	if v.State.Status == workflows.StatusOpen {
		res, err := o.s.desk.Withdraw(ctx, desk.Change{By: s.By, Request: v.State.ID, Why: why, Channel: viaAPI})
		return res.Refusal, err
	}
	if v.Hold == nil || v.Hold.Status == grants.StatusEnding || v.Hold.Status == grants.StatusEnded {
		return nil, nil
	}
	res, err := o.s.desk.End(ctx, desk.EndGrant{By: s.By, Grant: v.Hold.Approved.Grant, How: grants.HowReturned, Why: why, Channel: viaAPI})
	return res.Refusal, err
}

// Held implements api.Office.
func (o counterOffice) Held(ctx context.Context, s api.Session) ([]api.Request, error) {
	var out []api.Request
	open, err := o.s.desk.Requests(ctx, workflows.ListMyOpen, s.By.Person, 0)
	if err != nil {
		return nil, err
	}
	for _, v := range open {
		if v.State.Asked.Subject == s.Identity {
			out = append(out, o.shown(ctx, s, v))
		}
	}
	active, err := o.s.desk.Grants(ctx, s.By.Person, 0)
	if err != nil {
		return nil, err
	}
	for _, h := range active {
		if h.Hold.Approved.Identity != s.Identity || h.Hold.Approved.Request == "" {
			continue
		}
		v, err := o.s.desk.Look(ctx, h.Hold.Approved.Request)
		if err != nil {
			return nil, err
		}
		out = append(out, o.shown(ctx, s, v))
	}
	return out, nil
}
