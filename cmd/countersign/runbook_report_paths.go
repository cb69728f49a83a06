package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows/escalations"
)

// reportPath is an escalation about the incident: who was asked, and who looked after it.
type reportPath struct {
	ID     string     `json:"id"`
	About  string     `json:"about"`
	Path   string     `json:"path"`
	Opened string     `json:"opened"`
	Steps  []stepSeen `json:"steps"`
	Acks   []string   `json:"acknowledged,omitempty"` // who, when, by which way
	Ended  string     `json:"ended,omitempty"`        // without anybody's word
}

// escalated gathers the escalations about the incident, or about what was granted and reviewed for it.
func (b *reporting) escalated(ctx context.Context, out *glassReport) error {
	list, err := b.s.desk.Escalations(ctx, "", true, 0)
	if err != nil {
		return err
	}
	slices.Reverse(list) // oldest first
	for _, e := range list {
		if e.Opened.Incident != out.Incident && !out.gave(string(e.Opened.Grant)) {
			continue
		}
		seen := b.s.escalationData(ctx, e, true)
		x := reportPath{ID: e.ID, About: e.Opened.About, Path: e.Opened.Path, Opened: seen.Opened, Steps: seen.Steps}
		for _, a := range e.Acks {
			x.Acks = append(x.Acks, fmt.Sprintf("%s at %s, by %s", b.name(ctx, a.By), day(a.At), a.Via))
		}
		if e.Exhausted != 0 {
			x.Ended = "the path ended at " + day(e.Exhausted) + ", and nobody had acknowledged"
		}
		out.Escalated = append(out.Escalated, x)
		if err := b.read(ctx, escalations.Stream(e.ID), everyEntry); err != nil {
			return err
		}
	}
	return nil
}

// gave tells whether a grant was given for the incident.
func (r glassReport) gave(grant string) bool {
	return grant != "" && slices.ContainsFunc(r.Uses, func(u reportUse) bool {
		return slices.ContainsFunc(u.Grants, func(g reportGrant) bool { return g.ID == grant })
	})
}

// answered says whether somebody looked after it.
func (p reportPath) answered() string {
	switch {
	case len(p.Acks) > 0:
		return "acknowledged by " + strings.Join(p.Acks, "; ")
	case p.Ended != "":
		return "NOT acknowledged: " + p.Ended
	}
	return "NOT acknowledged yet"
}

func (r glassReport) escalations(say func(string, ...any)) {
	if len(r.Escalated) == 0 {
		return
	}
	say("\n## Escalation\n")
	for _, p := range r.Escalated {
		say("- %s, path %s, from %s: %s", inMarkdown(strings.ReplaceAll(p.About, "_", " ")), inMarkdown(p.Path), p.Opened, inMarkdown(p.answered()))
		for _, st := range p.Steps {
			for _, g := range st.Pages {
				why := ""
				if g.Why != "" {
					why = ": " + g.Why
				}
				say("  - %s, step %d: %s by %s, %s%s", st.At, st.Step, inMarkdown(g.To), inMarkdown(g.By), g.State, inMarkdown(why))
			}
		}
	}
}
