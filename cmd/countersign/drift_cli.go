package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/targets"
)

// The verbs of the people's socket for what is found on targets.
const (
	doDrift  = "drift"
	doAnswer = "drift-accept"
	doDrill  = "drill"
)

// driftCommand compares targets with the ledger, or answers for something that was found.
func driftCommand(ctx context.Context, p proc) error {
	if len(p.args) > 0 && p.args[0] == "accept" {
		p.args = p.args[1:]
		return driftAcceptCommand(ctx, p)
	}
	x := newPerson(p, "drift", "[TARGET] [-last] | accept TARGET FINDING -reason TEXT")
	last := x.flags.Bool("last", false, "show what the last comparison found; do not compare now")
	words, err := x.parse(0, 1)
	if err != nil {
		return err
	}
	o := order{Do: doDrift, ID: strings.Join(words, "")}
	if *last {
		o.What = "last"
	}
	return x.do(ctx, o)
}

func driftAcceptCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "drift accept", "TARGET FINDING -reason TEXT")
	reason := x.flags.String("reason", "", "what the access is for; the ledger keeps it")
	words, err := x.parse(2, 2)
	if err != nil {
		return err
	}
	return x.do(ctx, order{Do: doAnswer, ID: words[0], What: words[1], Reason: *reason})
}

// drillCommand makes and takes back a canary's access.
func drillCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "drill", "TARGET")
	words, err := x.parse(1, 1)
	if err != nil {
		return err
	}
	return x.do(ctx, order{Do: doDrill, ID: words[0]})
}

// driftReport is what is found on one target, for -json.
type driftReport struct {
	Target   string         `json:"target"`
	At       string         `json:"at,omitempty"`
	Seen     int64          `json:"seen"`
	Grants   int64          `json:"grants"`
	Open     int            `json:"open"`
	Unread   string         `json:"unread,omitempty"`
	Error    string         `json:"error,omitempty"`
	Findings []driftFinding `json:"findings"`
}

type driftFinding struct {
	Finding  string `json:"finding"`
	Why      string `json:"why"`
	Act      string `json:"act"`
	What     string `json:"what"`
	Account  string `json:"account,omitempty"`
	Grant    string `json:"grant,omitempty"`
	MadeBy   string `json:"made_by,omitempty"`
	MadeAt   string `json:"made_at,omitempty"`
	LastUsed string `json:"last_used,omitempty"`
	Found    string `json:"found"`
	Accepted bool   `json:"accepted,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Trouble  string `json:"trouble,omitempty"`
	Could    string `json:"entitlement,omitempty"` // what gives the same for a time
	Owner    string `json:"owner,omitempty"`       // who answers for that
	Due      string `json:"due,omitempty"`
	Sentence string `json:"sentence"`
}

// cliPatience is how long an order waits for targets: what takes longer goes on, and the next look shows it.
const cliPatience = 25 * time.Second

func (s *serving) cliDrift(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	list := s.watched(ctx, by.Person, o.ID)
	if len(list) == 0 {
		no := workflows.Refuse(workflows.CodeNotEligible, "There is no such target, or it is not yours to look at.", "The owner of a target and those with the role security may.")
		return s.refuse(ctx, cause, by, "drift", no)
	}
	reports := make([]driftReport, len(list))
	var wait sync.WaitGroup
	for i, t := range list {
		wait.Go(func() { reports[i] = s.driftOf(ctx, t, by, o.What == "last") })
	}
	wait.Wait()
	data, err := json.Marshal(reports)
	out := reply{OK: true, Data: data}
	for _, r := range reports {
		out.Lines = append(out.Lines, r.lines()...)
	}
	return out, err
}

// driftOf compares one target, or says why it could not and what was known before.
func (s *serving) driftOf(ctx context.Context, t workflows.TargetID, by workflows.Acting, last bool) driftReport {
	out := driftReport{Target: string(t)}
	var err error
	if !last {
		err = s.soon(ctx, func(ctx context.Context) error {
			_, err := s.sweeper.sweep(ctx, t, "", by)
			return err
		})
	}
	if err != nil {
		out.Error = err.Error()
	}
	state, err := s.desk.TargetState(ctx, t)
	if err != nil {
		out.Error = err.Error()
		return out
	}
	out.fill(state)
	return out
}

// errGoesOn says that the answer comes later than somebody waits.
var errGoesOn = errors.New("this takes longer than a command waits; it goes on, and `countersign drift -last` shows what came of it")

// soon does something that goes on when the caller does not wait any longer.
func (s *serving) soon(ctx context.Context, do func(context.Context) error) error {
	done := make(chan error, 1)
	s.wait.Go(func() { done <- do(context.WithoutCancel(ctx)) })
	timer := time.NewTimer(cliPatience)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return errGoesOn
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *driftReport) fill(s targets.State) {
	r.At, r.Seen, r.Grants, r.Open, r.Unread = stampText(s.SweptAt), s.Swept.Seen, s.Swept.Grants, s.Standing(), s.Swept.Unread
	r.Findings = []driftFinding{}
	for _, x := range s.Sorted() {
		f := x.Found
		r.Findings = append(r.Findings, driftFinding{
			Finding: f.Finding, Why: f.Why, Act: f.Act, What: f.What, Account: f.Account, Grant: string(f.Grant), MadeBy: f.MadeBy, MadeAt: stampText(f.MadeAt),
			LastUsed: stampText(f.LastUsed), Found: stampText(x.At), Accepted: x.Accepted, Reason: x.Reason, Trouble: x.Trouble.Text, Sentence: x.Sentence(stampText),
			Could: string(f.Entitlement), Owner: string(f.Owner), Due: stampText(f.Due),
		})
	}
}

func stampText(at workflows.Stamp) string {
	if at == 0 {
		return ""
	}
	return at.Time().Format(time.RFC3339)
}

func (r driftReport) lines() []string {
	head := fmt.Sprintf("%s: %d accesses, %d active grants, %s", r.Target, r.Seen, r.Grants, howMany(r.Open, "finding"))
	if r.At != "" {
		head += ", as of " + r.At
	}
	out := []string{head}
	if r.Error != "" {
		out = append(out, "  could not be compared now: "+r.Error)
	}
	if r.Unread != "" {
		out = append(out, "  could not be read to the end, so this may not be all: "+r.Unread)
	}
	for _, f := range r.Findings {
		out = append(out, "  "+f.Finding+"  "+f.Sentence)
	}
	return out
}

func (s *serving) cliAnswerFinding(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	res, err := s.desk.AcceptFinding(ctx, cause, workflows.TargetID(o.ID), targets.Answer{
		By: by, Finding: o.What, Reason: o.Reason, Channel: viaCLI, Authn: unixPeer,
	})
	if err != nil {
		return reply{}, err
	}
	if res.Refusal != nil {
		return refusedReply(res.Refusal), nil
	}
	return reply{OK: true, Text: "Recorded: you answer for it. It is not reported again for as long as it stays as it is."}, nil
}

func (s *serving) cliDrill(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	t := workflows.TargetID(o.ID)
	if !s.desk.MayWatch(ctx, t, by.Person) {
		no := workflows.Refuse(workflows.CodeNotEligible, "There is no such target, or it is not yours to drill.", "The owner of a target and those with the role security may.")
		return s.refuse(ctx, cause, by, "drill", no)
	}
	var e targets.Drilled
	made := make(chan targets.Drilled, 1)
	err := s.soon(ctx, func(ctx context.Context) error {
		e, err := s.sweeper.drill(ctx, t, workflows.GrantID(clockIDs{s.clock}.New("g_")), by)
		made <- e
		return err
	})
	if err != nil {
		return reply{OK: true, Text: err.Error()}, nil
	}
	if e = <-made; !e.OK {
		return reply{Code: "drill", Refused: fmt.Sprintf("The drill on %s failed at the step %s: %s", t, e.Step, e.Text)}, nil
	}
	return reply{OK: true, Text: fmt.Sprintf("The drill on %s succeeded: %s was made and read back in %d ms, and taken back and read back as gone in %d ms. %s", t, e.Entitlement, e.GrantMS, e.RevokeMS, e.Proved())}, nil
}
