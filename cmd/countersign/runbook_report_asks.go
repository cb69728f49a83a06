package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows/incidents"
)

// What the published guidance asks, one by one, and what this incident shows of it: an auditor reads this first and looks up the rest above.

// asks says for each demand where an incident stands; what is open says so in capitals.
func (r glassReport) asks(say func(string, ...any)) {
	say("\n## What published guidance asks\n")
	for _, d := range incidents.Guidance() {
		text := d.Here
		if shows := r.shows(d.Number); shows != "" {
			text = shows
		}
		say("- **%d.** %s (%s) – %s", d.Number, inMarkdown(d.Asks), inMarkdown(d.Source), inMarkdown(text))
	}
}

// shows is what this incident shows of a demand; empty: nothing beside how the product meets it always.
func (r glassReport) shows(demand int) string {
	switch demand {
	case 1:
		return r.each(func(u reportUse) string {
			failed := 0
			for _, c := range u.Conditions {
				if !c.OK {
					failed++
				}
			}
			return fmt.Sprintf("%s: %s checked, %d failed, by text %s", u.Runbook, howMany(len(u.Conditions), "condition"), failed, u.Document)
		})
	case 3:
		return "Incident " + r.Incident + "."
	case 5:
		return r.each(func(u reportUse) string { return u.Runbook + ": " + u.Approval })
	case 6, 19:
		return r.eachReview(func(v reportSeen) string {
			if v.Verdict == "" {
				return "OPEN, with " + v.Owner
			}
			return fmt.Sprintf("%s by %s", v.Verdict, v.ClosedBy)
		})
	case 7, 8:
		return r.each(func(u reportUse) string { return fmt.Sprintf("%s: over %s, by %s", u.Runbook, u.Channel, u.Authn) })
	case 9, 10:
		return r.access()
	case 11:
		return r.alerted()
	case 12:
		if len(r.Timeline) == 1 {
			return "1 entry in the timeline."
		}
		return fmt.Sprintf("%d entries in the timeline.", len(r.Timeline))
	case 15:
		return fmt.Sprintf("The ledger has %d entries under root %s.", r.Size, r.Root)
	case 17:
		return r.each(func(u reportUse) string {
			return fmt.Sprintf("%s: %s, %s of evidence", u.Runbook, howMany(len(u.Steps), "step"), howMany(len(u.Evidence), "piece"))
		})
	case 18:
		return r.rotated()
	case 20:
		return r.eachReview(func(v reportSeen) string {
			if v.Overdue {
				return "LATE: due " + v.Due
			}
			return "due " + v.Due
		})
	case 23, 24:
		return r.each(func(u reportUse) string {
			return u.Runbook + ": " + condition(u, map[int]string{23: incidents.CondDrilled, 24: incidents.CondReviewed}[demand])
		})
	case 25:
		return r.each(func(u reportUse) string {
			return fmt.Sprintf("invoked by %s, carried out by %s", u.Invoker, u.Executor)
		})
	}
	return ""
}

func (r glassReport) each(fn func(reportUse) string) string {
	var out []string
	for _, u := range r.Uses {
		out = append(out, fn(u))
	}
	return strings.Join(out, "; ")
}

func (r glassReport) eachReview(fn func(reportSeen) string) string {
	var out []string
	for _, v := range r.Reviews {
		out = append(out, v.ID+": "+fn(v))
	}
	return strings.Join(out, "; ")
}

func condition(u reportUse, name string) string {
	i := slices.IndexFunc(u.Conditions, func(c incidents.Condition) bool { return c.Name == name })
	if i < 0 {
		return "not asked of it"
	}
	return map[bool]string{true: "", false: "FAILED: "}[u.Conditions[i].OK] + u.Conditions[i].Says
}

func (r glassReport) access() string {
	return r.each(func(u reportUse) string {
		var out []string
		for _, g := range u.Grants {
			end := "STILL HELD, until " + g.Until
			if g.Ended != "" {
				end = "ended " + g.Ended
			}
			out = append(out, g.What+" "+end)
		}
		if len(out) == 0 {
			return u.Runbook + ": nothing was given"
		}
		return strings.Join(out, ", ")
	})
}

func (r glassReport) alerted() string {
	n, first, lost := 0, "", 0
	for _, t := range r.Told {
		if !t.OK {
			lost++
			continue
		}
		if n++; first == "" {
			first = t.At
		}
	}
	if n == 0 {
		return "NOBODY was told."
	}
	says := fmt.Sprintf("%s delivered, the first at %s, %d undelivered.", howMany(n, "message"), first, lost)
	for _, e := range r.Escalated {
		says += fmt.Sprintf(" Path %s: %s.", e.Path, e.answered())
	}
	return says
}

func (r glassReport) rotated() string {
	var out []string
	for _, v := range r.Reviews {
		out = append(out, v.Tasks...)
	}
	if len(out) == 0 {
		return "Nothing that was exposed is named by the text."
	}
	return strings.Join(out, "; ")
}
