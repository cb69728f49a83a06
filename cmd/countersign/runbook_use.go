package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// How access is used, told on the bot's host: while Slack is away its message with the command and the certificate reaches nobody.

const (
	usableWait = 5 * time.Second // how long an invocation waits for its access: it promises two seconds
	usableLook = 20 * time.Millisecond
)

// awaitUse adds to the answer to an invocation how the access is used, as soon as it is there; or says how to ask for it.
func (s *serving) awaitUse(ctx context.Context, by workflows.Acting, id workflows.GrantID, out *reply) error {
	ctx, cancel := context.WithTimeout(ctx, usableWait)
	defer cancel()
	look := time.NewTicker(usableLook)
	defer look.Stop()
	for {
		h, err := s.desk.Grant(ctx, id)
		switch {
		case errors.Is(err, workflows.ErrNoStream) || err == nil && h.Hold.Approved.Identity.Person() != by.Person:
			return nil // it gives nothing by itself, or somebody else carries it out
		case err == nil && h.Hold.Status == grants.StatusActive:
			s.useInto(h.Hold, out)
			return nil
		case err != nil && ctx.Err() == nil:
			return err
		}
		select {
		case <-ctx.Done():
			out.Lines = append(out.Lines, "Its access is not there yet: countersign status "+string(id)+" shows how to use it.")
			return nil
		case <-look.C:
		}
	}
}

// useInto adds how live access is used: nothing of it is a secret, those are taken with countersign take.
func (s *serving) useInto(h grants.Hold, out *reply) {
	if h.Secret.Waits() && h.Secret.TakenAt.UTC == 0 {
		out.Lines = append(out.Lines, "Its secret waits for you: countersign take "+string(h.Approved.Grant))
	}
	if h.Started.Use != "" {
		out.Use = json.RawMessage(h.Started.Use)
	}
}

// grantReply shows access to who holds it.
func (s *serving) grantReply(ctx context.Context, by workflows.Acting, id workflows.GrantID) (reply, error) {
	h, err := s.desk.Grant(ctx, id)
	if errors.Is(err, workflows.ErrNoStream) || err == nil && h.Hold.Approved.Identity.Person() != by.Person {
		return refusedReply(workflows.Unknown()), nil
	}
	if err != nil {
		return reply{}, err
	}
	a, when := h.Hold.Approved, s.outlookOf(ctx, by.Person).When
	out := reply{OK: true, ID: string(id), Status: string(h.Hold.Status)}
	out.Lines = []string{fmt.Sprintf("%s on %s, until %s", a.Title, a.TargetTitle, when(h.Hold.Ends.UTC))}
	if h.Hold.Status == grants.StatusActive {
		out.Lines = append(out.Lines, doubtLines(h.Hold, when)...)
		out.Lines = append(out.Lines, s.sessionLines(h.Hold, when)...)
		s.useInto(h.Hold, &out)
	}
	return out, nil
}

// nextStep says what to type next in an open run.
func nextStep(r runs.State) string {
	next := r.Next()
	switch {
	case next == nil:
		return fmt.Sprintf("All steps are over. Next: countersign runbook finish %s", r.ID)
	case next.Status == runs.Running:
		return fmt.Sprintf("Step %d is being carried out by its target. Look again: countersign runbook status %s", next.Number, r.ID)
	case next.ByHand():
		return fmt.Sprintf("Next: countersign runbook step %s %d %s", r.ID, next.Number, desk.DoFinish)
	}
	return fmt.Sprintf("Next: countersign runbook step %s %d %s", r.ID, next.Number, desk.DoBegin)
}

// helped adds to a refused invocation what to type instead: the runbook that was probably meant, or all that its text wants to know.
func (s *serving) helped(no *workflows.Refusal, id workflows.RunbookID) reply {
	r := refusedReply(no)
	book, ok := s.desk.Policy().Runbooks[id]
	switch {
	case no.Code == workflows.CodeUnknown && !ok:
		r.Lines = append(r.Lines, "countersign runbook list shows those that there are.")
		if near := s.meant(string(id)); near != "" {
			r.Lines = append(r.Lines, "Did you mean "+near+"?")
		}
	case no.Code == workflows.CodeBadField && ok && len(book.Runbook.Fields) > 0:
		r.Lines = append(r.Lines, "It wants, as NAME=VALUE (or NAME=@FILE):")
		for _, f := range book.Runbook.Fields {
			r.Lines = append(r.Lines, "  "+fieldWords(f))
		}
	}
	return r
}

// meant is the runbook whose name is near what was typed: a few letters off, or cut.
func (s *serving) meant(word string) string {
	var all, begun []string
	for _, id := range slices.Sorted(maps.Keys(s.desk.Policy().Runbooks)) {
		all = append(all, string(id))
		if len(word) >= 2 && strings.Contains(string(id), word) {
			begun = append(begun, string(id))
		}
	}
	if len(begun) > 0 {
		return strings.Join(begun, " or ")
	}
	return nearest(word, all)
}

func fieldWords(f workflows.Field) string {
	out := fmt.Sprintf("%s=…  %s", f.Name, f.Label)
	if len(f.Choices) > 0 {
		out += ": one of " + strings.Join(f.Choices, ", ")
	}
	if f.Optional {
		out += " (may be left out)"
	}
	return out
}

// foreseenFields are the problems with the answers to a form, for who looks before breaking the glass.
func foreseenFields(in incidents.Invocation) (out []string) {
	for _, p := range in.Fields {
		out = append(out, p.Field+": "+p.Text)
	}
	return out
}
