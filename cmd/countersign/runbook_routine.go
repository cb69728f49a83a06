package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// Routine runbooks on the command line: a chain opens them, once for each carrying-out, and the same words as in an incident carry them out.

// runbookStartRun asks for a routine runbook to be carried out.
func runbookStartRun(ctx context.Context, p proc) error {
	x := newBookPerson(p, "runbook start", "ID [NAME=VALUE …]")
	reason := x.flags.String("reason", "", "why it is to be carried out now")
	long := x.flags.String("for-time", "", "how long it may take, such as 30m or 2h; default: the usual time")
	about := x.flags.String("about", "", "whom or what it is about: an identity of the inventory, or the key of a person; default: you")
	words, err := x.parse(1, 40)
	if err != nil {
		return err
	}
	o := order{Do: doBookStart, Runbook: words[0], Reason: *reason, For: *about}
	fields := pairs{}
	for _, w := range words[1:] {
		if err := fields.Set(w); err != nil {
			return usageError{err.Error()}
		}
	}
	o.Fields = fields
	if *long != "" {
		if o.Long, err = spec.ParseSpan(*long); err != nil {
			return usageError{"-for-time: " + err.Error()}
		}
	}
	return x.doData(ctx, o)
}

// bookStart asks the chain of a routine runbook.
func (s *serving) bookStart(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	res, err := s.desk.OpenRun(ctx, desk.Routine{
		Cause: cause, By: by, Runbook: workflows.RunbookID(o.Runbook), About: s.subjectNamed(o.For), Values: o.Fields, Seconds: o.Long,
		Reason: strings.TrimSpace(o.Reason), Channel: viaCLI, Authn: unixPeer,
	})
	if err != nil || res.Refusal != nil {
		out := refusedOr(res.Refusal)
		for _, p := range res.Problems {
			out.Lines = append(out.Lines, p.Field+": "+p.Text)
		}
		return out, err
	}
	r, err := s.seenReply(ctx, by, res.Request)
	if err != nil {
		return r, err
	}
	r.Text += fmt.Sprintf(" Once it is approved: countersign runbook status %s", res.Request)
	return r, nil
}

// subjectNamed is an identity of the inventory, or the person of a key.
func (s *serving) subjectNamed(word string) workflows.IdentityID {
	if word == "" {
		return ""
	}
	if p := s.personKeyed(word); p != "p_unknown" {
		return p.Identity()
	}
	return workflows.IdentityID(word)
}
